/* SPDX-License-Identifier: Apache-2.0 */
/* One event, one line, whatever was in it; nothing that is logged can look like another line. */
#include "harness/test.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "base/metric.h"

/* Standard error goes to a file in memory while a test logs. */
static int kept_stderr = -1, sink = -1;
static char *got;
static size_t ngot;

static void catch_stderr(int fd)
{
    kept_stderr = dup(STDERR_FILENO);
    assert_true(kept_stderr >= 0);
    assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
}

static void give_stderr_back(void)
{
    assert_int_equal(dup2(kept_stderr, STDERR_FILENO), STDERR_FILENO);
    pg_fd_close(&kept_stderr);
}

static void begin(void)
{
    sink = memfd_create("log", MFD_CLOEXEC);
    assert_true(sink >= 0);
    assert_int_equal(fcntl(sink, F_SETFL, O_APPEND), 0);
    catch_stderr(sink);
}

static const char *end(void)
{
    off_t n = lseek(sink, 0, SEEK_END);

    give_stderr_back();
    assert_true(n >= 0);
    ngot = (size_t)n;
    free(got);
    got = calloc(1, ngot + 1);
    assert_non_null(got);
    assert_int_equal(pg_fd_pread(sink, got, ngot, 0), 0);
    pg_fd_close(&sink);
    return got;
}

static json_t *end_json(void)
{
    struct pg_err err = {0};
    json_t *root = NULL;
    const char *text = end();

    assert_true(ngot > 0 && text[ngot - 1] == '\n');
    assert_ptr_equal(strchr(text, '\n'), text + ngot - 1); /* one line */
    if (pg_json_parse((struct sl){text, ngot}, PG_E_INTERNAL, &root, &err) < 0)
        fail_msg("%s (%s): %s", err.msg, err.detail, text);
    return root;
}

static void shows(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("no \"%s\" in: %s", part, text);
}

TEST(a_text_line_reads_as_promised)
{
    struct pg_log_line l;
    const char *text;

    pg_log_setup(PG_LOG_TEXT, PG_LOG_INFO);
    begin();
    pg_log_begin(&l, PG_LOG_REQUEST, PG_LOG_INFO);
    pg_log_str(&l, "repo", SL("docker.io/library/nginx"));
    pg_log_u64(&l, "bytes", UINT64_MAX);
    pg_log_f64(&l, "ms", 1.2345, 2);
    pg_log_ms(&l, "took_ms", 12007);
    pg_log_ms(&l, "least_ms", 0);
    pg_log_str(&l, "agent", SL("docker/27 go"));
    pg_log_str(&l, "empty", SL(""));
    pg_log_str(&l, "query", SL("a=b"));
    pg_log_end(&l);
    text = end();
    assert_true(ngot > 25 && text[4] == '-' && text[10] == 'T' && text[23] == 'Z');
    assert_string_equal(text + 24,
                        " info request repo=docker.io/library/nginx "
                        "bytes=18446744073709551615 ms=1.23 took_ms=12.007 least_ms=0.000 "
                        "agent=\"docker/27 go\" "
                        "empty=\"\" query=\"a=b\"\n");
}

TEST(a_json_line_is_strict_json)
{
    struct pg_log_line l;
    json_t *root;

    pg_log_setup(PG_LOG_JSON, PG_LOG_INFO);
    begin();
    pg_log_begin(&l, PG_LOG_UPSTREAM, PG_LOG_WARN);
    pg_log_str(&l, "host", SL("r\xc3\xa9g.example"));
    pg_log_u64(&l, "bytes", 12);
    pg_log_f64(&l, "seconds", 0.5, 3);
    pg_log_f64(&l, "ratio", 0.0 / (double)(ngot & 0), 3);
    pg_log_f64(&l, "huge", 1e300, 3);
    pg_log_end(&l);
    root = end_json();
    assert_true(sl_eq(pg_json_str(root, "level"), SL("warn")));
    assert_true(sl_eq(pg_json_str(root, "event"), SL("upstream")));
    assert_true(sl_eq(pg_json_str(root, "host"), SL("r\xc3\xa9g.example")));
    assert_int_equal(pg_json_str(root, "time").n, 24);
    assert_int_equal(json_integer_value(json_object_get(root, "bytes")), 12);
    assert_true(json_real_value(json_object_get(root, "seconds")) == 0.5);
    assert_true(json_is_null(json_object_get(root, "ratio")));
    assert_true(json_real_value(json_object_get(root, "huge")) > 9e299);
    json_decref(root);
}

#define EVIL "a\n2026-01-01T00:00:00.000Z info start\r\x1b[2J\x7f\0\"\\\xff\xc2\x9b\xe2\x80\xa8 end"

TEST(no_byte_from_outside_ends_the_line_or_reaches_a_terminal)
{
    for (int json = 0; json <= 1; json++) {
        struct pg_log_line l;
        const char *text;

        pg_log_setup(json ? PG_LOG_JSON : PG_LOG_TEXT, PG_LOG_INFO);
        begin();
        pg_log_begin(&l, PG_LOG_SECURITY, PG_LOG_WARN);
        pg_log_str(&l, "agent", SL(EVIL));
        pg_log_end(&l);
        text = end();
        for (size_t i = 0; i + 1 < ngot; i++)
            assert_true(text[i] >= ' ' && text[i] <= '~');
        assert_int_equal(text[ngot - 1], '\n');
        shows(text, "\\u001b[2J\\u007f\\u0000\\\"\\\\\\ufffd\\u009b\\u2028 end\"");
    }
}

TEST(below_the_level_nothing_is_written)
{
    struct pg_log_line l;
    const struct pg_err err = {.kind = PG_E_INTERNAL, .msg = (char *)(uintptr_t) "x"};

    pg_log_setup(PG_LOG_TEXT, PG_LOG_WARN);
    begin();
    pg_log_begin(&l, PG_LOG_REQUEST, PG_LOG_INFO);
    assert_true(l.off);
    pg_log_str(&l, "a", SL("b"));
    pg_log_u64(&l, "c", 1);
    pg_log_f64(&l, "d", 1, 1);
    pg_log_err(&l, &err);
    pg_log_end(&l);
    pg_log_say(PG_LOG_INFO, PG_LOG_START, "hello");
    (void)end();
    assert_int_equal(ngot, 0);
}

TEST(an_error_has_its_text_its_detail_and_its_place)
{
    struct pg_err err = {0};
    struct pg_log_line l;
    const char *text;

    pg_log_setup(PG_LOG_TEXT, PG_LOG_INFO);
    (void)pg_fail(&err, PG_E_UPSTREAM_DOWN, "no answer");
    (void)pg_detail(&err, "connect: timed out");
    begin();
    pg_log_begin(&l, PG_LOG_REQUEST, PG_LOG_ERROR);
    pg_log_err(&l, &err);
    pg_log_end(&l);
    text = end();
    shows(text,
          " error request error=\"no answer\" detail=\"connect: timed out\" where=test_log.c:");
    pg_err_clear(&err);
    begin();
    pg_log_begin(&l, PG_LOG_REQUEST, PG_LOG_ERROR);
    pg_log_err(&l, &err); /* nothing went wrong */
    pg_log_end(&l);
    assert_null(strstr(end(), "where"));
}

TEST(a_long_value_is_cut_and_the_line_keeps_its_others)
{
    struct pg_log_line l;
    json_t *root;
    char *value = malloc(100000);

    assert_non_null(value);
    for (size_t i = 0; i < 100000; i++)
        value[i] = "\xe2\x82\xac"[i % 3]; /* the euro sign: a cut may not split it */
    pg_log_setup(PG_LOG_JSON, PG_LOG_INFO);
    begin();
    pg_log_begin(&l, PG_LOG_REQUEST, PG_LOG_INFO);
    pg_log_str(&l, "agent", (struct sl){value, 99999});
    pg_log_u64(&l, "status", 200);
    pg_log_end(&l);
    root = end_json();
    assert_true(json_is_true(json_object_get(root, "cut")));
    assert_int_equal(json_integer_value(json_object_get(root, "status")), 200);
    assert_true(pg_json_str(root, "agent").n > 2000);
    assert_memory_equal(pg_json_str(root, "agent").p, value, pg_json_str(root, "agent").n);
    json_decref(root);
    free(value);
}

TEST(a_line_that_is_full_is_still_a_line)
{
    for (size_t size = 0; size < 9000; size += 37) { /* the end falls on every kind of place */
        struct pg_log_line l;
        json_t *root;
        char value[2048];

        pg_log_setup(size % 2 == 0 ? PG_LOG_JSON : PG_LOG_TEXT, PG_LOG_INFO);
        memset(value, '\n', sizeof(value));
        begin();
        pg_log_begin(&l, PG_LOG_REQUEST, PG_LOG_INFO);
        for (size_t left = size; left > 0; left -= left < 500 ? left : 500)
            pg_log_str(&l, "k", (struct sl){value, left < 500 ? left : 500});
        for (char key[] = "a"; key[0] <= 'z'; key[0]++) {
            pg_log_str(&l, key, (struct sl){value, 40});
            pg_log_u64(&l, key, INT64_MAX);
        }
        pg_log_end(&l);
        (void)end();
        assert_true(ngot <= PG_LOG_LINE_MAX && got[ngot - 1] == '\n');
        assert_ptr_equal(strchr(got, '\n'), got + ngot - 1);
        if (size % 2 == 0) { /* names come twice here: jansson's own, lax reader */
            json_error_t why;

            root = json_loadb(got, ngot, 0, &why);
            if (root == NULL)
                fail_msg("%s: %s", why.text, got);
            json_decref(root);
        }
        if (size > 2800)
            shows(got, "cut");
    }
}

TEST(what_is_said_is_a_value)
{
    const char *text;

    pg_log_setup(PG_LOG_TEXT, PG_LOG_INFO);
    begin();
    pg_log_say(PG_LOG_INFO, PG_LOG_START, "listening on %s", "[::]:5000\nx");
    text = end();
    shows(text, " info start text=\"listening on [::]:5000\\nx\"\n");
}

TEST(an_ended_line_takes_no_more)
{
    struct pg_log_line l;

    begin();
    pg_log_begin(&l, PG_LOG_REQUEST, PG_LOG_INFO);
    pg_log_end(&l);
    pg_log_str(&l, "late", SL("x"));
    pg_log_end(&l);
    assert_null(strstr(end(), "late"));
    assert_ptr_equal(strchr(got, '\n'), got + ngot - 1);
}

#define THREADS 4
#define LINES   500

static void *log_lines(void *arg)
{
    unsigned who = *(unsigned *)arg;

    for (unsigned i = 0; i < LINES; i++) {
        struct pg_log_line l;

        pg_log_begin(&l, PG_LOG_REQUEST, PG_LOG_INFO);
        pg_log_u64(&l, "who", who);
        pg_log_u64(&l, "line", i);
        pg_log_end(&l);
    }
    return NULL;
}

/* Lines of one thread stay in order, none is torn, none is lost at the stop. */
TEST(the_writer_writes_every_line_of_every_thread)
{
    pthread_t threads[THREADS];
    unsigned who[THREADS], next[THREADS] = {0}, lines = 0;

    pg_log_setup(PG_LOG_TEXT, PG_LOG_INFO);
    begin();
    pg_log_start();
    for (unsigned i = 0; i < THREADS; i++) {
        who[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, log_lines, &who[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    pg_log_stop();
    for (char *p = (char *)(uintptr_t)end(); *p != '\0'; lines++) {
        char *eol = strchr(p, '\n'), *at;
        unsigned long w, n;

        assert_non_null(eol);
        at = strstr(p, " who=");
        assert_non_null(at);
        w = strtoul(at + 5, &at, 10);
        assert_true(w < THREADS);
        assert_memory_equal(at, " line=", 6);
        n = strtoul(at + 6, &at, 10);
        assert_ptr_equal(at, eol);
        assert_int_equal(n, next[w]++);
        p = eol + 1;
    }
    assert_int_equal(lines, THREADS * LINES);
    assert_int_equal(pg_log_dropped(), 0);
}

/* A packet pipe shows each write: whole lines, many in one. */
TEST(lines_that_come_together_leave_together)
{
    int pipes[2];
    unsigned lines = 0, writes = 0;
    char packet[PIPE_BUF];
    ssize_t n;

    assert_int_equal(pipe2(pipes, O_CLOEXEC | O_DIRECT), 0);
    catch_stderr(pipes[1]);
    pg_fd_close(&pipes[1]);
    pg_log_start();
    for (unsigned i = 0; i < 200; i++)
        pg_log_say(PG_LOG_INFO, PG_LOG_LOOP, "line %u", i);
    pg_log_stop();
    give_stderr_back();
    while ((n = read(pipes[0], packet, sizeof(packet))) > 0) {
        writes++;
        assert_int_equal(packet[n - 1], '\n');
        for (ssize_t i = 0; i < n; i++)
            lines += packet[i] == '\n';
    }
    assert_int_equal(lines, 200);
    assert_true(writes < 100);
    pg_fd_close(&pipes[0]);
}

static atomic_bool going;

static void *log_until_told(void *arg)
{
    (void)arg;
    while (atomic_load(&going))
        pg_log_say(PG_LOG_INFO, PG_LOG_LOOP, "x");
    return NULL;
}

TEST(starting_and_stopping_while_others_log_loses_no_memory) /* ASan and TSan look on */
{
    pthread_t threads[2];

    begin();
    atomic_store(&going, true);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, log_until_told, NULL), 0);
    for (int i = 0; i < 20; i++) {
        pg_log_start();
        pg_log_say(PG_LOG_INFO, PG_LOG_START, "again");
        pg_log_stop();
    }
    atomic_store(&going, false);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    shows(end(), "again");
    pg_log_stop(); /* not running: no harm */
}

/* Nobody reads standard error: who logs does not wait, and what was lost is counted and said. */
TEST(a_full_queue_drops_and_says_so)
{
    int pipes[2];
    char value[1500], *text = NULL;
    uint64_t before = pg_log_dropped();
    size_t room = 0;
    bool said = false;
    FILE *lines;

    memset(value, 'x', sizeof(value));
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    catch_stderr(pipes[1]);
    pg_fd_close(&pipes[1]);
    pg_log_start();
    for (int i = 0; i < 4000; i++) {
        struct pg_log_line l;

        pg_log_begin(&l, PG_LOG_REQUEST, PG_LOG_INFO);
        pg_log_str(&l, "v", (struct sl){value, sizeof(value)});
        pg_log_end(&l);
    }
    assert_true(pg_log_dropped() > before);
    assert_int_equal(pg_metric_read(PG_M_LOG_DROPPED), (int64_t)pg_log_dropped());
    lines = fdopen(pipes[0], "r");
    assert_non_null(lines);
    while (!said && getline(&text, &room, lines) > 0)
        said = strstr(text, "log lines were dropped") != NULL;
    assert_true(said);
    pg_log_stop();
    give_stderr_back();
    free(text);
    assert_int_equal(fclose(lines), 0);
}

TEST(a_pipe_that_nobody_reads_does_not_hold_up_the_stop)
{
    int pipes[2];
    char value[1500];
    uint64_t before = pg_log_dropped();

    memset(value, 'x', sizeof(value));
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    catch_stderr(pipes[1]);
    pg_fd_close(&pipes[1]);
    pg_log_start();
    for (int i = 0; i < 200; i++) {
        struct pg_log_line l;

        pg_log_begin(&l, PG_LOG_REQUEST, PG_LOG_INFO);
        pg_log_str(&l, "v", (struct sl){value, sizeof(value)});
        pg_log_end(&l);
    }
    pg_log_stop();
    give_stderr_back();
    assert_true(pg_log_dropped() > before + 100);
    pg_fd_close(&pipes[0]);
}

TEST(a_closed_standard_error_does_not_end_the_program)
{
    int pipes[2];
    uint64_t before = pg_log_dropped();

    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    pg_fd_close(&pipes[0]);
    catch_stderr(pipes[1]);
    pg_fd_close(&pipes[1]);
    pg_log_start();
    pg_log_say(PG_LOG_INFO, PG_LOG_START, "nobody hears");
    pg_log_stop();
    give_stderr_back();
    assert_true(pg_log_dropped() > before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(a_text_line_reads_as_promised),
        RUN(a_json_line_is_strict_json),
        RUN(no_byte_from_outside_ends_the_line_or_reaches_a_terminal),
        RUN(below_the_level_nothing_is_written),
        RUN(an_error_has_its_text_its_detail_and_its_place),
        RUN(a_long_value_is_cut_and_the_line_keeps_its_others),
        RUN(a_line_that_is_full_is_still_a_line),
        RUN(what_is_said_is_a_value),
        RUN(an_ended_line_takes_no_more),
        RUN(the_writer_writes_every_line_of_every_thread),
        RUN(lines_that_come_together_leave_together),
        RUN(starting_and_stopping_while_others_log_loses_no_memory),
        RUN(a_full_queue_drops_and_says_so),
        RUN(a_pipe_that_nobody_reads_does_not_hold_up_the_stop),
        RUN(a_closed_standard_error_does_not_end_the_program),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    free(got);
    return failed;
}
