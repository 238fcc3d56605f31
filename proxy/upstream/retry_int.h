/* SPDX-License-Identifier: Apache-2.0 */
/*
 * retry - what a failure was, and so what is worth trying: another of the upstream's URLs at once,
 * the same again after a moment, or nothing. One table for all that is asked.
 * Threads: any; pure but for the jitter.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum retry_cause {
    RETRY_FINE,
    RETRY_UNKNOWN, /* it says that it does not have it */
    RETRY_REFUSED, /* by a breaker of ours: nothing was asked */
    RETRY_ABSENT,  /* no name, no connection */
    RETRY_GONE,    /* nobody says even that: connecting took too long */
    RETRY_BROKEN,  /* the connection ended too early */
    RETRY_SILENT,  /* connected, and then nothing for too long */
    RETRY_SERVER,  /* an error of the server */
    RETRY_LATER,   /* it asks for patience, or its token server is down */
    RETRY_TLS,     /* no secure connection */
    RETRY_WRONG,   /* an answer that cannot be right */
    RETRY_OURS,    /* our own doing: the disk, the end */
    RETRY_CAUSES,
};

enum retry_of { RETRY_QUESTION, RETRY_BLOB };

unsigned retry_times(enum retry_cause cause, enum retry_of what); /* how often again */
bool retry_elsewhere(enum retry_cause cause);                     /* may another URL do better? */
uint64_t retry_wait_ms(enum retry_of what,
                       unsigned nth); /* before again no. 1, 2, ..; with jitter */
