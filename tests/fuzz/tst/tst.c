/* SPDX-License-Identifier: Apache-2.0 */
/* A question as it comes over the wire; what is answered is what can be said. */
#include "tsa/tst.h"

#include <openssl/err.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct stamp_wire w;
    struct stamp_answer a = {0};
    struct pg_err err = {0};

    if (stamp_wire_get((struct sl){(const char *)data, size}, &w, &err) == 0) {
        if (tst_check(&w, &a, &err) == 0)
            PG_CHECK(a.authority < w.nauthorities && a.time_s > 0 && a.accuracy_ms >= 0);
        else
            PG_CHECK(err.kind == PG_E_DENIED);
        PG_CHECK(ERR_peek_error() == 0);
    }
    pg_err_clear(&err);
    return 0;
}
