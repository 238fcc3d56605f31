/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"

#include "base/json.h"
#include "base/metric.h"
#include "fakes/fake_clock.h"
#include "proxy/trace.h"

#define PARENT "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

TEST(what_is_read_is_what_is_written)
{
    struct trace_context c;
    char text[TRACE_TEXT_MAX];

    assert_true(trace_read(SL(PARENT), &c));
    assert_true(c.valid && c.sampled);
    assert_string_equal(trace_write(&c, text), PARENT);
    assert_true(trace_read(SL("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-fe"), &c));
    assert_false(c.sampled);
}

TEST(a_later_version_is_read_as_far_as_it_is_known)
{
    struct trace_context c;

    assert_true(trace_read(SL("cc"
                              "-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what"),
                           &c));
    assert_true(c.sampled);
    assert_false(trace_read(SL("cc"
                               "-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01what"),
                            &c));
}

TEST(what_is_no_traceparent_is_none)
{
    static const char *const bad[] = {
        "",
        "00",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473\r-00f067aa0ba902b7-01",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct trace_context c;

        assert_false(trace_read(sl_str(bad[i]), &c));
        assert_false(c.valid);
    }
}

/* Before trace_setup(), so it has to stand in front of the others. */
TEST(without_a_collector_a_trace_is_passed_on_as_it_came)
{
    struct trace_span request, exchange;
    char text[TRACE_TEXT_MAX];

    trace_begin(SL(PARENT), 100, 0, &request);
    trace_child(&request.of, &exchange);
    assert_string_equal(trace_write(&exchange.of, text), PARENT);
    trace_begin(SL("nonsense"), 100, 0, &request);
    assert_false(request.of.valid);
}

static void no_wake(struct pg_mailbox *box)
{
    (void)box;
}

static unsigned ntaken;
static char last[TRACE_SPAN_MAX];

static void take(struct trace_note *note, void *owner)
{
    assert_ptr_equal(owner, &ntaken);
    ntaken++;
    memcpy(last, note->json.p, note->json.n);
    last[note->json.n] = '\0';
    trace_note_free(note);
}

TEST(a_span_is_told_with_its_parent)
{
    struct trace_span request, exchange;
    const struct trace_attribute attributes[] = {{.key = "a", .text = SL("x\"\r\n")},
                                                 {.key = NULL, .number = 1},
                                                 {.key = "b", .number = -7}};
    const struct trace_end end = {.kind = TRACE_CLIENT,
                                  .name = SL("GET"),
                                  .error = "upstream is silent",
                                  .attributes = attributes,
                                  .nattributes = 3};
    char id[2 * 8 + 1], text[TRACE_TEXT_MAX];

    trace_setup(no_wake, NULL);
    fake_clock_wall_s_now = 1700000000;
    trace_begin(SL(PARENT), 0, 0, &request);
    trace_child(&request.of, &exchange);
    fake_clock_mono_ms_now += 250;
    trace_end(&exchange, &end);
    trace_take_all(take, &ntaken);
    assert_int_equal(ntaken, 1);
    assert_non_null(strstr(last, "\"traceId\":\"4bf92f3577b34da6a3ce929d0e0e4736\""));
    memcpy(id, trace_write(&request.of, text) + 36, 16);
    id[16] = '\0';
    assert_string_not_equal(id, "00f067aa0ba902b7"); /* the request is a span of its own */
    assert_non_null(strstr(last, "\"parentSpanId\":\""));
    assert_memory_equal(strstr(last, "\"parentSpanId\":\"") + 16, id, 16);
    assert_non_null(strstr(last, "\"startTimeUnixNano\":\"1699999999750000000\""));
    assert_non_null(strstr(last, "\"endTimeUnixNano\":\"1700000000000000000\""));
    assert_non_null(strstr(last, "{\"key\":\"a\",\"value\":{\"stringValue\":\"x\\\"\\r\\n\"}},"
                                 "{\"key\":\"b\",\"value\":{\"intValue\":\"-7\"}}"));
    assert_non_null(strstr(last, "\"status\":{\"code\":2,\"message\":\"upstream is silent\"}"));
}

TEST(who_is_not_sampled_is_not_told)
{
    const struct trace_end end = {.kind = TRACE_SERVER, .name = SL("GET")};
    struct trace_span span;

    trace_begin(SL("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"), 100, 0, &span);
    assert_true(span.of.valid && !span.of.sampled);
    trace_end(&span, &end);
    trace_begin(SL(""), 0, 0, &span);
    assert_false(span.of.valid);
    trace_end(&span, &end);
    ntaken = 0;
    trace_take_all(take, &ntaken);
    assert_int_equal(ntaken, 0);
    trace_begin(SL(""), 100, 0, &span);
    assert_true(span.of.valid && span.of.sampled && !span.has_parent);
    trace_end(&span, &end);
    trace_take_all(take, &ntaken);
    assert_int_equal(ntaken, 1);
    assert_null(strstr(last, "parentSpanId"));
}

TEST(what_nobody_takes_is_dropped_and_counted)
{
    const struct trace_end end = {.kind = TRACE_SERVER, .name = SL("GET")};
    struct trace_span span;
    int64_t before = pg_metric_read(PG_M_TRACE_DROPPED);

    trace_begin(SL(PARENT), 0, 0, &span);
    for (unsigned i = 0; i < TRACE_WAITING_MAX + 5; i++)
        trace_end(&span, &end);
    assert_int_equal(pg_metric_read(PG_M_TRACE_DROPPED) - before, 5);
    ntaken = 0;
    trace_take_all(take, &ntaken);
    assert_int_equal(ntaken, TRACE_WAITING_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read_is_what_is_written),
        cmocka_unit_test(a_later_version_is_read_as_far_as_it_is_known),
        cmocka_unit_test(what_is_no_traceparent_is_none),
        cmocka_unit_test(without_a_collector_a_trace_is_passed_on_as_it_came),
        cmocka_unit_test(a_span_is_told_with_its_parent),
        cmocka_unit_test(who_is_not_sampled_is_not_told),
        cmocka_unit_test(what_nobody_takes_is_dropped_and_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
