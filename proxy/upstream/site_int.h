/* SPDX-License-Identifier: Apache-2.0 */
/*
 * site - one of the URLs at which an upstream is reached: its connections, its tokens, how it wants
 * us to log in, and whether it makes sense to ask it now. Nothing of it is another's.
 *
 * While its breaker is open it is asked nothing. A quota that is spent (429, budget.h) holds back
 * its class alone: the blobs of an image whose manifest was the last one allowed still come. Any
 * other 429 holds back all. One that took longer than SITE_PATIENCE_MS to say a word is passed over
 * for SITE_SLOW_MS where there is another; then one request looks whether it is better now.
 *
 * Ownership:  embedded in its origin.
 * Threads:    the fetch thread's.
 */
#pragma once

#include "proxy/config.h"
#include "proxy/upstream/breaker.h"
#include "proxy/upstream/client_int.h"
#include "proxy/upstream/token.h"
#include "proxy/upstream/url.h"

#define SITE_PATIENCE_MS ((uint64_t)1200)
#define SITE_SLOW_MS     30000

#define SITE_NO_PARTS_MS     60000 /* the first time; twice as long each time in a row */
#define SITE_NO_PARTS_MS_MAX (UINT64_C(3600) * 1000)

enum site_class { SITE_MANIFEST, SITE_HEAD, SITE_LIST, SITE_BLOB, SITE_CLASSES };
enum site_auth { SITE_NO_AUTH, SITE_BEARER, SITE_BASIC }; /* as learnt from a challenge */

struct origin;

struct site {
    struct origin *origin;
    const struct config_url *config;
    struct url base;
    struct client *client;
    struct token_table *tokens;
    enum site_auth auth;
    struct breaker breaker, holds[SITE_CLASSES];
    uint64_t slow_until_ms;                  /* 0: it is not slow */
    uint64_t no_parts_until_ms, no_parts_ms; /* the second: how long last; 0: it has given some */
};

PG_MUST_USE int site_open(struct site *s, struct origin *o, const struct config_url *config,
                          struct pg_err *err);
void site_close(struct site *s); /* also one that did not open */

/* Makes no sense a request of this class now? */
bool site_refuses(const struct site *s, enum site_class class, uint64_t now_ms);
/* Why: UPSTREAM_DOWN. */
int site_refuse(const struct site *s, enum site_class class, uint64_t now_ms, int *retry_after_s_r,
                struct pg_err *err);
/* A request is on its way; of one that was refused until now it is the only one. */
void site_ask(struct site *s, enum site_class class, uint64_t now_ms);

bool site_is_slow(const struct site *s, uint64_t now_ms);
void site_was_slow(struct site *s, uint64_t now_ms);

/* Asked for a part of a blob, it gave something else, or found that it was asked too often: for a
 * while it is asked for blobs as a whole. why: a few words for the log. */
bool site_gives_parts(const struct site *s, uint64_t now_ms);
void site_no_parts(struct site *s, uint64_t now_ms, const char *why);
void site_gave_part(struct site *s); /* the whole of it */

void site_answered(struct site *s, enum site_class class);
void site_failed(struct site *s, enum breaker_weight weight, const struct pg_err *why);
/* After a 429. SITE_CLASSES: all of them. */
void site_hold(struct site *s, enum site_class class, int seconds);
int site_held_s(const struct site *s, enum site_class class); /* the last time; 0: answered */
