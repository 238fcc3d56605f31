/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/growth.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/fd.h"
#include "base/moment.h"

#define NEW_FILE   GROWTH_FILE ".new"
#define LINE_MAX   96
#define FILE_BYTES ((size_t)LINE_MAX * GROWTH_DAYS_MAX)
#define DATE_BYTES 10
#define RATE_DAYS  28 /* how many days the line is drawn through */

/* ---- reading ------------------------------------------------------------------------------- */

static bool take_number(struct sl *s, uint64_t *n_r)
{
    uint64_t n = 0;
    size_t i = 1; /* behind a blank */

    if (s->n < 2 || s->p[0] != ' ') {
        return false;
    }
    for (; i < s->n && s->p[i] >= '0' && s->p[i] <= '9'; i++) {
        if (n > (UINT64_MAX - 9) / 10) {
            return false;
        }
        n = n * 10 + (uint64_t)(s->p[i] - '0');
    }
    *s = (struct sl){s->p + i, s->n - i};
    *n_r = n;
    return i > 1;
}

static bool parse(struct sl line, struct growth_day *d)
{
    char moment[DATE_BYTES + sizeof("T00:00:00Z")];

    if (line.n <= DATE_BYTES) {
        return false;
    }
    int n = snprintf(moment, sizeof(moment), "%.*sT00:00:00Z", DATE_BYTES, line.p);
    line = (struct sl){line.p + DATE_BYTES, line.n - DATE_BYTES};
    return n > 0 && moment_parse((struct sl){moment, (size_t)n}, &d->begin_s) &&
           take_number(&line, &d->bytes) && take_number(&line, &d->blobs) &&
           take_number(&line, &d->reclaimed) && line.n == 0;
}

/* Days come in order; what does not is left out. */
static void add(struct growth *g, const struct growth_day *d)
{
    if (g->n > 0 && d->begin_s <= g->days[g->n - 1].begin_s) {
        return;
    }
    if (g->n == GROWTH_DAYS_MAX) {
        memmove(g->days, g->days + 1, (GROWTH_DAYS_MAX - 1) * sizeof(*g->days));
        g->n--;
    }
    g->days[g->n++] = *d;
}

void growth_read(int dir_fd, struct growth *g_r)
{
    char text[FILE_BYTES];
    _fd_ int fd =
        openat(dir_fd, GROWTH_FILE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof(text)) : -1;
    struct growth_day day;

    g_r->n = 0;
    for (size_t at = 0, end; n > 0 && at < (size_t)n; at = end + 1) {
        const char *stop = memchr(text + at, '\n', (size_t)n - at);
        if (stop == NULL) {
            return; /* half a line */
        }
        end = (size_t)(stop - text);
        if (parse((struct sl){text + at, end - at}, &day)) {
            add(g_r, &day);
        }
    }
}

/* ---- writing ------------------------------------------------------------------------------- */

static void put(const struct growth *g, struct pg_buf *out)
{
    char time[PG_CLOCK_TEXT_MAX];

    for (size_t i = 0; i < g->n; i++) {
        const struct growth_day *d = &g->days[i];
        (void)pg_buf_printf(out, "%.*s %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", DATE_BYTES,
                            pg_clock_rfc3339(d->begin_s * 1000, time), d->bytes, d->blobs,
                            d->reclaimed);
    }
}

static int save(struct store *s, const struct growth *g, struct pg_err *err)
{
    struct pg_buf out;

    pg_buf_init(&out, FILE_BYTES);
    put(g, &out);
    PG_CHECK(!out.over);
    _fd_ int fd =
        openat(s->dir_fd, NEW_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && !PG_FAULT("growth.write") && pg_fd_write(fd, out.p, out.n) == 0 &&
              renameat(s->dir_fd, NEW_FILE, s->dir_fd, GROWTH_FILE) == 0;
    int why = errno;

    pg_buf_free(&out);
    if (!ok) {
        (void)unlinkat(s->dir_fd, NEW_FILE, 0);
        return pg_fail(err, PG_E_STORE_IO, "cannot write %s/" GROWTH_FILE ": %s", s->config.path,
                       strerrordesc_np(why));
    }
    return 0;
}

int growth_note(struct store *s, int64_t now_s, uint64_t reclaimed, struct pg_err *err)
{
    struct growth g;
    struct growth_day today = {.begin_s = now_s - now_s % GROWTH_DAY_S,
                               .bytes = atomic_load(&s->bytes),
                               .blobs = atomic_load(&s->blobs),
                               .reclaimed = reclaimed};

    growth_read(s->dir_fd, &g);
    while (g.n > 0 && g.days[g.n - 1].begin_s >= today.begin_s) {
        const struct growth_day *last = &g.days[--g.n];
        today.reclaimed += last->begin_s == today.begin_s ? last->reclaimed : 0;
    }
    add(&g, &today);
    return save(s, &g, err);
}

/* ---- the line ------------------------------------------------------------------------------ */

bool growth_rate(const struct growth *g, double *bytes_r)
{
    size_t first = g->n > RATE_DAYS ? g->n - RATE_DAYS : 0, n = g->n - first;
    double mean_day = 0, mean_bytes = 0, above = 0, below = 0;

    *bytes_r = 0;
    if (n < 2 || g->days[g->n - 1].begin_s - g->days[first].begin_s < 2 * GROWTH_DAY_S) {
        return false;
    }
    for (size_t i = first; i < g->n; i++) {
        mean_day += (double)g->days[i].begin_s / GROWTH_DAY_S / (double)n;
        mean_bytes += (double)g->days[i].bytes / (double)n;
    }
    for (size_t i = first; i < g->n; i++) {
        double day = (double)g->days[i].begin_s / GROWTH_DAY_S - mean_day;
        above += day * ((double)g->days[i].bytes - mean_bytes);
        below += day * day;
    }
    *bytes_r = above / below;
    return true;
}
