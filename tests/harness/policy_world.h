/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_world - a loader that opens no file, and facts by the dozen: the key of "a.pub" is 64
 * times 'a'; trust 0 has the keys and the configured root and Notation policy, "other.json" is
 * trust 1, made ones are trust 2; "gone..." is a file that is not there.
 */
#pragma once

#include <string.h>

#include "policy/policy.h"

static inline int world_key(void *context, const struct policy_pem *pem, unsigned trust,
                            char id_r[65], struct pg_err *err)
{
    (void)context;
    (void)trust;
    if (pem->file.p != NULL && sl_starts(pem->file, SL("gone"))) {
        return pg_fail(err, PG_E_DENIED, "cannot open gone");
    }
    memset(id_r, pem->file.p != NULL ? pem->file.p[0] : '0', 64);
    id_r[64] = '\0';
    for (size_t i = 0; pem->file.p == NULL && i < pem->text.n; i++) { /* other text, another key */
        unsigned char mixed = (unsigned char)(id_r[i % 64] * 5 + pem->text.p[i]);
        id_r[i % 64] = "0123456789abcdef"[(mixed ^ (mixed >> 4)) % 16];
    }
    return 0;
}

static inline int world_made(void *context, const struct policy_made *m, unsigned *trust_r,
                             struct pg_err *err)
{
    (void)context;
    (void)m;
    (void)err;
    *trust_r = 2;
    return 0;
}

static inline int world_trust(void *context, struct sl file, unsigned *trust_r, struct pg_err *err)
{
    (void)context;
    if (sl_starts(file, SL("gone"))) {
        return pg_fail(err, PG_E_DENIED, "cannot open gone");
    }
    *trust_r = file.n > 0 ? 1 : 0;
    return 0;
}

static inline const char *world_host(void *context, struct sl host)
{
    (void)context;
    return sl_eq(host, SL("mirror.test")) ? "docker.io" : NULL;
}

static const struct policy_source world = {.key = world_key,
                                           .root = world_trust,
                                           .made = world_made,
                                           .notation = world_trust,
                                           .host = world_host};

/* Signed by the key of "a.pub" for 'a'; of a kind and a format. */
static inline struct facts_signed world_signed(char key, enum facts_kind kind,
                                               enum facts_format format)
{
    static char ids[256][64];

    memset(ids[(unsigned char)key], key, 64);
    return (struct facts_signed){.kind = kind,
                                 .format = format,
                                 .signer = FACTS_BY_KEY,
                                 .key_id = {ids[(unsigned char)key], 64},
                                 .not_after_s = INT64_MAX,
                                 .evidence = {.bytes = {(uint8_t)key}}};
}

static inline struct facts_signed world_identity(struct sl issuer, enum facts_san san,
                                                 struct sl subject)
{
    return (struct facts_signed){.kind = FACTS_SIGNATURE,
                                 .format = FACTS_BUNDLE,
                                 .signer = FACTS_BY_IDENTITY,
                                 .san = san,
                                 .issuer = issuer,
                                 .subject = subject,
                                 .not_after_s = INT64_MAX,
                                 .signed_at_s = 1000,
                                 .nlogs = 1,
                                 .nscts = 1};
}
