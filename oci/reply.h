/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reply - an error as an OCI client reads it: {"errors":[{"code":..,"message":..}]}
 * (distribution-spec 1.1, "Error codes"). Pure; any thread.
 *
 * The spec's optional "detail" is left out: ours is for the log only and never leaves.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

/* The JSON body, in the arena; every byte that JSON or a terminal could misread is escaped. */
struct sl reply_error_body(struct pg_arena *arena, const struct pg_err *err);
