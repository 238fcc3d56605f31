/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tlog_body - what an entry of a log says, compared with what it has to be about: the digest, the
 * key or certificate, the signature. What the log has signed proves nothing before that.
 *
 * Threads:    pure.
 */
#pragma once

#include "signing/tlog_int.h"

/* *is_tiles_r: an entry of Rekor v2. */
PG_MUST_USE int tlog_body_bind(const struct tlog_entry *e, const struct tlog_subject *s,
                               struct pg_arena *arena, bool *is_tiles_r, struct verify_refusal *no);
