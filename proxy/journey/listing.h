/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listing - what a list of upstream's (tags, referrers) is counted by; embedded in it.
 *
 * Ownership:  counted; listing_init() gives the first reference, and the last unref frees the list
 *             by free().
 * Threads:    any.
 */
#pragma once

#include <stdatomic.h>

struct listing {
    atomic_uint refs;
    void (*free)(struct listing *l);
};

void listing_init(struct listing *l, void (*free)(struct listing *l));
struct listing *listing_ref(struct listing *l);
void listing_unref(struct listing *l); /* NULL is allowed */
