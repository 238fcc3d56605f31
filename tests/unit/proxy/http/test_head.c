/* SPDX-License-Identifier: Apache-2.0 */
/* What a head says; how the two readers are set up. What is refused is in test_smuggling.c. */
#include "harness/test.h"

#include "proxy/http/body.h"
#include "proxy/http/conn.h"
#include "proxy/http/head.h"
#include "proxy/http/head_int.h"

static struct head head;
static struct conn_header headers[CONN_HEADERS_MAX];

static void reads(struct sl bytes)
{
    struct pg_err err = {0};

    head_begin(&head, headers);
    if (head_feed(&head, bytes, &err) != 1)
        fail_msg("%s: %s", bytes.p, err.msg != NULL ? err.msg : "not complete");
}

TEST(a_request_of_docker)
{
    reads(SL("GET /v2/library/nginx/manifests/1.25?ns=docker.io HTTP/1.1\r\n"
             "Host: registry.example:5000\r\n"
             "User-Agent: docker/24.0.5 go/go1.20.6 os/linux arch/amd64\r\n"
             "Accept: application/vnd.oci.image.index.v1+json\r\n"
             "Accept: application/vnd.docker.distribution.manifest.v2+json\r\n"
             "Accept-Encoding: gzip\r\n"
             "Connection: close\r\n\r\nMORE"));
    assert_true(sl_eq(head.method, SL("GET")));
    assert_true(sl_eq(head.target, SL("/v2/library/nginx/manifests/1.25?ns=docker.io")));
    assert_true(sl_eq(head.host, SL("registry.example:5000")));
    assert_int_equal(head.nheaders, 6);
    assert_true(sl_eq(headers[2].name, SL("Accept")));
    assert_true(
        sl_eq(headers[3].value, SL("application/vnd.docker.distribution.manifest.v2+json")));
    assert_true(head.closes);
    assert_false(head.is_head);
    assert_int_equal(head.body, HEAD_BODY_NONE);
}

TEST(http_1_0_is_kept_alive_when_it_asks)
{
    reads(SL("GET / HTTP/1.0\r\nHost: x\r\n\r\n"));
    assert_true(head.closes);
    reads(SL("GET / HTTP/1.0\r\nHost: x\r\nConnection: Keep-Alive\r\n\r\n"));
    assert_false(head.closes);
    reads(SL("GET / HTTP/1.0\r\nHost: x\r\nConnection: close, keep-alive\r\n\r\n"));
    assert_true(head.closes);
}

TEST(values_are_trimmed_and_may_be_empty)
{
    reads(SL("HEAD / HTTP/1.1\r\nHost:x\r\nA: \t b c\t \r\nB:\r\nC: \xc3\xa9\r\n\r\n"));
    assert_true(head.is_head);
    assert_true(sl_eq(headers[1].value, SL("b c")));
    assert_true(headers[2].value.p != NULL && headers[2].value.n == 0);
    assert_true(sl_eq(headers[3].value, SL("\xc3\xa9")));
}

TEST(bodies_are_announced)
{
    reads(SL("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 007\r\n\r\n"));
    assert_int_equal(head.body, HEAD_BODY_LENGTH);
    assert_int_equal(head.body_length, 7);
    reads(SL("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"));
    assert_int_equal(head.body, HEAD_BODY_NONE);
    reads(SL(
        "PUT / HTTP/1.1\r\nHost: x\r\ntransfer-ENCODING: Chunked\r\nExpect: 100-continue\r\n\r\n"));
    assert_int_equal(head.body, HEAD_BODY_CHUNKED);
    assert_true(head.expects);
    reads(SL("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999999999999\r\n\r\n"));
    assert_int_equal(head.body_length, UINT64_C(999999999999999999));
}

TEST(what_is_wrong_is_said_before_the_head_is_complete)
{
    struct pg_err err = {0};

    head_begin(&head, headers);
    assert_int_equal(head_feed(&head, SL("GET / HTTP/1.1\r\nHost: x\r\nA: b\rc"), &err), -1);
    assert_int_equal(err.kind, PG_E_BAD_FRAMING);
    head_begin(&head, headers);
    assert_int_equal(head_feed(&head, SL("\x16\x03\x01"), &err), -1);
    head_begin(&head, headers);
    assert_int_equal(head_feed(&head, SL("GET / HTTP/1.1\r\nHost: x\r\n\r"), &err), 0);
    assert_int_equal(head_feed(&head, SL("GET / HTTP/1.1\r\nHost: x\r\n\rX"), &err), -1);
    pg_err_clear(&err);
}

static unsigned flags_of_llhttp(struct head_opinion *o)
{
    head_ask_llhttp(o, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27);
    assert_int_equal(llhttp_get_errno(&o->parser), HPE_PAUSED);
    return o->parser.lenient_flags;
}

/* What each lenient flag would let pass, llhttp refuses by itself, as we set it up. */
TEST(llhttp_is_not_lenient)
{
    static const struct sl refused[] = {
        {"GET / HTTP/1.1\r\nHost: x\r\nA: b\x01\r\n\r\n", 37},
        {"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 66},
        {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked, identity\r\n\r\n", 57},
        {"GET / HTTP/9.9\r\nHost: x\r\n\r\n", 27},
    };
    struct head_opinion o;

    assert_int_equal(flags_of_llhttp(&o), 0);
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        head_ask_llhttp(&o, refused[i].p, refused[i].n);
        if (llhttp_get_errno(&o.parser) == HPE_PAUSED || llhttp_get_errno(&o.parser) == HPE_OK)
            fail_msg("llhttp lets pass: %s", refused[i].p);
    }
}

static int skips(const char *bytes, size_t *used_r, struct pg_err *err)
{
    struct body b;

    reads(SL("PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"));
    b = body_begin(&head);
    return body_skip(&b, (struct sl){bytes, strlen(bytes)}, used_r, err);
}

TEST(a_chunked_body_ends_where_it_ends)
{
    struct pg_err err = {0};
    size_t used;

    assert_int_equal(skips("0\r\n\r\nGET", &used, &err), 1);
    assert_int_equal(used, 5);
    assert_int_equal(skips("a;x=y\r\n0123456789\r\n00000000;z\r\n\r\nGET", &used, &err), 1);
    assert_int_equal(used, 33);
    assert_int_equal(skips("5\r\nhel", &used, &err), 0);
    assert_int_equal(used, 6);
    assert_int_equal(skips("5;a;b\r\n", &used, &err), -1);
    assert_int_equal(skips("5;=\r\n", &used, &err), -1);
    assert_int_equal(skips("5;a=\r\n", &used, &err), -1);
    assert_int_equal(skips("0\r\nX: y\r\n\r\n", &used, &err), -1);
    pg_err_clear(&err);
}

TEST(a_chunked_body_in_pieces_is_the_same)
{
    static const char bytes[] = "5;name=value\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n";
    struct pg_err err = {0};
    struct body b;
    size_t used;

    reads(SL("PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"));
    b = body_begin(&head);
    for (size_t i = 0; i + 1 < sizeof(bytes) - 1; i++) {
        assert_int_equal(body_skip(&b, (struct sl){bytes + i, 1}, &used, &err), 0);
        assert_int_equal(used, 1);
    }
    assert_int_equal(body_skip(&b, SL("\n"), &used, &err), 1);
    assert_int_equal(b.total, sizeof(bytes) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(a_request_of_docker),
        RUN(values_are_trimmed_and_may_be_empty),
        RUN(http_1_0_is_kept_alive_when_it_asks),
        RUN(bodies_are_announced),
        RUN(what_is_wrong_is_said_before_the_head_is_complete),
        RUN(llhttp_is_not_lenient),
        RUN(a_chunked_body_ends_where_it_ends),
        RUN(a_chunked_body_in_pieces_is_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
