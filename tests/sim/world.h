/* SPDX-License-Identifier: Apache-2.0 */
/*
 * world - what upstream has, and what is known of what the store must have.
 *
 * A handful of blobs, of images that name them, and of indexes that name images; two repositories
 * with two tags each. All follow from the seed, so that each life of the store (the processes of
 * one seed) has the same.
 *
 * Of each fact (a link, a tag) the model keeps which values it may have: all that were written
 * since it was last known for sure. A crash may leave any of them, never another. It outlives the
 * processes: it is in memory that they share.
 */
#pragma once

#include "base/slice.h"
#include "oci/digest.h"
#include "oci/manifest.h"

#define WORLD_BLOBS   9
#define WORLD_IMAGES  5 /* the last is an index of two others */
#define WORLD_OBJECTS (WORLD_BLOBS + WORLD_IMAGES)
#define WORLD_REPOS   2
#define WORLD_TAGS    2
#define WORLD_ABSENT  31 /* a value of a fact */
#define WORLD_UNKNOWN (-1)

struct world_object {
    struct sl bytes;
    struct digest digest;
    unsigned nnamed, named[4]; /* of a manifest: objects */
};

struct world_fact {
    uint32_t may; /* a bit for each value */
    int last;     /* as written last, or WORLD_UNKNOWN when more than one may win */
};

struct world_model {
    uint64_t seed;
    unsigned life;
    bool is_tight;              /* it evicts: nothing is there for sure */
    bool has_faults;            /* I/O may fail */
    bool has_uncached;          /* what cannot be kept goes through memory */
    bool lost_index;            /* in this life, or before */
    bool has_rotted;            /* the disk changed a file by itself, and nobody has looked since */
    bool stored[WORLD_OBJECTS]; /* durable, and nobody has taken it away */
    struct world_fact links[WORLD_REPOS][WORLD_OBJECTS]; /* value 0: it is there */
    struct world_fact tags[WORLD_REPOS][WORLD_TAGS];     /* the object */
    /* What happened, of all seeds: a simulation in which nothing happens finds nothing. */
    uint64_t whole, cut, hits, joined, refused, wrong, evicted, purged, crashes, lives, faults;
};

extern struct world_object world[WORLD_OBJECTS];
extern struct world_model *model;

void world_make(uint64_t seed);
struct sl world_repo(unsigned repo);
struct sl world_tag(unsigned tag);
bool world_is_manifest(unsigned object);
struct sl world_text(unsigned object, char out[DIGEST_TEXT_MAX]); /* its digest */

void world_forget_all(void); /* a new store: nothing is there */
void world_write(struct world_fact *f, int value);
void world_may_be(struct world_fact *f, int value);                 /* beside what it may be */
void world_look(struct world_fact *f, int value, const char *what); /* is it one that may be? */
void world_settle(struct world_fact *f, int value);                 /* it is durably so */
void world_doubt(
    void); /* a crash, or an I/O that failed: what was written last may not have lasted */
bool world_is_surely(const struct world_fact *f, int value);
