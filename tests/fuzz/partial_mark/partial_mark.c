/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file in partial/ as a crash, a damaged disk or an attacker may leave it: the first byte's
 * lowest bit says whether the sum of its last 32 bytes is made right first, so that what is behind
 * it is reached. It is left alone, or cut to what its mark says; what is left is its beginning.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#include "base/check.h"
#include "base/fd.h"
#include "cache/partial.h"

#define SUMMED (PARTIAL_MARK_BYTES - 8)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[256];

static void remove_dir(void)
{
    (void)rmdir(dir);
}

static void make_dir(void)
{
    const char *tmp = getenv("TMPDIR"); /* NOLINT(concurrency-mt-unsafe) */

    if (dir[0] != '\0')
        return;
    PG_CHECK(snprintf(dir, sizeof(dir), "%s/pullgate-fuzz-XXXXXX", tmp != NULL ? tmp : "/tmp") <
             (int)sizeof(dir));
    PG_CHECK(mkdtemp(dir) != NULL);
    PG_CHECK(atexit(remove_dir) == 0);
}

static void make_right(char *p, size_t n)
{
    uint64_t sum;

    if (n < PARTIAL_MARK_BYTES)
        return;
    p += n - PARTIAL_MARK_BYTES;
    sum = XXH3_64bits(p, SUMMED);
    for (unsigned i = 0; i < 8; i++)
        p[SUMMED + i] = (char)(sum >> (8 * i));
}

/* How long the file is, which has to be the beginning of those bytes. */
static size_t look(int fd, const char *p, size_t n)
{
    struct stat st;
    char *is;

    PG_CHECK(fstat(fd, &st) == 0 && (size_t)st.st_size <= n);
    is = malloc(n + 1);
    PG_CHECK(is != NULL);
    PG_CHECK(pg_fd_pread(fd, is, (size_t)st.st_size, 0) == 0);
    PG_CHECK(memcmp(is, p, (size_t)st.st_size) == 0);
    free(is);
    return (size_t)st.st_size;
}

static void settle(int dir_fd, const char *p, size_t n)
{
    struct stat st;
    _fd_ int fd = openat(dir_fd, "partial", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    PG_CHECK(fd >= 0 && pg_fd_write(fd, p, n) == 0);
    PG_CHECK(fstat(fd, &st) == 0);
    partial_settle(dir_fd, "partial", &st);
    PG_CHECK(look(fd, p, n) == (size_t)st.st_size);
    PG_CHECK((size_t)st.st_size == n || (size_t)st.st_size <= n - PARTIAL_MARK_BYTES);
    /* Gone on with, it is marked and cut again. */
    PG_CHECK(partial_mark(fd, n, (uint64_t)st.st_size) == 0);
    n = (size_t)st.st_size;
    PG_CHECK(fstat(fd, &st) == 0);
    partial_settle(dir_fd, "partial", &st);
    PG_CHECK((size_t)st.st_size == n && look(fd, p, n) == n);
    PG_CHECK(unlinkat(dir_fd, "partial", 0) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _fd_ int dir_fd = -1;
    char *copy;

    if (size < 1 || size > 4096)
        return 0;
    make_dir();
    dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    PG_CHECK(dir_fd >= 0);
    copy = malloc(size);
    PG_CHECK(copy != NULL);
    memcpy(copy, data, size);
    if ((data[0] & 1) != 0)
        make_right(copy + 1, size - 1);
    settle(dir_fd, copy + 1, size - 1);
    free(copy);
    return 0;
}
