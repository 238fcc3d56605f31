/* SPDX-License-Identifier: Apache-2.0 */
#include "scan/report_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- what is wrong ------------------------------------------------------------------------- */

static void refuse(struct report *r, struct pg_arena *arena, enum report_reason reason,
                   const char *fmt, ...) PG_PRINTF(4, 5);

static void refuse(struct report *r, struct pg_arena *arena, enum report_reason reason,
                   const char *fmt, ...)
{
    char text[PG_ERR_TEXT_MAX];
    va_list args;

    va_start(args, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    PG_CHECK(n >= 0);
    r->reason = reason;
    r->why = pg_copy(arena, sl_str(text));
}

/* ---- filled by the readers ----------------------------------------------------------------- */

int report_fill_finding(struct report_filling *f, const struct report_finding *one)
{
    struct report *r = f->report;

    if (!alias_is_name(one->id)) {
        return pg_fail(f->err, PG_E_UPSTREAM_WRONG, "finding %zu has no name", r->nfindings + 1);
    }
    if (one->package.n == 0 && r->format != REPORT_SARIF) {
        return pg_fail(f->err, PG_E_UPSTREAM_WRONG, "finding %zu (" SL_FMT ") names no package",
                       r->nfindings + 1, SL_ARG(one->id));
    }
    if (r->nfindings == REPORT_FINDINGS_MAX) {
        return pg_fail(f->err, PG_E_TOO_LARGE, "it has more than %zu findings",
                       REPORT_FINDINGS_MAX);
    }
    if (r->nfindings == f->cap) {
        size_t cap = f->cap > 0 ? 2 * f->cap : 32;
        struct report_finding *more = pg_alloc(f->arena, cap * sizeof(*more));
        if (f->cap > 0) {
            memcpy(more, f->findings, f->cap * sizeof(*more));
        }
        f->findings = more;
        f->cap = cap;
        r->findings = more;
    }
    f->findings[r->nfindings++] = *one;
    (one->is_suppressed ? r->suppressed : r->counts)[one->severity]++;
    return 0;
}

static bool read_digest(struct sl reference, struct digest *d_r)
{
    const char *at = reference.n > 0 ? memrchr(reference.p, '@', reference.n) : NULL;
    struct pg_err err = {0};

    if (at != NULL) {
        reference = (struct sl){at + 1, reference.n - (size_t)(at + 1 - reference.p)};
    }
    bool ok = reference.n > 0 && digest_parse(reference, d_r, &err) == 0;
    pg_err_clear(&err);
    return ok;
}

static bool names(const struct report *r, const struct digest *d)
{
    for (size_t i = 0; i < r->ndigests; i++) {
        if (digest_eq(&r->digests[i], d)) {
            return true;
        }
    }
    return false;
}

void report_fill_digest(struct report_filling *f, struct sl reference)
{
    struct report *r = f->report;
    struct digest d;

    if (r->ndigests < REPORT_DIGESTS_MAX && read_digest(reference, &d) && !names(r, &d)) {
        r->digests[r->ndigests++] = d;
    }
}

void report_fill_config(struct report_filling *f, struct sl digest)
{
    struct report *r = f->report;

    if (!r->has_config && digest.n > 0 && memchr(digest.p, '@', digest.n) == NULL) {
        r->has_config = read_digest(digest, &r->config);
    }
}

/* ---- cosign's predicate -------------------------------------------------------------------- */

static const json_t *statement_predicate(const json_t *root)
{
    return sl_starts(pg_json_str(root, "_type"), SL("https://in-toto.io/Statement/"))
               ? json_object_get(root, "predicate")
               : root;
}

static const json_t *predicate_result(const json_t *predicate)
{
    return json_object_get(json_object_get(predicate, "scanner"), "result");
}

/* A statement is about its subjects: what else the report in it names is not believed. */
static void keep_subjects(struct report_filling *f, const json_t *statement)
{
    const json_t *list = json_object_get(statement, "subject"), *one;
    struct report *r = f->report;
    struct report inner = *r;
    size_t i;

    r->ndigests = 0;
    json_array_foreach(list, i, one)
    {
        struct sl hex = pg_json_str(json_object_get(one, "digest"), "sha256");
        char text[DIGEST_TEXT_MAX];
        struct digest d;
        if (hex.n != 64) {
            continue;
        }
        (void)snprintf(text, sizeof(text), "sha256:" SL_FMT, SL_ARG(hex));
        if (read_digest(sl_str(text), &d) && (inner.ndigests == 0 || names(&inner, &d))) {
            report_fill_digest(f, sl_str(text));
        }
    }
    if (r->ndigests == 0 && inner.ndigests > 0) {
        refuse(r, f->arena, REPORT_OTHER_DIGEST,
               "the statement is about one image, the report in it about another");
    }
    r->has_config = false; /* whose it is, the statement does not say */
}

static int read_plain(struct report_filling *f, const json_t *root);

static int read_predicate(struct report_filling *f, const json_t *predicate)
{
    struct report *r = f->report;
    const json_t *scanner, *metadata, *db;
    struct report_scanner outer = {0};

    if (value_object(predicate, "scanner", &scanner, f->err) < 0 ||
        value_object(predicate, "metadata", &metadata, f->err) < 0 ||
        value_object(scanner, "db", &db, f->err) < 0 ||
        value_text(db, "version", f->arena, &outer.database, f->err) < 0 ||
        value_text(scanner, "version", f->arena, &outer.version, f->err) < 0) {
        return -1;
    }
    if (read_plain(f, predicate_result(predicate)) < 0) {
        return -1;
    }
    r->in_predicate = true;
    r->scanner.version = r->scanner.version.n > 0 ? r->scanner.version : outer.version;
    if (r->scanner.database.n == 0 && outer.database.n > 0) {
        r->scanner.database = outer.database;
    }
    if (r->made_s == 0) {
        r->made_s = value_time(metadata, "scanFinishedOn");
    }
    return 0;
}

/* ---- whichever it is ----------------------------------------------------------------------- */

static const struct {
    const char *name;
    bool (*is)(const json_t *root);
    int (*read)(struct report_filling *f, const json_t *root);
} formats[] = {
    [REPORT_TRIVY] = {"trivy", report_trivy_is, report_trivy_read},
    [REPORT_GRYPE] = {"grype", report_grype_is, report_grype_read},
    [REPORT_SARIF] = {"sarif", report_sarif_is, report_sarif_read},
    [REPORT_HARBOR] = {"harbor", report_harbor_is, report_harbor_read},
};

static int refuse_schema(struct report_filling *f)
{
    refuse(f->report, f->arena, REPORT_SCHEMA,
           "it is none of: Trivy JSON, Grype JSON, SARIF 2.1, Harbor's vulnerability report, "
           "cosign's vulnerability predicate with one of these in it");
    return 0;
}

static int read_plain(struct report_filling *f, const json_t *root)
{
    for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
        if (!formats[i].is(root)) {
            continue;
        }
        if (i == REPORT_TRIVY && json_integer_value(json_object_get(root, "SchemaVersion")) != 2) {
            refuse(f->report, f->arena, REPORT_SCHEMA,
                   "Trivy's schema %lld is not read here, only 2",
                   (long long)json_integer_value(json_object_get(root, "SchemaVersion")));
            return 0;
        }
        return formats[i].read(f, root);
    }
    return refuse_schema(f);
}

static int read_root(struct report_filling *f, const json_t *root)
{
    const json_t *predicate = statement_predicate(root);

    if (predicate_result(predicate) == NULL) {
        return predicate == root ? read_plain(f, root) : refuse_schema(f);
    }
    if (read_predicate(f, predicate) < 0) {
        return -1;
    }
    if (predicate != root && f->report->reason == REPORT_GOOD) {
        keep_subjects(f, root);
    }
    return 0;
}

static void read_bytes(struct sl bytes, struct pg_arena *arena, struct report *r)
{
    struct pg_err err = {0};
    _json_ json_t *root = NULL;
    struct report_filling f = {.report = r, .arena = arena, .err = &err};

    if (bytes.n > REPORT_BYTES_MAX) {
        refuse(r, arena, REPORT_TOO_LARGE, "it is larger than %zu MiB", REPORT_BYTES_MAX >> 20);
        return;
    }
    if (pg_json_parse_large(bytes, REPORT_NODES_MAX, PG_E_UPSTREAM_WRONG, &root, &err) < 0) {
        refuse(r, arena, REPORT_UNREADABLE, "%s", err.msg);
    } else if (read_root(&f, root) < 0) {
        refuse(r, arena, err.kind == PG_E_TOO_LARGE ? REPORT_TOO_LARGE : REPORT_MALFORMED, "%s",
               err.msg);
    } else if (arena->over) {
        refuse(r, arena, REPORT_TOO_LARGE, "it takes more than %zu MiB of memory",
               arena->budget >> 20);
    }
    pg_err_clear(&err);
}

/* ---- what it saw --------------------------------------------------------------------------- */

static int compare_packages(const void *a, const void *b)
{
    const struct report_finding *x = *(const struct report_finding *const *)a,
                                *y = *(const struct report_finding *const *)b;
    const struct sl left[] = {x->package, x->version}, right[] = {y->package, y->version};

    for (size_t i = 0; i < 2; i++) {
        size_t n = left[i].n < right[i].n ? left[i].n : right[i].n;
        int order = n > 0 ? memcmp(left[i].p, right[i].p, n) : 0;
        if (order != 0) {
            return order;
        }
        if (left[i].n != right[i].n) {
            return left[i].n < right[i].n ? -1 : 1;
        }
    }
    return 0;
}

static void count_packages(struct report *r, struct pg_arena *arena)
{
    const struct report_finding **all;
    size_t n = 0;

    if (r->lists_packages) {
        return;
    }
    all = pg_alloc(arena, (r->nfindings + 1) * sizeof(const struct report_finding *));
    for (size_t i = 0; i < r->nfindings; i++) {
        if (r->findings[i].package.n > 0) {
            all[n++] = &r->findings[i];
        }
    }
    qsort(all, n, sizeof(const struct report_finding *), compare_packages);
    for (size_t i = 0; i < n; i++) {
        r->npackages += i == 0 || compare_packages(&all[i - 1], &all[i]) != 0;
    }
}

/* ---- whether it counts --------------------------------------------------------------------- */

static void check_digest(struct report *r, const struct report_want *want, struct pg_arena *arena)
{
    char ours[DIGEST_TEXT_MAX], theirs[DIGEST_TEXT_MAX];

    if (want->digest == NULL || names(r, want->digest) ||
        (want->config != NULL && r->has_config && digest_eq(&r->config, want->config))) {
        return;
    }
    (void)digest_write(want->digest, ours);
    if (r->ndigests == 0 && want->config != NULL && r->has_config) {
        (void)digest_write(want->config, ours);
        refuse(r, arena, REPORT_OTHER_DIGEST, "it is about the image whose config is %s, not %s",
               digest_write(&r->config, theirs).p, ours);
    } else if (r->ndigests == 0) {
        refuse(r, arena, REPORT_NO_DIGEST, "it does not say which image it is about, %s or another",
               ours);
    } else {
        refuse(r, arena, REPORT_OTHER_DIGEST, "it is about %s%s, not %s",
               digest_write(&r->digests[0], theirs).p, r->ndigests > 1 ? " and others" : "", ours);
    }
}

/* Whose SBOM shows what a scanner saw that does not list it: those who write both. */
static bool is_one_family(const struct report *r, const struct sbom *sbom)
{
    static const struct {
        const char *scanner, *tool;
    } families[] = {{"trivy", "trivy"}, {"grype", "syft"}, {"grype", "grype"}};

    for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++) {
        if (sl_eq_nocase(r->scanner.name, sl_str(families[i].scanner)) &&
            sl_eq_nocase(sbom->tool, sl_str(families[i].tool))) {
            return true;
        }
    }
    return false;
}

static void check_packages(struct report *r, const struct report_want *want, struct pg_arena *arena)
{
    const struct sbom *sbom = want->sbom;
    size_t seen = r->npackages;

    if (sbom != NULL && !r->lists_packages && is_one_family(r, sbom)) {
        seen = seen > sbom->npackages ? seen : sbom->npackages;
    }
    if (sbom != NULL && seen < sbom->npackages && (r->lists_packages || seen == 0)) {
        refuse(r, arena, REPORT_FEWER, "it shows %zu package%s, the SBOM has %zu", seen,
               seen == 1 ? "" : "s", sbom->npackages);
    } else if (seen == 0 && !want->is_static) {
        refuse(r, arena, REPORT_NO_PACKAGES,
               "nothing in it shows that the scanner saw any package%s",
               r->lists_packages || r->format == REPORT_TRIVY
                   ? ""
                   : "; this format names only those with findings, so that an SBOM of the same "
                     "family has to show the rest");
    }
}

static void check_system(struct report *r, const struct report_want *want, struct pg_arena *arena)
{
    const struct sbom *sbom = want->sbom;

    if (!r->tells_system || r->system.n > 0 || want->is_static) {
        return;
    }
    if (sbom != NULL && sbom->nof_system > 0) {
        refuse(r, arena, REPORT_NO_SYSTEM,
               "the scanner recognised no distribution, the SBOM has %zu packages of one",
               sbom->nof_system);
    } else if (sbom == NULL && r->from_sbom) {
        refuse(r, arena, REPORT_NO_SYSTEM,
               "it was made from an SBOM in which the scanner recognised no distribution: one "
               "that another tool wrote loses the packages of the distribution");
    }
}

static void check_sbom(struct report *r, const struct report_want *want, struct pg_arena *arena)
{
    const struct sbom *sbom = want->sbom;

    if (sbom == NULL || !sbom->has_digest) {
        return;
    }
    if (want->digest != NULL ? !digest_eq(&sbom->digest, want->digest)
                             : r->ndigests > 0 && !names(r, &sbom->digest)) {
        refuse(r, arena, REPORT_OTHER_SBOM, "the SBOM is about another image");
    }
}

void report_read(struct sl bytes, const struct report_want *want, struct pg_arena *arena,
                 struct report *report_r)
{
    static void (*const checks[])(struct report *, const struct report_want *,
                                  struct pg_arena *) = {check_digest, check_sbom, check_system,
                                                        check_packages};
    struct report *r = report_r;

    *r = (struct report){.reason = REPORT_GOOD, .why = SL("")};
    read_bytes(bytes, arena, r);
    if (r->reason == REPORT_GOOD || r->reason == REPORT_DATABASE) {
        count_packages(r, arena);
    }
    for (size_t i = 0; i < sizeof(checks) / sizeof(*checks) && r->reason == REPORT_GOOD; i++) {
        checks[i](r, want, arena);
    }
}

const char *report_reason_code(enum report_reason reason)
{
    static const char *const codes[] = {
#define X(name, code) code,
#include "scan/reason_table.h"
#undef X
    };

    PG_CHECK((size_t)reason < sizeof(codes) / sizeof(*codes));
    return codes[reason];
}

const char *report_format_name(enum report_format format)
{
    PG_CHECK((size_t)format < sizeof(formats) / sizeof(*formats));
    return formats[format].name;
}
