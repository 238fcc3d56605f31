/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signer - an authority that a rule names: a public key, an identity that an OIDC issuer vouches
 * for, or what a Notation trust policy accepts. It says of a fact whether it is this signer's, and
 * if not, how near it comes.
 *
 * Ownership:  signers live in the policy's arena; signer_free() ends their patterns.
 * Threads:    any, once made. Pure.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "policy/facts.h"
#include "policy/pattern.h"

#define SIGNER_LABEL_MAX ((size_t)600)

enum signer_kind { SIGNER_KEY, SIGNER_KEYLESS, SIGNER_NOTATION };

/* How a signature's docker-reference has to name what is pulled (containers-policy.json(5)). */
enum signer_naming {
    SIGNER_ANY_NAME, /* not looked at */
    SIGNER_EXACT,    /* matchExact */
    SIGNER_REPO_DIGEST_OR_EXACT,
    SIGNER_REPOSITORY,
    SIGNER_EXACT_REFERENCE,  /* `name` is it */
    SIGNER_EXACT_REPOSITORY, /* `name` is it */
    SIGNER_REMAP,            /* as REPO_DIGEST_OR_EXACT, with `prefix` replaced by `name` */
};

/* An identity's issuer or subject: exactly this text, or what the pattern matches. */
struct signer_word {
    struct sl exact; /* {NULL, 0}: by the pattern; neither: anything */
    struct pattern *pattern;
    struct sl written;
};

/* Something signed has to say exactly this. */
struct signer_claim {
    struct signer_claim *next;
    unsigned extension;   /* of a Fulcio certificate; 0: an annotation */
    struct sl key, value; /* key: as written; with a NUL behind it */
};

struct signer {
    struct signer *next; /* all of a policy */
    enum signer_kind kind;
    struct sl name;            /* as named under `authorities`; may be "" */
    struct sl file;            /* of a key, as written */
    struct sl key_id;          /* KEY */
    unsigned trust;            /* facts have to come from this one */
    unsigned formats;          /* bit n: enum facts_format n counts */
    bool tlog, sct, timestamp; /* at least one has to vouch for it */
    bool only_email;           /* KEYLESS: the subject is an e-mail address */
    struct signer_word issuer, subject;
    struct sl statement; /* NOTATION: this one of the trust policy's; "": any */
    enum signer_naming naming;
    struct sl naming_name, naming_prefix;
    struct signer_claim *claims;
};

/* How near a fact comes to being a signer's, nearest last. */
enum signer_fit {
    SIGNER_OTHER_FORM, /* another kind or format */
    SIGNER_OTHER,      /* somebody else's */
    SIGNER_NAMED_ELSE, /* it is about another name */
    SIGNER_CLAIM,      /* a claim or annotation is missing or other */
    SIGNER_UNLOGGED,
    SIGNER_NO_SCT,
    SIGNER_NO_TIMESTAMP,
    SIGNER_ENDED, /* it held until now, or before */
    SIGNER_FITS,
};

enum signer_fit signer_fit(const struct signer *s, const struct facts *f,
                           const struct facts_signed *fact);

bool signer_same(const struct signer *a, const struct signer *b); /* would accept the same */
/* Whether two facts were made by the same hand. */
bool signer_one_hand(const struct facts_signed *a, const struct facts_signed *b);

void signer_put(const struct signer *s, struct pg_buf *out);               /* who is wanted */
void signer_put_fact(const struct facts_signed *fact, struct pg_buf *out); /* who it was */
/* What keeps a fact that came so near from counting; after "signed by X". */
void signer_put_miss(const struct signer *s, enum signer_fit fit, const struct facts *f,
                     const struct facts_signed *fact, struct pg_buf *out);
void signer_free(struct signer *s);
