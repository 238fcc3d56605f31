/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes are a policy of Kubernetes, and what it becomes loads; or they are refused. */
#include "policy/convert.h"
#include "harness/policy_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct policy *p = NULL;
    struct pg_err err = {0};
    struct pg_buf out;
    size_t ndropped = 0;

    pg_hash_setup();
    pg_buf_init(&out, POLICY_BYTES_MAX);
    if (convert_policies("f", (struct sl){(const char *)data, size}, &out, &ndropped, &err) < 0) {
        PG_CHECK(err.kind == PG_E_DENIED && strncmp(err.msg, "f:", 2) == 0);
        pg_err_clear(&err);
    } else {
        if (policy_load("o", pg_buf_sl(&out), &world, &p, &err) < 0) {
            pg_check_failed(err.msg, __FILE__, __LINE__, __func__);
        }
        policy_unref(p);
    }
    pg_buf_free(&out);
    return 0;
}
