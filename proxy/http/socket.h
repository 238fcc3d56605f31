/* SPDX-License-Identifier: Apache-2.0 */
/*
 * socket - listening sockets: bound here, or passed by systemd.
 *
 *     127.0.0.1:5000, [::1]:5000     a literal address and a port; 0: the kernel picks one
 *     unix:/path, /path              a unix socket of that mode and owner; one that a dead process
 *                                    left behind is replaced, a living one is not
 *     systemd:name                   passed, with FileDescriptorName=name
 *
 *     (any of them)                  left by the process whose heir we are, under the same address
 *
 * A socket that was passed and is bound to an address that is asked for is taken in place of
 * binding (LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES; sd_listen_fds(3)).
 *
 * Failure:    STORE_IO naming the address and what to do ("the address is in use").
 * Threads:    main, while it is alone: the mode of a unix socket is made by the umask, and the
 *             environment is read.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/check.h"
#include "base/err.h"

#define SOCKET_BOUND_MAX 128

struct socket_want {
    const char *address;
    unsigned mode;     /* of a unix socket */
    const char *owner; /* of a unix socket: "user", "user:group", ":group"; NULL: who runs this */
};

struct socket_bound {
    int fd;                         /* listening, non-blocking, close-on-exec */
    bool is_passed;                 /* systemd has it too: it is not shut down, nor unlinked */
    char address[SOCKET_BOUND_MAX]; /* as it was given, with its real port */
    char path[108];                 /* of a unix socket bound here; else "" */
    char asked[SOCKET_BOUND_MAX];   /* the address that was asked for */
};

/* The caller owns bound_r->fd. */
PG_MUST_USE int socket_open(const struct socket_want *want, struct socket_bound *bound_r,
                            struct pg_err *err);

/* Takes over what systemd passed; to be called once, before any socket is opened and before
 * anything is started that would inherit them. */
PG_MUST_USE int socket_take_passed(struct pg_err *err);
/* Takes over one that a predecessor had. It is closed when it cannot be. */
PG_MUST_USE int socket_inherit(const struct socket_bound *bound, struct pg_err *err);
/* Closes, and tells the log of, what was passed and nobody asked for. */
void socket_close_unused(void);

PG_MUST_USE int socket_find_owner(const char *owner, uid_t *uid_r, gid_t *gid_r,
                                  struct pg_err *err);
