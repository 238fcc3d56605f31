/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/reload.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/metric.h"
#include "cli/admission.h"
#include "cli/door.h"
#include "cli/ledger.h"
#include "cli/print.h"
#include "cli/rules.h"
#include "proxy/admin/intake.h"
#include "proxy/admin/keeper.h"
#include "proxy/admit/feeder.h"
#include "proxy/upstream/forward.h"
#include "proxy/upstream/hook.h"

struct reload {
    struct reload_target target;
    struct snapshot *snapshot; /* the newest */
    struct pg_mail mail;       /* posted by the last loop to acknowledge */
    atomic_uint unacked;
    bool under_way, again, closed;
    struct pg_mail *asking, *waiting; /* commands of this round, and of the next */
};

/* ---- answers ------------------------------------------------------------------------------- */

static void push_command(struct pg_mail **list, struct admin_command *c)
{
    if (c != NULL) {
        c->mail.next = *list;
        *list = &c->mail;
    }
}

/* Tells all who asked; err may be NULL. */
static void answer(struct reload *r, const struct pg_err *err)
{
    struct pg_mail *mail = r->asking;

    r->asking = NULL;
    while (mail != NULL) {
        struct admin_command *c = pg_container_of(mail, struct admin_command, mail);
        mail = mail->next;
        c->revision = r->snapshot->revision;
        if (err != NULL) {
            pg_err_copy(&c->err, err);
        }
        admin_command_done(c);
    }
}

/* ---- what a restart alone changes ---------------------------------------------------------- */

static bool is_text(const struct option *o)
{
    return o->type == OPTION_STRING || o->type == OPTION_PATH;
}

static bool is_same_option(const struct option *o, const struct config *a, const struct config *b)
{
    struct pg_buf one, other;

    pg_buf_init(&one, PRINT_BYTES_MAX);
    pg_buf_init(&other, PRINT_BYTES_MAX);
    option_put(o, a, &one);
    option_put(o, b, &other);
    bool same = sl_eq(pg_buf_sl(&one), pg_buf_sl(&other));
    pg_buf_free(&one);
    pg_buf_free(&other);
    return same;
}

static void copy_option(const struct option *o, struct config *to, const struct config *from)
{
    const void *source = (const char *)from + o->offset;
    void *field = (char *)to + o->offset;

    if (is_text(o)) {
        char *text = strdup(*(char *const *)source);
        PG_CHECK(text != NULL);
        free(*(char **)field);
        *(char **)field = text;
    } else if (o->type == OPTION_BOOL) {
        memcpy(field, source, sizeof(bool));
    } else {
        PG_CHECK(o->type == OPTION_COUNT || o->type == OPTION_SIZE || o->type == OPTION_TIME);
        memcpy(field, source, sizeof(uint64_t));
    }
}

static void keep_fixed(struct config *new, const struct config *old)
{
    for (size_t i = 0; i < OPTION_NGLOBAL; i++) {
        const struct option *o = &option_global[i];
        if (!o->reload && !is_same_option(o, old, new)) {
            pg_log_say(PG_LOG_WARN, PG_LOG_CONFIG, "%s%s%s is taken over by a restart only",
                       option_is_top(o) ? "" : o->section, option_is_top(o) ? "" : ".", o->name);
            copy_option(o, new, old);
        }
    }
    if (!config_same_scans(old, new)) {
        pg_log_say(PG_LOG_WARN, PG_LOG_CONFIG,
                   "scanners and scans are taken over by a restart or an upgrade only");
        config_copy_scans(new, old);
    }
    if (!config_same_sockets(old, new)) {
        pg_log_say(PG_LOG_WARN, PG_LOG_CONFIG,
                   "other addresses in listen are taken over by a restart only; its certificates "
                   "and proxies stay as they were, too");
        config_copy_listeners(new, old);
    }
}

/* ---- reading ------------------------------------------------------------------------------- */

static void log_problems(const struct config_load *load)
{
    for (size_t i = 0; i < load->nproblems; i++) {
        const struct config_problem *p = &load->problems[i];
        pg_log_say(PG_LOG_ERROR, PG_LOG_CONFIG, "%s:%u:%u: %s", load->config.file, p->at.line,
                   p->at.col, p->text);
    }
}

/* The file as it is now, with what is fixed kept. -1: *err says all that is wrong. */
static int read_again(struct reload *r, struct config_load *load, struct pg_err *err)
{
    struct pg_buf said;
    int rc = config_load(r->target.file, load, err);

    if (rc < 0) {
        pg_log_say(PG_LOG_ERROR, PG_LOG_CONFIG, "%s", err->msg);
        return -1;
    }
    if (rc == 0) {
        keep_fixed(&load->config, &r->snapshot->config);
        rc = rules_check_ourselves(load);
    }
    if (rc == 0) {
        return 0;
    }
    log_problems(load);
    pg_buf_init(&said, PRINT_BYTES_MAX);
    config_load_put_problems(load, &said);
    rc = pg_fail(err, PG_E_BAD_FRAMING, "%.*s", (int)said.n - 1, said.p); /* less the line's end */
    pg_buf_free(&said);
    return rc;
}

/* ---- handing over -------------------------------------------------------------------------- */

static void on_acked(struct loop_reload *lr)
{
    struct reload *r = lr->owner;

    free(lr);
    if (atomic_fetch_sub(&r->unacked, 1) == 1) {
        pg_mailbox_post(r->target.home, &r->mail);
    }
}

static void begin(struct reload *r);

static void on_done(struct pg_mail *mail)
{
    struct reload *r = pg_container_of(mail, struct reload, mail);

    pg_metric_inc(PG_M_RELOADS);
    pg_log_say(PG_LOG_INFO, PG_LOG_CONFIG, "configuration %s is in use: revision %llu",
               r->snapshot->config.file, (unsigned long long)r->snapshot->revision);
    ledger_config(r->target.trail, &r->snapshot->config, r->snapshot->revision, NULL);
    notify_say(r->target.notify, "READY=1");
    answer(r, NULL);
    r->under_way = false;
    if (r->again) {
        begin(r);
    }
}

static void hand_over(struct reload *r)
{
    const struct config *c = &r->snapshot->config;

    pg_metric_set(PG_M_CONFIG_STALE, 0);
    pg_log_setup(r->target.json ? PG_LOG_JSON : c->log_format, c->log_level);
    door_reload(r->target.door, c);
    intake_reload(r->target.intake);
    listen_limit(r->target.listen, c->limits_connections);
    trail_limit(r->target.trail, c->audit_keep, c->audit_max_size);
    forward_set(r->target.forward, c);
    hook_set(r->target.hooks, c);
    keeper_use(r->target.keeper, r->snapshot);
    feeder_set(r->target.feeder, c);
    store_set_limits(r->target.store, c->storage_max_size, c->storage_reserve);
    r->under_way = true;
    r->mail = (struct pg_mail){.deliver = on_done};
    atomic_store(&r->unacked, r->target.nloops);
    for (unsigned i = 0; i < r->target.nloops; i++) {
        struct loop_reload *lr = calloc(1, sizeof(*lr));
        PG_CHECK(lr != NULL);
        lr->snapshot = config_snapshot_ref(r->snapshot);
        lr->acked = on_acked;
        lr->owner = r;
        loop_set_snapshot(r->target.loops[i], lr);
    }
}

static void begin(struct reload *r)
{
    struct config_load load = {0};
    struct pg_err err = {0};

    if (!r->closed) {
        notify_reloading(r->target.notify);
    }

    r->again = false;
    r->asking = r->waiting;
    r->waiting = NULL;
    if (r->closed) {
        (void)pg_fail(&err, PG_E_CANCELED, "pullgate ends");
        answer(r, &err);
    } else if (read_again(r, &load, &err) < 0) {
        pg_metric_inc(PG_M_RELOADS_REFUSED);
        pg_metric_set(PG_M_CONFIG_STALE, 1);
        pg_log_say(PG_LOG_ERROR, PG_LOG_CONFIG, "the configuration stays as it was: revision %llu",
                   (unsigned long long)r->snapshot->revision);
        ledger_config(r->target.trail, &r->snapshot->config, r->snapshot->revision, err.msg);
        notify_say(r->target.notify, "READY=1");
        answer(r, &err);
    } else {
        struct snapshot *old = r->snapshot;
        admission_date(&old->config, &load.config);
        r->snapshot = config_snapshot_new(&load.config, old->revision + 1);
        admission_tell(&old->config, &r->snapshot->config);
        hand_over(r); /* the door still looks at the old one */
        config_snapshot_unref(old);
    }
    pg_err_clear(&err);
    config_load_free(&load);
}

void reload_start(struct reload *r, struct admin_command *c)
{
    push_command(&r->waiting, c);
    if (r->under_way) {
        r->again = true;
    } else {
        begin(r);
    }
}

struct reload *reload_new(const struct reload_target *target, struct snapshot *first)
{
    struct reload *r = calloc(1, sizeof(*r));

    PG_CHECK(r != NULL);
    r->target = *target;
    r->snapshot = config_snapshot_ref(first);
    return r;
}

void reload_close(struct reload *r)
{
    if (r != NULL) {
        r->closed = true;
    }
}

void reload_free(struct reload *r)
{
    if (r == NULL) {
        return;
    }
    PG_CHECK(r->closed && !r->under_way && r->asking == NULL && r->waiting == NULL);
    config_snapshot_unref(r->snapshot);
    free(r);
}

const struct config *reload_config(const struct reload *r)
{
    return &r->snapshot->config;
}

uint64_t reload_revision(const struct reload *r)
{
    return r->snapshot->revision;
}
