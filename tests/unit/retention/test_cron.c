/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"

#include "base/reading.h"
#include "retention/cron.h"

static void next_is(const char *text, const char *after, const char *then)
{
    struct cron c;
    struct pg_err err = {0};
    int64_t after_s = 0, then_s = 0;

    if (cron_read(sl_str(text), &c, &err) < 0) {
        fail_msg("%s: %s", text, err.msg);
    }
    assert_int_equal(reading_parse_date(sl_str(after), &after_s), 0);
    assert_int_equal(reading_parse_date(sl_str(then), &then_s), 0);
    if (cron_next(&c, after_s) != then_s) {
        fail_msg("%s after %s: %lld is not %lld", text, after, (long long)cron_next(&c, after_s),
                 (long long)then_s);
    }
}

static void refused(const char *text, const char *why)
{
    struct cron c;
    struct pg_err err = {0};

    if (cron_read(sl_str(text), &c, &err) == 0) {
        fail_msg("%s is taken", text);
    }
    if (strstr(err.msg, why) == NULL) {
        fail_msg("%s: %s", text, err.msg);
    }
    pg_err_clear(&err);
}

TEST(the_next_time)
{
    next_is("* * * * *", "2026-11-25T10:00:59Z", "2026-11-25T10:01:00Z");
    next_is("30 2 * * *", "2026-11-25T02:30:00Z", "2026-11-26T02:30:00Z");
    next_is("30 2 * * *", "2026-11-25T02:29:59Z", "2026-11-25T02:30:00Z");
    next_is("*/15 * * * *", "2026-11-25T10:46:00Z", "2026-11-25T11:00:00Z");
    next_is("0 22-23,1-5 * * *", "2026-11-25T05:00:00Z", "2026-11-25T22:00:00Z");
    next_is("0 0 * * mon-fri", "2026-11-27T10:00:00Z", "2026-11-30");
    next_is("0 0 * * 7", "2026-11-25", "2026-11-29");
    next_is("0 0 31 * *", "2026-11-25", "2026-12-31");
    next_is("0 0 29 feb *", "2026-11-25", "2028-02-29");
    next_is("0 0 29 2 *", "2096-03-01", "2104-02-29");
    next_is("0 0 13 * 5", "2026-11-25", "2026-11-27"); /* either will do */
    next_is("5/20 0 1 1 *", "2026-11-25", "2027-01-01T00:05:00Z");
    next_is("@daily", "2026-11-25T00:00:00Z", "2026-11-26");
    next_is("@hourly", "2026-11-25T10:00:00Z", "2026-11-25T11:00:00Z");
}

TEST(what_never_comes_is_refused)
{
    refused("0 0 31 2 *", "never comes");
    refused("0 0 30 feb *", "never comes");
    refused("0 0 31 4,6,9,11 *", "never comes");
    next_is("0 0 31 2 1", "2026-11-25", "2027-02-01");    /* Mondays of February come */
    next_is("0 0 29 2 */10", "2088-03-01", "2128-02-29"); /* both must hold behind a star */
}

TEST(what_is_no_expression_is_refused)
{
    refused("", "minute hour");
    refused("* * * *", "minute hour");
    refused("* * * * * *", "minute hour");
    refused("60 * * * *", "no minute");
    refused("* 24 * * *", "no hour");
    refused("* * 0 * *", "no day of the month");
    refused("* * * 13 *", "no month");
    refused("* * * * 8", "no day of the week");
    refused("-1 * * * *", "no minute");
    refused("5-1 * * * *", "no minute");
    refused("*/0 * * * *", "no minute");
    refused("1,,2 * * * *", "no minute");
    refused("1, * * * *", "no minute");
    refused("a * * * *", "no minute");
    refused("99999999999999999999 * * * *", "no minute");
    refused("@never", "minute hour");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(the_next_time),
        RUN(what_never_comes_is_refused),
        RUN(what_is_no_expression_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
