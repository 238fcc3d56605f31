/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admit/packages.h"

#include "base/packed.h"

#define VERSION      1
#define HEAD_BYTES   ((size_t)16)
#define LENGTH_BYTES 2   /* of a text's length */
#define TEXT_MAX     512 /* a package with a longer text is left out */

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
    pg_packed_put_uint(out, VERSION, 1);
    for (size_t i = 0; i < l->n; i++) {
        const struct sbom_package *p = &l->list[i];

        if (!fits(p, out->n)) {
            is_cut = true;
            continue;
        }
        pg_packed_put_text(out, p->name, LENGTH_BYTES);
        pg_packed_put_text(out, p->version, LENGTH_BYTES);
        pg_packed_put_text(out, p->purl, LENGTH_BYTES);
    }
    pg_packed_put_uint(out, is_cut, 1);
    return 0;
}

int packages_put(struct store *s, const struct digest *sha256, struct sl source,
                 const struct packages_seen *seen, struct pg_err *err)
{
    const struct scanned_of of = {SCANNED_PACKAGES, *sha256, source};
    struct packages_seen copy = *seen;

    return scanned_change(s, &of, merge, &copy, err);
}

int packages_read(struct sl bytes, packages_each *each, void *arg, bool *is_cut_r)
{
    struct pg_packed in = {.rest = bytes};
    uint64_t is_cut;

    in.bad = pg_packed_uint(&in, 1) != VERSION;
    while (!in.bad && in.rest.n > 1) {
        struct sbom_package p = {.licenses = NULL};

        p.name = pg_packed_text(&in, LENGTH_BYTES);
        p.version = pg_packed_text(&in, LENGTH_BYTES);
        p.purl = pg_packed_text(&in, LENGTH_BYTES);
        if (!in.bad)
            each(arg, &p);
    }
    is_cut = pg_packed_uint(&in, 1);
    if (in.bad || is_cut > 1)
        return -1;
    *is_cut_r = is_cut == 1;
    return 0;
}
