/* SPDX-License-Identifier: Apache-2.0 */
/*
 * address - an IP address and a port as text: "127.0.0.1:5000", "[::1]:5000"; which are
 * ours. Names are not resolved. Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/check.h"
#include "base/slice.h"

PG_MUST_USE int address_parse(struct sl text, struct sockaddr_storage *address_r);

/* A host of an upstream's URL, when it is an IP address or localhost (taken as 127.0.0.1). */
PG_MUST_USE int address_parse_host(struct sl host, uint16_t port,
                                   struct sockaddr_storage *address_r);

/* Would connecting to `to` reach a listener bound to `listener`? Asks for this machine's addresses
 * when the listener is bound to all. */
bool address_reaches(const struct sockaddr_storage *to, const struct sockaddr_storage *listener);
