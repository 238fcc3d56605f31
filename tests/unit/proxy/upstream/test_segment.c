/* SPDX-License-Identifier: Apache-2.0 */
/* A large blob that comes in parts over several connections. */
#include "rig.h"

#define MIB  1048576
#define SIZE (36L * MIB)

static char blob[DIGEST_TEXT_MAX];

static void start(const struct rig_options *o)
{
    rig_start(o);
    rig_py("data = random.Random(9).randbytes(%ld)", SIZE);
    assert_true(snprintf(blob, sizeof(blob), "%s", rig_py("up.blob(data)")) > 0);
    rig_py("ranges = lambda: [h.get('Range') for m, p, h in up.asked if '/blobs/' in p]");
    rig_py("first = lambda x: int(re.match(r'bytes=(\\d+)', x.headers.get('Range', "
           "'bytes=0-'))[1])");
    rig_py("of = lambda n, fault: lambda x: first(x) == n * %d and fault(x)", 8 * MIB);
    rig_py("once = lambda n, fault: of(n, (lambda left: lambda x: bool(left) and left.pop() and "
           "fault(x))([1]))");
    rig_py(
        "part = lambda x, at, gate: exec(\"b = data[first(x):int(x.headers['Range'].split('-')[1]"
        ") + 1]\\nx.send_response(206)\\nx.send_header('Content-Length', str(len(b)))\\n"
        "x.send_header('Content-Range', 'bytes %%d-%%d/%%d' %% (first(x), first(x) + len(b) - 1, "
        "len(data)))\\nx.end_headers()\\nx.wfile.write(b[:at])\\nx.wfile.flush()\\n"
        "gate.pass_through()\\nx.wfile.write(b[at:])\", {**globals(), 'x': x, 'at': at, 'gate': "
        "gate})"
        " is None");
}

/* The first connection waits at `slow`, so that there is help. */
static void be_slow(void)
{
    rig_py("slow = Gate(); up.on('/blobs/', of(0, lambda x: 'Range' in x.headers and part(x, 1000, "
           "slow)))");
}

static void start_plain(void)
{
    start(&(struct rig_options){0});
}

static enum flight_state pull(enum pg_ekind *kind_r)
{
    struct rig_pull p;
    struct flight_view v;

    rig_pull(&p, blob, SIZE, FETCH_WAITED_FOR);
    while (p.role != FLIGHT_LEADER) { /* of one that has just landed, or was just lost */
        rig_leave(&p);
        sched_yield();
        rig_pull(&p, blob, SIZE, FETCH_WAITED_FOR);
    }
    v = rig_wait_for(&p, FLIGHT_LANDED);
    *kind_r = v.state == FLIGHT_LOST ? p.reader.flight->err.kind : PG_E_NONE;
    rig_leave(&p);
    return v.state;
}

static void expect_landed(void)
{
    enum pg_ekind kind;

    assert_int_equal(pull(&kind), FLIGHT_LANDED);
    assert_true(rig_has(blob));
    assert_int_equal(rig_partial_bytes(), 0);
}

TEST(a_large_blob_comes_in_parts)
{
    start_plain();
    rig_py("four = Gate(); up.on('/blobs/', of(0, lambda x: part(x, 1000, four)))");
    rig_py("up.on('/blobs/', of(4, lambda x: four.open()))"); /* beside the first, or it hangs */
    expect_landed();
    rig_py("begins = sorted(int(r[6:].split('-')[0]) for r in ranges())");
    assert_string_equal(rig_py("[b // 2**20 for b in begins]"), "[0, 8, 16, 24, 32]");
    rig_stop();
}

TEST(a_small_one_does_not)
{
    start_plain();
    rig_py("data = data[:16 * 2**20]");
    assert_true(snprintf(blob, sizeof(blob), "%s", rig_py("up.blob(data)")) > 0);
    struct rig_pull p;

    rig_pull(&p, blob, 16L * MIB, FETCH_WAITED_FOR);
    assert_int_equal(rig_wait_for(&p, FLIGHT_LANDED).state, FLIGHT_LANDED);
    rig_leave(&p);
    assert_string_equal(rig_py("ranges()"), "[None]");
    rig_stop();
}

TEST(an_upstream_without_ranges_is_found_out_once)
{
    start_plain();
    rig_py("up.on('/blobs/', instead(data))");
    expect_landed();
    assert_string_equal(rig_py("ranges()"), "['bytes=0-8388607']");
    rig_py("up.asked.clear(); up.well(); data = data[::-1]");
    assert_true(snprintf(blob, sizeof(blob), "%s", rig_py("up.blob(data)")) > 0);
    expect_landed();
    assert_string_equal(rig_py("ranges()"), "[None]");
    rig_stop();
}

TEST(E19_a_wrong_part_is_no_part)
{
    static const char *const shown[] = {
        "bytes 0-8388606/37748736",
        "bytes 0-8388607/37748737",
        "bytes 1-8388608/37748736",
        "garbage",
    };

    for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
        start_plain();
        rig_py("up.on('/blobs/', lambda x: 'Range' in x.headers and x.answer(206, "
               "{'Content-Range': '%s'}, data[:2**23]) is None)",
               shown[i]);
        expect_landed();
        assert_string_equal(rig_py("ranges()"), "['bytes=0-8388607', None]");
        rig_stop();
    }
}

TEST(what_a_helper_does_not_bring_comes_all_the_same)
{
    static const char *const faults[] = {
        "reset()", "status(500)", "status(404)", "status(403)", "instead(b'what')", "cut(1000000)",
    };

    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        start_plain();
        be_slow();
        rig_py("up.on('/blobs/', once(2, lambda x: slow.open() or (%s)(x)))", faults[i]);
        expect_landed();
        rig_stop();
    }
}

TEST(a_helper_that_stalls_is_left_behind)
{
    start_plain();
    be_slow();
    rig_py(
        "gate = Gate(); up.on('/blobs/', once(1, lambda x: slow.open() or part(x, 9000, gate)))");
    expect_landed(); /* the first takes over what it was at */
    rig_py("gate.open()");
    rig_stop();
}

TEST(E12_one_that_asks_for_patience_is_not_asked_for_parts)
{
    start_plain();
    be_slow();
    rig_py("up.on('/blobs/', once(2, lambda x: slow.open() or status(429, Retry_After='1')(x)))");
    expect_landed();
    rig_py("up.asked.clear(); data = data[::-1]");
    assert_true(snprintf(blob, sizeof(blob), "%s", rig_py("up.blob(data)")) > 0);
    expect_landed();
    assert_string_equal(rig_py("ranges()"), "[None]");
    rig_stop();
}

TEST(N20_parts_that_do_not_fit_together_come_once_more_as_a_whole)
{
    enum pg_ekind kind;

    start_plain();
    be_slow();
    rig_py("up.on('/blobs/', of(2, lambda x: slow.open() or x.answer(206, {'Content-Range': "
           "'bytes 16777216-25165823/37748736'}, bytes(2**23)) is None))");
    assert_int_equal(pull(&kind), FLIGHT_LOST);
    assert_int_equal(kind, PG_E_UPSTREAM_WRONG);
    assert_int_equal(rig_partial_bytes(), 0);
    rig_py("up.asked.clear()");
    expect_landed();
    assert_string_equal(rig_py("ranges()"), "[None]");
    rig_stop();
}

TEST(only_what_is_here_in_order_survives)
{
    struct rig_pull p;

    start_plain();
    rig_py("gate, last = Gate(), Gate()");
    rig_py("up.on('/blobs/', once(0, lambda x: part(x, 1000000, gate)))");
    rig_py("up.on('/blobs/', once(4, lambda x: last.pass_through()))");
    rig_pull(&p, blob, SIZE, FETCH_WAITED_FOR);
    rig_wait_for_bytes(&p, 1000000);
    rig_py("last.wait_reached()"); /* and so one of the others is here */
    assert_int_equal(p.reader.seen.committed, 1000000);
    fetch_stop(rig_fetch);
    assert_int_equal(rig_wait_for(&p, FLIGHT_LANDED).state, FLIGHT_LOST);
    rig_leave(&p);
    assert_int_equal(rig_partial_bytes(), 1000000);
    rig_py("gate.open(); last.open(); up.asked.clear()");
    rig_fetch = fetch_start(rig_store, NULL);
    expect_landed();
    assert_string_equal(rig_py("min(int(r[6:].split('-')[0]) for r in ranges())"), "1000000");
    rig_stop();
}

/* Of which something has come. */
static unsigned helpers_at_work(void)
{
    struct pg_buf text;
    unsigned n = 0;

    pg_buf_init(&text, 65536);
    fetch_write_json(rig_fetch, &text);
    assert_int_equal(pg_buf_put(&text, (struct sl){"", 1}), 0);
    for (const char *s = strstr(text.p, "\"from\":"); s != NULL; s = strstr(s + 1, "\"from\":")) {
        const char *from = s + strlen("\"from\":"), *at = strstr(s, "\"at\":") + strlen("\"at\":");

        n += strtoull(at, NULL, 10) > strtoull(from, NULL, 10);
    }
    pg_buf_free(&text);
    return n;
}

/* Four connections: three for blobs, of which two for what may wait. */
TEST(the_cap_of_connections_holds)
{
    struct rig_pull p;

    start(&(struct rig_options){.max_connections = 4});
    rig_py("gate = Gate(); up.on('/blobs/', lambda x: part(x, 1000, gate))");
    rig_pull(&p, blob, SIZE, FETCH_WAITED_FOR);
    while (helpers_at_work() < 2)
        sched_yield();
    assert_int_equal(helpers_at_work(), 2);
    assert_int_equal(rig_py_number("len(ranges())"), 3);
    rig_py("gate.open()");
    assert_int_equal(rig_wait_for(&p, FLIGHT_LANDED).state, FLIGHT_LANDED);
    rig_leave(&p);
    rig_stop();
}

static void pull_small(const char *data)
{
    struct rig_pull p;

    rig_pull(&p, rig_py("up.blob(b'%s')", data), strlen(data), FETCH_WAITED_FOR);
    assert_int_equal(rig_wait_for(&p, FLIGHT_LANDED).state, FLIGHT_LANDED);
    rig_leave(&p);
}

/* Three connections: two for blobs. The part that is ahead breaks off, and goes on later. */
TEST(who_is_waited_for_goes_before_a_part)
{
    struct rig_pull p;
    int64_t before = pg_metric_read(PG_M_PARTS_YIELDED);

    start(&(struct rig_options){.max_connections = 3});
    rig_py("lowest, gate = Gate(), Gate()");
    rig_py("up.on('/blobs/', lambda x: 'Range' in x.headers and part(x, 1000, lowest if "
           "x.headers['Range'].startswith('bytes=0-') else gate))");
    rig_pull(&p, blob, SIZE, FETCH_WAITED_FOR);
    while (helpers_at_work() < 1)
        sched_yield();
    pull_small("while both are held");
    assert_int_equal(pg_metric_read(PG_M_PARTS_YIELDED), before + 1);
    rig_py("gate.open(); lowest.open()");
    assert_int_equal(rig_wait_for(&p, FLIGHT_LANDED).state, FLIGHT_LANDED);
    rig_leave(&p);
    assert_true(rig_has(blob));
    rig_stop();
}

/* One connection too many is no reason to leave the upstream alone. */
TEST(E12_a_429_to_a_helper_holds_back_nobody_else)
{
    start_plain();
    be_slow();
    rig_py("up.on('/blobs/', once(2, lambda x: slow.open() or status(429)(x)))");
    expect_landed();
    pull_small("at once");
    rig_stop();
}

TEST(E12_a_429_in_the_midst_of_the_parts_is_waited_out)
{
    start_plain();
    rig_py("up.on('/blobs/', lambda x: first(x) >= 2**23 and x.headers['Range'][-1] != '-' and "
           "status(429, Retry_After='1')(x))");
    expect_landed();
    assert_string_equal(rig_py("'bytes=8388608-' in ranges()"), "True"); /* all that was left */
    rig_stop();
}

TEST(parts_that_are_refused_like_secrets_come_as_a_whole)
{
    static const char *const faults[] = {"status(403)", "status(400)", "status(501)",
                                         "status(500)"};

    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        start_plain();
        rig_py("up.on('/blobs/', lambda x: 'Range' in x.headers and (%s)(x))", faults[i]);
        expect_landed();
        rig_py("up.asked.clear(); data = data[::-1]");
        assert_true(snprintf(blob, sizeof(blob), "%s", rig_py("up.blob(data)")) > 0);
        expect_landed();
        assert_string_equal(rig_py("ranges()"), "[None]"); /* it is remembered */
        rig_stop();
    }
}

TEST(a_blob_that_is_forbidden_says_nothing_of_parts)
{
    enum pg_ekind kind;

    start_plain();
    rig_py("up.on('/blobs/', status(403))");
    assert_int_equal(pull(&kind), FLIGHT_LOST);
    assert_int_equal(kind, PG_E_BLOB_UNKNOWN);
    assert_string_equal(rig_py("ranges()"), "['bytes=0-8388607', None]");
    rig_py("up.well(); up.asked.clear(); data = data[::-1]");
    assert_true(snprintf(blob, sizeof(blob), "%s", rig_py("up.blob(data)")) > 0);
    expect_landed();
    assert_string_equal(rig_py("None in ranges()"), "False");
    rig_stop();
}

/* It takes every Range to be from the beginning on, and says what was asked. */
TEST(N20_an_upstream_that_reads_ranges_wrongly_is_asked_for_the_whole)
{
    enum pg_ekind kind;

    start_plain();
    rig_py(
        "lie = lambda x: 'Range' in x.headers and x.answer(206, {'Content-Range': 'bytes %%s/%%d' "
        "%% (x.headers['Range'][6:], len(data))}, data[:int(x.headers['Range'].split('-')[1]) + 1 "
        "- first(x)]) is None");
    rig_py("up.on('/blobs/', lie)");
    assert_int_equal(pull(&kind), FLIGHT_LOST);
    assert_int_equal(kind, PG_E_UPSTREAM_WRONG);
    expect_landed();
    rig_stop();
}

TEST(an_upstream_that_counts_blobs_is_asked_once_for_each)
{
    struct rig_pull p;

    start_plain();
    rig_py("small = up.blob(b'small')");
    rig_py("up.on('/blobs/', lambda x: x.answer(200, {'RateLimit-Limit': '100;w=21600', "
           "'RateLimit-Remaining': '99;w=21600'}, x.body()[2]) is None)");
    rig_pull(&p, rig_py("small"), 5, FETCH_WAITED_FOR);
    rig_wait_for(&p, FLIGHT_LANDED);
    rig_leave(&p);
    rig_py("up.asked.clear()");
    expect_landed();
    assert_string_equal(rig_py("ranges()"), "[None]");
    rig_stop();
}

static int end(void **state)
{
    (void)state;
    rig_end();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(a_large_blob_comes_in_parts),
        RUN(a_small_one_does_not),
        RUN(an_upstream_without_ranges_is_found_out_once),
        RUN(E19_a_wrong_part_is_no_part),
        RUN(what_a_helper_does_not_bring_comes_all_the_same),
        RUN(a_helper_that_stalls_is_left_behind),
        RUN(E12_one_that_asks_for_patience_is_not_asked_for_parts),
        RUN(N20_parts_that_do_not_fit_together_come_once_more_as_a_whole),
        RUN(only_what_is_here_in_order_survives),
        RUN(the_cap_of_connections_holds),
        RUN(who_is_waited_for_goes_before_a_part),
        RUN(E12_a_429_to_a_helper_holds_back_nobody_else),
        RUN(E12_a_429_in_the_midst_of_the_parts_is_waited_out),
        RUN(parts_that_are_refused_like_secrets_come_as_a_whole),
        RUN(a_blob_that_is_forbidden_says_nothing_of_parts),
        RUN(N20_an_upstream_that_reads_ranges_wrongly_is_asked_for_the_whole),
        RUN(an_upstream_that_counts_blobs_is_asked_once_for_each),
    };

    return cmocka_run_group_tests(tests, NULL, end);
}
