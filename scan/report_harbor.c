/* SPDX-License-Identifier: Apache-2.0 */
/* The report of Harbor's pluggable scanners, 1.0 and 1.1. It lists findings only. */
#include "scan/report_int.h"

/* Harbor's own API puts it behind its media type. */
static const json_t *unwrapped(const json_t *root)
{
    const char *key;
    json_t *value;

    if (json_object_size(root) != 1) {
        return root;
    }
    json_object_foreach((json_t *)(uintptr_t)root, key, value)
    {
        struct sl type = sl_str(key);
        if (sl_starts(type, SL("application/vnd.security.vulnerability.report")) ||
            sl_starts(type, SL("application/vnd.scanner.adapter.vuln.report.harbor+json"))) {
            return value;
        }
    }
    return root;
}

bool report_harbor_is(const json_t *root)
{
    root = unwrapped(root);
    return json_is_object(json_object_get(root, "scanner")) &&
           json_object_get(root, "vulnerabilities") != NULL;
}

static int take_finding(struct report_filling *f, const json_t *v)
{
    struct report_finding one = {0};

    if (!json_is_object(v)) {
        return pg_fail(f->err, PG_E_UPSTREAM_WRONG, "a vulnerability is not an object");
    }
    if (value_text(v, "id", f->arena, &one.id, f->err) < 0 ||
        value_text(v, "package", f->arena, &one.package, f->err) < 0 ||
        value_text(v, "version", f->arena, &one.version, f->err) < 0 ||
        value_text(v, "fix_version", f->arena, &one.fixed, f->err) < 0 ||
        value_text(v, "severity", f->arena, &one.raw, f->err) < 0) {
        return -1;
    }
    one.severity = severity_of_word(one.raw);
    one.fix = one.fixed.n > 0 ? REPORT_FIX_THERE : REPORT_FIX_UNKNOWN;
    return report_fill_finding(f, &one);
}

int report_harbor_read(struct report_filling *f, const json_t *root)
{
    struct report *r = f->report;
    const json_t *scanner, *artifact, *list, *one;
    size_t i;

    root = unwrapped(root);
    r->format = REPORT_HARBOR;
    r->made_s = value_time(root, "generated_at");
    if (value_object(root, "scanner", &scanner, f->err) < 0 ||
        value_text(scanner, "name", f->arena, &r->scanner.name, f->err) < 0 ||
        value_text(scanner, "version", f->arena, &r->scanner.version, f->err) < 0 ||
        value_object(root, "artifact", &artifact, f->err) < 0 ||
        value_list(root, "vulnerabilities", &list, f->err) < 0) {
        return -1;
    }
    report_fill_digest(f, pg_json_str(artifact, "digest"));
    json_array_foreach(list, i, one)
    {
        if (take_finding(f, one) < 0) {
            return -1;
        }
    }
    return 0;
}
