/* SPDX-License-Identifier: Apache-2.0 */
/*
 * partial - what is half here: partial/<alg>-<hex>, the contiguous prefix of a blob whose download
 * broke off, or is under way. The name says which blob it is and the length how far it is, so that
 * it needs no record of its own; that its bytes are the right ones is found by hashing them.
 *
 * While it comes over several connections there are bytes beyond that prefix. Then a mark behind
 * the blob's end says how long the prefix is, and whoever opens the file next cuts it to that. A
 * blob whose own bytes look like a mark loses what was kept of it, no more.
 *
 * One fill at a time works on a partial: it holds the claim of that digest. Others that would
 * remove a partial (eviction, recovery) claim it first, and leave alone what is claimed.
 *
 * store->partial_bytes counts the bytes of all partials: partial_recover() finds what was there at
 * the start, the fill adds what it writes, and partial_drop() takes off what it removes.
 *
 * Failure:    STORE_IO; that the disk is full is said in so many words, and sets store->degraded.
 * Threads:    any. One lock, around the claims: innermost, no I/O inside it.
 */
#pragma once

#include <sys/stat.h>

#include "base/err.h"
#include "cache/store.h"
#include "oci/digest.h"

#define PARTIAL_NAME_MAX DIGEST_TEXT_MAX

struct partial_table;

struct partial_table *partial_table_new(void);        /* by store_open(), as store->partials */
void partial_table_free(struct partial_table *table); /* no claim may be left; NULL is allowed */

/* "sha256-<hex>" and a NUL. Returns out. */
const char *partial_name(const struct digest *d, char out[PARTIAL_NAME_MAX]);

/* True: the caller is the only one now, until partial_release(). */
PG_MUST_USE bool partial_claim(struct store *s, const struct digest *d);
/* As partial_claim(), but waits for another's claim to end: that of an eviction, which lasts as
 * long as removing one file. For pool threads. */
void partial_claim_wait(struct store *s, const struct digest *d);
void partial_opened(struct store *s); /* after partial_claim_wait(): its file has been opened */
void partial_release(struct store *s, const struct digest *d);
unsigned partial_claims(struct store *s); /* held now, by all */
bool partial_is_claimed(struct store *s, const struct digest *d);

/* Between the two nobody opens a partial: partial_claim_wait() waits, and hold waits for those who
 * have claimed one and not opened it yet. */
void partial_hold(struct store *s);
void partial_go_on(struct store *s);

/* -1, or, while store->partial_fd is a folder of our own in it, partial/ itself: cache/handover. */
int *partial_shared(struct store *s);

/* It is in the store as a whole. */
bool partial_is_done(struct store *s, const struct digest *d);

/* Opens for reading and writing, creating it when it is not there. *have_r: the bytes in it, by
 * their length alone. One that is longer than size, or no regular file, is begun afresh. The
 * caller holds the claim. */
PG_MUST_USE int partial_open(struct store *s, const struct digest *d, uint64_t size, int *fd_r,
                             uint64_t *have_r, struct pg_err *err);

/* Removes it, if it is there. The caller holds the claim. May take a while: not on a loop. */
void partial_drop(struct store *s, const struct digest *d);

/* Removes partials that nobody works on, the longest unused first, until at least nbytes are
 * freed; returns how many were. For eviction. */
uint64_t partial_evict(struct store *s, uint64_t nbytes);

/* Writes the mark: `have` bytes of a blob of `size` are here in order. -1 with errno. */
#define PARTIAL_MARK_BYTES 32
PG_MUST_USE int partial_mark(int fd, uint64_t size, uint64_t have);
/* Cuts the file of that name, whose stat is *st, to what its mark says, if it has one. */
void partial_settle(int dir_fd, const char *name, struct stat *st);

/* Blobs of so many bytes come, or do not any more, that nobody has asked for yet. How many bytes
 * all of them have now. */
uint64_t partial_promise(struct store *s, uint64_t nbytes);
uint64_t partial_promise_end(struct store *s, uint64_t nbytes);

/* Takes nbytes off store->partial_bytes: they were published, or their file is gone. */
void partial_take_off(struct store *s, uint64_t nbytes);

/* At the start, before anything else uses the store: counts what is there, removes what is no
 * partial and those of blobs that have a row. The index is open. */
PG_MUST_USE int partial_recover(struct store *s, struct pg_err *err);

/* After files were adopted: removes the partials of those, but for those that somebody works on. */
void partial_sweep(struct store *s);

/* Whose partial a file of this name is; false: nobody's. */
bool partial_name_parse(const char *name, struct digest *d_r);

/* Fills *err for an operation on the disk that failed with errno value `code`, counts it, and
 * when the disk is full says so and sets store->degraded. Returns -1. */
int partial_disk_error(struct store *s, int code, const char *doing, struct pg_err *err);
