/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pem - RFC 7468, strict: blocks one after the other, with nothing but white space between them,
 * no headers inside, base64 in lines.
 *
 * Ownership:  what is decoded belongs to the arena; labels are slices into the text.
 * Threads:    pure.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

#define PEM_CERTIFICATE SL("CERTIFICATE")
#define PEM_PUBLIC_KEY  SL("PUBLIC KEY")
#define PEM_CRL         SL("X509 CRL")

/* 1: takes the next block off *text; 0: nothing is left but white space; -1: neither, DENIED with
 * what is wrong, and *text starts where it is. */
PG_MUST_USE int pem_next(struct sl *text, struct pg_arena *arena, struct sl *label_r,
                         struct sl *der_r, struct pg_err *err);
/* text is one block of this label, and nothing else. */
PG_MUST_USE int pem_only(struct sl text, struct sl label, struct pg_arena *arena, struct sl *der_r,
                         struct pg_err *err);
