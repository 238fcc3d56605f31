/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"

#include "proxy/http/preface.h"

/* What a connection does: it takes what belongs to it, and no more. */
static int feed(struct sl bytes, size_t step, size_t *taken_r, struct preface *p_r)
{
    struct pg_err err = {0};
    int r = 0;

    *taken_r = 0;
    while (r == 0 && *taken_r < bytes.n) {
        size_t left = bytes.n - *taken_r;
        struct sl fresh = {bytes.p + *taken_r, left < step ? left : step};

        *taken_r += preface_takes((struct sl){bytes.p, *taken_r}, fresh);
        r = preface_feed((struct sl){bytes.p, *taken_r}, p_r, &err);
    }
    assert_int_equal(r < 0, err.kind == PG_E_BAD_FRAMING);
    pg_err_clear(&err);
    return r;
}

static void names(struct sl header, struct sl behind, const char *wanted)
{
    char bytes[512], text[PG_IP_TEXT_MAX] = "";

    memcpy(bytes, header.p, header.n);
    memcpy(bytes + header.n, behind.p, behind.n);
    for (size_t step = 1; step <= 512; step++) {
        struct preface p;
        size_t taken;

        assert_int_equal(feed((struct sl){bytes, header.n + behind.n}, step, &taken, &p), 1);
        assert_int_equal(taken, header.n);
        assert_int_equal(p.has_address, wanted != NULL);
        if (wanted != NULL) {
            pg_ip_text(&p.ip, p.port, text);
            assert_string_equal(text, wanted);
        }
    }
}

#define NAMES(header, wanted) names(SL(header), SL("GET / HTTP/1.1\r\n\r\n"), wanted)
#define V2                    "\r\n\r\n\0\r\nQUIT\n"

TEST(version_1)
{
    NAMES("PROXY TCP4 192.0.2.33 198.51.100.1 56324 443\r\n", "192.0.2.33:56324");
    NAMES("PROXY TCP6 2001:db8::7 2001:db8::8 56324 443\r\n", "[2001:db8::7]:56324");
    NAMES("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
          "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
          "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
    NAMES("PROXY TCP4 192.0.2.33 198.51.100.1 0 0\r\n", "192.0.2.33");
    NAMES("PROXY UNKNOWN\r\n", NULL);
    NAMES("PROXY UNKNOWN what ever it is\r\n", NULL);
}

TEST(version_2)
{
    NAMES(V2 "\x21\x11\0\x0c\xc0\0\2\x21\xc6\x33\x64\1\xdc\x04\1\xbb", "192.0.2.33:56324");
    NAMES(V2 "\x21\x11\0\x10\xc0\0\2\x21\xc6\x33\x64\1\xdc\x04\1\xbb\4\0\1x", "192.0.2.33:56324");
    NAMES(V2 "\x21\x21\0\x24\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"
             "\xdc\x04\1\xbb",
          "[2001:db8::7]:56324");
    NAMES(V2 "\x20\0\0\0", NULL);
    NAMES(V2 "\x20\x11\0\3abc", NULL); /* LOCAL: whatever follows */
    NAMES(V2 "\x21\0\0\4abcd", NULL);  /* UNSPEC */
}

TEST(what_is_none_is_refused)
{
    static const struct sl none[] = {
        SL("GET / HTTP/1.1\r\n\r\n"),
        SL("\x16\x03\x01\x02\0\1\0\1\xfc\3\3"),
        SL("PROXZ TCP4"),
        SL("PROXY\r\n"),
        SL("PROXY \r\n"),
        SL("PROXY TCP4\r\n"),
        SL("PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n"),
        SL("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n"),
        SL("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\rX\n"),
        SL("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n"),
        SL("PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n"),
        SL("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n"),
        SL("PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n"),
        SL("PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n"),
        SL("PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n"),
        SL("PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n"),
        SL("PROXY TCP4 ::1 ::1 1 2\r\n"),
        SL("PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n"),
        SL("PROXY TCP6 [::1] ::1 1 2\r\n"),
        SL("PROXY UNKNOWNS\r\n"),
        SL("proxy tcp4 1.2.3.4 1.2.3.4 1 2\r\n"),
        SL("\r\n\r\n\0\r\nQUIT\r"),
        SL(V2 "\x11\x11\0\0"),
        SL(V2 "\x22\x11\0\x0c"
              "123456789012"),
        SL(V2 "\x21\x12\0\x0c"
              "123456789012"),
        SL(V2 "\x21\x11\0\x0b"
              "12345678901"),
        SL(V2 "\x21\x21\0\x23"
              "12345678901234567890123456789012345"),
        SL(V2 "\x21\x31\0\4"
              "1234"),
        SL(V2 "\x21\x11\xff\xff"),
    };

    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        for (size_t step = 1; step <= none[i].n; step += none[i].n - 1) {
            struct preface p;
            size_t taken;

            if (feed(none[i], step, &taken, &p) != -1)
                fail_msg("%zu: %s", i, none[i].p);
        }
    }
}

TEST(it_has_an_end)
{
    char line[300] = "PROXY UNKNOWN ";
    struct preface p;
    size_t taken;

    memset(line + 14, 'x', sizeof(line) - 14);
    line[105] = '\r';
    line[106] = '\n';
    assert_int_equal(feed((struct sl){line, sizeof(line)}, 1, &taken, &p), 1);
    assert_int_equal(taken, 107);
    line[105] = 'x';
    line[106] = '\r';
    line[107] = '\n';
    assert_int_equal(feed((struct sl){line, sizeof(line)}, sizeof(line), &taken, &p), -1);
    assert_true(taken <= 107);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(version_1),
        RUN(version_2),
        RUN(what_is_none_is_refused),
        RUN(it_has_an_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
