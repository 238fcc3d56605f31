/* SPDX-License-Identifier: Apache-2.0 */
/* What is remembered of failures: addresses that were silent, blobs that were wrong, how often what
 * is asked again. */
#include "harness/test.h"

#include <arpa/inet.h>

#include "base/clock.h"
#include "proxy/upstream/origin_int.h"
#include "proxy/upstream/reach_int.h"
#include "proxy/upstream/retry_int.h"
#include "proxy/upstream/suspect_int.h"

static struct sockaddr_in at(unsigned last)
{
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc0000200 + last)};
}

static bool avoids(const struct reach *r, unsigned last, uint64_t now)
{
    struct sockaddr_in in = at(last);

    return reach_avoids(r, (const struct sockaddr *)&in, sizeof(in), now);
}

static void note(struct reach *r, unsigned last, uint64_t now)
{
    struct sockaddr_in in = at(last);

    reach_note(r, (const struct sockaddr *)&in, sizeof(in), now);
}

TEST(E02_a_silent_address_is_passed_over_for_a_minute)
{
    struct reach r = {.next = 0};

    assert_false(avoids(&r, 1, 0));
    note(&r, 1, 1000);
    assert_true(avoids(&r, 1, 1000 + REACH_MS - 1));
    assert_false(avoids(&r, 2, 1000));
    assert_false(avoids(&r, 1, 1000 + REACH_MS));
    note(&r, 1, 1000 + REACH_MS); /* and is still one place */
    for (unsigned i = 2; i <= REACH_MAX; i++) {
        note(&r, i, 1000 + REACH_MS);
    }
    assert_true(avoids(&r, 1, 1001 + REACH_MS));
    note(&r, REACH_MAX + 1, 1000 + REACH_MS);
    assert_false(avoids(&r, 1, 1001 + REACH_MS)); /* the oldest goes */
    reach_clear(&r);
    assert_false(avoids(&r, 2, 1001 + REACH_MS));
}

TEST(parts_are_tried_again_later_and_later)
{
    struct health_book book;
    struct config_upstream upstream = {.name = (char *)(uintptr_t) "test"};
    struct config_url url = {.text = (char *)(uintptr_t) "http://test"};
    struct origin o = {.upstream = &upstream, .nsites = 2};
    struct health_view view;
    uint64_t now = pg_clock_mono_ms();

    health_open(&book);
    o.health = health_of(&book, "test");
    for (unsigned i = 0; i < o.nsites; i++)
        o.sites[i] = (struct site){.origin = &o, .config = &url};
    for (uint64_t ms = SITE_NO_PARTS_MS; ms <= SITE_NO_PARTS_MS_MAX * 4; ms *= 2) {
        uint64_t said = ms < SITE_NO_PARTS_MS_MAX ? ms : SITE_NO_PARTS_MS_MAX;

        assert_true(site_gives_parts(&o.sites[0], now));
        site_no_parts(&o.sites[0], now, "no");
        site_no_parts(&o.sites[0], now, "another that was on its way");
        assert_false(site_gives_parts(&o.sites[0], now + said - 1));
        now += said;
    }
    site_gave_part(&o.sites[0]);
    site_no_parts(&o.sites[0], now, "no");
    assert_true(site_gives_parts(&o.sites[0], now + SITE_NO_PARTS_MS));
    assert_int_equal(origin_partless(&o), 1);
    health_read(&book, SL("test"), &view);
    assert_false(view.no_parts); /* the other URL gives some */
    site_no_parts(&o.sites[1], now, "no");
    health_read(&book, SL("test"), &view);
    assert_true(view.no_parts);
    health_close(&book);
}

TEST(N20_who_lied_is_known_only_of_one)
{
    static struct suspects s;
    struct digest d = digest_of(PG_SHA256, SL("x")), other = digest_of(PG_SHA256, SL("y"));
    const uint64_t a = 1, b = 2;

    assert_null(suspect_find(&s, a, &d));
    suspect_note(&s, a, &d, 3, 7); /* of two: nobody knows */
    assert_int_equal(suspect_find(&s, a, &d)->wrong, 0);
    assert_null(suspect_find(&s, b, &d));
    assert_null(suspect_find(&s, a, &other));
    suspect_note(&s, a, &d, 2, 7);
    assert_int_equal(suspect_find(&s, a, &d)->wrong, 2);
    suspect_note(&s, a, &d, 1, 7);
    assert_int_equal(suspect_find(&s, a, &d)->wrong, 3);
    suspect_note(&s, a, &d, 4, 7); /* all of them: begin again */
    assert_int_equal(suspect_find(&s, a, &d)->wrong, 0);
    suspect_clear(&s, a, &d);
    assert_null(suspect_find(&s, a, &d));
}

TEST(N20_suspects_have_an_end)
{
    static struct suspects s;
    const uint64_t origin = 1;

    for (unsigned i = 0; i < 10 * SUSPECTS_MAX; i++) {
        struct digest d = digest_of(PG_SHA256, (struct sl){(const char *)&i, sizeof(i)});

        suspect_note(&s, origin, &d, 1, 3);
        assert_int_equal(suspect_find(&s, origin, &d)->wrong, 1);
    }
}

TEST(E13_retries_are_few_and_spread)
{
    for (int cause = 0; cause < RETRY_CAUSES; cause++) {
        assert_in_range(retry_times((enum retry_cause)cause, RETRY_QUESTION), 0, 2);
        assert_in_range(retry_times((enum retry_cause)cause, RETRY_BLOB), 0, 3);
    }
    assert_int_equal(retry_times(RETRY_SERVER, RETRY_QUESTION), 2);
    assert_int_equal(retry_times(RETRY_TLS, RETRY_QUESTION), 0);
    assert_int_equal(retry_times(RETRY_WRONG, RETRY_BLOB), 0);
    assert_int_equal(retry_times(RETRY_LATER, RETRY_QUESTION), 0);
    assert_true(retry_elsewhere(RETRY_TLS) && retry_elsewhere(RETRY_WRONG));
    assert_false(retry_elsewhere(RETRY_UNKNOWN) || retry_elsewhere(RETRY_OURS));
    for (int i = 0; i < 1000; i++) {
        assert_in_range(retry_wait_ms(RETRY_QUESTION, 1), 100, 300);
        assert_in_range(retry_wait_ms(RETRY_QUESTION, 2), 400, 1200);
        assert_in_range(retry_wait_ms(RETRY_BLOB, 1), 100, 300);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(E02_a_silent_address_is_passed_over_for_a_minute),
        RUN(parts_are_tried_again_later_and_later),
        RUN(N20_who_lied_is_known_only_of_one),
        RUN(N20_suspects_have_an_end),
        RUN(E13_retries_are_few_and_spread),
    };

    pg_hash_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
