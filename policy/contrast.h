/* SPDX-License-Identifier: Apache-2.0 */
/*
 * contrast - what a new policy says otherwise than an old one, rule by rule: those that came, those
 * that are gone, and of those that were changed what they said and what they say.
 *
 * Threads: any. Pure.
 */
#pragma once

#include "base/buf.h"
#include "policy/policy.h"

/* How many differences; lines that begin with "+ ", "- " or "  ". */
size_t contrast_policies(const struct policy *old, const struct policy *new, struct pg_buf *out);
