/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admin/admin_int.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <strings.h>

#include "audit/trail.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/metric.h"
#include "oci/reply.h"
#include "proxy/admin/gather.h"
#include "proxy/admin/listing.h"
#include "proxy/admin/metrics_int.h"
#include "proxy/admin/options.h"
#include "proxy/admin/revocations.h"
#include "proxy/admin/status.h"
#include "proxy/http/send.h"

#define GATHER_MS  5000
#define COMMAND_MS 60000
#define WORK_MS    600000
#define JOBS       2 /* at a time */
#define SEND_MS    60000
#define API_PREFIX "/api/v1/"

#define ADMIN_STAGES(X)                                                                            \
    X(check)                                                                                       \
    X(read)                                                                                        \
    X(gather) X(gathered) X(command) X(commanded) X(work) X(worked) X(deliver) X(sent) X(refuse)

#define X(name) static enum rq_next st_##name(struct rq *rq);
ADMIN_STAGES(X)
#undef X
#define X(name) static const struct rq_stage ST_##name = {"admin." #name, st_##name, RQ_CLIENT};
ADMIN_STAGES(X)
#undef X

/* ---- what can be asked --------------------------------------------------------------------- */

static void write_metrics(struct admin_request *r)
{
    metrics_write(r->admin, r->snapshot, &r->body);
    r->type = "text/plain; version=0.0.4; charset=utf-8";
}

static void write_health(struct admin_request *r)
{
    r->status = status_write_health(r->admin, &r->body) ? 200 : 503;
}

static void write_ready(struct admin_request *r)
{
    r->status = status_write_ready(r->admin, &r->body) ? 200 : 503;
}

static void write_flights(struct admin_request *r)
{
    (void)pg_buf_put(&r->body, SL("{\"flights\":"));
    fetch_write_json(r->admin->config.fetch, &r->body);
    (void)pg_buf_put(&r->body, SL("}\n"));
}

#ifdef PG_WITH_FAULTS
static void write_faults(struct admin_request *r)
{
    pg_fault_write_json(&r->body);
}
#endif

static void write_status(struct admin_request *r)
{
    status_write(r->admin, r->snapshot, &r->body);
}

static void write_version(struct admin_request *r)
{
    status_write_version(r->admin, &r->body);
}

static void write_config(struct admin_request *r)
{
    options_write(r->snapshot, &r->body);
}

static const struct path {
    const char *path;
    const struct rq_stage *stage;
    void (*write)(struct admin_request *r); /* of `read` */
    void (*work)(struct job *j);            /* of `work` */
    const char *type;                       /* of what it answers; NULL: JSON */
    bool is_private;                        /* on the control socket alone */
    bool changes;                           /* private, and POST */
    bool revokes;                           /* is told `what` or a ref, and a reason */
    bool is_bare;                           /* is told no ref */
    bool is_named;                          /* is told a name */
    enum admin_verb verb;                   /* of `command` */
} paths[] = {
    {.path = "/metrics", .stage = &ST_read, .write = write_metrics},
    {.path = "/healthz", .stage = &ST_read, .write = write_health},
    {.path = "/readyz", .stage = &ST_read, .write = write_ready},
    {.path = "/debug/requests", .stage = &ST_gather},
    {.path = "/debug/flights", .stage = &ST_read, .write = write_flights},
#ifdef PG_WITH_FAULTS
    {.path = "/debug/faults", .stage = &ST_read, .write = write_faults},
#endif
    {.path = "/api/v1/status", .stage = &ST_read, .write = write_status},
    {.path = "/api/v1/version", .stage = &ST_read, .write = write_version},
    {.path = "/api/v1/config", .stage = &ST_read, .write = write_config},
    {.path = "/api/v1/tags", .stage = &ST_work, .work = listing_tags, .is_private = true},
    {.path = "/api/v1/manifests", .stage = &ST_work, .work = listing_manifests, .is_private = true},
    {.path = "/api/v1/blobs", .stage = &ST_work, .work = listing_blobs, .is_private = true},
#define CHANGES .is_private = true, .changes = true
    {.path = "/api/v1/reload", .stage = &ST_command, CHANGES, .verb = ADMIN_RELOAD},
    {.path = "/api/v1/upgrade", .stage = &ST_command, CHANGES, .verb = ADMIN_UPGRADE},
    {.path = "/api/v1/drain", .stage = &ST_command, CHANGES, .verb = ADMIN_DRAIN},
    {.path = "/api/v1/purge", .stage = &ST_work, CHANGES, .work = listing_purge},
#define REVOKES CHANGES, .revokes = true
    {.path = "/api/v1/revoke", .stage = &ST_work, REVOKES, .work = revocations_revoke},
    {.path = "/api/v1/unrevoke", .stage = &ST_work, REVOKES, .work = revocations_unrevoke},
#undef REVOKES
    {.path = "/api/v1/gc", .stage = &ST_work, CHANGES, .is_bare = true, .work = listing_gc},
#undef CHANGES
#define PLANS .stage = &ST_work, .is_private = true
    {.path = "/api/v1/retention/plan", PLANS, .work = listing_plan},
    {.path = "/api/v1/retention/plan.csv",
     PLANS,
     .work = listing_plan_csv,
     .type = "text/csv; charset=utf-8"},
    {.path = "/api/v1/retention/plan.txt",
     PLANS,
     .work = listing_plan_text,
     .type = "text/plain; charset=utf-8"},
#undef PLANS
    {.path = "/api/v1/retention", .stage = &ST_work, .work = listing_retention, .is_private = true},
    {.path = "/api/v1/affected",
     .stage = &ST_work,
     .work = listing_affected,
     .is_private = true,
     .is_bare = true,
     .is_named = true},
    {.path = "/api/v1/revocations",
     .stage = &ST_work,
     .work = revocations_list,
     .is_private = true},
};

static const struct path *find_path(struct sl path)
{
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        if (sl_eq(path, (struct sl){paths[i].path, strlen(paths[i].path)}))
            return &paths[i];
    return NULL;
}

/* ---- who may ask --------------------------------------------------------------------------- */

static struct sl without_port(struct sl host)
{
    const char *colon = host.n > 0 ? memrchr(host.p, ':', host.n) : NULL;

    if (colon == NULL || memchr(colon, ']', host.n - (size_t)(colon - host.p)) != NULL)
        return host;
    return (struct sl){host.p, (size_t)(colon - host.p)};
}

static bool same_host(struct sl a, struct sl b)
{
    return a.n == b.n && a.n > 0 && strncasecmp(a.p, b.p, a.n) == 0;
}

static bool is_address(struct sl host)
{
    char text[INET6_ADDRSTRLEN];
    uint8_t address[16];
    bool is_v6 = host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';

    if (is_v6)
        host = (struct sl){host.p + 1, host.n - 2};
    if (host.n >= sizeof(text))
        return false;
    memcpy(text, host.p, host.n);
    text[host.n] = '\0';
    return inet_pton(is_v6 ? AF_INET6 : AF_INET, text, address) == 1;
}

/* Literally: a name that an attacker's DNS makes point here is none of these. A listener on all
 * addresses has none of its own to compare with: there any address is as good. */
static bool is_ours(const struct admin *a, struct sl host)
{
    const char *listen = a->config.listen != NULL ? a->config.listen : "";
    struct sl own = without_port((struct sl){listen, strlen(listen)});

    host = without_port(host);
    if (sl_eq(own, SL("0.0.0.0")) || sl_eq(own, SL("[::]")))
        return same_host(host, SL("localhost")) || is_address(host);
    return same_host(host, SL("localhost")) || sl_eq(host, SL("127.0.0.1")) ||
           sl_eq(host, SL("[::1]")) || same_host(host, own);
}

static int check_sender(const struct admin_request *r, struct pg_err *err)
{
    if (conn_header(r->http, SL("Origin")).p != NULL)
        return pg_fail(err, PG_E_DENIED, "requests of web pages are not answered here");
    if (!r->is_control && !is_ours(r->admin, r->http->host))
        return pg_fail(err, PG_E_DENIED,
                       "the Host of this request is not this listener's address; ask for "
                       "localhost or 127.0.0.1");
    return 0;
}

static int check_method(const struct admin_request *r, const struct path *p, struct pg_err *err)
{
    bool reads = r->is_head || sl_eq(r->http->method, SL("GET"));

    if (!r->is_control && !reads)
        return pg_fail(err, PG_E_UNSUPPORTED, "this listener only reads: GET or HEAD");
    if (p == NULL || (p->is_private && !r->is_control))
        return pg_fail(err, PG_E_NAME_UNKNOWN, "there is nothing at this path");
    if (p->changes && !sl_eq(r->http->method, SL("POST")))
        return pg_fail(err, PG_E_UNSUPPORTED, "this changes state: POST");
    if (!p->changes && !reads)
        return pg_fail(err, PG_E_UNSUPPORTED, "this only reads: GET or HEAD");
    return 0;
}

static struct sl path_of(struct sl target)
{
    const char *mark = memchr(target.p, '?', target.n);

    return mark == NULL ? target : (struct sl){target.p, (size_t)(mark - target.p)};
}

/* ---- stages -------------------------------------------------------------------------------- */

static struct admin_request *request_of(struct rq *rq)
{
    return pg_container_of(rq, struct admin_request, rq);
}

static enum rq_next st_check(struct rq *rq)
{
    struct admin_request *r = request_of(rq);
    const struct path *p;

    r->is_head = sl_eq(r->http->method, SL("HEAD"));
    r->path = path_of(r->http->target);
    p = find_path(r->path);
    if (check_sender(r, &rq->err) < 0 || check_method(r, p, &rq->err) < 0)
        return rq_fail_now(rq);
    return rq_go(rq, p->stage);
}

static enum rq_next st_read(struct rq *rq)
{
    struct admin_request *r = request_of(rq);

    find_path(r->path)->write(r);
    return rq_go(rq, &ST_deliver);
}

static void on_gathered(void *owner)
{
    struct admin_request *r = owner;

    rq_wake(&r->rq, r->ticket);
}

static void stop_gathering(struct rq *rq)
{
    struct admin_request *r = request_of(rq);

    gather_free(r->gather);
    r->gather = NULL;
}

static enum rq_next st_gather(struct rq *rq)
{
    struct admin_request *r = request_of(rq);
    const struct admin_config *config = &r->admin->config;
    struct gather_plan plan = {.loops = config->loops,
                               .nloops = config->nloops,
                               .home = &conn_loop(r->conn)->mail,
                               .write_request = config->write_request,
                               .done = on_gathered,
                               .owner = r};

    r->ticket = rq_ticket(rq);
    r->gather = gather_start(&plan);
    return rq_wait(rq, &ST_gathered, GATHER_MS, stop_gathering);
}

static enum rq_next st_gathered(struct rq *rq)
{
    struct admin_request *r = request_of(rq);

    gather_write(r->gather, &r->body);
    return rq_go(rq, &ST_deliver);
}

static void free_command(struct admin_command *c)
{
    pg_err_clear(&c->err);
    free(c);
}

static void come_home(struct pg_mail *mail)
{
    struct admin_command *c = pg_container_of(mail, struct admin_command, mail);

    if (c->by == NULL) {
        free_command(c);
        return;
    }
    rq_wake(&c->by->rq, c->by->ticket);
}

void admin_command_done(struct admin_command *c)
{
    c->mail = (struct pg_mail){.deliver = come_home};
    pg_mailbox_post(c->home, &c->mail);
}

/* It cannot be taken back: it comes home to nobody. */
static void disown_command(struct rq *rq)
{
    struct admin_request *r = request_of(rq);

    r->command->by = NULL;
    r->command = NULL;
}

static void log_command(struct admin_request *r)
{
    r->acts = true;
    pg_log_say(PG_LOG_INFO, PG_LOG_CONTROL, "%s asks for " SL_FMT, r->http->peer,
               SL_ARG(r->http->target));
}

static enum rq_next st_command(struct rq *rq)
{
    struct admin_request *r = request_of(rq);
    struct admin_command *c = calloc(1, sizeof(*c));
    size_t n = strnlen(r->http->peer, sizeof(c->peer) - 1);

    PG_CHECK(c != NULL);
    log_command(r);
    c->verb = find_path(r->path)->verb;
    memcpy(c->peer, r->http->peer, n);
    c->home = &conn_loop(r->conn)->mail;
    c->by = r;
    r->command = c;
    r->ticket = rq_ticket(rq);
    r->admin->config.command(c, r->admin->config.owner);
    return rq_wait(rq, &ST_commanded, COMMAND_MS, disown_command);
}

static enum rq_next st_commanded(struct rq *rq)
{
    struct admin_request *r = request_of(rq);
    struct admin_command *c = r->command;

    if (c->err.kind != PG_E_NONE) {
        pg_err_move(&rq->err, &c->err);
        return rq_fail_now(rq);
    }
    (void)pg_buf_printf(&r->body, "{\"status\":\"ok\",\"revision\":%llu}\n",
                        (unsigned long long)c->revision);
    return rq_go(rq, &ST_deliver);
}

/* ---- jobs ---- */

static void on_worked(void *owner)
{
    struct admin_request *r = owner;

    rq_wake(&r->rq, r->ticket);
}

static void abandon_job(struct rq *rq)
{
    struct admin_request *r = request_of(rq);

    job_free(r->job);
    r->job = NULL;
}

static int check_query(const struct path *p, const struct query *q, struct pg_err *err)
{
    if (!p->revokes && (q->what.p != NULL || q->reason.p != NULL))
        return pg_fail(err, PG_E_BAD_FRAMING, "what and reason are for a revocation");
    if (p->is_named != (q->name.p != NULL))
        return pg_fail(err, PG_E_BAD_FRAMING,
                       p->is_named
                           ? "it must be said what is looked for: name=CVE-..., or a package"
                           : "there is no parameter name here");
    if (p->is_bare && q->ref.p != NULL)
        return pg_fail(err, PG_E_BAD_FRAMING, "there is no parameter ref here");
    if (p->changes && !p->is_bare && q->ref.p == NULL && q->what.p == NULL)
        return pg_fail(err, PG_E_BAD_FRAMING, "it must be said what is to be changed: ref=...");
    return 0;
}

static enum rq_next st_work(struct rq *rq)
{
    struct admin_request *r = request_of(rq);
    const struct path *p = find_path(r->path);
    struct job *j = job_new(&r->admin->config, r->snapshot, p->work);
    struct sl target = pg_copy(&j->arena, r->http->target);

    r->job = j;
    if (query_parse(&r->snapshot->config, target, &j->arena, &j->query, &rq->err) < 0 ||
        check_query(p, &j->query, &rq->err) < 0)
        return rq_fail_now(rq);
    if (p->changes)
        log_command(r);
    j->query.scope.upstream = pg_copy(&j->arena, j->query.scope.upstream);
    r->ticket = rq_ticket(rq);
    job_start(j, r->admin->pool, &conn_loop(r->conn)->mail, on_worked, r);
    return rq_wait(rq, &ST_worked, WORK_MS, abandon_job);
}

static enum rq_next st_worked(struct rq *rq)
{
    struct admin_request *r = request_of(rq);

    if (r->job->err.kind != PG_E_NONE) {
        pg_err_move(&rq->err, &r->job->err);
        return rq_fail_now(rq);
    }
    if (find_path(r->path)->type != NULL)
        r->type = find_path(r->path)->type;
    pg_buf_free(&r->body);
    r->body = r->job->body;
    pg_buf_init(&r->job->body, 0);
    return rq_go(rq, &ST_deliver);
}

static void begin_reply(struct admin_request *r, int status, const char *type)
{
    r->began = true;
    r->status = status;
    send_head(r->conn, status);
    send_field(r->conn, SL("Content-Type"), (struct sl){type, strlen(type)});
    send_field(r->conn, SL("Cache-Control"), SL("no-store"));
    send_field(r->conn, SL("X-Content-Type-Options"), SL("nosniff"));
}

static void on_sent(struct conn *c, const struct send_result *result)
{
    struct admin_request *r = conn_owner(c);

    r->whole = result->ok;
    rq_wake(&r->rq, r->ticket);
}

static void stop_sending(struct rq *rq)
{
    (void)send_stop(request_of(rq)->conn);
}

static enum rq_next go(struct admin_request *r)
{
    r->ticket = rq_ticket(&r->rq);
    send_go(r->conn, on_sent);
    return rq_wait(&r->rq, &ST_sent, SEND_MS, stop_sending);
}

static enum rq_next st_deliver(struct rq *rq)
{
    struct admin_request *r = request_of(rq);

    if (r->body.over) {
        pg_fail(&rq->err, PG_E_INTERNAL, "the answer is too large");
        return rq_fail_now(rq);
    }
    begin_reply(r, r->status, r->type);
    send_mem(r->conn, pg_buf_sl(&r->body));
    return go(r);
}

static enum rq_next st_sent(struct rq *rq)
{
    return rq_end(rq);
}

static enum rq_next st_refuse(struct rq *rq)
{
    struct admin_request *r = request_of(rq);
    const struct path *p = find_path(r->path);

    if (rq->err.kind == PG_E_CANCELED || r->began)
        return rq_end(rq);
    begin_reply(r, pg_err_http(rq->err.kind), "application/json");
    if (rq->err.kind == PG_E_UNSUPPORTED)
        send_field(r->conn, SL("Allow"),
                   r->is_control && p != NULL && p->changes ? SL("POST") : SL("GET, HEAD"));
    send_mem(r->conn, reply_error_body(&rq->arena, &rq->err));
    return go(r);
}

/* ---- the services -------------------------------------------------------------------------- */

static void log_request(const struct admin_request *r)
{
    bool denied = r->rq.err.kind == PG_E_DENIED;
    struct pg_log_line line;

    pg_log_begin(&line, denied ? PG_LOG_SECURITY : PG_LOG_REQUEST,
                 denied ? PG_LOG_WARN : PG_LOG_DEBUG);
    if (line.off)
        return;
    pg_log_u64(&line, "id", r->http->id);
    pg_log_str(&line, "client", (struct sl){r->http->peer, strlen(r->http->peer)});
    pg_log_str(&line, "method", r->http->method);
    pg_log_str(&line, "op", SL("admin"));
    pg_log_str(&line, "target", r->http->target);
    pg_log_u64(&line, "status", (uint64_t)r->status);
    if (denied)
        pg_log_str(&line, "host", r->http->host);
    if (r->rq.err.kind != PG_E_NONE)
        pg_log_err(&line, &r->rq.err);
    pg_log_end(&line);
}

/* One entry for each act, however it ended. */
static void record_act(const struct admin_request *r)
{
    struct entry e = {.kind = ENTRY_ACT};
    struct sl name = r->path;

    if (!r->acts)
        return;
    if (sl_starts(name, SL(API_PREFIX)))
        name = (struct sl){name.p + sizeof(API_PREFIX) - 1, name.n - sizeof(API_PREFIX) + 1};
    e.number[ENTRY_NUMBER_REQUEST] = r->http->id;
    e.text[ENTRY_TEXT_CALLER] = SL("operator");
    e.text[ENTRY_TEXT_ADDRESS] = sl_str(r->http->peer);
    e.text[ENTRY_TEXT_ACT] = name;
    if (r->http->target.n > r->path.n)
        e.text[ENTRY_TEXT_TARGET] =
            (struct sl){r->http->target.p + r->path.n + 1, r->http->target.n - r->path.n - 1};
    e.text[ENTRY_TEXT_RESULT] = r->rq.err.kind == PG_E_NONE       ? SL("ok")
                                : r->rq.err.kind == PG_E_CANCELED ? SL("nobody waited for it")
                                                                  : sl_str(r->rq.err.msg);
    trail_note(r->admin->config.trail, &e);
}

static void on_end(struct rq *rq)
{
    struct admin_request *r = request_of(rq);
    struct conn *c = r->conn;
    bool whole = r->whole;

    log_request(r);
    record_act(r);
    gather_free(r->gather);
    if (r->command != NULL)
        free_command(r->command);
    job_free(r->job);
    pg_buf_free(&r->body);
    config_snapshot_unref(r->snapshot);
    conn_set_owner(c, NULL);
    free(r);
    conn_done(c, whole);
}

static void begin(const struct admin *a, struct conn *c, bool is_control)
{
    struct loop *l = conn_loop(c);
    struct admin_request *r = calloc(1, sizeof(*r));

    PG_CHECK(r != NULL);
    rq_start(&l->queue, &r->rq, &ST_check, &ST_refuse, on_end);
    r->admin = a;
    r->conn = c;
    r->http = conn_request(c);
    r->snapshot = config_snapshot_ref(l->snapshot);
    r->is_control = is_control;
    r->path = SL("");
    r->status = 200;
    r->type = "application/json";
    pg_buf_init(&r->body, ADMIN_BODY_MAX);
    conn_set_owner(c, r);
}

static void begin_tcp(const struct conn_service *service, struct conn *c)
{
    begin((const void *)((const char *)service - offsetof(struct admin, tcp)), c, false);
}

static void begin_control(const struct conn_service *service, struct conn *c)
{
    begin((const void *)((const char *)service - offsetof(struct admin, control)), c, true);
}

void admin_gone(struct conn *c)
{
    struct admin_request *r = conn_owner(c);

    if (r != NULL)
        rq_cancel(&r->rq);
}

struct admin *admin_new(const struct admin_config *config)
{
    struct admin *a = calloc(1, sizeof(*a));

    PG_CHECK(a != NULL && config->command != NULL && config->purged != NULL);
    a->config = *config;
    a->pool = pg_pool_new("pg-admin", JOBS);
    process_open(&a->process);
    a->started_wall_ms = pg_clock_wall_ms();
    a->started_mono_ms = pg_clock_mono_ms();
    a->tcp = (struct conn_service){
        .name = "admin", .begin = begin_tcp, .gone = admin_gone, .is_admin = true};
    a->control = (struct conn_service){.name = "control",
                                       .begin = begin_control,
                                       .gone = admin_gone,
                                       .peer_uid = config->control_uid,
                                       .is_control = true};
    return a;
}

void admin_stop(struct admin *a)
{
    if (a->pool != NULL)
        pg_pool_free(a->pool);
    a->pool = NULL;
}

void admin_free(struct admin *a)
{
    admin_stop(a);
    process_close(&a->process);
    free(a);
}

const struct conn_service *admin_service(struct admin *a)
{
    return &a->tcp;
}

const struct conn_service *admin_control_service(struct admin *a)
{
    return &a->control;
}

void admin_set_draining(struct admin *a)
{
    atomic_store(&a->draining, true);
    pg_metric_set(PG_M_DRAINING, 1);
}
