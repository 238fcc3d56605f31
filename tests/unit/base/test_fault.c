/* SPDX-License-Identifier: Apache-2.0 */
/* A fault fires at the visit it names and at no other, with the errno it names. */
#include "harness/test.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/json.h"

#ifdef PG_WITH_FAULTS

/* The visits of 1 to 6 at which the point fires, as bits. */
static unsigned fires_at(const char *point, int error)
{
    unsigned bits = 0;

    for (unsigned i = 1; i <= 6; i++) {
        errno = 0;
        if (pg_fault_fires(point)) {
            assert_int_equal(errno, error);
            bits |= 1U << i;
        } else {
            assert_int_equal(errno, 0);
        }
    }
    return bits;
}

TEST(without_faults_nothing_fires)
{
    assert_int_equal(pg_fault_set(NULL), 0);
    assert_int_equal(fires_at("blob.pwrite", 0), 0);
    assert_int_equal(pg_fault_set(""), 0);
    assert_int_equal(fires_at("blob.pwrite", 0), 0);
}

TEST(the_nth_visit_fires_once)
{
    assert_int_equal(pg_fault_set("blob.pwrite:ENOSPC@3"), 0);
    assert_int_equal(fires_at("blob.pwrite", ENOSPC), 1U << 3);
}

TEST(with_a_plus_it_fires_from_there_on)
{
    assert_int_equal(pg_fault_set("a:EIO@1+,b:EACCES@5+"), 0);
    assert_int_equal(fires_at("a", EIO), 0x7e);
    assert_int_equal(fires_at("b", EACCES), 1U << 5 | 1U << 6);
    assert_int_equal(fires_at("other", 0), 0);
    assert_int_equal(fires_at("aa", 0), 0);
}

TEST(one_point_may_fail_in_two_ways)
{
    assert_int_equal(pg_fault_set("a:EIO@2,a:EIO@4"), 0);
    assert_int_equal(fires_at("a", EIO), 1U << 2 | 1U << 4);
}

TEST(what_is_misspelt_is_refused_and_sets_nothing)
{
    static const char *const wrong[] = {
        "a",         "a:",         "a:EIO",
        "a:EIO@",    "a:EIO@0",    "a:EIO@x",
        "a:EIO@1++", "a:EWRONG@1", ":EIO@1",
        "a:EIO@-1",  ",",          "a:EIO@1,,b:EIO@1",
        "a:EIO@1 ",  "a:eio@1",    "a:EIO@9999999999",
        "a@1:EIO",   "a:EIO@+",
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (pg_fault_set(wrong[i]) == 0)
            fail_msg("accepted \"%s\"", wrong[i]);
        assert_int_equal(fires_at("a", 0), 0);
    }
}

TEST(points_visited_are_listed)
{
    struct pg_err err = {0};
    struct pg_buf out;
    json_t *root, *list;

    pg_buf_init(&out, 4096);
    assert_int_equal(pg_fault_set("a:EIO@2"), 0);
    (void)fires_at("a", EIO);
    (void)pg_fault_fires("b\"quoted");
    pg_fault_write_json(&out);
    assert_int_equal(pg_json_parse(pg_buf_sl(&out), PG_E_INTERNAL, &root, &err), 0);
    list = json_object_get(root, "points");
    assert_int_equal(json_array_size(list), 2);
    for (size_t i = 0; i < 2; i++) {
        json_t *p = json_array_get(list, i);
        bool is_a = sl_eq(pg_json_str(p, "point"), SL("a"));

        assert_int_equal(json_integer_value(json_object_get(p, "visits")), is_a ? 6 : 1);
        assert_int_equal(json_integer_value(json_object_get(p, "fired")), is_a ? 1 : 0);
    }
    json_decref(root);
    pg_buf_free(&out);
}

static atomic_uint fired;

static void *visit(void *arg)
{
    (void)arg;
    for (int i = 0; i < 10000; i++)
        if (pg_fault_fires("shared"))
            atomic_fetch_add(&fired, 1);
    return NULL;
}

TEST(among_threads_exactly_one_visit_is_the_nth)
{
    pthread_t threads[4];

    assert_int_equal(pg_fault_set("shared:EIO@20000"), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, visit, NULL), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(fired, 1);
}

/* In a child each, since the environment is read once. */
static int child_with(const char *faults)
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        PG_CHECK(setenv("PG_FAULTS", faults, 1) == 0);
        PG_CHECK(close(STDERR_FILENO) == 0);
        _exit(PG_FAULT("disk") && errno == ENOSPC ? 7 : 8);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

TEST(the_environment_is_read_at_the_first_point)
{
    assert_int_equal(child_with("disk:ENOSPC@1"), 7);
    assert_int_equal(child_with("disk:ENOSPC@2"), 8);
    assert_int_equal(child_with(""), 8);
}

TEST(a_misspelt_environment_ends_the_program)
{
    assert_int_equal(child_with("disk:ENOSPACE@1"), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(the_environment_is_read_at_the_first_point), /* before pg_fault_set() */
        RUN(a_misspelt_environment_ends_the_program),
        RUN(without_faults_nothing_fires),
        RUN(the_nth_visit_fires_once),
        RUN(with_a_plus_it_fires_from_there_on),
        RUN(one_point_may_fail_in_two_ways),
        RUN(what_is_misspelt_is_refused_and_sets_nothing),
        RUN(points_visited_are_listed),
        RUN(among_threads_exactly_one_visit_is_the_nth),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

TEST(without_faults_a_point_is_nothing)
{
    errno = 0;
    assert_false(PG_FAULT("disk"));
    assert_int_equal(errno, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {RUN(without_faults_a_point_is_nothing)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
