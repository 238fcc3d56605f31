/* SPDX-License-Identifier: Apache-2.0 */
/* Trivy's own JSON: Results of targets, each with packages and vulnerabilities. */
#include "base/buf.h"
#include "scan/report_int.h"

bool report_trivy_is(const json_t *root)
{
    return json_is_integer(json_object_get(root, "SchemaVersion")) &&
           json_is_string(json_object_get(root, "ArtifactName"));
}

static enum report_fix fix_of(struct sl status, struct sl fixed)
{
    if (fixed.n > 0 || sl_eq(status, SL("fixed"))) {
        return REPORT_FIX_THERE;
    }
    if (sl_eq(status, SL("will_not_fix")) || sl_eq(status, SL("end_of_life"))) {
        return REPORT_FIX_NEVER;
    }
    return sl_eq(status, SL("affected")) || sl_eq(status, SL("fix_deferred")) ? REPORT_FIX_NOT_YET
                                                                              : REPORT_FIX_UNKNOWN;
}

/* Of VendorIDs, those that name one vulnerability. The others are advisories (DSA-5417-1,
 * RHSA-2023:1), which may be about several. */
static bool is_alias(struct sl name)
{
    static const char *const sources[] = {"CVE-", "GHSA-", "GO-", "PYSEC-", "RUSTSEC-"};

    for (size_t i = 0; i < sizeof(sources) / sizeof(*sources); i++) {
        if (sl_starts(name, sl_str(sources[i]))) {
            return alias_is_name(name);
        }
    }
    return false;
}

static int take_aliases(struct report_filling *f, const json_t *v, struct report_finding *one)
{
    const json_t *list, *id;
    struct sl *names;
    size_t i, n = 0;

    if (value_list(v, "VendorIDs", &list, f->err) < 0) {
        return -1;
    }
    if (json_array_size(list) > ALIAS_LIST_OF) {
        return pg_fail(f->err, PG_E_UPSTREAM_WRONG, "a vulnerability has more than %d VendorIDs",
                       ALIAS_LIST_OF);
    }
    names = pg_alloc(f->arena, json_array_size(list) * sizeof(*names) + 1);
    json_array_foreach(list, i, id)
    {
        struct sl name = {json_string_value(id), json_string_length(id)};
        if (name.p != NULL && is_alias(name) && !sl_eq(name, one->id)) {
            names[n++] = pg_copy(f->arena, name);
        }
    }
    one->aliases = (struct alias_list){names, n};
    return 0;
}

static int take_finding(struct report_filling *f, const json_t *v, bool is_suppressed)
{
    struct report_finding one = {.is_suppressed = is_suppressed};
    struct sl status = pg_json_str(v, "Status");
    const json_t *identifier;

    if (!json_is_object(v)) {
        return pg_fail(f->err, PG_E_UPSTREAM_WRONG, "a vulnerability is not an object");
    }
    if (value_text(v, "VulnerabilityID", f->arena, &one.id, f->err) < 0 ||
        value_text(v, "PkgName", f->arena, &one.package, f->err) < 0 ||
        value_text(v, "InstalledVersion", f->arena, &one.version, f->err) < 0 ||
        value_text(v, "FixedVersion", f->arena, &one.fixed, f->err) < 0 ||
        value_text(v, "Severity", f->arena, &one.raw, f->err) < 0 ||
        value_object(v, "PkgIdentifier", &identifier, f->err) < 0 ||
        value_text(identifier, "PURL", f->arena, &one.purl, f->err) < 0) {
        return -1;
    }
    one.severity = severity_of_word(one.raw);
    one.fix = fix_of(status, one.fixed);
    return take_aliases(f, v, &one) < 0 ? -1 : report_fill_finding(f, &one);
}

/* What --ignorefile, --ignore-policy or --vex took out; shown with --show-suppressed. */
static int take_modified(struct report_filling *f, const json_t *result)
{
    const json_t *list, *one;
    size_t i;

    if (value_list(result, "ExperimentalModifiedFindings", &list, f->err) < 0) {
        return -1;
    }
    json_array_foreach(list, i, one)
    {
        if (!sl_eq(pg_json_str(one, "Type"), SL("vulnerability"))) {
            continue;
        }
        if (take_finding(f, json_object_get(one, "Finding"), true) < 0) {
            return -1;
        }
    }
    return 0;
}

#define VERSION_MAX ((size_t)1024)

/* "1:2.3-4", as findings have it. */
static struct sl full_version(struct report_filling *f, const json_t *one)
{
    struct sl version = pg_json_str(one, "Version"), release = pg_json_str(one, "Release");
    json_int_t epoch = json_integer_value(json_object_get(one, "Epoch"));
    struct sl text;
    struct pg_buf b;

    pg_buf_init(&b, VERSION_MAX);
    if (epoch > 0) {
        (void)pg_buf_printf(&b, "%lld:", (long long)epoch);
    }
    (void)pg_buf_put(&b, version);
    if (release.n > 0) {
        (void)pg_buf_put(&b, SL("-"));
        (void)pg_buf_put(&b, release);
    }
    text = pg_copy(f->arena, b.over ? SL("") : pg_buf_sl(&b));
    pg_buf_free(&b);
    return text;
}

static void grow_packages(struct report_filling *f, size_t n)
{
    struct report *r = f->report;
    struct sbom_package *old = f->packages;

    f->packages_cap = 2 * (r->nlisted + n);
    f->packages = pg_alloc(f->arena, f->packages_cap * sizeof(*f->packages) + 1);
    if (old != NULL) {
        memcpy(f->packages, old, r->nlisted * sizeof(*f->packages));
    }
    r->packages = f->packages;
}

/* Names are told, and nothing depends on them: what is none is an empty one. */
static void take_packages(struct report_filling *f, const json_t *packages)
{
    struct report *r = f->report;
    size_t n = json_array_size(packages), i;
    const json_t *one;

    r->lists_packages = true;
    r->npackages += n;
    if (r->npackages > SBOM_PACKAGES_MAX) {
        return;
    }
    if (r->nlisted + n > f->packages_cap || f->packages == NULL) {
        grow_packages(f, n);
    }
    json_array_foreach(packages, i, one)
    {
        struct sl purl = pg_json_str(json_object_get(one, "Identifier"), "PURL");
        f->packages[r->nlisted++] =
            (struct sbom_package){.name = pg_copy(f->arena, pg_json_str(one, "Name")),
                                  .version = full_version(f, one),
                                  .purl = pg_copy(f->arena, purl)};
    }
}

static int take_result(struct report_filling *f, const json_t *result)
{
    const json_t *packages, *list, *one;
    size_t i;

    if (!json_is_object(result)) {
        return pg_fail(f->err, PG_E_UPSTREAM_WRONG, "a result is not an object");
    }
    if (value_list(result, "Packages", &packages, f->err) < 0 ||
        value_list(result, "Vulnerabilities", &list, f->err) < 0) {
        return -1;
    }
    if (packages != NULL) {
        take_packages(f, packages);
    }
    json_array_foreach(list, i, one)
    {
        if (take_finding(f, one, false) < 0) {
            return -1;
        }
    }
    return take_modified(f, result);
}

/* An image's digests are where it came from; a reference with a digest is the next best. */
static int take_subject(struct report_filling *f, const json_t *root, const json_t *metadata)
{
    const json_t *digests, *one;
    size_t i;

    if (!sl_eq(pg_json_str(root, "ArtifactType"), SL("container_image"))) {
        return 0;
    }
    if (value_list(metadata, "RepoDigests", &digests, f->err) < 0) {
        return -1;
    }
    json_array_foreach(digests, i, one)
    {
        report_fill_digest(f, sl_str(json_string_value(one)));
    }
    if (f->report->ndigests == 0) {
        report_fill_digest(f, pg_json_str(metadata, "Reference"));
    }
    if (f->report->ndigests == 0) {
        report_fill_digest(f, pg_json_str(root, "ArtifactName"));
    }
    report_fill_config(f, pg_json_str(metadata, "ImageID"));
    return 0;
}

static int take_system(struct report_filling *f, const json_t *metadata)
{
    struct report *r = f->report;
    const json_t *system;

    if (value_object(metadata, "OS", &system, f->err) < 0 ||
        value_text(system, "Family", f->arena, &r->system, f->err) < 0) {
        return -1;
    }
    if (sl_eq(r->system, SL("none"))) {
        r->system = (struct sl){NULL, 0};
    }
    r->tells_system = true;
    r->system_has_ended = value_is_true(system, "EOSL");
    return 0;
}

int report_trivy_read(struct report_filling *f, const json_t *root)
{
    struct report *r = f->report;
    const json_t *metadata, *results, *tool, *one;
    struct sl type = pg_json_str(root, "ArtifactType");
    size_t i;

    r->format = REPORT_TRIVY;
    r->scanner.name = SL("trivy");
    r->made_s = value_time(root, "CreatedAt");
    r->from_sbom = sl_eq(type, SL("spdx")) || sl_eq(type, SL("cyclonedx"));
    if (value_object(root, "Trivy", &tool, f->err) < 0 ||
        value_text(tool, "Version", f->arena, &r->scanner.version, f->err) < 0 ||
        value_object(root, "Metadata", &metadata, f->err) < 0 ||
        value_list(root, "Results", &results, f->err) < 0) {
        return -1;
    }
    if (take_subject(f, root, metadata) < 0 || take_system(f, metadata) < 0) {
        return -1;
    }
    json_array_foreach(results, i, one)
    {
        if (take_result(f, one) < 0) {
            return -1;
        }
    }
    return 0;
}

int report_trivy_database(struct sl bytes, struct pg_arena *arena, struct report_scanner *s_r,
                          struct pg_err *err)
{
    _json_ json_t *root = NULL;
    struct report_scanner s = {.name = SL("trivy")};
    const json_t *db;

    if (pg_json_parse(bytes, PG_E_UPSTREAM_WRONG, &root, err) < 0 ||
        value_text(root, "Version", arena, &s.version, err) < 0 ||
        value_object(root, "VulnerabilityDB", &db, err) < 0) {
        return -1;
    }
    s.database_s = value_time(db, "UpdatedAt");
    if (s.database_s == 0) {
        return pg_fail(err, PG_E_UPSTREAM_WRONG, "it has no vulnerability database");
    }
    s.database = pg_copy(arena, pg_json_str(db, "UpdatedAt"));
    *s_r = s;
    return 0;
}
