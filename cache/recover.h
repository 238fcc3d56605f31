/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recover - after a start, in the background: makes the rows and the files agree again, however
 * the last process ended.
 *
 *     damaged rows are removed --> rows without a matching file are dropped --> files without a
 *     row are verified and adopted, or go to quarantine/ --> manifests get back their rows and
 *     links, as far as the journal knows of them
 *
 * Serving does not wait for it: blob_open() looks at the file of every row that it opens. A file
 * that is adopted gives no right: who may read it is said by links, and those come from the
 * journal or from upstream.
 *
 * Threads:  new, free: store_open() and store_close(). wait: any.
 */
#pragma once

#include <stdbool.h>

struct store;
struct recover;

/* Starts the thread. index_is_lost: the tables are empty and the files are not. */
struct recover *recover_new(struct store *s, bool index_is_lost);
void recover_wait(struct recover *r); /* until it is over; store->recovered is set then */
void recover_free(struct recover *r); /* ends it, early if need be; NULL is allowed */
