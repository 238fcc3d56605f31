/* SPDX-License-Identifier: Apache-2.0 */
#include "signing/note_int.h"

#include "signing/b64_int.h"
#include "signing/field_int.h"

#define SIGNATURE_BYTES_MAX 1100 /* RSA of 8192 bits, with the hint */
#define SIZE_BITS_MAX       62

/* Takes a line with its end off *text. */
static bool take_line(struct sl *text, struct sl *line_r)
{
    const char *newline = text->n > 0 ? memchr(text->p, '\n', text->n) : NULL;

    if (newline == NULL)
        return false;
    *line_r = (struct sl){text->p, (size_t)(newline - text->p)};
    *text = (struct sl){newline + 1, text->n - line_r->n - 1};
    return true;
}

/* At the one empty line: what is signed, with its last newline, and the lines of signatures. */
static bool split(struct sl text, struct sl *body_r, struct sl *signatures_r)
{
    const char *blank = text.n > 0 ? memmem(text.p, text.n, "\n\n", 2) : NULL;
    size_t n;

    if (blank == NULL)
        return false;
    n = (size_t)(blank - text.p) + 1;
    *body_r = (struct sl){text.p, n};
    *signatures_r = (struct sl){text.p + n + 1, text.n - n - 1};
    return signatures_r->n == 0 || (signatures_r->p[0] != '\n' &&
                                    memmem(signatures_r->p, signatures_r->n, "\n\n", 2) == NULL);
}

static bool read_body(struct sl body, struct sl *origin_r, struct note *n_r)
{
    struct sl size, root;

    return take_line(&body, origin_r) && take_line(&body, &size) && take_line(&body, &root) &&
           origin_r->n > 0 && field_decimal(size, &n_r->size) > 0 && n_r->size > 0 &&
           n_r->size <= (int64_t)1 << SIZE_BITS_MAX &&
           b64_decode_exactly(root, n_r->root, sizeof(n_r->root));
}

/* "- NAME BASE64", with a dash that is U+2014. */
static bool read_signature(struct sl line, struct pg_arena *arena, struct sl *name_r,
                           struct sl *bytes_r)
{
    const struct sl dash = SL("\xe2\x80\x94 ");
    const char *space;

    if (!sl_starts(line, dash))
        return false;
    line = (struct sl){line.p + dash.n, line.n - dash.n};
    space = line.n > 0 ? memchr(line.p, ' ', line.n) : NULL;
    if (space == NULL || space == line.p)
        return false;
    *name_r = (struct sl){line.p, (size_t)(space - line.p)};
    line = (struct sl){space + 1, line.n - name_r->n - 1};
    return line.n <= (size_t)SIGNATURE_BYTES_MAX * 2 &&
           b64_decode(B64_STANDARD, line, arena, bytes_r) && bytes_r->n > TRUST_NOTE_HINT;
}

/* By what name this log signs a text with this origin; {NULL, 0}: none of its. */
static struct sl name_of(struct sl origin, const struct trust_log *log, bool is_tiles)
{
    const struct sl dash = SL(" - ");
    const char *at = memmem(origin.p, origin.n, dash.p, dash.n);
    struct sl name = {origin.p, at != NULL ? (size_t)(at - origin.p) : 0}, tree;
    int64_t number;

    if (is_tiles)
        return sl_eq(origin, log->host) ? origin : (struct sl){NULL, 0};
    if (name.n == 0)
        return (struct sl){NULL, 0};
    tree = (struct sl){at + dash.n, origin.n - name.n - dash.n};
    return field_decimal(tree, &number) > 0 ? name : (struct sl){NULL, 0};
}

/* -1: it is not the log's although it says so; else how many there are of the log. */
static int count_signatures(struct sl body, struct sl lines, struct sl name,
                            const struct trust_log *log, struct pg_arena *arena)
{
    struct key_message m = key_message_of(body);
    struct sl line, by, bytes;
    struct key_how how;
    int good = 0;

    for (unsigned n = 0; lines.n > 0; n++) {
        if (n == NOTE_SIGNATURES_MAX || !take_line(&lines, &line) ||
            !read_signature(line, arena, &by, &bytes))
            return -1;
        if (!sl_eq(by, name) || memcmp(bytes.p, log->hint, TRUST_NOTE_HINT) != 0)
            continue;
        bytes = (struct sl){bytes.p + TRUST_NOTE_HINT, bytes.n - TRUST_NOTE_HINT};
        if (key_verify(log->key, false, &m, bytes, &how) != KEY_GOOD)
            return -1;
        good++;
    }
    return good;
}

int note_verify(struct sl text, const struct trust_log *log, bool is_tiles, struct note *n_r,
                struct verify_refusal *no)
{
    struct sl body, lines, origin, name;
    struct pg_arena arena;
    int good;

    if (text.n > NOTE_MAX || !split(text, &body, &lines) || !read_body(body, &origin, n_r))
        return refuse(no, LOG, "the log's checkpoint is not one");
    name = name_of(origin, log, is_tiles);
    if (name.p == NULL)
        return refuse(no, LOG, "the checkpoint is of \"" SL_FMT "\", not of the log " SL_FMT,
                      SL_ARG(refuse_shown(origin)), SL_ARG(log->host));
    pg_arena_init(&arena, 2 * NOTE_MAX);
    good = count_signatures(body, lines, name, log, &arena);
    pg_arena_free(&arena);
    if (good < 0)
        return refuse(no, LOG, "a signature under the checkpoint of the log " SL_FMT " is wrong",
                      SL_ARG(log->host));
    if (good == 0)
        return refuse(no, LOG, "the checkpoint is not signed by the log " SL_FMT,
                      SL_ARG(log->host));
    return 0;
}
