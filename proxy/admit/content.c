/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admit/content.h"

#include "base/json.h"
#include "policy/secret.h"

#define OCI_CONFIG    "application/vnd.oci.image.config.v1+json"
#define DOCKER_CONFIG "application/vnd.docker.container.image.v1+json"
#define EMPTY_CONFIG  "application/vnd.oci.empty.v1+json"

bool content_is_image(struct sl config_type)
{
    return sl_eq(config_type, SL(OCI_CONFIG)) || sl_eq(config_type, SL(DOCKER_CONFIG));
}

static bool is_image(const struct manifest *m)
{
    return m->kind == MANIFEST_IMAGE && m->has_config && content_is_image(m->config.media_type);
}

int content_plan(const struct manifest *m, struct digest *config_r, size_t *size_r)
{
    if (!is_image(m) || m->config.size > CONTENT_CONFIG_MAX)
        return 0;
    *config_r = m->config.digest;
    *size_r = (size_t)m->config.size;
    return 1;
}

/* ---- names and values ---------------------------------------------------------------------- */

static bool is_ascii(const char *text)
{
    while (*text != '\0' && (unsigned char)*text < 0x80)
        text++;
    return *text == '\0';
}

/* Go's reader takes "Labels" and "labels" for one member, and the last of them counts; there are
 * letters beyond ASCII that it takes for k and s. */
static const char *check_members(const json_t *object, const char *const *known)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        if (!is_ascii(key))
            return "has a member whose name is not ASCII";
        for (size_t i = 0; known[i] != NULL; i++)
            if (strcmp(key, known[i]) != 0 && sl_eq_nocase(sl_str(key), sl_str(known[i])))
                return "has a member that differs from a known one by its case";
    }
    return NULL;
}

static struct sl text_of(const json_t *value, struct pg_arena *arena)
{
    return pg_copy(arena, (struct sl){json_string_value(value), json_string_length(value)});
}

/* Of an object of texts; absent and null are none. */
static const char *read_pairs(const json_t *object, struct pg_arena *arena,
                              const struct facts_pair **pairs_r, size_t *n_r)
{
    struct facts_pair *pairs;
    const char *key;
    json_t *value;
    size_t n = 0;

    if (object == NULL || json_is_null(object))
        return NULL;
    if (!json_is_object(object) || json_object_size(object) > CONTENT_PAIRS_MAX)
        return "has labels that are no mapping, or too many";
    pairs = pg_alloc(arena, json_object_size(object) * sizeof(*pairs) + 1);
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        if (!json_is_string(value))
            return "has a label that is no text";
        pairs[n++] = (struct facts_pair){pg_copy(arena, sl_str(key)), text_of(value, arena)};
    }
    *pairs_r = pairs;
    *n_r = n;
    return NULL;
}

/* "NAME=value", each. */
static const char *read_env(const json_t *list, struct pg_arena *arena, struct facts_content *c)
{
    struct facts_pair *pairs;

    if (list == NULL || json_is_null(list))
        return NULL;
    if (!json_is_array(list) || json_array_size(list) > CONTENT_PAIRS_MAX)
        return "has variables that are no list, or too many";
    pairs = pg_alloc(arena, json_array_size(list) * sizeof(*pairs) + 1);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        struct sl text;
        const char *equals;

        if (!json_is_string(one))
            return "has a variable that is no text";
        text = text_of(one, arena);
        equals = memchr(text.p, '=', text.n);
        pairs[i] = (struct facts_pair){text, SL("")};
        if (equals != NULL) {
            pairs[i].name.n = (size_t)(equals - text.p);
            pairs[i].value = (struct sl){equals + 1, text.n - pairs[i].name.n - 1};
        }
    }
    c->env = pairs;
    c->nenv = json_array_size(list);
    return NULL;
}

/* ---- the config ---------------------------------------------------------------------------- */

static const char *read_platform(const json_t *root, struct pg_arena *arena,
                                 struct facts_content *c)
{
    static const char *const members[] = {"os", "architecture", "variant"};
    char *text;
    size_t n = 0, size = 3;

    for (size_t i = 0; i < 3; i++) {
        const json_t *value = json_object_get(root, members[i]);

        if (value != NULL && !json_is_string(value) && !json_is_null(value))
            return "has an os, architecture or variant that is no text";
        if (value != NULL && json_is_string(value) &&
            memchr(json_string_value(value), '/', json_string_length(value)) != NULL)
            return "has an os, architecture or variant with a slash";
        size += json_string_length(value);
    }
    if (pg_json_str(root, "os").n == 0 || pg_json_str(root, "architecture").n == 0)
        return NULL;
    text = pg_alloc(arena, size);
    for (size_t i = 0; i < 3; i++) {
        struct sl part = pg_json_str(root, members[i]);

        if (part.n == 0)
            continue;
        if (i > 0)
            text[n++] = '/';
        memcpy(text + n, part.p, part.n);
        n += part.n;
    }
    c->platform = (struct sl){text, n};
    return NULL;
}

static const char *read_config(const json_t *root, struct pg_arena *arena, struct facts_content *c)
{
    static const char *const members[] = {"os", "architecture", "variant", "config", NULL};
    static const char *const inner[] = {"Labels", "Env", NULL};
    const json_t *config = json_object_get(root, "config");
    const char *bad = json_is_object(root) ? check_members(root, members) : "is no object";

    if (bad == NULL)
        bad = read_platform(root, arena, c);
    if (bad != NULL || config == NULL || json_is_null(config))
        return bad;
    if (!json_is_object(config))
        return "has a config that is no object";
    bad = check_members(config, inner);
    if (bad == NULL)
        bad = read_pairs(json_object_get(config, "Labels"), arena, &c->labels, &c->nlabels);
    return bad != NULL ? bad : read_env(json_object_get(config, "Env"), arena, c);
}

static void parse_config(struct sl bytes, struct pg_arena *arena, struct facts_content *c)
{
    struct pg_err err = {0};
    _json_ json_t *root = NULL;

    if (pg_json_parse(bytes, PG_E_UPSTREAM_WRONG, &root, &err) < 0)
        c->trouble = "is no JSON that can be read";
    else
        c->trouble = read_config(root, arena, c);
    pg_err_clear(&err);
}

/* ---- the manifest -------------------------------------------------------------------------- */

static void read_annotations(const struct manifest *m, struct pg_arena *arena,
                             struct facts_content *c)
{
    struct pg_err err = {0};
    _json_ json_t *root = NULL;

    if (m->annotations.n == 0)
        return;
    if (pg_json_parse(m->annotations, PG_E_UPSTREAM_WRONG, &root, &err) < 0 ||
        read_pairs(root, arena, &c->annotations, &c->nannotations) != NULL)
        c->trouble = "goes with annotations that cannot be read";
    pg_err_clear(&err);
}

static void read_types(const struct manifest *m, struct pg_arena *arena, struct facts_content *c)
{
    struct sl *types = pg_alloc(arena, 2 * sizeof(*types));

    if (m->artifact_type.n > 0)
        types[c->ntypes++] = pg_copy(arena, m->artifact_type);
    if (m->has_config && m->config.media_type.n > 0 &&
        !sl_eq(m->config.media_type, SL(EMPTY_CONFIG)))
        types[c->ntypes++] = pg_copy(arena, m->config.media_type);
    c->types = types;
}

static void read_all(const struct content_input *in, struct pg_arena *arena,
                     struct facts_content *c)
{
    const struct manifest *m = in->manifest;

    if (m == NULL) {
        c->trouble = "is not known, since its manifest is not here";
        c->is_unknown = true;
        return;
    }
    c->shape = m->kind == MANIFEST_INDEX   ? FACTS_INDEX
               : is_image(m)               ? FACTS_IMAGE
               : m->kind == MANIFEST_IMAGE ? FACTS_ARTIFACT
                                           : FACTS_OTHER;
    read_types(m, arena, c);
    read_annotations(m, arena, c);
    if (c->trouble != NULL || c->shape != FACTS_IMAGE)
        return;
    if (m->config.size > CONTENT_CONFIG_MAX) {
        c->trouble = "is larger than 4 MiB";
    } else if (in->config.p != NULL) {
        parse_config(in->config, arena, c);
    } else {
        c->trouble = in->trouble != NULL ? pg_copy(arena, sl_str(in->trouble)).p : "is not here";
        c->is_unknown = in->is_unknown;
    }
}

const struct facts_content *content_read(const struct content_input *in, struct pg_arena *arena)
{
    struct facts_content *c = pg_new(arena, struct facts_content);

    *c = (struct facts_content){.shape = FACTS_OTHER};
    read_all(in, arena, c);
    c->secret = secret_find(c);
    return c;
}
