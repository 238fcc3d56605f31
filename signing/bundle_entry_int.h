/* SPDX-License-Identifier: Apache-2.0 */
/* bundle_entry - one log entry of a bundle, from its JSON, with what the bundle's version demands.
 * Pure. */
#pragma once

#include <jansson.h>

#include "signing/tlog_int.h"

PG_MUST_USE int bundle_entry_read(const json_t *object, unsigned version, struct pg_arena *arena,
                                  struct tlog_entry *e_r, struct verify_refusal *no);
