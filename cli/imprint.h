/* SPDX-License-Identifier: Apache-2.0 */
/*
 * imprint - what files look like from outside: names, times, sizes, owners and modes. Another
 * imprint means that one of them was changed or replaced.
 *
 * Threads: any. It asks for files' status: not for serving loops.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define IMPRINT_BYTES 32

struct pg_hash;

void imprint_add(struct pg_hash *h, const char *path); /* one that is not there counts as that */
void imprint_of(char *const *paths, size_t n, uint8_t imprint_r[IMPRINT_BYTES]);
