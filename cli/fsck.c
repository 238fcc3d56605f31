/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/fsck.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/size.h"
#include "cache/fsck.h"
#include "cache/store.h"
#include "cli/config.h"
#include "cli/print.h"
#include "cli/show.h"

#define THREADS      2
#define FINDINGS_MAX 10000 /* more are counted only */

struct inspection {
    const struct command_args *args;
    struct pg_pool *data_pool, *slow_pool;
    struct store *store;
    struct pg_buf out;
    uint64_t told;
    struct fsck_result result;
};

static struct sl text_of(const char *s)
{
    return (struct sl){s, strlen(s)};
}

static void put_text(struct pg_buf *out, const struct fsck_finding *f)
{
    (void)pg_buf_printf(out, "%s: ", fsck_kind_name(f->kind));
    if (f->path[0] != '\0') {
        print_put_safe(text_of(f->path), out);
        (void)pg_buf_put(out, SL(": "));
    }
    print_put_safe(text_of(f->what), out);
    (void)pg_buf_put(out, f->repaired ? SL(" (repaired)\n") : SL("\n"));
}

static void put_json(struct pg_buf *out, const struct fsck_finding *f)
{
    (void)pg_buf_printf(out, "{\"kind\":\"%s\",\"what\":", fsck_kind_name(f->kind));
    (void)pg_buf_put_json(out, text_of(f->what));
    (void)pg_buf_put(out, SL(",\"path\":"));
    (void)pg_buf_put_json(out, text_of(f->path));
    (void)pg_buf_printf(out, ",\"repaired\":%s}", f->repaired ? "true" : "false");
}

static void on_finding(void *arg, const struct fsck_finding *f)
{
    struct inspection *i = arg;

    if (i->told++ >= FINDINGS_MAX) {
        return;
    }
    if (i->args->json) {
        (void)pg_buf_put(&i->out, i->told > 1 ? SL(",") : SL(""));
        put_json(&i->out, f);
    } else {
        put_text(&i->out, f);
    }
}

/* ---- the counts ---------------------------------------------------------------------------- */

/* X(field, what it is called) of fsck_result; bytes, found and repaired are told otherwise */
#define COUNTS(X)                                                                                  \
    X(manifests, "manifests")                                                                      \
    X(links, "links")                                                                              \
    X(tags, "tags")                                                                                \
    X(partials, "downloads half here")                                                             \
    X(files, "files")                                                                              \
    X(journal_records, "records of the journal")

static void put_count_json(struct inspection *i, const char *name, uint64_t n)
{
    (void)pg_buf_printf(&i->out, ",\"%s\":%llu", name, (unsigned long long)n);
}

static void put_counts_json(struct inspection *i)
{
    put_count_json(i, "blobs", i->result.blobs);
    put_count_json(i, "bytes", i->result.bytes);
#define X(field, name) put_count_json(i, #field, i->result.field);
    COUNTS(X)
#undef X
    put_count_json(i, "found", i->result.found);
    put_count_json(i, "repaired", i->result.repaired);
}

static void put_counts_text(struct inspection *i)
{
    const struct fsck_result *r = &i->result;

    (void)pg_buf_printf(&i->out, "looked at %llu blobs of ", (unsigned long long)r->blobs);
    pg_size_put(&i->out, r->bytes);
#define X(field, name)                                                                             \
    (void)pg_buf_printf(&i->out, ", %llu %s", (unsigned long long)r->field, name);
    COUNTS(X)
#undef X
    if (r->found == 0) {
        (void)pg_buf_put(&i->out, SL(": nothing is wrong\n"));
    } else {
        (void)pg_buf_printf(&i->out, ": found %llu, repaired %llu\n", (unsigned long long)r->found,
                            (unsigned long long)r->repaired);
    }
}

static int print_result(struct inspection *i)
{
    if (i->args->json) {
        (void)pg_buf_printf(&i->out, "],\"more\":%s", i->told > FINDINGS_MAX ? "true" : "false");
        put_counts_json(i);
        (void)pg_buf_put(&i->out, SL("}\n"));
    } else {
        if (i->told > FINDINGS_MAX) {
            (void)pg_buf_put(&i->out, SL("... more findings than are shown\n"));
        }
        put_counts_text(i);
    }
    PG_CHECK(!i->out.over);
    if (print_out(pg_buf_sl(&i->out)) < 0) {
        return COMMAND_CANNOT;
    }
    return i->result.found > i->result.repaired ? COMMAND_FOUND : COMMAND_GOOD;
}

/* ---- the store ----------------------------------------------------------------------------- */

/* What was open at the last end is put in order by the store itself; that is no finding. */
static void wait_recovered(struct store *s)
{
    const struct timespec look = {.tv_nsec = 10000000};

    while (!atomic_load(&s->recovered)) {
        (void)nanosleep(&look, NULL);
    }
}

static int inspect(struct inspection *i, const struct config *c, struct pg_err *err)
{
    const struct store_config sc = {.path = c->storage_path,
                                    .max_bytes = c->storage_max_size,
                                    .reserve_bytes = c->storage_reserve,
                                    .read_only = !i->args->fsck.repair,
                                    .accept_loss = i->args->fsck.accept_loss,
                                    .data_pool = i->data_pool,
                                    .slow_pool = i->slow_pool};
    const struct fsck_config fc = {
        .deep = i->args->fsck.deep, .repair = i->args->fsck.repair, .each = on_finding, .arg = i};

    if (store_open(&sc, &i->store, err) < 0) {
        return -1;
    }
    if (i->args->fsck.repair) {
        wait_recovered(i->store);
    }
    return fsck_run(i->store, &fc, &i->result, err);
}

static int run(const struct command_args *args, const struct config *c)
{
    struct inspection i = {.args = args};
    struct pg_err err = {0};
    int status;

    i.data_pool = pg_pool_new("pg-data", THREADS);
    i.slow_pool = pg_pool_new("pg-slow", THREADS);
    pg_buf_init(&i.out, PRINT_BYTES_MAX);
    if (args->json) {
        (void)pg_buf_put(&i.out, SL("{\"path\":"));
        (void)pg_buf_put_json(&i.out, text_of(c->storage_path));
        (void)pg_buf_printf(&i.out, ",\"deep\":%s,\"repair\":%s,\"findings\":[",
                            args->fsck.deep ? "true" : "false",
                            args->fsck.repair ? "true" : "false");
    }
    if (inspect(&i, c, &err) < 0) {
        status = print_failure("%s", err.msg);
        pg_err_clear(&err);
    } else {
        status = print_result(&i);
    }
    pg_buf_free(&i.out);
    store_close(i.store);
    pg_pool_free(i.data_pool);
    pg_pool_free(i.slow_pool);
    return status;
}

int fsck_command(const struct command_args *args)
{
    struct config_load load;
    struct pg_err err = {0};

    if (args->fsck.accept_loss && !args->fsck.repair) {
        return print_failure("--accept-loss changes the store; write --repair as well");
    }
    int rc = config_load(args->config_file, &load, &err);
    if (rc != 0) {
        rc = show_refusal(rc, &load, &err);
    } else {
        pg_hash_setup();
        pg_log_setup(PG_LOG_TEXT, PG_LOG_WARN);
        rc = run(args, &load.config);
    }
    config_load_free(&load);
    return rc;
}
