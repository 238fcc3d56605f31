/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parse_signer - one authority, or a list of them, as they stand in a policy:
 *
 *     vendor                                             one of `authorities`, by its name
 *     {key: FILE, tlog: true|false}
 *     {keyless: {issuer, subject | issuer_regex, subject_regex, ...}}
 *     {notation: {policy: FILE, statement: NAME}}
 *
 * Threads: one.
 */
#pragma once

#include "policy/parse.h"

PG_MUST_USE int parse_signer_list(struct parse *p, const struct pg_tree *list,
                                  const struct signer ***signers_r, size_t *nsigners_r);
PG_MUST_USE int parse_signer_authorities(struct parse *p, const struct pg_tree *map);

/* A new signer, known to the policy; what counts is set to what its kind means. */
struct signer *parse_signer_new(struct parse *p, enum signer_kind kind);
/* The signer's key, which is added to a trust. */
PG_MUST_USE int parse_signer_key(struct parse *p, struct pg_tree_at at,
                                 const struct policy_pem *pem, unsigned trust, struct signer *s);
