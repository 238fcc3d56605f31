/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/reach_int.h"

#include <string.h>

static bool is(const struct reach_address *a, const struct sockaddr *address, socklen_t n)
{
    return a->n == n && n > 0 && memcmp(&a->address, address, n) == 0;
}

bool reach_avoids(const struct reach *r, const struct sockaddr *address, socklen_t n,
                  uint64_t now_ms)
{
    for (unsigned i = 0; i < REACH_MAX; i++) {
        if (is(&r->list[i], address, n) && now_ms < r->list[i].until_ms)
            return true;
    }
    return false;
}

void reach_note(struct reach *r, const struct sockaddr *address, socklen_t n, uint64_t now_ms)
{
    struct reach_address *a = &r->list[r->next % REACH_MAX];

    if (n == 0 || n > sizeof(a->address))
        return;
    for (unsigned i = 0; i < REACH_MAX; i++) {
        if (is(&r->list[i], address, n)) {
            r->list[i].until_ms = now_ms + REACH_MS;
            return;
        }
    }
    *a = (struct reach_address){.n = n, .until_ms = now_ms + REACH_MS};
    memcpy(&a->address, address, n);
    r->next++;
}

void reach_clear(struct reach *r)
{
    *r = (struct reach){.next = 0};
}
