/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exam - one image is looked at: all its signatures and attestations are fetched from its source
 * and verified, and then it is said whether that is what was wanted: by a policy, or by one signer.
 *
 * Ownership:  exam_init() to exam_free(); what is asked (trusts, policy, texts) outlives it.
 * Failure:    exam_run: -1 with what could not be read. That something is not verified is no
 *             failure.
 * Threads:    main.
 */
#pragma once

#include "base/buf.h"
#include "cli/source.h"
#include "policy/policy.h"
#include "proxy/admit/finding.h"

/* Who is wanted to have signed what, without a policy. */
struct exam_wanted {
    struct sl predicate_type;   /* of an attestation; {NULL, 0}: a signature of the image */
    struct sl key_id;           /* by this key, or */
    struct sl identity, issuer; /* by this identity, its certificate in a certificate log */
};

struct exam {
    /* asked */
    struct source source;
    struct sl repository, tag; /* as a policy knows it; tag {NULL, 0}: by digest */
    struct digest digest;
    struct trust *const *trusts;
    unsigned ntrusts;
    const struct policy *policy; /* NULL: what is in wanted */
    struct exam_wanted wanted;
    const struct stamp *stamp;
    /* answered */
    bool is_good;
    const char *code; /* why not: of reason_table.h, or "none", "kind", "unknown", "policy" */
    struct sl reason;
    struct facts facts;
    struct policy_verdict verdict;
    struct evidence *evidence;
    struct finding *finding;
    struct pg_bytes *manifest;
    struct pg_arena arena;
};

void exam_init(struct exam *x);
void exam_free(struct exam *x);
PG_MUST_USE int exam_run(struct exam *x, struct pg_err *err);

void exam_print_text(const struct exam *x, struct pg_buf *out);
void exam_print_json(const struct exam *x, struct pg_buf *out);
