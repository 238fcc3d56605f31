/* SPDX-License-Identifier: Apache-2.0 */
/* A trusted root's JSON. What is read is within its limits, and its windows do not end first. */
#include "signing/trust_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_logs(const struct trust_logs *logs)
{
    PG_CHECK(logs->n <= TRUST_LOGS_MAX);
    for (unsigned i = 0; i < logs->n; i++) {
        PG_CHECK(logs->at[i].key != NULL && logs->at[i].host.n > 0);
        PG_CHECK(logs->at[i].window.from_s <= logs->at[i].window.until_s);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct trust *t = trust_new();
    struct pg_err err = {0};
    uint8_t revision[32];

    if (trust_add_root(t, "f", (struct sl){(const char *)data, size}, &err) == 0) {
        PG_CHECK(trust_has_root(t));
        check_logs(&t->tlogs);
        check_logs(&t->ctlogs);
        PG_CHECK(t->ncas <= TRUST_CAS_MAX && t->ntsas <= STAMP_AUTHORITIES_MAX);
        trust_revision(t, revision);
    } else {
        PG_CHECK(err.kind == PG_E_DENIED && !trust_has_root(t));
    }
    pg_err_clear(&err);
    trust_unref(t);
    return 0;
}
