/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wish - images that a policy wants to be scanned: noted by whoever decides, taken by whoever
 * scans.
 *
 *     loops: wish_note(list, &wish) ----> [list] ----> wish_take(list, &wish) :who scans
 *                                    rings `ring` when there is one more
 *
 * One for a digest, however often it is noted. Those that somebody waits for are taken first; each
 * fourth that is taken is one that nobody waits for, if there is one. Who waits asks again every
 * few seconds, so that nothing is lost for good where the list is full and notes are dropped.
 *
 * The image's layers may still be on their way: what cannot be scanned yet is let go, and noted
 * again by who waits.
 *
 * Bounds:   WISH_MAX in the list, of which WISH_SHARE of one repository (N11).
 * Lock:     one, around the list; innermost; no ring and no I/O inside it.
 * Threads:  any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "oci/digest.h"

#define WISH_MAX      1024
#define WISH_SHARE    64
#define WISH_REPO_MAX 640

struct wish {
    struct digest digest;           /* sha256, of an image's manifest */
    bool someone_waits;             /* a pull does not go on without it */
    char repository[WISH_REPO_MAX]; /* canonical, with a NUL */
};

struct wish_list;

struct wish_list *wish_list_new(void);
void wish_list_free(struct wish_list *l); /* NULL is allowed */

/* Who takes them; before others note. ring() is called in the noting thread, may do no more than
 * wake somebody, and may come without need. */
void wish_list_ring(struct wish_list *l, void (*ring)(void *context), void *context);

/* False: it was dropped, the list is full or the repository has its share. */
bool wish_note(struct wish_list *l, struct sl repository, const struct digest *sha256,
               bool someone_waits);
bool wish_take(struct wish_list *l, struct wish *wish_r); /* false: there is none */
size_t wish_count(struct wish_list *l);
