/* SPDX-License-Identifier: Apache-2.0 */
/*
 * breaker - whether it makes sense to ask now: an upstream that does not answer is left alone for a
 * while, so that nobody waits for it who could be served without it.
 *
 *      CLOSED --score reaches the limit--> OPEN --window over, one asks--> PROBING
 *        ^                                  ^                                |  |
 *        |                                  +--------- fails, window x2 -----+  |
 *        +------------------------------- answers ------------------------------+
 *
 * A probe that is never heard of again (its asker left) is followed by another one after
 * BREAKER_PROBE_MS. The caller tells the time and what counts. Pure; confined.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define BREAKER_SCORE_MAX     4
#define BREAKER_WINDOW_MS     1000
#define BREAKER_WINDOW_MAX_MS 30000
#define BREAKER_PROBE_MS      10000

enum breaker_weight {
    BREAKER_UNWELL = 1, /* it answers, badly: a gateway's 5xx, a broken connection */
    BREAKER_ABSENT = 2, /* no connection, no name, no answer */
    BREAKER_GONE = 4,   /* connecting took so long that nobody else should try */
};

struct breaker {
    bool open, probing;
    unsigned score;
    uint64_t window_ms, until_ms;
};

/* Starts as {0}. May something be asked now? True while open makes the caller the probe. */
bool breaker_may(struct breaker *b, uint64_t now_ms);
bool breaker_refuses(const struct breaker *b, uint64_t now_ms); /* would breaker_may() say no? */
int breaker_wait_s(const struct breaker *b, uint64_t now_ms);   /* at least 1 */

bool breaker_fail(struct breaker *b, enum breaker_weight weight, uint64_t now_ms); /* opened now? */
bool breaker_ok(struct breaker *b); /* was it open? */

/* Upstream itself said when to come back (429). */
void breaker_hold(struct breaker *b, uint64_t ms, uint64_t now_ms);
