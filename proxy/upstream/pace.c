/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/pace.h"

#define PARTS 8 /* of a second, that credit is saved for */

void pace_init(struct pace *p, uint64_t bytes_s, uint64_t now_ms)
{
    *p = (struct pace){.bytes_s = bytes_s, .at_ms = now_ms};
}

bool pace_may(struct pace *p, bool is_small, uint64_t now_ms)
{
    int64_t rate = (int64_t)p->bytes_s, most = rate * 1000 / PARTS;

    if (rate == 0)
        return true;
    while (p->at_ms < now_ms && p->credit < most) { /* by seconds at most: no overflow */
        uint64_t ms = now_ms - p->at_ms < 1000 ? now_ms - p->at_ms : 1000;

        p->credit += rate * (int64_t)ms;
        p->at_ms += ms;
    }
    p->at_ms = now_ms;
    if (p->credit > most)
        p->credit = most;
    return p->credit > (is_small ? -rate * 1000 : 0);
}

void pace_take(struct pace *p, uint64_t nbytes)
{
    if (p->bytes_s != 0)
        p->credit -= (int64_t)nbytes * 1000;
}

uint64_t pace_wait_ms(const struct pace *p)
{
    if (p->bytes_s == 0 || p->credit > 0)
        return 0;
    return (uint64_t)-p->credit / p->bytes_s + 1;
}
