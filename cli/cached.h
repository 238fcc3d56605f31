/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cached - an image and what is said about it, as a server has or fetches it: the server is asked
 * first, over its control socket, so that what is not here comes from upstream; what it does not
 * give (an image that policy denies, an upstream that is down) is looked for in its store, which is
 * opened to look only. Where no server answers there is the store alone.
 *
 * What came from either is compared with its digest by the exam; a tag is believed as the server
 * would believe it.
 *
 * Ownership:  cached_open() to cached_close(), also after a failure. args and config outlive it.
 * Failure:    -1 with a sentence.
 * Threads:    main; cached_open() before there are others.
 */
#pragma once

#include "cli/command.h"
#include "cli/config.h"
#include "cli/source.h"

struct cached;

/* image: as a client names it behind the proxy; with a tag, a digest, or neither (latest). */
PG_MUST_USE int cached_open(const struct command_args *args, const struct config *config,
                            const char *image, struct cached **c_r, struct pg_err *err);
void cached_close(struct cached *c); /* NULL is allowed */

/* Its manifest, as upstream's or the store's word for the tag is. */
PG_MUST_USE int cached_find(struct cached *c, struct digest *digest_r, struct pg_err *err);

struct sl cached_repository(const struct cached *c); /* canonical */
struct sl cached_tag(const struct cached *c);        /* {NULL, 0}: by digest */
struct source cached_source(struct cached *c);
