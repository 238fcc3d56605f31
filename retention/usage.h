/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage - what takes the room: images become sums, of all and by upstream, namespace and team.
 *
 * An object that is stored counts once in each sum that names it, however many images do. `unique`
 * is what no other row of the same table names, and so what would come free with it. `apart` is
 * what the images would take if each had its layers to itself. What came lately is known from when
 * the first image that names an object was first seen: what has gone since then is not in it.
 *
 * Ownership:  usage_make() to usage_free(); the images outlive it.
 * Threads:    one. Pure: no clock, no file.
 */
#pragma once

#include "base/arena.h"
#include "retention/image.h"

#define USAGE_WEEKS  12
#define USAGE_WEEK_S ((int64_t)7 * 86400)

enum usage_by { USAGE_UPSTREAM, USAGE_NAMESPACE, USAGE_TEAM, USAGE_TABLES };

struct usage_sum {
    struct sl name; /* "": of no team */
    uint64_t manifests;
    uint64_t objects, bytes; /* stored */
    uint64_t unique;         /* bytes */
    uint64_t apart;          /* bytes */
    uint64_t duplicates;     /* objects that need not be stored again */
    uint64_t week;           /* bytes that came within USAGE_WEEK_S */
};

struct usage_table {
    struct usage_sum *rows; /* the largest first */
    size_t n;
};

struct usage {
    struct pg_arena arena;
    struct usage_sum all;
    size_t repositories;
    struct usage_table tables[USAGE_TABLES];
    uint64_t weeks[USAGE_WEEKS]; /* bytes that came in each, the newest first */
    int64_t oldest_s;            /* when the first came; 0: not known */
};

/* team: the label, or annotation, that names whose an image is. */
void usage_make(const struct image *images, size_t n, struct sl team, int64_t now_s,
                struct usage *u_r);
void usage_free(struct usage *u);

const char *usage_word(enum usage_by by); /* "upstream" */
