/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token - Bearer tokens of one upstream identity, one for each scope, fetched once however many
 * wait (distribution's token specification). The scope is built here from the repository:
 * "repository:<name>:pull"; nothing of a challenge but realm and service is used, and the realm
 * was checked before (realm.h). A token server that does not answer is left alone for a while.
 *
 * A login goes there as Basic by GET; an identity token by POST, as OAuth 2 has it, and by GET
 * where a server has no POST. A token that was given to us for the registry itself is used as it
 * is.
 *
 * A token's life is taken as 60 s when it is not said and kept between 60 s and an hour when it is.
 * After four fifths of it the next one is fetched, while this one is used. When that fails, though
 * not because we were refused, it stays in use until the upstream refuses it.
 *
 * Ownership:  a wait is embedded in its asker's object; done comes once unless token_wait_stop().
 * Failure:    UPSTREAM_DOWN (no sane answer, or the configured credentials are refused);
 *             UPSTREAM_TLS; UPSTREAM_WRONG (an address that is not allowed); DENIED (401 or 403: no
 * such repository for us). Threads:    the fetch thread's; token_parse() any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"
#include "base/slice.h"
#include "proxy/upstream/url.h"

#define TOKEN_ANSWER_MAX 65536
#define TOKEN_TEXT_MAX   ((size_t)16384)
#define TOKEN_LIFE_MIN_S 60
#define TOKEN_LIFE_MAX_S 3600
#define TOKEN_SCOPES_MAX 1024

struct token_table;
struct client;
struct delays;
struct credential;

struct token_wait {
    struct pg_list node;
    struct pg_err err;
    int retry_after_s;
    void (*done)(struct token_wait *w); /* never before token_wait_start() returned */
};

struct token_table *token_table_new(struct client *client, struct delays *delays,
                                    struct credential *credential);
void token_table_free(struct token_table *t); /* no wait may be left */

/* Where tokens come from; another place than before forgets all of them. Takes *realm. */
void token_set_realm(struct token_table *t, struct url *realm, struct sl service);

/* A usable token for repo, "" for none in particular; NULL: none is here. Valid until the loop is
 * returned to. *serial_r names it for token_forget(). */
const char *token_find(struct token_table *t, struct sl repo, uint64_t *serial_r);
void token_forget(struct token_table *t, struct sl repo, uint64_t serial); /* upstream refused it */
bool token_is_given(const struct token_table *t); /* not by a token server: it is our login */

void token_wait_init(struct token_wait *w);
void token_wait_start(struct token_table *t, struct sl repo, struct token_wait *w,
                      void (*done)(struct token_wait *w));
void token_wait_stop(struct token_wait *w); /* also when not waiting; frees what it holds */

/* What a token server says, pure. The text is in the arena. */
struct token_grant {
    char *text;
    unsigned life_s;
};
struct pg_arena;
PG_MUST_USE int token_parse(struct sl body, struct pg_arena *arena, struct token_grant *grant_r,
                            struct pg_err *err);
