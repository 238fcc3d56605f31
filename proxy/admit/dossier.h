/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dossier - what is known of one manifest in one repository, verified: the facts that policy is
 * asked about, what was refused, how the looking went; and what the manifest names.
 *
 * What is known is never changed: whoever looks again makes another one. What policy said of it,
 * and of nothing else, it remembers while that holds, if it was yes: it is made under one revision
 * of policy and trusts, so that only the tag, the time, and what scans found since are left to be
 * compared.
 *
 * Or it says whether a manifest is itself evidence about another one, by its content (companion.h).
 *
 * Ownership:  counted; it holds all that its facts point to.
 * Failure:    none: what is wrong with a piece of evidence is a refusal in it.
 * Threads:    made by one that may compute for long, and wait for `stamp`; read by any.
 */
#pragma once

#include <stdatomic.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "policy/policy.h"
#include "proxy/admit/attested.h"
#include "proxy/admit/companion.h"
#include "proxy/admit/content.h"
#include "proxy/admit/finding.h"
#include "proxy/config.h"
#include "signing/evidence.h"

/* What was to be known. */
struct dossier_scope {
    bool as_evidence; /* else what is evidence about it */
    struct policy_wants wants;
    struct companion_claim claim; /* as_evidence */
};

#define DOSSIER_MEMOS 4

/* A yes, by these facts alone. */
struct dossier_memo {
    int64_t from_s, not_after_s;
    uint32_t scanned;            /* scanned_revision() of the image, from before it was decided */
    size_t ntag, nrule, nreason; /* no tag: by digest, and no tag names it */
    char texts[];
};

struct dossier {
    atomic_uint refs;
    struct pg_arena arena;
    struct digest subject; /* sha256 */
    struct sl repository;  /* canonical */
    uint8_t revision[32];  /* of the policy and the trusts that it was made with */
    struct dossier_scope scope;
    uint64_t made_ms; /* monotonic */
    enum facts_state state;
    const char *trouble;     /* CUT, FAILED; else NULL */
    struct finding *finding; /* has these */
    const struct facts_signed *is_signed;
    size_t nsigned;
    const struct facts_refused *refused;
    size_t nrefused;
    const struct facts_content *content; /* NULL: not wanted */
    const struct attested *attested;     /* reports among what is signed, where scans are wanted */
    size_t nattested;
    bool is_index;
    struct digest *names; /* of an index its manifests, else config and layers */
    size_t nnames;
    _Atomic(struct dossier_memo *) memos[DOSSIER_MEMOS];
    bool is_evidence; /* as_evidence: it is, about this */
    struct digest about;
};

/* All that came; the caller's. */
struct dossier_input {
    const struct evidence *evidence;
    struct digest subject;
    struct sl repository, media_type;
    struct pg_bytes *manifest; /* of the subject; NULL: it is not here */
    const struct config_admission *admission;
    struct dossier_scope scope;
    struct content_input content; /* wants.content: of the config; the manifest is read here */
    const char *stale;            /* what could not be asked anew; NULL: nothing */
    const struct stamp *timestamps;
    int64_t now_s;
    uint64_t now_ms;
    uint64_t until_ms; /* what is not verified by then (monotonic) was cut; 0: there is no end */
};

struct dossier *dossier_new(const struct dossier_input *in);
struct dossier *dossier_ref(struct dossier *d);
void dossier_unref(struct dossier *d); /* NULL is allowed */

/* As config or layer; as manifest. What an index names is no blob that leaves with it. */
bool dossier_names_blob(const struct dossier *d, const struct digest *blob);
bool dossier_names_child(const struct dossier *d, const struct digest *manifest);

/* A yes that holds now, its texts in the arena; tag {NULL, 0}: by digest, and no tag names it. */
bool dossier_recall(const struct dossier *d, struct sl tag, int64_t now_s, uint32_t scanned,
                    struct pg_arena *arena, struct policy_verdict *v_r);
/* v allows, tells of no rule that observes, and was made of d, the tag, now_s, and what was known
 * of scans by then. */
void dossier_remember(struct dossier *d, struct sl tag, int64_t now_s, uint32_t scanned,
                      const struct policy_verdict *v);

bool dossier_scopes_are_same(const struct dossier_scope *a, const struct dossier_scope *b);
size_t dossier_memory(const struct dossier *d);
