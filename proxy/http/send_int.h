/* SPDX-License-Identifier: Apache-2.0 */
/* send_int - how conn.c drives a response; private to proxy/http. */
#pragma once

#include "proxy/http/send.h"

/* Goes on sending as far as it goes now. */
void send_run(struct conn *c);
void send_stalled(struct conn *c); /* the client did not read for too long */
void send_reset(struct conn *c);   /* ready for the next response */
