/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trial - table tests of a policy: facts, and what has to follow from them.
 *
 *     policy: ../policy.yaml                     relative to this file
 *     tests:
 *       - name: what nobody signed stays out
 *         image: ghcr.io/acme/app:v1             or @sha256:...; without both: by digest
 *         signed: [vendor]                       authorities of the policy, by name
 *         platform: linux/amd64                  any of platform, labels, env, annotations, types
 *         age: 3d                                and shape: what the image says
 *         expect: deny
 *         rule: production                       that decides; and a part of its `reason`
 *
 * What a test does not say is not there: nobody signed, nobody looked at the config, it is not
 * known since when the image is here. It runs policy_decide() and nothing else.
 *
 * Ownership:  trees and texts are the caller's.
 * Failure:    DENIED, "FILE:LINE:COLUMN: ...": what is no test. A test that fails is no failure: it
 *             is told in out, and counted.
 * Threads:    any. Pure.
 */
#pragma once

#include "base/buf.h"
#include "base/tree.h"
#include "policy/policy.h"

#define TRIAL_TESTS_MAX 10000

struct trial_count {
    unsigned passed, failed;
};

/* The policy that it is about, as written. */
PG_MUST_USE int trial_policy(const char *file, const struct pg_tree *root, struct sl *policy_r,
                             struct pg_err *err);
PG_MUST_USE int trial_run(const char *file, const struct pg_tree *root, const struct policy *p,
                          struct pg_buf *out, struct trial_count *count, struct pg_err *err);
