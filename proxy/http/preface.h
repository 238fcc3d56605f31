/* SPDX-License-Identifier: Apache-2.0 */
/*
 * preface - the header of the PROXY protocol, version 1 or 2, with which a load balancer says whose
 * connection it passes on.
 *
 * Not a byte behind it may be read, since TLS may begin there: preface_takes() says how much of
 * what is there belongs to it.
 *
 * Version 1 is at most 107 bytes; version 2 at most PREFACE_MAX. Its TLVs are skipped: we believe
 * none of them. LOCAL, UNKNOWN, UNSPEC and unix addresses say nothing of the client: then it is
 * whoever connected.
 *
 * Failure:    BAD_FRAMING; the connection is closed.
 * Threads:    pure; any.
 */
#pragma once

#include "base/err.h"
#include "base/ip.h"
#include "base/slice.h"

#define PREFACE_MAX 4096

struct preface {
    bool has_address;
    struct pg_ip ip;
    uint16_t port;
};

/* Of the bytes that can be read now, behind those already read: how many belong to it. At least 1
 * of at least 1. */
size_t preface_takes(struct sl have, struct sl fresh);

/* bytes: all so far, and none that is behind it. 1 complete, 0 more are needed, -1 refused. */
PG_MUST_USE int preface_feed(struct sl bytes, struct preface *p_r, struct pg_err *err);
