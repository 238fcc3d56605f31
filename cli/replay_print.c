/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/replay_print.h"

#include <inttypes.h>

#include "base/clock.h"
#include "cli/print.h"

static void put_time(struct pg_buf *out, int64_t ms)
{
    char time[PG_CLOCK_TEXT_MAX];

    (void)pg_buf_printf(out, "%.19sZ", pg_clock_rfc3339(ms, time));
}

/* ---- as text ------------------------------------------------------------------------------- */

static void put_name(const struct replay_change *c, struct pg_buf *out)
{
    char digest[DIGEST_TEXT_MAX];

    print_put_safe(c->repository, out);
    if (c->tag.p != NULL) {
        (void)pg_buf_put(out, SL(":"));
        print_put_safe(c->tag, out);
    }
    (void)pg_buf_put(out, SL("@"));
    print_put_safe(digest_write(&c->digest, digest), out);
}

static void put_callers(const struct replay_change *c, struct pg_buf *out)
{
    uint64_t told = c->ncallers < REPLAY_CALLERS_TOLD ? c->ncallers : REPLAY_CALLERS_TOLD;

    for (uint64_t i = 0; i < told; i++) {
        (void)pg_buf_put(out, i == 0 ? SL(", by ") : SL(", "));
        print_put_safe(c->callers[i], out);
    }
    if (c->ncallers > told) {
        (void)pg_buf_printf(out, " and %" PRIu64 " others", c->ncallers - told);
    }
}

static void put_change(const struct replay_change *c, struct pg_buf *out)
{
    (void)pg_buf_put(out, SL("  "));
    put_name(c, out);
    (void)pg_buf_printf(out, "\n    %" PRIu64 " request%s, the last ", c->requests,
                        print_s(c->requests));
    put_time(out, c->last_ms);
    put_callers(c, out);
    (void)pg_buf_put(out, SL("\n    rule "));
    print_put_safe(c->rule, out);
    (void)pg_buf_put(out, SL(": "));
    print_put_safe(c->reason, out);
    if (c->remedy.n > 0) {
        (void)pg_buf_put(out, SL("; what would help: "));
        print_put_safe(c->remedy, out);
    }
    (void)pg_buf_put(out, SL("\n"));
    if (c->is_unsure) {
        (void)pg_buf_put(out, SL("    not sure: the policy in force does not want such signatures, "
                                 "so that nobody has fetched them yet\n"));
    }
}

static void put_group(const struct replay *r, const char *recorded, const char *verdict,
                      const char *title, struct pg_buf *out)
{
    bool any = false;

    for (const struct replay_change *c = r->first; c != NULL; c = c->next) {
        if (!sl_eq(c->recorded, sl_str(recorded)) || !sl_eq(c->verdict, sl_str(verdict))) {
            continue;
        }
        if (!any) {
            (void)pg_buf_printf(out, "%s\n", title);
        }
        any = true;
        put_change(c, out);
    }
}

static void put_summary(const struct replay *r, struct pg_buf *out)
{
    (void)pg_buf_printf(out,
                        "%s%" PRIu64 " of %" PRIu64 " requests would be decided otherwise: %" PRIu64
                        " of %" PRIu64 " images, %" PRIu64 " caller%s\n",
                        r->is_over ? "at least " : "", r->changed, r->requests, r->changed_images,
                        r->images, r->changed_callers, print_s(r->changed_callers));
    if (r->otherwise > 0) {
        (void)pg_buf_printf(out,
                            "%" PRIu64 " more differ%s from the log, but the policy in force says "
                            "the same now\n",
                            r->otherwise, r->otherwise == 1 ? "s" : "");
    }
    if (r->gone > 0) {
        (void)pg_buf_printf(out,
                            "%" PRIu64 " request%s cannot be replayed: what %s for is not in the "
                            "store any more\n",
                            r->gone, print_s(r->gone), r->gone == 1 ? "it was" : "they were");
    }
    if (r->unreadable > 0) {
        (void)pg_buf_printf(out,
                            "%" PRIu64 " lines of the log cannot be read; see pullgate audit "
                            "verify\n",
                            r->unreadable);
    }
}

void replay_print_text(const struct replay *r, struct pg_buf *out)
{
    put_group(r, "allow", "deny", "would be refused, and were served:", out);
    put_group(r, "allow", "pending", "would wait, and were served:", out);
    put_group(r, "deny", "allow", "would be served, and were refused:", out);
    put_group(r, "pending", "allow", "would be served, and had to wait:", out);
    put_group(r, "deny", "pending", "would wait, and were refused:", out);
    put_group(r, "pending", "deny", "would be refused, and had to wait:", out);
    put_summary(r, out);
}

/* ---- as JSON ------------------------------------------------------------------------------- */

static void put_member(struct pg_buf *out, const char *before, struct sl text)
{
    (void)pg_buf_put(out, sl_str(before));
    if (text.p == NULL) {
        (void)pg_buf_put(out, SL("null"));
    } else {
        (void)pg_buf_put_json(out, text);
    }
}

static void put_moment(struct pg_buf *out, const char *before, int64_t ms)
{
    (void)pg_buf_printf(out, "%s\"", before);
    put_time(out, ms);
    (void)pg_buf_put(out, SL("\""));
}

static void put_json(const struct replay_change *c, struct pg_buf *out)
{
    char digest[DIGEST_TEXT_MAX];

    put_member(out, "{\"repository\":", c->repository);
    put_member(out, ",\"tag\":", c->tag);
    put_member(out, ",\"digest\":", digest_write(&c->digest, digest));
    put_member(out, ",\"recorded\":", c->recorded);
    put_member(out, ",\"verdict\":", c->verdict);
    put_member(out, ",\"rule\":", c->rule);
    put_member(out, ",\"reason\":", c->reason);
    put_member(out, ",\"remedy\":", c->remedy);
    (void)pg_buf_printf(out, ",\"unsure\":%s,\"requests\":%" PRIu64 ",\"callers\":%" PRIu64,
                        c->is_unsure ? "true" : "false", c->requests, c->ncallers);
    (void)pg_buf_put(out, SL(",\"some_callers\":["));
    for (uint64_t i = 0; i < c->ncallers && i < REPLAY_CALLERS_TOLD; i++) {
        put_member(out, i > 0 ? "," : "", c->callers[i]);
    }
    put_moment(out, "],\"first\":", c->first_ms);
    put_moment(out, ",\"last\":", c->last_ms);
    (void)pg_buf_put(out, SL("}"));
}

void replay_print_json(const struct replay *r, struct pg_buf *out)
{
    put_member(out, "{\"policy\":", sl_str(r->args->signature.policy));
    if (r->from_ms != 0) {
        put_moment(out, ",\"since\":", r->from_ms);
    } else {
        put_member(out, ",\"since\":", (struct sl){NULL, 0});
    }
    (void)pg_buf_printf(out,
                        ",\"requests\":%" PRIu64 ",\"images\":%" PRIu64
                        ",\"changed\":{\"requests\":%" PRIu64 ",\"images\":%" PRIu64
                        ",\"callers\":%" PRIu64 "}",
                        r->requests, r->images, r->changed, r->changed_images, r->changed_callers);
    (void)pg_buf_printf(out,
                        ",\"otherwise\":%" PRIu64 ",\"gone\":%" PRIu64 ",\"unreadable\":%" PRIu64
                        ",\"more\":%s,\"changes\":[",
                        r->otherwise, r->gone, r->unreadable, r->is_over ? "true" : "false");
    for (const struct replay_change *c = r->first; c != NULL; c = c->next) {
        (void)pg_buf_put(out, c == r->first ? SL("") : SL(","));
        put_json(c, out);
    }
    (void)pg_buf_put(out, SL("]}\n"));
}
