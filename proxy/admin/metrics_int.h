/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics - what /metrics answers: the table of base/metric.h, what is told of each upstream, and
 * of the process. Upstreams are those of the configuration, so the number of series is bounded by
 * it. Threads: any.
 */
#pragma once

#include "base/buf.h"
#include "proxy/admin/admin_int.h"

void metrics_write(const struct admin *a, const struct snapshot *s, struct pg_buf *out);
