/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admit/result.h"

#include <string.h>

#include "base/list.h"
#include "base/packed.h"

#define VERSION         1
#define TEXT_BYTES_MAX  512 /* of what is listed; a finding with a longer text is not */
#define ALIASES_MAX     16
#define HEAD_BYTES      ((size_t)4096)
#define LIST_BYTES_MAX  (SCANNED_BYTES_MAX - HEAD_BYTES)
#define FINDINGS_MAX    REPORT_FINDINGS_MAX
#define READ_ARENA      ((size_t)16 << 20)
#define FINDING_MINIMUM ((size_t)22) /* bytes of one with empty texts */

enum flag { EXPLOITED = 1, SUPPRESSED = 2 };           /* of a finding */
enum failure { NO_FAULT = 0, OURS = 1, IS_EMPTY = 2 }; /* of a failure */

/* ---- bytes --------------------------------------------------------------------------------- */

static void put_text(struct pg_buf *b, struct sl s, size_t max)
{
    pg_packed_put_text(b, (struct sl){s.p, s.n < max ? s.n : max}, 2);
}

/* A number that is no more than max. */
static uint64_t take_below(struct pg_packed *r, unsigned nbytes, uint64_t max)
{
    uint64_t value = pg_packed_uint(r, nbytes);

    r->bad |= value > max;
    return r->bad ? 0 : value;
}

static int64_t take_time(struct pg_packed *r)
{
    return (int64_t)take_below(r, 8, INT64_MAX);
}

static struct sl take_text(struct pg_packed *r)
{
    return pg_packed_text(r, 2);
}

/* ---- a finding ----------------------------------------------------------------------------- */

static bool is_listable(const struct report_finding *f)
{
    return f->id.n <= TEXT_BYTES_MAX && f->package.n <= TEXT_BYTES_MAX &&
           f->version.n <= TEXT_BYTES_MAX && f->purl.n <= TEXT_BYTES_MAX &&
           f->fixed.n <= TEXT_BYTES_MAX;
}

static size_t bytes_of(const struct report_finding *f)
{
    size_t n = FINDING_MINIMUM + f->id.n + f->package.n + f->version.n + f->purl.n + f->fixed.n;

    for (size_t i = 0; i < f->aliases.n && i < ALIASES_MAX; i++) {
        n += 2 + f->aliases.names[i].n;
    }
    return n;
}

static void put_finding(struct pg_buf *b, const struct report_finding *f, int64_t since_s)
{
    size_t naliases = f->aliases.n < ALIASES_MAX ? f->aliases.n : ALIASES_MAX;

    pg_packed_put_uint(b, (uint64_t)f->severity, 1);
    pg_packed_put_uint(b, (uint64_t)f->fix, 1);
    pg_packed_put_uint(b, (f->is_exploited ? EXPLOITED : 0u) | (f->is_suppressed ? SUPPRESSED : 0u),
                       1);
    pg_packed_put_uint(b, (uint64_t)since_s, 8);
    put_text(b, f->id, TEXT_BYTES_MAX);
    put_text(b, f->package, TEXT_BYTES_MAX);
    put_text(b, f->version, TEXT_BYTES_MAX);
    put_text(b, f->purl, TEXT_BYTES_MAX);
    put_text(b, f->fixed, TEXT_BYTES_MAX);
    pg_packed_put_uint(b, naliases, 1);
    for (size_t i = 0; i < naliases; i++) {
        put_text(b, f->aliases.names[i], ALIAS_MAX);
    }
}

static void take_finding(struct pg_packed *r, struct pg_arena *arena, struct report_finding *f,
                         int64_t *since_s)
{
    uint64_t flags, naliases;
    struct sl *names;

    f->severity = (enum severity)take_below(r, 1, SEVERITY_N - 1);
    f->fix = (enum report_fix)take_below(r, 1, REPORT_FIX_NEVER);
    flags = take_below(r, 1, EXPLOITED | SUPPRESSED);
    f->is_exploited = (flags & EXPLOITED) != 0;
    f->is_suppressed = (flags & SUPPRESSED) != 0;
    *since_s = take_time(r);
    f->id = take_text(r);
    f->package = take_text(r);
    f->version = take_text(r);
    f->purl = take_text(r);
    f->fixed = take_text(r);
    naliases = take_below(r, 1, ALIASES_MAX);
    names = naliases > 0 ? pg_alloc(arena, naliases * sizeof(*names)) : NULL;
    for (size_t i = 0; i < naliases; i++) {
        names[i] = take_text(r);
    }
    f->aliases = (struct alias_list){names, naliases};
}

/* ---- when it was first seen ---------------------------------------------------------------- */

struct sighting {
    struct pg_map_node node;
    int64_t since_s;
};

static struct sl name_of(const struct report_finding *f, struct pg_arena *arena)
{
    char *p = pg_alloc(arena, f->id.n + f->package.n + 1);

    memcpy(p, f->id.p, f->id.n);
    memcpy(p + f->id.n + 1, f->package.p, f->package.n);
    return (struct sl){p, f->id.n + f->package.n + 1};
}

static void note_old(struct pg_map *map, const struct result *old, struct pg_arena *arena)
{
    for (size_t i = 0; i < old->nfindings; i++) {
        struct sl name = name_of(&old->findings[i], arena);

        if (pg_map_get(map, name) == NULL) {
            struct sighting *s = pg_new(arena, struct sighting);
            s->since_s = old->since_s[i];
            pg_map_put(map, &s->node, name);
        }
    }
}

static int64_t since_of(const struct pg_map *map, const struct report_finding *f, int64_t now_s,
                        struct pg_arena *arena)
{
    struct pg_map_node *node = map->n > 0 ? pg_map_get(map, name_of(f, arena)) : NULL;

    return node != NULL ? pg_container_of(node, struct sighting, node)->since_s : now_s;
}

/* ---- the whole ----------------------------------------------------------------------------- */

/* The worst first; what nobody knows may be bad. */
static const enum severity order[SEVERITY_N] = {SEVERITY_CRITICAL, SEVERITY_HIGH,
                                                SEVERITY_UNKNOWN,  SEVERITY_MEDIUM,
                                                SEVERITY_LOW,      SEVERITY_NEGLIGIBLE};

struct listing {
    const struct report *report;
    const struct pg_map *seen;
    int64_t now_s;
    struct pg_arena *arena;
    struct pg_buf list;
    size_t n, unlisted[SEVERITY_N];
};

static void list_findings(struct listing *l)
{
    for (size_t k = 0; k < SEVERITY_N; k++) {
        for (size_t i = 0; i < l->report->nfindings; i++) {
            const struct report_finding *f = &l->report->findings[i];
            if (f->severity != order[k]) {
                continue;
            }
            if (!is_listable(f) || l->list.n + bytes_of(f) > LIST_BYTES_MAX) {
                l->unlisted[f->severity]++;
                continue;
            }
            put_finding(&l->list, f, since_of(l->seen, f, l->now_s, l->arena));
            l->n++;
        }
    }
    PG_CHECK(!l->list.over);
}

static void put_failure(struct pg_buf *out, int64_t failed_s, unsigned flags, struct sl why)
{
    pg_packed_put_uint(out, (uint64_t)failed_s, 8);
    pg_packed_put_uint(out, flags, 1);
    put_text(out, why, RESULT_WHY_MAX);
}

static void put_good(struct pg_buf *out, const struct result_news *news, const struct listing *l,
                     int64_t first_s)
{
    const struct report *r = news->report;

    pg_packed_put_uint(out, (uint64_t)news->now_s, 8);
    pg_packed_put_uint(out, (uint64_t)first_s, 8);
    put_text(out, r->scanner.name, TEXT_BYTES_MAX);
    put_text(out, r->scanner.database, TEXT_BYTES_MAX);
    pg_packed_put_uint(out, (uint64_t)(r->scanner.database_s > 0 ? r->scanner.database_s : 0), 8);
    pg_packed_put_uint(out, r->npackages, 8);
    pg_packed_put_uint(out, news->is_kept, 1);
    put_text(out, (struct sl){(const char *)news->kept.bytes, 32}, 32);
    for (size_t i = 0; i < SEVERITY_N; i++) {
        pg_packed_put_uint(out, l->unlisted[i], 4);
    }
    pg_packed_put_uint(out, l->n, 4);
    (void)pg_buf_put(out, pg_buf_sl(&l->list));
}

struct merging {
    const struct result_news *news;
};

static void merge_good(const struct merging *m, const struct result *old, struct pg_arena *arena,
                       struct pg_buf *out)
{
    struct pg_map seen;
    struct listing l = {
        .report = m->news->report, .seen = &seen, .now_s = m->news->now_s, .arena = arena};

    pg_map_init(&seen);
    pg_buf_init(&l.list, LIST_BYTES_MAX);
    note_old(&seen, old, arena);
    list_findings(&l);
    put_failure(out, 0, NO_FAULT, SL(""));
    put_good(out, m->news, &l, old->good_s > 0 ? old->first_s : m->news->now_s);
    pg_buf_free(&l.list);
    pg_map_free(&seen);
}

/* The good part, which is all that is behind the failure, stays as it is. */
static void merge_failure(const struct merging *m, struct sl old, struct pg_buf *out)
{
    struct pg_packed r = {.rest = old};

    put_failure(out, m->news->now_s,
                (m->news->is_ours ? OURS : 0u) | (m->news->is_empty ? IS_EMPTY : 0u),
                m->news->failed);
    (void)pg_packed_bytes(&r, 2 + 8 + 1);
    (void)take_text(&r);
    if (r.bad || r.rest.n == 0) {
        pg_packed_put_uint(out, 0, 8);
    } else {
        (void)pg_buf_put(out, r.rest);
    }
}

static int merge(void *context, struct sl old, struct pg_buf *out, struct pg_err *err)
{
    const struct merging *m = context;
    struct pg_arena arena;
    struct result before = {0};

    (void)err;
    pg_arena_init(&arena, 2 * READ_ARENA);
    if (old.p != NULL && result_read(old, &arena, &before) < 0) {
        before = (struct result){0};
        old = (struct sl){NULL, 0};
    }
    pg_packed_put_uint(out, VERSION, 1);
    pg_packed_put_uint(out, (uint64_t)m->news->kind, 1);
    if (m->news->report != NULL) {
        merge_good(m, &before, &arena, out);
    } else {
        merge_failure(m, old, out);
    }
    pg_arena_free(&arena);
    return 0;
}

int result_put(struct store *s, const struct digest *sha256, struct sl source,
               const struct result_news *news, struct pg_err *err)
{
    struct merging m = {news};

    PG_CHECK(news->report == NULL || news->report->reason == REPORT_GOOD);
    PG_CHECK(news->now_s > 0);
    return scanned_change(s, &(struct scanned_of){SCANNED_RESULT, *sha256, source}, merge, &m, err);
}

/* ---- reading ------------------------------------------------------------------------------- */

static void take_good(struct pg_packed *in, struct pg_arena *arena, struct result *r)
{
    struct report_finding *findings;
    struct sl kept;
    int64_t *since_s;
    size_t n;

    r->first_s = take_time(in);
    r->scanner = take_text(in);
    r->database = take_text(in);
    r->database_s = take_time(in);
    r->npackages = (size_t)pg_packed_uint(in, 8);
    r->is_kept = take_below(in, 1, 1) == 1;
    kept = take_text(in);
    if (kept.n == 32) {
        memcpy(r->kept.bytes, kept.p, kept.n);
    }
    in->bad |= kept.n != 32;
    for (size_t i = 0; i < SEVERITY_N; i++) {
        r->unlisted[i] = (size_t)take_below(in, 4, FINDINGS_MAX);
    }
    n = (size_t)take_below(in, 4, in->rest.n / FINDING_MINIMUM);
    findings = pg_alloc(arena, n * sizeof(*findings) + 1);
    since_s = pg_alloc(arena, n * sizeof(*since_s) + 1);
    for (size_t i = 0; i < n && !in->bad; i++) {
        take_finding(in, arena, &findings[i], &since_s[i]);
    }
    r->findings = findings;
    r->since_s = since_s;
    r->nfindings = n;
}

int result_read(struct sl bytes, struct pg_arena *arena, struct result *r)
{
    struct pg_packed in = {.rest = bytes};
    struct result one = {.kept = {.alg = PG_SHA256}};
    uint64_t flags;

    in.bad = pg_packed_uint(&in, 1) != VERSION;
    one.kind = (enum result_kind)take_below(&in, 1, RESULT_PUSHED);
    one.failed_s = take_time(&in);
    flags = take_below(&in, 1, OURS | IS_EMPTY);
    one.is_ours = (flags & OURS) != 0;
    one.is_empty = (flags & IS_EMPTY) != 0;
    one.failed = take_text(&in);
    one.good_s = take_time(&in);
    if (!in.bad && one.good_s > 0) {
        take_good(&in, arena, &one);
    }
    if (in.bad || in.rest.n > 0) {
        return -1;
    }
    *r = one;
    return 0;
}

int result_next(struct index_view *v, const struct digest *sha256, struct sl after,
                struct pg_arena *arena, struct result *r, struct pg_err *err)
{
    struct scanned_row row;
    int found = scanned_next(v, sha256, after, &row, err);

    if (found <= 0) {
        return found;
    }
    if (result_read(row.bytes, arena, r) < 0) {
        return pg_fail(err, PG_E_STORE_IO, "a scan result in the index cannot be read");
    }
    r->source = row.source;
    return 1;
}
