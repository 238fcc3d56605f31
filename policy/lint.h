/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lint - what is wrong with a policy that loads: rules that say nothing, that another rule makes
 * useless, or that together let nothing pass.
 *
 * It looks at two rules at a time, and speaks only when it is sure: what it does not say may be
 * wrong all the same.
 *
 * Threads: any. Pure.
 */
#pragma once

#include "base/buf.h"
#include "policy/policy.h"

/* How many findings; each a line "FILE:LINE:COLUMN: ...". */
size_t lint_policy(const char *file, const struct policy *p, struct pg_buf *out);
