/* SPDX-License-Identifier: Apache-2.0 */
/* policy_int - a policy in its parts; private to the room. */
#pragma once

#include <stdatomic.h>

#include "policy/match.h"
#include "policy/rule.h"

struct policy {
    atomic_uint refs;
    struct pg_arena arena;
    bool by_scope;      /* containers-policy.json: the most specific rule alone counts */
    bool allows_rest;   /* what no rule speaks of */
    struct rule *rules; /* by name; their numbers are those of the index */
    size_t nrules;
    struct match_index index;
    struct signer *signers; /* all, to be freed */
    uint8_t revision[32];
};
