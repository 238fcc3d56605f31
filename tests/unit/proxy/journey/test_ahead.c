/* SPDX-License-Identifier: Apache-2.0 */
/* What is ordered when a client was given a manifest. */
#include "harness/journey.h"

#include "oci/media.h"
#include "proxy/journey/ahead.h"

#define REPO   "origin.test/app"
#define SHA(c) "sha256:" c c c c c c c c c c c c c c c c
#define CONFIG SHA("abcd")
#define HEAD   "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_MANIFEST "\","
#define DOC                                                                                        \
    HEAD "\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":"      \
         "\"" CONFIG "\",\"size\":2},\"layers\":[]}"
#define FOREIGN                                                                                    \
    HEAD "\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":"      \
         "\"" CONFIG "\",\"size\":2,\"urls\":[\"https://elsewhere.test/\"]},\"layers\":[]}"
#define INDEX                                                                                      \
    "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX                                        \
    "\",\"manifests\":[{\"mediaType\":\"" MEDIA_OCI_MANIFEST "\",\"digest\":\"" CONFIG             \
    "\",\"size\":2}]}"

static struct config_upstream *up;

static int open_house(void **state)
{
    (void)state;
    house_open();
    up = &house_loop.snapshot->config.upstreams[1];
    up->upstream_fetch_ahead = true;
    up->upstream_max_connections = 16;
    return 0;
}

static int close_house(void **state)
{
    (void)state;
    house_close();
    return 0;
}

static void put(const char *type, const char *doc)
{
    struct digest d = house_digest(doc);

    fake_store_put_manifest(&d, type, doc);
    fake_store_put_link(REPO, &d, INDEX_LINK_MANIFEST, 0);
    fake_store_put_tag(REPO, "v1", &d, fake_clock_wall_s_now);
}

/* How many orders a request leads to; their flights are lost at once. */
static unsigned orders(const char *method, const char *fields)
{
    struct conn *c = house_ask(method, "/v2/app/manifests/v1", fields);
    struct pg_err why = {0};
    unsigned n = fake_fetch_orders;

    assert_true(c->reply.status == 200 || c->reply.status == 304);
    house_read(c);
    fake_fetch_orders = 0;
    assert_true(n <= 1);
    if (n == 1) {
        assert_true(flight_is_unasked(fake_fetch_order.flight));
        (void)pg_fail(&why, PG_E_CANCELED, "the test is over");
        flight_fail(fake_fetch_order.flight, &why);
        pg_err_clear(&why);
    }
    return n;
}

TEST(a_get_orders_what_is_not_here_once_a_minute)
{
    struct pg_err err = {0};
    struct digest config;

    put(MEDIA_OCI_MANIFEST, DOC);
    assert_int_equal(digest_parse(SL(CONFIG), &config, &err), 0);
    assert_int_equal(orders("GET", ""), 1);
    assert_true(digest_eq(&fake_fetch_order.digest, &config));
    assert_int_equal(fake_fetch_order.size, 2);
    assert_int_equal(fake_fetch_order.priority, FETCH_AHEAD);
    assert_string_equal(fake_fetch_order_repo, "app");
    assert_int_equal(orders("GET", ""), 0);
    fake_clock_mono_ms_now += AHEAD_AGAIN_MS;
    assert_int_equal(orders("GET", ""), 1);
    fake_clock_mono_ms_now += AHEAD_AGAIN_MS;
    fake_store_put_blob(&config, 2);
    assert_int_equal(orders("GET", ""), 0);
}

TEST(N19_a_head_orders_nothing_nor_does_what_the_client_has)
{
    char fields[200], text[DIGEST_TEXT_MAX];
    struct digest d = house_digest(DOC);

    put(MEDIA_OCI_MANIFEST, DOC);
    assert_int_equal(orders("HEAD", ""), 0);
    (void)snprintf(fields, sizeof(fields), "If-None-Match: \"" SL_FMT "\"\r\n",
                   SL_ARG(digest_write(&d, text)));
    assert_int_equal(orders("GET", fields), 0);
    assert_int_equal(orders("GET", ""), 1); /* they do not count as looked at */
}

TEST(of_an_index_and_of_what_is_elsewhere_nothing)
{
    put(MEDIA_OCI_INDEX, INDEX);
    assert_int_equal(orders("GET", ""), 0);
    put(MEDIA_OCI_MANIFEST, FOREIGN);
    assert_int_equal(orders("GET", ""), 0);
}

TEST(what_is_on_its_way_is_not_ordered)
{
    struct pg_err why = {0};
    struct flight *f = flight_foresee(&house_flights, SL(CONFIG));

    put(MEDIA_OCI_MANIFEST, DOC);
    assert_int_equal(orders("GET", ""), 0);
    (void)pg_fail(&why, PG_E_CANCELED, "the test is over");
    flight_fail(f, &why);
    pg_err_clear(&why);
}

TEST(not_from_an_upstream_that_is_not_well_or_counts_blobs)
{
    put(MEDIA_OCI_MANIFEST, DOC);
    fake_fetch_health.counts_blobs = true;
    assert_int_equal(orders("GET", ""), 0);
    fake_clock_mono_ms_now += AHEAD_AGAIN_MS;
    fake_fetch_health = (struct health_view){.state = HEALTH_LIMITED};
    assert_int_equal(orders("GET", ""), 0);
    fake_clock_mono_ms_now += AHEAD_AGAIN_MS;
    fake_fetch_health = (struct health_view){.state = HEALTH_DOWN};
    assert_int_equal(orders("GET", ""), 0);
}

TEST(not_where_it_is_off_or_there_is_no_connection_to_spare)
{
    put(MEDIA_OCI_MANIFEST, DOC);
    up->upstream_max_connections = 2;
    assert_int_equal(orders("GET", ""), 0);
    up->upstream_max_connections = 3;
    up->upstream_fetch_ahead = false;
    assert_int_equal(orders("GET", ""), 0);
    up->upstream_fetch_ahead = true;
    assert_int_equal(orders("GET", ""), 1);
}

/* A manifest too large to be read in the loop. */
TEST(a_large_manifest_holds_up_nobody_and_may_be_let_go_of)
{
    static char large[80 * 1024];
    int n = snprintf(large, sizeof(large), "%s%*s", DOC, 70 * 1024, "");

    assert_true(n > 0 && (size_t)n < sizeof(large));
    put(MEDIA_OCI_MANIFEST, large);
    house_block_pool();
    assert_int_equal(orders("GET", ""), 0); /* not yet */
    ahead_stop_all(house_loop.app);         /* the loop ends */
    house_unblock_pool();
    house_run();
    assert_int_equal(fake_fetch_orders, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_house, close_house)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_get_orders_what_is_not_here_once_a_minute),
        CASE(N19_a_head_orders_nothing_nor_does_what_the_client_has),
        CASE(of_an_index_and_of_what_is_elsewhere_nothing),
        CASE(what_is_on_its_way_is_not_ordered),
        CASE(not_from_an_upstream_that_is_not_well_or_counts_blobs),
        CASE(not_where_it_is_off_or_there_is_no_connection_to_spare),
        CASE(a_large_manifest_holds_up_nobody_and_may_be_let_go_of),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
