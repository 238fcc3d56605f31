/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cron - when something is to be done: five fields, in UTC.
 *
 *     minute hour day-of-month month day-of-week      30 2 * * 1-5      @hourly @daily @weekly ...
 *
 * Each field is *, numbers, ranges, lists, and steps (*, 1-5, 1,15, * /10 without the blank);
 * months and days may be names (jan, mon); 0 and 7 are Sunday. As cron has it: when both the day of
 * the month and the day of the week are given, either will do.
 *
 * Failure:  DENIED with which field is wrong and what may stand there; also for what never comes
 *           (31 of February).
 * Threads:  pure; any.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

#define CRON_TEXT_MAX 256

struct cron {
    uint64_t minutes;             /* bit n: minute n */
    uint32_t hours, days, months; /* days from bit 1, months from bit 1 */
    uint8_t weekdays;             /* bit 0: Sunday */
    bool any_day, any_weekday;    /* they begin with a star */
};

PG_MUST_USE int cron_read(struct sl text, struct cron *cron_r, struct pg_err *err);

/* The first minute after after_s (seconds since 1970) that it names. 0: none within 12 years. */
int64_t cron_next(const struct cron *c, int64_t after_s);
