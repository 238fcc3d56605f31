/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/trial_scan_int.h"

#define LIST_MAX 200

static int list_of(struct reading *in, const struct pg_tree *map, const char *key,
                   const struct pg_tree **first_r, size_t *n_r)
{
    const struct pg_tree *t = pg_tree_get(map, sl_str(key));

    *first_r = NULL;
    *n_r = 0;
    if (t == NULL) {
        return 0;
    }
    if (t->kind != PG_TREE_LIST || t->nchildren > LIST_MAX) {
        return reading_bad(in, t->at, "%s must be a list of at most %d", key, LIST_MAX);
    }
    *first_r = t->first;
    *n_r = t->nchildren;
    return 0;
}

static int text_of(struct reading *in, const struct pg_tree *map, const char *key,
                   struct pg_arena *arena, struct sl *text_r)
{
    if (reading_text(in, map, key, text_r) < 0) {
        return -1;
    }
    *text_r = text_r->p != NULL ? pg_copy(arena, *text_r) : SL("");
    return 0;
}

/* So long before the time of the test; absent: as it was. */
static int time_of(struct reading *in, const struct pg_tree *map, const char *key, int64_t now_s,
                   int64_t *at_s)
{
    int64_t age_s = 0;

    if (reading_age(in, map, key, &age_s) < 0) {
        return -1;
    }
    *at_s = age_s > 0 ? now_s - age_s : *at_s;
    return 0;
}

static int take_finding(struct reading *in, const struct pg_tree *map, struct pg_arena *arena,
                        int64_t now_s, struct facts_finding *x)
{
    static const char *const words[] = {"id",  "severity",  "package", "version", "fixed",
                                        "age", "exploited", "settled", NULL};
    static const char *const severities[] = {"unknown", "negligible", "low", "medium",
                                             "high",    "critical",   NULL};
    unsigned severity = FACTS_UNKNOWN;
    bool settled = false;

    if (reading_keys(in, map, "a finding", words) < 0 ||
        text_of(in, map, "id", arena, &x->id) < 0 ||
        text_of(in, map, "package", arena, &x->package) < 0 ||
        text_of(in, map, "version", arena, &x->version) < 0 ||
        text_of(in, map, "fixed", arena, &x->fixed) < 0 ||
        reading_word(in, map, "severity", severities, &severity) < 0 ||
        reading_truth(in, map, "exploited", &x->is_exploited) < 0 ||
        reading_truth(in, map, "settled", &settled) < 0 ||
        time_of(in, map, "age", now_s, &x->since_s) < 0) {
        return -1;
    }
    if (x->id.n == 0) {
        return reading_bad(in, map->at, "a finding needs an id");
    }
    x->severity = (enum facts_severity)severity;
    x->is_fixable = x->fixed.n > 0;
    x->settled_until_s = settled ? INT64_MAX : 0;
    return 0;
}

static int take_scan(struct reading *in, const struct pg_tree *map, struct pg_arena *arena,
                     int64_t now_s, struct facts_scan *s)
{
    static const char *const words[] = {"source", "age",   "first",    "database_age",
                                        "failed", "empty", "findings", NULL};
    struct facts_finding *findings;
    const struct pg_tree *t;
    size_t n;

    if (reading_keys(in, map, "a scan", words) < 0 ||
        text_of(in, map, "source", arena, &s->source) < 0 ||
        text_of(in, map, "failed", arena, &s->failed) < 0 ||
        reading_truth(in, map, "empty", &s->is_empty) < 0 ||
        time_of(in, map, "age", now_s, &s->good_s) < 0 ||
        time_of(in, map, "database_age", now_s, &s->database_s) < 0 ||
        list_of(in, map, "findings", &t, &n) < 0) {
        return -1;
    }
    s->first_s = s->good_s;
    if (time_of(in, map, "first", now_s, &s->first_s) < 0) {
        return -1;
    }
    if (s->source.n == 0 || (n > 0 && s->good_s == 0)) {
        return reading_bad(in, map->at,
                           s->source.n == 0 ? "a scan needs a source"
                                            : "a scan with findings needs age");
    }
    s->failed_s = s->failed.n > 0 ? now_s : 0;
    findings = pg_alloc(arena, n * sizeof(*findings) + 1);
    s->findings = findings;
    for (; t != NULL; t = t->next) {
        struct facts_finding *x = &findings[s->nfindings++];
        x->since_s = s->first_s;
        if (take_finding(in, t, arena, now_s, x) < 0) {
            return -1;
        }
    }
    return 0;
}

int trial_scan_read(struct reading *in, const struct pg_tree *map, struct pg_arena *arena,
                    struct facts *f)
{
    const struct pg_tree *t;
    struct facts_scan *scans;
    size_t n;

    if (list_of(in, map, "scan", &t, &n) < 0 ||
        time_of(in, map, "here", f->now_s, &f->here_s) < 0) {
        return -1;
    }
    scans = pg_alloc(arena, n * sizeof(*scans) + 1);
    f->scans = scans;
    for (; t != NULL; t = t->next) {
        if (take_scan(in, t, arena, f->now_s, &scans[f->nscans++]) < 0) {
            return -1;
        }
    }
    return 0;
}
