/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes are rules of somebody, and what they become loads; or they are refused. */
#include "retention/import.h"
#include "retention/lint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_finding(void *arg, const struct lint_finding *f)
{
    (void)arg;
    PG_CHECK(f->what[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ruleset *r = NULL, *ours = NULL;
    struct pg_err err = {0};
    struct pg_buf out;
    enum import_form form;

    if (size > 65536 || import_load("f", (struct sl){(const char *)data, size}, size % 2 == 0, &r,
                                    &form, &err) < 0) {
        PG_CHECK(size > 65536 || (err.kind == PG_E_DENIED && strncmp(err.msg, "f:", 2) == 0));
        pg_err_clear(&err);
        return 0;
    }
    pg_buf_init(&out, 16 * RULESET_BYTES_MAX);
    (void)lint_rules(r, 1795000000, on_finding, NULL);
    ruleset_put_all(r, &out);
    if (ruleset_load("o", pg_buf_sl(&out), &ours, &err) < 0) {
        pg_check_failed(err.msg, __FILE__, __LINE__, __func__);
    }
    ruleset_free(ours);
    ruleset_free(r);
    pg_buf_free(&out);
    return 0;
}
