/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control - how a command asks a running server: over its control socket, or, to look only, over
 * its admin listener.
 *
 * Ownership:  control_open() to control_close(); an answer is the caller's: control_answer_free().
 * Failure:    said on standard error; COMMAND_CANNOT.
 * Threads:    main.
 */
#pragma once

#include <curl/curl.h>

#include "base/buf.h"
#include "base/json.h"
#include "cli/command.h"

#define CONTROL_ANSWER_BYTES ((size_t)80 << 20)

enum control_way {
    CONTROL_LOOK,   /* the admin listener will do; --admin and --control choose */
    CONTROL_CHANGE, /* the control socket alone */
};

struct control {
    CURL *curl;
    char *address; /* "127.0.0.1:5001" */
    char *socket;  /* NULL: over TCP */
};

struct control_answer {
    long status;
    struct pg_buf body;
    char digest[200]; /* its Docker-Content-Digest, or "" */
    char cache[80];   /* its Cache-Status, or "" */
    char type[260];   /* its Content-Type, or "" */
};

/* Where to ask: as the options say, then no configuration is read; else as it says. */
PG_MUST_USE int control_open(const struct command_args *args, enum control_way way,
                             struct control *c_r);
void control_close(struct control *c); /* {0} is allowed */

/* path: with its query, encoded. wait_ms 0: no limit. An answer of any status is GOOD. */
struct control_question {
    const char *method, *path;
    const char *header; /* one more, or NULL */
    long wait_ms;
};
PG_MUST_USE int control_ask(struct control *c, const struct control_question *q,
                            struct control_answer *a_r);
/* The same without a word: false, there was no answer. */
PG_MUST_USE bool control_try(struct control *c, const struct control_question *q,
                             struct control_answer *a_r);
void control_answer_free(struct control_answer *a);

/* The answer must be a JSON object of status 200; else its error is said, behind `about` unless
 * that is NULL. To be json_decref()'ed. */
PG_MUST_USE int control_ask_json(struct control *c, const struct control_question *q,
                                 const char *about, json_t **root_r);

/* What an error's body says, or its status; made to be printed. */
void control_put_error(const struct control_answer *a, struct pg_buf *out);

/* Appends a word of a query, percent-encoded. */
void control_put_word(struct pg_buf *path, struct sl word);

/* Sets a handle up for one more transfer of this server, whose answer comes into *a; as
 * control_ask() does. */
void control_answer_init(struct control_answer *a);
PG_MUST_USE CURLcode control_set_up(const struct control *c, CURL *curl, const char *path,
                                    struct control_answer *a);
