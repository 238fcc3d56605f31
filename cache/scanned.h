/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scanned - what each source of scan results says of an image: bytes, by (digest, source), which
 * others write and read (proxy/admit/result). They are memos of the index.
 *
 *     scanned_change() --> writer --> merge(old) --> committed --> revision + 1, before it returns
 *
 * They outlive a restart, a kill, and the image's eviction, and go when its manifest is forgotten.
 * Losing the index loses them: the image is as good as not scanned then.
 *
 * Failure:    STORE_IO. A row that cannot be read is an error, and not "there is none".
 * Threads:    change: any but a loop's or the writer's: it waits for the commit. next: any; it
 *             reads the index, microseconds. revision: any.
 */
#pragma once

#include "base/buf.h"
#include "cache/index.h"
#include "cache/store.h"

#define SCANNED_SOURCE_MAX  40 /* bytes of a source's name */
#define SCANNED_SOURCES_MAX 16 /* of one digest; more are refused */
#define SCANNED_BYTES_MAX   ((size_t)512 << 10)

/* Lower case letters, digits, '.', '_', '-'; begins with a letter or a digit. */
bool scanned_is_source(struct sl name);

/* Makes the bytes anew out of the old ones; {NULL, 0}: there are none. In the writer's thread, may
 * be called twice. Bytes that stay empty are taken away. */
typedef int scanned_merge_fn(void *context, struct sl old, struct pg_buf *out, struct pg_err *err);

/* Results, and beside them the packages that were seen. */
enum scanned_what { SCANNED_RESULT, SCANNED_PACKAGES };

struct scanned_of {
    enum scanned_what what;
    struct digest sha256;
    struct sl source;
};

PG_MUST_USE int scanned_change(struct store *s, const struct scanned_of *of,
                               scanned_merge_fn *merge, void *context, struct pg_err *err);

struct scanned_row {
    struct sl source, bytes; /* in the map; they die with the view */
};

/* The first source after `after` ({NULL, 0}: the first), by name. 1, 0: there are no more, -1. */
int scanned_next(struct index_view *v, const struct digest *sha256, struct sl after,
                 struct scanned_row *r, struct pg_err *err);

/* The packages of one source: 1, 0, -1. */
int scanned_packages(struct index_view *v, const struct digest *sha256, struct sl source,
                     struct sl *bytes_r, struct pg_err *err);

/* Another number after each change of what is said of this digest: what was read before is to be
 * read again. It may be another one without reason. */
uint32_t scanned_revision(const struct digest *sha256);

/* For whoever forgets a manifest, in its transaction. */
struct index_txn;
PG_MUST_USE int scanned_forget(struct index_txn *txn, const struct digest *d, struct pg_err *err);
