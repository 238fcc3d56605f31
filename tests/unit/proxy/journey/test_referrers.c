/* SPDX-License-Identifier: Apache-2.0 */
/* Referrers: of the API, of the fallback tag, of the store, or none. And who is travelling, as
 * /debug/requests tells it. */
#include "harness/journey.h"

#include "proxy/journey/referrer_list.h"
#include "proxy/journey/referrer_own.h"

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

#define OCI_INDEX "application/vnd.oci.image.index.v1+json"
#define OTHER     "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define DESC_OF(digest)                                                                            \
    "{\"mediaType\":\"m\",\"digest\":\"" digest "\",\"size\":5,\"artifactType\":\"sig\"}"

static void answer_page(const char *json, const char *type, const char *link)
{
    fake_fetch_document((struct sl){json, strlen(json)}, type, link);
    house_run();
}

static void answer(const char *json)
{
    answer_page(json, OCI_INDEX, NULL);
}

static void answer_error(enum pg_ekind kind)
{
    fake_fetch_error(kind, 0);
    house_run();
}

static const char *fallback(void)
{
    static char text[DIGEST_TEXT_MAX];

    digest_write(&d, text);
    text[6] = '-';
    return text;
}

TEST(N21_the_list_is_made_anew_of_what_names_and_describes)
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

    answer(INDEX(DESC_OF(OTHER) "," DESC("b/c", "")));
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
        (void)pg_buf_printf(&b, ",{\"mediaType\":\"m\",\"digest\":\"sha256:%064x\",\"size\":5}", i);
    (void)pg_buf_put(&b, SL("]}"));
    assert_false(b.over);
    fake_fetch_document(pg_buf_sl(&b), OCI_INDEX, NULL);
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
    struct conn *c = get("");

    answer_error(PG_E_MANIFEST_UNKNOWN);
    assert_int_equal(fake_fetch_waiting()->kind, FETCH_MANIFEST);
    assert_string_equal(fake_fetch_waiting()->reference, fallback());
    answer(INDEX(DESC("sig", "")));
    assert_non_null(strstr(c->reply.body, "\"artifactType\":\"sig\""));
    assert_int_equal(fake_store.landed_manifests, 0);

    d = house_digest("another image");
    c = house_ask("GET", house_path("other", "referrers", &d), "");
    assert_int_equal(fake_fetch_waiting()->kind, FETCH_REFERRERS); /* it is another repository */
    answer_error(PG_E_NAME_UNKNOWN);
    answer_error(PG_E_MANIFEST_UNKNOWN);
    assert_int_equal(c->reply.status, 200);
    assert_string_equal(c->reply.body, INDEX(""));
}

TEST(E31_where_a_fallback_tag_was_it_is_looked_for_first)
{
    (void)get("");
    answer_error(PG_E_MANIFEST_UNKNOWN);
    answer(INDEX(""));
    d = house_digest("another image");
    (void)get("");
    assert_int_equal(fake_fetch_waiting()->kind, FETCH_MANIFEST);
    answer_error(PG_E_MANIFEST_UNKNOWN); /* this one has none: is there an API by now? */
    assert_int_equal(fake_fetch_waiting()->kind, FETCH_REFERRERS);
    answer_error(PG_E_MANIFEST_UNKNOWN);
    assert_int_equal(fake_fetch_asks, 4);

    house_wait_ms(14400000);
    (void)get("");
    assert_int_equal(fake_fetch_waiting()->kind, FETCH_REFERRERS);
    answer(INDEX(""));
}

TEST(E31_an_answer_that_is_no_index_is_no_api)
{
    struct conn *c = get("");

    answer_page("<html>welcome</html>", "text/html", NULL);
    assert_string_equal(fake_fetch_waiting()->reference, fallback());
    answer_page("{}", "application/vnd.oci.image.manifest.v1+json", NULL); /* nor is this */
    assert_string_equal(c->reply.body, INDEX(""));
    d = house_digest("another image");
    c = get("");
    answer("{\"manifests\":{}}"); /* says that it is one */
    assert_int_equal(c->reply.status, 502);
}

TEST(E31_pages_are_followed_and_each_descriptor_is_there_once)
{
    struct conn *c = get("");

    assert_string_equal(fake_fetch_waiting()->query, "");
    answer_page(INDEX(DESC("sig", "")), OCI_INDEX, "<https://evil.test/?next=2>; rel=\"next\"");
    assert_int_equal(fake_fetch_waiting()->kind, FETCH_REFERRERS);
    assert_string_equal(fake_fetch_waiting()->query, "next=2"); /* of the same upstream */
    assert_string_equal(fake_fetch_waiting()->repo, "app");
    answer_page(INDEX(DESC("sig", "") "," DESC_OF(OTHER)), OCI_INDEX, NULL);
    assert_string_equal(c->reply.body, INDEX(DESC("sig", "") "," DESC_OF(OTHER)));

    d = house_digest("another image");
    c = get("");
    answer_page(INDEX(""), OCI_INDEX, "</v2/app/referrers/x?a=1>; rel=\"next\"");
    answer_page(INDEX(""), OCI_INDEX, "</v2/app/referrers/x?a=1>; rel=\"next\"");
    assert_int_equal(c->reply.status, 502); /* to itself */
    d = house_digest("a third image");
    c = get("");
    answer_page(INDEX(""), OCI_INDEX, "</v2/app/referrers/x?a=1>; rel=\"next\"");
    answer_error(PG_E_MANIFEST_UNKNOWN); /* the rest of a list is not "no API" */
    assert_int_equal(c->reply.status, 404);
}

static void answer_many(unsigned n)
{
    struct pg_buf b;

    pg_buf_init(&b, 4 << 20);
    (void)pg_buf_put(&b, SL("{\"manifests\":["));
    for (unsigned i = 0; i < n; i++)
        (void)pg_buf_printf(&b, "%s{\"mediaType\":\"m\",\"digest\":\"sha256:%064x\",\"size\":5}",
                            i > 0 ? "," : "", i);
    (void)pg_buf_put(&b, SL("]}"));
    assert_false(b.over);
    fake_fetch_document(pg_buf_sl(&b), OCI_INDEX, NULL);
    pg_buf_free(&b);
    house_run();
}

TEST(our_pages_link_to_the_next_and_keep_what_was_asked_for)
{
    char link[600], text[DIGEST_TEXT_MAX];
    struct conn *c = get("?n=2&artifactType=sig");

    answer(INDEX(DESC("a", "") "," DESC_OF(OTHER)));
    assert_string_equal(c->reply.body, INDEX(DESC_OF(OTHER)));
    assert_string_equal(fake_conn_field(c, "Link"), "");
    d = house_digest("another image");
    c = get("?n=2");
    answer_many(3);
    house_run();
    (void)snprintf(link, sizeof(link), "</v2/app/referrers/%s?n=2&last=%064x>; rel=\"next\"",
                   digest_write(&d, text).p, 1);
    assert_string_equal(fake_conn_field(c, "Link"), link);
    (void)snprintf(link, sizeof(link), "?n=2&last=%064x", 1);
    c = get(link);
    assert_string_equal(fake_conn_field(c, "Link"), "");
    assert_non_null(strstr(c->reply.body, "0002\""));
    assert_null(strstr(c->reply.body, "0001\""));
    c = get("?n=0");
    assert_string_equal(c->reply.body, INDEX(""));
    assert_string_equal(fake_conn_field(c, "Link"), "");
    c = get("?last=abc"); /* as after a change of the list */
    assert_int_equal(c->reply.status, 404);
    assert_int_equal(fake_fetch_asks, 2);
}

TEST(E31_a_list_without_end_is_refused)
{
    struct conn *c;

    house_block_pool();
    c = get("");
    answer_many(10001);
    house_unblock_pool();
    house_run();
    assert_int_equal(c->reply.status, 502);
    assert_non_null(strstr(c->reply.body, "10000"));
}

TEST(a_list_is_kept_for_a_while_and_served_stale_when_upstream_is_down)
{
    struct conn *c;

    (void)get("");
    answer(INDEX(DESC("sig", "")));
    house_wait_ms(59000);
    c = get("?artifactType=other"); /* the same list */
    assert_string_equal(c->reply.body, INDEX(""));
    assert_string_equal(fake_conn_field(c, "Cache-Status"), "pullgate; hit");
    house_wait_ms(1000);
    c = get("");
    answer_error(PG_E_UPSTREAM_DOWN);
    assert_string_equal(c->reply.body, INDEX(DESC("sig", "")));
    assert_string_equal(fake_conn_field(c, "Cache-Status"),
                        "pullgate; fwd=stale; detail=upstream_down");
    assert_string_equal(fake_conn_field(c, "Age"), "60");
    c = get("");
    answer_error(PG_E_UPSTREAM_WRONG); /* what upstream said wrongly is not hidden */
    assert_int_equal(c->reply.status, 502);
    house_wait_ms(3600000);
    c = get("");
    answer_error(PG_E_UPSTREAM_DOWN);
    assert_int_equal(c->reply.status, 503);
    assert_int_equal(fake_fetch_asks, 4);
}

#define OWN                                                                                        \
    "{\"schemaVersion\":2,\"mediaType\":\"application/"                                            \
    "vnd.oci.image.manifest.v1+json\",\"config\":{"                                                \
    "\"mediaType\":\"application/x\",\"digest\":\"" SHA                                            \
    "\",\"size\":2},\"layers\":[],\"annotations\":{\"a\":\"\\u2028\"}}"

/* A manifest of the store that names d. Its digest. */
static struct digest put_own(const char *repo, const char *bytes)
{
    struct digest own = house_digest(bytes);

    fake_store_put_manifest(&own, "application/vnd.oci.image.manifest.v1+json", bytes);
    fake_store_put_link(repo, &own, INDEX_LINK_MANIFEST, 0);
    fake_store_put_subject(&own, &d);
    return own;
}

static struct referrer_list *merged(const char *page)
{
    struct referrer_list *l = referrer_list_new();
    struct pg_err err = {0};

    assert_int_equal(referrer_list_add(l, (struct sl){page, strlen(page)}, &err), 0);
    assert_int_equal(referrer_own_merge(&house_store, SL("origin.test/app"), &d, l, &err), 0);
    return l;
}

static const char *written(const struct referrer_list *l)
{
    static char text[4096];
    struct referrer_list_page page = {.n = 100};
    struct pg_buf b;

    pg_buf_init(&b, sizeof(text) - 1);
    assert_true(referrer_list_write(l, &page, &b));
    (void)snprintf(text, sizeof(text), SL_FMT, SL_ARG(pg_buf_sl(&b)));
    pg_buf_free(&b);
    return text;
}

TEST(what_the_store_has_of_this_repository_is_added_once)
{
    char text[DIGEST_TEXT_MAX], wanted[1024];
    struct digest own = put_own("origin.test/app", OWN);
    struct referrer_list *l;

    (void)put_own("origin.test/theirs", OWN " ");
    l = merged(INDEX(DESC("sig", "")));
    (void)snprintf(wanted, sizeof(wanted),
                   INDEX(DESC("sig", "") ",{\"mediaType\":\"application/vnd.oci.image.manifest."
                                         "v1+json\",\"digest\":\"%s\",\"size\":%zu,"
                                         "\"artifactType\":\"application/x\","
                                         "\"annotations\":{\"a\":\"\\u2028\"}}"),
                   digest_write(&own, text).p, strlen(OWN));
    assert_string_equal(written(l), wanted);
    referrer_list_unref(l);
    (void)snprintf(wanted, sizeof(wanted),
                   INDEX("{\"mediaType\":\"m\",\"digest\":\"%s\",\"size\":5}"), text);
    l = merged(wanted);
    assert_string_equal(written(l), wanted); /* upstream's word for it stays */
    referrer_list_unref(l);
}

TEST(E31_a_descriptor_whose_manifest_has_another_subject_is_left_out)
{
    struct digest other = house_digest("other"), parsed;
    struct referrer_list *l;
    struct pg_err err = {0};

    assert_int_equal(digest_parse(SL(SHA), &parsed, &err), 0);
    fake_store_put_subject(&parsed, &other);
    l = merged(INDEX(DESC("sig", "") "," DESC_OF(OTHER)));
    assert_string_equal(written(l), INDEX(DESC_OF(OTHER)));
    referrer_list_unref(l);
    assert_int_equal(digest_parse(SL(OTHER), &parsed, &err), 0);
    fake_store_put_subject(&parsed, NULL);
    l = merged(INDEX(DESC("sig", "") "," DESC_OF(OTHER)));
    assert_string_equal(written(l), INDEX(""));
    referrer_list_unref(l);
}

TEST(without_upstream_and_without_a_list_the_store_says_what_it_has)
{
    struct conn *c;

    (void)put_own("origin.test/app", OWN);
    house_block_pool();
    c = get("");
    answer_error(PG_E_UPSTREAM_DOWN);
    house_unblock_pool();
    house_run();
    assert_int_equal(c->reply.status, 200);
    assert_non_null(strstr(c->reply.body, "application/x"));
    assert_string_equal(fake_conn_field(c, "Cache-Status"),
                        "pullgate; fwd=stale; detail=upstream_down");
    assert_string_equal(fake_conn_field(c, "Age"), "");
    house_read(c);
    house_block_pool(); /* it was not kept */
    c = get("");
    answer(INDEX(""));
    house_unblock_pool();
    house_run();
    assert_non_null(strstr(c->reply.body, "application/x"));
    assert_string_equal(fake_conn_field(c, "Cache-Status"), "pullgate; fwd=miss");
}

TEST(an_upstream_that_lets_us_not_in_has_not_said_that_there_are_none)
{
    struct conn *c = get("");

    fake_fetch_denies = true;
    answer_error(PG_E_MANIFEST_UNKNOWN);
    assert_string_equal(fake_fetch_waiting()->reference, fallback());
    answer_error(PG_E_MANIFEST_UNKNOWN);
    fake_fetch_denies = false;
    assert_int_equal(c->reply.status, 404);
}

/* A list of before is no answer to who asks when upstream is silent again. */
TEST(a_list_of_what_upstream_lets_us_not_read_any_more_is_forgotten)
{
    struct conn *c = get("");

    answer(INDEX(DESC("sig", "")));
    assert_int_equal(c->reply.status, 200);
    house_wait_ms(61000);
    fake_fetch_denies = true;
    c = get("");
    answer_error(PG_E_MANIFEST_UNKNOWN);
    answer_error(PG_E_MANIFEST_UNKNOWN);
    fake_fetch_denies = false;
    assert_int_equal(c->reply.status, 404);
    c = get("");
    answer_error(PG_E_UPSTREAM_DOWN);
    assert_int_equal(c->reply.status, 503);
}

TEST(what_was_withdrawn_is_not_listed_without_upstream)
{
    struct conn *c;

    (void)put_own("origin.test/app", OWN);
    house_block_pool();
    (void)get("");
    answer(INDEX(DESC("sig", "")));
    house_unblock_pool();
    house_run();
    fake_store_access.withdrawn = true;
    c = get(""); /* although there is a list of a moment ago */
    answer_error(PG_E_UPSTREAM_DOWN);
    assert_int_equal(c->reply.status, 503);
}

TEST(whether_there_is_the_api_is_ours_to_answer)
{
    struct conn *c;

    memset(d.bytes, 0, sizeof(d.bytes));
    c = get("");
    assert_int_equal(c->reply.status, 200);
    assert_string_equal(c->reply.body, INDEX(""));
    assert_string_equal(fake_conn_field(c, "Cache-Status"), "");
    assert_int_equal(fake_fetch_asks, 0);
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
    assert_non_null(strstr(out.p, "\"stage\":\"walked\",\"age_ms\":1200"));
    assert_non_null(strstr(out.p, "\"repo\":\"origin.test/app\""));
    assert_non_null(strstr(out.p, "\"client\":\"127.0.0.1:40000\""));
    pg_buf_free(&out);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_house, close_house)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(N21_the_list_is_made_anew_of_what_names_and_describes),
        CASE(the_filter_is_ours_and_said),
        CASE(a_long_list_is_made_aside),
        CASE(E31_without_the_api_the_fallback_tag_is_asked_and_without_it_the_list_is_empty),
        CASE(E31_where_a_fallback_tag_was_it_is_looked_for_first),
        CASE(E31_an_answer_that_is_no_index_is_no_api),
        CASE(E31_pages_are_followed_and_each_descriptor_is_there_once),
        CASE(our_pages_link_to_the_next_and_keep_what_was_asked_for),
        CASE(E31_a_list_without_end_is_refused),
        CASE(a_list_is_kept_for_a_while_and_served_stale_when_upstream_is_down),
        CASE(what_the_store_has_of_this_repository_is_added_once),
        CASE(E31_a_descriptor_whose_manifest_has_another_subject_is_left_out),
        CASE(without_upstream_and_without_a_list_the_store_says_what_it_has),
        CASE(an_upstream_that_lets_us_not_in_has_not_said_that_there_are_none),
        CASE(a_list_of_what_upstream_lets_us_not_read_any_more_is_forgotten),
        CASE(what_was_withdrawn_is_not_listed_without_upstream),
        CASE(whether_there_is_the_api_is_ours_to_answer),
        CASE(upstream_down_is_no_empty_list),
        CASE(every_live_request_can_be_listed_with_its_stage_and_age),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
