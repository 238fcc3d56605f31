/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/progress.h"

#include <inttypes.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/print.h"

#define LIVE_MS  200
#define PLAIN_MS 10000
#define LINE_MAX 512

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* "1200 of 5000 manifests read, 60 a second, 63 s left" */
static void show(struct progress *p, uint64_t now_ms)
{
    uint64_t ms = larger(now_ms - p->began_ms, 1),
             left = p->total > p->done ? p->total - p->done : 0;
    struct pg_buf out;

    p->shown_ms = now_ms;
    pg_buf_init(&out, LINE_MAX);
    (void)pg_buf_put(&out, p->live ? SL("\r\033[K") : SL(""));
    (void)pg_buf_printf(&out, "%" PRIu64 " of %" PRIu64 " %s, %" PRIu64 " a second", p->done,
                        p->total, p->what, p->done * 1000 / ms);
    if (p->done > 0) {
        (void)pg_buf_printf(&out, ", %" PRIu64 " s left", left * ms / p->done / 1000);
    }
    (void)pg_buf_put(&out, p->live ? SL("") : SL("\n"));
    print_error(pg_buf_sl(&out));
    pg_buf_free(&out);
}

void progress_begin(struct progress *p, const char *what, uint64_t total)
{
    uint64_t now_ms = pg_clock_mono_ms();

    *p = (struct progress){.what = what,
                           .total = total,
                           .began_ms = now_ms,
                           .shown_ms = now_ms,
                           .live = isatty(STDERR_FILENO) == 1};
}

void progress_step(struct progress *p)
{
    uint64_t now_ms = pg_clock_mono_ms();

    p->done++;
    if (now_ms - p->shown_ms >= (p->live ? LIVE_MS : PLAIN_MS)) {
        show(p, now_ms);
    }
}

void progress_end(struct progress *p)
{
    uint64_t ms = pg_clock_mono_ms() - p->began_ms;
    struct pg_buf out;

    pg_buf_init(&out, LINE_MAX);
    (void)pg_buf_printf(&out, "%s%" PRIu64 " %s in %" PRIu64 ".%" PRIu64 " s\n",
                        p->live ? "\r\033[K" : "", p->done, p->what, ms / 1000, ms % 1000 / 100);
    print_error(pg_buf_sl(&out));
    pg_buf_free(&out);
}
