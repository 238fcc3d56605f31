/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate - may this manifest, this blob, this list leave now? It asks policy anew each time, about
 * what is known: no verdict is remembered, so none can be used for another name or after its time.
 * What is not known it asks for (NEEDS), and is asked again with what came.
 *
 *     for (;;) gate_manifest(&q, &arena, &r);
 *              r.answer == GATE_NEEDS: collect r.needs; add the dossier to q.fresh
 *                                      or ask OPA about r.document; add the ask to q.hearing
 *
 *   - A manifest is asked about with its tag, and with all others that name it here.
 *   - A child of an index has besides its own facts the verified ones of an index of the same
 *     repository that names it and passes by itself now; nothing else of it (N01).
 *   - A blob leaves where nothing that can deny speaks of its repository, or with a manifest of
 *     this repository that names it and passes now.
 *   - Evidence about a manifest leaves with it, by whomever it is (N03), where evidence decides:
 *     not where a rule forbids either of them, nor where nothing may be pulled.
 *   - Where the policy names an OPA, it is asked about what all rules allow, with all facts, those
 * of the index included; what it denies stays.
 *   - Facts older than `ttl_ms` are looked for again, and hold while that fails (N22). Where they
 *     are not enough they are looked for again after GATE_ABSENT_MS.
 *
 * Ownership:  slices of a result are in the arena, the policy's, or static.
 * Failure:    none that allows: what cannot be looked up is PENDING.
 * Threads:    any. It reads the index: microseconds, no upstream, no file.
 */
#pragma once

#include "base/buf.h"
#include "cache/past.h"
#include "cache/store.h"
#include "proxy/admit/counsel.h"
#include "proxy/admit/shelf.h"

#define GATE_ABSENT_MS   10000
#define GATE_FRESH_MAX   8
#define GATE_PARENTS_MAX 16
#define GATE_TAGS_MAX    1024 /* of a digest that are asked about; with more it is PENDING */

/* In order of hope; what is not filled in denies. */
enum gate_answer { GATE_DENIES, GATE_PENDING, GATE_NEEDS, GATE_ALLOWS };

struct gate_question {
    struct store *store;
    struct shelf *shelf;
    const struct config_admission *admission; /* with a policy */
    struct sl repository;                     /* canonical */
    struct sl tag;                            /* {NULL, 0}: by digest */
    struct digest digest;                     /* as named here */
    struct digest sha256;                     /* of a manifest: of its bytes */
    struct sl manifest;                       /* its bytes; of gate_manifest() */
    const struct past_spell *older;           /* asked about as what the tag was before; or NULL */
    const char *revoked;                      /* why; NULL: it is not known to be */
    struct pg_buf *explained;                 /* the tree as JSON or text; NULL: not wanted */
    bool explain_as_text;
    struct dossier *fresh[GATE_FRESH_MAX]; /* that were collected for this question */
    size_t nfresh;
    struct counsel_hearing hearing; /* what OPA said for this question */
    int64_t now_s;
    bool is_over;    /* now_s is in the past: results of scans that are newer count as of then */
    int64_t since_s; /* since when it is known, where the index does not tell; 0: nobody knows */
    uint64_t now_ms, ttl_ms;
    uint64_t tags_ttl_ms; /* upstream's word on a tag holds for so long */
};

struct gate_result {
    enum gate_answer answer;
    struct policy_verdict verdict; /* unless NEEDS */
    struct digest needs;           /* NEEDS: of this manifest */
    struct dossier_scope scope;    /* NEEDS: this */
    struct sl document;            /* NEEDS: instead, that OPA be asked about it; else {NULL, 0} */
    bool fixes;                    /* ALLOWS: the tag may not move from it from now on */
    bool is_evidence;              /* it leaves with its subject */
};

void gate_manifest(const struct gate_question *q, struct pg_arena *arena, struct gate_result *r);
void gate_blob(const struct gate_question *q, struct pg_arena *arena, struct gate_result *r);
/* Of names in a repository: each may be asked for, and is decided then. */
void gate_list(const struct gate_question *q, struct pg_arena *arena, struct gate_result *r);
