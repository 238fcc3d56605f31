/* SPDX-License-Identifier: Apache-2.0 */
/*
 * registry - another registry, asked by a command: one question after another, with the login that
 * docker's config.json has for it, and tokens for one repository at a time.
 *
 * A login goes to the registry itself and to the token servers that realm.h allows; redirects are
 * followed for what is read, without it. What is for the moment (429, 502 to 504, no answer) is
 * asked again, REGISTRY_TRIES times, as the answer's Retry-After says.
 *
 * Ownership:  registry_open() to registry_close(); an answer is registry_answer_free()'d, also
 *             after a failure.
 * Failure:    UPSTREAM_DOWN, UPSTREAM_WRONG, DENIED: a sentence without a secret in it.
 * Threads:    main.
 */
#pragma once

#include "base/buf.h"
#include "proxy/upstream/head.h"

#define REGISTRY_TRIES     4
#define REGISTRY_BODY_MAX  ((size_t)16 << 20)
#define REGISTRY_HOST_ROOM 300

struct registry;

struct registry_question {
    const char *method;
    const char *path;   /* with its query, encoded: "/v2/team/app/tags/list" */
    struct sl repo;     /* what a token has to be for; "": for the list of repositories */
    const char *accept; /* NULL: whatever */
    const char *json;   /* to be sent; NULL: nothing */
    bool is_own_api;    /* it takes the login itself, and no token */
};

struct registry_answer {
    int status;
    struct pg_buf body;
    struct head head;
};

/* url: http or https, host and port, no path. ca: a PEM file, or NULL. deletes: tokens are asked
 * for that may. */
PG_MUST_USE int registry_open(const char *url, const char *ca, bool deletes, struct registry **r_r,
                              struct pg_err *err);
void registry_close(struct registry *r);             /* NULL is allowed */
const char *registry_host(const struct registry *r); /* "registry.acme.example:5000" */

/* An answer of any status is 0, but for 401 and 403, which are DENIED. */
PG_MUST_USE int registry_ask(struct registry *r, const struct registry_question *q,
                             struct registry_answer *a_r, struct pg_err *err);
void registry_answer_free(struct registry_answer *a);
