/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify - the front door of signing: one piece of evidence about one manifest goes in, a fact or a
 * refusal comes out. What is enough, by whom and for which repository, is for policy to say.
 *
 * All that is present in the evidence is checked and must be right; what is absent is counted:
 * `nlogs`, `nscts`, `nstamps` say how many different logs and authorities vouch for the fact, and a
 * policy that wants one of each refuses a fact with none. What always has to be there, is: a
 * certificate of a Sigstore CA needs a trusted time (a log's signed promise, or a timestamp);
 * bundles need what the version of the bundle demands.
 *
 * Ownership:  what goes in belongs to the caller and lives as long as the fact, whose slices point
 *             into it or into the arena. A refusal's text is its own: pg_err_clear(&r->err).
 * Failure:    there is none but a refusal; any trouble, our own included, refuses.
 * Alone:      signing, oci and base are all it needs; tests/examples/verify_layout.c verifies an
 *             image of an OCI layout with nothing else.
 * Threads:    any, several at a time with one trust. It computes for milliseconds, and may wait for
 *             `stamp`: never on a loop.
 */
#pragma once

#include <jansson.h>

#include "base/arena.h"
#include "oci/digest.h"
#include "signing/stamp.h"
#include "signing/trust.h"

#define VERIFY_SIGNED_MAX     ((size_t)1 << 20)  /* payload, bundle */
#define VERIFY_STATEMENT_MAX  ((size_t)32 << 20) /* DSSE with a statement: SBOMs are large */
#define VERIFY_NOTATION_MAX   ((size_t)256 << 10)
#define VERIFY_ENTRIES_MAX    32 /* log entries, timestamps */
#define VERIFY_EXTENSIONS_MAX 25 /* 1.3.6.1.4.1.57264.1.n: n below this */
#define VERIFY_ARENA_BYTES    ((size_t)96 << 20)

enum verify_reason {
#define X(name, code, means) VERIFY_##name,
#include "signing/reason_table.h"
#undef X
};

enum verify_format {
    VERIFY_SIMPLE,   /* a layer of cosign's .sig: the payload, its signature in annotations */
    VERIFY_ENVELOPE, /* a layer of cosign's .att: a DSSE envelope */
    VERIFY_BUNDLE,   /* a Sigstore bundle, v0.1 to v0.3 */
    VERIFY_NOTATION, /* JWS or COSE, by media_type */
};

enum verify_kind { VERIFY_IS_SIGNATURE, VERIFY_IS_ATTESTATION };
enum verify_signer { VERIFY_BY_KEY, VERIFY_BY_IDENTITY, VERIFY_BY_CHAIN };
enum verify_san { VERIFY_SAN_NONE, VERIFY_SAN_EMAIL, VERIFY_SAN_URI, VERIFY_SAN_USER };

/* The manifest that the client will get, whole, and its sha256. */
struct verify_subject {
    struct digest digest;
    struct sl manifest;   /* {NULL, 0}: only the digest is known; what needs the bytes is refused */
    struct sl media_type; /* "" when it is not known */
};

struct verify_evidence {
    enum verify_format format;
    struct sl bytes;           /* the blob, its digest and size checked by who fetched it */
    struct sl media_type;      /* of the layer that named it */
    const json_t *annotations; /* that layer's, of SIMPLE and ENVELOPE; an object or NULL */
};

/* SIGNED by an identity of a Fulcio certificate. */
struct verify_identity {
    enum verify_san type;
    struct sl issuer, subject;
    struct sl extensions[VERIFY_EXTENSIONS_MAX]; /* text; {NULL, 0}: absent */
};

struct verify_fact {
    enum verify_kind kind;
    enum verify_format format;
    enum verify_signer signer;
    struct sl key_id;                /* BY_KEY: 64 hex digits, SHA-256 of the DER SPKI */
    struct verify_identity identity; /* BY_IDENTITY */
    struct sl chain_subject;         /* BY_CHAIN: the leaf's, RFC 4514 */
    struct sl policy_name;           /* BY_CHAIN: the statement of the Notation policy it passes */
    struct sl reference;      /* docker-reference that was signed; {NULL, 0}: none was signed */
    struct sl predicate_type; /* of a DSSE statement, else {NULL, 0} */
    struct sl statement;      /* the signed in-toto statement's bytes; its subject was checked */
    json_t *annotations;      /* signed: {"key": "value"}; the caller's to json_decref(), or NULL */
    int64_t signed_at_s; /* latest of the trusted times; 0: none (a key without log or stamp) */
    int64_t not_after_s; /* the fact holds no longer than this; INT64_MAX: for ever */
    unsigned nlogs, nscts, nstamps;
};

struct verify_refusal {
    enum verify_reason reason;
    struct pg_err err; /* DENIED; a sentence for the person who pulls */
};

/* What a caller may ask for beyond the rules. All zero is right. */
struct verify_options {
    int64_t now_s;                  /* for what has to be valid now (Notation); required */
    bool rsa_pss;                   /* RSA keys sign with PSS (their SPKI cannot say so) */
    struct sl repository;           /* canonical upstream name, for Notation's scopes */
    const struct stamp *timestamps; /* NULL: evidence with a timestamp is refused (HELPER) */
};

struct verify_question {
    const struct verify_subject *subject;
    const struct verify_evidence *evidence;
    const struct trust *trust;
    const struct verify_options *options;
};

/* 1: *fact_r is filled; 0: *refusal_r is, which came as {0}. */
PG_MUST_USE int verify_evidence(const struct verify_question *q, struct pg_arena *arena,
                                struct verify_fact *fact_r, struct verify_refusal *refusal_r);

const char *verify_reason_code(enum verify_reason r);
