/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fd.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* After close() failed the descriptor is gone all the same: never twice. */
void pg_fd_close(int *fd)
{
    int before = errno;

    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
    errno = before;
}

void pg_fd_free(void *p)
{
    free(*(void **)p);
}

int pg_fd_pread(int fd, void *p, size_t n, uint64_t at)
{
    char *to = p;

    while (n > 0) {
        ssize_t got = pread(fd, to, n, (off_t)at);

        if (got < 0 && errno == EINTR)
            continue;
        if (got == 0)
            errno = EIO;
        if (got <= 0)
            return -1;
        to += got;
        n -= (size_t)got;
        at += (size_t)got;
    }
    return 0;
}

int pg_fd_pwrite(int fd, const void *p, size_t n, uint64_t at)
{
    const char *from = p;

    while (n > 0) {
        ssize_t put = pwrite(fd, from, n, (off_t)at);

        if (put < 0 && errno == EINTR)
            continue;
        if (put == 0)
            errno = EIO;
        if (put <= 0)
            return -1;
        from += put;
        n -= (size_t)put;
        at += (size_t)put;
    }
    return 0;
}

int pg_fd_write(int fd, const void *p, size_t n)
{
    const char *from = p;

    while (n > 0) {
        ssize_t put = write(fd, from, n);

        if (put < 0 && errno == EINTR)
            continue;
        if (put == 0)
            errno = EIO;
        if (put <= 0)
            return -1;
        from += put;
        n -= (size_t)put;
    }
    return 0;
}
