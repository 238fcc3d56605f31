/* SPDX-License-Identifier: Apache-2.0 */
/*
 * identity - who a Fulcio certificate says has signed: issuer, subject and all its extensions
 * 1.3.6.1.4.1.57264.1.n.
 *
 * Exactly one subject alternative name: an e-mail address, a URI or a user name. An extension that
 * is there twice, has bytes behind its text or control characters in it refuses the certificate,
 * as do two issuers that differ.
 *
 * Ownership:  texts are in the arena.
 * Threads:    pure; an X509 belongs to one thread.
 */
#pragma once

#include <openssl/x509.h>

#include "signing/refuse_int.h"

PG_MUST_USE int identity_read(X509 *leaf, struct pg_arena *arena, struct verify_identity *id_r,
                              struct verify_refusal *no);
