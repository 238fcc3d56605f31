/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy - rules, as written, and what they say about facts.
 *
 *     policy: {default: allow|deny, rules: [{name, match: {...}, require: {...}, mode: ...}]}
 *
 * A file that is another tool's (containers-policy.json) becomes the same rules. All matching rules
 * must hold. A rule that says `mode: observe` never denies: what it would have done is told.
 *
 * Ownership:  a policy is immutable and counted. Trusts it knows by number alone; whoever loads it
 *             keeps them beside it.
 * Failure:    DENIED with "FILE:LINE:COLUMN: what is wrong, what may stand there"; no policy then.
 * Threads:    any. policy_decide() is pure: microseconds, no I/O, no clock.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/tree.h"
#include "policy/facts.h"

#define POLICY_BYTES_MAX  PG_TREE_BYTES_MAX
#define POLICY_RULES_MAX  5000
#define POLICY_TRUSTS_MAX 64

struct policy;

/* A PEM text: of a file, or as it stands in the policy. */
struct policy_pem {
    struct sl file, text; /* one of them; the other is {NULL, 0} */
    bool rsa_pss;         /* a public key that signs with PSS; of itself it does not say so */
};

/* Authorities that a policy makes a trusted root of: a Fulcio CA's certificates, keys of logs. */
struct policy_made {
    struct policy_pem ca; /* both {NULL, 0}: none */
    const struct policy_pem *logs;
    size_t nlogs;
};

/* How the loader gets at what files name: keys, trusted roots, Notation's policy and stores. The
 * one who loads opens them (and checks owner and mode); policy only says which it needs and gets
 * numbers back, by which facts name them later. Trust 0 is the configured one. */
struct policy_source {
    /* Adds a public key to a trust: its id in facts. */
    int (*key)(void *context, const struct policy_pem *pem, unsigned trust, char id_r[65],
               struct pg_err *err);
    /* The trust that has the trusted root of this file ("" is the configured one). */
    int (*root)(void *context, struct sl file, unsigned *trust_r, struct pg_err *err);
    /* A trust with a root made of these. */
    int (*made)(void *context, const struct policy_made *m, unsigned *trust_r, struct pg_err *err);
    /* The trust that has this Notation trust policy and its store ("" is the configured one). */
    int (*notation)(void *context, struct sl file, unsigned *trust_r, struct pg_err *err);
    /* Files of waivers, and VEX documents that are believed. NULL: there are none of them here. */
    int (*waivers)(void *context, struct sl file, struct pg_err *err);
    int (*vex)(void *context, struct sl file, struct pg_err *err);
    /* The canonical name of a registry that has several, else NULL. The function may be NULL. */
    const char *(*host)(void *context, struct sl host);
    void *context;
};

enum policy_decision { POLICY_DENY, POLICY_ALLOW, POLICY_PENDING };

struct policy_verdict {
    enum policy_decision decision;
    struct sl rule;     /* that decided, or "default" */
    struct sl reason;   /* a sentence: what was wanted, what was found */
    struct sl remedy;   /* what would make it pass; "" when allowed */
    struct sl observed; /* rules of mode observe that would have denied, and why, and what the
                           others tell besides; "" for none */
    bool asks_scan;     /* a scan of it would help, now or soon */
    bool previous;      /* not allowed, by tag, and too young, or moved: what the tag was before may
                           be asked about in its place. Never where a rule says deny of that */
    int64_t not_after_s; /* the verdict holds no longer than this */
    bool asks_opa;       /* PENDING: all rules allow, and facts->opinion is not there */
};

/* What has to be looked for before policy_decide() can be asked about this name. */
struct policy_wants {
    bool governed;  /* false: no rule needs a fact about it, decide at once */
    bool forbidden; /* a rule says that it may not be pulled, whatever is known */
    bool closed;    /* no rule that enforces speaks of it, and what none speaks of is denied */
    bool tags;      /* it depends on the tags that name it: known_tags has to be right; and with
                       `age` on since when they do. Or on its digest: a blob's rules are those of
                       the manifests that name it */
    bool content;   /* what the manifest and its config say */
    bool age;       /* since when it is known */
    bool record;    /* what is recorded of its tag: it may not move */
    bool scans;     /* what sources of scan results say of it, and since when it is here */
    bool signatures, attestations;
    bool simple, bundle, notation; /* in which forms they count */
    uint64_t trusts;               /* bit n: verify with trust n (a policy has at most 64) */
};

/* text: YAML or JSON of a file called file. */
PG_MUST_USE int policy_load(const char *file, struct sl text, const struct policy_source *source,
                            struct policy **policy_r, struct pg_err *err);
/* What stands under `policy:` in a file that was read already. */
PG_MUST_USE int policy_read(const char *file, const struct pg_tree *root,
                            const struct policy_source *source, struct policy **policy_r,
                            struct pg_err *err);
struct policy *policy_ref(struct policy *p);
void policy_unref(struct policy *p); /* NULL is allowed */

/* Of *name only repository, tag, known_tags and digest are looked at. */
struct policy_wants policy_wants(const struct policy *p, const struct facts *name);

/* What becomes of what was revoked, with a policy or without; why: as in facts. */
struct policy_verdict policy_revoked(const char *why);

/* The texts of *v_r are in the arena, or the policy's. Never fails. */
void policy_decide(const struct policy *p, const struct facts *f, struct pg_arena *arena,
                   struct policy_verdict *v_r);

/* Who is asked besides; NULL: nobody. */
struct opa;
const struct opa *policy_opa(const struct policy *p);

void policy_revision(const struct policy *p, uint8_t sha256_r[32]);

/* What it is, for people. */
struct policy_told {
    size_t nrules, nobserving;
    bool default_allows; /* what no rule speaks of */
};
void policy_tell(const struct policy *p, struct policy_told *r);
