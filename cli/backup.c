/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/backup.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/size.h"
#include "cache/backup.h"
#include "cli/config.h"
#include "cli/print.h"
#include "cli/show.h"

#define THREADS  2
#define TOLD_MAX 100 /* findings that are said one by one */

struct told {
    struct pg_buf text;
    unsigned n;
};

static struct sl text_of(const char *s)
{
    return (struct sl){s, strlen(s)};
}

static void on_finding(void *arg, const struct fsck_finding *f)
{
    struct told *t = arg;

    if (t->n++ >= TOLD_MAX) {
        return;
    }
    (void)pg_buf_printf(&t->text, "%s: ", fsck_kind_name(f->kind));
    print_put_safe(text_of(f->path), &t->text);
    (void)pg_buf_put(&t->text, f->path[0] != '\0' ? SL(": ") : SL(""));
    print_put_safe(text_of(f->what), &t->text);
    (void)pg_buf_put(&t->text, SL("\n"));
}

static void put_json(struct pg_buf *out, const struct backup_config *c,
                     const struct backup_result *r)
{
    (void)pg_buf_put(out, SL("{\"from\":"));
    (void)pg_buf_put_json(out, text_of(c->from));
    (void)pg_buf_put(out, SL(",\"to\":"));
    (void)pg_buf_put_json(out, text_of(c->to));
    (void)pg_buf_printf(out,
                        ",\"blobs\":%llu,\"bytes\":%llu,\"linked\":%llu,\"copied\":%llu,"
                        "\"copied_bytes\":%llu,\"tags\":%llu,\"journal_records\":%llu,"
                        "\"found\":%llu}\n",
                        (unsigned long long)r->fsck.blobs, (unsigned long long)r->fsck.bytes,
                        (unsigned long long)r->linked, (unsigned long long)r->copied,
                        (unsigned long long)r->copied_bytes, (unsigned long long)r->fsck.tags,
                        (unsigned long long)r->fsck.journal_records,
                        (unsigned long long)r->fsck.found);
}

static void put_text(struct pg_buf *out, const struct backup_config *c,
                     const struct backup_result *r)
{
    (void)pg_buf_put(out, SL("in "));
    print_put_safe(text_of(c->to), out);
    (void)pg_buf_printf(out, ": %llu blobs of ", (unsigned long long)r->fsck.blobs);
    pg_size_put(out, r->fsck.bytes);
    (void)pg_buf_printf(out,
                        " (%llu files linked, %llu copied), %llu tags, %llu records of the "
                        "journal",
                        (unsigned long long)r->linked, (unsigned long long)r->copied,
                        (unsigned long long)r->fsck.tags,
                        (unsigned long long)r->fsck.journal_records);
    if (r->fsck.found == 0) {
        (void)pg_buf_put(out, SL(": nothing is wrong\n"));
    } else {
        (void)pg_buf_printf(out, ": found %llu\n", (unsigned long long)r->fsck.found);
    }
    if (r->replaced[0] != '\0') {
        (void)pg_buf_printf(out,
                            "what was there is in the folder %s: remove it when it is not "
                            "needed any more\n",
                            r->replaced);
    }
}

static int print_result(const struct backup_config *c, const struct backup_result *r,
                        struct told *told, bool json)
{
    if (json) {
        pg_buf_clear(&told->text);
        put_json(&told->text, c, r);
    } else {
        put_text(&told->text, c, r);
    }
    if (print_out(pg_buf_sl(&told->text)) < 0) {
        return COMMAND_CANNOT;
    }
    return r->fsck.found > 0 ? COMMAND_FOUND : COMMAND_GOOD;
}

static int copy(struct backup_config *c, bool json)
{
    struct told told = {.n = 0};
    struct backup_result result;
    struct pg_err err = {0};
    int status;

    pg_hash_setup();
    pg_log_setup(PG_LOG_TEXT, PG_LOG_ERROR);
    c->data_pool = pg_pool_new("pg-data", THREADS);
    c->slow_pool = pg_pool_new("pg-slow", THREADS);
    pg_buf_init(&told.text, PRINT_BYTES_MAX);
    c->each = on_finding;
    c->arg = &told;
    if (backup_copy(c, &result, &err) < 0) {
        status = print_failure("%s", err.msg);
        pg_err_clear(&err);
    } else {
        status = print_result(c, &result, &told, json);
    }
    pg_buf_free(&told.text);
    pg_pool_free(c->data_pool);
    pg_pool_free(c->slow_pool);
    return status;
}

static int run(const struct command_args *args, bool restores)
{
    struct config_load load;
    struct pg_err err = {0};

    if (args->noperands != 1) {
        return print_failure("%s DIR: name one directory", restores ? "restore" : "backup");
    }
    int rc = config_load(args->config_file, &load, &err);
    if (rc != 0) {
        rc = show_refusal(rc, &load, &err);
    } else {
        const char *dir = args->operands[0], *store = load.config.storage_path;
        struct backup_config c = {.from = restores ? dir : store,
                                  .to = restores ? store : dir,
                                  .no_blobs = args->backup.no_blobs,
                                  .may_replace = args->backup.force,
                                  .is_store = restores,
                                  .deep = args->fsck.deep};
        rc = copy(&c, args->json);
    }
    config_load_free(&load);
    return rc;
}

int backup_command(const struct command_args *args)
{
    return run(args, false);
}

int backup_restore(const struct command_args *args)
{
    return run(args, true);
}
