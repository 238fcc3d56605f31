/* SPDX-License-Identifier: Apache-2.0 */
/*
 * document - facts as the JSON document that OPA is asked about: docs/api/policy-input.schema.json.
 *
 * There is no clock in it, so that the same facts are the same document; instants stand as such.
 * Values of variables are left out, and of statements all but their type.
 *
 * Of scan results those findings are told that are open and severe enough, exploited, or of a
 * severity that nobody knows; all of them are counted, and the document says how many are told: a
 * filter is never silent (N16).
 *
 * Failure:    what does not fit in the buf: look at ->over.
 * Threads:    any. Pure.
 */
#pragma once

#include "base/buf.h"
#include "policy/facts.h"

#define DOCUMENT_BYTES_MAX  ((size_t)256 << 10)
#define DOCUMENT_SIGNED_MAX 64 /* that are told; of more their number */

#define DOCUMENT_FOUND_MAX 64 /* findings of a source, the most severe first */

/* least: findings below it are only counted. */
void document_put(const struct facts *f, enum facts_severity least, struct pg_buf *out);
