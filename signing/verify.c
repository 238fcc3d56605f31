/* SPDX-License-Identifier: Apache-2.0 */
#include "signing/verify.h"

#include <openssl/err.h>

#include "signing/bundle_int.h"
#include "signing/layer_int.h"
#include "signing/notation_int.h"
#include "signing/refuse_int.h"

static const char *const codes[] = {
#define X(name, code, means) [VERIFY_##name] = (code),
#include "signing/reason_table.h"
#undef X
};

const char *verify_reason_code(enum verify_reason r)
{
    return codes[r];
}

static int dispatch(const struct verify_question *q, struct pg_arena *arena,
                    struct verify_fact *fact, struct verify_refusal *no)
{
    switch (q->evidence->format) {
    case VERIFY_BUNDLE:
        return bundle_verify(q, arena, fact, no);
    case VERIFY_NOTATION:
        return notation_verify(q, arena, fact, no);
    case VERIFY_SIMPLE:
        return layer_verify_simple(q, arena, fact, no);
    case VERIFY_ENVELOPE:
        return layer_verify_envelope(q, arena, fact, no);
    }
    PG_BUG("a format that is none");
}

int verify_evidence(const struct verify_question *q, struct pg_arena *arena,
                    struct verify_fact *fact_r, struct verify_refusal *refusal_r)
{
    struct verify_fact fact = {.format = q->evidence->format, .not_after_s = INT64_MAX};
    int status;

    PG_CHECK(q->subject->digest.alg == PG_SHA256);
    PG_CHECK(refusal_r->err.kind == PG_E_NONE);
    ERR_clear_error();
    status = dispatch(q, arena, &fact, refusal_r);
    ERR_clear_error();
    if (status < 0) {
        PG_CHECK(refusal_r->reason != VERIFY_NONE && refusal_r->err.kind == PG_E_DENIED);
        return 0;
    }
    *fact_r = fact;
    return 1;
}
