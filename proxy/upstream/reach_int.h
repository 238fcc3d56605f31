/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reach - addresses of one URL's host that were silent when a connection was tried lately. The next
 * connections begin with its other addresses, and do not wait for the same silence again.
 *
 * Bounds:   REACH_MAX, the oldest goes first; each is tried again after REACH_MS.
 * Threads:  confined; pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define REACH_MAX       8
#define REACH_MS        60000
#define REACH_SILENT_MS 400 /* that another address was tried after it, says that it was silent */

struct reach_address {
    struct sockaddr_storage address;
    socklen_t n; /* 0: none */
    uint64_t until_ms;
};

struct reach {
    struct reach_address list[REACH_MAX];
    unsigned next;
};

bool reach_avoids(const struct reach *r, const struct sockaddr *address, socklen_t n,
                  uint64_t now_ms);
void reach_note(struct reach *r, const struct sockaddr *address, socklen_t n, uint64_t now_ms);
void reach_clear(struct reach *r); /* there is no other */
