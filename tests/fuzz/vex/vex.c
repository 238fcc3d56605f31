/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes are OpenVEX, or are refused; what it says is asked for each of its own names. */
#include "scan/vex.h"
#include "base/hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pg_arena arena;
    struct pg_err err = {0};
    struct vex v;

    pg_hash_setup();
    pg_arena_init(&arena, VEX_ARENA_BYTES);
    if (vex_read((struct sl){(const char *)data, size}, &arena, &v, &err) < 0) {
        PG_CHECK(err.msg != NULL);
    } else {
        for (size_t i = 0; i < v.nstatements; i++) {
            const struct vex_product *p = &v.statements[i].products[0];
            struct vex_question q = {v.statements[i].names.names[0], NULL, NULL, NULL};
            PG_CHECK(vex_find(&v, &q) == NULL); /* about nothing in particular */
            q.digest = p->thing.has_digest ? &p->thing.digest : NULL;
            q.purl = p->nparts > 0 ? &p->parts[0].purl : &p->thing.purl;
            (void)vex_find(&v, &q);
        }
        vex_free(&v);
    }
    pg_err_clear(&err);
    pg_arena_free(&arena);
    return 0;
}
