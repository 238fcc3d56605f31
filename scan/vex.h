/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vex - what somebody says of a vulnerability in a product: OpenVEX 0.2. Whether that somebody may
 * say so is not decided here.
 *
 * A statement is about an image if it names its digest (pkg:oci/...@sha256:..., or a hash); with
 * subcomponents, about those packages in it; or about a package by its URL, wherever that is.
 * Names without a digest or version are about nothing. Of several statements the newest holds, and
 * of two of the same time the later one in the file.
 *
 * Ownership:  all lives in the arena, which outlives the vex; vex_free() frees its index.
 * Failure:    UPSTREAM_WRONG with what is wrong; nothing is read of a document with a mistake.
 * Threads:    any. Pure.
 */
#pragma once

#include "oci/digest.h"
#include "scan/alias.h"
#include "scan/purl.h"

#define VEX_BYTES_MAX      ((size_t)8 << 20)
#define VEX_STATEMENTS_MAX 5000
#define VEX_PRODUCTS_MAX   1000 /* of one statement; as many subcomponents of each */
#define VEX_ARENA_BYTES    ((size_t)64 << 20)

enum vex_status { VEX_SILENT, VEX_NOT_AFFECTED, VEX_AFFECTED, VEX_FIXED, VEX_INVESTIGATED };

struct vex_thing {
    struct purl purl; /* without a type: it has none */
    struct digest digest;
    bool has_digest;
};

struct vex_product {
    struct vex_thing thing;
    const struct vex_thing *parts;
    size_t nparts;
};

struct vex_statement {
    struct alias_list names;
    enum vex_status status;
    struct sl justification, impact; /* may be absent */
    struct sl author;
    int64_t said_s;
    const struct vex_product *products;
    size_t nproducts;
};

struct vex {
    struct sl id, author;
    int64_t said_s;
    const struct vex_statement *statements;
    size_t nstatements;
    struct alias_index names;
};

struct vex_question {
    struct sl id;
    const struct alias_list *aliases;
    const struct purl *purl;     /* of the package in which it is; NULL: not known */
    const struct digest *digest; /* of the image; NULL: not known */
};

PG_MUST_USE int vex_read(struct sl bytes, struct pg_arena *arena, struct vex *vex_r,
                         struct pg_err *err);
void vex_free(struct vex *v);

/* The newest statement about it, or NULL. */
const struct vex_statement *vex_find(const struct vex *v, const struct vex_question *q);
const char *vex_status_word(enum vex_status status); /* "not_affected" */
