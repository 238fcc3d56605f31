/* SPDX-License-Identifier: Apache-2.0 */
/* E28: what an upstream's response head may look like. */
#include "harness/test.h"

#include <stdio.h>

#include "proxy/upstream/head.h"

/* Hands over the lines of text one by one. The last result. */
static int read_head(struct head *h, const char *text, struct pg_err *err)
{
    int result = 0;

    head_init(h);
    while (*text != '\0' && result >= 0) {
        const char *end = strchr(text, '\n');
        size_t n = end == NULL ? strlen(text) : (size_t)(end - text) + 1;

        result = head_line(h, (struct sl){text, n}, err);
        text += n;
    }
    return result;
}

static int verdict(const char *text)
{
    struct head h;
    struct pg_err err = {0};
    int result = read_head(&h, text, &err);

    assert_int_equal(result < 0, err.kind == PG_E_UPSTREAM_WRONG);
    pg_err_clear(&err);
    head_free(&h);
    return result;
}

TEST(what_is_used_of_it)
{
    struct head h;
    struct pg_err err = {0};

    assert_int_equal(read_head(&h,
                               "HTTP/1.1 100 Continue\r\nContent-Length: 7\r\n\r\n"
                               "HTTP/1.1 401 No\r\n"
                               "content-LENGTH:  12 \r\nContent-Type: a/b\r\nLocation: /x\r\n"
                               "Link: <1>; rel=prev\r\nLink: <2>; rel=next\r\n"
                               "Docker-Content-Digest: d\r\nWWW-Authenticate: Basic\r\n"
                               "WWW-Authenticate: Bearer realm=\"x\"\r\nX-Other: y\r\n\r\n",
                               &err),
                     1);
    assert_int_equal(h.status, 401);
    assert_true(h.has_length && h.length == 12);
    assert_true(sl_eq(h.content_type, SL("a/b")) && sl_eq(h.location, SL("/x")));
    assert_true(sl_eq(h.link, SL("<1>; rel=prev, <2>; rel=next")));
    assert_true(sl_eq(h.digest, SL("d")));
    assert_int_equal(h.nchallenges, 2);
    assert_true(sl_eq(h.challenges[1], SL("Bearer realm=\"x\"")));
    assert_int_equal(head_line(&h, SL("Content-Length: 99\r\n"), &err), 0); /* a trailer */
    assert_true(h.length == 12);
    head_free(&h);
}

TEST(E28_where_two_readers_could_differ)
{
    static const char *const bad[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0x10\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 206 OK\r\nContent-Range: bytes 0-1/2\r\nContent-Range: bytes 1-1/2\r\n\r\n",
        "HTTP/1.1 307 Go\r\nLocation: /a\r\nLocation: /b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: y\r\n folded\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\n: empty\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\x01z\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\rz\r\n\r\n",
        "HTTP/1.1 000 No\r\n\r\n",
        "HTTP/1.1 99 No\r\n\r\n",
        "HTTP/1.1 1000 No\r\n\r\n",
        "HTTP/1.1 600 No\r\n\r\n",
        "HTTP/1.1 2x0 No\r\n\r\n",
        "HTTP/1.1\r\n\r\n",
        "Content-Length: 5\r\n\r\n",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (verdict(bad[i]) >= 0)
            fail_msg("passes: %s", bad[i]);
    }
    assert_int_equal(verdict("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n"),
                     1);
    assert_int_equal(verdict("HTTP/1.0 204\r\n\r\n"), 1);
    assert_int_equal(verdict("HTTP/2 200 \r\n\r\n"), 1);
}

static int endless(const char *line)
{
    struct head h;
    struct pg_err err = {0};
    int result = 0;

    head_init(&h);
    for (int i = 0; i < 100000 && result == 0; i++) {
        result = head_line(&h, (struct sl){line, strlen(line)}, &err);
    }
    assert_true(h.arena.used <= 2 * HEAD_BYTES_MAX);
    pg_err_clear(&err);
    head_free(&h);
    return result;
}

TEST(E28_it_does_not_go_on_for_ever)
{
    static char line[20000];

    memset(line, 'a', sizeof(line) - 1);
    line[3] = ':';
    assert_int_equal(endless("HTTP/1.1 103 Early Hints\r\n"), -1);
    assert_int_equal(endless("HTTP/1.1 200 OK\r\n"), -1);
    line[3] = 'a';
    for (size_t i = 0; i < 13; i++) {
        line[i] = "HTTP/1.1 200 "[i];
    }
    assert_int_equal(endless(line), -1);
}

TEST(E28_ten_thousand_cookies)
{
    struct head h;
    struct pg_err err = {0};
    int result = 0;

    head_init(&h);
    assert_int_equal(head_line(&h, SL("HTTP/1.1 200 OK\r\n"), &err), 0);
    for (int i = 0; i < 10000 && result == 0; i++) {
        result = head_line(&h, SL("Set-Cookie: a=b\r\n"), &err);
    }
    assert_int_equal(result, -1);
    pg_err_clear(&err);
    head_free(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(what_is_used_of_it),
        RUN(E28_where_two_readers_could_differ),
        RUN(E28_it_does_not_go_on_for_ever),
        RUN(E28_ten_thousand_cookies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
