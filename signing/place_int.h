/* SPDX-License-Identifier: Apache-2.0 */
/*
 * place - where in a JSON text a value stands, for who has the tree and has to say where it is
 * wrong. The path from the root is kept while the tree is walked.
 *
 * Threads:    pure; names are borrowed.
 */
#pragma once

#include <stdbool.h>

#include "base/check.h"
#include "base/slice.h"

#define PLACE_DEPTH_MAX 8

struct place {
    struct {
        const char *name; /* NULL: an element of a list */
        size_t index;
    } at[PLACE_DEPTH_MAX];
    unsigned depth;
};

void place_enter(struct place *p, const char *name);
void place_enter_index(struct place *p, size_t index);
void place_leave(struct place *p);

/* The rest of json from the value on; json is valid. Where a part of the path is not there, what it
 * would be in. */
struct sl place_find(const struct place *p, struct sl json);
