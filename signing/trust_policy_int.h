/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trust_policy - trustpolicy.oci.json of Notation, version 1.0: its statements, checked as a whole.
 * What is not known in it is refused, with its place: a rule that is not understood is no rule.
 *
 * Ownership:  what is read is in the arena.
 */
#pragma once

#include "signing/trust_notation_int.h"

/* n has its stores already, and no statements. On -1 it is thrown away. */
PG_MUST_USE int trust_policy_read(struct trust_notation *n, const char *file, struct sl json,
                                  struct pg_arena *arena, struct pg_err *err);
