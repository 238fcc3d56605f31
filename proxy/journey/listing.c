/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journey/listing.h"

#include <stddef.h>

void listing_init(struct listing *l, void (*free)(struct listing *l))
{
    atomic_init(&l->refs, 1);
    l->free = free;
}

struct listing *listing_ref(struct listing *l)
{
    atomic_fetch_add(&l->refs, 1);
    return l;
}

void listing_unref(struct listing *l)
{
    if (l != NULL && atomic_fetch_sub(&l->refs, 1) == 1)
        l->free(l);
}
