/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors close when they leave their scope; reads and writes are whole or an error. */
#include "harness/test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static int new_file(void)
{
    int fd = memfd_create("test", MFD_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

TEST(a_descriptor_closes_when_it_leaves_its_scope)
{
    int seen;

    {
        _fd_ int fd = new_file();

        seen = fd;
        assert_true(is_open(seen));
    }
    assert_false(is_open(seen));
}

TEST(a_descriptor_that_was_taken_stays_open)
{
    int kept;

    {
        _fd_ int fd = new_file();

        kept = TAKE_FD(fd);
        assert_int_equal(fd, -1);
    }
    assert_true(is_open(kept));
    pg_fd_close(&kept);
    assert_int_equal(kept, -1);
    pg_fd_close(&kept);
}

TEST(closing_keeps_errno)
{
    int fd = 1 << 20; /* not open: close() fails */

    errno = ENOENT;
    pg_fd_close(&fd);
    assert_int_equal(errno, ENOENT);
}

TEST(memory_is_freed_when_it_leaves_its_scope) /* or else ASan says so */
{
    _free_ char *p = malloc(10);

    assert_non_null(p);
    /* the analyzer does not know what cleanup attributes do */
} /* NOLINT(clang-analyzer-unix.Malloc) */

TEST(what_was_written_is_read)
{
    _fd_ int fd = new_file();
    char buf[8] = {0};

    assert_int_equal(pg_fd_write(fd, "abcdef", 6), 0);
    assert_int_equal(pg_fd_pwrite(fd, "CD", 2, 2), 0);
    assert_int_equal(pg_fd_pread(fd, buf, 5, 1), 0);
    assert_string_equal(buf, "bCDef");
    assert_int_equal(pg_fd_pread(fd, buf, 0, 100), 0);
}

TEST(the_end_of_the_file_before_the_last_byte_is_an_error)
{
    _fd_ int fd = new_file();
    char buf[8];

    assert_int_equal(pg_fd_write(fd, "abc", 3), 0);
    errno = 0;
    assert_int_equal(pg_fd_pread(fd, buf, 4, 0), -1);
    assert_int_equal(errno, EIO);
}

TEST(errors_keep_their_errno)
{
    char c = 0;

    assert_int_equal(pg_fd_pread(-1, &c, 1, 0), -1);
    assert_int_equal(errno, EBADF);
    assert_int_equal(pg_fd_pwrite(-1, &c, 1, 0), -1);
    assert_int_equal(errno, EBADF);
    assert_int_equal(pg_fd_write(-1, &c, 1), -1);
    assert_int_equal(errno, EBADF);
}

#define BIG ((size_t)1 << 20)

static void *read_slowly(void *arg)
{
    const int fd = *(int *)arg;
    char *got = malloc(BIG);
    size_t n = 0;

    PG_CHECK(got != NULL);
    while (n < BIG) {
        ssize_t now = read(fd, got + n, 1000);

        PG_CHECK(now > 0);
        n += (size_t)now;
    }
    return got;
}

TEST(a_write_in_pieces_is_whole)
{
    int pipes[2];
    char *sent = malloc(BIG);
    void *got;
    pthread_t reader;

    assert_non_null(sent);
    for (size_t i = 0; i < BIG; i++)
        sent[i] = (char)(i % 251);
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(pthread_create(&reader, NULL, read_slowly, &pipes[0]), 0);
    assert_int_equal(pg_fd_write(pipes[1], sent, BIG), 0);
    assert_int_equal(pthread_join(reader, &got), 0);
    assert_memory_equal(got, sent, BIG);
    free(got);
    free(sent);
    pg_fd_close(&pipes[0]);
    pg_fd_close(&pipes[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(a_descriptor_closes_when_it_leaves_its_scope),
        RUN(a_descriptor_that_was_taken_stays_open),
        RUN(closing_keeps_errno),
        RUN(memory_is_freed_when_it_leaves_its_scope),
        RUN(what_was_written_is_read),
        RUN(the_end_of_the_file_before_the_last_byte_is_an_error),
        RUN(errors_keep_their_errno),
        RUN(a_write_in_pieces_is_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
