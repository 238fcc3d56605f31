/* SPDX-License-Identifier: Apache-2.0 */
/*
 * evidence - what has to be fetched to find all signatures and attestations of one manifest, and
 * what of it is evidence. It fetches nothing: it says what is wanted next, and takes what came.
 *
 *     e = evidence_new(&digest, &wants);
 *     while (evidence_next(e, &step))            any number may be under way at a time;
 *         fetch it; evidence_put(e, step.id, &answer);  each may lead to new ones
 *     evidence_is_done(e): all answered; then, or as they come: evidence_at(e, i)
 *
 * Or it looks at one manifest, whether that is itself evidence: each of its layers that may be
 * some, and its config, are items; about_subject() says of which image they are.
 *
 * Where it looks: the tags sha256-HEX.sig and sha256-HEX.att; the referrers, or where the registry
 * does not list them, the index under the tag sha256-HEX. What it finds is known by the media types
 * of layers, and then by its bytes, never by an annotation.
 *
 * Limits: EVIDENCE_TRIED_MAX layers of each tag, as many referrers, EVIDENCE_PAGES_MAX pages of
 * those, EVIDENCE_BYTES_MAX in all; sizes are looked at before anything is fetched. What was cut is
 * said by evidence_state(): there may be more than what was found.
 *
 * Ownership:  the caller's, from new to free; items live as long. Bytes that are put are
 *             referenced, not copied.
 * Failure:    there is none: what is wrong with a piece is its refusal; that something could not be
 *             fetched is a state.
 * Threads:    confined; pure.
 */
#pragma once

#include "base/bytes.h"
#include "signing/verify.h"

#define EVIDENCE_TRIED_MAX  64
#define EVIDENCE_OF_MAX     256 /* layers of the manifest itself */
#define EVIDENCE_CONFIG_MAX ((size_t)64 << 10)
#define EVIDENCE_LAYERS_MAX 1000 /* a manifest with more is refused as it is */
#define EVIDENCE_PAGES_MAX  16
#define EVIDENCE_BYTES_MAX  ((size_t)64 << 20)
#define EVIDENCE_TAG_DIGITS 96 /* "sha256-", 64 digits, ".sig", NUL */
#define EVIDENCE_NEXT_MAX   4096

struct evidence;

struct evidence_wants {
    bool simple, envelope; /* cosign's tags */
    bool bundle, notation; /* referrers */
};

enum evidence_what {
    EVIDENCE_TAG,       /* the manifest that this tag names */
    EVIDENCE_REFERRERS, /* a page of the list of referrers: the first, or what `next` names */
    EVIDENCE_MANIFEST,  /* by its digest */
    EVIDENCE_BLOB,
};

struct evidence_step {
    unsigned id;
    enum evidence_what what;
    char tag[EVIDENCE_TAG_DIGITS]; /* TAG; with a NUL */
    struct digest digest;          /* of the subject for REFERRERS */
    size_t size_max;               /* more bytes are not wanted: LARGE */
    struct sl next;                /* REFERRERS: as answered; {NULL, 0}: the first page */
};

enum evidence_outcome {
    EVIDENCE_FOUND,
    EVIDENCE_ABSENT, /* it was said that there is none; REFERRERS: not supported there */
    EVIDENCE_LARGE,
    EVIDENCE_FAILED, /* it is not known */
};

struct evidence_answer {
    enum evidence_outcome outcome;
    struct pg_bytes *bytes; /* FOUND; the caller keeps its reference */
    struct sl media_type;   /* FOUND: the Content-Type of a manifest, or "" */
    struct sl next;         /* REFERRERS: where the next page is; {NULL, 0}: this was the last */
    const char *trouble;    /* FAILED: what happened */
};

/* One piece: a layer that may be evidence, or something that was refused before it could be. */
struct evidence_item {
    struct verify_evidence evidence; /* when it was not refused */
    struct digest digest;            /* of the blob; of the manifest or subject, when refused so */
    char where[EVIDENCE_TAG_DIGITS]; /* the tag, or "referrer" */
    enum verify_format format;
    struct verify_refusal refusal; /* reason VERIFY_NONE: not refused */
};

/* subject: sha256. */
struct evidence *evidence_new(const struct digest *subject, const struct evidence_wants *wants);
/* Of the manifest d itself: the first step is that manifest. Layers that are no evidence are
 * refused. */
struct evidence *evidence_new_of(const struct digest *d);
void evidence_free(struct evidence *e); /* NULL is allowed */

/* false: nothing more is wanted before something is answered, or at all. */
bool evidence_next(struct evidence *e, struct evidence_step *step_r);
void evidence_put(struct evidence *e, unsigned id, const struct evidence_answer *a);
bool evidence_is_done(const struct evidence *e);

size_t evidence_count(const struct evidence *e); /* grows as answers come */
const struct evidence_item *evidence_at(const struct evidence *e, size_t i);

enum evidence_state { EVIDENCE_COMPLETE, EVIDENCE_CUT, EVIDENCE_TROUBLED };
/* trouble_r: what and where, of the worst that happened; NULL when complete. */
enum evidence_state evidence_state(const struct evidence *e, const char **trouble_r);
