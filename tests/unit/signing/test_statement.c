/* SPDX-License-Identifier: Apache-2.0 */
/* What a statement has to be to be about the image. */
#include "harness/test.h"

#include "base/buf.h"
#include "signing/statement_int.h"

#define HEX     "5b1759ab4239765ee2fd9f68422073d19edae996e0c33df2382190a81e0f9a95"
#define OTHER   "0000000000000000000000000000000000000000000000000000000000000000"
#define OF(hex) "{\"name\":\"x\",\"digest\":{\"sha256\":\"" hex "\"}}"
#define V1(subjects)                                                                               \
    "{\"_type\":\"https://in-toto.io/Statement/v1\",\"predicateType\":\"p\",\"predicate\":{},"     \
    "\"subject\":[" subjects "]}"

static struct pg_arena arena;
static char said[1100];

static enum verify_reason read(struct sl json, struct statement *s_r)
{
    struct verify_refusal no = {0};
    struct pg_err err = {0};
    struct digest image;

    assert_int_equal(digest_parse(SL("sha256:" HEX), &image, &err), 0);
    if (statement_read(json, &image, &arena, s_r, &no) == 0)
        return VERIFY_NONE;
    (void)snprintf(said, sizeof(said), "%s", no.err.msg);
    pg_err_clear(&no.err);
    return no.reason;
}

static enum verify_reason reason(const char *json)
{
    struct statement s = {0};
    enum verify_reason r = read(sl_str(json), &s);

    json_decref(s.annotations);
    return r;
}

TEST(any_subject_may_be_the_image)
{
    assert_int_equal(reason(V1(OF(HEX))), VERIFY_NONE);
    assert_int_equal(reason(V1(OF(OTHER) "," OF(HEX))), VERIFY_NONE);
    assert_int_equal(reason(V1("{\"name\":\"no digest\"}," OF(HEX))), VERIFY_NONE);
    assert_int_equal(reason(V1("{\"digest\":{\"sha512\":\"ab\",\"sha256\":\"" HEX "\"}}")),
                     VERIFY_NONE);
}

TEST(another_image_is_told_by_its_digest)
{
    assert_int_equal(reason(V1(OF(OTHER))), VERIFY_SUBJECT);
    assert_non_null(strstr(said, "is about sha256:" OTHER ", this image is sha256:" HEX));
    assert_int_equal(reason(V1(OF(OTHER) "," OF(OTHER))), VERIFY_SUBJECT);
    assert_non_null(strstr(said, " and others"));
    assert_int_equal(reason(V1("{\"digest\":{\"sha512\":\"" HEX "\"}}")), VERIFY_SUBJECT);
    assert_int_equal(reason(V1("{\"digest\":{\"SHA256\":\"" HEX "\"}}")), VERIFY_SUBJECT);
    assert_int_equal(reason(V1("{\"digest\":{\"sha256\":\"sha256:" HEX "\"}}")), VERIFY_SUBJECT);
    assert_int_equal(reason(V1("{\"digest\":{\"sha256\":\"" HEX "0\"}}")), VERIFY_SUBJECT);
}

TEST(what_is_no_statement_is_refused)
{
    static const char *const wrong[] = {
        "",
        "[]",
        "{}",
        "{\"_type\":\"https://in-toto.io/Statement/v2\",\"predicateType\":\"p\",\"subject\":[" OF(
            HEX) "]}",
        "{\"_type\":\"https://in-toto.io/Statement/v1\",\"subject\":[" OF(HEX) "]}",
        "{\"_type\":\"https://in-toto.io/Statement/v1\",\"predicateType\":\"\",\"subject\":[" OF(
            HEX) "]}",
        "{\"_type\":\"https://in-toto.io/Statement/v1\",\"predicateType\":\"p\"}",
        V1(""),
        V1("1"),
        V1(OF(HEX) ",1"),
        V1("{\"digest\":[]}," OF(HEX)),
        V1("{\"digest\":{\"sha256\":1}}," OF(HEX)),
        V1("{\"name\":1}," OF(HEX)),
        V1(OF(HEX)) "x",
        "{\"_type\":\"https://in-toto.io/Statement/v1\",\"predicateType\":\"p\",\"predicateType\":"
        "\"q\",\"subject\":[" OF(HEX) "]}",
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (reason(wrong[i]) != VERIFY_MALFORMED)
            fail_msg("%s", wrong[i]);
}

static enum verify_reason with_subjects(unsigned n)
{
    struct statement s = {0};
    enum verify_reason r;
    struct pg_buf out;

    pg_buf_init(&out, 1 << 20);
    (void)pg_buf_printf(&out, "{\"_type\":\"https://in-toto.io/Statement/v0.1\",\"predicateType\":"
                              "\"p\",\"subject\":[");
    for (unsigned i = 1; i < n; i++)
        (void)pg_buf_put(&out, SL("{},"));
    (void)pg_buf_put(&out, SL(OF(HEX) "]}"));
    r = read(pg_buf_sl(&out), &s);
    pg_buf_free(&out);
    return r;
}

TEST(subjects_and_their_digests_are_counted)
{
    char many[1200] = "{\"digest\":{\"sha256\":\"" HEX "\"", json[2000];

    assert_int_equal(with_subjects(STATEMENT_SUBJECTS_MAX), VERIFY_NONE);
    assert_int_equal(with_subjects(STATEMENT_SUBJECTS_MAX + 1), VERIFY_TOO_LARGE);
    for (int i = 1; i <= STATEMENT_DIGESTS_MAX; i++) {
        size_t n = strlen(many);

        (void)snprintf(many + n, sizeof(many) - n, ",\"%d\":\"\"", i);
    }
    (void)snprintf(json, sizeof(json), V1("%s}}"), many);
    assert_int_equal(reason(json), VERIFY_MALFORMED);
}

TEST(annotations_are_those_of_the_image_and_text)
{
    struct statement s = {0};
    const char *json =
        V1("{\"annotations\":{\"a\":\"other's\"},\"digest\":{\"sha256\":\"" OTHER "\"}},"
           "{\"annotations\":{\"a\":\"b\",\"n\":1},\"digest\":{\"sha256\":\"" HEX "\"}}");

    assert_int_equal(read(sl_str(json), &s), VERIFY_NONE);
    assert_int_equal(json_object_size(s.annotations), 1);
    assert_string_equal(json_string_value(json_object_get(s.annotations, "a")), "b");
    json_decref(s.annotations);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(any_subject_may_be_the_image),
        RUN(another_image_is_told_by_its_digest),
        RUN(what_is_no_statement_is_refused),
        RUN(subjects_and_their_digests_are_counted),
        RUN(annotations_are_those_of_the_image_and_text),
    };
    int failed;

    pg_hash_setup();
    pg_arena_init(&arena, 1 << 20);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    pg_arena_free(&arena);
    return failed;
}
