/* SPDX-License-Identifier: Apache-2.0 */
/* random - bytes from the kernel; fails only on a broken machine (PG_CHECK). Threads: any. */
#pragma once

#include <stddef.h>
#include <stdint.h>

void pg_random_bytes(void *p, size_t n);
uint64_t pg_random_u64(void);
