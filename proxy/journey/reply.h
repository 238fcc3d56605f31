/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reply - what all answers share: head fields, conditional requests, the refusal, and the wait for
 * the last byte.
 *
 *     reply_begin(j, 200);
 *     send_field(...);  send_mem(...);
 *     return reply_go(j);                 the journey ends when it was sent
 *
 * reply_begin() is the one door that content leaves by: it checks that the verdict allows.
 * Only the refuse stage turns an error into an answer.
 *
 * Threads: the loop's.
 */
#pragma once

#include "proxy/http/send.h"
#include "proxy/journey/journey.h"

extern const struct rq_stage reply_refuse;

/* Any status that is no error. Writes the fields that every answer has. */
void reply_begin(struct journey *j, int status);
void reply_digest(struct journey *j, const struct digest *d); /* Docker-Content-Digest, ETag */
void reply_cache_status(struct journey *j);                   /* and Age */
PG_MUST_USE enum rq_next reply_go(struct journey *j);

/* A whole answer from memory that outlives the journey's end: body is in the arena, in j->held or
 * in j->body. */
PG_MUST_USE enum rq_next reply_json(struct journey *j, struct sl body);

/* Do the If-None-Match lines name this digest as an ETag, or *? */
bool reply_is_known(const struct journey *j, const struct digest *d);
/* Is there a Range that counts: a GET, and an If-Range, if any, that is this digest's ETag? */
struct sl reply_range(const struct journey *j, const struct digest *d);
/* Do the Accept lines, if there are any, admit the type? */
bool reply_is_accepted(const struct journey *j, struct sl type);
