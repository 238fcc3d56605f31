/* SPDX-License-Identifier: Apache-2.0 */
/* A pull of a blob, driven by hand: in the store, on its way, or not there. */
#include "harness/journey.h"

#include "proxy/journey/ask.h"

#define REPO "origin.test/app"

static struct digest d;

static int open_house(void **state)
{
    (void)state;
    house_open();
    d = house_digest("blob");
    return 0;
}

static int close_house(void **state)
{
    (void)state;
    house_close();
    return 0;
}

static struct conn *ask(const char *method, const char *fields)
{
    return house_ask(method, house_path("app", "blobs", &d), fields);
}

static struct conn *get(const char *fields)
{
    return ask("GET", fields);
}

static void put(uint64_t size)
{
    fake_store_put_link(REPO, &d, INDEX_LINK_BLOB, size);
    fake_store_put_blob(&d, size);
}

/* The fill of the download that was ordered last. */
static struct flight *fill(void)
{
    assert_int_equal(fake_fetch_orders, 1);
    return fake_fetch_order.flight;
}

static void lose(struct flight *f, enum pg_ekind kind)
{
    struct pg_err err = {0};

    pg_fail(&err, kind, "scripted");
    flight_fail(f, &err);
    pg_err_clear(&err);
}

static void land(struct flight *f, uint64_t size)
{
    flight_commit(f, size);
    flight_verify(f);
    flight_finish(f);
}

static bool logged(const char *text)
{
    return strstr(fake_log_last(), text) != NULL;
}

static void assert_range(const struct conn *c, int status, uint64_t first, uint64_t end)
{
    assert_int_equal(c->reply.status, status);
    assert_int_equal(c->reply.first, first);
    assert_int_equal(c->reply.end, end);
}

TEST(in_the_store_and_linked_is_a_hit)
{
    char text[DIGEST_TEXT_MAX];
    struct conn *c;

    put(10);
    c = get("");
    assert_int_equal(c->reply.kind, FAKE_BODY_BLOB);
    assert_range(c, 200, 0, 10);
    assert_int_equal(fake_fetch_asks + fake_fetch_orders, 0);
    assert_int_equal(fake_store.touches, 1);
    assert_int_equal(fake_store.landed_links, 0);
    assert_string_equal(fake_conn_field(c, "Content-Type"), "application/octet-stream");
    assert_string_equal(fake_conn_field(c, "Accept-Ranges"), "bytes");
    assert_string_equal(fake_conn_field(c, "Docker-Content-Digest"), digest_write(&d, text).p);
    assert_string_equal(fake_conn_field(c, "Cache-Control"), "max-age=31536000, immutable");
    house_read(c);
    assert_true(logged("cache=hit") && logged("bytes=10"));
    assert_int_equal(fake_log_n, 1);
    assert_int_equal(fake_store.events, 0);
}

TEST(D01_a_blob_of_another_repository_is_asked_of_this_one)
{
    struct conn *c;

    fake_store_put_blob(&d, 10);
    c = get("");
    assert_int_equal(c->reply.status, 0);
    assert_int_equal(fake_fetch_waiting()->kind, FETCH_BLOB_HEAD);
    assert_string_equal(fake_fetch_waiting()->repo, "app");
    fake_fetch_error(PG_E_BLOB_UNKNOWN, 0);
    house_run();
    assert_int_equal(c->reply.status, 404);
    assert_non_null(strstr(c->reply.body, "BLOB_UNKNOWN"));
    assert_string_equal(fake_conn_field(c, "Docker-Content-Digest"), "");
    assert_false(fake_store_has_link(REPO, &d));
    assert_int_equal(fake_store.blob_opens, 0); /* nor did it take longer for being here */

    c = get("");
    fake_fetch_head(NULL, 10);
    house_run();
    assert_range(c, 200, 0, 10);
    assert_true(fake_store_has_link(REPO, &d));
}

TEST(D01_a_head_that_says_nothing_is_no_yes)
{
    struct digest other = house_digest("other");
    struct conn *c;

    fake_store_put_blob(&d, 10);
    c = get("");
    fake_fetch_head(NULL, -1); /* as a registry without HEAD answers */
    house_run();
    assert_int_equal(c->reply.status, 404);
    c = get("");
    fake_fetch_head(&other, 10);
    house_run();
    assert_int_equal(c->reply.status, 404);
    assert_false(fake_store_has_link(REPO, &d));
    assert_int_equal(fake_store.blob_opens, 0);
}

TEST(E23_a_blob_of_a_withdrawn_repository_is_asked_for_first)
{
    struct conn *c;

    put(10);
    fake_store_access.withdrawn = true;
    c = get("");
    assert_int_equal(c->reply.status, 0);
    assert_int_equal(fake_fetch_waiting()->kind, FETCH_BLOB_HEAD);
    fake_fetch_denies = true;
    fake_fetch_error(PG_E_BLOB_UNKNOWN, 0);
    house_run();
    assert_int_equal(c->reply.status, 403);
    fake_fetch_denies = false;
    c = get("");
    fake_fetch_error(PG_E_UPSTREAM_DOWN, 0);
    house_run();
    assert_int_equal(c->reply.status, 503);
    c = get("");
    fake_fetch_head(NULL, -1); /* says nothing: no yes */
    house_run();
    assert_int_equal(c->reply.status, 404);
    assert_int_equal(fake_store.blob_opens, 0);
    c = get("");
    fake_fetch_head(NULL, 10);
    house_run();
    assert_range(c, 200, 0, 10);
    assert_false(fake_store_access.withdrawn);
}

TEST(E23_upstream_is_asked_once_a_week_and_silence_withdraws_nothing)
{
    struct conn *c;

    put(10);
    house_wait_ms((uint64_t)ACCESS_PROOF_S * 1000);
    c = get("");
    assert_int_equal(fake_fetch_waiting()->kind, FETCH_BLOB_HEAD);
    fake_fetch_error(PG_E_UPSTREAM_DOWN, 0);
    house_run();
    assert_range(c, 200, 0, 10);
    c = get(""); /* for a while nobody asks again */
    assert_range(c, 200, 0, 10);
    assert_int_equal(fake_fetch_asks, 1);
    fake_store_access.silent = false;
    c = get("");
    fake_fetch_head(NULL, -1); /* a registry without HEAD */
    house_run();
    assert_range(c, 200, 0, 10);
    c = get("");
    fake_fetch_error(PG_E_BLOB_UNKNOWN, 0);
    house_run();
    assert_int_equal(c->reply.status, 404);
    (void)get("");
    fake_fetch_head(NULL, 10);
    house_run();
    c = get("");
    assert_range(c, 200, 0, 10);
    assert_int_equal(fake_fetch_asks, 4);
}

TEST(nobody_waits_long_for_a_silent_upstream_to_confirm_what_is_here)
{
    struct conn *c;

    put(10);
    house_wait_ms((uint64_t)ACCESS_PROOF_S * 1000);
    c = get("");
    house_wait_ms(ASK_BRIEFLY_MS - 1);
    assert_int_equal(c->reply.status, 0);
    house_wait_ms(1);
    assert_range(c, 200, 0, 10);
    assert_true(fake_store_access.silent);
}

TEST(N07_what_came_from_elsewhere_has_to_be_shown_first)
{
    struct conn *c;

    put(10);
    fake_store_unshown = true;
    c = get("");
    assert_int_equal(c->reply.status, 0);
    assert_int_equal(fake_fetch_waiting()->kind, FETCH_BLOB_PROOF);
    fake_fetch_error(PG_E_BLOB_UNKNOWN, 0);
    house_run();
    assert_int_equal(c->reply.status, 404);
    c = ask("HEAD", ""); /* a HEAD tells that it is here */
    fake_fetch_error(PG_E_BLOB_UNKNOWN, 0);
    house_run();
    assert_int_equal(c->reply.status, 404);
    c = get("");
    fake_fetch_error(PG_E_UPSTREAM_DOWN, 0);
    house_run();
    assert_int_equal(c->reply.status, 503);
    c = get("");
    fake_fetch_head(NULL, -1);
    house_run();
    assert_range(c, 200, 0, 10);
}

TEST(N07_on_the_flight_of_another_upstream_nothing_leaves)
{
    struct conn *theirs, *ours;

    fake_store_put_link("docker.io/library/app", &d, INDEX_LINK_BLOB, 10);
    fake_store_put_link(REPO, &d, INDEX_LINK_BLOB, 10);
    theirs = house_ask("GET", house_path("docker.io/library/app", "blobs", &d), "");
    ours = get("");
    assert_int_equal(fake_fetch_orders, 1);
    flight_head(fill(), 10);
    flight_commit(fill(), 10);
    flight_verify(fill());
    house_run();
    assert_range(theirs, 200, 0, 10);
    assert_int_equal(ours->reply.status, 0);
    fake_store_put_blob(&d, 10);
    fake_store_unshown = true;
    flight_finish(fill());
    house_run();
    assert_int_equal(fake_fetch_waiting()->kind, FETCH_BLOB_PROOF);
    fake_fetch_error(PG_E_BLOB_UNKNOWN, 0);
    house_run();
    assert_int_equal(ours->reply.status, 404);
}

/* A hostile upstream, or a slow one, would keep it from all others for as long as it likes. */
TEST(N07_another_upstreams_flight_that_does_not_land_holds_up_nobody_for_long)
{
    struct flight *theirs;
    struct conn *ours, *again;

    fake_store_put_link("docker.io/library/app", &d, INDEX_LINK_BLOB, 10);
    fake_store_put_link(REPO, &d, INDEX_LINK_BLOB, 10);
    (void)house_ask("GET", house_path("docker.io/library/app", "blobs", &d), "");
    theirs = fill();
    ours = get("");
    house_wait_ms(1000);
    flight_head(theirs, 10);
    flight_commit(theirs, 1);
    house_run();
    assert_int_equal(fake_fetch_orders, 1);
    house_wait_ms(1000);
    assert_int_equal(fake_fetch_orders, 2);
    assert_string_equal(fake_fetch_order_repo, "app");
    assert_ptr_not_equal(fake_fetch_order.flight, theirs);
    assert_true(fake_fetch_order.flight->beside);
    again = get("");
    house_wait_ms(2000);
    assert_int_equal(fake_fetch_orders, 2); /* one for all of ours */
    flight_head(fake_fetch_order.flight, 10);
    flight_commit(fake_fetch_order.flight, 10);
    flight_verify(fake_fetch_order.flight);
    house_run();
    assert_range(ours, 200, 0, 10);
    assert_range(again, 200, 0, 10);
    lose(fake_fetch_order.flight, PG_E_CANCELED); /* it is not kept */
    lose(theirs, PG_E_UPSTREAM_DOWN);
    house_run();
}

TEST(a_miss_is_downloaded_once_and_read_by_all)
{
    struct conn *leader, *follower;

    fake_store_put_link(REPO, &d, INDEX_LINK_BLOB, 10);
    leader = get("");
    follower = get("");
    assert_int_equal(fake_fetch_orders, 1);
    assert_string_equal(fake_fetch_order_repo, "app");
    assert_int_equal(fake_fetch_order.size, 10);
    assert_true(digest_eq(&fake_fetch_order.digest, &d));
    assert_int_equal(leader->reply.status, 0);

    flight_head(fill(), 10);
    house_run();
    assert_range(leader, 200, 0, 10);
    assert_range(follower, 200, 0, 10);
    assert_int_equal(leader->reply.kind, FAKE_BODY_FLIGHT);
    flight_commit(fill(), 4);
    house_run();
    assert_int_equal(leader->reply.news, 1); /* send hears it, the request sleeps */
    flight_commit(fill(), 6);
    flight_verify(fill());
    flight_finish(fill());
    house_run();
    house_read(leader);
    assert_true(logged("cache=miss") && logged("why=not in the store"));
    house_read(follower);
    assert_true(logged("cache=coalesced"));
}

TEST(a_leader_that_leaves_does_not_stop_the_download)
{
    struct conn *leader, *follower;

    fake_store_put_link(REPO, &d, INDEX_LINK_BLOB, 0);
    leader = get("");
    follower = get("");
    assert_int_equal(fake_fetch_order.size, UINT64_MAX);
    house_leave(leader);
    assert_true(logged("status=499"));
    flight_head(fill(), 3);
    house_run();
    assert_range(follower, 200, 0, 3);
    land(fill(), 3);
    house_run();
    house_read(follower);
    assert_int_equal(fake_fetch_orders, 1);
}

TEST(A19_a_range_is_the_same_wherever_the_bytes_come_from)
{
    struct conn *c;

    put(10);
    c = get("Range: bytes=2-5");
    assert_range(c, 206, 2, 6);
    assert_string_equal(fake_conn_field(c, "Content-Range"), "bytes 2-5/10");

    house_read(c);
    fake_store_reset(); /* cold */
    fake_store_put_link(REPO, &d, INDEX_LINK_BLOB, 0);
    c = get("Range: bytes=-3");
    flight_head(fill(), 10);
    house_run();
    assert_range(c, 206, 7, 10);
    assert_string_equal(fake_conn_field(c, "Content-Range"), "bytes 7-9/10");

    c = get("Range: bytes=8-"); /* in flight */
    assert_range(c, 206, 8, 10);
    land(fill(), 10);
}

/* The texts between the ranges, byte by byte; from whatever boundary was chosen. */
static void assert_parts(const struct conn *c, char boundary_r[64])
{
    const struct send_parts *parts = c->reply.parts;
    const char *type = fake_conn_field(c, "Content-Type");
    char text[300];

    assert_int_equal(c->reply.status, 206);
    assert_string_equal(fake_conn_field(c, "Content-Range"), "");
    assert_memory_equal(type, "multipart/byteranges; boundary=", 31);
    (void)snprintf(boundary_r, 64, "%s", type + 31);
    assert_int_equal(strlen(boundary_r), 32);
    assert_int_equal(strspn(boundary_r, "0123456789abcdef"), 32);
    for (size_t i = 0; i < parts->n; i++) {
        const struct send_part *p = &parts->at[i];

        (void)snprintf(text, sizeof(text),
                       "%s--%s\r\nContent-Type: application/octet-stream\r\n"
                       "Content-Range: bytes %llu-%llu/10\r\n\r\n",
                       i > 0 ? "\r\n" : "", boundary_r, (unsigned long long)p->first,
                       (unsigned long long)p->end - 1);
        assert_true(sl_eq(p->before, (struct sl){text, strlen(text)}));
    }
    (void)snprintf(text, sizeof(text), "\r\n--%s--\r\n", boundary_r);
    assert_true(sl_eq(parts->after, (struct sl){text, strlen(text)}));
}

TEST(A18_several_ranges_are_several_parts_wherever_the_bytes_come_from)
{
    char first[64], second[64];
    struct conn *c;

    put(10);
    c = get("Range: bytes=7-8, 0-1,2-3");
    assert_int_equal(c->reply.kind, FAKE_BODY_BLOB);
    assert_int_equal(c->reply.parts->n, 3);
    assert_int_equal(c->reply.parts->at[0].first, 7);
    assert_int_equal(c->reply.parts->at[2].end, 4);
    assert_parts(c, first);

    house_read(c);
    fake_store_reset(); /* cold */
    fake_store_put_link(REPO, &d, INDEX_LINK_BLOB, 0);
    c = get("Range: bytes=-3,0-0");
    flight_head(fill(), 10);
    house_run();
    assert_int_equal(c->reply.kind, FAKE_BODY_FLIGHT);
    assert_parts(c, second);
    assert_string_not_equal(first, second);
    land(fill(), 10);
}

TEST(A18_of_several_ranges_one_may_be_left)
{
    struct conn *c;

    put(10);
    c = get("Range: bytes=2-5,10-");
    assert_range(c, 206, 2, 6);
    assert_null(c->reply.parts);
    assert_string_equal(fake_conn_field(c, "Content-Range"), "bytes 2-5/10");
    assert_string_equal(fake_conn_field(c, "Content-Type"), "application/octet-stream");
    c = get("Range: bytes=0-5,4-9");
    assert_range(c, 200, 0, 10);
    c = get("Range: bytes=0-1\nRange: bytes=4-5"); /* two lines are no list */
    assert_range(c, 200, 0, 10);
    c = ask("HEAD", "Range: bytes=0-1,4-5");
    assert_range(c, 200, 0, 10);
    c = get("Range: bytes=0-1,4-5\nIf-Range: \"x\"");
    assert_range(c, 200, 0, 10);
}

TEST(a_range_beyond_the_end_is_416_and_says_the_size)
{
    struct conn *c;

    put(10);
    c = get("Range: bytes=10-");
    assert_int_equal(c->reply.status, 416);
    assert_string_equal(fake_conn_field(c, "Content-Range"), "bytes */10");
    house_read(c);
    fake_store_reset();
    fake_store_put_link(REPO, &d, INDEX_LINK_BLOB, 0);
    c = get("Range: bytes=99-");
    flight_head(fill(), 7);
    house_run();
    assert_int_equal(c->reply.status, 416);
    assert_string_equal(fake_conn_field(c, "Content-Range"), "bytes */7");
    land(fill(), 7);
}

TEST(A22_if_range_counts_only_for_the_same_digest)
{
    char text[DIGEST_TEXT_MAX], fields[300];
    struct conn *c;

    put(10);
    c = get("Range: bytes=2-5\nIf-Range: \"x\"");
    assert_range(c, 200, 0, 10);
    (void)snprintf(fields, sizeof(fields), "Range: bytes=2-5\nIf-Range: \"%s\"",
                   digest_write(&d, text).p);
    c = get(fields);
    assert_range(c, 206, 2, 6);
    (void)snprintf(fields, sizeof(fields), "If-None-Match: \"%s\"", digest_write(&d, text).p);
    c = get(fields);
    assert_int_equal(c->reply.status, 304);
    assert_int_equal(c->reply.kind, FAKE_BODY_NONE);
}

TEST(A21_a_head_of_a_cold_blob_starts_no_download)
{
    struct conn *c;

    fake_store_put_link(REPO, &d, INDEX_LINK_BLOB, 0);
    c = ask("HEAD", "Range: bytes=2-5");
    assert_int_equal(fake_fetch_waiting()->kind, FETCH_BLOB_HEAD);
    fake_fetch_head(NULL, 10);
    house_run();
    assert_int_equal(c->reply.status, 200);
    assert_int_equal(c->reply.content_length, 10);
    assert_int_equal(fake_fetch_orders, 0);
    put(10);
    c = ask("HEAD", "");
    assert_range(c, 200, 0, 10);
    assert_int_equal(fake_fetch_asks, 1);
}

TEST(upstream_says_no_before_the_first_byte)
{
    struct conn *c;

    fake_store_put_link(REPO, &d, INDEX_LINK_BLOB, 10);
    c = get("");
    lose(fill(), PG_E_UPSTREAM_DOWN);
    house_run();
    assert_int_equal(c->reply.status, 503);
    assert_string_equal(fake_conn_field(c, "Retry-After"), "5");
    house_read(c);
    assert_true(logged("error=scripted"));
}

TEST(a_flight_that_was_called_off_is_boarded_anew_but_not_for_ever)
{
    struct conn *c;

    fake_store_put_link(REPO, &d, INDEX_LINK_BLOB, 10);
    c = get("");
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(c->reply.status, 0);
        assert_int_equal(fake_fetch_orders, i);
        lose(fake_fetch_order.flight, PG_E_CANCELED);
        house_run();
    }
    assert_int_equal(c->reply.status, 503);
}

TEST(what_upstream_says_of_another_repository_is_no_answer_here)
{
    struct conn *theirs, *ours;

    fake_store_put_link("origin.test/theirs", &d, INDEX_LINK_BLOB, 10);
    fake_store_put_link(REPO, &d, INDEX_LINK_BLOB, 10);
    theirs = house_ask("GET", house_path("theirs", "blobs", &d), "");
    ours = get("");
    assert_int_equal(fake_fetch_orders, 1);
    assert_string_equal(fake_fetch_order_repo, "theirs");
    lose(fill(), PG_E_BLOB_UNKNOWN);
    house_run();
    assert_int_equal(theirs->reply.status, 404);
    assert_int_equal(ours->reply.status, 0);
    assert_int_equal(fake_fetch_orders, 2);
    assert_string_equal(fake_fetch_order_repo, "app");
    lose(fake_fetch_order.flight, PG_E_BLOB_UNKNOWN);
    house_run();
    assert_int_equal(ours->reply.status, 404);
    assert_int_equal(fake_fetch_orders, 2);
}

TEST(the_leader_looks_once_more_before_it_asks)
{
    struct conn *c;

    put(10);
    fake_store_late = 1; /* it lands between the miss and the boarding */
    c = get("");
    assert_int_equal(fake_store.blob_opens, 2);
    assert_int_equal(fake_fetch_orders, 0);
    assert_int_equal(c->reply.kind, FAKE_BODY_BLOB);
    assert_range(c, 200, 0, 10);
}

TEST(what_landed_in_the_meantime_is_a_hit)
{
    struct conn *c;

    fake_store_put_link(REPO, &d, INDEX_LINK_BLOB, 10);
    c = get("");
    fake_store_put_blob(&d, 10);
    lose(fill(), PG_E_CANCELED);
    house_run();
    assert_int_equal(c->reply.kind, FAKE_BODY_BLOB);
    assert_range(c, 200, 0, 10);
}

TEST(a_flight_that_matched_serves_who_is_aboard_whatever_comes_after)
{
    struct conn *c;

    fake_store_put_link(REPO, &d, INDEX_LINK_BLOB, 10);
    c = get("");
    flight_head(fill(), 10);
    flight_commit(fill(), 10);
    flight_verify(fill());
    lose(fill(), PG_E_STORE_IO); /* the disk is full */
    house_run();
    assert_range(c, 200, 0, 10);
}

TEST(silence_is_504_at_the_deadline_which_all_waits_share)
{
    struct conn *c = get("");

    house_wait_ms(20000);
    fake_fetch_head(NULL, 10);
    house_run();
    assert_int_equal(fake_fetch_orders, 1);
    house_wait_ms(4999);
    assert_int_equal(c->reply.status, 0);
    house_wait_ms(1);
    assert_int_equal(c->reply.status, 504);
    house_read(c);
    lose(fill(), PG_E_UPSTREAM_DOWN); /* the download goes on without it */
}

TEST(a_client_that_leaves_in_the_middle_gives_back_its_seat)
{
    struct conn *c;

    fake_store_put_link(REPO, &d, INDEX_LINK_BLOB, 10);
    c = get("");
    flight_head(fill(), 10);
    house_run();
    house_leave(c);
    assert_int_equal(c->done, 1);
    assert_false(c->ok);
    assert_true(logged("cut=yes"));
    land(fill(), 10); /* nobody aboard: the flight's memory is the sanitizer's to check */
}

TEST(a_broken_disk_is_503_and_not_404)
{
    struct conn *c;

    fake_store_fails = true;
    c = get("");
    assert_int_equal(c->reply.status, 503);
    assert_non_null(strstr(c->reply.body, "UNAVAILABLE"));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_house, close_house)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(in_the_store_and_linked_is_a_hit),
        CASE(D01_a_blob_of_another_repository_is_asked_of_this_one),
        CASE(D01_a_head_that_says_nothing_is_no_yes),
        CASE(E23_a_blob_of_a_withdrawn_repository_is_asked_for_first),
        CASE(nobody_waits_long_for_a_silent_upstream_to_confirm_what_is_here),
        CASE(E23_upstream_is_asked_once_a_week_and_silence_withdraws_nothing),
        CASE(N07_what_came_from_elsewhere_has_to_be_shown_first),
        CASE(N07_on_the_flight_of_another_upstream_nothing_leaves),
        CASE(N07_another_upstreams_flight_that_does_not_land_holds_up_nobody_for_long),
        CASE(a_miss_is_downloaded_once_and_read_by_all),
        CASE(a_leader_that_leaves_does_not_stop_the_download),
        CASE(A19_a_range_is_the_same_wherever_the_bytes_come_from),
        CASE(A18_several_ranges_are_several_parts_wherever_the_bytes_come_from),
        CASE(A18_of_several_ranges_one_may_be_left),
        CASE(a_range_beyond_the_end_is_416_and_says_the_size),
        CASE(A22_if_range_counts_only_for_the_same_digest),
        CASE(A21_a_head_of_a_cold_blob_starts_no_download),
        CASE(upstream_says_no_before_the_first_byte),
        CASE(a_flight_that_was_called_off_is_boarded_anew_but_not_for_ever),
        CASE(what_upstream_says_of_another_repository_is_no_answer_here),
        CASE(the_leader_looks_once_more_before_it_asks),
        CASE(what_landed_in_the_meantime_is_a_hit),
        CASE(a_flight_that_matched_serves_who_is_aboard_whatever_comes_after),
        CASE(silence_is_504_at_the_deadline_which_all_waits_share),
        CASE(a_client_that_leaves_in_the_middle_gives_back_its_seat),
        CASE(a_broken_disk_is_503_and_not_404),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
