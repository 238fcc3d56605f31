/* SPDX-License-Identifier: Apache-2.0 */
#include "retention/tell.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/size.h"

#define SHORT_DIGEST 19 /* "sha256:" and twelve digits */

static const char *const why_words[] = {"unnamed",  "not-yet",   "rule", "untagged",
                                        "pin",      "last-copy", "base", "index",
                                        "referrer", "parent",    "quota"};

/* ---- words --------------------------------------------------------------------------------- */

static void put_safe(struct pg_buf *out, struct sl text)
{
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        bool control = (unsigned char)c < 0x20 || c == 0x7f;
        (void)pg_buf_put(out, control ? SL("?") : (struct sl){&text.p[i], 1});
    }
}

/* REPOSITORY:TAG, else REPOSITORY@DIGEST, shortened. */
static void put_name(struct pg_buf *out, const struct image *image)
{
    char digest[DIGEST_TEXT_MAX];
    struct sl d = digest_write(&image->digest, digest);

    put_safe(out, image->repo);
    if (image->ntags > 0) {
        (void)pg_buf_put(out, SL(":"));
        put_safe(out, image->tags[0]);
        if (image->ntags > 1) {
            (void)pg_buf_printf(out, " (and %zu more tag%s)", image->ntags - 1,
                                image->ntags == 2 ? "" : "s");
        }
    } else {
        (void)pg_buf_printf(out, "@" SL_FMT,
                            SL_ARG(((struct sl){d.p, d.n < SHORT_DIGEST ? d.n : SHORT_DIGEST})));
    }
}

static void put_rule(struct pg_buf *out, const struct plan_row *row, const char *verb)
{
    PG_CHECK(row->rule != NULL);
    (void)pg_buf_put(out, SL("rule \""));
    put_safe(out, row->rule->name);
    (void)pg_buf_printf(out, "\" %s: ", verb);
    ruleset_put_action(row->rule, out);
}

static void put_other(struct pg_buf *out, const struct plan_row *row, const char *before)
{
    (void)pg_buf_put(out, sl_str(before));
    put_name(out, row->other);
}

static void put_pin(struct pg_buf *out, const struct ruleset_pin *pin)
{
    char until[PG_CLOCK_TEXT_MAX] = "for ever";

    if (pin->until_s != RULESET_NEVER) {
        (void)pg_clock_rfc3339(pin->until_s * 1000, until);
    }
    (void)pg_buf_put(out, SL("pinned by "));
    put_safe(out, pin->owner);
    (void)pg_buf_printf(out, "%s%s: ", pin->until_s != RULESET_NEVER ? " until " : " ", until);
    put_safe(out, pin->reason);
}

void tell_why(const struct plan_row *row, struct pg_buf *out)
{
    switch (row->why) {
    case PLAN_UNNAMED:
        (void)pg_buf_put(out, SL("no rule is about it"));
        return;
    case PLAN_NOT_YET:
        put_rule(out, row, "does not apply yet");
        return;
    case PLAN_RULE:
        put_rule(out, row, row->goes ? "deletes it" : "keeps it");
        return;
    case PLAN_UNTAGGED:
        (void)pg_buf_put(out, SL("no rule, no tag and no image names it, and it is not used"));
        return;
    case PLAN_PIN:
        put_pin(out, row->pin);
        return;
    case PLAN_LAST_COPY:
        (void)pg_buf_put(out, SL("the last copy: upstream has it no more"));
        return;
    case PLAN_BASE:
        put_other(out, row, "it is what stands under ");
        return;
    case PLAN_CHILD:
        put_other(out, row, row->goes ? "it goes with the index " : "it is of the index ");
        return;
    case PLAN_PARENT:
        put_other(out, row, "it has what stays, ");
        return;
    case PLAN_REFERRER:
        put_other(out, row, row->goes ? "it goes with what it is about, " : "it is about ");
        return;
    case PLAN_QUOTA:
        (void)pg_buf_put(out, SL("its repositories take more than their quota of "));
        put_safe(out, row->quota->high.text);
        return;
    }
    PG_BUG("a reason that there is not");
}

/* ---- text ---------------------------------------------------------------------------------- */

static void put_line(struct pg_buf *out, const struct plan_row *row)
{
    (void)pg_buf_put(out, row->goes ? SL("- ") : SL("  "));
    put_name(out, row->image);
    (void)pg_buf_put(out, SL("  "));
    pg_size_put(out, row->goes ? row->frees : row->bytes);
    (void)pg_buf_put(out, SL("  "));
    tell_why(row, out);
    (void)pg_buf_put(out, SL("\n"));
}

void tell_text(const struct plan *p, bool only_going, struct pg_buf *out)
{
    for (size_t i = 0; i < p->nrows; i++) {
        if (p->rows[i].goes || !only_going) {
            put_line(out, &p->rows[i]);
        }
    }
    (void)pg_buf_printf(out, "%zu of %zu manifests go, which frees ", p->ngo, p->nrows);
    pg_size_put(out, p->freed);
    (void)pg_buf_put(out, SL(" of "));
    pg_size_put(out, p->stored);
    (void)pg_buf_put(out, SL("\n"));
}

/* ---- JSON ---------------------------------------------------------------------------------- */

static void put_string(struct pg_buf *out, const char *before, struct sl text)
{
    (void)pg_buf_put(out, sl_str(before));
    (void)pg_buf_put_json(out, text);
}

static void put_time(struct pg_buf *out, const char *key, int64_t when_s)
{
    char text[PG_CLOCK_TEXT_MAX];

    if (when_s == 0) {
        (void)pg_buf_printf(out, ",\"%s\":null", key);
    } else {
        (void)pg_buf_printf(out, ",\"%s\":\"%s\"", key, pg_clock_rfc3339(when_s * 1000, text));
    }
}

static void put_object(struct pg_buf *out, const struct plan_row *row)
{
    const struct image *image = row->image;
    char digest[DIGEST_TEXT_MAX];
    struct pg_buf why;

    put_string(out, "{\"repo\":", image->repo);
    put_string(out, ",\"digest\":", digest_write(&image->digest, digest));
    (void)pg_buf_put(out, SL(",\"tags\":["));
    for (size_t i = 0; i < image->ntags; i++) {
        put_string(out, i > 0 ? "," : "", image->tags[i]);
    }
    (void)pg_buf_printf(out, "],\"action\":\"%s\",\"why\":\"%s\"", row->goes ? "delete" : "keep",
                        why_words[row->why]);
    put_string(out, ",\"rule\":", row->rule != NULL ? row->rule->name : SL(""));
    pg_buf_init(&why, (size_t)64 * 1024);
    tell_why(row, &why);
    put_string(out, ",\"reason\":", pg_buf_sl(&why));
    pg_buf_free(&why);
    (void)pg_buf_printf(out, ",\"bytes\":%" PRIu64 ",\"frees\":%" PRIu64, row->bytes, row->frees);
    put_time(out, "first_seen", image->first_seen_s);
    put_time(out, "last_pull", image->pulled_s);
    (void)pg_buf_put(out, SL("}"));
}

void tell_json(const struct plan *p, int64_t now_s, struct pg_buf *out)
{
    char as_of[PG_CLOCK_TEXT_MAX];

    (void)pg_buf_printf(out, "{\"as_of\":\"%s\",\"images\":[",
                        pg_clock_rfc3339(now_s * 1000, as_of));
    for (size_t i = 0; i < p->nrows; i++) {
        (void)pg_buf_put(out, i > 0 ? SL(",\n") : SL("\n"));
        put_object(out, &p->rows[i]);
    }
    (void)pg_buf_printf(
        out, "],\"manifests\":%zu,\"deleted\":%zu,\"bytes\":%" PRIu64 ",\"freed\":%" PRIu64 "}\n",
        p->nrows, p->ngo, p->stored, p->freed);
}

/* ---- CSV ----------------------------------------------------------------------------------- */

static void put_cell(struct pg_buf *out, struct sl text, const char *behind)
{
    bool formula = text.n > 0 && text.p[0] != '\0' && strchr("=+-@\t\r", text.p[0]) != NULL;

    (void)pg_buf_put(out, formula ? SL("\"'") : SL("\""));
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        bool control = (unsigned char)c < 0x20 || c == 0x7f;
        (void)pg_buf_put(out, control    ? SL("?")
                              : c == '"' ? SL("\"\"")
                                         : (struct sl){&text.p[i], 1});
    }
    (void)pg_buf_printf(out, "\"%s", behind);
}

void tell_csv(const struct plan *p, struct pg_buf *out)
{
    struct pg_buf cell;

    (void)pg_buf_put(out, SL("action,repository,digest,tags,rule,reason,bytes,frees\r\n"));
    pg_buf_init(&cell, (size_t)4 * 1024 * 1024);
    for (size_t i = 0; i < p->nrows; i++) {
        const struct plan_row *row = &p->rows[i];
        char digest[DIGEST_TEXT_MAX];
        (void)pg_buf_put(out, row->goes ? SL("delete,") : SL("keep,"));
        put_cell(out, row->image->repo, ",");
        put_cell(out, digest_write(&row->image->digest, digest), ",");
        pg_buf_clear(&cell);
        for (size_t t = 0; t < row->image->ntags; t++) {
            (void)pg_buf_put(&cell, t > 0 ? SL(" ") : SL(""));
            (void)pg_buf_put(&cell, row->image->tags[t]);
        }
        put_cell(out, pg_buf_sl(&cell), ",");
        put_cell(out, row->rule != NULL ? row->rule->name : SL(""), ",");
        pg_buf_clear(&cell);
        tell_why(row, &cell);
        put_cell(out, pg_buf_sl(&cell), ",");
        (void)pg_buf_printf(out, "%" PRIu64 ",%" PRIu64 "\r\n", row->bytes, row->frees);
    }
    pg_buf_free(&cell);
}

/* ---- trees --------------------------------------------------------------------------------- */

struct branch {
    const char *word;
    size_t list; /* offset in graph_node */
};

static const struct branch below[] = {
    {"image", offsetof(struct graph_node, children)},
    {"built on", offsetof(struct graph_node, bases)},
    {"is about", offsetof(struct graph_node, subjects)},
};
static const struct branch above[] = {
    {"in index", offsetof(struct graph_node, parents)},
    {"base of", offsetof(struct graph_node, dependents)},
    {"referrer", offsetof(struct graph_node, referrers)},
};

static const struct graph_edge *list_of(const struct graph_node *node, const struct branch *b)
{
    struct graph_edge *const *list =
        (struct graph_edge *const *)(const void *)((const char *)node + b->list);

    return *list;
}

/* As deep as told. NOLINTNEXTLINE(misc-no-recursion) */
static void put_branches(struct pg_buf *out, const struct graph_node *node,
                         const struct branch branches[3], unsigned depth, unsigned indent)
{
    for (size_t b = 0; b < 3 && depth > 0; b++) {
        for (const struct graph_edge *e = list_of(node, &branches[b]); e != NULL; e = e->next) {
            (void)pg_buf_printf(out, "%*s%s  ", (int)(2 * indent), "", branches[b].word);
            put_name(out, e->to->image);
            (void)pg_buf_put(out, SL("\n"));
            put_branches(out, e->to, branches, out->over ? 0 : depth - 1, indent + 1);
        }
    }
}

void tell_tree(const struct graph_node *node, unsigned depth, struct pg_buf *out)
{
    const struct image *image = node->image;
    char digest[DIGEST_TEXT_MAX];

    put_name(out, image);
    (void)pg_buf_printf(out, "  " SL_FMT "\n", SL_ARG(digest_write(&image->digest, digest)));
    (void)pg_buf_put(out, SL("needs:\n"));
    for (size_t i = 0; i < image->nblobs; i++) {
        (void)pg_buf_printf(out, "  blob  " SL_FMT "  ",
                            SL_ARG(digest_write(&image->blobs[i].digest, digest)));
        pg_size_put(out, image->blobs[i].size);
        (void)pg_buf_put(out, image->blobs[i].is_stored ? SL("\n") : SL("  not here\n"));
    }
    put_branches(out, node, below, depth, 1);
    (void)pg_buf_put(out, SL("is needed by:\n"));
    put_branches(out, node, above, depth, 1);
}
