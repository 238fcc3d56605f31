/* SPDX-License-Identifier: Apache-2.0 */
/* An entry as an attacker may have left it: it is refused, or it is exactly what would be written.
 */
#include "audit/entry.h"
#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl text = {(const char *)data, size};
    struct pg_err err = {0};
    struct pg_buf again;
    struct entry e;

    (void)entry_seq(text);
    if (entry_read(text, &e, &err) < 0) {
        PG_CHECK(err.kind == PG_E_BAD_FRAMING);
        pg_err_clear(&err);
        /* and any bytes at all can be recorded */
        e = (struct entry){.kind = ENTRY_DECISION, .seq = 1};
        for (size_t i = 0; i < ENTRY_NTEXTS; i++)
            e.text[i] = text;
    }
    pg_buf_init(&again, ENTRY_LINE_MAX);
    entry_write(&e, &again);
    PG_CHECK(!again.over && memchr(again.p, '\n', again.n) == NULL);
    PG_CHECK(e.root == NULL || sl_eq(pg_buf_sl(&again), text));
    if (e.root == NULL) {
        PG_CHECK(entry_read(pg_buf_sl(&again), &e, &err) == 0);
    }
    entry_free(&e);
    pg_buf_free(&again);
    return 0;
}
