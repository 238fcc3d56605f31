/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/age.h"

#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/steady.h"
#include "cache/index_int.h"
#include "cache/writer.h"

#define BOOT_ID    "/proc/sys/kernel/random/boot_id"
#define JUMP_MAX_S 3600 /* further apart from the wall clock is said */

/* Rows of `meta`. */
#define STEADY SL(".steady")
#define WALL   SL(".steady_wall")
#define MONO   SL(".steady_mono")
#define BOOT   SL(".steady_boot")

/* Of this start of the machine; 0: not known. */
static uint64_t boot_of_machine(void)
{
    char text[64];
    _fd_ int fd = open(BOOT_ID, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof(text)) : -1;
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

    for (ssize_t i = 0; i < n; i++)
        hash = (hash ^ (uint8_t)text[i]) * UINT64_C(0x100000001b3);
    return n > 0 ? hash >> 1 : 0;
}

static int read_mark(struct index *index, struct pg_steady_mark *m, struct pg_err *err)
{
    _index_view_ struct index_view v = index_view_begin(index);
    uint64_t steady = 0, wall = 0;
    int found = index_get_meta(&v, STEADY, &steady, err);

    if (found > 0)
        found = index_get_meta(&v, WALL, &wall, err);
    if (found > 0)
        found = index_get_meta(&v, MONO, &m->mono_s, err);
    if (found > 0)
        found = index_get_meta(&v, BOOT, &m->boot, err);
    m->steady_s = (int64_t)steady;
    m->wall_s = (int64_t)wall;
    return found;
}

void age_begin(struct store *s)
{
    struct pg_steady_mark mark = {0};
    struct pg_err err = {0};
    int found = read_mark(s->index, &mark, &err);

    if (found < 0)
        pg_log_say(PG_LOG_WARN, PG_LOG_STORE, "where the clock of ages stood cannot be read: %s",
                   err.msg);
    pg_err_clear(&err);
    pg_steady_begin(found > 0 ? &mark : NULL, boot_of_machine());
}

/* ---- saving -------------------------------------------------------------------------------- */

int age_put(struct index_txn *txn, struct pg_err *err)
{
    struct pg_steady_mark m = pg_steady_mark();

    if (index_put_meta(txn, STEADY, (uint64_t)m.steady_s, err) < 0 ||
        index_put_meta(txn, WALL, (uint64_t)m.wall_s, err) < 0 ||
        index_put_meta(txn, MONO, m.mono_s, err) < 0)
        return -1;
    return index_put_meta(txn, BOOT, m.boot, err);
}

static int apply(struct writer_op *op, struct index_txn *txn, struct pg_err *err)
{
    (void)op;
    return age_put(txn, err);
}

/* Said once for each time that it goes apart. */
static void watch_the_wall(struct age *a)
{
    int64_t ahead_s = pg_steady_ahead_s(), apart_s = ahead_s > 0 ? ahead_s : -ahead_s;

    pg_metric_set(PG_M_CLOCK_APART, apart_s);
    if (apart_s > JUMP_MAX_S && !a->is_apart)
        pg_log_say(PG_LOG_ERROR, PG_LOG_SECURITY,
                   "the wall clock jumped: it is %" PRId64 " seconds %s what has passed since the "
                   "store was made. Ages (min_age) do not follow it",
                   apart_s, ahead_s > 0 ? "behind" : "ahead of");
    a->is_apart = apart_s > JUMP_MAX_S;
}

void age_save(struct store *s)
{
    struct writer_op op = {.apply = apply};
    struct pg_err err = {0};

    if (writer_do(s->writer, &op, &err) < 0)
        pg_err_clear(&err); /* a disk that fails is said by who wants to keep something */
}

void age_tick(struct store *s, struct age *a)
{
    uint64_t now_ms = pg_clock_mono_ms();

    watch_the_wall(a);
    if (a->saved_ms == 0)
        a->saved_ms = now_ms;
    if (now_ms - a->saved_ms < (uint64_t)AGE_SAVE_S * 1000)
        return;
    a->saved_ms = now_ms;
    age_save(s);
}
