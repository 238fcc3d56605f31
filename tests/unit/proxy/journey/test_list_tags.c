/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of tags: upstream's pages become one list, and ours are made of it (B05, B09, E30). */
#include "harness/journey.h"

#include "proxy/journey/tag_list.h"

static int open_house(void **state)
{
    (void)state;
    house_open();
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
    char target[600];

    (void)snprintf(target, sizeof(target), "/v2/a/b/tags/list%s", query);
    return house_ask("GET", target, "");
}

/* Upstream's answer to the page it was asked for. */
static void page(const char *tags, const char *link)
{
    char json[4096];
    int n = snprintf(json, sizeof(json), "{\"name\":\"a/b\",\"tags\":%s}", tags);

    fake_fetch_document((struct sl){json, (size_t)n}, "application/json", link);
    house_run();
}

static void assert_lists(const struct conn *c, const char *tags)
{
    char json[4096];

    (void)snprintf(json, sizeof(json), "{\"name\":\"a/b\",\"tags\":[%s]}", tags);
    assert_int_equal(c->reply.status, 200);
    assert_string_equal(c->reply.body, json);
}

static const char *link_of(const struct conn *c)
{
    return fake_conn_field(c, "Link");
}

TEST(all_pages_are_walked_sorted_and_each_tag_once)
{
    struct conn *c = get("");

    assert_int_equal(fake_fetch_waiting()->kind, FETCH_TAGS);
    assert_string_equal(fake_fetch_waiting()->query, "n=1000");
    page("[\"v2\",\"v1\",\"v1\"]", "</v2/a/b/tags/list?n=3&last=v1>; rel=\"next\"");
    assert_string_equal(fake_fetch_waiting()->query, "n=3&last=v1");
    assert_string_equal(fake_fetch_waiting()->repo, "a/b");
    page("[\"v10\",\"v2\",\"a\"]", "<https://evil.test/x?next_page=t0k%2B>; rel=\"next\"");
    assert_string_equal(fake_fetch_waiting()->query, "next_page=t0k%2B"); /* of the same upstream */
    page("null", NULL);
    assert_lists(c, "\"a\",\"v1\",\"v10\",\"v2\"");
    assert_string_equal(fake_conn_field(c, "Content-Type"), "application/json");
    assert_string_equal(link_of(c), "");
}

TEST(B05_no_tag_is_lost_at_a_boundary)
{
    struct conn *c = get("?n=1");

    page("[\"v1\",\"v1-rc\",\"v1.0\",\"v10\"]", NULL);
    assert_lists(c, "\"v1\"");
    assert_string_equal(link_of(c), "</v2/a/b/tags/list?n=1&last=v1>; rel=\"next\"");
    c = get("?n=1&last=v1");
    assert_lists(c, "\"v1-rc\"");
    c = get("?n=2&last=v1-rc");
    assert_lists(c, "\"v1.0\",\"v10\"");
    assert_string_equal(link_of(c), "");
    c = get("?n=4");
    assert_lists(c, "\"v1\",\"v1-rc\",\"v1.0\",\"v10\"");
    assert_string_equal(link_of(c), "");
    c = get("?last=v1.0");
    assert_lists(c, "\"v10\"");
    c = get("?n=5&last=v0.9"); /* a tag that is not there any more */
    assert_lists(c, "\"v1\",\"v1-rc\",\"v1.0\",\"v10\"");
    c = get("?last=v10");
    assert_lists(c, "");
    assert_int_equal(fake_fetch_asks, 1);
}

TEST(B09_n_is_0_or_huge)
{
    struct conn *c = get("?n=0");

    page("[\"v1\"]", NULL);
    assert_lists(c, "");
    assert_string_equal(link_of(c), "");
    c = get("?n=1000000000");
    assert_lists(c, "\"v1\"");
    c = get("?n=-1");
    assert_int_equal(c->reply.status / 100, 4);
    c = get("?n=1&last=%0d%0aX-Evil:%201");
    assert_int_equal(c->reply.status / 100, 4);
    assert_string_equal(fake_conn_field(c, "X-Evil"), "");
}

TEST(our_link_is_relative_and_keeps_how_we_were_addressed)
{
    struct conn *c = house_ask("GET", "/v2/origin.test/a/b/tags/list?n=1&ns=origin.test", "");

    page("[\"v1\",\"v2\"]", NULL);
    assert_string_equal(link_of(c),
                        "</v2/origin.test/a/b/tags/list?n=1&last=v1&ns=origin.test>; rel=\"next\"");
    assert_string_equal(fake_conn_field(c, "OCI-Namespace"), "origin.test");
}

TEST(a_list_is_kept_for_a_while_and_then_asked_for_again)
{
    struct conn *c = get("");

    page("[\"v1\"]", NULL);
    house_read(c);
    house_wait_ms(59999);
    c = get("");
    assert_lists(c, "\"v1\"");
    house_read(c);
    assert_non_null(strstr(fake_log_last(), "cache=hit"));
    house_wait_ms(1);
    c = get("");
    assert_int_equal(c->reply.status, 0);
    page("[\"v1\",\"v2\"]", NULL);
    assert_lists(c, "\"v1\",\"v2\"");
}

TEST(upstream_dead_and_a_list_known_is_stale_and_says_so)
{
    struct conn *c;

    (void)get("");
    page("[\"v1\"]", NULL);
    house_wait_ms(100000);
    c = get("");
    fake_fetch_error(PG_E_UPSTREAM_DOWN, 3);
    house_run();
    assert_lists(c, "\"v1\"");
    assert_string_equal(fake_conn_field(c, "Age"), "100");
    assert_string_equal(fake_conn_field(c, "Cache-Status"),
                        "pullgate; fwd=stale; detail=upstream_down");
    c = get("");
    house_wait_ms(25000);
    assert_lists(c, "\"v1\"");
    house_wait_ms(3600000);
    house_block_pool();
    c = get("");
    fake_fetch_error(PG_E_UPSTREAM_DOWN, 3);
    house_run();
    house_unblock_pool();
    house_run();
    assert_int_equal(c->reply.status, 503);
    assert_string_equal(fake_conn_field(c, "Retry-After"), "3");
}

TEST(upstream_dead_and_no_list_known_is_what_the_store_has)
{
    struct digest d = house_digest("image");
    struct conn *c;

    fake_store_put_tag("origin.test/a/b", "v2", &d, fake_clock_wall_s_now);
    fake_store_put_tag("origin.test/a/b", "v1", &d, fake_clock_wall_s_now - 3600);
    fake_store_put_tag("origin.test/a/b", "old", &d, fake_clock_wall_s_now - 3601);
    fake_store_put_tag("origin.test/a", "other", &d, fake_clock_wall_s_now);
    house_block_pool();
    c = get("");
    fake_fetch_error(PG_E_UPSTREAM_DOWN, 3);
    house_run();
    house_unblock_pool();
    house_run();
    assert_lists(c, "\"v1\",\"v2\"");
    assert_string_equal(fake_conn_field(c, "Age"), "");
    assert_string_equal(fake_conn_field(c, "Cache-Status"),
                        "pullgate; fwd=stale; detail=upstream_down");
    c = get(""); /* it was not kept */
    page("[\"v3\"]", NULL);
    assert_lists(c, "\"v3\"");
}

TEST(what_was_withdrawn_is_not_listed_without_upstream)
{
    struct digest d = house_digest("image");
    struct conn *c;

    fake_store_put_tag("origin.test/a/b", "v1", &d, fake_clock_wall_s_now);
    (void)get("");
    page("[\"v1\"]", NULL);
    fake_store_access.withdrawn = true;
    c = get(""); /* although there is a list of a moment ago */
    fake_fetch_error(PG_E_UPSTREAM_DOWN, 3);
    house_run();
    assert_int_equal(c->reply.status, 503);
}

TEST(E30_a_link_to_itself_or_a_broken_one_is_refused)
{
    struct conn *c = get("");

    page("[\"v1\"]", "</x?n=1000>; rel=\"next\"");
    assert_int_equal(c->reply.status, 502);
    c = get("");
    page("[\"v1\"]", "</x>; rel=\"next\"");
    assert_int_equal(c->reply.status, 502);
    c = get("");
    page("[1]", NULL);
    assert_int_equal(c->reply.status, 502);
}

TEST(a_list_in_order_has_each_tag_once_too)
{
    struct conn *c = get("");

    page("[\"v1\",\"v1\",\"v2\"]", NULL);
    assert_lists(c, "\"v1\",\"v2\"");
}

TEST(what_is_no_tag_is_left_out)
{
    struct conn *c = get("");

    page("[\"ok\",\"-no\",\"\",\"a\\r\\nb\",\"<script>\"]", NULL);
    assert_lists(c, "\"ok\"");
}

TEST(a_client_that_leaves_stops_the_walk)
{
    struct conn *c = get("");

    page("[\"v1\"]", "</x?last=v1>; rel=\"next\"");
    assert_int_equal(fake_fetch_asks, 2);
    house_leave(c);
    assert_int_equal(fake_fetch_open(), 0);
}

/* One page of n tags, from the last to the first, and a tag in no order in front. */
static void long_page(unsigned n, const char *link)
{
    struct pg_buf b;

    pg_buf_init(&b, 1 << 20);
    (void)pg_buf_put(&b, SL("{\"tags\":[\"v1\""));
    for (unsigned i = n; i > 0; i--)
        (void)pg_buf_printf(&b, ",\"t%07u\"", i);
    assert_int_equal(pg_buf_put(&b, SL("]}")), 0);
    fake_fetch_document(pg_buf_sl(&b), "application/json", link);
    pg_buf_free(&b);
    house_run();
}

TEST(a_long_page_is_read_aside_and_a_long_list_sorted)
{
    struct conn *c, *other;

    house_block_pool();
    c = get("?n=2");
    long_page(10000, NULL);
    assert_int_equal(c->reply.status, 0);
    other = house_ask("GET", "/v2/other/tags/list", "");
    page("[\"v1\"]", NULL);
    assert_int_equal(other->reply.status, 200);
    house_unblock_pool();
    house_run();
    assert_lists(c, "\"t0000001\",\"t0000002\"");
}

TEST(a_client_that_leaves_while_a_page_is_read)
{
    struct conn *c;

    house_block_pool();
    c = get("");
    long_page(10000, "</x?last=v1>; rel=\"next\"");
    house_leave(c);
    house_unblock_pool();
    house_run();
    assert_int_equal(fake_fetch_asks, 1);
}

TEST(a_repository_that_is_gone_is_404_and_its_list_forgotten)
{
    struct conn *c;

    (void)get("");
    page("[\"v1\"]", NULL);
    house_wait_ms(60000);
    c = get("");
    fake_fetch_error(PG_E_NAME_UNKNOWN, 0);
    house_run();
    assert_int_equal(c->reply.status, 404);
    house_block_pool();
    c = get("");
    fake_fetch_error(PG_E_UPSTREAM_DOWN, 0);
    house_run();
    house_unblock_pool();
    house_run();
    assert_int_equal(c->reply.status, 503);
}

TEST(E30_a_million_tags_in_any_order_need_little_more_than_their_letters)
{
    struct tag_list *l = tag_list_new();
    struct tag_list_page p = {.name = SL("a"), .last = SL("t9999997"), .n = 5};
    struct pg_err err = {0};
    struct pg_buf out, json;

    pg_buf_init(&json, 1 << 20);
    for (unsigned i = 0; i < 1000; i++) {
        pg_buf_clear(&json);
        (void)pg_buf_put(&json, SL("{\"tags\":["));
        for (unsigned k = 0; k < 1000; k++)
            (void)pg_buf_printf(&json, "%s\"t%07u\"", k > 0 ? "," : "",
                                9999999 - (i * 1000 + k) * 7 % 1000000);
        (void)pg_buf_put(&json, SL("]}"));
        assert_int_equal(tag_list_add(l, pg_buf_sl(&json), &err), 0);
    }
    tag_list_sort(l);
    assert_int_equal(l->n, 1000000);
    assert_true(l->names.cap < 16000000);
    pg_buf_init(&out, 4096);
    assert_int_equal(tag_list_write(l, &p, &out), 0);
    assert_true(
        sl_eq(pg_buf_sl(&out), SL("{\"name\":\"a\",\"tags\":[\"t9999998\",\"t9999999\"]}")));
    assert_false(p.more);
    pg_buf_free(&out);
    pg_buf_free(&json);
    tag_list_unref(l);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_house, close_house)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(all_pages_are_walked_sorted_and_each_tag_once),
        CASE(B05_no_tag_is_lost_at_a_boundary),
        CASE(B09_n_is_0_or_huge),
        CASE(our_link_is_relative_and_keeps_how_we_were_addressed),
        CASE(a_list_is_kept_for_a_while_and_then_asked_for_again),
        CASE(upstream_dead_and_a_list_known_is_stale_and_says_so),
        CASE(upstream_dead_and_no_list_known_is_what_the_store_has),
        CASE(what_was_withdrawn_is_not_listed_without_upstream),
        CASE(E30_a_link_to_itself_or_a_broken_one_is_refused),
        CASE(a_list_in_order_has_each_tag_once_too),
        CASE(what_is_no_tag_is_left_out),
        CASE(a_client_that_leaves_stops_the_walk),
        CASE(a_long_page_is_read_aside_and_a_long_list_sorted),
        CASE(a_client_that_leaves_while_a_page_is_read),
        CASE(a_repository_that_is_gone_is_404_and_its_list_forgotten),
        CASE(E30_a_million_tags_in_any_order_need_little_more_than_their_letters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
