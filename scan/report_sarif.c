/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SARIF 2.1.0: results that break rules. What it is about has no fields of its own there: Trivy
 * and Grype write "Package: libssl3" and the like as lines of a message, or of the rule's help.
 */
#include <stdlib.h>

#include "base/list.h"
#include "base/map.h"
#include "scan/report_int.h"

#define RUNS_MAX  16
#define RULES_MAX REPORT_FINDINGS_MAX /* of one run */

bool report_sarif_is(const json_t *root)
{
    return sl_starts(pg_json_str(root, "version"), SL("2.1")) &&
           json_is_array(json_object_get(root, "runs"));
}

/* What lines of a text say. */
struct said {
    struct sl id, package, version, fixed, severity; /* each may be absent */
};

/* Its help is read once, however many results break it. */
struct rule {
    struct pg_map_node node; /* by its id */
    const json_t *json;
    struct said help;
};

struct run {
    struct report_filling *f;
    struct rule *rules;
    size_t nrules;
    struct pg_map ids;
};

/* What stands behind `key` at the start of a line; {NULL, 0} if no line begins so. */
static struct sl line_of(struct sl text, struct sl key)
{
    while (text.n > 0) {
        const char *end = memchr(text.p, '\n', text.n);
        struct sl line = {text.p, end != NULL ? (size_t)(end - text.p) : text.n};
        if (sl_starts(line, key)) {
            return sl_trim((struct sl){line.p + key.n, line.n - key.n});
        }
        text = end != NULL ? (struct sl){end + 1, text.n - line.n - 1} : (struct sl){"", 0};
    }
    return (struct sl){NULL, 0};
}

static struct sl either(struct sl a, struct sl b)
{
    return a.n > 0 ? a : b;
}

static struct said read_lines(struct sl text)
{
    return (struct said){
        .id = either(line_of(text, SL("Vulnerability ")), line_of(text, SL("Vulnerability: "))),
        .package = line_of(text, SL("Package: ")),
        .version = either(line_of(text, SL("Installed Version: ")), line_of(text, SL("Version: "))),
        .fixed = either(line_of(text, SL("Fixed Version: ")), line_of(text, SL("Fix Version: "))),
        .severity = line_of(text, SL("Severity: "))};
}

/* ---- rules --------------------------------------------------------------------------------- */

static int take_rules(struct run *run, const json_t *list)
{
    struct report_filling *f = run->f;
    const json_t *one;
    size_t i;

    if (json_array_size(list) > RULES_MAX) {
        return pg_fail(f->err, PG_E_TOO_LARGE, "a run has more than %zu rules", RULES_MAX);
    }
    run->rules = pg_alloc(f->arena, (json_array_size(list) + 1) * sizeof(*run->rules));
    json_array_foreach(list, i, one)
    {
        struct rule *rule = &run->rules[run->nrules++];
        struct sl id = pg_json_str(one, "id");
        rule->json = one;
        rule->help = read_lines(pg_json_str(json_object_get(one, "help"), "text"));
        if (id.n > 0 && pg_map_get(&run->ids, id) == NULL) {
            pg_map_put(&run->ids, &rule->node, id);
        }
    }
    return 0;
}

static const struct rule *rule_of(const struct run *run, const json_t *result)
{
    static const struct rule none = {.json = NULL};
    const json_t *index = json_object_get(result, "ruleIndex");
    struct sl id = pg_json_str(result, "ruleId");

    if (json_is_integer(index) && json_integer_value(index) >= 0) {
        size_t at = (size_t)json_integer_value(index);
        return at < run->nrules ? &run->rules[at] : &none;
    }
    struct pg_map_node *node = id.n > 0 ? pg_map_get(&run->ids, id) : NULL;
    return node != NULL ? pg_container_of(node, struct rule, node) : &none;
}

/* ---- results ------------------------------------------------------------------------------- */

/* In the order of who knows best: a word, a score, how loud the tool is about it. */
static void rate(struct report_finding *one, const json_t *rule, struct sl level)
{
    const json_t *properties = json_object_get(rule, "properties");
    struct sl score = pg_json_str(properties, "security-severity");
    double number = json_number_value(json_object_get(properties, "security-severity"));
    char text[16];

    one->severity = severity_of_word(one->raw);
    if (one->severity == SEVERITY_UNKNOWN && score.n > 0 && score.n < sizeof(text)) {
        memcpy(text, score.p, score.n);
        text[score.n] = '\0';
        number = strtod(text, NULL);
    }
    if (one->severity == SEVERITY_UNKNOWN) {
        one->severity = severity_of_score(number);
    }
    if (one->severity == SEVERITY_UNKNOWN) {
        one->severity = sl_eq(level, SL("error"))     ? SEVERITY_HIGH
                        : sl_eq(level, SL("warning")) ? SEVERITY_MEDIUM
                        : sl_eq(level, SL("note"))    ? SEVERITY_LOW
                                                      : SEVERITY_UNKNOWN;
    }
}

static struct sl kept(struct report_filling *f, struct sl text)
{
    return text.n > 0 && text.n <= VALUE_TEXT_MAX ? pg_copy(f->arena, text) : (struct sl){NULL, 0};
}

static bool is_suppressed(const json_t *result)
{
    struct sl kind = pg_json_str(result, "kind");

    return json_array_size(json_object_get(result, "suppressions")) > 0 ||
           (kind.p != NULL && !sl_eq(kind, SL("fail"))) ||
           sl_eq(pg_json_str(result, "baselineState"), SL("absent"));
}

/* Grype: "registry/name@sha256:(manifest)@sha256:(layer):/path". */
static void take_place(struct report_filling *f, const json_t *result)
{
    const json_t *location = json_array_get(json_object_get(result, "locations"), 0);
    const json_t *logical = json_array_get(json_object_get(location, "logicalLocations"), 0);
    struct sl name = pg_json_str(logical, "fullyQualifiedName");
    const char *layer = name.n > 0 ? memrchr(name.p, '@', name.n) : NULL;

    if (f->report->ndigests == 0 && layer != NULL) {
        struct sl image = {name.p, (size_t)(layer - name.p)};
        if (memchr(image.p, '@', image.n) != NULL) {
            report_fill_digest(f, image);
        }
    }
}

static int take_result(const struct run *run, const json_t *result)
{
    struct report_finding one = {0};
    struct report_filling *f = run->f;

    if (!json_is_object(result)) {
        return pg_fail(f->err, PG_E_UPSTREAM_WRONG, "a result is not an object");
    }
    const struct rule *rule = rule_of(run, result);
    const struct said said = read_lines(pg_json_str(json_object_get(result, "message"), "text"));
    const struct said *help = &rule->help;
    struct sl id = either(said.id, help->id);
    one.id = kept(f, id.n > 0 ? id : pg_json_str(result, "ruleId"));
    one.package = kept(f, either(said.package, help->package));
    one.version = kept(f, either(said.version, help->version));
    one.fixed = kept(f, either(said.fixed, help->fixed));
    one.raw = kept(f, either(said.severity, help->severity));
    const json_t *purls = json_object_get(json_object_get(rule->json, "properties"), "purls");
    if (json_array_size(purls) == 1) {
        one.purl = kept(f, sl_str(json_string_value(json_array_get(purls, 0))));
    }
    one.fix = one.fixed.n > 0 ? REPORT_FIX_THERE : REPORT_FIX_UNKNOWN;
    one.is_suppressed = is_suppressed(result);
    struct sl level = pg_json_str(result, "level");
    rate(&one, rule->json, level.p != NULL ? level : SL("warning")); /* what SARIF says it is */
    take_place(f, result);
    return report_fill_finding(f, &one);
}

static int take_results(struct report_filling *f, const json_t *rules, const json_t *results)
{
    struct run run = {.f = f};
    const json_t *one;
    size_t i;

    pg_map_init(&run.ids);
    int rc = take_rules(&run, rules);
    json_array_foreach(results, i, one)
    {
        rc = rc < 0 ? rc : take_result(&run, one);
    }
    pg_map_free(&run.ids);
    return rc;
}

static int take_run(struct report_filling *f, const json_t *run, bool is_first)
{
    const json_t *tool, *driver, *properties, *rules, *results, *one;
    struct report_scanner *s = &f->report->scanner;
    size_t i;

    if (!json_is_object(run)) {
        return pg_fail(f->err, PG_E_UPSTREAM_WRONG, "a run is not an object");
    }
    if (value_object(run, "tool", &tool, f->err) < 0 ||
        value_object(tool, "driver", &driver, f->err) < 0 ||
        value_list(driver, "rules", &rules, f->err) < 0 ||
        value_list(run, "results", &results, f->err) < 0 ||
        value_object(run, "properties", &properties, f->err) < 0) {
        return -1;
    }
    if (results == NULL) {
        return pg_fail(f->err, PG_E_UPSTREAM_WRONG, "a run has no results: the tool did not end");
    }
    if (is_first && (value_text(driver, "name", f->arena, &s->name, f->err) < 0 ||
                     value_text(driver, "version", f->arena, &s->version, f->err) < 0)) {
        return -1;
    }
    json_array_foreach(json_object_get(properties, "repoDigests"), i, one)
    {
        report_fill_digest(f, sl_str(json_string_value(one)));
    }
    report_fill_config(f, pg_json_str(properties, "imageID"));
    return take_results(f, rules, results);
}

int report_sarif_read(struct report_filling *f, const json_t *root)
{
    const json_t *runs = json_object_get(root, "runs"), *one;
    size_t i;

    f->report->format = REPORT_SARIF;
    if (json_array_size(runs) == 0 || json_array_size(runs) > RUNS_MAX) {
        return pg_fail(f->err, PG_E_UPSTREAM_WRONG, "it has %zu runs, not 1 to %d",
                       json_array_size(runs), RUNS_MAX);
    }
    json_array_foreach(runs, i, one)
    {
        if (take_run(f, one, i == 0) < 0) {
            return -1;
        }
    }
    return 0;
}
