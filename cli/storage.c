/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/storage.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/size.h"
#include "cache/store.h"
#include "cli/markup.h"
#include "cli/print.h"
#include "cli/retention.h"
#include "cli/storage_html.h"
#include "cli/table.h"
#include "retention/plan.h"

#define REPORT_BYTES_MAX ((size_t)64 << 20)
#define DAY_S            ((int64_t)86400)
#define DATE_BYTES       10
#define BAR_COLUMNS      24
#define ROWS_SHOWN       20 /* of a table, as text */
#define RECLAIMED_DAYS   30
#define WEEKS_KNOWN      4

/* ---- what there is ------------------------------------------------------------------------- */

/* Of the files right in it. */
static uint64_t bytes_in(int dir_fd)
{
    int fd = dir_fd >= 0 ? openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    uint64_t sum = 0;
    struct dirent *e;
    struct stat st;

    if (dir == NULL) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return 0;
    }
    while ((e = readdir(dir)) != NULL) {
        if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode)) {
            sum += (uint64_t)st.st_size;
        }
    }
    (void)closedir(dir);
    return sum;
}

static uint64_t above(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static void measure(struct storage *r)
{
    const struct config *c = &r->stock.load.config;
    struct store *s = r->stock.store;
    struct storage_room *room = &r->room;
    struct statvfs fs = {0};
    struct stat st = {0};

    room->blobs = atomic_load(&s->blobs);
    room->bytes = atomic_load(&s->bytes);
    room->partial = bytes_in(s->partial_fd);
    room->quarantine = bytes_in(s->quarantine_fd);
    if (fstatat(s->dir_fd, "index/data.mdb", &st, AT_SYMLINK_NOFOLLOW) == 0) {
        room->index = (uint64_t)st.st_blocks * 512; /* it is sparse */
    }
    room->limit = c->storage_max_size;
    room->reserve = c->storage_reserve;
    (void)fstatvfs(s->dir_fd, &fs);
    room->left = above((uint64_t)fs.f_bavail * fs.f_frsize, room->reserve);
    room->is_disk = true;
    uint64_t used = room->bytes + room->partial + room->index;
    if (room->limit > 0 && above(room->limit, used) < room->left) {
        room->left = above(room->limit, used);
        room->is_disk = false;
    }
}

static void find_waste(struct storage *r, const struct ruleset *rules)
{
    struct storage_waste *w = &r->waste;
    const struct inventory *i = &r->stock.inventory;
    struct plan plan;

    w->unnamed = above(r->room.bytes, r->usage.all.bytes);
    if (rules != NULL) {
        plan_make(rules, i->images, i->n, r->now_s, &plan);
        w->has_rules = true;
        w->expired = plan.freed;
        w->expired_manifests = plan.ngo;
        plan_free(&plan);
    }
    w->total = w->unnamed + w->expired + r->room.partial + r->room.quarantine;
    for (size_t k = r->growth.n; k > 0 && w->days < RECLAIMED_DAYS; k--, w->days++) {
        w->reclaimed += r->growth.days[k - 1].reclaimed;
    }
}

/* By what is there, and when it came. */
static bool rate_of_weeks(const struct storage *r, double *bytes_r)
{
    const struct usage *u = &r->usage;
    int64_t weeks = u->oldest_s > 0 ? (r->now_s - u->oldest_s) / USAGE_WEEK_S : 0;
    uint64_t sum = 0;

    weeks = weeks < WEEKS_KNOWN ? weeks : WEEKS_KNOWN;
    for (int64_t w = 0; w < weeks; w++) {
        sum += u->weeks[w];
    }
    *bytes_r = weeks > 0 ? (double)sum / (double)(weeks * 7) : 0;
    return weeks > 0;
}

static void forecast(struct storage *r)
{
    struct storage_forecast *f = &r->forecast;
    double days;

    f->by_record = growth_rate(&r->growth, &f->bytes_a_day);
    f->is_known = f->by_record || rate_of_weeks(r, &f->bytes_a_day);
    if (!f->is_known || f->bytes_a_day <= 0) {
        return;
    }
    days = (double)r->room.left / f->bytes_a_day;
    if (days < STORAGE_YEARS * 365.0) {
        f->full_s = r->now_s + (int64_t)(days * (double)DAY_S);
    }
}

/* ---- as text ------------------------------------------------------------------------------- */

void storage_put_date(struct pg_buf *out, int64_t when_s)
{
    char time[PG_CLOCK_TEXT_MAX];

    (void)pg_buf_printf(out, "%.*s", DATE_BYTES, pg_clock_rfc3339(when_s * 1000, time));
}

void storage_put_forecast(struct pg_buf *out, const struct storage *r)
{
    const struct storage_forecast *f = &r->forecast;
    double week = f->bytes_a_day * 7;

    if (!f->is_known) {
        (void)pg_buf_put(out, SL("not known yet: that takes some days"));
        return;
    }
    (void)pg_buf_put(out, week < 0 ? SL("shrinks by ") : SL("grows by "));
    pg_size_put(out, (uint64_t)(week < 0 ? -week : week));
    (void)pg_buf_put(out, SL(" a week"));
    if (f->full_s > 0) {
        (void)pg_buf_put(out, SL("; full on "));
        storage_put_date(out, f->full_s);
        (void)pg_buf_put(out, r->room.is_disk
                                  ? SL(", when the disk has no more than storage.reserve left")
                                  : SL(", when storage.max_size is reached"));
    } else {
        (void)pg_buf_printf(out, "; not full within %d years", STORAGE_YEARS);
    }
}

static void put_line(struct pg_buf *out, const char *name, uint64_t bytes)
{
    struct pg_buf size;

    pg_buf_init(&size, 64);
    pg_size_put(&size, bytes);
    (void)pg_buf_printf(out, "  %-16s %10.*s", name, (int)size.n, size.p);
    pg_buf_free(&size);
}

static void put_waste(struct pg_buf *out, const struct storage *r)
{
    const struct storage_waste *w = &r->waste;

    put_line(out, "waste", w->total);
    (void)pg_buf_put(out, SL("  that no image names: "));
    pg_size_put(out, w->unnamed);
    (void)pg_buf_put(out, SL(", unfinished: "));
    pg_size_put(out, r->room.partial);
    (void)pg_buf_put(out, SL(", damaged: "));
    pg_size_put(out, r->room.quarantine);
    if (w->has_rules) {
        (void)pg_buf_printf(out, ", expired by rules: %zu manifest%s, ", w->expired_manifests,
                            print_s(w->expired_manifests));
        pg_size_put(out, w->expired);
    }
    (void)pg_buf_put(out, SL("\n"));
    put_line(out, "reclaimed", w->reclaimed);
    (void)pg_buf_printf(out, "  in %u day%s\n", w->days, print_s(w->days));
}

static void put_sums(struct pg_buf *out, const struct storage *r)
{
    const struct usage_sum *all = &r->usage.all;

    put_line(out, "stored", r->room.bytes);
    (void)pg_buf_printf(out, "  %" PRIu64 " object%s; %" PRIu64 " manifest%s in %zu repositor%s\n",
                        r->room.blobs, print_s(r->room.blobs), all->manifests,
                        print_s(all->manifests), r->usage.repositories,
                        r->usage.repositories == 1 ? "y" : "ies");
    put_line(out, "not shared", all->apart);
    (void)pg_buf_printf(out, "  it would be: %" PRIu64 " duplicate%s avoided, ", all->duplicates,
                        print_s(all->duplicates));
    pg_size_put(out, above(all->apart, all->bytes));
    (void)pg_buf_put(out, SL("\n"));
    put_waste(out, r);
    put_line(out, "room left", r->room.left);
    (void)pg_buf_put(out, SL("  "));
    storage_put_forecast(out, r);
    (void)pg_buf_put(out, SL("\n"));
}

static void put_bar(struct table *t, uint64_t unique, uint64_t bytes, uint64_t most)
{
    char bar[BAR_COLUMNS + 1];
    size_t n = most > 0 ? (size_t)((double)bytes / (double)most * BAR_COLUMNS + 0.5) : 0;
    size_t full = bytes > 0 ? (size_t)((double)unique / (double)bytes * (double)n + 0.5) : 0;

    for (size_t i = 0; i < n; i++) {
        bar[i] = i < full ? '#' : '-';
    }
    table_put(t, (struct sl){bar, n});
}

static void put_table(struct pg_buf *out, const struct storage *r, enum usage_by by)
{
    const struct usage_table *rows = &r->usage.tables[by];
    static const char *const heads[] = {">BYTES", ">ONLY ITS", ">SHARED", ">7 DAYS", ">MANIFESTS"};
    struct table t;

    table_init(&t, 7);
    table_put(&t, by == USAGE_UPSTREAM    ? SL("UPSTREAM")
                  : by == USAGE_NAMESPACE ? SL("NAMESPACE")
                                          : SL("TEAM"));
    for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++) {
        table_put(&t, sl_str(heads[i]));
    }
    table_put(&t, SL(""));
    for (size_t i = 0; i < rows->n && (i < ROWS_SHOWN || r->args->retention.all); i++) {
        const struct usage_sum *s = &rows->rows[i];
        table_put(&t, s->name.n > 0 ? s->name : SL("(none)"));
        table_put_bytes(&t, s->bytes);
        table_put_bytes(&t, s->unique);
        table_put_bytes(&t, s->bytes - s->unique);
        table_put_bytes(&t, s->week);
        table_put_number(&t, (int64_t)s->manifests);
        put_bar(&t, s->unique, s->bytes, rows->rows[0].bytes);
    }
    (void)pg_buf_put(out, SL("\n"));
    table_print(&t, "", out);
    table_free(&t);
    if (rows->n > ROWS_SHOWN && !r->args->retention.all) {
        (void)pg_buf_printf(out, "and %zu more: --all\n", rows->n - ROWS_SHOWN);
    }
}

static void put_text(struct pg_buf *out, const struct storage *r)
{
    (void)pg_buf_put(out, SL("Store "));
    print_put_safe(sl_str(r->stock.load.config.storage_path), out);
    (void)pg_buf_put(out, SL("\n"));
    put_sums(out, r);
    for (int by = 0; by < USAGE_TABLES; by++) {
        put_table(out, r, (enum usage_by)by);
    }
    (void)pg_buf_put(out, SL("\n# only its own, - shared with others\n"));
}

/* ---- as JSON ------------------------------------------------------------------------------- */

static void put_sum_json(struct pg_buf *out, const struct usage_sum *s)
{
    (void)pg_buf_put(out, SL("{\"name\":"));
    (void)pg_buf_put_json(out, s->name);
    (void)pg_buf_printf(out,
                        ",\"manifests\":%" PRIu64 ",\"objects\":%" PRIu64 ",\"bytes\":%" PRIu64
                        ",\"unique\":%" PRIu64 ",\"shared\":%" PRIu64 ",\"apart\":%" PRIu64
                        ",\"duplicates\":%" PRIu64 ",\"week\":%" PRIu64 "}",
                        s->manifests, s->objects, s->bytes, s->unique, s->bytes - s->unique,
                        s->apart, s->duplicates, s->week);
}

static void put_forecast_json(struct pg_buf *out, const struct storage *r)
{
    const struct storage_forecast *f = &r->forecast;

    if (!f->is_known) {
        (void)pg_buf_put(out, SL(",\"forecast\":null"));
        return;
    }
    (void)pg_buf_printf(out, ",\"forecast\":{\"by\":\"%s\",\"bytes_a_week\":%.0f,\"full\":",
                        f->by_record ? "record" : "first-seen", f->bytes_a_day * 7);
    if (f->full_s > 0) {
        (void)pg_buf_put(out, SL("\""));
        storage_put_date(out, f->full_s);
        (void)pg_buf_put(out, SL("\"}"));
    } else {
        (void)pg_buf_put(out, SL("null}"));
    }
}

static void put_days_json(struct pg_buf *out, const struct growth *g)
{
    (void)pg_buf_put(out, SL(",\"days\":["));
    for (size_t i = 0; i < g->n; i++) {
        const struct growth_day *d = &g->days[i];
        (void)pg_buf_put(out, i > 0 ? SL(",\n{\"day\":\"") : SL("\n{\"day\":\""));
        storage_put_date(out, d->begin_s);
        (void)pg_buf_printf(
            out, "\",\"bytes\":%" PRIu64 ",\"blobs\":%" PRIu64 ",\"reclaimed\":%" PRIu64 "}",
            d->bytes, d->blobs, d->reclaimed);
    }
    (void)pg_buf_put(out, SL("]"));
}

static void put_json(struct pg_buf *out, const struct storage *r)
{
    static const char *const names[] = {"upstreams", "namespaces", "teams"};
    const struct storage_room *room = &r->room;
    const struct storage_waste *w = &r->waste;

    (void)pg_buf_printf(out,
                        "{\"bytes\":%" PRIu64 ",\"blobs\":%" PRIu64 ",\"repositories\":%zu"
                        ",\"limit\":%" PRIu64 ",\"left\":%" PRIu64 ",\"left_of\":\"%s\",\"all\":",
                        room->bytes, room->blobs, r->usage.repositories, room->limit, room->left,
                        room->is_disk ? "disk" : "storage.max_size");
    put_sum_json(out, &r->usage.all);
    (void)pg_buf_printf(out,
                        ",\"waste\":{\"unnamed\":%" PRIu64 ",\"partial\":%" PRIu64
                        ",\"quarantine\":%" PRIu64 ",\"expired\":",
                        w->unnamed, room->partial, room->quarantine);
    (void)(w->has_rules ? pg_buf_printf(out, "%" PRIu64, w->expired) : pg_buf_put(out, SL("null")));
    (void)pg_buf_printf(out,
                        ",\"total\":%" PRIu64 "},\"reclaimed\":{\"days\":%u,\"bytes\":%" PRIu64 "}",
                        w->total, w->days, w->reclaimed);
    put_forecast_json(out, r);
    (void)pg_buf_put(out, SL(",\"weeks\":["));
    for (size_t i = 0; i < USAGE_WEEKS; i++) {
        (void)pg_buf_printf(out, "%s%" PRIu64, i > 0 ? "," : "", r->usage.weeks[i]);
    }
    (void)pg_buf_put(out, SL("]"));
    put_days_json(out, &r->growth);
    for (size_t by = 0; by < USAGE_TABLES; by++) {
        (void)pg_buf_printf(out, ",\"%s\":[", names[by]);
        for (size_t i = 0; i < r->usage.tables[by].n; i++) {
            (void)pg_buf_put(out, i > 0 ? SL(",\n") : SL("\n"));
            put_sum_json(out, &r->usage.tables[by].rows[i]);
        }
        (void)pg_buf_put(out, SL("]"));
    }
    (void)pg_buf_put(out, SL("}\n"));
}

/* ---- the command --------------------------------------------------------------------------- */

static int deliver(const struct storage *r)
{
    const char *html = r->args->audit.html;
    struct pg_buf out;
    int rc = COMMAND_GOOD;

    pg_buf_init(&out, REPORT_BYTES_MAX);
    if (html != NULL) {
        storage_html_put(&out, r);
    } else if (r->args->json) {
        put_json(&out, r);
    } else {
        put_text(&out, r);
    }
    if (out.over) {
        rc = print_failure("the report is longer than %zu MiB", out.max >> 20);
    } else if (html != NULL) {
        rc = markup_write(html, pg_buf_sl(&out));
    } else if (print_out(pg_buf_sl(&out)) < 0) {
        rc = COMMAND_CANNOT;
    }
    pg_buf_free(&out);
    return rc;
}

int storage_report(const struct command_args *args)
{
    const char *label = args->retention.label != NULL ? args->retention.label : STORAGE_TEAM;
    struct storage r = {.args = args, .now_s = pg_clock_wall_s()};
    _ruleset_ struct ruleset *rules = NULL;
    int rc = COMMAND_GOOD;

    if (args->json && args->audit.html != NULL) {
        return print_failure("one of --json and --html");
    }
    if (args->retention.rules != NULL) {
        rc = retention_load(args->retention.rules, &rules);
    }
    if (rc != COMMAND_GOOD) {
        return rc;
    }
    rc = stock_open(args, &r.stock);
    if (rc == COMMAND_GOOD) {
        usage_make(r.stock.inventory.images, r.stock.inventory.n, sl_str(label), r.now_s, &r.usage);
        growth_read(r.stock.store->dir_fd, &r.growth);
        measure(&r);
        find_waste(&r, rules);
        forecast(&r);
        rc = deliver(&r);
        usage_free(&r.usage);
    }
    stock_close(&r.stock);
    return rc;
}
