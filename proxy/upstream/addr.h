/* SPDX-License-Identifier: Apache-2.0 */
/*
 * addr - which socket addresses may be connected to on behalf of an upstream's word: its name, its
 * redirects, its token realm. Asked about the sockaddr itself, when the socket is made: names that
 * change between two lookups, odd ways to write an address and literals all end here.
 * Pure; any thread.
 */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

/* True for a public unicast address of IPv4 or IPv6 that embeds no other one. */
bool addr_is_public(const struct sockaddr *sa, socklen_t n);

/* For an upstream that may be private: true but for what is no place of a registry, whoever says
 * so. Link local addresses, where clouds hand out credentials, those of their IPv6 metadata
 * services, "this host", multicast and reserved ones, embedded or not. */
bool addr_is_host(const struct sockaddr *sa, socklen_t n);

/* The same of a URL's host where somebody else, a proxy, makes the connection: false for an address
 * in letters that would be denied, and for localhost. What a name stands for nobody knows here. */
bool addr_may_name(const char *host, bool allow_private);
