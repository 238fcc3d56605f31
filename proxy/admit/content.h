/* SPDX-License-Identifier: Apache-2.0 */
/*
 * content - what a manifest and its config say, as facts for policy: platform, labels, variables,
 * annotations, types. Both are known by their digest, so that nobody between here and the author
 * had a say; the author may have written anything.
 *
 * Strict where two readers could differ: members that differ from known ones by their case alone,
 * a label that is no text, a variable without a name are refused, and so is an image with them.
 *
 * Ownership:  texts are copied into the arena given.
 * Failure:    what cannot be read is `trouble` in the facts: no demand about it holds.
 * Threads:    any. Pure; milliseconds for the largest config.
 */
#pragma once

#include "base/arena.h"
#include "oci/manifest.h"
#include "policy/facts.h"

#define CONTENT_CONFIG_MAX ((size_t)4 << 20)
#define CONTENT_PAIRS_MAX  4096

/* Does a runtime take this for an image's config? */
bool content_is_image(struct sl config_type);

/* What has to be fetched for content_read(). 1: the config of it; 0: nothing. */
int content_plan(const struct manifest *m, struct digest *config_r, size_t *size_r);

struct content_input {
    const struct manifest *manifest; /* NULL: it is not here */
    struct sl config;                /* {NULL, 0}: it is not here, or not wanted */
    const char *trouble;             /* why it is not here */
    bool is_unknown;                 /* that was nobody's no: ask again */
};

const struct facts_content *content_read(const struct content_input *in, struct pg_arena *arena);
