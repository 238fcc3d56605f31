/* SPDX-License-Identifier: Apache-2.0 */
/* Blobs on their way from an upstream into the store; and upstreams that break off, lie or stall.
 */
#include "rig.h"

#include <sched.h>
#include <stdio.h>

#include "base/fault.h"

#define SIZE     3000000
#define UNKNOWN  UINT64_MAX
#define BLOB_URL "/blobs/"

static char blob[DIGEST_TEXT_MAX];

static void start(const struct rig_options *o)
{
    rig_start(o);
    rig_py("data = random.Random(7).randbytes(%d)", SIZE);
    assert_true(snprintf(blob, sizeof(blob), "%s", rig_py("up.blob(data)")) > 0);
}

static void start_plain(void)
{
    start(&(struct rig_options){0});
}

/* Pulls the blob to its end; the state it came to, the error's kind in *kind_r. */
static enum flight_state pull(uint64_t size, enum pg_ekind *kind_r)
{
    struct rig_pull p;
    struct flight_view v;

    rig_pull(&p, blob, size, FETCH_WAITED_FOR);
    while (p.role != FLIGHT_LEADER) { /* of one that has just landed, or was just lost */
        rig_leave(&p);
        sched_yield();
        rig_pull(&p, blob, size, FETCH_WAITED_FOR);
    }
    v = rig_wait_for(&p, FLIGHT_LANDED);
    *kind_r = v.state == FLIGHT_LOST ? p.reader.flight->err.kind : PG_E_NONE;
    rig_leave(&p);
    return v.state;
}

static void expect_landed(uint64_t size)
{
    enum pg_ekind kind;

    assert_int_equal(pull(size, &kind), FLIGHT_LANDED);
    assert_true(rig_has(blob));
    assert_int_equal(rig_partial_bytes(), 0);
}

static void expect_lost(uint64_t size, enum pg_ekind expected)
{
    enum pg_ekind kind;

    assert_int_equal(pull(size, &kind), FLIGHT_LOST);
    assert_int_equal(kind, expected);
    assert_false(rig_has(blob));
}

static long times_asked(void)
{
    return rig_py_number("up.count('GET', '" BLOB_URL "')");
}

TEST(a_blob_comes_once_for_all_and_lands)
{
    struct rig_pull p[100];

    start_plain();
    rig_py("gate = Gate(); up.on('/blobs/', pause(gate))");
    for (size_t i = 0; i < 100; i++) {
        rig_pull(&p[i], blob, SIZE, FETCH_WAITED_FOR);
        assert_int_equal(p[i].role, i == 0 ? FLIGHT_LEADER : FLIGHT_FOLLOWER);
    }
    rig_wait_for_bytes(&p[1], SIZE / 2);
    assert_true(flight_may_send(flight_look(&p[1].reader), SIZE) >= SIZE / 2);
    rig_leave(&p[0]); /* K06: the leader goes, the download stays */
    rig_py("gate.open()");
    for (size_t i = 1; i < 100; i++) {
        struct flight_view v = rig_wait_for(&p[i], FLIGHT_LANDED);

        assert_int_equal(v.state, FLIGHT_LANDED);
        assert_true(v.verified && v.size == SIZE && v.committed == SIZE);
        rig_leave(&p[i]);
    }
    assert_true(rig_has(blob));
    assert_int_equal(times_asked(), 1);
    rig_stop();
}

TEST(it_goes_on_without_any_reader)
{
    struct rig_pull p;

    start_plain();
    rig_py("gate = Gate(); up.on('/blobs/', pause(gate))");
    rig_pull(&p, blob, SIZE, FETCH_WAITED_FOR);
    rig_py("gate.wait_reached()");
    rig_leave(&p);
    rig_py("gate.open()");
    rig_pull(&p, blob, SIZE, FETCH_WAITED_FOR);
    assert_int_equal(p.role, FLIGHT_FOLLOWER);
    assert_int_equal(rig_wait_for(&p, FLIGHT_LANDED).state, FLIGHT_LANDED);
    rig_leave(&p);
    assert_int_equal(times_asked(), 1);
    rig_stop();
}

TEST(what_has_landed_since_is_not_asked_for)
{
    enum pg_ekind kind;

    start_plain();
    expect_landed(SIZE);
    assert_int_equal(pull(SIZE, &kind), FLIGHT_LOST);
    assert_int_equal(kind, PG_E_CANCELED);
    assert_int_equal(times_asked(), 1);
    rig_stop();
}

TEST(a_size_that_nobody_knew)
{
    start_plain();
    expect_landed(UNKNOWN);
    rig_stop();
}

TEST(what_is_not_there_is_said_before_a_head)
{
    struct rig_pull p;

    start_plain();
    rig_py("up.blobs.clear()");
    rig_pull(&p, blob, SIZE, FETCH_WAITED_FOR);
    assert_int_equal(rig_wait_for(&p, FLIGHT_BODY).state, FLIGHT_LOST);
    assert_int_equal(p.reader.flight->err.kind, PG_E_BLOB_UNKNOWN);
    assert_int_equal(p.reader.flight->size, 0); /* it never left HEAD: the client hears a 404 */
    rig_leave(&p);
    rig_stop();
}

TEST(E05_reset_at_many_offsets)
{
    start_plain();
    rig_py("rnd = random.Random(5)");
    for (int i = 0; i < 25; i++) {
        rig_py("data = rnd.randbytes(rnd.randrange(1, 400000))");
        assert_true(snprintf(blob, sizeof(blob), "%s", rig_py("up.blob(data)")) > 0);
        rig_py("up.on('/blobs/', cut(rnd.randrange(0, len(data)), 'reset'), times=1)");
        rig_py("up.on('/blobs/', cut(rnd.randrange(0, len(data)), 'reset'), times=1)");
        rig_py("up.asked.clear()");
        expect_landed(i % 2 == 0 ? (uint64_t)rig_py_number("len(data)") : UNKNOWN);
        assert_in_range(times_asked(), 2, 5); /* libcurl retries on kept connections */
    }
    rig_stop();
}

TEST(E06_fin_before_the_end)
{
    start_plain();
    rig_py("up.on('/blobs/', cut(1000000), times=1)");
    expect_landed(SIZE);
    assert_string_equal(rig_py("[h['Range'] for m, p, h in up.asked if 'Range' in h]"),
                        "['bytes=1000000-']");
    rig_stop();
    start_plain();
    rig_py("up.on('/blobs/', cut(0))"); /* for ever */
    rig_py("up.on('/blobs/', cut(1000000), times=1)");
    expect_lost(SIZE, PG_E_UPSTREAM_DOWN);
    assert_in_range(times_asked(), 2, 8);
    assert_int_equal(rig_partial_bytes(), 1000000); /* kept for the next */
    rig_py("up.well(); up.asked.clear()");
    expect_landed(SIZE);
    assert_string_equal(rig_py("up.asked[0][2]['Range']"), "bytes=1000000-");
    rig_stop();
}

TEST(a_restart_goes_on_where_it_stopped)
{
    struct rig_pull p;

    start_plain();
    rig_py("gate = Gate(); up.on('/blobs/', pause(gate, 2000000), times=1)");
    rig_pull(&p, blob, SIZE, FETCH_WAITED_FOR);
    rig_wait_for_bytes(&p, 2000000);
    rig_leave(&p);
    rig_restart(&(struct rig_options){0});
    rig_py("gate.open(); up.asked.clear()");
    expect_landed(SIZE);
    assert_string_equal(rig_py("up.asked[0][2]['Range']"), "bytes=2000000-");
    rig_stop();
}

TEST(E07_more_than_was_said)
{
    start_plain();
    rig_py("up.on('/blobs/', raw(b'HTTP/1.1 200 OK\\r\\nConnection: close\\r\\n\\r\\n' + data + "
           "b'more'))");
    expect_lost(SIZE, PG_E_UPSTREAM_WRONG);
    assert_int_equal(rig_partial_bytes(), 0);
    rig_py("up.on('/blobs/', instead(data + b'more'))");
    expect_lost(SIZE, PG_E_UPSTREAM_WRONG);
    rig_py("up.well()");
    expect_landed(SIZE);
    rig_stop();
}

TEST(E08_no_length)
{
    start_plain();
    rig_py("up.on('/blobs/', raw(b'HTTP/1.1 200 OK\\r\\nConnection: close\\r\\n\\r\\n' + data))");
    expect_landed(SIZE);
    rig_stop();
    start_plain();
    rig_py("up.on('/blobs/', raw(b'HTTP/1.1 200 OK\\r\\nConnection: close\\r\\n\\r\\n' + data))");
    expect_landed(UNKNOWN);
    rig_stop();
    start_plain(); /* half of it: only the descriptor tells */
    rig_py("up.on('/blobs/', raw(b'HTTP/1.1 200 OK\\r\\nConnection: close\\r\\n\\r\\n' + "
           "data[:1500000]), times=1)");
    expect_landed(SIZE);
    assert_int_equal(times_asked(), 2);
    rig_stop();
    start_plain(); /* the last chunk is missing */
    rig_py("up.on('/blobs/', lambda x: 'Range' in x.headers and status(416)(x))");
    rig_py("up.on('/blobs/', raw(b'HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n' + "
           "b'%%x\\r\\n' %% len(data) + data + b'\\r\\n'), times=1)");
    expect_landed(UNKNOWN);
    rig_stop();
}

TEST(E09_wrong_bytes_of_the_right_size)
{
    int64_t wrong = pg_metric_read(PG_M_UPSTREAM_WRONG);

    start_plain();
    rig_py("up.on('/blobs/', instead(data[:-1] + bytes([data[-1] ^ 1])))");
    for (int i = 0; i < 3; i++) {
        struct rig_pull p;
        struct flight_view v;

        rig_pull(&p, blob, SIZE, FETCH_WAITED_FOR);
        v = rig_wait_for(&p, FLIGHT_LANDED);
        assert_true(v.state == FLIGHT_LOST && !v.verified);
        assert_true(flight_may_send(v, SIZE) < SIZE); /* never completes */
        assert_int_equal(p.reader.flight->err.kind, PG_E_UPSTREAM_WRONG);
        rig_leave(&p);
    }
    assert_int_equal(pg_metric_read(PG_M_UPSTREAM_WRONG), wrong + 3);
    assert_int_equal(rig_partial_bytes(), 0);
    rig_py("up.well()");
    expect_landed(SIZE);
    rig_stop();
}

TEST(E10_a_stall_is_broken_off_and_resumed)
{
    start(&(struct rig_options){.stall_ms = 200});
    rig_py("gate = Gate(); up.on('/blobs/', pause(gate, 1000000), times=1)");
    expect_landed(SIZE);
    rig_py("gate.open()");
    assert_string_equal(rig_py("up.asked[1][2]['Range']"), "bytes=1000000-");
    rig_stop();
}

TEST(E13_errors_of_the_server)
{
    start_plain();
    rig_py("up.on('/blobs/', status(503), times=1)");
    expect_landed(SIZE);
    rig_stop();
    start_plain();
    rig_py("up.on('/blobs/', status(500))");
    expect_lost(SIZE, PG_E_UPSTREAM_DOWN);
    assert_int_equal(times_asked(), 3);
    rig_py("up.on('/blobs/', status(429))");
    expect_lost(SIZE, PG_E_UPSTREAM_DOWN);
    assert_int_equal(times_asked(), 4);
    rig_stop();
}

TEST(E18_a_whole_answer_to_a_range)
{
    start_plain();
    rig_py("up.on('/blobs/', instead(data))");
    rig_py("up.on('/blobs/', cut(1000001), times=1)");
    expect_landed(SIZE);
    assert_int_equal(times_asked(), 2);
    rig_stop();
    start_plain(); /* one that does not even know what a range is */
    rig_py("refuse = lambda x: 'Range' in x.headers and status(416)(x)");
    rig_py("up.on('/blobs/', lambda x: refuse(x) or cut(1000001)(x) if up.count('GET', '/blobs/') "
           "< 3 else instead(data)(x))");
    expect_landed(SIZE);
    rig_stop();
}

TEST(E19_a_wrong_part)
{
    static const char *const shown[] = {
        "bytes 0-9/3000000",
        "bytes 1000000-2999999/3000001",
        "bytes 1000001-2999999/3000000",
        "garbage",
        "bytes 1000000-2999999/3000000\\r\\nContent-Range: bytes 1000000-2999999/3000000",
        "bytes 1000000-2999999/3000000\\r\\nContent-Type: multipart/byteranges; boundary=x",
    };

    for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
        start_plain();
        rig_py("up.on('/blobs/', raw(b'HTTP/1.1 206 Partial\\r\\nContent-Length: 2000000\\r\\n"
               "Content-Range: %s\\r\\n\\r\\n' + b'x' * 2000000), times=1)",
               shown[i]);
        rig_py("up.on('/blobs/', cut(1000000), times=1)");
        expect_lost(SIZE, PG_E_UPSTREAM_WRONG);
        expect_landed(SIZE); /* from its first byte */
        rig_stop();
    }
}

TEST(E21_encoded_unasked)
{
    start_plain();
    rig_py("import gzip");
    rig_py("up.on('/blobs/', instead(gzip.compress(data, 1), Content_Encoding='gzip'))");
    expect_lost(SIZE, PG_E_UPSTREAM_WRONG);
    assert_int_equal(rig_partial_bytes(), 0);
    assert_string_equal(rig_py("up.asked[0][2]['Accept-Encoding']"), "identity");
    rig_stop();
}

TEST(a_disk_that_is_full)
{
    start_plain();
    assert_int_equal(pg_fault_set("fill.pwrite:ENOSPC@2+"), 0);
    expect_lost(SIZE, PG_E_STORE_IO);
    rig_restart(&(struct rig_options){0});
    assert_int_equal(pg_fault_set(NULL), 0);
    expect_landed(SIZE);
    rig_stop();
}

/* One connection: what is waited for goes before what is fetched ahead, small asks before both. */
TEST(who_goes_first)
{
    struct rig_pull first, ahead, promoted, waited;
    struct rig_ask ask;

    start(&(struct rig_options){.max_connections = 1});
    rig_py("more = [up.blob(bytes([i]) * 1000) for i in range(3)]; up.image('library/app', 'v1')");
    rig_py("gate = Gate(); up.on(sha256(data), pause(gate))");
    rig_pull(&first, blob, SIZE, FETCH_WAITED_FOR);
    rig_py("gate.wait_reached()");
    rig_pull(&ahead, rig_py("more[0]"), 1000, FETCH_AHEAD);
    rig_leave(&ahead);
    rig_pull(&waited, rig_py("more[1]"), 1000, FETCH_WAITED_FOR);
    rig_pull(&promoted, rig_py("more[2]"), 1000, FETCH_AHEAD); /* and its reader stays */
    rig_ask(&ask, FETCH_MANIFEST, "v1");
    rig_py("gate.open()");
    rig_wait(&ask);
    rig_free(&ask);
    rig_wait_for(&waited, FLIGHT_LANDED);
    rig_wait_for(&promoted, FLIGHT_LANDED);
    rig_wait_for(&first, FLIGHT_LANDED);
    rig_leave(&waited);
    rig_leave(&promoted);
    rig_leave(&first);
    rig_pull(&ahead, rig_py("more[0]"), 1000, FETCH_WAITED_FOR);
    rig_wait_for(&ahead, FLIGHT_LANDED);
    rig_leave(&ahead);
    assert_string_equal(
        rig_py(
            "[([sha256(data)] + more + ['v1']).index(p.split('/')[-1]) for m, p, h in up.asked]"),
        "[0, 4, 2, 3, 1]");
    rig_stop();
}

/* Not by asking for what is in many repositories either. */
TEST(who_asks_a_hundred_questions_holds_back_nobody_who_asks_one)
{
    struct rig_ask many[100], one;
    char repo[32];

    start(&(struct rig_options){.max_connections = 1});
    rig_py("up.image('library/app', 'v1')");
    rig_py("gate = Gate(); up.on('/manifests/first', hold(gate))");
    rig_caller = "192.0.2.1";
    rig_ask(&many[0], FETCH_MANIFEST, "first");
    rig_py("gate.wait_reached()");
    for (int i = 1; i < 100; i++) {
        assert_true(snprintf(repo, sizeof(repo), "library/r%d", i) > 0);
        rig_ask_of(&many[i], FETCH_MANIFEST, repo, "none", "");
    }
    rig_caller = "192.0.2.2";
    rig_ask(&one, FETCH_MANIFEST, "v1");
    rig_py("gate.open()");
    rig_wait(&one);
    assert_int_equal(one.ask->err.kind, PG_E_NONE);
    assert_in_range(
        rig_py_number("[p for m, p, h in up.asked].index('/v2/library/app/manifests/v1')"), 1, 2);
    rig_free(&one);
    for (int i = 0; i < 100; i++) {
        rig_wait(&many[i]);
        rig_free(&many[i]);
    }
    rig_caller = "";
    rig_stop();
}

TEST(the_end_loses_what_is_under_way_and_keeps_its_bytes)
{
    struct rig_pull p, q;

    start(&(struct rig_options){.max_connections = 1});
    rig_py("other = up.blob(b'other'); gate = Gate(); up.on('/blobs/', pause(gate))");
    rig_pull(&p, blob, SIZE, FETCH_WAITED_FOR);
    rig_pull(&q, rig_py("other"), 5, FETCH_WAITED_FOR); /* still in line */
    rig_wait_for_bytes(&p, SIZE / 2);
    fetch_stop(rig_fetch);
    assert_int_equal(rig_wait_for(&p, FLIGHT_LANDED).state, FLIGHT_LOST);
    assert_int_equal(p.reader.flight->err.kind, PG_E_CANCELED);
    assert_int_equal(rig_wait_for(&q, FLIGHT_LANDED).state, FLIGHT_LOST);
    rig_leave(&p);
    rig_leave(&q);
    assert_int_equal(rig_partial_bytes(), SIZE / 2);
    rig_py("gate.open()");
    rig_fetch = fetch_start(rig_store, NULL);
    rig_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(a_blob_comes_once_for_all_and_lands),
        RUN(it_goes_on_without_any_reader),
        RUN(what_has_landed_since_is_not_asked_for),
        RUN(a_size_that_nobody_knew),
        RUN(what_is_not_there_is_said_before_a_head),
        RUN(E05_reset_at_many_offsets),
        RUN(E06_fin_before_the_end),
        RUN(a_restart_goes_on_where_it_stopped),
        RUN(E07_more_than_was_said),
        RUN(E08_no_length),
        RUN(E09_wrong_bytes_of_the_right_size),
        RUN(E10_a_stall_is_broken_off_and_resumed),
        RUN(E13_errors_of_the_server),
        RUN(E18_a_whole_answer_to_a_range),
        RUN(E19_a_wrong_part),
        RUN(E21_encoded_unasked),
        RUN(a_disk_that_is_full),
        RUN(who_goes_first),
        RUN(who_asks_a_hundred_questions_holds_back_nobody_who_asks_one),
        RUN(the_end_loses_what_is_under_way_and_keeps_its_bytes),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    rig_end();
    return failed;
}
