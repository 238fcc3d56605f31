/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/parse_scan.h"

#include "policy/parse_signer.h"

#define SOURCE_MAX 40
#define NAME_MAX   128

static const char *const severities[] = {"negligible", "low", "medium", "high", "critical", NULL};

static int take_max_severity(struct parse *p, const struct pg_tree *map, struct scans_want *w)
{
    unsigned max = FACTS_SEVERITIES;

    if (reading_word(&p->in, map, "max_severity", severities, &max) < 0) {
        return -1;
    }
    for (unsigned s = max + FACTS_NEGLIGIBLE + 1; s < FACTS_SEVERITIES; s++) {
        w->limits[s] = 0;
    }
    return 0;
}

static int take_counts(struct parse *p, const struct pg_tree *map, struct scans_want *w)
{
    const struct pg_tree *counts = pg_tree_get(map, SL("counts"));

    if (counts == NULL) {
        return 0;
    }
    if (reading_keys(&p->in, counts, "counts", severities) < 0) {
        return -1;
    }
    for (unsigned i = 0; severities[i] != NULL; i++) {
        if (reading_count(&p->in, counts, severities[i], &w->limits[FACTS_NEGLIGIBLE + i]) < 0) {
            return -1;
        }
    }
    return 0;
}

static bool is_among(const struct sl *all, size_t n, struct sl text)
{
    for (size_t i = 0; i < n; i++) {
        if (sl_eq(all[i], text)) {
            return true;
        }
    }
    return false;
}

/* Texts that stay. */
static int take_names(struct parse *p, const struct pg_tree *map, const char *key, size_t max,
                      struct scans_want *w)
{
    const struct pg_tree *t;
    size_t n;

    if (parse_list(p, map, key, &t, &n) < 0) {
        return -1;
    }
    struct sl *all = pg_alloc(&p->policy->arena, n * sizeof(*all) + 1);
    for (size_t i = 0; i < n; t = t->next, i++) {
        if (t->text.n == 0 || t->text.n > max) {
            return reading_bad(&p->in, t->at, "a name of %s has 1 to %zu characters", key, max);
        }
        if (is_among(all, i, t->text)) {
            return reading_bad(&p->in, t->at, "the same name stands in %s twice", key);
        }
        all[i] = parse_keep(p, t->text);
    }
    if (max == SOURCE_MAX) {
        w->from = all;
        w->nfrom = n;
    } else {
        w->exclude = all;
        w->nexclude = n;
    }
    return 0;
}

static int take_sources(struct parse *p, const struct pg_tree *map, struct scans_want *w)
{
    const struct pg_tree *from = pg_tree_get(map, SL("from"));
    const struct pg_tree *by = pg_tree_get(map, SL("attested_by"));
    bool names_attested = false;

    if (take_names(p, map, "from", SOURCE_MAX, w) < 0) {
        return -1;
    }
    if (w->nfrom > SCANS_FROM_MAX) {
        return reading_bad(&p->in, from->at, "from names more than %d sources", SCANS_FROM_MAX);
    }
    for (size_t i = 0; i < w->nfrom; i++) {
        names_attested = names_attested || sl_eq(w->from[i], SCANS_ATTESTED);
    }
    if (names_attested && by == NULL) {
        return reading_bad(
            &p->in, from->at,
            "from names attested: attested_by has to say whose signed reports count");
    }
    if (by != NULL && w->nfrom > 0 && !names_attested) {
        return reading_bad(&p->in, by->at, "attested_by is of no use: from does not name attested");
    }
    return by != NULL ? parse_signer_list(p, by, &w->signers, &w->nsigners) : 0;
}

/* What is there has to be a time, or none. */
static int take_grace(struct parse *p, const struct pg_tree *map, struct scans_want *w)
{
    const struct pg_tree *t = pg_tree_get(map, SL("grace"));

    if (t != NULL && t->kind == PG_TREE_SCALAR && sl_eq(t->text, SL("none"))) {
        w->grace_s = 0;
        return 0;
    }
    return reading_age(&p->in, map, "grace", &w->grace_s);
}

static bool wants_nothing(const struct scans_want *w)
{
    bool any = w->no_exploited;

    for (size_t s = 0; s < FACTS_SEVERITIES; s++) {
        any = any || w->limits[s] >= 0;
    }
    return !any;
}

static int take_answers(struct parse *p, const struct pg_tree *map, struct scans_want *w)
{
    static const char *const missing[] = {"wait", "deny", "serve", NULL};
    static const char *const errors[] = {"wait", "deny", NULL};
    static const char *const exploited[] = {"deny", "count", NULL};
    unsigned on_missing = SCANS_WAIT, on_error = SCANS_DENY, on_exploited = 1;

    if (reading_word(&p->in, map, "on_missing", missing, &on_missing) < 0 ||
        reading_word(&p->in, map, "on_error", errors, &on_error) < 0 ||
        reading_word(&p->in, map, "exploited", exploited, &on_exploited) < 0) {
        return -1;
    }
    w->on_missing = (enum scans_answer)on_missing;
    w->on_error = (enum scans_answer)on_error;
    w->no_exploited = on_exploited == 0;
    return 0;
}

int parse_scan_read(struct parse *p, const struct pg_tree *map, const struct scans_want **want_r)
{
    static const char *const words[] = {"max_severity",     "counts", "exploited",   "fixable_only",
                                        "exclude",          "from",   "attested_by", "max_age",
                                        "database_max_age", "grace",  "on_missing",  "on_error",
                                        "static",           NULL};
    struct scans_want *w = pg_new(&p->policy->arena, struct scans_want);

    w->grace_s = SCANS_GRACE_S;
    for (size_t s = 0; s < FACTS_SEVERITIES; s++) {
        w->limits[s] = -1;
    }
    if (reading_keys(&p->in, map, "scan", words) < 0 || take_max_severity(p, map, w) < 0 ||
        take_counts(p, map, w) < 0 || take_answers(p, map, w) < 0 ||
        reading_truth(&p->in, map, "fixable_only", &w->fixable_only) < 0 ||
        reading_truth(&p->in, map, "static", &w->is_static) < 0 ||
        take_names(p, map, "exclude", NAME_MAX, w) < 0 || take_sources(p, map, w) < 0 ||
        reading_age(&p->in, map, "max_age", &w->max_age_s) < 0 ||
        reading_age(&p->in, map, "database_max_age", &w->database_max_age_s) < 0 ||
        take_grace(p, map, w) < 0) {
        return -1;
    }
    if (wants_nothing(w) && pg_tree_get(map, SL("max_severity")) == NULL) {
        return reading_bad(&p->in, map->at,
                           "scan needs max_severity, counts or `exploited: deny`; "
                           "`max_severity: critical` wants a scan, whatever it finds");
    }
    *want_r = w;
    return 0;
}
