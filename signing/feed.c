/* SPDX-License-Identifier: Apache-2.0 */
#include "signing/feed.h"

#include "base/json.h"
#include "base/moment.h"
#include "oci/digest.h"
#include "signing/envelope_int.h"
#include "signing/field_int.h"
#include "signing/key_int.h"

#define NODES_MAX    200000
#define IDENTITY_MAX 200
#define REPO_MAX     255

static int wrong(struct pg_err *err, const char *what)
{
    return pg_fail(err, PG_E_UPSTREAM_WRONG, "the feed of revocations is refused: %s", what);
}

static int wrong_entry(struct pg_err *err, size_t i, const char *what)
{
    return pg_fail(err, PG_E_UPSTREAM_WRONG, "the feed of revocations is refused: entry %zu: %s",
                   i + 1, what);
}

/* ---- entries ------------------------------------------------------------------------------- */

static bool is_sha256(struct sl text)
{
    struct pg_err ignored = {0};
    struct digest d;
    bool ok = sl_starts(text, SL("sha256:")) && digest_parse(text, &d, &ignored) == 0;

    pg_err_clear(&ignored);
    return ok;
}

static bool is_hex(struct sl s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!(s.p[i] >= '0' && s.p[i] <= '9') && !(s.p[i] >= 'a' && s.p[i] <= 'f'))
            return false;
    return s.n == TRUST_ID_DIGITS;
}

static bool is_text(struct sl s, size_t max)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return false;
    return s.n > 0 && s.n <= max;
}

/* As it is kept: a host with a dot, a port, or localhost, and all of the name. What is written
 * otherwise would never be met. */
static bool is_repository(struct sl s)
{
    const char *slash = s.n > 0 ? memchr(s.p, '/', s.n) : NULL;
    size_t host = slash != NULL ? (size_t)(slash - s.p) : 0;
    struct sl rest = {s.p + host + 1, host > 0 ? s.n - host - 1 : 0};

    if (!is_text(s, REPO_MAX) || host == 0 || rest.n == 0)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if ((s.p[i] >= 'A' && s.p[i] <= 'Z') || s.p[i] == ' ' || s.p[i] == '@')
            return false;
    if (sl_eq((struct sl){s.p, host}, SL("docker.io")))
        return memchr(rest.p, '/', rest.n) != NULL;
    return memchr(s.p, '.', host) != NULL || memchr(s.p, ':', host) != NULL ||
           sl_eq((struct sl){s.p, host}, SL("localhost"));
}

static const struct {
    const char *name, *why;
} kinds[] = {
    [FEED_DIGEST] = {"digest", "digest is no sha256:<64 hex digits>"},
    [FEED_LAYER] = {"layer", "layer is no sha256:<64 hex digits>"},
    [FEED_KEY] = {"key", "key is not the 64 hex digits by which a key is known"},
    [FEED_IDENTITY] = {"identity", "identity is empty, too long, or has control characters"},
    [FEED_REPOSITORY] = {"repository", "repository is not whole, as docker.io/library/nginx is"},
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static bool is_good(const struct feed_entry *e)
{
    switch (e->kind) {
    case FEED_DIGEST:
    case FEED_LAYER:
        return is_sha256(e->what);
    case FEED_KEY:
        return is_hex(e->what);
    case FEED_IDENTITY:
        return is_text(e->what, IDENTITY_MAX);
    case FEED_REPOSITORY:
        return is_repository(e->what);
    }
    PG_BUG("an entry of no kind");
}

static int read_entry(const json_t *o, size_t i, struct pg_arena *arena, struct feed_entry *e_r,
                      struct pg_err *err)
{
    static const char *const names[] = {"digest",     "layer",  "key", "identity",
                                        "repository", "reason", NULL};
    struct feed_entry e = {.reason = SL("")};
    struct sl text;
    unsigned n = 0;

    if (!field_known(o, names))
        return wrong_entry(err, i, "it is no object, or has members that are not known");
    for (size_t k = 0; k < KINDS; k++) {
        int found = field_text(o, kinds[k].name, &text);

        if (found < 0)
            return wrong_entry(err, i, kinds[k].why);
        if (found > 0) {
            e.kind = (enum feed_kind)k;
            e.what = pg_copy(arena, text);
            n++;
        }
    }
    if (n != 1)
        return wrong_entry(err, i, "it needs one of digest, layer, key, identity, repository");
    if (!is_good(&e))
        return wrong_entry(err, i, kinds[e.kind].why);
    if (field_text(o, "reason", &text) != 0) {
        if (field_text(o, "reason", &text) < 0 || !is_text(text, FEED_REASON_MAX))
            return wrong_entry(err, i, "its reason is empty, too long, or has control characters");
        e.reason = pg_copy(arena, text);
    }
    *e_r = e;
    return 0;
}

/* ---- the list ------------------------------------------------------------------------------ */

static int read_entries(const json_t *root, struct pg_arena *arena, struct feed *f,
                        struct pg_err *err)
{
    const json_t *list;

    if (field_array(root, "entries", &list) <= 0)
        return wrong(err, "it has no list of entries");
    f->n = json_array_size(list);
    if (f->n > FEED_ENTRIES_MAX)
        return pg_fail(err, PG_E_UPSTREAM_WRONG,
                       "the feed of revocations is refused: it has more than %d entries",
                       FEED_ENTRIES_MAX);
    f->entries = pg_alloc(arena, f->n * sizeof(*f->entries) + 1);
    for (size_t i = 0; i < f->n; i++)
        if (read_entry(json_array_get(list, i), i, arena, &f->entries[i], err) < 0)
            return -1;
    return 0;
}

int feed_parse(struct sl payload, struct pg_arena *arena, struct feed *f, struct pg_err *err)
{
    static const char *const names[] = {"epoch", "serial", "expires", "entries", NULL};
    _json_ json_t *root = NULL;
    uint8_t sha256[PG_HASH_BYTES_MAX];
    int64_t epoch, serial;
    struct sl expires;

    if (pg_json_parse_large(payload, NODES_MAX, PG_E_UPSTREAM_WRONG, &root, err) < 0)
        return -1;
    if (!field_known(root, names))
        return wrong(err, "it is no object, or has members that are not known");
    if (field_int64(root, "epoch", &epoch) <= 0 || field_int64(root, "serial", &serial) <= 0 ||
        epoch < 0 || serial < 0)
        return wrong(err, "epoch and serial must be whole numbers");
    if (field_text(root, "expires", &expires) <= 0 || !moment_parse(expires, &f->expires_s) ||
        f->expires_s < 0)
        return wrong(err, "expires must be a time, as 2026-12-01T00:00:00Z");
    f->epoch = (uint64_t)epoch;
    f->serial = (uint64_t)serial;
    (void)key_digest_of(KEY_SHA256, payload, sha256);
    memcpy(f->sha256, sha256, sizeof(f->sha256));
    return read_entries(root, arena, f, err);
}

/* ---- who signed ---------------------------------------------------------------------------- */

static int read_key(struct sl pem, const char *file, struct key **key_r, struct pg_err *err)
{
    struct sl rest = pem;

    if (key_from_pem(&rest, key_r, err) < 0)
        return pg_wrap(err, "%s", file);
    return 0;
}

int feed_check_key(struct sl key, const char *key_file, struct pg_err *err)
{
    struct key *k = NULL;
    int rc = read_key(key, key_file, &k, err);

    key_free(k);
    return rc;
}

static int check_signature(const struct envelope *e, const struct key *k, struct pg_err *err)
{
    struct key_message m = key_message_of(e->encoded);
    struct key_how how;

    return key_verify(k, false, &m, e->signature, &how) == KEY_GOOD
               ? 0
               : pg_fail(err, PG_E_DENIED,
                         "the feed of revocations is refused: it is not signed by its key");
}

static int read_envelope(struct sl bytes, struct pg_arena *arena, struct envelope *e,
                         struct pg_err *err)
{
    _json_ json_t *root = NULL;
    struct verify_refusal no = {.reason = VERIFY_MALFORMED};

    if (bytes.n > FEED_BYTES_MAX)
        return wrong(err, "it is too large");
    if (pg_json_parse(bytes, PG_E_UPSTREAM_WRONG, &root, err) < 0)
        return -1;
    if (envelope_read(root, SL(FEED_TYPE), arena, e, &no) < 0) {
        (void)wrong(err, no.err.msg);
        pg_err_clear(&no.err);
        return -1;
    }
    return 0;
}

/* Nothing of what it says is looked at before it is known who says it. */
int feed_read(struct sl envelope, struct sl key, const char *key_file, struct pg_arena *arena,
              struct feed *feed_r, struct pg_err *err)
{
    struct envelope e = {0};
    struct key *k = NULL;
    int rc = read_key(key, key_file, &k, err);

    *feed_r = (struct feed){.n = 0};
    if (rc == 0)
        rc = read_envelope(envelope, arena, &e, err);
    if (rc == 0)
        rc = check_signature(&e, k, err);
    if (rc == 0)
        rc = feed_parse(e.payload, arena, feed_r, err);
    key_free(k);
    return rc;
}
