/* SPDX-License-Identifier: Apache-2.0 */
/* clock - now. The one seam for time; nothing else calls clock_gettime(). Threads: any. */
#pragma once

#include <stdint.h>

uint64_t pg_clock_mono_us(void); /* CLOCK_MONOTONIC */
uint64_t pg_clock_mono_ms(void);
int64_t pg_clock_wall_s(void); /* seconds since 1970, UTC */
int64_t pg_clock_wall_ms(void);
int64_t pg_clock_wall_us(void);
#define PG_CLOCK_TEXT_MAX 32
/* RFC 3339 in UTC with milliseconds and a NUL; outside of the years 0 to 9999 the nearest in them.
 * Returns out. */
const char *pg_clock_rfc3339(int64_t wall_ms, char out[PG_CLOCK_TEXT_MAX]);
