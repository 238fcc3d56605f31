/* SPDX-License-Identifier: Apache-2.0 */
/* Small questions: manifests, heads, lists; and upstreams that fail or lie about them. */
#include "rig.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "oci/manifest.h"

#define IMAGE "image = up.image('library/app', 'v1', [b'x' * 1000])"

static char image[DIGEST_TEXT_MAX];

static void start(const struct rig_options *o)
{
    rig_start(o);
    rig_py(IMAGE);
    assert_true(snprintf(image, sizeof(image), "%s", rig_py("image.digest")) > 0);
}

static void start_plain(void)
{
    start(&(struct rig_options){0});
}

TEST(a_manifest_by_tag_and_by_digest)
{
    const char *const references[] = {"v1", image};
    struct rig_ask a;

    start_plain();
    for (size_t i = 0; i < 2; i++) {
        struct digest d = rig_digest(image);

        rig_ask(&a, FETCH_MANIFEST, references[i]);
        rig_wait(&a);
        assert_int_equal(a.ask->err.kind, PG_E_NONE);
        assert_true(digest_eq(&a.ask->answer.sha256, &d));
        assert_true(digest_eq(&a.ask->answer.digest, &d));
        assert_int_equal(a.ask->answer.body->n, rig_py_number("len(image.body)"));
        assert_true(
            sl_eq(a.ask->answer.content_type, SL("application/vnd.oci.image.manifest.v1+json")));
        rig_free(&a);
    }
    rig_stop();
}

TEST(a_manifest_by_sha512)
{
    struct rig_ask a;
    char d[DIGEST_TEXT_MAX];

    start_plain();
    assert_true(snprintf(d, sizeof(d), "%s",
                         rig_py("'sha512:' + hashlib.sha512(image.body).hexdigest()")) > 0);
    rig_py("up.manifests['library/app', '%s'] = (OCI_MANIFEST, image.body)", d);
    rig_ask(&a, FETCH_MANIFEST, d);
    rig_wait(&a);
    assert_int_equal(a.ask->err.kind, PG_E_NONE);
    assert_int_equal(a.ask->answer.digest.alg, PG_SHA512);
    assert_int_equal(a.ask->answer.sha256.alg, PG_SHA256);
    rig_free(&a);
    rig_py("up.manifests['library/app', '%s'] = (OCI_MANIFEST, image.body + b' ')", d);
    assert_int_equal(rig_try(FETCH_MANIFEST, d), PG_E_UPSTREAM_WRONG);
    rig_stop();
}

TEST(K06_equal_questions_are_one_and_a_leaver_harms_nobody)
{
    struct rig_ask a[20];

    start_plain();
    rig_py("gate = Gate(); up.on('/manifests/', hold(gate))");
    for (size_t i = 0; i < 20; i++) {
        rig_ask(&a[i], FETCH_MANIFEST, "v1");
    }
    rig_py("gate.wait_reached()");
    rig_free(&a[0]); /* the one that came first */
    rig_py("gate.open()");
    for (size_t i = 1; i < 20; i++) {
        rig_wait(&a[i]);
        assert_int_equal(a[i].ask->err.kind, PG_E_NONE);
        assert_ptr_equal(a[i].ask->answer.body, a[1].ask->answer.body);
    }
    for (size_t i = 1; i < 20; i++) {
        rig_free(&a[i]);
    }
    assert_int_equal(rig_py_number("up.count('GET', '/manifests/')"), 1);
    rig_stop();
}

/* Whoever looked into the store before the first answer got there asks next. */
TEST(K06_who_has_none_takes_the_manifest_that_has_just_come)
{
    start_plain();
    rig_is_cold = true;
    assert_int_equal(rig_try(FETCH_MANIFEST, "v1"), PG_E_NONE);
    assert_int_equal(rig_try(FETCH_MANIFEST, "v1"), PG_E_NONE);
    assert_int_equal(rig_py_number("up.count('GET', '/manifests/')"), 1);
    assert_string_equal(rig_py("up.manifests.pop(('library/app', 'v1')) and 'gone'"), "gone");
    rig_is_cold = false; /* and one that wants to know is told */
    assert_int_equal(rig_try(FETCH_MANIFEST, "v1"), PG_E_MANIFEST_UNKNOWN);
    rig_is_cold = true; /* from then on all are, and for a moment upstream is left alone */
    assert_int_equal(rig_try(FETCH_MANIFEST, "v1"), PG_E_MANIFEST_UNKNOWN);
    assert_int_equal(rig_py_number("up.count('GET', '/manifests/')"), 2);
    rig_is_cold = false;
    rig_stop();
}

TEST(N12_what_any_url_said_a_moment_ago_is_no_word_of_an_authority)
{
    start_plain();
    rig_is_cold = true;
    assert_int_equal(rig_try(FETCH_MANIFEST, image), PG_E_NONE);
    rig_py("up.manifests.clear()");
    rig_of_authority = true;
    assert_int_equal(rig_try(FETCH_MANIFEST, image), PG_E_MANIFEST_UNKNOWN);
    rig_of_authority = false; /* nor does it stay an answer for others */
    assert_int_equal(rig_try(FETCH_MANIFEST, image), PG_E_MANIFEST_UNKNOWN);
    rig_is_cold = false;
    rig_stop();
}

TEST(what_upstream_does_not_have_is_asked_for_once)
{
    static const char *const blob =
        "sha256:0000000000000000000000000000000000000000000000000000000000000001";
    struct rig_ask a;

    start_plain();
    for (int again = 0; again < 3; again++) {
        assert_int_equal(rig_try(FETCH_MANIFEST, "gone"), PG_E_MANIFEST_UNKNOWN);
        assert_int_equal(rig_try(FETCH_BLOB_HEAD, blob), PG_E_BLOB_UNKNOWN);
        rig_ask_of(&a, FETCH_TAGS, "library/gone", "", "n=2");
        rig_wait(&a);
        assert_int_equal(a.ask->err.kind, PG_E_NAME_UNKNOWN);
        assert_false(a.ask->denied);
        rig_free(&a);
    }
    assert_int_equal(rig_py_number("len(up.asked)"), 3);
    assert_int_equal(rig_try(FETCH_MANIFEST, "v1"), PG_E_NONE); /* just that */
    rig_py("up.manifests['library/app', 'gone'] = up.manifests['library/app', 'v1']");
    fetch_forget_unknown(rig_fetch, SL("origin.test"), SL("library/app"));
    assert_int_equal(rig_try(FETCH_MANIFEST, "gone"), PG_E_NONE);
    rig_stop();
}

/* That we are not let in, or that it fails, says nothing of what it has. */
TEST(what_is_no_word_on_content_is_not_remembered)
{
    static const struct {
        const char *said;
        bool denied;
    } rows[] = {{"status(401)", true}, {"status(403)", true}, {"status(500)", false}};
    struct rig_ask a;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        start_plain();
        rig_py("up.on('/manifests/', %s)", rows[i].said);
        rig_ask(&a, FETCH_MANIFEST, "v1");
        rig_wait(&a);
        assert_int_not_equal(a.ask->err.kind, PG_E_NONE);
        assert_int_equal(a.ask->denied, rows[i].denied);
        rig_free(&a);
        rig_py("up.well()");
        assert_int_equal(rig_try(FETCH_MANIFEST, "v1"), PG_E_NONE);
        rig_stop();
    }
}

TEST(when_the_last_asker_leaves_the_question_is_called_off)
{
    struct rig_ask a;

    start_plain();
    rig_py("gate = Gate(); up.on('/manifests/', hold(gate), times=1)");
    rig_ask(&a, FETCH_MANIFEST, "v1");
    rig_py("gate.wait_reached()");
    rig_free(&a);
    assert_int_equal(rig_try(FETCH_MANIFEST, "v1"), PG_E_NONE); /* does not wait for the other */
    rig_py("gate.open()");
    assert_int_equal(rig_py_number("up.count('GET', '/manifests/')"), 2);
    rig_stop();
}

TEST(an_asker_may_leave_at_any_time)
{
    struct rig_ask a[200];

    start_plain();
    for (size_t i = 0; i < 200; i++) {
        rig_ask(&a[i], i % 2 == 0 ? FETCH_MANIFEST : FETCH_MANIFEST_HEAD, "v1");
        if (i % 3 == 0)
            rig_free(&a[i]);
    }
    for (size_t i = 0; i < 200; i++) {
        if (a[i].ask == NULL)
            continue;
        if (i % 3 == 1)
            rig_wait(&a[i]);
        rig_free(&a[i]);
    }
    rig_stop();
}

TEST(E09_another_manifest_under_that_digest)
{
    int64_t wrong = 0;

    start_plain();
    wrong = pg_metric_read(PG_M_UPSTREAM_WRONG);
    rig_py("up.on('/manifests/sha256', instead(b'{}', Docker_Content_Digest=image.digest))");
    assert_int_equal(rig_try(FETCH_MANIFEST, image), PG_E_UPSTREAM_WRONG);
    assert_int_equal(pg_metric_read(PG_M_UPSTREAM_WRONG), wrong + 1);
    rig_stop();
}

TEST(E29_what_headers_say_is_not_believed)
{
    struct digest d;
    struct rig_ask a;

    start_plain();
    d = rig_digest(image);
    rig_py("up.on('/manifests/v1', say(200, {'Docker-Content-Digest': sha256(b'lie'), "
           "'Content-Type': 'text/plain'}, image.body))");
    rig_ask(&a, FETCH_MANIFEST, "v1");
    rig_wait(&a);
    assert_int_equal(a.ask->err.kind, PG_E_NONE);
    assert_true(digest_eq(&a.ask->answer.digest, &d));
    rig_free(&a);
    rig_stop();
}

TEST(what_is_not_there)
{
    static const int no_api[] = {400, 404, 405, 406, 501};

    start_plain();
    assert_int_equal(rig_try(FETCH_MANIFEST, "other"), PG_E_MANIFEST_UNKNOWN);
    assert_int_equal(rig_try(FETCH_MANIFEST_HEAD, "other"), PG_E_MANIFEST_UNKNOWN);
    assert_int_equal(rig_try(FETCH_BLOB_HEAD, image), PG_E_BLOB_UNKNOWN);
    assert_int_equal(rig_try(FETCH_REFERRERS, image), PG_E_MANIFEST_UNKNOWN);
    for (size_t i = 0; i < sizeof(no_api) / sizeof(no_api[0]); i++) {
        rig_py("up.on('/referrers/', status(%d))", no_api[i]);
        assert_int_equal(rig_try(FETCH_REFERRERS, image), PG_E_MANIFEST_UNKNOWN);
    }
    rig_py("up.manifests.clear()");
    assert_int_equal(rig_try(FETCH_TAGS, ""), PG_E_NAME_UNKNOWN);
    for (int status = 401; status <= 403; status += 2) {
        rig_py("up.on('^/v2/', say(%d, {'WWW-Authenticate': 'Basic realm=\"x\"'}, b'secret'))",
               status);
        assert_int_equal(rig_try(FETCH_MANIFEST, "v1"), PG_E_MANIFEST_UNKNOWN);
        assert_int_equal(rig_try(FETCH_TAGS, ""), PG_E_NAME_UNKNOWN);
    }
    rig_stop();
}

TEST(E20_heads)
{
    struct digest d;
    struct rig_ask a;

    start_plain();
    d = rig_digest(image);
    rig_ask(&a, FETCH_MANIFEST_HEAD, "v1");
    rig_wait(&a);
    assert_int_equal(a.ask->err.kind, PG_E_NONE);
    assert_true(a.ask->answer.has_digest && digest_eq(&a.ask->answer.digest, &d));
    assert_true(a.ask->answer.has_size);
    assert_int_equal(a.ask->answer.size, rig_py_number("len(image.body)"));
    assert_null(a.ask->answer.body);
    rig_free(&a);
    rig_py("faults = [status(405), status(400), status(501), say(200, {'Content-Type': "
           "'text/html'}), say(200, {'Docker-Content-Digest': 'sha256:no'})]");
    for (int i = 0; i < 5; i++) {
        rig_py("up.well(); up.on('/manifests/', faults[%d], methods=('HEAD',))", i);
        rig_ask(&a, FETCH_MANIFEST_HEAD, "v1");
        rig_wait(&a);
        assert_int_equal(a.ask->err.kind, PG_E_NONE);
        assert_false(a.ask->answer.has_digest);
        rig_free(&a);
    }
    rig_ask(&a, FETCH_BLOB_HEAD, rig_py("image.layers[0]"));
    rig_wait(&a);
    assert_true(a.ask->err.kind == PG_E_NONE && a.ask->answer.has_size);
    assert_int_equal(a.ask->answer.size, 1000);
    rig_free(&a);
    rig_stop();
}

TEST(lists_and_where_they_go_on)
{
    struct rig_ask a;

    start_plain();
    rig_py("up.on('n=1&last=a%%20b', say(200, {'Link': '</v2/x?last=c>; rel=\"next\"'}, b'{}'))");
    rig_ask_of(&a, FETCH_TAGS, "library/app", "", "n=1&last=a%20b");
    rig_wait(&a);
    assert_int_equal(a.ask->err.kind, PG_E_NONE);
    assert_true(sl_eq(a.ask->answer.link, SL("</v2/x?last=c>; rel=\"next\"")));
    assert_true(sl_eq(pg_bytes_sl(a.ask->answer.body), SL("{}")));
    rig_free(&a);
    rig_stop();
}

TEST(nothing_of_improper_form_becomes_a_url)
{
    static const struct {
        const char *repo, *reference, *query;
    } bad[] = {
        {"../etc", "v1", ""},
        {"library/app", "v 1", ""},
        {"library/app", "a/b", ""},
        {"library/app", "", ""},
        {"library/app", "sha256:x", ""},
        {"Library/app", "v1", ""},
        {"library/app", "v1", "a b"},
        {"library/app", "v1", "a\r\nb"},
        {"library/app", "v1", "a#b"},
        {"library/app\r\n", "v1", ""},
    };

    start_plain();
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct rig_ask a;

        rig_ask_of(&a, FETCH_MANIFEST, bad[i].repo, bad[i].reference, bad[i].query);
        rig_wait(&a);
        if (a.ask->err.kind != PG_E_NAME_INVALID && a.ask->err.kind != PG_E_DIGEST_INVALID)
            fail_msg("row %zu passes", i);
        rig_free(&a);
    }
    assert_int_equal(rig_py_number("len(up.asked)"), 0);
    rig_stop();
}

TEST(E04_reset_before_the_head)
{
    start_plain();
    rig_py("up.on('/manifests/v1', reset(), times=1)");
    assert_int_equal(rig_try(FETCH_MANIFEST, "v1"), PG_E_NONE);
    rig_py("up.asked.clear(); up.on('/manifests/v2', reset())");
    assert_int_equal(rig_try(FETCH_MANIFEST, "v2"), PG_E_UPSTREAM_DOWN);
    /* Ours, and libcurl's own when the first went out on a connection that was kept. */
    assert_in_range(rig_py_number("up.count('GET', '/manifests/v2')"), 2, 3);
    rig_stop();
}

/* What a status says that is followed by no whole head, nobody knows: least of all "gone". */
TEST(E04_a_head_that_breaks_off_says_nothing)
{
    static const char *const heads[] = {
        "b'HTTP/1.1 404 Not Found\\r\\n'",
        "b'HTTP/1.1 404 Not Found\\r\\nContent-Length: 0\\r\\n'",
        "b'HTTP/1.1 403 Forbidden\\r\\nContent-Le'",
        "b'HTTP/1.1 401 Unauthorized\\r\\n'",
        "b'HTTP/1.1 405 Not Allowed\\r\\n'",
        "b'HTTP/1.1 302 Found\\r\\nLocation: /elsewhere\\r\\n'",
        "b'HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n'",
    };
    struct rig_ask a;

    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        start_plain();
        for (enum fetch_kind kind = FETCH_MANIFEST; kind <= FETCH_MANIFEST_HEAD; kind++) {
            rig_py("up.well(); up.on('/manifests/', raw(%s))", heads[i]);
            rig_ask(&a, kind, "v1");
            rig_wait(&a);
            assert_int_equal(a.ask->err.kind, PG_E_UPSTREAM_DOWN);
            assert_false(a.ask->denied);
            rig_free(&a);
            rig_py("up.well(); up.on('/manifests/', raw(%s), times=1)", heads[i]);
            assert_int_equal(rig_try(kind, "v1"), PG_E_NONE);
        }
        rig_stop();
    }
}

TEST(a_body_to_a_head_spoils_nothing)
{
    start_plain();
    rig_py("up.on('/manifests/', raw(b'HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\n\\r\\nhello', "
           "end='keep'), methods=('HEAD',))");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(rig_try(FETCH_MANIFEST_HEAD, "v1"), PG_E_NONE);
        assert_int_equal(rig_try(FETCH_MANIFEST, "v1"), PG_E_NONE);
    }
    rig_stop();
}

TEST(E06_half_a_manifest)
{
    start_plain();
    rig_py("up.on('/manifests/', cut(10), times=1)");
    assert_int_equal(rig_try(FETCH_MANIFEST, "v1"), PG_E_NONE);
    rig_py("up.on('/manifests/', cut(10))");
    assert_int_equal(rig_try(FETCH_MANIFEST, "v1"), PG_E_UPSTREAM_DOWN);
    rig_stop();
}

TEST(E10_silence_and_drips)
{
    struct rig_options o = {.stall_ms = 200};

    start(&o);
    rig_py("gate = Gate(); up.on('/manifests/', hold(gate))");
    assert_int_equal(rig_try(FETCH_MANIFEST, "v1"), PG_E_TIMEOUT);
    rig_py("gate.open()");
    rig_stop();
    start(&o);
    rig_py("drip = lambda x: [x.send_response(200), x.end_headers()] + [(x.wfile.write(b' '), "
           "x.wfile.flush(), threading.Event().wait(0.05)) for _ in range(200)]");
    rig_py("up.on('/manifests/', drip)");
    assert_int_equal(rig_try(FETCH_MANIFEST, "v1"), PG_E_TIMEOUT);
    rig_stop();
}

TEST(E12_patience)
{
    static const struct {
        const char *said;
        int s;
    } rows[] = {{"'5'", 5},
                {"'Wed, 21 Oct 2065 07:28:00 GMT'", 300},
                {"'soon'", 30},
                {"'315360000'", 300},
                {"None", 30}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rig_ask a;

        start_plain();
        rig_py("up.on('/manifests/', say(429, {'Retry-After': %s}))", rows[i].said);
        for (int again = 0; again < 3; again++) {
            rig_ask(&a, FETCH_MANIFEST, "v1");
            rig_wait(&a);
            assert_int_equal(a.ask->err.kind, PG_E_UPSTREAM_DOWN);
            assert_int_equal(a.ask->retry_after_s, rows[i].s);
            rig_free(&a);
        }
        assert_int_equal(rig_try(FETCH_TAGS, ""), PG_E_UPSTREAM_DOWN); /* whatever is asked */
        assert_int_equal(rig_py_number("len(up.asked)"), 1);           /* one probe per window */
        rig_stop();
    }
}

/* A quota that is spent is another thing than a guard against abuse: what it does not count may
 * still be asked. */
TEST(E12_a_quota_holds_back_its_own_class)
{
    static const char *const says[] = {
        "b'{\"errors\":[{\"code\":\"TOOMANYREQUESTS\",\"message\":\"You have reached your "
        "unauthenticated pull rate limit. https://www.docker.com/increase-rate-limit\"}]}'",
        "b'{}', {'RateLimit-Limit': '100;w=21600', 'RateLimit-Remaining': '0;w=21600'}"};
    struct rig_ask a;

    for (size_t i = 0; i < 2; i++) {
        start_plain();
        rig_py("quota = lambda body, more={}: say(429, more, body)");
        rig_py("up.on('/manifests/', quota(%s))", says[i]);
        rig_ask(&a, FETCH_MANIFEST, "v1");
        rig_wait(&a);
        assert_int_equal(a.ask->err.kind, PG_E_UPSTREAM_DOWN);
        assert_int_equal(a.ask->retry_after_s, 30);
        assert_non_null(strstr(a.ask->err.msg, "pull rate limit"));
        rig_free(&a);
        assert_int_equal(rig_try(FETCH_TAGS, ""), PG_E_NONE);
        assert_int_equal(rig_try(FETCH_MANIFEST, "v1"), PG_E_UPSTREAM_DOWN);
        assert_int_equal(rig_py_number("up.count('GET', '/manifests/')"), 1);
        rig_stop();
    }
}

TEST(what_an_upstream_says_of_our_budget_is_kept)
{
    struct health_view v;

    start_plain();
    fetch_health(rig_fetch, SL("origin.test"), &v);
    assert_false(v.budget.known);
    rig_py("told = lambda x: x.answer(200, {'RateLimit-Limit': '100;w=21600', "
           "'RateLimit-Remaining': '7;w=21600', 'Docker-RateLimit-Source': '192.0.2.7', "
           "'Content-Type': OCI_MANIFEST}, image.body) or True");
    rig_py("up.on('/manifests/', told)");
    assert_int_equal(rig_try(FETCH_MANIFEST, "v1"), PG_E_NONE);
    fetch_health(rig_fetch, SL("origin.test"), &v);
    assert_true(v.budget.known && v.budget.limit == 100 && v.budget.window_s == 21600);
    assert_in_range(v.budget_left, 7, 8);
    assert_string_equal(v.budget.source, "192.0.2.7");
    rig_stop();
}

TEST(where_head_tells_nothing_it_is_not_sent_again)
{
    static const char *const says[] = {"status(405)", "status(400)", "say(200)"};

    for (size_t i = 0; i < 3; i++) {
        start_plain();
        rig_py("up.on('/manifests/', %s, methods=('HEAD',))", says[i]);
        for (int again = 0; again < 3; again++)
            assert_int_equal(rig_try(FETCH_MANIFEST_HEAD, "v1"), PG_E_NONE);
        assert_int_equal(rig_py_number("up.count('HEAD', '/manifests/')"), 1);
        assert_int_equal(rig_try(FETCH_MANIFEST, "v1"), PG_E_NONE);
        rig_stop();
    }
    start_plain(); /* one that does tell is asked each time */
    for (int again = 0; again < 3; again++)
        assert_int_equal(rig_try(FETCH_MANIFEST_HEAD, "v1"), PG_E_NONE);
    assert_int_equal(rig_py_number("up.count('HEAD', '/manifests/')"), 3);
    rig_stop();
}

TEST(E13_errors_of_the_server)
{
    start_plain();
    rig_py("up.on('/manifests/', status(500), times=2)");
    assert_int_equal(rig_try(FETCH_MANIFEST, "v1"), PG_E_NONE);
    rig_py("up.asked.clear(); up.on('/manifests/', status(500))");
    assert_int_equal(rig_try(FETCH_MANIFEST, "v1"), PG_E_UPSTREAM_DOWN);
    assert_int_equal(rig_py_number("len(up.asked)"), 3);
    rig_py("up.well(); up.asked.clear(); up.on('/manifests/', say(503, {'Retry-After': '9'}))");
    assert_int_equal(rig_try(FETCH_MANIFEST, "v1"), PG_E_UPSTREAM_DOWN);
    assert_int_equal(rig_py_number("len(up.asked)"), 1); /* it said when */
    rig_stop();
}

/* E24: nobody waits for one that is not there; it is noticed when it comes back. */
TEST(E02_refused_and_back)
{
    struct rig_ask a;
    int refused = 0;

    start_plain();
    rig_py("up.die()");
    assert_int_equal(rig_try(FETCH_MANIFEST, "v1"), PG_E_UPSTREAM_DOWN);
    rig_ask(&a, FETCH_TAGS, "");
    rig_wait(&a);
    assert_int_equal(a.ask->err.kind, PG_E_UPSTREAM_DOWN);
    assert_int_equal(a.ask->retry_after_s, 1); /* was not even tried */
    rig_free(&a);
    rig_py("up.live()");
    while (rig_try(FETCH_MANIFEST, "v1") != PG_E_NONE) {
        rig_py("threading.Event().wait(0.05)");
        assert_true(++refused < 100);
    }
    assert_int_equal(rig_try(FETCH_TAGS, ""), PG_E_NONE);
    rig_stop();
}

/* Opens anew each time: a kept connection would tell nothing of where it is looked for. */
static void expect_it_is_reached(const char *host)
{
    char url[64];
    struct rig_options o = {.url = url, .connect_ms = 5000};
    int hole, hole_six;

    assert_true(snprintf(url, sizeof(url), "http://%s:1", host) > 0);
    rig_start(&o);
    assert_true(snprintf(url, sizeof(url), "http://%s:%u", host, rig_port()) > 0);
    rig_reload(&o);
    hole = rig_dig_hole();
    hole_six = rig_dig_hole_six();
    rig_py("up.image('library/app', 'v1')");
    rig_py("up.on('^/v2/', lambda x: setattr(x, 'close_connection', True))");
    for (int i = 0; i < 4; i++) {
        assert_int_equal(rig_try(FETCH_MANIFEST, "v1"), PG_E_NONE);
    }
    assert_int_equal(close(hole), 0);
    assert_int_equal(close(hole_six), 0);
    rig_stop();
}

TEST(E02_one_address_of_several_is_dead)
{
    uint64_t began = pg_clock_mono_ms();

    expect_it_is_reached("four.test");
    assert_true(pg_clock_mono_ms() - began < UINT64_C(4) * 1500); /* it is looked for there once */
}

TEST(E02_ipv6_is_dead)
{
    expect_it_is_reached("six.test");
}

TEST(E02_nobody_says_even_that_nobody_is_there)
{
    char url[64];
    struct rig_options o = {.url = url, .connect_ms = 500};
    int64_t requests_before = pg_metric_read(PG_M_UPSTREAM_REQUESTS);
    int hole;

    assert_true(snprintf(url, sizeof(url), "http://" RIG_HOLE ":1") > 0);
    rig_start(&o);
    assert_true(snprintf(url, sizeof(url), "http://" RIG_HOLE ":%u", rig_port()) > 0);
    rig_reload(&o);
    hole = rig_dig_hole();
    assert_int_equal(rig_try(FETCH_MANIFEST, "v1"), PG_E_UPSTREAM_DOWN); /* once is enough */
    assert_int_equal(pg_metric_read(PG_M_UPSTREAM_REQUESTS) - requests_before, 1);
    assert_int_equal(close(hole), 0);
    rig_stop();
}

TEST(E01_a_resolver_that_hangs_holds_nobody_else)
{
    struct rig_ask a;

    start_plain();
    rig_reload(&(struct rig_options){.url = "http://hangs.test", .connect_ms = 300});
    rig_ask(&a, FETCH_MANIFEST, "v1");
    rig_reload(&(struct rig_options){0});
    assert_int_equal(rig_try(FETCH_MANIFEST, "v1"), PG_E_NONE);
    assert_false(a.done);
    rig_wait(&a);
    assert_int_equal(a.ask->err.kind, PG_E_UPSTREAM_DOWN);
    rig_free(&a);
    rig_stop();
    for (int i = 0; i < 2; i++) { /* its two tries; their threads end by themselves */
        assert_int_equal(sem_post(&rig_resolver), 0);
    }
}

TEST(E01_no_such_host)
{
    start(&(struct rig_options){.url = "http://no-such-host.invalid"});
    assert_int_equal(rig_try(FETCH_MANIFEST, "v1"), PG_E_UPSTREAM_DOWN);
    rig_stop();
}

/* E33: what belongs to one revision of an upstream is never used by another. */
TEST(a_reload_has_connections_of_its_own)
{
    start_plain();
    rig_py("ports = set(); up.on('^/v2/', lambda x: ports.add(x.client_address[1]))");
    assert_int_equal(rig_try(FETCH_MANIFEST, "v1"), PG_E_NONE);
    assert_int_equal(rig_try(FETCH_MANIFEST, "v1"), PG_E_NONE);
    assert_int_equal(rig_py_number("len(ports)"), 1);
    for (int i = 2; i <= 4; i++) {
        rig_reload(&(struct rig_options){0});
        assert_int_equal(rig_try(FETCH_MANIFEST, "v1"), PG_E_NONE);
        assert_int_equal(rig_py_number("len(ports)"), i);
    }
    rig_stop();
}

TEST(E03_no_tls_where_tls_is_configured)
{
    char url[64];

    rig_start(&(struct rig_options){0});
    assert_true(snprintf(url, sizeof(url), "https://127.0.0.1:%s", rig_py("up.port")) > 0);
    rig_restart(&(struct rig_options){.url = url});
    assert_int_equal(rig_try(FETCH_MANIFEST, "v1"), PG_E_UPSTREAM_TLS);
    assert_int_equal(rig_py_number("up.count('GET', '/')"), 0);
    rig_stop();
}

TEST(F01_manifests_that_are_too_large)
{
    struct rig_ask a;

    start_plain();
    rig_py("up.manifest('library/app', 'fits', b' ' * %zu)", MANIFEST_BYTES_MAX);
    rig_py("up.manifest('library/app', 'over', b' ' * %zu)", MANIFEST_BYTES_MAX + 1);
    rig_ask(&a, FETCH_MANIFEST, "fits");
    rig_wait(&a);
    assert_int_equal(a.ask->err.kind, PG_E_NONE);
    assert_int_equal(a.ask->answer.body->n, MANIFEST_BYTES_MAX);
    rig_free(&a);
    assert_int_equal(rig_try(FETCH_MANIFEST, "over"), PG_E_UPSTREAM_WRONG);
    rig_py("up.on('/manifests/endless', raw(b'HTTP/1.1 200 OK\\r\\nConnection: close\\r\\n\\r\\n' "
           "+ b' ' * %zu))",
           MANIFEST_BYTES_MAX + 1);
    assert_int_equal(rig_try(FETCH_MANIFEST, "endless"), PG_E_UPSTREAM_WRONG);
    rig_stop();
}

TEST(E28_what_is_no_proper_http)
{
    static const char *const answers[] = {
        "b'HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\nContent-Length: 6\\r\\n\\r\\nhello'",
        "b'HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n'",
        "b'HTTP/1.1 000 X\\r\\n\\r\\n'",
        "b'HTTP/1.1 99 X\\r\\n\\r\\n'",
        "b'garbage\\r\\n\\r\\n'",
        "b'HTTP/1.1 200 OK\\r\\nX: ' + b'y' * 2000000 + b'\\r\\n\\r\\n'",
        "b'HTTP/1.1 200 OK\\r\\nX: \\0\\r\\n\\r\\n'",
        "b'HTTP/1.1 103 E\\r\\n\\r\\n' * 2000",
        "b'HTTP/1.1 200 OK\\r\\n' + b'Set-Cookie: a=b\\r\\n' * 20000 + b'\\r\\n'",
    };

    start_plain();
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        enum pg_ekind kind;

        rig_py("up.well(); up.on('/manifests/', raw(%s))", answers[i]);
        kind = rig_try(FETCH_MANIFEST, "v1");
        if (kind != PG_E_UPSTREAM_WRONG)
            fail_msg("row %zu: %d", i, (int)kind);
    }
    rig_stop();
}

TEST(a_drained_fetch_takes_nothing_new_and_ends_what_runs)
{
    struct rig_ask a;

    start_plain();
    rig_py("gate = Gate(); up.on('/manifests/', hold(gate))");
    rig_ask(&a, FETCH_MANIFEST, "v1");
    rig_py("gate.wait_reached()");
    fetch_drain(rig_fetch);
    assert_int_equal(rig_try(FETCH_TAGS, ""), PG_E_UPSTREAM_DOWN);
    rig_py("gate.open()");
    rig_wait(&a);
    assert_int_equal(a.ask->err.kind, PG_E_NONE);
    rig_free(&a);
    rig_stop();
}

TEST(what_is_under_way_can_be_seen)
{
    struct rig_ask a;
    struct pg_buf out;

    start_plain();
    pg_buf_init(&out, 65536);
    fetch_write_json(rig_fetch, &out);
    assert_true(sl_eq(pg_buf_sl(&out), SL("[]")));
    rig_py("gate = Gate(); up.on('/manifests/', hold(gate))");
    rig_ask(&a, FETCH_MANIFEST, "v1");
    rig_py("gate.wait_reached()");
    pg_buf_clear(&out);
    fetch_write_json(rig_fetch, &out);
    assert_true(pg_buf_put(&out, (struct sl){"", 1}) == 0);
    assert_non_null(strstr(out.p, "\"path\":\"library/app/manifests/v1\""));
    assert_non_null(strstr(out.p, "\"waiting\":1"));
    pg_buf_free(&out);
    rig_free(&a);
    rig_py("gate.open()");
    rig_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(a_manifest_by_tag_and_by_digest),
        RUN(a_manifest_by_sha512),
        RUN(K06_equal_questions_are_one_and_a_leaver_harms_nobody),
        RUN(K06_who_has_none_takes_the_manifest_that_has_just_come),
        RUN(N12_what_any_url_said_a_moment_ago_is_no_word_of_an_authority),
        RUN(what_upstream_does_not_have_is_asked_for_once),
        RUN(what_is_no_word_on_content_is_not_remembered),
        RUN(when_the_last_asker_leaves_the_question_is_called_off),
        RUN(an_asker_may_leave_at_any_time),
        RUN(E09_another_manifest_under_that_digest),
        RUN(E29_what_headers_say_is_not_believed),
        RUN(what_is_not_there),
        RUN(E20_heads),
        RUN(lists_and_where_they_go_on),
        RUN(nothing_of_improper_form_becomes_a_url),
        RUN(E04_reset_before_the_head),
        RUN(E04_a_head_that_breaks_off_says_nothing),
        RUN(a_body_to_a_head_spoils_nothing),
        RUN(E06_half_a_manifest),
        RUN(E10_silence_and_drips),
        RUN(E12_patience),
        RUN(E12_a_quota_holds_back_its_own_class),
        RUN(what_an_upstream_says_of_our_budget_is_kept),
        RUN(where_head_tells_nothing_it_is_not_sent_again),
        RUN(E13_errors_of_the_server),
        RUN(E02_refused_and_back),
        RUN(E02_one_address_of_several_is_dead),
        RUN(E02_ipv6_is_dead),
        RUN(E02_nobody_says_even_that_nobody_is_there),
        RUN(E01_a_resolver_that_hangs_holds_nobody_else),
        RUN(E01_no_such_host),
        RUN(a_reload_has_connections_of_its_own),
        RUN(E03_no_tls_where_tls_is_configured),
        RUN(F01_manifests_that_are_too_large),
        RUN(E28_what_is_no_proper_http),
        RUN(a_drained_fetch_takes_nothing_new_and_ends_what_runs),
        RUN(what_is_under_way_can_be_seen),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    rig_end();
    return failed;
}
