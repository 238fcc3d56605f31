/* SPDX-License-Identifier: Apache-2.0 */
/* status - how it is: health, readiness, version, and the state as JSON. Threads: any. */
#pragma once

#include "proxy/admin/admin_int.h"

/* Whether the answer is 200 (true) or 503. */
bool status_write_health(const struct admin *a, struct pg_buf *out);
bool status_write_ready(const struct admin *a, struct pg_buf *out);
void status_write_version(const struct admin *a, struct pg_buf *out);
void status_write(const struct admin *a, const struct snapshot *s, struct pg_buf *out);
