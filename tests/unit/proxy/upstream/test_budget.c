/* SPDX-License-Identifier: Apache-2.0 */
/* What an upstream says of how much we may ask, and what follows from it. */
#include "harness/test.h"

#include <stdio.h>

#include "proxy/upstream/budget.h"

#define NOW_MS UINT64_C(1000000)
#define WALL_S INT64_C(1700000000)

/* Reads the budget out of a head with these lines. */
static bool read_lines(struct budget *b, const char *lines)
{
    struct head h;
    struct pg_err err = {0};
    bool told;

    head_init(&h);
    assert_int_equal(head_line(&h, SL("HTTP/1.1 200 OK\r\n"), &err), 0);
    while (*lines != '\0') {
        size_t n = (size_t)(strchr(lines, '\n') - lines) + 1;

        assert_int_equal(head_line(&h, (struct sl){lines, n}, &err), 0);
        lines += n;
    }
    told = budget_read(b, &h, NOW_MS, WALL_S);
    head_free(&h);
    return told;
}

TEST(how_it_is_said)
{
    static const struct {
        const char *lines;
        uint64_t limit, left, window_s;
        const char *source;
    } rows[] = {
        {"ratelimit-limit: 100;w=21600\nratelimit-remaining: 76;w=21600\n"
         "docker-ratelimit-source: 192.0.2.1\n",
         100, 76, 21600, "192.0.2.1"},
        {"X-RateLimit-Limit: 60\nX-RateLimit-Remaining: 56\nX-RateLimit-Reset: 1700000900\n", 60,
         56, 900, ""},
        {"RateLimit-Limit: 2000\nRateLimit-Remaining: 1999\nRateLimit-Reset: 50\n", 2000, 1999, 50,
         ""},
        {"RateLimit-Limit: 10, 10;window=60\nRateLimit-Remaining: 3\n", 10, 3, 60, ""},
        {"RateLimit-Remaining: 9\n", 9, 9, 3600, ""},
        {"RateLimit-Limit: 5\nRateLimit-Remaining: 9\n", 5, 5, 3600, ""},
        {"RateLimit-Limit: 5\nRateLimit-Remaining: 4\nRateLimit-Reset: 999999999999\n", 5, 4,
         UINT64_C(31) * 86400, ""},
        {"RateLimit-Limit: 5\nRateLimit-Remaining: 4\nDocker-RateLimit-Source: a\"b\\c\n", 5, 4,
         3600, "a_b_c"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct budget b = {0};

        assert_true(read_lines(&b, rows[i].lines));
        assert_true(b.known);
        assert_int_equal(b.limit, rows[i].limit);
        assert_int_equal(b.left, rows[i].left);
        assert_int_equal(b.window_s, rows[i].window_s);
        assert_string_equal(b.source, rows[i].source);
    }
}

TEST(what_says_nothing_changes_nothing)
{
    static const char *const rows[] = {"",
                                       "RateLimit-Limit: 100\n",
                                       "RateLimit-Remaining: many\n",
                                       "RateLimit-Remaining: -1\n",
                                       "RateLimit-Remaining: \n",
                                       "RateLimit-Remaining: 99999999999999999999\n",
                                       "RateLimit-Limit: 0\nRateLimit-Remaining: 0\n"};
    struct budget b = {0};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_false(read_lines(&b, rows[i]));
        assert_false(b.known);
        assert_int_equal(budget_slowness(&b, true, NOW_MS), 1); /* no word is no limit */
    }
}

TEST(a_header_of_any_length_does_no_harm)
{
    char lines[1200];
    struct budget b = {0};

    assert_true(snprintf(lines, sizeof(lines), "RateLimit-Remaining: 1%01000d\n", 0) > 1000);
    assert_false(read_lines(&b, lines));
}

TEST(the_curve)
{
    static const struct {
        uint64_t left;
        unsigned by_head, by_get;
    } rows[] = {{100, 1, 1}, {99, 1, 2}, {50, 1, 2}, {49, 2, 8}, {25, 2, 8}, {24, 8, 8},
                {20, 8, 8},  {19, 8, 0}, {10, 8, 0}, {9, 0, 0},  {0, 0, 0}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct budget b = {true, 100, rows[i].left, 21600, NOW_MS, ""};

        assert_int_equal(budget_slowness(&b, false, NOW_MS), rows[i].by_head);
        assert_int_equal(budget_slowness(&b, true, NOW_MS), rows[i].by_get);
    }
}

TEST(it_grows_back_while_nothing_is_heard)
{
    static const struct {
        uint64_t after_s, left;
    } rows[] = {{0, 0},      {215, 0},    {216, 1},     {2160, 10},
                {10800, 50}, {21599, 99}, {21600, 100}, {UINT64_C(1) << 40, 100}};
    struct budget b = {true, 100, 0, 21600, NOW_MS, ""};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(budget_left(&b, NOW_MS + rows[i].after_s * 1000), rows[i].left);
    assert_int_equal(budget_slowness(&b, false, NOW_MS), BUDGET_RESERVE);
    assert_int_equal(budget_slowness(&b, false, NOW_MS + UINT64_C(2160000)), 8); /* asked again */
    b.left = 80;
    assert_int_equal(budget_left(&b, NOW_MS + UINT64_C(10800000)), 100);
    assert_int_equal(budget_left(&b, 0), 80); /* a clock never goes back; if it does, no harm */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(how_it_is_said),
        RUN(what_says_nothing_changes_nothing),
        RUN(a_header_of_any_length_does_no_harm),
        RUN(the_curve),
        RUN(it_grows_back_while_nothing_is_heard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
