/* SPDX-License-Identifier: Apache-2.0 */
/* Referrers: of the API, of the fallback tag, or none. And who is travelling, as /debug/requests
 * tells it. */
#include "harness/journey.h"

#define SHA "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define DESC(type, more)                                                                           \
    "{\"mediaType\":\"m\",\"digest\":\"" SHA "\",\"size\":5,\"artifactType\":\"" type "\"" more "}"
#define INDEX(list)                                                                                \
    "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\","              \
    "\"manifests\":[" list "]}"

static struct digest d;

static int open_house(void **state)
{
    (void)state;
    house_open();
    d = house_digest("image");
    return 0;
}

static int close_house(void **state)
{
    (void)state;
    house_close();
    return 0;
}

static struct conn *get(const char *query)
{
    char target[700];

    (void)snprintf(target, sizeof(target), "%s%s", house_path("app", "referrers", &d), query);
    return house_ask("GET", target, "");
}

static void answer(const char *json)
{
    fake_fetch_document((struct sl){json, strlen(json)}, "application/json", NULL);
    house_run();
}

TEST(the_list_is_made_anew_of_what_names_and_describes)
{
    struct conn *c = get("");

    assert_int_equal(fake_fetch_waiting()->kind, FETCH_REFERRERS);
    answer(INDEX(DESC("sig", ",\"data\":\"AAAA\",\"urls\":[\"http://evil.test\"],"
                             "\"annotations\":{\"a\":\"b\"},\"x\":1") ",{\"digest\":\"md5:0\"},7"));
    assert_int_equal(c->reply.status, 200);
    assert_string_equal(c->reply.body,
                        INDEX("{\"mediaType\":\"m\",\"digest\":\"" SHA
                              "\",\"size\":5,\"artifactType\":\"sig\",\"annotations\":{\"a\":\"b\"}"
                              "}"));
    assert_string_equal(fake_conn_field(c, "Content-Type"),
                        "application/vnd.oci.image.index.v1+json");
    assert_string_equal(fake_conn_field(c, "OCI-Filters-Applied"), "");
}

TEST(the_filter_is_ours_and_said)
{
    struct conn *c = get("?artifactType=b%2Fc");

    answer(INDEX(DESC("a", "") "," DESC("b/c", "")));
    assert_string_equal(c->reply.body, INDEX("{\"mediaType\":\"m\",\"digest\":\"" SHA
                                             "\",\"size\":5,\"artifactType\":\"b/c\"}"));
    assert_string_equal(fake_conn_field(c, "OCI-Filters-Applied"), "artifactType");
}

static void answer_long(void)
{
    struct pg_buf b;

    pg_buf_init(&b, 1 << 20);
    (void)pg_buf_put(&b, SL("{\"manifests\":[" DESC("a", "")));
    for (unsigned i = 0; i < 1000; i++)
        (void)pg_buf_put(&b, SL("," DESC("b", "")));
    (void)pg_buf_put(&b, SL("]}"));
    assert_false(b.over);
    fake_fetch_document(pg_buf_sl(&b), "application/json", NULL);
    pg_buf_free(&b);
    house_run();
}

TEST(a_long_list_is_made_aside)
{
    struct conn *c, *gone, *other;

    house_block_pool();
    c = get("?artifactType=a");
    answer_long();
    gone = get("");
    answer_long();
    house_leave(gone);
    assert_int_equal(c->reply.status, 0);
    other = get("");
    answer(INDEX(""));
    assert_int_equal(other->reply.status, 200);
    house_unblock_pool();
    house_run();
    assert_string_equal(c->reply.body, INDEX("{\"mediaType\":\"m\",\"digest\":\"" SHA
                                             "\",\"size\":5,\"artifactType\":\"a\"}"));
}

TEST(E31_without_the_api_the_fallback_tag_is_asked_and_without_it_the_list_is_empty)
{
    char text[DIGEST_TEXT_MAX];
    struct conn *c = get("");

    fake_fetch_error(PG_E_MANIFEST_UNKNOWN, 0);
    house_run();
    assert_int_equal(fake_fetch_waiting()->kind, FETCH_MANIFEST);
    digest_write(&d, text);
    text[6] = '-';
    assert_string_equal(fake_fetch_waiting()->reference, text);
    answer(INDEX(DESC("sig", "")));
    assert_non_null(strstr(c->reply.body, "\"artifactType\":\"sig\""));
    assert_int_equal(fake_store.landed_manifests, 0);

    c = get("");
    fake_fetch_error(PG_E_NAME_UNKNOWN, 0);
    house_run();
    fake_fetch_error(PG_E_MANIFEST_UNKNOWN, 0);
    house_run();
    assert_int_equal(c->reply.status, 200);
    assert_string_equal(c->reply.body, INDEX(""));
}

TEST(upstream_down_is_no_empty_list)
{
    struct conn *c = get("");

    fake_fetch_error(PG_E_UPSTREAM_DOWN, 0);
    house_run();
    assert_int_equal(c->reply.status, 503);
    c = get("");
    answer("{\"manifests\":{}}");
    assert_int_equal(c->reply.status, 502);
}

TEST(every_live_request_can_be_listed_with_its_stage_and_age)
{
    struct pg_buf out;
    struct pg_list *waiting = &house_loop.queue.waiting;

    (void)get("");
    house_wait_ms(1200);
    pg_buf_init(&out, 4096);
    assert_false(pg_list_empty(waiting));
    assert_true(service_write_request(pg_container_of(waiting->next, struct rq, node), &out));
    assert_int_equal(pg_buf_put(&out, (struct sl){"", 1}), 0);
    assert_non_null(strstr(out.p, "\"stage\":\"asked\",\"age_ms\":1200"));
    assert_non_null(strstr(out.p, "\"repo\":\"origin.test/app\""));
    assert_non_null(strstr(out.p, "\"client\":\"127.0.0.1:40000\""));
    pg_buf_free(&out);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_house, close_house)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_list_is_made_anew_of_what_names_and_describes),
        CASE(the_filter_is_ours_and_said),
        CASE(a_long_list_is_made_aside),
        CASE(E31_without_the_api_the_fallback_tag_is_asked_and_without_it_the_list_is_empty),
        CASE(upstream_down_is_no_empty_list),
        CASE(every_live_request_can_be_listed_with_its_stage_and_age),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
