/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fd - descriptors that close themselves, and reads and writes that finish.
 *
 *     _fd_ int fd = open(...);        closed when it leaves scope
 *     *fd_r = TAKE_FD(fd);            handed on
 *
 * For synchronous code only, never across a wait. EINTR is handled. Threads: any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/check.h"

void pg_fd_close(int *fd); /* closes when >= 0, sets -1; keeps errno */
#define _fd_ __attribute__((cleanup(pg_fd_close)))
#define TAKE_FD(fd)                                                                                \
    __extension__({                                                                                \
        int taken_ = (fd);                                                                         \
        (fd) = -1;                                                                                 \
        taken_;                                                                                    \
    })

void pg_fd_free(void *p); /* free(*(void **)p) */
#define _free_ __attribute__((cleanup(pg_fd_free)))

/* All n bytes, or -1 with errno; the end of the file before them is EIO. */
PG_MUST_USE int pg_fd_pread(int fd, void *p, size_t n, uint64_t at);
PG_MUST_USE int pg_fd_pwrite(int fd, const void *p, size_t n, uint64_t at);
PG_MUST_USE int pg_fd_write(int fd, const void *p, size_t n);
