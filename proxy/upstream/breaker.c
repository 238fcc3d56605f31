/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/breaker.h"

bool breaker_refuses(const struct breaker *b, uint64_t now_ms)
{
    return b->open && now_ms < b->until_ms;
}

bool breaker_may(struct breaker *b, uint64_t now_ms)
{
    if (!b->open)
        return true;
    if (now_ms < b->until_ms)
        return false;
    b->probing = true;
    b->until_ms = now_ms + BREAKER_PROBE_MS;
    return true;
}

int breaker_wait_s(const struct breaker *b, uint64_t now_ms)
{
    if (!breaker_refuses(b, now_ms))
        return 1;
    return (int)((b->until_ms - now_ms + 999) / 1000);
}

/* While it is open, only the probe has a say: what was under way before tells nothing new. */
bool breaker_fail(struct breaker *b, enum breaker_weight weight, uint64_t now_ms)
{
    if (b->open && !b->probing)
        return false;
    if (b->open) {
        b->window_ms = b->window_ms == 0 ? BREAKER_WINDOW_MS : b->window_ms * 2;
        if (b->window_ms > BREAKER_WINDOW_MAX_MS)
            b->window_ms = BREAKER_WINDOW_MAX_MS;
    } else {
        b->score += weight;
        if (b->score < BREAKER_SCORE_MAX)
            return false;
        b->window_ms = BREAKER_WINDOW_MS;
    }
    b->open = true;
    b->probing = false;
    b->until_ms = now_ms + b->window_ms;
    return true;
}

bool breaker_ok(struct breaker *b)
{
    bool was_open = b->open;

    *b = (struct breaker){0};
    return was_open;
}

void breaker_hold(struct breaker *b, uint64_t ms, uint64_t now_ms)
{
    b->open = true;
    b->probing = false;
    b->window_ms = ms;
    b->until_ms = now_ms + ms;
}
