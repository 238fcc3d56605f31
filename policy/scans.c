/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/scans.h"

#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include "base/reading.h"
#include "policy/signer.h"

#define TEXT_MAX  700
#define SHOWN_MAX 80
#define SKEW_S    300 /* a result may be this much younger than our clock */

#define SHOWN(s) (int)((s).n < SHOWN_MAX ? (s).n : SHOWN_MAX), (s).p

/* In order of badness: what is worse is told. */
enum badness { FINE, TOLD, WAITS, LACKS, BROKEN, BAD };

struct asked {
    const struct scans_want *w;
    const struct facts *f;
    struct pg_arena *arena;
    struct demand_standing *s;
    enum badness worst;
    size_t nheard; /* sources that were asked */
};

static void say(struct asked *a, enum badness badness, const char *help, const char *fmt, ...)
    PG_PRINTF(4, 5);

static void say(struct asked *a, enum badness badness, const char *help, const char *fmt, ...)
{
    char text[TEXT_MAX];
    va_list args;

    if (badness <= a->worst) {
        return;
    }
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    PG_CHECK(n >= 0);
    for (char *c = text; *c != '\0'; c++) { /* what a report says may hold anything */
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            *c = '?';
        }
    }
    a->worst = badness;
    a->s->help = sl_str(help);
    *(badness == TOLD ? &a->s->warning : &a->s->found) = pg_copy(a->arena, sl_str(text));
}

static void until(struct asked *a, int64_t at_s)
{
    if (at_s > a->f->now_s && at_s < a->s->until_s) {
        a->s->until_s = at_s;
    }
}

const char *scans_word(enum facts_severity s)
{
    static const char *const words[FACTS_SEVERITIES] = {"unknown", "negligible", "low",
                                                        "medium",  "high",       "critical"};

    return words[s];
}

/* ---- findings ------------------------------------------------------------------------------ */

/* What of one source counts. */
struct count {
    size_t n[FACTS_SEVERITIES], nexploited, nnew;
    const struct facts_finding *first[FACTS_SEVERITIES], *exploited, *newest;
    int64_t grace_ends_s;
};

static bool is_name(struct sl a, struct sl b)
{
    return a.n == b.n && strncasecmp(a.p, b.p, a.n) == 0;
}

static bool is_excluded(const struct scans_want *w, const struct facts_finding *x)
{
    for (size_t i = 0; i < w->nexclude; i++) {
        if (is_name(w->exclude[i], x->id)) {
            return true;
        }
        for (size_t k = 0; k < x->naliases; k++) {
            if (is_name(w->exclude[i], x->aliases[k])) {
                return true;
            }
        }
    }
    return false;
}

/* Is it one that nobody knew when the image was let in, and for how long is that respected? */
static bool is_new(const struct asked *a, const struct facts_scan *scan,
                   const struct facts_finding *x)
{
    const struct facts *f = a->f;

    return a->w->grace_s > 0 && x->since_s > scan->first_s && f->here_s > 0 &&
           f->here_s < x->since_s && x->since_s <= f->now_s &&
           f->now_s - x->since_s < a->w->grace_s;
}

static bool matters(const struct scans_want *w, enum facts_severity s, bool is_exploited)
{
    return w->limits[s] >= 0 || (w->no_exploited && is_exploited);
}

/* What it counts as now; UNKNOWN: not yet. */
static enum facts_severity weight(struct asked *a, const struct facts_finding *x)
{
    if (x->severity != FACTS_UNKNOWN) {
        return x->severity;
    }
    if (x->is_exploited || x->since_s <= a->f->now_s - SCANS_UNKNOWN_S) {
        return FACTS_HIGH;
    }
    if (matters(a->w, FACTS_HIGH, false)) {
        until(a, x->since_s + SCANS_UNKNOWN_S);
    }
    return FACTS_UNKNOWN;
}

static void count_one(struct asked *a, const struct facts_scan *scan, const struct facts_finding *x,
                      struct count *c)
{
    enum facts_severity s = weight(a, x);
    bool is_exploited = x->is_exploited && a->w->no_exploited;

    if ((a->w->fixable_only && !x->is_fixable && !is_exploited) ||
        !matters(a->w, s, is_exploited) || is_excluded(a->w, x)) {
        return;
    }
    if (x->settled_until_s > a->f->now_s) {
        until(a, x->settled_until_s);
        return;
    }
    if (is_new(a, scan, x)) {
        until(a, x->since_s + a->w->grace_s);
        c->nnew++;
        c->newest = c->newest != NULL ? c->newest : x;
        return;
    }
    if (is_exploited) {
        c->nexploited++;
        c->exploited = c->exploited != NULL ? c->exploited : x;
    }
    if (!a->w->fixable_only || x->is_fixable) {
        c->n[s]++;
        c->first[s] = c->first[s] != NULL ? c->first[s] : x;
    }
}

static void tell_finding(struct asked *a, const struct facts_scan *scan,
                         const struct facts_finding *x, const char *what, size_t more)
{
    char rest[64] = "";
    struct sl fixed = x->fixed;

    if (more > 0) {
        (void)snprintf(rest, sizeof(rest), ", and %zu more", more);
    }
    say(a, BAD,
        fixed.n > 0 ? "an image in which it is fixed, or a waiver" : "another image, or a waiver",
        "%.*s found %.*s (%s) in %.*s %.*s%s%.*s%s", SHOWN(scan->source), SHOWN(x->id), what,
        SHOWN(x->package), SHOWN(x->version), fixed.n > 0 ? ", fixed in " : ", not fixed",
        SHOWN(fixed), rest);
}

static void judge_counts(struct asked *a, const struct facts_scan *scan, const struct count *c)
{
    if (c->nexploited > 0) {
        tell_finding(a, scan, c->exploited, "known to be exploited", c->nexploited - 1);
    }
    for (int s = FACTS_SEVERITIES - 1; s > FACTS_UNKNOWN; s--) {
        size_t n = c->n[s] + scan->unlisted[s] + (s == FACTS_HIGH ? scan->unlisted[0] : 0);
        int64_t limit = a->w->limits[s];
        if (limit < 0 || n <= (size_t)limit) {
            continue;
        }
        if (c->first[s] == NULL) {
            say(a, BAD, "another image", "%.*s found %zu of severity %s", SHOWN(scan->source), n,
                scans_word((enum facts_severity)s));
        } else if (limit == 0) {
            tell_finding(a, scan, c->first[s],
                         c->first[s]->severity == FACTS_UNKNOWN
                             ? "of unknown severity, which counts as high"
                             : scans_word((enum facts_severity)s),
                         n - 1);
        } else {
            say(a, BAD, "an image with fewer, or waivers",
                "%.*s found %zu of severity %s, and %lld may be", SHOWN(scan->source), n,
                scans_word((enum facts_severity)s), (long long)limit);
        }
    }
}

static void judge(struct asked *a, const struct facts_scan *scan)
{
    struct count c = {.nnew = 0};
    int64_t before_s = a->s->until_s;

    for (size_t i = 0; i < scan->nfindings; i++) {
        count_one(a, scan, &scan->findings[i], &c);
    }
    judge_counts(a, scan, &c);
    if (a->worst == BAD) {
        a->s->until_s = before_s; /* a denial ends with the facts */
    }
    if (c.nnew > 0) {
        say(a, TOLD, "", "%.*s found %.*s in %.*s lately, which denies from then on: %zu in all",
            SHOWN(scan->source), SHOWN(c.newest->id), SHOWN(c.newest->package), c.nnew);
    }
}

/* ---- sources ------------------------------------------------------------------------------- */

static void missing(struct asked *a, struct sl source, const char *how)
{
    static const enum badness as[] = {
        [SCANS_WAIT] = WAITS, [SCANS_DENY] = LACKS, [SCANS_SERVE] = TOLD};

    a->s->asks_scan = true;
    say(a, as[a->w->on_missing],
        a->w->on_missing == SCANS_SERVE ? "" : "try again when it has been scanned", "%s %.*s%s",
        how, SHOWN(source), a->w->on_missing == SCANS_SERVE ? "; it is served so" : "");
}

/* Has it a result that is new enough? */
static bool is_fresh(struct asked *a, const struct facts_scan *scan, const char **how_r)
{
    const struct scans_want *w = a->w;
    int64_t now_s = a->f->now_s;

    *how_r = "there is no scan result yet of";
    if (scan->good_s == 0) {
        return false;
    }
    *how_r = "too old is the scan result of";
    if (w->max_age_s > 0 &&
        (scan->good_s > now_s + SKEW_S || now_s - scan->good_s >= w->max_age_s)) {
        return false;
    }
    *how_r = "too old, or of unknown age, is the database of";
    if (w->database_max_age_s > 0 && (scan->database_s <= 0 || scan->database_s > now_s + SKEW_S ||
                                      now_s - scan->database_s >= w->database_max_age_s)) {
        return false;
    }
    if (w->max_age_s > 0) {
        until(a, scan->good_s + w->max_age_s);
    }
    if (w->database_max_age_s > 0) {
        until(a, scan->database_s + w->database_max_age_s);
    }
    return true;
}

/* A whole report that names no package, of an image that need not have any: what the database knew
 * of them does not matter. */
static bool is_static(struct asked *a, const struct facts_scan *scan)
{
    const struct scans_want *w = a->w;

    if (!w->is_static || !scan->is_empty || scan->failed_s < scan->good_s ||
        (w->max_age_s > 0 &&
         (scan->failed_s > a->f->now_s + SKEW_S || a->f->now_s - scan->failed_s >= w->max_age_s))) {
        return false;
    }
    if (w->max_age_s > 0) {
        until(a, scan->failed_s + w->max_age_s);
    }
    return true;
}

static void hear(struct asked *a, const struct facts_scan *scan)
{
    const char *how;

    a->nheard++;
    if (scan->good_s > 0) {
        judge(a, scan);
    }
    if (is_static(a, scan) || is_fresh(a, scan, &how)) {
        return;
    }
    if (scan->failed_s > 0 && scan->failed_s >= scan->good_s) {
        a->s->asks_scan = true;
        say(a, a->w->on_error == SCANS_WAIT ? WAITS : BROKEN,
            "a scan that succeeds; the log says more", "the scan by %.*s failed: %.*s",
            SHOWN(scan->source), (int)(scan->failed.n < 200 ? scan->failed.n : 200),
            scan->failed.p);
        return;
    }
    missing(a, scan->source, how);
}

static bool is_attested(struct asked *a, const struct facts_scan *scan)
{
    for (size_t i = 0; scan->by != NULL && i < a->w->nsigners; i++) {
        if (signer_fit(a->w->signers[i], a->f, scan->by) == SIGNER_FITS) {
            until(a, scan->by->not_after_s);
            return true;
        }
    }
    return false;
}

static void hear_one_of(struct asked *a, struct sl name)
{
    bool attested = sl_eq(name, SCANS_ATTESTED), found = false;

    for (size_t i = 0; i < a->f->nscans; i++) {
        const struct facts_scan *scan = &a->f->scans[i];
        if (attested ? is_attested(a, scan) : scan->by == NULL && sl_eq(scan->source, name)) {
            hear(a, scan);
            found = true;
        }
    }
    if (!found) {
        missing(a, name, "there is no scan result yet of");
    }
}

static void hear_all(struct asked *a)
{
    for (size_t i = 0; i < a->f->nscans; i++) {
        const struct facts_scan *scan = &a->f->scans[i];
        if (scan->by == NULL || is_attested(a, scan)) {
            hear(a, scan);
        }
    }
    if (a->nheard == 0) {
        missing(a, SL("any source"), "there is no scan result yet of");
    }
}

void scans_stand(const struct scans_want *w, const struct facts *f, struct pg_arena *arena,
                 struct demand_standing *s_r)
{
    static const enum demand_answer answers[] = {
        [FINE] = DEMAND_HOLDS,  [TOLD] = DEMAND_HOLDS,   [WAITS] = DEMAND_UNKNOWN,
        [LACKS] = DEMAND_FAILS, [BROKEN] = DEMAND_FAILS, [BAD] = DEMAND_FAILS};
    struct asked a = {.w = w, .f = f, .arena = arena, .s = s_r};

    if (f->scans_trouble != NULL) {
        say(&a, WAITS, "try again", "scan results cannot be read: %.200s", f->scans_trouble);
    } else if (w->nfrom > 0) {
        for (size_t i = 0; i < w->nfrom; i++) {
            hear_one_of(&a, w->from[i]);
        }
    } else {
        hear_all(&a);
    }
    s_r->answer = answers[a.worst];
}

/* ---- in words ------------------------------------------------------------------------------ */

void scans_put_want(const struct scans_want *w, struct pg_buf *out)
{
    char age[READING_AGE_TEXT];
    const char *between = "";

    (void)pg_buf_put(out, SL("a scan that finds "));
    for (int s = FACTS_SEVERITIES - 1; s > FACTS_UNKNOWN; s--) {
        if (w->limits[s] == 0) {
            (void)pg_buf_printf(out, "%snothing %s", between, scans_word((enum facts_severity)s));
        } else if (w->limits[s] > 0) {
            (void)pg_buf_printf(out, "%sat most %lld %s", between, (long long)w->limits[s],
                                scans_word((enum facts_severity)s));
        } else {
            continue;
        }
        between = ", ";
    }
    if (w->no_exploited) {
        (void)pg_buf_printf(out, "%snothing that is exploited", between);
    } else if (between[0] == '\0') {
        (void)pg_buf_put(out, SL("whatever it may be"));
    }
    (void)pg_buf_put(out, w->fixable_only ? SL(" and can be fixed") : SL(""));
    for (size_t i = 0; i < w->nfrom; i++) {
        (void)pg_buf_printf(out, "%s%.*s", i == 0 ? ", by " : " and ", SHOWN(w->from[i]));
    }
    for (size_t i = 0; i < w->nsigners && i < 4; i++) {
        (void)pg_buf_put(out, i == 0 ? SL(", signed reports by ") : SL(" or "));
        signer_put(w->signers[i], out);
    }
    if (w->max_age_s > 0) {
        (void)pg_buf_printf(out, ", not older than %s", reading_age_text(w->max_age_s, age));
    }
    if (w->database_max_age_s > 0) {
        (void)pg_buf_printf(out, ", with a database not older than %s",
                            reading_age_text(w->database_max_age_s, age));
    }
}

static void put_ago(const char *what, int64_t age_s, struct pg_buf *out)
{
    if (age_s < 7200) {
        (void)pg_buf_printf(out, "%s %lld minutes ago", what, (long long)age_s / 60);
    } else if (age_s < 172800) {
        (void)pg_buf_printf(out, "%s %lld hours ago", what, (long long)age_s / 3600);
    } else {
        (void)pg_buf_printf(out, "%s %lld days ago", what, (long long)age_s / 86400);
    }
}

static void put_counts(const struct facts_scan *scan, int64_t now_s, struct pg_buf *out)
{
    size_t n[FACTS_SEVERITIES] = {0}, nsettled = 0, nshown = 0;

    for (size_t i = 0; i < scan->nfindings; i++) {
        n[scan->findings[i].severity]++;
        nsettled += scan->findings[i].settled_until_s > now_s;
    }
    for (int s = FACTS_SEVERITIES - 1; s >= 0; s--) {
        n[s] += scan->unlisted[s];
        if (n[s] > 0) {
            (void)pg_buf_printf(out, "%s%zu %s", nshown++ > 0 ? ", " : "", n[s],
                                scans_word((enum facts_severity)s));
        }
    }
    (void)pg_buf_put(out, nshown == 0 ? SL("nothing") : SL(""));
    if (nsettled > 0) {
        (void)pg_buf_printf(out, ", of which %zu settled by waivers or VEX", nsettled);
    }
}

void scans_put_found(const struct facts_scan *scan, int64_t now_s, struct pg_buf *out)
{
    if (scan->good_s > 0) {
        put_counts(scan, now_s, out);
        put_ago("; reported", now_s - scan->good_s, out);
    }
    if (scan->good_s > 0 && scan->database_s > 0) {
        put_ago(", with a database made", now_s - scan->database_s, out);
    }
    if (scan->failed_s > 0) {
        put_ago(scan->good_s > 0 ? "; failed" : "failed", now_s - scan->failed_s, out);
        (void)pg_buf_printf(out, ": %.*s", (int)(scan->failed.n < 300 ? scan->failed.n : 300),
                            scan->failed.p);
    }
}
