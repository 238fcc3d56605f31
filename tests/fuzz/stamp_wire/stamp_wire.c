/* SPDX-License-Identifier: Apache-2.0 */
/* Read as a question and as an answer. What is read as a question is written again to the same
 * bytes but for the digests, which are made of what is not known here. */
#include "signing/stamp_wire.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_question(struct sl bytes)
{
    static struct stamp_wire w;
    struct pg_err err = {0};
    struct stamp_question q;
    struct pg_buf out;

    if (stamp_wire_get(bytes, &w, &err) < 0) {
        PG_CHECK(err.kind == PG_E_INTERNAL);
        pg_err_clear(&err);
        return;
    }
    q = (struct stamp_question){.token = w.token,
                                .is_response = w.is_response,
                                .authorities = w.authorities,
                                .nauthorities = w.nauthorities};
    pg_buf_init(&out, STAMP_WIRE_MAX);
    PG_CHECK(stamp_wire_put(&q, &out, &err) == 0 && out.n == bytes.n);
    pg_buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl bytes = {(const char *)data, size};
    struct stamp_answer a = {0};
    struct pg_err err = {0};

    read_question(bytes);
    if (stamp_wire_get_answer(bytes, 3, &a, &err) == 0)
        PG_CHECK(a.authority < 3 && a.time_s > 0 && a.accuracy_ms >= 0);
    else
        PG_CHECK(err.kind == PG_E_INTERNAL || err.kind == PG_E_DENIED);
    pg_err_clear(&err);
    return 0;
}
