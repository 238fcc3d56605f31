/* SPDX-License-Identifier: Apache-2.0 */
/*
 * named - the tags that name a manifest in its repository (N02), since when they do (N08), and
 * whether the one that it is asked for by may be it: what the store knows, as facts.
 *
 * Ownership:  names are in the arena.
 * Failure:    `failed`, FACTS_RECORD_UNKNOWN, since 0: what cannot be read is not known.
 * Threads:    any. It reads the index.
 */
#pragma once

#include "proxy/admit/gate.h"

struct named {
    struct sl *all;
    size_t n;
    bool over, failed;
    int64_t since_s; /* since when the first of them names it */
};

/* Adds those that name d. */
void named_find(const struct gate_question *q, const struct digest *d, struct pg_arena *arena,
                struct named *n);
/* As facts.since_s; t: those that name d, where it is asked for by digest. */
int64_t named_since(const struct gate_question *q, struct sl tag, const struct digest *d,
                    const struct named *t);
/* Of f->tag: f->record and f->recorded. */
void named_record(const struct gate_question *q, const struct digest *d, struct facts *f);
