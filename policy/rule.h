/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rule - what has to be true of an image that the rule's match is for: requirements, each of them
 * by signers who are named; or that it may, or may not, be pulled at all.
 *
 * Ownership:  rules live in the policy's arena.
 * Threads:    any, once made. Pure.
 */
#pragma once

#include "policy/demand.h"
#include "policy/policy.h"
#include "policy/signer.h"

#define RULE_SIGNERS_MAX      32 /* of one requirement */
#define RULE_REQUIREMENTS_MAX 16

enum rule_action { RULE_REQUIRE, RULE_ALLOW, RULE_DENY };

struct rule_requirement {
    enum facts_kind kind;
    const struct signer **signers;
    size_t nsigners;
    bool all;           /* each of the signers; else `threshold` of them, by different hands */
    unsigned threshold; /* from 1 */
    struct sl predicate_type, builder_id, source_repository; /* ATTESTATION; {NULL, 0}: any */
    int64_t max_age_s;                                       /* 0: any */
};

struct rule {
    struct sl name, description;
    struct pg_tree_at at;
    uint8_t imprint[32]; /* of all that was written in it, and of who its authorities are */
    enum rule_action action;
    const struct sl *repositories; /* patterns, canonical; what finds them is the policy's index */
    size_t nrepositories;
    const struct sl *tags; /* patterns; none: any */
    size_t ntags;
    const struct digest *digests; /* sha256 of manifests; none: any */
    size_t ndigests;
    struct rule_requirement *requirements;
    size_t nrequirements;
    const struct demand *demands; /* what is required besides */
    size_t ndemands;
    bool waits;    /* on_missing: wait */
    bool observes; /* mode: observe */
};

/* What a fact says to a requirement, by the signer that it comes nearest to. */
struct rule_view {
    const struct facts_signed *fact;
    const struct signer *signer;
    enum signer_fit fit;
    const char *lacks; /* FITS: what the statement lacks; NULL: the fact counts */
    int64_t until_s;   /* of one that counts */
};

/* How a requirement stands. */
struct rule_standing {
    bool holds;
    int64_t until_s;             /* it holds no longer than this */
    unsigned nheld;              /* signers that have signed, or hands */
    struct rule_view near;       /* does not hold: what came nearest; fact NULL: nothing */
    const struct signer *absent; /* does not hold: a signer of whom nothing counts */
};

struct rule_verdict {
    enum policy_decision decision;
    struct sl reason, remedy; /* "" when allowed */
    int64_t not_after_s;
    struct sl warning; /* allowed, and told all the same; "" for nothing */
    bool asks_scan;    /* whatever the decision: a scan would help */
};

/* Its tags and digests; not the repository. */
bool rule_applies(const struct rule *r, const struct facts *f);

struct rule_view rule_look(const struct rule_requirement *q, const struct signer *s,
                           const struct facts *f, const struct facts_signed *fact);
struct rule_standing rule_stand(const struct rule_requirement *q, const struct facts *f,
                                struct pg_arena *arena);
/* How one of the rule's demands stands. */
struct demand_standing rule_stand_demand(const struct rule *r, const struct demand *d,
                                         const struct facts *f, struct pg_arena *arena);
void rule_decide(const struct rule *r, const struct facts *f, struct pg_arena *arena,
                 struct rule_verdict *v_r);

void rule_put_want(const struct rule_requirement *q, struct pg_buf *out); /* "a signature by ..." */
