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

/* What is recorded of a tag that may not move. */
enum facts_record {
    FACTS_NO_RECORD, /* it was not pulled yet as one */
    FACTS_AS_RECORDED,
    FACTS_MOVED,          /* it is another digest: facts.recorded is what it was */
    FACTS_RECORD_UNKNOWN, /* it could not be read */
};

enum facts_shape {
    FACTS_OTHER, /* a type that is not known */
    FACTS_INDEX,
    FACTS_IMAGE,    /* its config is an image's: a runtime would run it */
    FACTS_ARTIFACT, /* a manifest with another config */
};

struct facts_pair {
    struct sl name, value;
};

/* A secret in it: where, under which name, what. Looking takes long in what is large. */
struct facts_secret {
    bool is_looked_for;
    const char *where, *what; /* what: NULL: there is none */
    struct sl name;
};

/* What a manifest and its config say, by their verified bytes; never a descriptor's word. What an
 * author writes here proves nothing about its author. */
struct facts_content {
    enum facts_shape shape;
    const char *trouble;    /* the config could not be read, and why: it is bad, or not there */
    bool is_unknown;        /* trouble is upstream's or ours, not the image's: ask again */
    const struct sl *types; /* artifactType and the config's media type, as far as there are */
    size_t ntypes;
    struct sl platform; /* IMAGE: "linux/arm64/v8"; {NULL, 0}: it says none */
    const struct facts_pair *labels, *env, *annotations; /* annotations: of the manifest */
    size_t nlabels, nenv, nannotations;
    struct facts_secret secret; /* by secret_find() */
};

/* What OPA said of all the others. */
enum facts_said { FACTS_SAID_NOTHING, FACTS_SAID_NO, FACTS_SAID_YES };

struct facts_opinion {
    enum facts_said said;
    const char *trouble; /* NOTHING: why */
    const struct sl *reasons;
    size_t nreasons;
    struct sl revision; /* of its bundles; "": it has none */
};

/* In the order of badness, but for the first: in none with the others. */
enum facts_severity {
    FACTS_UNKNOWN,
    FACTS_NEGLIGIBLE,
    FACTS_LOW,
    FACTS_MEDIUM,
    FACTS_HIGH,
    FACTS_CRITICAL,
    FACTS_SEVERITIES,
};

struct facts_finding {
    struct sl id;
    const struct sl *aliases; /* that somebody trusted says; not the author of the report */
    size_t naliases;
    struct sl package, version, fixed; /* fixed may be "" */
    enum facts_severity severity;
    bool is_fixable, is_exploited;
    int64_t since_s;         /* by our clock: since when this source says so */
    int64_t settled_until_s; /* by a waiver, or VEX that is believed; 0: it is open */
};

/* What one source says of the image. */
struct facts_scan {
    struct sl source;
    int64_t good_s;     /* when its last report that counts came; 0: there is none */
    int64_t first_s;    /* when the first one did */
    int64_t database_s; /* when its database was made; 0: it did not say */
    const struct facts_finding *findings;
    size_t nfindings;
    size_t unlisted[FACTS_SEVERITIES]; /* of which no more is known: open, and not new */
    int64_t failed_s;                  /* its last attempt failed, then; 0: it did not */
    struct sl failed;                  /* why */
    bool is_empty;                     /* why: it saw no packages, and nothing else was wrong */
    const struct facts_signed *by;     /* it came as a signed statement by this; NULL: a source's */
};

struct facts {
    struct sl repository;        /* canonical: "docker.io/library/nginx" */
    struct sl tag;               /* asked for by it; {NULL, 0}: by digest */
    const struct sl *known_tags; /* that name this digest here */
    size_t nknown_tags;
    struct digest digest; /* sha256 */
    enum facts_record record;
    struct digest recorded;
    const char *revoked; /* it was taken back: by what, and why; NULL: not */
    int64_t now_s;       /* the highest clock seen */
    enum facts_state state;
    const char *trouble; /* CUT, FAILED: what and where; else NULL */
    const struct facts_signed *is_signed;
    size_t nsigned;
    const struct facts_refused *refused;
    size_t nrefused;
    const struct facts_content *content; /* NULL: nobody has looked */
    int64_t
        since_s; /* by our clock: since when the tag names it without a break; by digest: since
                    the first of its tags does, or since it was first named here. 0: not known */
    const struct facts_opinion *opinion; /* NULL: OPA was not asked */
    const struct facts_scan *scans;
    size_t nscans;
    const char *scans_trouble; /* they could not be read; NULL: they could */
    int64_t here_s; /* since when it is linked in this repository; 0: it is not, or not known */
};
