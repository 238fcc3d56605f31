/* SPDX-License-Identifier: Apache-2.0 */
/*
 * warm - images fetched into a running server's store: a client that asks for all that an image
 * names and looks at none of it.
 *
 *     image --> manifest --> [children of the platforms wanted] --> configuration, layers
 *
 * Of a blob the first byte is asked for. No answer is completed before the whole digest matched, a
 * range's neither: so it ends when the blob is here, and at once when it was. What fails for a
 * reason that may pass is tried again, WARM_TRIES times in all.
 *
 * Ownership:  warm_new() to warm_free(); the control stays the caller's.
 * Failure:    of an object or image: told by an event, and the rest goes on. warm_run() is -1 when
 *             the server is not there.
 * Threads:    one.
 */
#pragma once

#include <stdint.h>

#include "base/slice.h"
#include "cli/control.h"

#define WARM_AT_A_TIME 6
#define WARM_TRIES     4

enum warm_result { WARM_HIT, WARM_FETCHED, WARM_FAILED };

struct warm_object {
    const char *ref; /* the image's, as given */
    bool is_manifest;
    struct sl digest; /* or tag, where the digest is not known */
    uint64_t bytes;
    enum warm_result result;
    const char *why; /* FAILED */
};

struct warm_image {
    const char *ref;
    struct sl digest; /* empty: it was not found */
    uint64_t objects, failed, bytes, fetched_bytes;
};

struct warm_sum {
    uint64_t images, images_done, images_failed, objects, objects_done, bytes, fetched_bytes;
};

struct warm_listener {
    void (*on_object)(void *owner, const struct warm_object *o);
    void (*on_image)(void *owner, const struct warm_image *i);
    void (*on_progress)(void *owner, const struct warm_sum *sum); /* now and then */
    void *owner;
};

struct warm;

/* platforms: "linux/amd64,linux/arm64", or "all". */
struct warm *warm_new(const struct control *control, const char *platforms,
                      const struct warm_listener *listener);
void warm_free(struct warm *w);

void warm_add(struct warm *w, struct sl ref);
PG_MUST_USE int warm_run(struct warm *w, struct warm_sum *sum_r);
