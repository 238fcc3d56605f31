/* SPDX-License-Identifier: Apache-2.0 */
/* What a COSE envelope may say: read, and refused before anybody looks at the signature. */
#include "harness/test.h"

#include "base/buf.h"
#include "signing/cose_int.h"

#define NAME(n) "io.cncf.notary." n
#define ALG     "\x01\x26"
#define CRIT    "\x02\x81\x78\x1c" NAME("signingScheme")
#define TYPE    "\x03\x78\x2b" NOTARY_PAYLOAD
#define SCHEME  "\x78\x1c" NAME("signingScheme") "\x6bnotary.x509"
#define WHEN    "\x78\x1a" NAME("signingTime") "\xc1\x1a\x69\x00\x00\x00"
#define EXPIRY  "\x75" NAME("expiry")
#define GOOD    "\xa5" ALG CRIT TYPE SCHEME WHEN
#define CHAIN   "\x18\x21\x81\x42xy"
#define STAMP   "\x78\x21" NAME("timestampSignature")
#define AGENT   "\x78\x1b" NAME("signingAgent")
#define NO_PART                                                                                    \
    {                                                                                              \
        NULL, 0                                                                                    \
    }
#define PART(lit) SL(lit)

static const struct {
    struct sl guarded, beside; /* a map each; {NULL, 0}: a good one */
    enum verify_reason reason;
    const char *says;
} cases[] = {
    {NO_PART, NO_PART, VERIFY_NONE, NULL},
    {PART("\xa6" ALG CRIT TYPE SCHEME WHEN "\x04\x41x"), NO_PART, VERIFY_NONE, NULL},
    {PART("\xa6" ALG CRIT TYPE SCHEME WHEN "\x64mine\xf6"), NO_PART, VERIFY_NONE, NULL},
    {PART("\xa5" WHEN SCHEME TYPE CRIT ALG), NO_PART, VERIFY_NONE, NULL},
    {PART("\xa4" CRIT TYPE SCHEME WHEN), NO_PART, VERIFY_MALFORMED, "no header \"alg\""},
    {PART("\xa4" ALG CRIT SCHEME WHEN), NO_PART, VERIFY_MALFORMED, "no header \"cty\""},
    {PART("\xa4" ALG TYPE SCHEME WHEN), NO_PART, VERIFY_MALFORMED, "no header \"crit\""},
    {PART("\xa4" ALG CRIT TYPE SCHEME), NO_PART, VERIFY_MALFORMED, "signingTime\" is missing"},
    {PART("\xa5\x01\x27" CRIT TYPE SCHEME WHEN), NO_PART, VERIFY_UNSUPPORTED, "algorithm is -8"},
    {PART("\xa5\x01\x05" CRIT TYPE SCHEME WHEN), NO_PART, VERIFY_UNSUPPORTED, "algorithm is 5"},
    {PART("\xa5\x01\x39\x01\x00" CRIT TYPE SCHEME WHEN), NO_PART, VERIFY_UNSUPPORTED, "-257"},
    {PART("\xa5\x01\x3b\x7f\xff\xff\xff\xff\xff\xff\xff" CRIT TYPE SCHEME WHEN), NO_PART,
     VERIFY_UNSUPPORTED, "-9223372036854775808"},
    {PART("\xa5\x01\x65"
          "ES256" CRIT TYPE SCHEME WHEN),
     NO_PART, VERIFY_MALFORMED, "\"alg\""},
    {PART("\xa6" ALG ALG CRIT TYPE SCHEME WHEN), NO_PART, VERIFY_MALFORMED, "deterministic"},
    {PART("\xa5" ALG "\x02\x80" TYPE SCHEME WHEN), NO_PART, VERIFY_MALFORMED, "list of names"},
    {PART("\xa5" ALG "\x02\x81\x18\x63" TYPE SCHEME WHEN), NO_PART, VERIFY_UNSUPPORTED,
     "critical header 99"},
    {PART("\xa5" ALG "\x02\x81\x64mine" TYPE SCHEME WHEN), NO_PART, VERIFY_UNSUPPORTED,
     "critical header \"mine\""},
    {PART("\xa5" ALG "\x02\x82\x78\x1c" NAME("signingScheme") "\x75" NAME("expiry")
              TYPE SCHEME WHEN),
     NO_PART, VERIFY_MALFORMED, "expiry\", which is absent"},
    {PART("\xa6" ALG CRIT TYPE SCHEME WHEN EXPIRY "\xc1\x1a\x7a\x00\x00\x00"), NO_PART,
     VERIFY_MALFORMED, "expiry\" is not in \"crit\""},
    {PART("\xa5" ALG CRIT "\x03\x18\x2a" SCHEME WHEN), NO_PART, VERIFY_MALFORMED, "\"cty\""},
    {PART("\xa5" ALG CRIT "\x03\x63"
          "a/b" SCHEME WHEN),
     NO_PART, VERIFY_UNSUPPORTED, "\"a/b\""},
    {PART("\xa5" ALG CRIT TYPE SCHEME "\x78\x1a" NAME("signingTime") "\x1a\x69\x00\x00\x00"),
     NO_PART, VERIFY_MALFORMED, "whole seconds"},
    {PART("\xa5" ALG CRIT TYPE SCHEME "\x78\x1a" NAME("signingTime") "\xc0\x61x"), NO_PART,
     VERIFY_MALFORMED, "whole seconds"},
    {PART("\xa5" ALG CRIT TYPE SCHEME "\x78\x1a" NAME("signingTime") "\xc1\x20"), NO_PART,
     VERIFY_MALFORMED, "whole seconds"},
    {PART("\xa5" ALG CRIT TYPE SCHEME
          "\x78\x1a" NAME("signingTime") "\xc1\x1b\x00\x00\x00\xff\xff\xff\xff\xff"),
     NO_PART, VERIFY_MALFORMED, "whole seconds"},
    {PART("\x85" ALG CRIT), NO_PART, VERIFY_MALFORMED, "deterministic"},
    {PART("\x80"), NO_PART, VERIFY_MALFORMED, "not a map"},
    {PART(""), NO_PART, VERIFY_MALFORMED, "deterministic"},
    {PART(GOOD "\x00"), NO_PART, VERIFY_MALFORMED, "deterministic"},
    {PART("\xa1\xf6\x01"), NO_PART, VERIFY_MALFORMED, "neither a number nor a text"},
    /* what nobody signed */
    {NO_PART, PART("\xa1\x18\x21\x42xy"), VERIFY_NONE, NULL},
    {NO_PART, PART("\xa3" CHAIN STAMP "\x41x" AGENT "\x01"), VERIFY_NONE, NULL},
    {NO_PART, PART("\xa0"), VERIFY_MALFORMED, "no certificates"},
    {NO_PART, PART("\xa1\x18\x21\x80"), VERIFY_MALFORMED, "no certificates"},
    {NO_PART, PART("\xa1\x18\x21\x81\x62xy"), VERIFY_MALFORMED, "x5chain"},
    {NO_PART, PART("\xa1\x18\x21\x89\x40\x40\x40\x40\x40\x40\x40\x40\x40"), VERIFY_TOO_LARGE,
     "more than 8 certificates"},
    {NO_PART, PART("\xa2" CHAIN "\x01\x26"), VERIFY_MALFORMED, "\"alg\" is not protected"},
    {NO_PART, PART("\xa2" CHAIN "\x02\x80"), VERIFY_MALFORMED, "\"crit\" is not protected"},
    {NO_PART, PART("\xa2" CHAIN EXPIRY "\xc1\x1a\x7a\x00\x00\x00"), VERIFY_MALFORMED,
     "expiry\" is not protected"},
    {NO_PART, PART("\xa2" CHAIN STAMP "\x61x"), VERIFY_MALFORMED, "timestamp"},
    {NO_PART, PART("\x80"), VERIFY_MALFORMED, "not a map"},
};

static void put_bytes(struct pg_buf *b, struct sl bytes)
{
    char head[] = {0x59, (char)(bytes.n >> 8), (char)bytes.n};
    char small[] = {(char)(bytes.n < 24 ? 0x40 + bytes.n : 0x58), (char)bytes.n};

    if (bytes.n > 0xff)
        assert_int_equal(pg_buf_put(b, (struct sl){head, 3}), 0);
    else
        assert_int_equal(pg_buf_put(b, (struct sl){small, bytes.n < 24 ? 1 : 2}), 0);
    assert_int_equal(pg_buf_put(b, bytes), 0);
}

static enum verify_reason read_all(struct sl bytes, struct notary_envelope *e,
                                   struct pg_arena *arena, char *text)
{
    struct verify_refusal no = {0};
    enum verify_reason reason;

    text[0] = '\0';
    if (cose_read(bytes, arena, e, &no) == 0)
        return VERIFY_NONE;
    reason = no.reason;
    (void)snprintf(text, PG_ERR_TEXT_MAX, "%s", no.err.msg);
    pg_err_clear(&no.err);
    return reason;
}

TEST(each_header_has_its_verdict)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sl beside = cases[i].beside.p != NULL ? cases[i].beside : SL("\xa1" CHAIN);
        char text[PG_ERR_TEXT_MAX];
        enum verify_reason reason;
        struct notary_envelope e;
        struct pg_arena arena;
        struct pg_buf b;

        pg_buf_init(&b, 4096);
        pg_arena_init(&arena, VERIFY_ARENA_BYTES);
        assert_int_equal(pg_buf_put(&b, SL("\xd2\x84")), 0);
        put_bytes(&b, cases[i].guarded.p != NULL ? cases[i].guarded : SL(GOOD));
        assert_int_equal(pg_buf_put(&b, beside), 0);
        put_bytes(&b, SL("payload"));
        put_bytes(&b, SL("signature"));
        reason = read_all(pg_buf_sl(&b), &e, &arena, text);
        if (reason != cases[i].reason ||
            (cases[i].says != NULL && strstr(text, cases[i].says) == NULL))
            fail_msg("case %zu: reason %d, not %d: %s", i, reason, cases[i].reason, text);
        pg_arena_free(&arena);
        pg_buf_free(&b);
    }
}

TEST(the_envelope_is_four_parts_with_a_tag)
{
    static const struct sl wrong[] = {
        SL(""),
        SL("\xd2"),
        SL("\x84\x41x\xa0\x41x\x41x"),         /* no tag */
        SL("\xd1\x84\x41x\xa0\x41x\x41x"),     /* COSE_Mac0 */
        SL("\xd8\x12\x84\x41x\xa0\x41x\x41x"), /* the tag in two bytes */
        SL("\xd2\x83\x41x\xa0\x41x"),
        SL("\xd2\x85\x41x\xa0\x41x\x41x\x41x"),
        SL("\xd2\x84\x41x\xa0\xf6\x41x"), /* detached */
        SL("\xd2\x84\xa0\xa0\x41x\x41x"), /* protected, but not in bytes */
        SL("\xd2\xd2\x84\x41x\xa0\x41x\x41x"),
        SL("\xd2\x9f\x41x\xa0\x41x\x41x\xff"),
    };
    char text[PG_ERR_TEXT_MAX];
    struct notary_envelope e;
    struct pg_arena arena;

    pg_arena_init(&arena, VERIFY_ARENA_BYTES);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (read_all(wrong[i], &e, &arena, text) != VERIFY_MALFORMED)
            fail_msg("case %zu: %s", i, text);
    pg_arena_free(&arena);
}

TEST(what_is_signed_is_rebuilt_from_the_bytes_that_came)
{
    const struct sl wanted = SL("\x84\x6aSignature1\x58\x9d" GOOD "\x40\x47payload");
    struct notary_envelope e;
    char text[PG_ERR_TEXT_MAX];
    struct pg_arena arena;
    struct pg_buf b;

    pg_buf_init(&b, 4096);
    pg_arena_init(&arena, VERIFY_ARENA_BYTES);
    assert_int_equal(pg_buf_put(&b, SL("\xd2\x84")), 0);
    put_bytes(&b, SL(GOOD));
    assert_int_equal(pg_buf_put(&b, SL("\xa1" CHAIN)), 0);
    put_bytes(&b, SL("payload"));
    put_bytes(&b, SL("signature"));
    assert_int_equal(read_all(pg_buf_sl(&b), &e, &arena, text), VERIFY_NONE);
    assert_int_equal(e.signed_bytes.n, wanted.n);
    assert_memory_equal(e.signed_bytes.p, wanted.p, wanted.n);
    assert_int_equal(e.signing_time_s, 0x69000000);
    assert_int_equal(e.expiry_s, INT64_MAX);
    pg_arena_free(&arena);
    pg_buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(each_header_has_its_verdict),
        RUN(the_envelope_is_four_parts_with_a_tag),
        RUN(what_is_signed_is_rebuilt_from_the_bytes_that_came),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
