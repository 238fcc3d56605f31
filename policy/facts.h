/* SPDX-License-Identifier: Apache-2.0 */
/*
 * facts - what a decision may look at. Whoever gathers them fills this in; nothing here is
 * believed that was not verified, and nothing says what follows from it.
 *
 * Ownership:  all slices are the gatherer's and live as long as the decision.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "oci/digest.h"

#define FACTS_EXTENSIONS_MAX 25

enum facts_kind { FACTS_SIGNATURE, FACTS_ATTESTATION };
enum facts_signer { FACTS_BY_KEY, FACTS_BY_IDENTITY, FACTS_BY_CHAIN };
enum facts_san { FACTS_SAN_NONE, FACTS_SAN_EMAIL, FACTS_SAN_URI, FACTS_SAN_USER };

/* Where it was found, since some policies that people have know one form alone. */
enum facts_format { FACTS_SIMPLE, FACTS_ENVELOPE, FACTS_BUNDLE, FACTS_NOTATION };

/* One verified statement about the image. */
struct facts_signed {
    enum facts_kind kind;
    enum facts_format format;
    enum facts_signer signer;
    unsigned trust;   /* verified with this one of the policy's trusts */
    struct sl key_id; /* BY_KEY: 64 hex digits */
    enum facts_san san;
    struct sl issuer, subject;   /* BY_IDENTITY; BY_CHAIN: subject is the leaf's name */
    const struct sl *extensions; /* FACTS_EXTENSIONS_MAX, or NULL */
    struct sl notation;          /* BY_CHAIN: the name of the trust policy that it passed */
    struct sl reference, predicate_type, statement;
    const json_t *annotations;
    int64_t signed_at_s; /* 0: not known */
    int64_t not_after_s;
    unsigned nlogs, nscts, nstamps;
    bool inherited;         /* about the index that this image was reached through */
    struct digest evidence; /* the blob it was in */
};

/* Evidence that was refused, for what people are told. */
struct facts_refused {
    const char *code; /* reason_table.h */
    const char *text;
    enum facts_format format;
    struct digest evidence;
};

/* How the looking went. FAILED is not "there is none". */
enum facts_state { FACTS_COMPLETE, FACTS_CUT, FACTS_FAILED };

struct facts {
    struct sl repository;        /* canonical: "docker.io/library/nginx" */
    struct sl tag;               /* asked for by it; {NULL, 0}: by digest */
    const struct sl *known_tags; /* that name this digest here, when it was asked for by digest */
    size_t nknown_tags;
    struct digest digest; /* sha256 */
    int64_t now_s;        /* the highest clock seen */
    enum facts_state state;
    const char *trouble; /* CUT, FAILED: what and where; else NULL */
    const struct facts_signed *is_signed;
    size_t nsigned;
    const struct facts_refused *refused;
    size_t nrefused;
};
