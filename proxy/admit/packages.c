/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admit/packages.h"

#define VERSION    1
#define HEAD_BYTES ((size_t)16)
#define TEXT_MAX   512 /* a package with a longer text is left out */

static void put_uint(struct pg_buf *b, size_t value, unsigned nbytes)
{
    char le[4];

    for (unsigned i = 0; i < nbytes; i++)
        le[i] = (char)(value >> (8 * i));
    (void)pg_buf_put(b, (struct sl){le, nbytes});
}

static void put_text(struct pg_buf *b, struct sl s)
{
    put_uint(b, s.n, 2);
    if (s.n > 0)
        (void)pg_buf_put(b, s);
}

static bool fits(const struct sbom_package *p, size_t used)
{
    return p->name.n <= TEXT_MAX && p->version.n <= TEXT_MAX && p->purl.n <= TEXT_MAX &&
           used + p->name.n + p->version.n + p->purl.n + 6 <= SCANNED_BYTES_MAX - HEAD_BYTES;
}

static int merge(void *context, struct sl old, struct pg_buf *out, struct pg_err *err)
{
    const struct packages_seen *l = context;
    bool is_cut = l->is_cut;

    (void)old;
    (void)err;
    put_uint(out, VERSION, 1);
    for (size_t i = 0; i < l->n; i++) {
        const struct sbom_package *p = &l->list[i];

        if (!fits(p, out->n)) {
            is_cut = true;
            continue;
        }
        put_text(out, p->name);
        put_text(out, p->version);
        put_text(out, p->purl);
    }
    put_uint(out, is_cut, 1);
    return 0;
}

int packages_put(struct store *s, const struct digest *sha256, struct sl source,
                 const struct packages_seen *seen, struct pg_err *err)
{
    const struct scanned_of of = {SCANNED_PACKAGES, *sha256, source};
    struct packages_seen copy = *seen;

    return scanned_change(s, &of, merge, &copy, err);
}

static bool take_text(struct sl *rest, struct sl *text_r)
{
    size_t n;

    if (rest->n < 2)
        return false;
    n = (size_t)(uint8_t)rest->p[0] | (size_t)(uint8_t)rest->p[1] << 8;
    if (rest->n - 2 < n)
        return false;
    *text_r = (struct sl){rest->p + 2, n};
    *rest = (struct sl){rest->p + 2 + n, rest->n - 2 - n};
    return true;
}

int packages_read(struct sl bytes, packages_each *each, void *arg, bool *is_cut_r)
{
    struct sl rest = bytes;

    if (rest.n < 2 || rest.p[0] != VERSION)
        return -1;
    rest = (struct sl){rest.p + 1, rest.n - 1};
    while (rest.n > 1) {
        struct sbom_package p = {.licenses = NULL};

        if (!take_text(&rest, &p.name) || !take_text(&rest, &p.version) ||
            !take_text(&rest, &p.purl))
            return -1;
        each(arg, &p);
    }
    if (rest.n != 1 || (uint8_t)rest.p[0] > 1)
        return -1;
    *is_cut_r = rest.p[0] == 1;
    return 0;
}
