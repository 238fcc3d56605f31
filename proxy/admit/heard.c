/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admit/heard.h"

#include "proxy/admit/result.h"

_Static_assert((int)FACTS_UNKNOWN == (int)SEVERITY_UNKNOWN &&
                   (int)FACTS_NEGLIGIBLE == (int)SEVERITY_NEGLIGIBLE &&
                   (int)FACTS_LOW == (int)SEVERITY_LOW &&
                   (int)FACTS_MEDIUM == (int)SEVERITY_MEDIUM &&
                   (int)FACTS_HIGH == (int)SEVERITY_HIGH &&
                   (int)FACTS_CRITICAL == (int)SEVERITY_CRITICAL &&
                   (int)FACTS_SEVERITIES == (int)SEVERITY_N,
               "policy has the same words in the same order");

static void take_finding(const struct report_finding *from, bool aliases_count,
                         struct facts_finding *to)
{
    *to = (struct facts_finding){
        .id = from->id,
        .aliases = aliases_count ? from->aliases.names : NULL,
        .naliases = aliases_count ? from->aliases.n : 0,
        .package = from->package,
        .version = from->version,
        .fixed = from->fixed,
        .severity = (enum facts_severity)from->severity,
        .is_fixable = from->fix == REPORT_FIX_THERE || from->fixed.n > 0,
        .is_exploited = from->is_exploited,
    };
}

static void take_result(const struct result *r, const struct excuses *excuses,
                        struct pg_arena *arena, const struct facts *f, struct facts_scan *s)
{
    struct facts_finding *findings = pg_alloc(arena, r->nfindings * sizeof(*findings) + 1);
    const struct settle_by by = {.repository = f->repository,
                                 .digest = &f->digest,
                                 .aliases_count = r->kind != RESULT_PUSHED,
                                 .now_s = f->now_s};
    bool none = excuses_are_none(excuses);

    *s = (struct facts_scan){.source = r->source,
                             .good_s = r->good_s,
                             .first_s = r->first_s,
                             .database_s = r->database_s,
                             .findings = findings,
                             .nfindings = r->nfindings,
                             .failed_s = r->failed_s,
                             .failed = r->failed,
                             .is_empty = r->is_empty};
    for (size_t i = 0; i < SEVERITY_N; i++) {
        s->unlisted[i] = r->unlisted[i];
    }
    for (size_t i = 0; i < r->nfindings; i++) {
        take_finding(&r->findings[i], by.aliases_count, &findings[i]);
        findings[i].since_s = r->since_s[i];
        if (!none) {
            findings[i].settled_until_s = excuses_settle(excuses, &r->findings[i], &by, arena);
        }
    }
}

/* The next source's bytes, which outlive the view. As scanned_next(). */
static int next_row(struct store *store, const struct digest *d, struct pg_arena *arena,
                    struct scanned_row *row, struct pg_err *err)
{
    _index_view_ struct index_view v = index_view_begin(store->index);
    int found = scanned_next(&v, d, row->source, row, err);

    if (found > 0) {
        row->source = pg_copy(arena, row->source);
        row->bytes = pg_copy(arena, row->bytes);
    }
    return found;
}

/* Of what was known then nothing is left but what is known now. */
static void set_back(struct facts_scan *s, int64_t now_s)
{
    s->good_s = s->good_s < now_s ? s->good_s : now_s;
    s->database_s = s->database_s < now_s ? s->database_s : now_s;
    s->failed_s = s->failed_s < now_s ? s->failed_s : now_s;
}

static void hear_attested(const struct heard_from *from, struct pg_arena *arena, struct facts *f,
                          struct facts_scan *all)
{
    for (size_t i = 0; i < from->nattested && i < ATTESTED_MAX; i++) {
        const struct facts_signed *by = attested_by(&from->attested[i], f);

        if (by != NULL) {
            take_result(&from->attested[i].result, from->excuses, arena, f, &all[f->nscans]);
            all[f->nscans++].by = by;
        }
    }
}

void heard_gather(const struct heard_from *from, struct pg_arena *arena, struct facts *f)
{
    struct facts_scan *all = pg_alloc(arena, (SCANNED_SOURCES_MAX + ATTESTED_MAX) * sizeof(*all));
    struct scanned_row row = {.source = {NULL, 0}};
    struct pg_err err = {0};
    struct result r;
    int found;

    f->scans = all;
    f->nscans = 0;
    f->scans_trouble = NULL;
    while ((found = next_row(from->store, &f->digest, arena, &row, &err)) > 0 &&
           f->nscans < SCANNED_SOURCES_MAX) {
        if (result_read(row.bytes, arena, &r) < 0) {
            found = pg_fail(&err, PG_E_STORE_IO, "a scan result in the index cannot be read");
            break;
        }
        r.source = row.source;
        take_result(&r, from->excuses, arena, f, &all[f->nscans++]);
    }
    hear_attested(from, arena, f, all);
    for (size_t i = 0; from->is_over && i < f->nscans; i++) {
        set_back(&all[i], f->now_s);
    }
    if (found < 0) {
        f->scans_trouble = pg_copy(arena, sl_str(err.msg)).p;
    }
    pg_err_clear(&err);
}
