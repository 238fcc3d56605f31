/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pace - at most so many bytes a second, over all transfers of one upstream. What comes is counted;
 * a blob goes on while there is credit, and else waits in line until there is some again. Small
 * questions do not wait for it unless they alone are far over it, but what they take is owed.
 *
 * Credit grows evenly, and for an eighth of a second at most while nobody wants it.
 *
 * Threads:  confined; pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PACE_LEAST 65536 /* bytes a second, if it is limited */

struct pace {
    uint64_t bytes_s; /* 0: no limit */
    int64_t credit;   /* in thousandths of a byte */
    uint64_t at_ms;
};

void pace_init(struct pace *p, uint64_t bytes_s, uint64_t now_ms);
bool pace_may(struct pace *p, bool is_small, uint64_t now_ms);
void pace_take(struct pace *p, uint64_t nbytes);
uint64_t pace_wait_ms(const struct pace *p); /* until pace_may() says yes to what is not small */
