/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pattern - an anchored POSIX extended regular expression: it matches all of a text or nothing.
 *
 * It has to be written with ^ at its start and $ at its end, so that nobody believes in a prefix
 * that is none. Back references, and repetitions that would cost without measure, are refused.
 *
 * Ownership:  pattern_free() ends what pattern_compile() made.
 * Failure:    DENIED with what is wrong. A text that is too long or holds control characters is not
 * matched. Threads:    matching: any.
 */
#pragma once

#include <regex.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/slice.h"

#define PATTERN_MAX      512
#define PATTERN_TEXT_MAX 2048

struct pattern {
    regex_t compiled;
    bool is_open; /* it matches texts that have nothing in common */
};

PG_MUST_USE int pattern_compile(struct pattern *p, struct sl text, struct pg_err *err);
void pattern_free(struct pattern *p);
bool pattern_matches(const struct pattern *p, struct sl text);
