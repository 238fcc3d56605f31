/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/uncached.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "base/fault.h"
#include "base/fd.h"
#include "cache/gc.h"

#define COPY_BYTES ((size_t)256 * 1024)

bool uncached_has_disk(struct store *s, uint64_t nbytes)
{
    uint64_t reserve = atomic_load(&s->config.reserve_bytes);
    struct pg_err ignored = {0};
    struct gc_room room;
    bool ok = gc_room(s, nbytes, &room, &ignored) == 0 && nbytes <= room.avail &&
              reserve <= room.avail - nbytes;

    pg_err_clear(&ignored);
    return ok;
}

static bool take(struct store *s, uint64_t size)
{
    uint64_t now = atomic_load(&s->uncached), max = s->config.uncached_bytes;

    do {
        if (max == 0 || size > max || now > max - size)
            return false;
    } while (!atomic_compare_exchange_weak(&s->uncached, &now, now + size));
    return true;
}

void uncached_give_back(struct store *s, uint64_t size)
{
    (void)atomic_fetch_sub(&s->uncached, size);
}

static bool copy(int from, int to, uint64_t have)
{
    char *p = malloc(COPY_BYTES);
    bool ok = true;

    PG_CHECK(p != NULL);
    for (uint64_t at = 0; at < have && ok;) {
        size_t n = have - at < COPY_BYTES ? (size_t)(have - at) : COPY_BYTES;

        ok = !PG_FAULT("uncached.copy") && pg_fd_pread(from, p, n, at) == 0 &&
             pg_fd_pwrite(to, p, n, at) == 0;
        at += n;
    }
    free(p);
    return ok;
}

bool uncached_take(struct store *s, int from, uint64_t have, uint64_t size, int *fd_r)
{
    _fd_ int fd = -1;

    PG_CHECK(have <= size);
    if (!take(s, size))
        return false;
    fd = PG_FAULT("uncached.memfd") ? -1 : memfd_create("pullgate-uncached", MFD_CLOEXEC);
    if (fd < 0 || !copy(from, fd, have)) {
        uncached_give_back(s, size);
        return false;
    }
    *fd_r = TAKE_FD(fd);
    return true;
}
