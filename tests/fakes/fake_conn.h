/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_conn - a client made by hand, and what it was sent. Replaces proxy/http/conn and send.
 *
 *     c = fake_conn_new(loop, "GET", "/v2/", "Host: a\nAccept: b");
 *     service->begin(service, c); ... run ...
 *     c->reply.status, fake_conn_field(c, "ETag"), c->reply.body
 *     fake_conn_sent(c, true);     the last byte left
 */
#pragma once

#include "proxy/http/conn.h"
#include "proxy/http/send.h"

#define FAKE_CONN_FIELDS 32

enum fake_body { FAKE_BODY_NONE, FAKE_BODY_MEM, FAKE_BODY_BLOB, FAKE_BODY_FLIGHT };

struct fake_reply {
    int status;
    struct {
        char name[64], value[1024];
    } fields[FAKE_CONN_FIELDS];
    size_t nfields;
    enum fake_body kind;
    char body[96 * 1024];
    size_t nbody;
    uint64_t first, end, content_length;
    const struct send_parts *parts; /* of a blob or flight; NULL: one range */
    struct blob *blob;
    struct flight_reader *reader;
    bool going; /* send_go() came */
    unsigned news;
};

struct conn {
    struct conn_request request;
    struct conn_header headers[FAKE_CONN_FIELDS];
    char text[8192]; /* what the slices of the request point into */
    struct loop *loop;
    void *owner;
    struct fake_reply reply;
    void (*sent)(struct conn *c, const struct send_result *r);
    unsigned done; /* conn_done() came so often */
    bool ok;
};

/* fields: "Name: value" lines, separated by \n. */
struct conn *fake_conn_new(struct loop *l, const char *method, const char *target,
                           const char *fields);
void fake_conn_sent(struct conn *c, bool ok);
const char *fake_conn_field(const struct conn *c, const char *name); /* "" when absent */
void fake_conn_free(struct conn *c);
