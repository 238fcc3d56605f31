/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay - what a server and its heir say to each other, over a socket between the two.
 *
 *     server                                heir
 *       LISTENER (a socket)* LISTENERS -->    takes them over, reads its configuration
 *                                   <-- PREPARED    or REFUSES (why)
 *       lets go of the store: STORE  -->    opens it
 *                                   <-- SERVES      or REFUSES (why)
 *       ends when its clients are served
 *
 * A message is one datagram of one size, and with LISTENER a descriptor. That the other side has
 * ended is seen by relay_recv() returning RELAY_GONE.
 *
 * Failure:  a message of another version, or that is none: relay_recv() -1.
 * Threads:  main.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "proxy/http/socket.h"

#define RELAY_TEXT_MAX 512

enum relay_what {
    RELAY_GONE,
    RELAY_LISTENER,  /* fd, asked, text: its path, is_passed */
    RELAY_LISTENERS, /* these were all */
    RELAY_PREPARED,
    RELAY_STORE,
    RELAY_SERVES,  /* pid */
    RELAY_REFUSES, /* text */
};

struct relay_message {
    uint32_t version;
    uint32_t what; /* enum relay_what */
    int32_t pid;
    uint32_t is_passed;
    char asked[SOCKET_BOUND_MAX];
    char address[SOCKET_BOUND_MAX];
    char text[RELAY_TEXT_MAX];
};

/* The two ends; close-on-exec. */
PG_MUST_USE int relay_open(int ends_r[2], struct pg_err *err);

/* fd: -1, or what goes with it. False: the other side is gone, as receiving will show. */
bool relay_send(int to, const struct relay_message *m, int fd);
bool relay_say(int to, enum relay_what what, const char *text);

/* Waits for at most wait_ms. 1: *m_r, and *fd_r, which is the caller's (-1: none came), 0: nothing
 * came, -1: *err. */
PG_MUST_USE int relay_recv(int from, int wait_ms, struct relay_message *m_r, int *fd_r,
                           struct pg_err *err);
