/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates in DER, one behind the other: each chain is refused with a reason, or good. Names
 * are compared with themselves. */
#include "signing/x5c_int.h"

#include <stdint.h>

#include "signing/der_int.h"
#include "signing/dn_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_names(const struct x5c *c, struct pg_arena *arena)
{
    for (unsigned i = 0; i < c->n; i++) {
        const X509_NAME *name = X509_get_subject_name(c->certs[i]);
        struct dn dn;

        if (dn_of(name, arena, &dn))
            PG_CHECK(dn.n <= DN_MAX && dn_is_in(&dn, &dn));
        for (struct sl text = dn_write(name, arena); text.n > 0; text.p++, text.n--)
            PG_CHECK(text.p[0] >= ' ' && text.p[0] < 0x7f);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct notary_envelope e = {0};
    struct verify_refusal no = {0};
    struct sl rest = {(const char *)data, size}, body;
    struct pg_arena arena;
    struct x5c c;

    for (struct sl from = rest; der_take(&rest, DER_SEQUENCE, &body); from = rest)
        if (notary_add_cert(&e, (struct sl){from.p, from.n - rest.n}, &no) < 0)
            break;
    pg_err_clear(&no.err);
    no = (struct verify_refusal){0};
    pg_hash_setup();
    pg_arena_init(&arena, VERIFY_ARENA_BYTES);
    if (x5c_read(&e, &c, &no) == 0 && c.n > 0) {
        PG_CHECK(c.n == e.ncerts && c.leaf_key != NULL && no.reason == VERIFY_NONE);
        read_names(&c, &arena);
        (void)x5c_invalid_at(&c, 0, INT64_MAX);
        PG_CHECK((x5c_check(&c, &no) < 0) == (no.reason == VERIFY_CERTIFICATE));
    }
    x5c_free(&c);
    pg_err_clear(&no.err);
    pg_arena_free(&arena);
    return 0;
}
