/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/manifest.h"

#include "base/json.h"
#include "oci/media.h"

#define TEXT_MAX     255 /* a media type, an artifact type */
#define PLATFORM_MAX 64  /* one of os, architecture, variant */
#define SIZE_MAX_JS                                                                                \
    ((json_int_t)1 << 53) /* from here on readers with doubles see another number                  \
                           */

/* What every function here needs. */
struct look {
    struct pg_arena *arena;
    struct pg_err *err;
};

#define wrong(l, ...) pg_fail((l)->err, PG_E_UPSTREAM_WRONG, __VA_ARGS__)

static const char *const document_members[] = {"schemaVersion", "mediaType",   "artifactType",
                                               "config",        "layers",      "manifests",
                                               "subject",       "annotations", "fsLayers"};
static const char *const desc_members[] = {"mediaType", "digest", "size", "urls", "platform"};
static const char *const platform_members[] = {"os", "architecture", "variant"};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static char lower(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c - 'A' + 'a');
    return c;
}

/* Would a reader that does not mind case take key for name? Go's does not, and for it the long s
 * (U+017F) is a case of s. No name here has a k, the other letter with a case outside ASCII. */
static bool reads_as(struct sl key, struct sl name)
{
    size_t at = 0;

    for (size_t i = 0; i < name.n; i++) {
        struct sl rest = {key.p + at, key.n - at};
        char c;

        if (rest.n == 0)
            return false;
        c = lower(rest.p[0]);
        if (sl_starts(rest, SL("\xc5\xbf"))) {
            c = 's';
            at += 2;
        } else {
            at++;
        }
        if (c != lower(name.p[i]))
            return false;
    }
    return at == key.n;
}

/* {"layers": [], "Layers": [...]} says two things to two readers. */
static int check_spelling(struct look *l, json_t *object, const char *const *names, size_t n)
{
    const char *key;
    json_t *value;

    json_object_foreach(object, key, value)
    {
        for (size_t i = 0; i < n; i++) {
            if (strcmp(key, names[i]) != 0 && reads_as(sl_str(key), sl_str(names[i])))
                return wrong(l, "a member is spelled almost like \"%s\"; readers differ over it",
                             names[i]);
        }
    }
    return 0;
}

/* null is as good as absent: Go writes it for what is empty. */
static json_t *member(json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);

    return json_is_null(value) ? NULL : value;
}

static bool is_printable(struct sl s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < 0x20 || s.p[i] > 0x7e)
            return false;
    }
    return true;
}

/* A string that may go into a header or a log line; absent: {NULL, 0}. */
static int read_text(struct look *l, json_t *object, const char *key, struct sl *text_r)
{
    json_t *value = member(object, key);
    struct sl text;

    *text_r = (struct sl){NULL, 0};
    if (value == NULL)
        return 0;
    if (!json_is_string(value))
        return wrong(l, "%s is not a string", key);
    text = (struct sl){json_string_value(value), json_string_length(value)};
    if (text.n > TEXT_MAX)
        return wrong(l, "%s is longer than %d bytes", key, TEXT_MAX);
    if (!is_printable(text))
        return wrong(l, "%s is not printable ASCII", key);
    *text_r = pg_copy(l->arena, text);
    return 0;
}

static bool is_type_name(struct sl s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = lower(s.p[i]);
        bool is_alnum = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

        if (!is_alnum && (i == 0 || c == '\0' || strchr("!#$&-^_.+", c) == NULL))
            return false;
    }
    return s.n > 0;
}

/* type/subtype, RFC 6838 section 4.2, without parameters: what becomes a Content-Type of ours */
static bool is_type(struct sl s)
{
    const char *slash = s.n > 0 && s.n <= TEXT_MAX ? memchr(s.p, '/', s.n) : NULL;
    size_t n = slash != NULL ? (size_t)(slash - s.p) : 0;

    return slash != NULL && is_type_name((struct sl){s.p, n}) &&
           is_type_name((struct sl){slash + 1, s.n - n - 1});
}

/* ---- descriptors ---------------------------------------------------------------------------- */

static int read_digest(struct look *l, json_t *object, struct digest *digest_r)
{
    struct pg_err inner = {0};
    json_t *value = json_object_get(object, "digest");

    if (!json_is_string(value))
        return wrong(l, "digest is absent or not a string");
    if (digest_parse((struct sl){json_string_value(value), json_string_length(value)}, digest_r,
                     &inner) == 0)
        return 0;
    (void)wrong(l, "digest: %s", inner.msg);
    pg_err_clear(&inner);
    return -1;
}

static int read_size(struct look *l, json_t *object, uint64_t *size_r)
{
    json_t *value = json_object_get(object, "size");
    json_int_t size = json_integer_value(value);

    if (!json_is_integer(value))
        return wrong(l, "size is absent or not an integer");
    if (size < 0 || size >= SIZE_MAX_JS)
        return wrong(l, "size is negative or above 2^53 - 1");
    *size_r = (uint64_t)size;
    return 0;
}

static int read_urls(struct look *l, json_t *object, bool *has_urls_r)
{
    json_t *urls = member(object, "urls");

    if (urls != NULL && !json_is_array(urls))
        return wrong(l, "urls is not an array");
    *has_urls_r = json_array_size(urls) > 0;
    return 0;
}

static bool is_platform_part(struct sl s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = lower(s.p[i]);

        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '.' && c != '_' && c != '-')
            return false;
    }
    return s.n > 0 && s.n <= PLATFORM_MAX;
}

/* What does not fit the form "os/arch[/variant]" is no claim at all. */
static int read_platform(struct look *l, json_t *object, struct sl *platform_r)
{
    json_t *platform = member(object, "platform");
    struct sl parts[COUNT(platform_members)];
    size_t nparts = COUNT(parts);
    char *text;
    size_t n = 0;

    *platform_r = (struct sl){NULL, 0};
    if (platform == NULL)
        return 0;
    if (!json_is_object(platform))
        return wrong(l, "platform is not an object");
    if (check_spelling(l, platform, platform_members, COUNT(platform_members)) < 0)
        return pg_wrap(l->err, "platform");
    for (size_t i = 0; i < COUNT(parts); i++) {
        if (read_text(l, platform, platform_members[i], &parts[i]) < 0)
            return pg_wrap(l->err, "platform");
    }
    if (parts[2].n == 0)
        nparts = 2;
    for (size_t i = 0; i < nparts; i++) {
        if (!is_platform_part(parts[i]))
            return 0;
    }
    text = pg_alloc(l->arena, nparts * (PLATFORM_MAX + 1));
    for (size_t i = 0; i < nparts; i++) {
        if (i > 0)
            text[n++] = '/';
        memcpy(text + n, parts[i].p, parts[i].n);
        n += parts[i].n;
    }
    *platform_r = (struct sl){text, n};
    return 0;
}

static int read_desc(struct look *l, json_t *value, struct manifest_desc *d_r)
{
    struct manifest_desc d = {0};

    if (!json_is_object(value))
        return wrong(l, "not an object");
    if (check_spelling(l, value, desc_members, COUNT(desc_members)) < 0 ||
        read_text(l, value, "mediaType", &d.media_type) < 0 ||
        read_digest(l, value, &d.digest) < 0 || read_size(l, value, &d.size) < 0 ||
        read_urls(l, value, &d.has_urls) < 0 || read_platform(l, value, &d.platform) < 0)
        return -1;
    *d_r = d;
    return 0;
}

static int read_children(struct look *l, json_t *root, const char *key, struct manifest *m)
{
    json_t *list = json_object_get(root, key);
    size_t n = json_array_size(list);

    if (list == NULL || !(json_is_array(list) || json_is_null(list)))
        return wrong(l, "%s is absent or not an array", key);
    if (n > MANIFEST_CHILDREN_MAX)
        return wrong(l, "%s has more than %d entries", key, MANIFEST_CHILDREN_MAX);
    if (n == 0)
        return 0;
    m->children = pg_alloc(l->arena, n * sizeof(*m->children));
    m->nchildren = n;
    for (size_t i = 0; i < n; i++) {
        if (read_desc(l, json_array_get(list, i), &m->children[i]) < 0)
            return pg_wrap(l->err, "%s[%zu]", key, i);
    }
    return 0;
}

/* ---- annotations: the text as it came ------------------------------------------------------- */

/* These walk text that jansson took: they need not judge it, only not run past its end. */
static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static size_t skip_space(struct sl s, size_t at)
{
    while (at < s.n && is_space(s.p[at]))
        at++;
    return at;
}

static size_t skip_string(struct sl s, size_t at)
{
    for (at++; at < s.n && s.p[at] != '"'; at++) {
        if (s.p[at] == '\\')
            at++;
    }
    return at < s.n ? at + 1 : s.n;
}

/* To the comma or the brace behind it. */
static size_t skip_value(struct sl s, size_t at)
{
    size_t depth = 0;

    while (at < s.n) {
        char c = s.p[at];

        if (c == '"') {
            at = skip_string(s, at);
            continue;
        }
        if (depth == 0 && (c == ',' || c == '}'))
            return at;
        if (c == '{' || c == '[')
            depth++;
        if (c == '}' || c == ']')
            depth--;
        at++;
    }
    return s.n;
}

/* The text of a member of the outermost object; {NULL, 0} if its name is not spelled so. */
static struct sl raw_member(struct sl json, struct sl name)
{
    size_t at = skip_space(json, 0) + 1; /* behind the brace */

    while ((at = skip_space(json, at)) < json.n && json.p[at] == '"') {
        size_t key_end = skip_string(json, at);
        size_t start = skip_space(json, skip_space(json, key_end) + 1); /* behind the colon */
        size_t next = skip_value(json, start);
        size_t end = next;

        PG_CHECK(key_end - at >= 2);
        while (end > start && is_space(json.p[end - 1]))
            end--;
        if (sl_eq((struct sl){json.p + at + 1, key_end - at - 2}, name))
            return (struct sl){json.p + start, end - start};
        at = next + 1; /* behind the comma, or the last brace */
    }
    return (struct sl){NULL, 0};
}

static int read_annotations(struct look *l, json_t *root, struct sl bytes, struct manifest *m)
{
    json_t *annotations = member(root, "annotations");
    const char *key;
    json_t *value;
    struct sl raw;

    if (annotations == NULL)
        return 0;
    if (!json_is_object(annotations))
        return wrong(l, "annotations is not an object");
    json_object_foreach(annotations, key, value)
    {
        if (!json_is_string(value))
            return wrong(l, "annotations has a value that is not a string");
    }
    raw = raw_member(bytes, SL("annotations"));
    if (raw.n == 0)
        return wrong(l, "the name of the member annotations is written with escapes");
    m->annotations = pg_copy(l->arena, raw);
    return 0;
}

/* ---- the document --------------------------------------------------------------------------- */

static int refuse_schema1(struct look *l)
{
    return wrong(l, "this is a Docker image manifest of schema 1, a format that clients have "
                    "dropped and that is never served; push the image again with a current "
                    "client, which writes schema 2 or OCI");
}

/* One type from the document and the Content-Type, both of which may be silent. */
static int settle_type(struct look *l, json_t *root, struct sl content_type, struct sl *type_r)
{
    struct sl header = media_strip(content_type), own;

    if (media_is_generic(header))
        header = (struct sl){NULL, 0};
    if (read_text(l, root, "mediaType", &own) < 0)
        return -1;
    if (media_is_schema1(own) || media_is_schema1(header))
        return refuse_schema1(l);
    if (own.n > 0 && !is_type(own))
        return wrong(l, "mediaType is not a media type");
    if (header.n > 0 && !is_type(header))
        return wrong(l, "the Content-Type is not a media type");
    if (own.n > 0 && header.n > 0 && !sl_eq_nocase(own, header))
        return wrong(l, "mediaType is %.*s, but the Content-Type says %.*s", SL_ARG(own),
                     SL_ARG(header));
    *type_r = own.n > 0 ? own : pg_copy(l->arena, header);
    return 0;
}

/* CVE-2021-41190: what one reader takes for an image, another for an index. */
static int check_one_kind(struct look *l, json_t *root)
{
    bool is_like_image =
        json_object_get(root, "config") != NULL || json_object_get(root, "layers") != NULL;

    if (is_like_image && json_object_get(root, "manifests") != NULL)
        return wrong(l, "the document is an image and an index at once");
    return 0;
}

static int settle_kind(struct look *l, json_t *root, struct manifest *m)
{
    bool has_manifests = json_object_get(root, "manifests") != NULL;

    if (media_is_index(m->media_type)) {
        m->kind = MANIFEST_INDEX;
    } else if (media_is_image(m->media_type)) {
        m->kind = MANIFEST_IMAGE;
    } else if (m->media_type.n > 0) {
        m->kind = MANIFEST_OTHER;
    } else if (has_manifests) {
        m->kind = MANIFEST_INDEX;
        m->media_type = pg_copy(l->arena, SL(MEDIA_OCI_INDEX));
    } else if (json_object_get(root, "config") != NULL && json_object_get(root, "layers") != NULL) {
        m->kind = MANIFEST_IMAGE;
        m->media_type = pg_copy(l->arena, SL(MEDIA_OCI_MANIFEST));
    } else if (json_object_get(root, "fsLayers") != NULL) {
        return refuse_schema1(l);
    } else {
        return wrong(l, "neither a media type nor its members say what the document is");
    }
    return 0;
}

static int check_schema(struct look *l, json_t *root)
{
    json_t *version = json_object_get(root, "schemaVersion");

    if (json_object_get(root, "fsLayers") != NULL || json_integer_value(version) == 1)
        return refuse_schema1(l);
    if (version != NULL && (!json_is_integer(version) || json_integer_value(version) != 2))
        return wrong(l, "schemaVersion is not 2");
    return 0;
}

static int read_links(struct look *l, json_t *root, struct manifest *m)
{
    json_t *subject = member(root, "subject");

    if (m->kind == MANIFEST_IMAGE) {
        if (read_desc(l, json_object_get(root, "config"), &m->config) < 0)
            return pg_wrap(l->err, "config");
        m->has_config = true;
    }
    if (subject != NULL) {
        if (read_desc(l, subject, &m->subject) < 0)
            return pg_wrap(l->err, "subject");
        m->has_subject = true;
    }
    return read_children(l, root, m->kind == MANIFEST_IMAGE ? "layers" : "manifests", m);
}

static int read_document(struct look *l, json_t *root, struct sl bytes, struct sl content_type,
                         struct manifest *m)
{
    if (!json_is_object(root))
        return wrong(l, "the document is not an object");
    if (settle_type(l, root, content_type, &m->media_type) < 0 || check_one_kind(l, root) < 0 ||
        settle_kind(l, root, m) < 0)
        return -1;
    if (m->kind == MANIFEST_OTHER)
        return 0;
    if (check_spelling(l, root, document_members, COUNT(document_members)) < 0 ||
        check_schema(l, root) < 0)
        return -1;
    if (m->kind == MANIFEST_IMAGE && json_object_get(root, "manifests") != NULL)
        return wrong(l, "the document is an index, but its media type is that of an image");
    if (m->kind == MANIFEST_INDEX &&
        (json_object_get(root, "config") != NULL || json_object_get(root, "layers") != NULL))
        return wrong(l, "the document is an image, but its media type is that of an index");
    if (read_text(l, root, "artifactType", &m->artifact_type) < 0 || read_links(l, root, m) < 0)
        return -1;
    return read_annotations(l, root, bytes, m);
}

int manifest_parse(struct sl bytes, struct sl content_type, struct pg_arena *arena,
                   struct manifest *m_r, struct pg_err *err)
{
    _json_ json_t *root = NULL;
    struct look l = {.arena = arena, .err = err};
    struct manifest m = {0};

    if (bytes.n > MANIFEST_BYTES_MAX)
        return pg_fail(err, PG_E_UPSTREAM_WRONG, "the manifest is larger than %zu bytes",
                       MANIFEST_BYTES_MAX);
    if (pg_json_parse(bytes, PG_E_UPSTREAM_WRONG, &root, err) < 0 ||
        read_document(&l, root, bytes, content_type, &m) < 0)
        return pg_wrap(err, "manifest");
    *m_r = m;
    return 0;
}
