/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/record.h"

static void *work(void *arg)
{
    (void)pthread_setname_np(pthread_self(), "worker");
    for (uint64_t i = 0; i < RECORD_EACH + 10; i++)
        pg_record_mark("step", i, 1000 + i);
    return arg;
}

TEST(a_thread_keeps_its_last_marks)
{
    struct pg_record marks[RECORD_EACH];
    char name[16];
    pthread_t thread;

    pg_record_mark("first", 1, 2);
    assert_int_equal(pthread_create(&thread, NULL, work, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(pg_record_read(0, name, marks), 1);
    assert_string_equal(marks[0].what, "first");
    assert_int_equal(pg_record_read(1, name, marks), RECORD_EACH);
    assert_string_equal(name, "worker");
    for (uint64_t i = 0; i < RECORD_EACH; i++) {
        assert_int_equal(marks[i].id, i + 10);
        assert_int_equal(marks[i].when_ms, 1010 + i);
    }
    assert_int_equal(pg_record_read(2, name, marks), 0);
}

TEST(threads_beyond_the_last_ring_leave_no_marks)
{
    for (unsigned i = 0; i < RECORD_THREADS_MAX + 5; i++) {
        pthread_t thread;

        assert_int_equal(pthread_create(&thread, NULL, work, NULL), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
    pg_record_dump(-1); /* nowhere to write to is no harm */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(a_thread_keeps_its_last_marks),
        RUN(threads_beyond_the_last_ring_leave_no_marks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
