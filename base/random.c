/* SPDX-License-Identifier: Apache-2.0 */
#include "base/random.h"

#include <errno.h>
#include <sys/random.h>

#include "base/check.h"

void pg_random_bytes(void *p, size_t n)
{
    unsigned char *at = p;

    while (n > 0) {
        ssize_t got = getrandom(at, n, 0);

        if (got < 0 && errno == EINTR)
            continue;
        PG_CHECK(got > 0);
        at += got;
        n -= (size_t)got;
    }
}

uint64_t pg_random_u64(void)
{
    uint64_t v;

    pg_random_bytes(&v, sizeof(v));
    return v;
}
