/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/scan_print.h"

#include "base/clock.h"
#include "cli/print.h"

static void put(struct pg_buf *out, struct sl text)
{
    print_put_safe(text, out);
}

static const char *day(int64_t s, char text[PG_CLOCK_TEXT_MAX])
{
    return pg_clock_rfc3339(s * 1000, text);
}

/* ---- as text ------------------------------------------------------------------------------- */

static void put_head(const struct scan_read_file *f, struct pg_buf *out)
{
    const struct report *r = &f->report;
    char when[PG_CLOCK_TEXT_MAX], text[DIGEST_TEXT_MAX];

    put(out, r->scanner.name.n > 0 ? r->scanner.name : SL("a scanner without a name"));
    (void)pg_buf_put(out, SL(" "));
    put(out, r->scanner.version);
    (void)pg_buf_printf(out, " (%s%s)", report_format_name(r->format),
                        r->in_predicate ? " in cosign's predicate" : "");
    if (r->made_s != 0) {
        (void)pg_buf_printf(out, ", %.19sZ", day(r->made_s, when));
    }
    (void)pg_buf_put(out, SL("\n  database  "));
    if (r->scanner.database_s != 0) {
        put(out, r->scanner.database);
        (void)pg_buf_printf(out, " of %.19sZ\n", day(r->scanner.database_s, when));
    } else {
        (void)pg_buf_put(out, SL("of a time that it does not say\n"));
    }
    for (size_t i = 0; i < r->ndigests; i++) {
        (void)pg_buf_printf(out, "  about     %s\n", digest_write(&r->digests[i], text).p);
    }
    if (r->ndigests == 0) {
        (void)pg_buf_put(out, SL("  about     an image that it does not name by digest\n"));
    }
    (void)pg_buf_printf(out, "  packages  %zu%s", r->npackages,
                        r->lists_packages ? "" : " with findings; others it does not list");
    if (r->system.n > 0) {
        (void)pg_buf_put(out, SL("; "));
        put(out, r->system);
        (void)pg_buf_put(out,
                         r->system_has_ended ? SL(", which gets no advisories any more") : SL(""));
    }
    (void)pg_buf_put(out, SL("\n"));
}

static void put_counts(struct pg_buf *out, const char *what, const size_t counts[SEVERITY_N])
{
    size_t n = 0;

    (void)pg_buf_printf(out, "  %-9s ", what);
    for (unsigned s = SEVERITY_N; s-- > 0;) {
        if (counts[s] > 0) {
            (void)pg_buf_printf(out, "%s%zu %s", n++ > 0 ? ", " : "", counts[s],
                                severity_word((enum severity)s));
        }
    }
    (void)pg_buf_put(out, n > 0 ? SL("\n") : SL("none\n"));
}

static void put_settled(const struct settle_one *one, struct pg_buf *out)
{
    char when[PG_CLOCK_TEXT_MAX];

    if (one->vex != NULL) {
        (void)pg_buf_printf(out, "      %s, says ", vex_status_word(one->vex->status));
        put(out, one->vex->author);
        (void)pg_buf_put(out, one->vex->justification.n > 0 ? SL(": ") : SL(""));
        put(out, one->vex->justification);
        (void)pg_buf_put(out, SL("\n"));
    }
    if (one->waiver != NULL) {
        (void)pg_buf_printf(out, "      waiver %s %.19sZ, by ",
                            one->waiver_has_ended ? "ended at" : "until",
                            day(one->waiver->expires_s, when));
        put(out, one->waiver->owner);
        (void)pg_buf_put(out, SL(": "));
        put(out, one->waiver->reason);
        (void)pg_buf_put(out, SL("\n"));
    }
}

static void put_finding(const struct report_finding *f, const struct settle_one *one,
                        struct pg_buf *out)
{
    (void)pg_buf_printf(out, "    %-10s ", severity_word(f->severity));
    put(out, f->id);
    for (size_t i = 0; i < f->aliases.n; i++) {
        (void)pg_buf_put(out, i == 0 ? SL(" (") : SL(", "));
        put(out, f->aliases.names[i]);
        (void)pg_buf_put(out, i + 1 == f->aliases.n ? SL(")") : SL(""));
    }
    (void)pg_buf_put(out, SL(" "));
    put(out, f->package);
    (void)pg_buf_put(out, SL(" "));
    put(out, f->version);
    (void)pg_buf_put(out, f->fixed.n > 0 ? SL(", fixed in ") : SL(", no fix"));
    put(out, f->fixed);
    (void)pg_buf_put(out, f->is_exploited ? SL(", known to be exploited") : SL(""));
    (void)pg_buf_put(out, f->is_suppressed ? SL(", suppressed by the report") : SL(""));
    (void)pg_buf_put(out, SL("\n"));
    put_settled(one, out);
}

void scan_print_text(const struct scan_read_file *f, struct pg_buf *out)
{
    const struct report *r = &f->report;

    put(out, sl_str(f->name));
    (void)pg_buf_put(out, SL(": "));
    if (r->reason == REPORT_GOOD) {
        (void)pg_buf_put(out, SL("counts\n  scanner   "));
    } else {
        (void)pg_buf_printf(out, "does not count, as if it had not been scanned: %s: ",
                            report_reason_code(r->reason));
        put(out, r->why);
        (void)pg_buf_put(out, r->scanner.name.n > 0 ? SL("\n  scanner   ") : SL("\n"));
        if (r->scanner.name.n == 0) {
            return;
        }
    }
    put_head(f, out);
    put_counts(out, "open", f->settled.open);
    if (f->settled.nexcused + f->settled.nwaived > 0) {
        (void)pg_buf_printf(out, "  besides   %zu excused by VEX, %zu waived\n",
                            f->settled.nexcused, f->settled.nwaived);
    }
    for (unsigned s = SEVERITY_N; s-- > 0;) {
        for (size_t i = 0; i < r->nfindings; i++) {
            if (r->findings[i].severity == (enum severity)s) {
                put_finding(&r->findings[i], &f->settled.ones[i], out);
            }
        }
    }
}

void scan_print_ending(const struct waiver_list *waivers, int64_t now_s, struct pg_buf *out)
{
    char when[PG_CLOCK_TEXT_MAX];

    for (size_t i = 0; waivers != NULL && i < waivers->n; i++) {
        const struct waiver *w = &waivers->waivers[i];
        bool has_ended = w->expires_s <= now_s;
        if (!has_ended && !waiver_ends_soon(w, now_s)) {
            continue;
        }
        (void)pg_buf_printf(out, "waiver in line %u, for ", w->line);
        put(out, w->vulnerability);
        (void)pg_buf_put(out, SL(" in "));
        put(out, w->package);
        (void)pg_buf_printf(out, ", %s at %.19sZ: ask ", has_ended ? "ended" : "ends",
                            day(w->expires_s, when));
        put(out, w->owner);
        (void)pg_buf_put(out, SL("\n"));
    }
}

/* ---- as JSON ------------------------------------------------------------------------------- */

static void put_text(struct pg_buf *out, const char *name, struct sl text)
{
    (void)pg_buf_printf(out, "\"%s\":", name);
    if (text.p == NULL) {
        (void)pg_buf_put(out, SL("null"));
    } else {
        (void)pg_buf_put_json(out, text);
    }
    (void)pg_buf_put(out, SL(","));
}

static void put_time(struct pg_buf *out, const char *name, int64_t s)
{
    char when[PG_CLOCK_TEXT_MAX];

    put_text(out, name, s != 0 ? sl_str(day(s, when)) : (struct sl){NULL, 0});
}

static void put_truth(struct pg_buf *out, const char *name, bool is)
{
    (void)pg_buf_printf(out, "\"%s\":%s,", name, is ? "true" : "false");
}

static void put_numbers(struct pg_buf *out, const char *name, const size_t counts[SEVERITY_N])
{
    (void)pg_buf_printf(out, "\"%s\":{", name);
    for (unsigned s = SEVERITY_N; s-- > 0;) {
        (void)pg_buf_printf(out, "\"%s\":%zu%s", severity_word((enum severity)s), counts[s],
                            s > 0 ? "," : "},");
    }
}

static void put_finding_json(const struct report_finding *f, const struct settle_one *one,
                             struct pg_buf *out)
{
    static const char *const fixes[] = {"unknown", "there", "not_yet", "never"};
    static const char *const states[] = {"open", "excused", "waived"};

    (void)pg_buf_put(out, SL("{"));
    put_text(out, "id", f->id);
    (void)pg_buf_put(out, SL("\"aliases\":["));
    for (size_t i = 0; i < f->aliases.n; i++) {
        (void)pg_buf_put(out, i > 0 ? SL(",") : SL(""));
        (void)pg_buf_put_json(out, f->aliases.names[i]);
    }
    (void)pg_buf_put(out, SL("],"));
    put_text(out, "package", f->package);
    put_text(out, "version", f->version);
    put_text(out, "purl", f->purl);
    put_text(out, "fixed", f->fixed);
    put_text(out, "fix", sl_str(fixes[f->fix]));
    put_text(out, "severity", sl_str(severity_word(f->severity)));
    put_text(out, "severity_raw", f->raw);
    put_truth(out, "exploited", f->is_exploited);
    put_truth(out, "suppressed", f->is_suppressed);
    put_text(out, "vex",
             one->vex != NULL ? sl_str(vex_status_word(one->vex->status)) : (struct sl){NULL, 0});
    put_text(out, "waiver_owner", one->waiver != NULL ? one->waiver->owner : (struct sl){NULL, 0});
    put_time(out, "waiver_until", one->waiver != NULL ? one->waiver->expires_s : 0);
    (void)pg_buf_printf(out, "\"state\":\"%s\"}", states[one->state]);
}

static void put_file_json(const struct scan_read_file *f, struct pg_buf *out)
{
    const struct report *r = &f->report;
    bool is_known = r->scanner.name.n > 0;
    char text[DIGEST_TEXT_MAX];

    (void)pg_buf_put(out, SL("{"));
    put_text(out, "file", sl_str(f->name));
    put_truth(out, "counts", r->reason == REPORT_GOOD);
    put_text(out, "code", sl_str(report_reason_code(r->reason)));
    put_text(out, "reason", r->why);
    put_text(out, "format",
             is_known ? sl_str(report_format_name(r->format)) : (struct sl){NULL, 0});
    put_text(out, "scanner", r->scanner.name);
    put_text(out, "scanner_version", r->scanner.version);
    put_text(out, "database", r->scanner.database);
    put_time(out, "database_time", r->scanner.database_s);
    put_time(out, "made", r->made_s);
    (void)pg_buf_put(out, SL("\"digests\":["));
    for (size_t i = 0; i < r->ndigests; i++) {
        (void)pg_buf_printf(out, "%s\"%s\"", i > 0 ? "," : "",
                            digest_write(&r->digests[i], text).p);
    }
    (void)pg_buf_put(out, SL("],"));
    put_text(out, "system", r->system);
    put_truth(out, "system_has_ended", r->system_has_ended);
    put_truth(out, "lists_packages", r->lists_packages);
    (void)pg_buf_printf(out, "\"packages\":%zu,", r->npackages);
    put_numbers(out, "open", f->settled.open);
    (void)pg_buf_printf(out, "\"excused\":%zu,\"waived\":%zu,\"exploited\":%zu,\"findings\":[",
                        f->settled.nexcused, f->settled.nwaived, f->settled.nexploited);
    for (size_t i = 0; i < r->nfindings; i++) {
        (void)pg_buf_put(out, i > 0 ? SL(",\n") : SL("\n"));
        put_finding_json(&r->findings[i], &f->settled.ones[i], out);
    }
    (void)pg_buf_put(out, SL("]}"));
}

void scan_print_json(const struct scan_read_file *files, size_t n, struct pg_buf *out)
{
    (void)pg_buf_put(out, SL("{\"reports\":["));
    for (size_t i = 0; i < n; i++) {
        (void)pg_buf_put(out, i > 0 ? SL(",\n") : SL("\n"));
        put_file_json(&files[i], out);
    }
    (void)pg_buf_put(out, SL("]}\n"));
}
