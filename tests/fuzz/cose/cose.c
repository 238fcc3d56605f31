/* SPDX-License-Identifier: Apache-2.0 */
/* An envelope of a Notation signature in CBOR: refused with a reason, or all of it is there, within
 * its limits, and what is signed is itself CBOR in its one form. */
#include "signing/cose_int.h"

#include <stdint.h>

#include "signing/cbor_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_signed(const struct notary_envelope *e)
{
    struct sl rest = e->signed_bytes, whole;
    struct cbor_item item;

    PG_CHECK(cbor_take_whole(&rest, &whole) && rest.n == 0);
    PG_CHECK(cbor_take_kind(&whole, CBOR_ARRAY, &item) && item.n == 4);
    PG_CHECK(cbor_take_kind(&whole, CBOR_TEXT, &item) && sl_eq(item.bytes, SL("Signature1")));
    PG_CHECK(cbor_take_kind(&whole, CBOR_BYTES, &item) && item.bytes.n > 0);
    PG_CHECK(cbor_take_kind(&whole, CBOR_BYTES, &item) && item.bytes.n == 0);
    PG_CHECK(cbor_take_kind(&whole, CBOR_BYTES, &item) && sl_eq(item.bytes, e->payload));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct verify_refusal no = {0};
    struct notary_envelope e;
    struct pg_arena arena;

    pg_arena_init(&arena, VERIFY_ARENA_BYTES);
    if (cose_read((struct sl){(const char *)data, size}, &arena, &e, &no) == 0) {
        PG_CHECK(no.reason == VERIFY_NONE && size <= VERIFY_NOTATION_MAX);
        PG_CHECK(e.alg != NULL && e.ncerts > 0 && e.ncerts <= NOTARY_CERTS_MAX);
        PG_CHECK((e.critical & ~e.present) == 0);
        PG_CHECK(sl_eq(e.content_type, SL(NOTARY_PAYLOAD)));
        check_signed(&e);
    } else {
        PG_CHECK(no.reason != VERIFY_NONE && no.err.kind == PG_E_DENIED);
    }
    PG_CHECK(!arena.over);
    pg_err_clear(&no.err);
    pg_arena_free(&arena);
    return 0;
}
