/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containers - containers-policy.json(5), as podman, skopeo and CRI-O have it, read unchanged: its
 * docker transport becomes one rule for each scope. As there, the most specific scope alone counts
 * and signatures are those of cosign's tag (.sig); keys, log keys and signedIdentity mean the same.
 *
 *     docker.io/library/app:v1   docker.io/library/app@sha256:...     first
 *     docker.io/library/app, docker.io/library, docker.io, *.io       then
 *     "" (all of the transport), default                              last
 *
 * Stricter in one thing: who asks by digest is held to what is demanded of the tags that name it.
 * GPG signatures (signedBy) and certificates of one's own PKI (pki) are refused, with the reason.
 */
#pragma once

#include "policy/parse.h"

bool containers_is(const struct pg_tree *root);
PG_MUST_USE int containers_read(struct parse *p, const struct pg_tree *root);

/* The rules of the scopes that count; in the arena. */
size_t containers_find(const struct policy *p, const struct facts *f, struct pg_arena *arena,
                       const uint32_t **rules_r);
