/* SPDX-License-Identifier: Apache-2.0 */
/* replay_print - what policy replay has found, as text and as JSON
 * (docs/api/policy-replay.schema.json). Threads: main. */
#pragma once

#include "cli/replay.h"

void replay_print_text(const struct replay *r, struct pg_buf *out);
void replay_print_json(const struct replay *r, struct pg_buf *out);
