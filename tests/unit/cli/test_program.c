/* SPDX-License-Identifier: Apache-2.0 */
/* Another program: its end, its words, and that it cannot keep us. */
#include "harness/test.h"

#include "cli/program.h"

static struct pg_buf out;

static struct program_result run(const char *script, int timeout_ms, size_t max)
{
    char sh[] = "sh", c[] = "-c", *text = strdup(script);
    char *argv[] = {sh, c, text, NULL};
    struct program_result r = {0};
    struct pg_err err = {0};

    pg_buf_init(&out, max);
    assert_int_equal(program_run(argv, timeout_ms, &out, &r, &err), 0);
    free(text);
    return r;
}

TEST(both_outputs_and_the_status_are_kept)
{
    struct program_result r = run("echo one; echo two >&2; exit 7", 10000, 100);

    assert_int_equal(r.end, PROGRAM_EXITED);
    assert_int_equal(r.status, 7);
    assert_true(sl_eq(pg_buf_sl(&out), SL("one\ntwo\n")));
    pg_buf_free(&out);
}

TEST(too_many_words_are_dropped_and_it_ends_all_the_same)
{
    struct program_result r = run("yes | head -c 1000000", 10000, 5000);

    assert_int_equal(r.end, PROGRAM_EXITED);
    assert_true(out.n <= 5000);
    pg_buf_free(&out);
}

TEST(it_has_no_input)
{
    struct program_result r = run("cat; echo end", 10000, 100);

    assert_int_equal(r.status, 0);
    assert_true(sl_eq(pg_buf_sl(&out), SL("end\n")));
    pg_buf_free(&out);
}

TEST(it_and_its_children_end_when_time_is_up)
{
    struct program_result r = run("cat /dev/zero & cat /dev/zero", 50, 100);

    assert_int_equal(r.end, PROGRAM_TIMEOUT);
    pg_buf_free(&out);
}

TEST(it_ends_when_time_is_up_though_it_has_closed_its_outputs)
{
    struct program_result r = run("exec cat /dev/zero >/dev/null 2>&1", 50, 100);

    assert_int_equal(r.end, PROGRAM_TIMEOUT);
    pg_buf_free(&out);
}

TEST(what_is_not_there_is_absent)
{
    char name[] = "pullgate-no-such-program";
    char *argv[] = {name, NULL};
    struct program_result r = {0};
    struct pg_err err = {0};

    pg_buf_init(&out, 100);
    assert_int_equal(program_run(argv, 1000, &out, &r, &err), 0);
    assert_int_equal(r.end, PROGRAM_ABSENT);
    pg_buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(both_outputs_and_the_status_are_kept),
        RUN(too_many_words_are_dropped_and_it_ends_all_the_same),
        RUN(it_has_no_input),
        RUN(it_and_its_children_end_when_time_is_up),
        RUN(it_ends_when_time_is_up_though_it_has_closed_its_outputs),
        RUN(what_is_not_there_is_absent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
