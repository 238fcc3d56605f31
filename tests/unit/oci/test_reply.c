/* SPDX-License-Identifier: Apache-2.0 */
/* Clients read the code and the message of a refusal; what is for the log stays here. */
#include "harness/test.h"

#include "base/json.h"
#include "oci/reply.h"

static json_t *read(struct sl body)
{
    struct pg_err err = {0};
    json_t *root = NULL;

    if (pg_json_parse(body, PG_E_INTERNAL, &root, &err) < 0)
        fail_msg("%s: %.*s", err.msg, SL_ARG(body));
    return root;
}

static json_t *only_error(json_t *root)
{
    json_t *list = json_object_get(root, "errors");

    assert_int_equal(json_array_size(list), 1);
    return json_array_get(list, 0);
}

TEST(an_error_reads_as_the_spec_says)
{
    struct pg_arena arena;
    struct pg_err err = {0};
    struct sl body;

    pg_arena_init(&arena, 65536);
    (void)pg_fail(&err, PG_E_MANIFEST_UNKNOWN, "manifest unknown");
    body = reply_error_body(&arena, &err);
    assert_true(sl_eq(body, SL("{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\","
                               "\"message\":\"manifest unknown\"}]}\n")));
    pg_err_clear(&err);
    pg_arena_free(&arena);
}

TEST(the_detail_stays_in_the_house)
{
    struct pg_arena arena;
    struct pg_err err = {0};
    struct sl body;

    pg_arena_init(&arena, 65536);
    (void)pg_fail(&err, PG_E_STORE_IO, "the store has an error");
    (void)pg_detail(&err, "/var/lib/pullgate/blobs: EIO");
    body = reply_error_body(&arena, &err);
    assert_null(memmem(body.p, body.n, "pullgate/blobs", 14));
    pg_err_clear(&err);
    pg_arena_free(&arena);
}

TEST(any_message_makes_valid_json)
{
    struct pg_arena arena;
    struct pg_err err = {0};
    char text[PG_ERR_TEXT_MAX];
    _json_ json_t *root = NULL;
    struct sl body;

    pg_arena_init(&arena, 65536);
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = "\"\\\n\x1b\xff\x01</script>\xc2\x80"[i % 17];
    text[sizeof(text) - 1] = '\0';
    (void)pg_fail(&err, PG_E_DENIED, "%s", text);
    body = reply_error_body(&arena, &err);
    for (size_t i = 0; i + 1 < body.n; i++)
        assert_true(body.p[i] >= ' ' && body.p[i] <= '~');
    root = read(body);
    assert_true(sl_eq(pg_json_str(only_error(root), "code"), SL("DENIED")));
    assert_true(pg_json_str(only_error(root), "message").n > 500);
    pg_err_clear(&err);
    pg_arena_free(&arena);
}

TEST(every_kind_has_a_code)
{
    static const enum pg_ekind kinds[] = {
#define X(kind, http, oci, retryable) PG_E_##kind,
#include "base/err_table.h"
#undef X
    };

    for (size_t i = 1; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct pg_arena arena;
        struct pg_err err = {0};
        json_t *root;

        pg_arena_init(&arena, 65536);
        (void)pg_fail(&err, kinds[i], "x");
        root = read(reply_error_body(&arena, &err));
        assert_true(pg_json_str(only_error(root), "code").n > 0);
        json_decref(root);
        pg_err_clear(&err);
        pg_arena_free(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(an_error_reads_as_the_spec_says),
        RUN(the_detail_stays_in_the_house),
        RUN(any_message_makes_valid_json),
        RUN(every_kind_has_a_code),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
