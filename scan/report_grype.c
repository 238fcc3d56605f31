/* SPDX-License-Identifier: Apache-2.0 */
/* Grype's own JSON: matches of vulnerabilities with artifacts. It does not list what it saw. */
#include "base/buf.h"
#include "scan/report_int.h"

bool report_grype_is(const json_t *root)
{
    return json_is_array(json_object_get(root, "matches")) &&
           sl_eq(pg_json_str(json_object_get(root, "descriptor"), "name"), SL("grype"));
}

static enum report_fix fix_of(struct sl state)
{
    return sl_eq(state, SL("fixed"))       ? REPORT_FIX_THERE
           : sl_eq(state, SL("not-fixed")) ? REPORT_FIX_NOT_YET
           : sl_eq(state, SL("wont-fix"))  ? REPORT_FIX_NEVER
                                           : REPORT_FIX_UNKNOWN;
}

static int take_fix(struct report_filling *f, const json_t *v, struct report_finding *one)
{
    const json_t *fix, *versions, *version;
    struct pg_buf all;
    size_t i;

    if (value_object(v, "fix", &fix, f->err) < 0 ||
        value_list(fix, "versions", &versions, f->err) < 0) {
        return -1;
    }
    pg_buf_init(&all, VALUE_TEXT_MAX);
    json_array_foreach(versions, i, version)
    {
        struct sl text = {json_string_value(version), json_string_length(version)};
        (void)pg_buf_put(&all, i > 0 ? SL(", ") : SL("")); /* what does not fit is not shown */
        (void)pg_buf_put(&all, text.p != NULL ? text : SL("?"));
    }
    one->fixed = all.n > 0 ? pg_copy(f->arena, pg_buf_sl(&all)) : (struct sl){NULL, 0};
    pg_buf_free(&all);
    one->fix = fix_of(pg_json_str(fix, "state"));
    return 0;
}

/* The CVE behind a GHSA, and how bad others find it when this source does not say. */
static int take_related(struct report_filling *f, const json_t *match, struct report_finding *one)
{
    const json_t *list, *other;
    struct sl *names, name;
    size_t i, n = 0;

    if (value_list(match, "relatedVulnerabilities", &list, f->err) < 0) {
        return -1;
    }
    if (json_array_size(list) > ALIAS_LIST_OF) {
        return pg_fail(f->err, PG_E_UPSTREAM_WRONG, "a match has more than %d related names",
                       ALIAS_LIST_OF);
    }
    names = pg_alloc(f->arena, (json_array_size(list) + 1) * sizeof(*names));
    json_array_foreach(list, i, other)
    {
        if (value_text(other, "id", f->arena, &name, f->err) < 0) {
            return -1;
        }
        if (alias_is_name(name) && !sl_eq(name, one->id)) {
            names[n++] = name;
        }
        if (one->severity == SEVERITY_UNKNOWN) {
            one->severity = severity_of_word(pg_json_str(other, "severity"));
        }
    }
    one->aliases = (struct alias_list){names, n};
    return 0;
}

static bool has_any(const json_t *object, const char *key)
{
    return json_array_size(json_object_get(object, key)) > 0;
}

static int take_match(struct report_filling *f, const json_t *match, bool is_suppressed)
{
    struct report_finding one = {.is_suppressed = is_suppressed};
    const json_t *v, *artifact;

    if (!json_is_object(match)) {
        return pg_fail(f->err, PG_E_UPSTREAM_WRONG, "a match is not an object");
    }
    if (value_object(match, "vulnerability", &v, f->err) < 0 ||
        value_object(match, "artifact", &artifact, f->err) < 0 ||
        value_text(v, "id", f->arena, &one.id, f->err) < 0 ||
        value_text(v, "severity", f->arena, &one.raw, f->err) < 0 ||
        value_text(artifact, "name", f->arena, &one.package, f->err) < 0 ||
        value_text(artifact, "version", f->arena, &one.version, f->err) < 0 ||
        value_text(artifact, "purl", f->arena, &one.purl, f->err) < 0) {
        return -1;
    }
    one.severity = severity_of_word(one.raw);
    one.is_exploited = has_any(v, "knownExploited");
    if (take_fix(f, v, &one) < 0 || take_related(f, match, &one) < 0) {
        return -1;
    }
    return report_fill_finding(f, &one);
}

static int take_matches(struct report_filling *f, const json_t *root, const char *key,
                        bool is_suppressed)
{
    const json_t *list, *one;
    size_t i;

    if (value_list(root, key, &list, f->err) < 0) {
        return -1;
    }
    json_array_foreach(list, i, one)
    {
        if (take_match(f, one, is_suppressed) < 0) {
            return -1;
        }
    }
    return 0;
}

static int take_subject(struct report_filling *f, const json_t *root)
{
    const json_t *source, *target, *digests, *one;
    size_t i;

    if (value_object(root, "source", &source, f->err) < 0 ||
        !sl_eq(pg_json_str(source, "type"), SL("image"))) {
        return f->err->kind == PG_E_NONE ? 0 : -1;
    }
    if (value_object(source, "target", &target, f->err) < 0 ||
        value_list(target, "repoDigests", &digests, f->err) < 0) {
        return -1;
    }
    report_fill_digest(f, pg_json_str(target, "manifestDigest"));
    json_array_foreach(digests, i, one)
    {
        report_fill_digest(f, sl_str(json_string_value(one)));
    }
    report_fill_config(f, pg_json_str(target, "imageID"));
    return 0;
}

/* Since 0.88 it is in db.status, before that in db itself. */
static int take_database(struct report_filling *f, const json_t *descriptor)
{
    struct report_scanner *s = &f->report->scanner;
    const json_t *db, *status;

    if (value_object(descriptor, "db", &db, f->err) < 0 ||
        value_object(db, "status", &status, f->err) < 0) {
        return -1;
    }
    status = status != NULL ? status : db;
    const json_t *version = json_object_get(status, "schemaVersion");
    if (json_is_string(version) &&
        value_text(status, "schemaVersion", f->arena, &s->database, f->err) < 0) {
        return -1;
    }
    s->database_s = value_time(status, "built");
    if (json_is_false(json_object_get(status, "valid"))) {
        f->report->reason = REPORT_DATABASE;
        f->report->why = SL("the scanner says that its database was not valid");
    }
    return 0;
}

int report_grype_read(struct report_filling *f, const json_t *root)
{
    struct report *r = f->report;
    const json_t *descriptor, *distro;

    r->format = REPORT_GRYPE;
    r->scanner.name = SL("grype");
    r->tells_system = true;
    if (value_object(root, "descriptor", &descriptor, f->err) < 0 ||
        value_text(descriptor, "version", f->arena, &r->scanner.version, f->err) < 0 ||
        value_object(root, "distro", &distro, f->err) < 0 ||
        value_text(distro, "name", f->arena, &r->system, f->err) < 0) {
        return -1;
    }
    r->made_s = value_time(descriptor, "timestamp");
    if (take_database(f, descriptor) < 0 || take_subject(f, root) < 0) {
        return -1;
    }
    return take_matches(f, root, "matches", false) < 0
               ? -1
               : take_matches(f, root, "ignoredMatches", true);
}

int report_grype_database(struct sl bytes, struct pg_arena *arena, struct report_scanner *s_r,
                          struct pg_err *err)
{
    _json_ json_t *root = NULL;
    struct report_scanner s = {.name = SL("grype")};

    if (pg_json_parse(bytes, PG_E_UPSTREAM_WRONG, &root, err) < 0) {
        return -1;
    }
    s.database_s = value_time(root, "built");
    if (s.database_s == 0 || !value_is_true(root, "valid")) {
        return pg_fail(err, PG_E_UPSTREAM_WRONG, "it has no vulnerability database that is valid");
    }
    const json_t *version = json_object_get(root, "schemaVersion"); /* a number, once */
    if (json_is_string(version) && value_text(root, "schemaVersion", arena, &s.database, err) < 0) {
        return -1;
    }
    *s_r = s;
    return 0;
}
