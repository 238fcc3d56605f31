/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator may ask, and who may not (N10). */
#include "harness/test.h"

#include <stdlib.h>

#include "base/json.h"
#include "fakes/fake_clock.h"
#include "fakes/fake_conn.h"
#include "fakes/fake_fetch.h"
#include "fakes/fake_log.h"
#include "fakes/fake_store.h"
#include "proxy/admin/admin.h"

static struct store store;
static struct loop loops[2];
static struct loop *const all_loops[2] = {&loops[0], &loops[1]};
static struct admin *admin;
static struct admin_command *asked; /* by the admin, of the main thread */
static struct conn *c;
static struct rq stranger; /* another service's request, on the second loop */

static void wake(struct pg_mailbox *box)
{
    (void)box;
}

static void command(struct admin_command *cmd, void *owner)
{
    assert_ptr_equal(owner, &store);
    asked = cmd;
}

static unsigned npurged; /* in a thread of the admin's, which is waited for */

static void purged(struct sl name, void *owner)
{
    assert_ptr_equal(owner, &store);
    assert_true(sl_eq(name, SL("origin.test/app")));
    npurged++;
}

static bool describe(struct rq *rq, struct pg_buf *out)
{
    if (rq != &stranger)
        return false;
    (void)pg_buf_put(out, SL("{\"who\":\"stranger\"}"));
    return true;
}

static struct snapshot *make_config(void)
{
    struct config config = {0};

    config.file = strdup("/etc/pullgate.yaml");
    config.tags_ttl = 60000;
    config.nupstreams = 1;
    config.upstreams = calloc(1, sizeof(config.upstreams[0]));
    config.upstreams[0].name = strdup("origin.test");
    config.upstreams[0].upstream_url = strdup("https://user:s3cret@origin.test");
    config.upstreams[0].upstream_password_file = strdup("/etc/pw");
    return config_snapshot_new(&config, 3);
}

static struct admin *make_admin(const char *listen)
{
    struct admin_config config = {.store = &store,
                                  .loops = all_loops,
                                  .nloops = 2,
                                  .version = "1.2.3",
                                  .listen = listen,
                                  .command = command,
                                  .purged = purged,
                                  .owner = &store,
                                  .write_request = describe};

    return admin_new(&config);
}

static int open_admin(void **state)
{
    (void)state;
    memset(&store, 0, sizeof(store));
    store.config.path = "/data";
    for (unsigned i = 0; i < 2; i++) {
        memset(&loops[i], 0, sizeof(loops[i]));
        rq_queue_init(&loops[i].queue);
        pg_mailbox_init(&loops[i].mail, wake, NULL);
        loops[i].snapshot = make_config();
    }
    admin = make_admin("10.0.0.1:5001");
    asked = NULL;
    fake_log_reset();
    return 0;
}

static void run(void)
{
    bool more = true;

    while (more) {
        more = false;
        for (unsigned i = 0; i < 2; i++) {
            more = pg_mailbox_drain(&loops[i].mail) || more;
            more = rq_queue_run(&loops[i].queue, fake_clock_mono_ms_now, 100) || more;
        }
    }
}

static void end(void)
{
    if (c != NULL && c->done == 0 && c->reply.going) {
        fake_conn_sent(c, true);
        run();
    }
    if (c != NULL) {
        assert_int_equal(c->done, 1);
        fake_conn_free(c);
    }
    c = NULL;
}

static int close_admin(void **state)
{
    (void)state;
    end();
    admin_free(admin);
    for (unsigned i = 0; i < 2; i++)
        config_snapshot_unref(loops[i].snapshot);
    return 0;
}

static int ask(const struct conn_service *s, const char *method, const char *target,
               const char *fields)
{
    end();
    c = fake_conn_new(&loops[0], method, target, fields);
    s->begin(s, c);
    run();
    return c->reply.status;
}

static int get(const char *target)
{
    return ask(admin_service(admin), "GET", target, "Host: 127.0.0.1:5001");
}

static void assert_json(const char *text)
{
    struct pg_err err = {0};
    json_t *root = NULL;

    if (pg_json_parse((struct sl){c->reply.body, c->reply.nbody}, PG_E_INTERNAL, &root, &err) < 0)
        print_error("%s: %s\n", err.msg, c->reply.body);
    if (root == NULL || strstr(c->reply.body, text) == NULL)
        print_error("no %s in %s\n", text, c->reply.body);
    assert_non_null(root);
    pg_json_free(&root);
    assert_non_null(strstr(c->reply.body, text));
}

TEST(health_readiness_metrics)
{
    assert_int_equal(get("/healthz"), 200);
    assert_json("\"ok\"");
    atomic_store(&store.degraded, true);
    assert_int_equal(get("/healthz?verbose"), 200);
    assert_json("\"degraded\"");
    assert_int_equal(get("/readyz"), 200);
    admin_set_draining(admin);
    assert_int_equal(get("/readyz"), 503);
    assert_json("\"draining\"");
    assert_int_equal(get("/metrics"), 200);
    assert_non_null(strstr(c->reply.body, "\npullgate_draining 1\n"));
    assert_string_equal(fake_conn_field(c, "Content-Type"),
                        "text/plain; version=0.0.4; charset=utf-8");
}

TEST(status_and_version_are_json)
{
    fake_clock_mono_ms_now += 5000;
    assert_int_equal(get("/api/v1/status"), 200);
    assert_json("\"uptime_s\":5,\"draining\":false");
    assert_json("\"revision\":3");
    assert_json("\"traffic\":{\"hits\":0");
    assert_json("\"upstreams\":[{\"name\":\"origin.test\",\"url\":\"https://origin.test\"");
    assert_json("\"state\":\"unknown\"");
    assert_json("\"last_error\":null}]");
    assert_int_equal(get("/api/v1/version"), 200);
    assert_json("{\"version\":\"1.2.3\"}");
    assert_int_equal(get("/debug/flights"), 200);
    assert_json("{\"flights\":[]}");
}

TEST(an_upstream_that_is_down_shows_why_and_until_when)
{
    fake_fetch_health = (struct health_view){.state = HEALTH_DOWN,
                                             .requests = 7,
                                             .failures = 4,
                                             .bytes = 99,
                                             .wait_ms = 2500,
                                             .kind = PG_E_TIMEOUT,
                                             .message = "a \"quoted\" reason"};
    assert_int_equal(get("/api/v1/status"), 200);
    fake_fetch_health = (struct health_view){0};
    assert_json("\"state\":\"down\",\"asked_again_ms\":2500,\"requests\":7,\"failures\":4,"
                "\"bytes\":99,\"budget\":null,\"head\":true,\"parts\":true,\"kept\":0,\"last_"
                "error\":{\"kind\":"
                "\"timeout\",\"at\":\"wall+0");
    assert_json("\"message\":\"a \\\"quoted\\\" reason\"");
    assert_null(strstr(c->reply.body, "s3cret"));
}

TEST(the_configuration_is_shown_without_its_secrets)
{
    assert_int_equal(get("/api/v1/config"), 200);
    assert_json("\"tags.ttl\":60000");
    assert_json("\"url\":\"https://origin.test\"");
    assert_json("\"password_file\":\"/etc/pw\"");
    assert_null(strstr(c->reply.body, "s3cret"));
}

TEST(N10_only_a_literal_host_of_ours_is_answered)
{
    static const char *const ours[] = {"Host: localhost", "Host: LOCALHOST:1",  "Host: 127.0.0.1",
                                       "Host: [::1]",     "Host: [::1]:5001",   "Host: 127.0.0.1:9",
                                       "Host: 10.0.0.1",  "Host: 10.0.0.1:5001"};
    static const char *const theirs[] = {"Host: evil.test", "Host: localhost.evil.test",
                                         "Host: 127.0.0.2", "Host: 10.0.0.10",
                                         "Host: ::1",       "Host: localhost:1:2"};

    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        assert_int_equal(ask(admin_service(admin), "GET", "/healthz", ours[i]), 200);
    for (size_t i = 0; i < sizeof(theirs) / sizeof(theirs[0]); i++)
        assert_int_equal(ask(admin_service(admin), "GET", "/healthz", theirs[i]), 403);
    end();
    assert_non_null(strstr(fake_log_last(), "security"));
    assert_int_equal(
        ask(admin_service(admin), "GET", "/healthz", "Host: localhost\nOrigin: http://localhost"),
        403);
    assert_int_equal(
        ask(admin_control_service(admin), "POST", "/api/v1/drain", "Host: x\nOrigin: null"), 403);
    assert_null(asked);
}

/* Nothing to compare with: but whoever was led here by a name says that name. */
TEST(N10_on_all_addresses_any_address_is_ours_and_no_name)
{
    static const char *const all[] = {"0.0.0.0:5001", "[::]:5001"};
    static const char *const ours[] = {"Host: 10.1.2.3:5001", "Host: 10.1.2.3", "Host: [fd00::1]:1",
                                       "Host: localhost"};
    static const char *const theirs[] = {"Host: evil.test", "Host: 10.1.2.3.evil.test",
                                         "Host: 10.1.2", "Host: [evil]", "Host: 1"};

    for (size_t k = 0; k < 2; k++) {
        end();
        admin_free(admin);
        admin = make_admin(all[k]);
        for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
            assert_int_equal(ask(admin_service(admin), "GET", "/readyz", ours[i]) == 403, 0);
        for (size_t i = 0; i < sizeof(theirs) / sizeof(theirs[0]); i++)
            assert_int_equal(ask(admin_service(admin), "GET", "/readyz", theirs[i]), 403);
    }
}

TEST(N10_on_tcp_nothing_changes_state)
{
    static const char *const methods[] = {"POST", "PUT", "DELETE", "PATCH", "OPTIONS"};
    static const char *const targets[] = {"/api/v1/reload", "/api/v1/drain", "/healthz", "/x"};

    for (size_t m = 0; m < sizeof(methods) / sizeof(methods[0]); m++)
        for (size_t t = 0; t < sizeof(targets) / sizeof(targets[0]); t++) {
            assert_int_equal(ask(admin_service(admin), methods[m], targets[t], "Host: localhost"),
                             405);
            assert_string_equal(fake_conn_field(c, "Allow"), "GET, HEAD");
        }
    assert_int_equal(get("/api/v1/reload"), 404);
    assert_int_equal(get("/api/v1/"), 404);
    assert_int_equal(get("//healthz"), 404);
    assert_null(asked);
}

static int control(const char *method, const char *target)
{
    return ask(admin_control_service(admin), method, target, "Host: x");
}

static const struct {
    const char *target;
    bool is_private;
} routes[] = {
    {"/metrics", false},
    {"/healthz", false},
    {"/readyz", false},
    {"/debug/requests", false},
    {"/debug/flights", false},
    {"/debug/faults", false},
    {"/api/v1/status", false},
    {"/api/v1/version", false},
    {"/api/v1/config", false},
    {"/api/v1/tags", true},
    {"/api/v1/manifests", true},
    {"/api/v1/blobs", true},
    {"/api/v1/purge?ref=docker.io/a", true},
    {"/api/v1/reload", true},
    {"/api/v1/drain", true},
};

/* A name that somebody's DNS makes point here; a web page; a program on this machine that knows the
 * address and wants to change something; one that is none of ours on the control socket's way. */
TEST(N10_four_attackers_at_every_route)
{
    static const char *const methods[] = {"GET",    "HEAD",  "POST",   "PUT",
                                          "DELETE", "PATCH", "OPTIONS"};

    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        const struct conn_service *tcp = admin_service(admin);
        const char *t = routes[i].target;

        for (size_t m = 0; m < sizeof(methods) / sizeof(methods[0]); m++) {
            bool reads = m < 2;
            int status;

            assert_int_equal(ask(tcp, methods[m], t, "Host: evil.test"), 403);
            assert_int_equal(ask(tcp, methods[m], t, "Host: 127.0.0.1\nOrigin: http://127.0.0.1"),
                             403);
            assert_int_equal(
                ask(admin_control_service(admin), methods[m], t, "Host: localhost\nOrigin: null"),
                403);
            status = ask(tcp, methods[m], t, "Host: 127.0.0.1");
            assert_int_equal(status, !reads ? 405 : routes[i].is_private ? 404 : 200);
        }
    }
    assert_null(asked);
    assert_string_equal(fake_store_scope, "");
}

static int work(const char *method, const char *target)
{
    int status = ask(admin_control_service(admin), method, target, "Host: localhost");

    while (c->done == 0 && !c->reply.going) { /* its thread works */
        run();
        sched_yield();
    }
    return status != 0 ? status : c->reply.status;
}

TEST(what_is_listed_and_purged_is_what_was_meant)
{
    static const struct {
        const char *ref, *scope;
    } refs[] = {
        {"app", "|origin.test/app|"},
        {"app:v1", "|origin.test/app|v1"},
        {"a:5000", "|origin.test/a|5000"},
        {"library/app:v1", "|origin.test/library/app|v1"},
        {"docker.io/nginx", "|docker.io/library/nginx|"},
        {"index.docker.io/nginx:1", "|docker.io/library/nginx|1"},
        {"gone.test:5000/a/b:c", "|gone.test:5000/a/b|c"},
        {"docker.io", "docker.io||"},
        {"registry-1.docker.io", "docker.io||"},
        {"gone.test", "gone.test||"},
        {"origin.test", "origin.test||"},
    };

    loops[0].snapshot->config.upstreams[0].upstream_default = true;
    for (size_t i = 0; i < sizeof(refs) / sizeof(refs[0]); i++) {
        char target[256];

        (void)snprintf(target, sizeof(target), "/api/v1/tags?n=5&ref=%s", refs[i].ref);
        assert_int_equal(work("GET", target), 200);
        assert_json("\"repo\":\"docker.io/library/app\",\"tag\":\"v1\"");
        assert_json("\"next\":\"c0\"");
        assert_string_equal(fake_store_scope, refs[i].scope);
    }
    assert_int_equal(work("POST", "/api/v1/purge?ref=app%3av1&dry_run=1"), 200);
    assert_json("\"ref\":\"app:v1\",\"dry_run\":true,\"tags\":1,\"links\":0,\"blobs\":3");
    assert_int_equal(npurged, 0);
    fake_store_fails = true;
    assert_int_equal(work("POST", "/api/v1/purge?ref=app"), 503);
    assert_int_equal(npurged, 1); /* a part of it may be gone */
    fake_store_fails = false;
}

TEST(an_asker_that_leaves_lets_go_of_its_job)
{
    (void)ask(admin_control_service(admin), "GET", "/api/v1/blobs", "Host: localhost");
    if (c->done == 0 && !c->reply.going) {
        admin_control_service(admin)->gone(c);
        run();
    }
    admin_stop(admin);
    run();
    end();
}

TEST(a_reload_is_answered_when_every_loop_has_it)
{
    assert_int_equal(control("GET", "/api/v1/reload"), 405);
    assert_string_equal(fake_conn_field(c, "Allow"), "POST");
    assert_int_equal(control("GET", "/healthz"), 200);
    assert_int_equal(control("POST", "/api/v1/reload"), 0);
    assert_non_null(asked);
    assert_int_equal(asked->verb, ADMIN_RELOAD);
    assert_string_equal(asked->peer, "127.0.0.1:40000");
    assert_non_null(strstr(fake_log_last(), "control"));
    asked->revision = 4;
    admin_command_done(asked);
    run();
    assert_int_equal(c->reply.status, 200);
    assert_json("\"revision\":4");
}

TEST(a_reload_that_is_refused_says_why)
{
    assert_int_equal(control("POST", "/api/v1/reload"), 0);
    pg_fail(&asked->err, PG_E_INTERNAL, "line 7: no such option");
    admin_command_done(asked);
    run();
    assert_int_equal(c->reply.status, 500);
    assert_json("line 7: no such option");
}

TEST(an_asker_that_leaves_does_not_take_the_command_back)
{
    assert_int_equal(control("POST", "/api/v1/drain"), 0);
    assert_int_equal(asked->verb, ADMIN_DRAIN);
    admin_control_service(admin)->gone(c);
    run();
    assert_int_equal(c->done, 1);
    admin_command_done(asked);
    run(); /* it comes home to nobody: its memory is the sanitizer's to check */
}

static enum rq_next st_stay(struct rq *rq)
{
    return rq_end(rq);
}

static void on_end(struct rq *rq)
{
    (void)rq;
}

TEST(every_loops_requests_are_listed)
{
    static const struct rq_stage stay = {"stay", st_stay, RQ_CLIENT};

    c = fake_conn_new(&loops[0], "GET", "/debug/requests", "Host: localhost");
    admin_service(admin)->begin(admin_service(admin), c);
    (void)rq_queue_run(&loops[0].queue, fake_clock_mono_ms_now, 100);
    rq_start(&loops[1].queue, &stranger, &stay, &stay, on_end);
    (void)pg_mailbox_drain(&loops[1].mail);
    assert_int_equal(c->reply.status, 0);
    (void)pg_mailbox_drain(&loops[0].mail); /* its own part */
    run();
    assert_int_equal(c->reply.status, 200);
    assert_json("{\"who\":\"stranger\"}");
    assert_json("{\"stage\":\"admin.gathered\"}"); /* itself */
    assert_json("\"left_out\":0");
}

TEST(a_loop_that_does_not_answer_is_waited_for_no_longer_than_5_s)
{
    c = fake_conn_new(&loops[0], "GET", "/debug/requests", "Host: localhost");
    admin_service(admin)->begin(admin_service(admin), c);
    (void)rq_queue_run(&loops[0].queue, fake_clock_mono_ms_now, 100);
    fake_clock_mono_ms_now += 5000;
    (void)rq_queue_run(&loops[0].queue, fake_clock_mono_ms_now, 100);
    assert_int_equal(c->reply.status, 504);
    run(); /* the parts come home to nobody */
}

TEST(heads_and_faults)
{
    assert_int_equal(ask(admin_service(admin), "HEAD", "/healthz", "Host: localhost"), 200);
    assert_int_equal(get("/debug/faults"), 200);
    assert_json("\"points\"");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_admin, close_admin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(health_readiness_metrics),
        CASE(status_and_version_are_json),
        CASE(an_upstream_that_is_down_shows_why_and_until_when),
        CASE(the_configuration_is_shown_without_its_secrets),
        CASE(N10_only_a_literal_host_of_ours_is_answered),
        CASE(N10_on_all_addresses_any_address_is_ours_and_no_name),
        CASE(N10_on_tcp_nothing_changes_state),
        CASE(N10_four_attackers_at_every_route),
        CASE(what_is_listed_and_purged_is_what_was_meant),
        CASE(an_asker_that_leaves_lets_go_of_its_job),
        CASE(a_reload_is_answered_when_every_loop_has_it),
        CASE(a_reload_that_is_refused_says_why),
        CASE(an_asker_that_leaves_does_not_take_the_command_back),
        CASE(every_loops_requests_are_listed),
        CASE(a_loop_that_does_not_answer_is_waited_for_no_longer_than_5_s),
        CASE(heads_and_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
