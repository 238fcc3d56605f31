/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens, credentials and redirects: who sees what, and whom an upstream can make us talk to. */
#include "rig.h"

#include <stdio.h>
#include <sys/stat.h>

#define ROBOT "cm9ib3Q6aHVudGVyMg==" /* robot:hunter2 */

static char layer[DIGEST_TEXT_MAX];

/* An upstream that wants a token, another server beside it, and one image. */
static void start(const struct rig_options *o)
{
    rig_start(o);
    rig_py("token.__init__(); image = up.image('library/app', 'v1', [b'x' * 100000])");
    rig_py("up.on('^/v2/', token.guard); up.on('^/token', token.issue)");
    rig_py("other = Upstream(); other.blobs.update(up.blobs)");
    rig_py("other.manifests.update(up.manifests)");
    rig_py("sent = lambda s: [h.get('Authorization') for m, p, h in s.asked]");
    assert_true(snprintf(layer, sizeof(layer), "%s", rig_py("image.layers[0]")) > 0);
}

static void stop(void)
{
    rig_py("other.die()");
    rig_stop();
}

static enum flight_state pull_layer(enum pg_ekind *kind_r)
{
    struct rig_pull p;
    struct flight_view v;

    rig_pull(&p, layer, 100000, FETCH_WAITED_FOR);
    v = rig_wait_for(&p, FLIGHT_LANDED);
    *kind_r = v.state == FLIGHT_LOST ? p.reader.flight->err.kind : PG_E_NONE;
    rig_leave(&p);
    return v.state;
}

TEST(one_token_for_all_who_wait)
{
    struct rig_ask a[10];
    char reference[16];
    enum pg_ekind kind;

    start(&(struct rig_options){0});
    for (int i = 0; i < 10; i++) {
        rig_py("up.manifest('library/app', 'v%d', image.body)", i);
        assert_true(snprintf(reference, sizeof(reference), "v%d", i) > 0);
        rig_ask(&a[i], FETCH_MANIFEST, reference);
    }
    for (int i = 0; i < 10; i++) {
        rig_wait(&a[i]);
        assert_int_equal(a[i].ask->err.kind, PG_E_NONE);
        rig_free(&a[i]);
    }
    assert_int_equal(pull_layer(&kind), FLIGHT_LANDED);
    assert_int_equal(rig_py_number("token.issued"), 1);
    assert_string_equal(rig_py("[p for m, p, h in up.asked if p.startswith('/token')]"),
                        "['/token?service=test&scope=repository%3Alibrary%2Fapp%3Apull']");
    stop();
}

TEST(E14_a_token_that_ends_in_the_middle)
{
    enum pg_ekind kind;

    start(&(struct rig_options){0});
    assert_int_equal(rig_try(FETCH_MANIFEST, "v1"), PG_E_NONE);
    rig_py("up.on('/blobs/', lambda x: token.good.clear() or cut(50000)(x), times=1)");
    assert_int_equal(pull_layer(&kind), FLIGHT_LANDED);
    assert_int_equal(rig_py_number("token.issued"), 2);
    stop();
}

TEST(a_token_that_is_never_good_enough)
{
    start(&(struct rig_options){0});
    rig_py("up.on('^/token', say(200, {}, b'{\"token\":\"bad\"}'))");
    assert_int_equal(rig_try(FETCH_MANIFEST, "v1"), PG_E_MANIFEST_UNKNOWN);
    assert_in_range(rig_py_number("len(up.asked)"), 3, 4); /* asked, token, asked; no loop */
    stop();
}

TEST(E15_token_servers)
{
    static const struct {
        const char *fault;
        enum pg_ekind kind;
        long asked_max;
    } rows[] = {
        {"say(200, {}, b'<html>')", PG_E_UPSTREAM_DOWN, 1},
        {"say(200, {}, b'')", PG_E_UPSTREAM_DOWN, 1},
        {"say(200, {}, b'x' * 10000000)", PG_E_UPSTREAM_DOWN, 1},
        {"say(200, {}, b'{\"token\":\"a\\\\r\\\\nX: y\"}')", PG_E_UPSTREAM_DOWN, 1},
        {"say(200, {}, b'{\"token\":5}')", PG_E_UPSTREAM_DOWN, 1},
        {"status(500)", PG_E_UPSTREAM_DOWN, 2},
        {"reset()", PG_E_UPSTREAM_DOWN, 3},
        {"status(401)", PG_E_MANIFEST_UNKNOWN, 1},
        {"status(403)", PG_E_MANIFEST_UNKNOWN, 1},
        {"status(404)", PG_E_UPSTREAM_DOWN, 1},
        {"status(429)", PG_E_UPSTREAM_DOWN, 1},
        {"redirect('http://127.0.0.1:%d/token' % other.port)", PG_E_UPSTREAM_DOWN, 1},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        start(&(struct rig_options){0});
        rig_py("up.on('^/token', %s)", rows[i].fault);
        if (rig_try(FETCH_MANIFEST, "v1") != rows[i].kind)
            fail_msg("%s", rows[i].fault);
        assert_in_range(rig_py_number("up.count('GET', '/token')"), 1, rows[i].asked_max);
        assert_int_equal(rig_py_number("len(other.asked)"), 0);
        stop();
    }
}

TEST(E16_nothing_of_ours_behind_a_redirect)
{
    enum pg_ekind kind;

    start(&(struct rig_options){.username = "robot", .password = "hunter2"});
    rig_py("up.on('/blobs/', redirect(lambda x: 'http://localhost:%%d%%s?sig=1' %% (other.port, "
           "x.path))); up.on('^/v2/', token.guard)");
    assert_int_equal(pull_layer(&kind), FLIGHT_LANDED);
    assert_string_equal(rig_py("sent(other)"), "[None]");
    assert_string_equal(rig_py("any(h.get('Authorization') == 'Basic " ROBOT
                               "' for m, p, h in up.asked if p.startswith('/token'))"),
                        "True");
    stop();
    start(&(struct rig_options){0}); /* another port of the same host; and a manifest */
    rig_py("up.on('/manifests/', redirect(lambda x: 'http://127.0.0.1:%%d%%s' %% (other.port, "
           "x.path))); up.on('^/v2/', token.guard)");
    assert_int_equal(rig_try(FETCH_MANIFEST, "v1"), PG_E_NONE);
    assert_string_equal(rig_py("sent(other)"), "[None]");
    stop();
}

/* The address that was signed for us has run out when we want to go on: a new one is asked for. */
TEST(E16_a_signed_address_that_runs_out)
{
    enum pg_ekind kind;

    start(&(struct rig_options){0});
    rig_py("n = iter(range(100))");
    rig_py("up.on('/blobs/', redirect(lambda x: 'http://localhost:%%d%%s?sig=%%d' %% (other.port, "
           "x.path, next(n)))); up.on('^/v2/', token.guard)");
    rig_py("other.on('sig=1', status(403)); other.on('sig=0', cut(30000))");
    assert_int_equal(pull_layer(&kind), FLIGHT_LANDED);
    assert_string_equal(rig_py("[(p[-5:], h.get('Range')) for m, p, h in other.asked]"),
                        "[('sig=0', None), ('sig=1', 'bytes=30000-'), ('sig=2', 'bytes=30000-')]");
    stop();
}

TEST(E17_redirects_that_lead_astray)
{
    static const char *const to[] = {
        "'file:///etc/passwd'",
        "'gopher://127.0.0.1/'",
        "'ftp://127.0.0.1/'",
        "'javascript:x'",
        "'http://u:p@127.0.0.1:%d/' % other.port",
        "'http://' + 'a' * 300 + '/'",
        "'//'",
        "''",
        "'http://'",
        "lambda x: x.path",
        "None",
    };
    enum pg_ekind kind;

    for (size_t i = 0; i < sizeof(to) / sizeof(to[0]); i++) {
        start(&(struct rig_options){0});
        rig_py("up.well(); up.on('/blobs/', redirect(%s))", to[i]);
        assert_int_equal(pull_layer(&kind), FLIGHT_LOST);
        if (kind != PG_E_UPSTREAM_WRONG)
            fail_msg("%s: %d", to[i], (int)kind);
        assert_in_range(rig_py_number("up.count('GET', '/blobs/')"), 1, 6);
        assert_int_equal(rig_py_number("len(other.asked)"), 0);
        stop();
    }
}

/* Without allow_private no address of ours is connected to, by whatever name. */
TEST(E17_an_upstream_at_an_address_of_ours)
{
    static const char *const urls[] = {"https://localhost:%s", "https://127.0.0.1:%s",
                                       "https://[::1]:%s",     "https://[::ffff:127.0.0.1]:%s",
                                       "https://0.0.0.0:%s",   "https://2130706433:%s",
                                       "https://0x7f.1:%s"};

    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        struct rig_options o = {.public_only = true};
        char port[16], url[128];

        start(&(struct rig_options){0});
        rig_py("connected = []; accept = up.server.get_request; up.server.get_request = lambda: "
               "connected.append(1) or accept()");
        assert_true(snprintf(port, sizeof(port), "%s", rig_py("up.port")) > 0);
        assert_true(snprintf(url, sizeof(url), "%.*s%s", (int)strlen(urls[i]) - 2, urls[i], port) >
                    0);
        o.url = url;
        rig_restart(&o);
        if (rig_try(FETCH_MANIFEST, "v1") != PG_E_UPSTREAM_WRONG)
            fail_msg("%s", url);
        assert_int_equal(rig_py_number("len(connected)"), 0);
        rig_py("del up.server.get_request");
        stop();
    }
}

TEST(E32_hostile_realms_see_no_credentials)
{
    static const char *const schemes[] = {
        "'Bearer realm=\"http://localhost:%d/token\",service=\"s\"' % other.port",
        "'Bearer realm=\"http://127.0.0.1:%d/token\",service=\"s\"' % other.port",
        "'Bearer realm=\"//localhost:%d/token\",service=\"s\"' % other.port",
        "'Bearer realm=\"/token\",service=\"s\"'",
        "'Bearer realm=\"http://u:p@127.0.0.1:%d/token\"' % other.port",
        "'Bearer realm=\"file:///etc/passwd\"'",
        "'Bearer realm=\"http://' + 'a' * 65536 + '\"'",
        "'Bearer realm=\"unterminated'",
        "'Bearer realm='",
        "'Bearer service=\"s\"'",
        "['Basic realm=\"x\"', 'Bearer realm=\"http://localhost:%d/token\"' % other.port]",
        "['Bearer realm=\"http://localhost:%d/token\"' % other.port, 'Bearer realm=\"{realm}\"']",
    };

    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        enum pg_ekind kind;

        start(&(struct rig_options){.username = "robot", .password = "hunter2"});
        rig_py("token.scheme = %s", schemes[i]);
        kind = rig_try(FETCH_MANIFEST, "v1");
        if (kind != PG_E_UPSTREAM_WRONG)
            fail_msg("%s: %d", schemes[i], (int)kind);
        assert_int_equal(rig_py_number("len(other.asked)"), 0);
        assert_string_equal(rig_py("set(sent(up))"), "{None}");
        stop();
    }
}

/* What else stands in a challenge does not come into our request. */
TEST(E32_service_and_scope_are_escaped_or_our_own)
{
    start(&(struct rig_options){0});
    rig_py("token.scheme = 'Bearer realm=\"{realm}\",service=\"a&b=c "
           "d\",scope=\"repository:evil:*\"'");
    assert_int_equal(rig_try(FETCH_MANIFEST, "v1"), PG_E_NONE);
    assert_string_equal(rig_py("[p for m, p, h in up.asked if p.startswith('/token')]"),
                        "['/token?service=a%26b%3Dc%20d&scope=repository%3Alibrary%2Fapp%3Apull']");
    stop();
}

TEST(credentials_go_to_the_realm_that_is_listed)
{
    char realms[64];

    start(&(struct rig_options){0});
    assert_true(snprintf(realms, sizeof(realms), "localhost:%s", rig_py("other.port")) > 0);
    rig_restart(
        &(struct rig_options){.username = "robot", .password = "hunter2", .realms = realms});
    rig_py("token.realm = 'http://localhost:%%d/token' %% other.port");
    rig_py("other.on('^/token', token.issue)");
    assert_int_equal(rig_try(FETCH_MANIFEST, "v1"), PG_E_NONE);
    assert_string_equal(rig_py("sent(other)"), "['Basic " ROBOT "']");
    assert_string_equal(rig_py("sent(up)"), "[None, 'Bearer token-1']");
    stop();
}

TEST(basic_where_that_is_asked_for)
{
    start(&(struct rig_options){.username = "robot", .password = "hunter2"});
    rig_py("up.well(); up.on('^/v2/', lambda x: x.headers.get('Authorization') != 'Basic " ROBOT
           "' and say(401, {'WWW-Authenticate': 'Basic realm=\"x\"'})(x))");
    assert_int_equal(rig_try(FETCH_MANIFEST, "v1"), PG_E_NONE);
    assert_int_equal(rig_try(FETCH_TAGS, ""), PG_E_NONE);
    assert_string_equal(rig_py("[a is not None for a in sent(up)]"), "[False, True, True]");
    rig_py("up.on('^/v2/', say(401, {'WWW-Authenticate': 'Basic realm=\"x\"'}))");
    assert_int_equal(rig_try(FETCH_MANIFEST, "v1"), PG_E_UPSTREAM_DOWN); /* they are wrong now */
    stop();
}

TEST(a_password_that_others_may_read_is_not_used)
{
    start(&(struct rig_options){.username = "robot", .password = "hunter2"});
    assert_int_equal(chmod(rig_path("password"), 0644), 0);
    assert_int_equal(rig_try(FETCH_MANIFEST, "v1"), PG_E_UPSTREAM_DOWN);
    assert_string_equal(rig_py("set(sent(up))"), "{None}");
    assert_int_equal(chmod(rig_path("password"), 0600), 0);
    assert_int_equal(rig_try(FETCH_MANIFEST, "v1"), PG_E_NONE);
    stop();
}

TEST(a_401_without_a_challenge)
{
    start(&(struct rig_options){0});
    rig_py("up.on('^/v2/.', lambda x: x.headers.get('Authorization') is None and "
           "say(401)(x))");
    assert_int_equal(rig_try(FETCH_MANIFEST, "v1"), PG_E_NONE);
    assert_string_equal(rig_py("[p.split('?')[0] for m, p, h in up.asked]"),
                        "['/v2/library/app/manifests/v1', '/v2/', '/token', "
                        "'/v2/library/app/manifests/v1']");
    rig_py("up.on('^/v2/library', say(401))");
    assert_int_equal(rig_try(FETCH_MANIFEST, "v1"), PG_E_MANIFEST_UNKNOWN);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(one_token_for_all_who_wait),
        RUN(E14_a_token_that_ends_in_the_middle),
        RUN(a_token_that_is_never_good_enough),
        RUN(E15_token_servers),
        RUN(E16_nothing_of_ours_behind_a_redirect),
        RUN(E16_a_signed_address_that_runs_out),
        RUN(E17_redirects_that_lead_astray),
        RUN(E17_an_upstream_at_an_address_of_ours),
        RUN(E32_hostile_realms_see_no_credentials),
        RUN(E32_service_and_scope_are_escaped_or_our_own),
        RUN(credentials_go_to_the_realm_that_is_listed),
        RUN(basic_where_that_is_asked_for),
        RUN(a_password_that_others_may_read_is_not_used),
        RUN(a_401_without_a_challenge),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    rig_end();
    return failed;
}
