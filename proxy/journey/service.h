/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service - the registry that clients see: it turns a request of a connection into a journey.
 *
 *     s = service_new(store, fetch);
 *     for each loop: service_attach(s, loop);      before the loops run
 *     listen_open(..., service_conn(s), ...);
 *     ...
 *     loop_stop(loop); service_detach(loop); loop_free(loop);
 *     service_free(s);
 *
 * Ownership:  store and fetch outlive the service; the service outlives the loops' threads. Detach
 *             before fetch_stop(): it gives back questions that are still under way.
 * Threads:    new, attach, detach, free: main, while the loop does not run. service_write_request:
 *             the thread of the request's loop.
 */
#pragma once

#include "base/buf.h"
#include "cache/store.h"
#include "proxy/admin/admin.h"
#include "proxy/http/conn.h"
#include "proxy/http/loop.h"
#include "proxy/upstream/fetch.h"

struct service;

struct service *service_new(struct store *store, struct fetch *fetch);
void service_free(struct service *s);

/* Before the loops are attached: where evidence is read, and where it is verified, by threads that
 * may wait; and who is asked about timestamps. They outlive the loops' threads. Without, it is done
 * in the loops' data pool, and evidence with a timestamp is refused. NULL is allowed. */
struct stamper;
struct service_evidence {
    struct pg_pool *read, *verify;
    struct stamper *stamper;
};
void service_verify_with(struct service *s, const struct service_evidence *with);

/* Before the loops are attached: where OPA is asked, by threads that may wait, which end before the
 * loops are freed. */
void service_ask_opa_with(struct service *s, struct pg_pool *pool);

/* Before the loops are attached: what is pulled is scanned. It outlives the loops' threads; NULL is
 * allowed. */
struct scanning;
void service_scan_with(struct service *s, struct scanning *scanning);

/* Before the loops are attached. The trail outlives them; NULL is allowed. */
struct trail;
void service_audit_to(struct service *s, struct trail *trail);

/* The images that a policy wants to be scanned, for whoever scans: wish.h. It lives as long as the
 * service. */
struct wish_list;
struct wish_list *service_wishes(struct service *s);

/* What is known of images, for whoever asks what would be decided. As long as the service. */
struct shelf;
struct shelf *service_shelf(struct service *s);

void service_attach(struct service *s, struct loop *l); /* sets l->app */
void service_detach(struct loop *l);

const struct conn_service *service_conn(struct service *s);

/* The control socket's: below /v2 the registry, as clients see it, for the operator who has things
 * fetched ahead or asked for anew; all else is the admin's, who outlives the service. */
const struct conn_service *service_control(struct service *s, struct admin *a);

/* What was purged: a repository, or all of an upstream's. Lists of it are asked for anew. Any
 * thread. */
void service_forget(struct service *s, struct sl name);

/* One JSON object: id, client, method, stage, age, what is asked for. False: no journey. For
 * admin_config.write_request. */
bool service_write_request(struct rq *rq, struct pg_buf *out);
