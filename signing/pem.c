/* SPDX-License-Identifier: Apache-2.0 */
#include "signing/pem_int.h"

#include "signing/b64_int.h"

#define LABEL_MAX ((size_t)40)

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Takes one line off *text, without its end. */
static struct sl take_line(struct sl *text)
{
    const char *newline = memchr(text->p, '\n', text->n);
    size_t n = newline != NULL ? (size_t)(newline - text->p) : text->n;
    struct sl line = {text->p, n};

    n += newline != NULL;
    *text = (struct sl){text->p + n, text->n - n};
    if (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    return line;
}

/* "-----BEGIN X-----": what X is. */
static bool read_rule(struct sl line, struct sl start, struct sl *label_r)
{
    const struct sl dashes = SL("-----");

    if (!sl_starts(line, start) || line.n < start.n + dashes.n)
        return false;
    *label_r = (struct sl){line.p + start.n, line.n - start.n - dashes.n};
    return label_r->n <= LABEL_MAX && memcmp(line.p + line.n - dashes.n, dashes.p, dashes.n) == 0;
}

/* The lines up to the end of the block, joined. */
static int take_body(struct sl *text, struct sl label, struct pg_arena *arena, struct sl *der_r,
                     struct pg_err *err)
{
    const char *last = text->n > 0 ? memmem(text->p, text->n, "-----END ", 9) : NULL;
    char *joined;
    size_t n = 0;

    if (last == NULL)
        return pg_fail(err, PG_E_DENIED, "\"BEGIN " SL_FMT "\" has no END", SL_ARG(label));
    joined = pg_alloc(arena, (size_t)(last - text->p) + 1);

    while (text->n > 0) {
        struct sl end, line = take_line(text);

        if (read_rule(line, SL("-----END "), &end)) {
            if (!sl_eq(end, label))
                return pg_fail(err, PG_E_DENIED, "\"BEGIN " SL_FMT "\" ends as another block",
                               SL_ARG(label));
            if (n == 0 || !b64_decode(B64_STANDARD, (struct sl){joined, n}, arena, der_r))
                return pg_fail(err, PG_E_DENIED, "what is between BEGIN and END is not base64");
            return 0;
        }
        if (line.p + line.n > last)
            break; /* an END that does not begin its line */
        memcpy(joined + n, line.p, line.n);
        n += line.n;
    }
    return pg_fail(err, PG_E_DENIED, "the END of \"BEGIN " SL_FMT "\" is not a line of its own",
                   SL_ARG(label));
}

int pem_next(struct sl *text, struct pg_arena *arena, struct sl *label_r, struct sl *der_r,
             struct pg_err *err)
{
    struct sl rest = *text, label;

    while (rest.n > 0 && is_blank(rest.p[0]))
        rest = (struct sl){rest.p + 1, rest.n - 1};
    *text = rest;
    if (rest.n == 0)
        return 0;
    if (!read_rule(take_line(&rest), SL("-----BEGIN "), &label))
        return pg_fail(err, PG_E_DENIED,
                       "this is not PEM: \"-----BEGIN ...-----\" is expected here");
    if (take_body(&rest, label, arena, der_r, err) < 0)
        return -1;
    *label_r = label;
    *text = rest;
    return 1;
}

int pem_only(struct sl text, struct sl label, struct pg_arena *arena, struct sl *der_r,
             struct pg_err *err)
{
    struct sl found = {NULL, 0}, der = {NULL, 0}, more;
    int n = pem_next(&text, arena, &found, &der, err);

    if (n < 0)
        return -1;
    if (n == 0 || !sl_eq(found, label))
        return pg_fail(err, PG_E_DENIED, "a PEM block \"" SL_FMT "\" is expected", SL_ARG(label));
    n = pem_next(&text, arena, &found, &more, err);
    if (n < 0)
        return -1;
    if (n > 0)
        return pg_fail(err, PG_E_DENIED, "there is more than one PEM block");
    *der_r = der;
    return 0;
}
