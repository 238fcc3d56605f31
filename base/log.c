/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/metric.h"
#include "base/utf8.h"
#include "base/word.h"

#define QUEUE_BYTES_MAX ((size_t)4 << 20) /* half waits while half is written */
#define GATHER_US       5000
#define WRITE_BYTES_MAX ((size_t)64 << 10)
#define KEPT_BYTES      ((size_t)64 << 10)
#define VALUE_MAX       2048 /* as written: one long value must not cost the line its others */
#define DIGITS_MAX      20
#define DIRECT_STALL_MS 1000 /* a write from any other thread but the writer */
#define STALL_LOOK_MS   200
#define STOP_MS         1000 /* what is left in the queue then is dropped */
#define DROPS_NEWS_MS   1000

/* What the longest end of a line takes: `,"cut":true}` or ` cut=true`, and the newline. */
#define TAIL_MAX 16

static const char *const tags[] = {
#define X(tag, name, doc) name,
#include "base/log_tags.h"
#undef X
};
static const char *const levels[] = {"debug", "info", "warn", "error"};

static _Atomic enum pg_log_format log_format = PG_LOG_TEXT;
static _Atomic enum pg_log_level log_min = PG_LOG_INFO;
static atomic_uint_fast64_t dropped;

void pg_log_setup(enum pg_log_format format, enum pg_log_level min)
{
    PG_CHECK(format <= PG_LOG_JSON && min <= PG_LOG_ERROR);
    atomic_store(&log_format, format);
    atomic_store(&log_min, min);
}

uint64_t pg_log_dropped(void)
{
    return atomic_load(&dropped);
}

static void count_dropped(void)
{
    (void)atomic_fetch_add(&dropped, 1);
    pg_metric_inc(PG_M_LOG_DROPPED);
}

/* --- the line --- */

static bool is_json(const struct pg_log_line *l)
{
    return l->text[0] == '{'; /* the text form starts with the year */
}

static bool fits(const struct pg_log_line *l, size_t n)
{
    return n <= sizeof(l->text) - TAIL_MAX - l->n;
}

static void put(struct pg_log_line *l, struct sl s)
{
    PG_CHECK(fits(l, s.n));
    memcpy(l->text + l->n, s.p, s.n);
    l->n += s.n;
}

static void put_text(struct pg_log_line *l, const char *text)
{
    put(l, (struct sl){text, strlen(text)});
}

static void put_byte(struct pg_log_line *l, char c)
{
    PG_CHECK(fits(l, 1));
    l->text[l->n++] = c;
}

static void put_number(struct pg_log_line *l, uint64_t value, size_t digits_min)
{
    char digits[DIGITS_MAX];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0 || sizeof(digits) - at < digits_min);
    put(l, (struct sl){digits + at, sizeof(digits) - at});
}

/* Names are literals of ours, a-z 0-9 _, so they need no escaping. False, and the line is cut, when
 * the name and `room` bytes behind it do not fit. */
static bool put_key(struct pg_log_line *l, const char *key, size_t room)
{
    size_t n = strlen(key);
    char *to = l->text + l->n;

    PG_CHECK(n > 0);
    if (!fits(l, n + room + sizeof(",\"\":") - 1)) {
        l->cut = true;
        return false;
    }
    if (is_json(l)) {
        *to++ = ',';
        *to++ = '"';
        to = mempcpy(to, key, n);
        *to++ = '"';
        *to++ = ':';
    } else {
        *to++ = ' ';
        to = mempcpy(to, key, n);
        *to++ = '=';
    }
    l->n = (size_t)(to - l->text);
    return true;
}

void pg_log_begin(struct pg_log_line *l, enum pg_log_tag tag, enum pg_log_level level)
{
    char now[PG_CLOCK_TEXT_MAX];
    bool json = atomic_load_explicit(&log_format, memory_order_relaxed) == PG_LOG_JSON;

    PG_CHECK(tag < PG_LOG_NTAGS && level <= PG_LOG_ERROR);
    l->off = level < atomic_load_explicit(&log_min, memory_order_relaxed);
    l->cut = false;
    l->n = 0;
    if (l->off)
        return;
    put_text(l, json ? "{\"time\":\"" : "");
    put_text(l, pg_clock_rfc3339(pg_clock_wall_ms(), now));
    put_text(l, json ? "\",\"level\":\"" : " ");
    put_text(l, levels[level]);
    put_text(l, json ? "\",\"event\":\"" : " ");
    put_text(l, tags[tag]);
    put_text(l, json ? "\"" : "");
}

/* May the text form show it without quotes? Then a reader may split the line at its spaces. */
static bool is_bare(struct sl value)
{
    size_t at = 0;

    if (value.n == 0 || pg_utf8_plain(value) != value.n)
        return false;
    for (; value.n - at >= PG_WORD_BYTES; at += PG_WORD_BYTES) {
        uint64_t w = pg_word(value.p + at);

        if (pg_word_has(w, ' ') || pg_word_has(w, '='))
            return false;
    }
    for (; at < value.n; at++) {
        if (value.p[at] == ' ' || value.p[at] == '=')
            return false;
    }
    return true;
}

/* What is plain as a whole, all else code point by code point: a cut value is still a string of
 * whole ones. */
static void put_escaped(struct pg_log_line *l, struct sl value)
{
    size_t end = l->n + VALUE_MAX;

    while (value.n > 0) {
        char out[PG_UTF8_ESCAPE_MAX];
        size_t n, taken, plain = pg_utf8_plain(value);

        if (plain > 0 && l->n + plain <= end && fits(l, plain + 1)) {
            put(l, (struct sl){value.p, plain});
            value = (struct sl){value.p + plain, value.n - plain};
            continue;
        }
        taken = pg_utf8_escape(value, out, &n);
        if (l->n + n > end || !fits(l, n + 1)) { /* 1: the closing quote */
            l->cut = true;
            return;
        }
        put(l, (struct sl){out, n});
        value = (struct sl){value.p + taken, value.n - taken};
    }
}

void pg_log_str(struct pg_log_line *l, const char *key, struct sl value)
{
    if (l->off || !put_key(l, key, 2))
        return;
    if (!is_json(l) && value.n <= VALUE_MAX && fits(l, value.n) && is_bare(value)) {
        put(l, value);
        return;
    }
    put_text(l, "\"");
    put_escaped(l, value);
    put_text(l, "\"");
}

void pg_log_u64(struct pg_log_line *l, const char *key, uint64_t value)
{
    if (!l->off && put_key(l, key, DIGITS_MAX))
        put_number(l, value, 1);
}

void pg_log_ms(struct pg_log_line *l, const char *key, uint64_t us)
{
    if (l->off || !put_key(l, key, DIGITS_MAX + 4))
        return;
    put_number(l, us / 1000, 1);
    put_byte(l, '.');
    put_number(l, us % 1000, 3);
}

/* JSON has no word for what is not a number. */
void pg_log_f64(struct pg_log_line *l, const char *key, double value, int decimals)
{
    char digits[64];
    int n;

    PG_CHECK(decimals >= 0 && decimals <= 9);
    if (l->off || !put_key(l, key, sizeof(digits)))
        return;
    n = isfinite(value) ? snprintf(digits, sizeof(digits), "%.*f", decimals, value) : -1;
    if (n >= (int)sizeof(digits))
        n = snprintf(digits, sizeof(digits), "%.*e", decimals, value);
    put_text(l, n > 0 ? digits : "null");
}

void pg_log_err(struct pg_log_line *l, const struct pg_err *err)
{
    char where[64];
    const char *file;

    if (l->off || err->kind == PG_E_NONE)
        return;
    pg_log_str(l, "error", (struct sl){err->msg, strlen(err->msg)});
    if (err->detail != NULL)
        pg_log_str(l, "detail", (struct sl){err->detail, strlen(err->detail)});
    if (err->file == NULL)
        return;
    file = strrchr(err->file, '/');
    (void)snprintf(where, sizeof(where), "%s:%d", file != NULL ? file + 1 : err->file, err->line);
    pg_log_str(l, "where", (struct sl){where, strlen(where)});
}

static void close_line(struct pg_log_line *l)
{
    const char *tail =
        is_json(l) ? (l->cut ? ",\"cut\":true}\n" : "}\n") : (l->cut ? " cut=true\n" : "\n");
    size_t n = strlen(tail);

    PG_CHECK(n <= TAIL_MAX && l->n + n <= sizeof(l->text));
    memcpy(l->text + l->n, tail, n);
    l->n += n;
}

/* --- writing --- */

/*
 * Lines are gathered in one buffer while the writer writes another. It writes the first line that
 * comes after a silence at once, and then no more often than every GATHER_US, so that a busy server
 * pays for one write and one wake-up for many lines.
 *
 * Lock: one, innermost, around an append, a swap of the buffers, and `on`: no line is appended when
 * nobody writes any more.
 */
static struct {
    pthread_mutex_t lock;
    struct pg_buf lines; /* whole lines; under the lock, as is `on` */
    bool on;
    sem_t some;  /* there is a first line, or it ends */
    sem_t hurry; /* do not gather any longer */
    pthread_t thread;
    atomic_bool ending;
    atomic_uint_fast64_t stop_by_ms;
} writer = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void lock(void)
{
    PG_CHECK(pthread_mutex_lock(&writer.lock) == 0);
}

static void unlock(void)
{
    PG_CHECK(pthread_mutex_unlock(&writer.lock) == 0);
}

/* Who is no writer gives standard error a second. The writer waits until the stop, and a little
 * longer: a terminal that is held, a pipe that nobody reads must not keep the program alive. */
static bool is_writable(bool is_writer)
{
    struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};
    int n;

    do {
        int wait_ms = is_writer ? STALL_LOOK_MS : DIRECT_STALL_MS;

        if (atomic_load(&writer.ending)) {
            uint64_t now = pg_clock_mono_ms(), by = atomic_load(&writer.stop_by_ms);

            wait_ms = now < by ? (int)(by - now) : 0;
        }
        n = poll(&ready, 1, wait_ms);
    } while ((n == 0 && is_writer && !atomic_load(&writer.ending)) || (n < 0 && errno == EINTR));
    return n > 0;
}

static void drop_lines(struct sl lines)
{
    const char *p = lines.p, *end = p + lines.n;

    while (p < end && (p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
        count_dropped();
        p++;
    }
}

/* One write(2). Only a descriptor that took less than it was given gets a second, so that the next
 * line starts on its own; where it took no more, the next line ends what it took. Returns how much
 * it took: all of it, unless the disk is full or nobody reads. */
static size_t write_out(const char *p, size_t n, bool is_writer)
{
    static atomic_bool torn;

    if (atomic_load(&torn) && is_writable(is_writer) && write(STDERR_FILENO, "\n", 1) == 1)
        atomic_store(&torn, false);
    for (size_t done = 0; done < n;) {
        bool may = is_writable(is_writer) && !PG_FAULT("log.write");
        ssize_t put = may ? write(STDERR_FILENO, p + done, n - done) : 0;

        if (put < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (put <= 0) {
            if (done > 0 && p[done - 1] != '\n')
                atomic_store(&torn, true);
            return done;
        }
        done += (size_t)put;
    }
    return n;
}

/* A file takes what it is given; a pipe that is writable takes PIPE_BUF bytes without a wait, and
 * does not mix them with those of another program. */
static size_t write_bytes_max(void)
{
    struct stat st;

    return fstat(STDERR_FILENO, &st) == 0 && S_ISREG(st.st_mode) ? WRITE_BYTES_MAX : PIPE_BUF;
}

/* Whole lines: as many as fit, and one that does not alone. */
static void write_lines(struct sl lines)
{
    size_t max = write_bytes_max();

    while (lines.n > 0) {
        const char *end = lines.n <= max ? lines.p + lines.n - 1 : memrchr(lines.p, '\n', max);
        size_t n, done;

        if (end == NULL)
            end = memchr(lines.p, '\n', lines.n);
        PG_CHECK(end != NULL);
        n = (size_t)(end - lines.p) + 1;
        done = write_out(lines.p, n, true);
        drop_lines((struct sl){lines.p + done, n - done});
        lines = (struct sl){lines.p + n, lines.n - n};
    }
}

/* False: not yet, it could not be written either. */
static bool say_dropped(uint64_t n)
{
    struct pg_log_line l PG_UNINITIALIZED;

    pg_log_begin(&l, PG_LOG_LOOP, PG_LOG_WARN);
    if (l.off)
        return true;
    pg_log_str(&l, "text", SL("log lines were dropped"));
    pg_log_u64(&l, "dropped", n);
    close_line(&l);
    return write_out(l.text, l.n, true) == l.n;
}

static void wait_for(sem_t *sem)
{
    while (sem_wait(sem) < 0)
        PG_CHECK(errno == EINTR);
}

static void gather(void)
{
    uint64_t until_us = pg_clock_mono_us() + GATHER_US;
    struct timespec until = {.tv_sec = (time_t)(until_us / 1000000),
                             .tv_nsec = (long)(until_us % 1000000 * 1000)};

    while (sem_clockwait(&writer.hurry, CLOCK_MONOTONIC, &until) < 0 && errno == EINTR) {
    }
}

/* Writes what there is. The buffer that was written is the next one to fill, unless it once had to
 * be much larger than it needs to be now. */
static void write_gathered(struct pg_buf *spare)
{
    struct pg_buf mine;

    lock();
    mine = writer.lines;
    writer.lines = *spare;
    unlock();
    write_lines(pg_buf_sl(&mine));
    if (mine.cap > KEPT_BYTES && mine.n < mine.cap / 4)
        pg_buf_free(&mine);
    pg_buf_clear(&mine);
    *spare = mine;
}

static void *run_writer(void *arg)
{
    static uint64_t said; /* one writer at a time: those dropped while none ran are said too */
    uint64_t said_ms = 0;
    struct pg_buf spare;
    bool last = false;

    (void)arg;
    (void)pthread_setname_np(pthread_self(), "pg-log");
    pg_metric_slot();
    pg_buf_init(&spare, QUEUE_BYTES_MAX / 2);
    while (!last) {
        uint64_t now_dropped;

        wait_for(&writer.some);
        last = atomic_load(&writer.ending);
        write_gathered(&spare);
        now_dropped = atomic_load(&dropped);
        if (now_dropped != said && (last || pg_clock_mono_ms() - said_ms >= DROPS_NEWS_MS)) {
            if (say_dropped(now_dropped))
                said = now_dropped;
            said_ms = pg_clock_mono_ms();
        }
        if (!last)
            gather();
    }
    pg_buf_free(&spare);
    return NULL;
}

void pg_log_start(void)
{
    sigset_t all, before;

    PG_CHECK(!writer.on);
    pg_buf_init(&writer.lines, QUEUE_BYTES_MAX / 2);
    PG_CHECK(sem_init(&writer.some, 0, 0) == 0 && sem_init(&writer.hurry, 0, 0) == 0);
    atomic_store(&writer.ending, false);
    (void)sigfillset(&all); /* a closed pipe is an error of the write, not the end of the program */
    PG_CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    PG_CHECK(pthread_create(&writer.thread, NULL, run_writer, NULL) == 0);
    PG_CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    lock();
    writer.on = true;
    unlock();
}

void pg_log_stop(void)
{
    bool was_on;

    lock();
    was_on = writer.on;
    writer.on = false;
    unlock();
    if (!was_on)
        return;
    atomic_store(&writer.stop_by_ms, pg_clock_mono_ms() + STOP_MS);
    atomic_store(&writer.ending, true);
    PG_CHECK(sem_post(&writer.hurry) == 0 && sem_post(&writer.some) == 0);
    PG_CHECK(pthread_join(writer.thread, NULL) == 0);
    PG_CHECK(writer.lines.n == 0);
    pg_buf_free(&writer.lines);
    PG_CHECK(sem_destroy(&writer.some) == 0 && sem_destroy(&writer.hurry) == 0);
    atomic_store(&writer.ending, false);
}

/* False: nobody writes what is queued. The semaphores are posted under the lock, since after it
 * they may be gone. */
static bool enqueue(const struct pg_log_line *l)
{
    struct pg_buf *lines = &writer.lines;
    size_t before;
    bool on;

    lock();
    on = writer.on;
    before = on ? lines->n : 0; /* else it may be about to be made */
    if (on && pg_buf_put(lines, (struct sl){l->text, l->n}) < 0)
        count_dropped();
    if (on && before == 0)
        PG_CHECK(sem_post(&writer.some) == 0);
    if (on && before < lines->max / 2 && lines->n >= lines->max / 2)
        PG_CHECK(sem_post(&writer.hurry) == 0);
    unlock();
    return on;
}

void pg_log_end(struct pg_log_line *l)
{
    if (l->off)
        return;
    close_line(l);
    l->off = true; /* ended: what is called on it now is lost, not written behind the line */
    if (!enqueue(l) && write_out(l->text, l->n, false) < l->n)
        count_dropped();
}

void pg_log_say(enum pg_log_level level, enum pg_log_tag tag, const char *fmt, ...)
{
    struct pg_log_line l PG_UNINITIALIZED;
    char text[PG_ERR_TEXT_MAX];
    va_list ap;
    int n;

    pg_log_begin(&l, tag, level);
    if (l.off)
        return;
    va_start(ap, fmt);
    n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    l.cut = n >= (int)sizeof(text);
    pg_log_str(&l, "text", (struct sl){text, n >= 0 ? strlen(text) : 0});
    pg_log_end(&l);
}
