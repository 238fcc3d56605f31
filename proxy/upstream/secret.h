/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret - what an upstream gave us to show who we are, in one of three forms:
 *
 *   LOGIN    a user and a password: Basic, at the registry or at its token server
 *   REFRESH  an identity token, which a token server exchanges for tokens. The user is "" or, where
 *            a server also takes the token as a password (Azure), the one to name with it
 *   BEARER   a token for the registry itself; no token server is asked
 *
 * Whoever keeps secrets knows them by these conventions of docker: the user "<token>" stands before
 * an identity token, and so does the user of 32 zeros, which is Azure's.
 *
 * Ownership:  secret_clear() overwrites and frees the texts.
 * Failure:    -1 and *why: a few words that hold nothing of the secret. Refused: a colon or a
 *             control character in a user, zero bytes, what is empty or above SECRET_TEXT_MAX, and
 *             in a BEARER all that no header can hold. A password may have several lines: keys do.
 * Threads:    any; pure.
 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"

#define SECRET_TEXT_MAX   ((size_t)16384)
#define SECRET_HEADER_MAX ((size_t)65536) /* of secret_put_basic() */

enum secret_kind { SECRET_NONE, SECRET_LOGIN, SECRET_REFRESH, SECRET_BEARER };

struct secret {
    enum secret_kind kind;
    char *user, *text; /* text: the password, or the token */
};

/* From {0}. A user and what belongs to him: LOGIN, or REFRESH by the conventions. */
PG_MUST_USE int secret_take(struct secret *s, struct sl user, struct sl text, const char **why);
/* One that is known to be of that kind. */
PG_MUST_USE int secret_take_as(struct secret *s, enum secret_kind kind, struct sl user,
                               struct sl text, const char **why);
void secret_clear(struct secret *s);                      /* back to {0} */
void secret_move(struct secret *to, struct secret *from); /* clears what was in *to */
bool secret_eq(const struct secret *a, const struct secret *b);

/* "Authorization: Basic ..."; header is of SECRET_HEADER_MAX and ended by secret_wipe(). */
void secret_put_basic(const struct secret *s, struct pg_buf *header);
void secret_wipe(struct pg_buf *b); /* instead of pg_buf_free(), for whatever held a secret */
