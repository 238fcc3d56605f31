/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire - an entry of the audit log as receivers elsewhere get it: the log's own JSON with one more
 * member in front, "id", by which they know one that comes twice. It is the hash of the chain, so
 * that no two entries share it, whatever log they are of.
 *
 *     {"id":"<64 digits>","seq":12,"time":...}
 *
 * As syslog (RFC 5424) that is the message, behind a head with time, kind and severity; messages
 * are counted in octets (RFC 5425, RFC 6587):
 *
 *     <length> <110>1 2026-01-31T12:00:00.000Z HOST pullgate - decision [meta sequenceId="12"]
 * {...}
 *
 * A head of the log has "head-" in front of the hash that it signs.
 *
 * Failure:  -1: json is no entry; nothing is put.
 * Threads:  any; pure.
 */
#pragma once

#include "audit/entry.h"

#define WIRE_MAX      (ENTRY_LINE_MAX + 1024) /* of one, in either form */
#define WIRE_HOST_MAX 255

struct wire_record {
    struct sl id, json; /* digits of the chain; the entry's text */
};

/* With a line's end. */
PG_MUST_USE int wire_put_json(const struct wire_record *r, struct pg_buf *out);
/* host: what is not printable ASCII becomes '-'. */
PG_MUST_USE int wire_put_syslog(const struct wire_record *r, const char *host, struct pg_buf *out);
