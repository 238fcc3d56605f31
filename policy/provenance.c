/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/provenance.h"

#include <time.h>

#include "base/json.h"

static const struct {
    const char *word, *type;
} types[] = {
    {"slsaprovenance", "https://slsa.dev/provenance/v0.2"},
    {"slsaprovenance02", "https://slsa.dev/provenance/v0.2"},
    {"slsaprovenance1", "https://slsa.dev/provenance/v1"},
    {"spdx", "https://spdx.dev/Document"},
    {"spdxjson", "https://spdx.dev/Document"},
    {"cyclonedx", "https://cyclonedx.org/bom"},
    {"vuln", "https://cosign.sigstore.dev/attestation/vuln/v1"},
    {"openvex", "https://openvex.dev/ns"},
    {"custom", "https://cosign.sigstore.dev/attestation/v1"},
    {"link", "https://in-toto.io/Link/v1"},
};

struct sl provenance_type(struct sl word)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
        if (sl_eq(word, sl_str(types[i].word))) {
            return sl_str(types[i].type);
        }
    }
    return word;
}

struct sl provenance_source(struct sl uri)
{
    const struct sl git = SL("git+"), end = SL(".git");
    const char *at;

    if (sl_starts(uri, git)) {
        uri = (struct sl){uri.p + git.n, uri.n - git.n};
    }
    const char *scheme = uri.n > 3 ? memmem(uri.p, uri.n, "://", 3) : NULL;
    const char *path = scheme != NULL && scheme + 3 < uri.p + uri.n
                           ? memchr(scheme + 3, '/', uri.n - (size_t)(scheme + 3 - uri.p))
                           : NULL;
    if (path == NULL) {
        return uri;
    }
    at = memchr(path, '@', uri.n - (size_t)(path - uri.p)); /* not that of user@host */
    at = at != NULL ? at : memchr(path, '#', uri.n - (size_t)(path - uri.p));
    uri.n = at != NULL ? (size_t)(at - uri.p) : uri.n;
    if (uri.n > end.n && memcmp(uri.p + uri.n - end.n, end.p, end.n) == 0) {
        uri.n -= end.n;
    }
    return uri;
}

/* The text at a path of members, "a/b/c"; {NULL, 0} when there is none. */
static struct sl text_at(const json_t *root, const char *path)
{
    char key[64];

    for (;;) {
        size_t n = strcspn(path, "/");
        PG_CHECK(n < sizeof(key));
        memcpy(key, path, n);
        key[n] = '\0';
        if (path[n] == '\0') {
            return pg_json_str(root, key);
        }
        root = json_object_get(root, key);
        path += n + 1;
    }
}

/* "+02:00"; -1 when it is none. */
static int64_t shift_of(const char *text)
{
    static const char form[] = "+00:00";

    if ((text[0] != '+' && text[0] != '-') || strlen(text) != sizeof(form) - 1) {
        return -1;
    }
    for (size_t i = 1; i < sizeof(form) - 1; i++) {
        if (form[i] == ':' ? text[i] != ':' : text[i] < '0' || text[i] > '9') {
            return -1;
        }
    }
    int64_t hours = 10 * (text[1] - '0') + (text[2] - '0');
    int64_t minutes = 10 * (text[4] - '0') + (text[5] - '0');
    return hours < 24 && minutes < 60 ? 60 * (60 * hours + minutes) : -1;
}

/* RFC 3339 in whole seconds; 0 when it is not. */
static int64_t time_of(struct sl text)
{
    char copy[40], *rest;
    struct tm tm = {0};

    if (text.n < 20 || text.n >= sizeof(copy)) {
        return 0;
    }
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    rest = strptime(copy, "%Y-%m-%dT%H:%M:%S", &tm);
    if (rest == NULL) {
        return 0;
    }
    rest += *rest == '.' ? 1 + strspn(rest + 1, "0123456789") : 0;
    int64_t at_s = timegm(&tm), shift_s = strcmp(rest, "Z") == 0 ? 0 : shift_of(rest);
    if (shift_s < 0) {
        return 0;
    }
    return *rest == '-' ? at_s + shift_s : at_s - shift_s;
}

/* The first of the paths that says something; all that say something have to say the same. */
static int one_of(const json_t *root, const char *const *paths, bool is_source, struct sl *text_r,
                  struct pg_err *err)
{
    *text_r = (struct sl){NULL, 0};
    for (; *paths != NULL; paths++) {
        struct sl text = text_at(root, *paths);
        text = is_source && text.p != NULL ? provenance_source(text) : text;
        if (text.p == NULL) {
            continue;
        }
        if (text_r->p != NULL && !sl_eq(*text_r, text)) {
            return pg_fail(err, PG_E_DENIED, "the statement names two different ones: %s", *paths);
        }
        *text_r = text;
    }
    return 0;
}

static int read_root(const json_t *root, struct pg_arena *arena, struct provenance *p_r,
                     struct pg_err *err)
{
    static const char *const builders[] = {"predicate/builder/id",
                                           "predicate/runDetails/builder/id", NULL};
    static const char *const sources[] = {
        "predicate/invocation/configSource/uri",
        "predicate/buildDefinition/externalParameters/workflow/repository",
        "predicate/buildDefinition/externalParameters/configSource/uri",
        "predicate/buildDefinition/externalParameters/source/uri",
        "predicate/buildDefinition/externalParameters/source",
        NULL};
    static const char *const times[] = {"predicate/metadata/scanFinishedOn",
                                        "predicate/metadata/buildFinishedOn",
                                        "predicate/runDetails/metadata/finishedOn", NULL};
    struct provenance p = {0};
    struct sl made;

    if (one_of(root, builders, false, &p.builder_id, err) < 0 ||
        one_of(root, sources, true, &p.source, err) < 0 ||
        one_of(root, times, false, &made, err) < 0) {
        return -1;
    }
    p.made_s = made.p != NULL ? time_of(made) : 0;
    if (made.p != NULL && p.made_s <= 0) {
        return pg_fail(err, PG_E_DENIED, "the statement's time is not one");
    }
    p.builder_id = p.builder_id.p != NULL ? pg_copy(arena, p.builder_id) : p.builder_id;
    p.source = p.source.p != NULL ? pg_copy(arena, p.source) : p.source;
    *p_r = p;
    return 0;
}

int provenance_read(struct sl statement, struct pg_arena *arena, struct provenance *p_r,
                    struct pg_err *err)
{
    _json_ json_t *root = NULL;

    if (statement.p == NULL || statement.n > PROVENANCE_BYTES_MAX) {
        return pg_fail(err, PG_E_DENIED, "the statement is missing, or larger than %zu MiB",
                       PROVENANCE_BYTES_MAX >> 20);
    }
    if (pg_json_parse(statement, PG_E_DENIED, &root, err) < 0) {
        return -1;
    }
    return read_root(root, arena, p_r, err);
}
