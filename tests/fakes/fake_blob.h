/* SPDX-License-Identifier: Apache-2.0 */
/* A blob whose chunks are checked when the test says so. */
#pragma once

#include <stdatomic.h>

#include "cache/blob.h"

extern _Atomic uint64_t fake_blob_checked; /* bytes from the first on that may be sent */
extern atomic_int fake_blob_checks;        /* started and not ended */
extern atomic_int fake_blob_open;          /* references given out and not back */

/* Bytes are those of fd, which the blob takes over. */
struct blob *fake_blob_new(int fd, uint64_t size);
struct blob *fake_blob_ref(struct blob *b);

/* Any thread: the check under way ends, well or not. */
void fake_blob_check_ends(uint64_t checked, bool failed);
