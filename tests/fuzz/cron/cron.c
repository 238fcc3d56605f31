/* SPDX-License-Identifier: Apache-2.0 */
/* An expression that is taken comes, again and again, each time later and on a whole minute. */
#include "retention/cron.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cron c;
    struct pg_err err = {0};
    int64_t at_s = 1795000000;

    if (cron_read((struct sl){(const char *)data, size}, &c, &err) < 0) {
        PG_CHECK(err.kind == PG_E_DENIED);
        pg_err_clear(&err);
        return 0;
    }
    for (int i = 0; i < 3; i++) {
        int64_t next_s = cron_next(&c, at_s);
        PG_CHECK(next_s > at_s && next_s % 60 == 0);
        at_s = next_s;
    }
    return 0;
}
