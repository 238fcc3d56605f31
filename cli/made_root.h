/* SPDX-License-Identifier: Apache-2.0 */
/*
 * made_root - a trusted root (trusted_root.json) that is written of single certificates and keys,
 * which other tools' policies name without one. They are trusted at any time, since those policies
 * say of none until when.
 *
 *     made_root_begin -> made_root_log..., then made_root_ca at most once -> made_root_end
 *
 * Ownership:  the text goes to the buf that begin was given.
 * Failure:    DENIED: no PEM of that kind.
 * Threads:    one.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

struct made_root {
    struct pg_buf *out;
    unsigned nlogs;
    bool has_ca;
};

void made_root_begin(struct made_root *r, struct pg_buf *out);
PG_MUST_USE int made_root_log(struct made_root *r, struct sl pem, struct pg_err *err);
/* The CA's certificates, the issuing one first, the root last. */
PG_MUST_USE int made_root_ca(struct made_root *r, struct sl pem, struct pg_err *err);
void made_root_end(struct made_root *r);
