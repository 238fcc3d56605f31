/* SPDX-License-Identifier: Apache-2.0 */
/*
 * size - sizes in bytes as people write and read them: 20GiB in, "20.0 GiB" out.
 *
 * Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define PG_SIZE_MAX (UINT64_C(1) << 60)

/* A number and B, KiB, MiB, GiB or TiB, with nothing between, before or behind them. False: it is
 * none, or above PG_SIZE_MAX. */
bool pg_size_read(struct sl text, uint64_t *bytes_r);

/* Rounded: "0 B", "1023 B", "1.5 KiB". */
void pg_size_put(struct pg_buf *out, uint64_t bytes);
