/* SPDX-License-Identifier: Apache-2.0 */
/* DSSE envelopes: one signature, over the type and the payload. */
#include "harness/test.h"

#include "base/json.h"
#include "signing/envelope_int.h"

#define TYPE      "\"payloadType\":\"application/vnd.in-toto+json\""
#define SIGNATURE "\"signatures\":[{\"sig\":\"Zm9v\",\"keyid\":\"k\"}]"

static struct pg_arena arena;

static enum verify_reason read(const char *json, struct envelope *e_r)
{
    struct verify_refusal no = {0};
    struct pg_err err = {0};
    _json_ json_t *root = NULL;

    assert_int_equal(pg_json_parse(sl_str(json), PG_E_DENIED, &root, &err), 0);
    if (envelope_read(root, SL(ENVELOPE_IN_TOTO), &arena, e_r, &no) == 0)
        return VERIFY_NONE;
    pg_err_clear(&no.err);
    return no.reason;
}

TEST(type_and_payload_are_signed_with_their_lengths)
{
    struct envelope e;

    assert_int_equal(read("{" TYPE ",\"payload\":\"aGVsbG8=\"," SIGNATURE "}", &e), VERIFY_NONE);
    assert_true(sl_eq(e.payload, SL("hello")));
    assert_true(sl_eq(e.signature, SL("foo")));
    assert_true(sl_eq(e.encoded, SL("DSSEv1 28 application/vnd.in-toto+json 5 hello")));
    assert_int_equal(read("{" TYPE ",\"payload\":\"\"," SIGNATURE "}", &e), VERIFY_NONE);
    assert_true(sl_eq(e.encoded, SL("DSSEv1 28 application/vnd.in-toto+json 0 ")));
}

TEST(either_alphabet_is_read)
{
    static const char *const same[] = {"+/+/+w==", "-_-_-w==", "-_-_-w"};
    char json[256];
    struct envelope e;

    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        (void)snprintf(json, sizeof(json), "{" TYPE ",\"payload\":\"%s\"," SIGNATURE "}", same[i]);
        assert_int_equal(read(json, &e), VERIFY_NONE);
        assert_true(sl_eq(e.payload, SL("\xfb\xff\xbf\xfb")));
    }
    assert_int_equal(read("{" TYPE ",\"payload\":\"+_+_\"," SIGNATURE "}", &e), VERIFY_MALFORMED);
    assert_int_equal(read("{" TYPE ",\"payload\":\"Zm9v\\n\"," SIGNATURE "}", &e),
                     VERIFY_MALFORMED);
    assert_int_equal(read("{" TYPE ",\"payload\":\"Z===\"," SIGNATURE "}", &e), VERIFY_MALFORMED);
    assert_int_equal(read("{" TYPE ",\"payload\":\"====\"," SIGNATURE "}", &e), VERIFY_MALFORMED);
}

TEST(there_is_one_signature)
{
    struct envelope e;

    assert_int_equal(read("{" TYPE ",\"payload\":\"\"}", &e), VERIFY_MALFORMED);
    assert_int_equal(read("{" TYPE ",\"payload\":\"\",\"signatures\":[]}", &e), VERIFY_MALFORMED);
    assert_int_equal(read("{" TYPE ",\"payload\":\"\",\"signatures\":[{\"sig\":\"\"}]}", &e),
                     VERIFY_SIGNATURE);
    assert_int_equal(read("{" TYPE ",\"payload\":\"\",\"signatures\":[{\"sig\":\"Zg==\"},{\"sig\":"
                          "\"Zg==\"}]}",
                          &e),
                     VERIFY_UNSUPPORTED);
    assert_int_equal(read("{" TYPE ",\"payload\":\"\",\"signatures\":[1]}", &e), VERIFY_MALFORMED);
    assert_int_equal(read("{" TYPE ",\"payload\":\"\",\"signatures\":[{\"sig\":\"Zg==\",\"keyid\":"
                          "1}]}",
                          &e),
                     VERIFY_MALFORMED);
    assert_int_equal(
        read("{" TYPE ",\"payload\":\"\",\"signatures\":[{\"sig\":\"Zg==\",\"x\":1}]}", &e),
        VERIFY_MALFORMED);
}

TEST(other_types_and_members_are_refused)
{
    struct envelope e;

    assert_int_equal(read("[]", &e), VERIFY_MALFORMED);
    assert_int_equal(read("{\"payload\":\"\"," SIGNATURE "}", &e), VERIFY_MALFORMED);
    assert_int_equal(read("{\"payloadType\":\"text/plain\",\"payload\":\"\"," SIGNATURE "}", &e),
                     VERIFY_UNSUPPORTED);
    assert_int_equal(read("{" TYPE ",\"payload\":\"\",\"Payload\":\"\"," SIGNATURE "}", &e),
                     VERIFY_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(type_and_payload_are_signed_with_their_lengths),
        RUN(either_alphabet_is_read),
        RUN(there_is_one_signature),
        RUN(other_types_and_members_are_refused),
    };
    int failed;

    pg_arena_init(&arena, 1 << 16);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    pg_arena_free(&arena);
    return failed;
}
