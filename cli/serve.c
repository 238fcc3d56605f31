/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/serve.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/metric.h"
#include "cache/revoked_shared.h"
#include "cache/store.h"
#include "cli/admission.h"
#include "cli/config.h"
#include "cli/confine.h"
#include "cli/door.h"
#include "cli/heir.h"
#include "cli/ledger.h"
#include "cli/notify.h"
#include "cli/print.h"
#include "cli/reload.h"
#include "cli/scanners.h"
#include "cli/show.h"
#include "cli/upgrade.h"
#include "cli/version.h"
#include "proxy/admin/admin.h"
#include "proxy/admin/exposure.h"
#include "proxy/admin/intake.h"
#include "proxy/admin/keeper.h"
#include "proxy/admit/feeder.h"
#include "proxy/admit/scanning.h"
#include "proxy/admit/stamper.h"
#include "proxy/http/listen.h"
#include "proxy/http/watch.h"
#include "proxy/journey/service.h"
#include "proxy/spawn.h"
#include "proxy/upstream/credential.h"
#include "proxy/upstream/export.h"
#include "proxy/upstream/fetch.h"
#include "proxy/upstream/forward.h"
#include "proxy/upstream/hook.h"

#define DATA_THREADS_MIN 2
#define DATA_THREADS_MAX 8
#define SLOW_THREADS     4
#define READ_THREADS     2 /* of evidence that came */
#define VERIFY_THREADS   4 /* who verifies may wait for pullgate-tsa */
#define OPA_THREADS      4 /* questions to OPA at a time */
#define SPAWN_HELPERS    4
#define FILES_MAX        ((rlim_t)1 << 20)
#define DRAIN_LOOK_MS    20 /* how often the connections that are left are counted */
#define UNCACHED_BYTES   ((uint64_t)64 << 20)

enum phase { SERVING, DRAINING, ENDING };

struct succession {
    struct heir heir; /* of whom */
    struct upgrade *upgrade;
    bool is_lost;        /* the store, in an upgrade that failed */
    bool is_behind;      /* of what its heir revokes, and told so */
    struct trail *trail; /* goes over, too; NULL: no audit log is kept */
    struct forward *forward;
    struct feeder *feeder;
};

struct serve_pools {
    struct pg_pool *data, *slow, *read, *verify, *opa;
};

struct background {
    struct keeper *keeper;
    struct export *export; /* NULL: no spans are kept */
    struct hooks *hooks;
};

/* What has programs run. */
struct helpers {
    struct stamper *stamper;
    struct scanning *scanning; /* NULL: there are no scanners */
    struct intake *intake;     /* NULL: nobody pushes reports */
};

struct serve {
    const struct command_args *args;
    struct snapshot *first; /* the one it began with */
    struct spawn *spawn;    /* forked before there are threads */
    struct serve_pools pools;
    struct helpers helpers;
    struct store *store;
    struct flight_table flights;
    struct loop *loops[FLIGHT_LOOPS_MAX];
    unsigned nloops;
    struct fetch *fetch;
    struct service *service;
    struct admin *admin;
    struct listen *listen;
    struct door *door;
    struct reload *reload;
    struct admission_watch policy_watch;
    struct notify *notify;
    struct watch *watch;
    struct background back;
    struct pg_mailbox mail;
    int wake_fd, signal_fd;
    enum phase phase;
    uint64_t drained_by_ms;
    struct succession turn;
};

static const struct config *config_of(const struct serve *s)
{
    return &s->first->config;
}

/* ---- the process --------------------------------------------------------------------------- */

static sigset_t our_signals(void)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)sigaddset(&set, SIGUSR1);
    (void)sigaddset(&set, SIGUSR2);
    return set;
}

/* Each connection and each open blob needs a descriptor. */
static void raise_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max < FILES_MAX ? limit.rlim_max : FILES_MAX;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void on_mail(struct pg_mailbox *box)
{
    struct serve *s = box->owner;
    int rc = eventfd_write(s->wake_fd, 1);

    PG_CHECK(rc == 0);
}

static int set_up_process(struct serve *s, struct pg_err *err)
{
    sigset_t set = our_signals();

    (void)signal(SIGPIPE, SIG_IGN); /* what nobody reads, or what is too long, is the */
    (void)signal(SIGXFSZ, SIG_IGN); /* trouble of who writes it, not the end of all */
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    raise_file_limit();
    pg_hash_setup();
    pg_check_signals();
    if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0) {
        return pg_fail(err, PG_E_INTERNAL, "signals cannot be blocked");
    }
    s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->signal_fd < 0 || s->wake_fd < 0) {
        return pg_fail(err, PG_E_INTERNAL, "no descriptors to wait with: %s", strerror(errno));
    }
    pg_mailbox_init(&s->mail, on_mail, s);
    return 0;
}

/* ---- start --------------------------------------------------------------------------------- */

static unsigned count_cpus(void)
{
    unsigned n = uv_available_parallelism();

    return n < FLIGHT_LOOPS_MAX ? n : FLIGHT_LOOPS_MAX;
}

static int open_store(struct serve *s, struct pg_err *err)
{
    const struct config *c = config_of(s);
    unsigned cpus = count_cpus();
    unsigned n = cpus < DATA_THREADS_MIN   ? DATA_THREADS_MIN
                 : cpus > DATA_THREADS_MAX ? DATA_THREADS_MAX
                                           : cpus;

    s->pools.data = pg_pool_new("pg-data", n);
    s->pools.slow = pg_pool_new("pg-slow", SLOW_THREADS);
    s->pools.read = pg_pool_new("pg-read", READ_THREADS);
    s->pools.verify = pg_pool_new("pg-verify", VERIFY_THREADS);
    s->pools.opa = pg_pool_new("pg-opa", OPA_THREADS);
    const struct store_config sc = {.path = c->storage_path,
                                    .max_bytes = c->storage_max_size,
                                    .reserve_bytes = c->storage_reserve,
                                    .uncached_bytes = UNCACHED_BYTES,
                                    .data_pool = s->pools.data,
                                    .slow_pool = s->pools.slow};
    return store_open(&sc, &s->store, err);
}

static void make_loops(struct serve *s)
{
    const struct config *c = config_of(s);

    flight_table_init(&s->flights);
    s->nloops = c->top_threads > 0 ? (unsigned)c->top_threads : count_cpus();
    for (unsigned i = 0; i < s->nloops; i++) {
        s->loops[i] = loop_new(i, &s->flights, s->first, s->pools.data);
    }
    s->fetch = fetch_start(s->store, s->spawn);
    s->service = service_new(s->store, s->fetch);
    service_audit_to(s->service, s->turn.trail);
    service_ask_opa_with(s->service, s->pools.opa);
    const struct service_evidence with = {s->pools.read, s->pools.verify, s->helpers.stamper};
    service_verify_with(s->service, &with);
    service_scan_with(s->service, s->helpers.scanning);
    scanning_hear(s->helpers.scanning, service_wishes(s->service));
    scanning_start(s->helpers.scanning, s->store);
    for (unsigned i = 0; i < s->nloops; i++) {
        service_attach(s->service, s->loops[i]);
    }
}

static void on_admin_command(struct admin_command *c, void *owner);

static void on_purged(struct sl name, void *owner)
{
    const struct serve *s = owner;

    fetch_forget_echoes(s->fetch);
    if (name.n > 0) /* a digest alone is content: no list changes */
        service_forget(s->service, name);
}

static void make_admin(struct serve *s)
{
    const struct keeper_config kc = {
        .store = s->store, .trail = s->turn.trail, .purged = on_purged, .owner = s};
    s->back.keeper = keeper_new(&kc);
    keeper_use(s->back.keeper, s->first);
    const struct admin_config ac = {.store = s->store,
                                    .keeper = keeper_for_admin(s->back.keeper),
                                    .fetch = s->fetch,
                                    .spawn = s->spawn,
                                    .affected = exposure_list,
                                    .shelf = service_shelf(s->service),
                                    .stamp = stamper_stamp(s->helpers.stamper),
                                    .trail = s->turn.trail,
                                    .loops = s->loops,
                                    .nloops = s->nloops,
                                    .version = VERSION_TEXT,
                                    .listen = config_of(s)->admin_listen,
                                    .control_uid = geteuid(),
                                    .command = on_admin_command,
                                    .purged = on_purged,
                                    .owner = s,
                                    .write_request = service_write_request};

    s->admin = admin_new(&ac);
}

static int open_intake(struct serve *s, struct pg_err *err)
{
    const struct socket_want want = {.address = config_of(s)->scans.listen};
    char bound[SOCKET_BOUND_MAX];

    int rc = intake_open(config_of(s), &s->helpers.intake, err);
    if (rc < 0 || s->helpers.intake == NULL) {
        return rc;
    }
    intake_start(s->helpers.intake, s->store, s->turn.trail);
    if (listen_open(s->listen, &want, intake_door(s->helpers.intake), bound, err) < 0) {
        return -1;
    }
    pg_log_say(PG_LOG_INFO, PG_LOG_START, "listener %s, TLS, for scan reports", bound);
    return 0;
}

static int open_listeners(struct serve *s, struct pg_err *err)
{
    const struct config *c = config_of(s);

    s->listen = listen_new(s->loops, s->nloops, c->limits_connections);
    s->door = door_new();
    if (open_intake(s, err) < 0) {
        return -1;
    }
    return door_open(s->door, s->listen, c, s->service, s->admin, err);
}

/* What may ever be run is said while all that was read is ours. */
static int permit_programs(struct serve *s, struct pg_err *err)
{
    if (upgrade_permit(s->turn.upgrade, s->spawn, err) < 0) {
        pg_log_say(PG_LOG_WARN, PG_LOG_START, "upgrades will not be possible: %s", err->msg);
        pg_err_clear(err);
    }
    if (stamper_open(s->spawn, &(struct stamper_options){0}, &s->helpers.stamper, err) < 0 ||
        scanners_open(config_of(s), s->spawn, &s->helpers.scanning, err) < 0) {
        return -1;
    }
    return credential_permit(config_of(s), s->spawn, err);
}

/* Those with threads of their own, which nobody waits for. */
static void start_couriers(struct serve *s)
{
    char *path = ledger_path(config_of(s));

    s->turn.forward = forward_start(config_of(s), s->turn.trail, path);
    s->turn.feeder = feeder_start(config_of(s), s->store, s->turn.trail);
    free(path);
}

/* All that can fail is done before anything runs. */
static int start(struct serve *s, struct pg_err *err)
{
    if (socket_take_passed(err) < 0 ||
        spawn_open(SPAWN_HELPERS + (unsigned)config_of(s)->scans.nscanners, &s->spawn, err) < 0 ||
        permit_programs(s, err) < 0 || set_up_process(s, err) < 0 ||
        confine_files(config_of(s), err) < 0 ||
        heir_await_store(&s->turn.heir, config_of(s)->storage_path, err) < 0 ||
        open_store(s, err) < 0 || ledger_open(config_of(s), &s->turn.trail, err) < 0) {
        return -1;
    }
    pg_log_start();
    spawn_start(s->spawn);
    if (config_of(s)->trace_endpoint[0] != '\0' &&
        export_start(config_of(s)->trace_endpoint, VERSION_TEXT, &s->back.export, err) < 0) {
        return -1;
    }
    start_couriers(s);
    s->back.hooks = hook_start(config_of(s));
    make_loops(s);
    make_admin(s);
    if (open_listeners(s, err) < 0) {
        return -1;
    }
    const struct reload_target target = {.file = s->args->config_file,
                                         .loops = s->loops,
                                         .nloops = s->nloops,
                                         .json = s->args->json,
                                         .listen = s->listen,
                                         .door = s->door,
                                         .intake = s->helpers.intake,
                                         .store = s->store,
                                         .keeper = s->back.keeper,
                                         .trail = s->turn.trail,
                                         .forward = s->turn.forward,
                                         .feeder = s->turn.feeder,
                                         .hooks = s->back.hooks,
                                         .notify = s->notify,
                                         .home = &s->mail};
    s->reload = reload_new(&target, s->first);
    for (unsigned i = 0; i < s->nloops; i++) {
        loop_run(s->loops[i]);
    }
    notify_watch(s->notify, s->loops, s->nloops);
    s->watch = watch_start(s->loops, s->nloops, WATCH_SLOW_MS, WATCH_DEAD_MS);
    if (confine_calls(config_of(s), err) < 0) {
        return -1;
    }
    upgrade_aim(s->turn.upgrade, &(struct upgrade_aim){.spawn = s->spawn,
                                                       .store = s->store,
                                                       .trail = s->turn.trail,
                                                       .forward = s->turn.forward,
                                                       .feeder = s->turn.feeder,
                                                       .listen = s->listen});
    heir_serves(&s->turn.heir);
    listen_start(s->listen);
    pg_metric_inc(PG_M_RELOADS);
    return 0;
}

/* Somebody may have closed standard output, or its disk is full: it is served all the same. */
static void say_ready(const struct serve *s)
{
    char line[2 * SOCKET_BOUND_MAX + 32];
    int n = snprintf(line, sizeof(line), "listening on %s admin %s\n", door_bound(s->door),
                     door_bound_admin(s->door));

    PG_CHECK(n > 0 && (size_t)n < sizeof(line));
    pg_log_say(PG_LOG_INFO, PG_LOG_START,
               "pullgate " VERSION_TEXT " serves on %s, admin on %s, "
               "%u loops, store %s",
               door_bound(s->door), door_bound_admin(s->door), s->nloops,
               config_of(s)->storage_path);
    if (print_out((struct sl){line, (size_t)n}) < 0) {
        pg_log_say(PG_LOG_WARN, PG_LOG_START, "standard output takes nothing");
    }
    notify_say(s->notify, "READY=1");
}

/* ---- run ----------------------------------------------------------------------------------- */

static unsigned count_connections(const struct serve *s)
{
    unsigned n = 0;

    for (unsigned i = 0; i < s->nloops; i++) {
        n += atomic_load(&s->loops[i]->nconns);
    }
    return n;
}

static void drain(struct serve *s, const char *why)
{
    uint64_t ms = reload_config(s->reload)->limits_drain_timeout;

    if (s->phase != SERVING) {
        pg_log_say(PG_LOG_WARN, PG_LOG_STOP, "%s again: ends at once, with %u connections", why,
                   count_connections(s));
        s->phase = ENDING;
        return;
    }
    upgrade_cancel(s->turn.upgrade);
    s->phase = DRAINING;
    s->drained_by_ms = pg_clock_mono_ms() + ms;
    pg_log_say(PG_LOG_INFO, PG_LOG_STOP, "%s: drains %u connections for at most %llu ms", why,
               count_connections(s), (unsigned long long)ms);
    notify_say(s->notify, "STOPPING=1");
    pg_metric_set(PG_M_DRAINING, 1);
    admin_set_draining(s->admin);
    listen_drain(s->listen, true);
    for (unsigned i = 0; i < s->nloops; i++) {
        loop_drain(s->loops[i]);
    }
}

/* As drain(), but there is an heir to whom clients go: idle connections have time to end. What they
 * ask for meanwhile is decided by what the heir read, too. */
static void retire(struct serve *s, pid_t heir)
{
    uint64_t ms = reload_config(s->reload)->limits_drain_timeout;
    char main_pid[32];

    (void)snprintf(main_pid, sizeof(main_pid), "MAINPID=%d", (int)heir);
    notify_say(s->notify, main_pid);
    reload_start(s->reload, NULL);
    scanning_stop(s->helpers.scanning); /* the heir's are at work in their folders from now on */
    s->phase = DRAINING;
    s->drained_by_ms = pg_clock_mono_ms() + ms;
    pg_log_say(PG_LOG_INFO, PG_LOG_STOP, "retires: %u connections have at most %llu ms",
               count_connections(s), (unsigned long long)ms);
    pg_metric_set(PG_M_DRAINING, 1);
    admin_set_draining(s->admin);
    for (unsigned i = 0; i < s->nloops; i++) {
        loop_retire(s->loops[i]);
    }
}

/* What the admin service wants, on its way from a loop to main. */
struct order {
    struct pg_mail mail;
    struct serve *serve;
    struct admin_command *command;
};

static void start_upgrade(struct serve *s, struct admin_command *c)
{
    if (s->phase == SERVING) {
        upgrade_start(s->turn.upgrade, c);
    } else if (c != NULL) {
        (void)pg_fail(&c->err, PG_E_CANCELED, "this server is about to end");
        admin_command_done(c);
    }
}

static void on_order(struct pg_mail *mail)
{
    struct order *order = pg_container_of(mail, struct order, mail);
    struct serve *s = order->serve;
    struct admin_command *c = order->command;

    free(order);
    switch (c->verb) {
    case ADMIN_RELOAD:
        reload_start(s->reload, c);
        return;
    case ADMIN_DRAIN:
        c->revision = reload_revision(s->reload);
        admin_command_done(c);
        drain(s, "drain");
        return;
    case ADMIN_UPGRADE:
        c->revision = reload_revision(s->reload);
        start_upgrade(s, c);
        return;
    }
    PG_BUG("a command of no verb");
}

static void on_admin_command(struct admin_command *c, void *owner)
{
    struct serve *s = owner;
    struct order *order = calloc(1, sizeof(*order));

    PG_CHECK(order != NULL);
    *order = (struct order){.mail = {.deliver = on_order}, .serve = s, .command = c};
    pg_mailbox_post(&s->mail, &order->mail);
}

static void retain(struct serve *s)
{
    struct pg_err err = {0};
    uint64_t run = 0;

    if (keeper_ask(s->back.keeper, KEEPER_SIGNAL, &run, &err) < 0) {
        pg_log_say(PG_LOG_WARN, PG_LOG_STORE, "SIGUSR1: %s", err.msg);
    }
    pg_err_clear(&err);
}

static void take_signals(struct serve *s)
{
    struct signalfd_siginfo info;

    while (read(s->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        switch (info.ssi_signo) {
        case SIGHUP:
            reload_start(s->reload, NULL);
            break;
        case SIGUSR1:
            retain(s);
            break;
        case SIGUSR2:
            start_upgrade(s, NULL);
            break;
        case SIGINT:
            drain(s, "SIGINT");
            break;
        default:
            drain(s, "SIGTERM");
            break;
        }
    }
}

/* -1 is never. */
static int sooner(int a, int b)
{
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* Returns after how long to look again. */
static int turn_upgrade(struct serve *s)
{
    int wait_ms = -1;
    pid_t heir = 0;

    switch (upgrade_turn(s->turn.upgrade, &wait_ms, &heir)) {
    case UPGRADE_GIVEN:
        retire(s, heir);
        break;
    case UPGRADE_LOST:
        s->turn.is_lost = true;
        drain(s, "the store is lost");
        break;
    case UPGRADE_NOTHING:
        break;
    }
    return sooner(wait_ms, heir_turn(&s->turn.heir, s->store, s->turn.trail));
}

/* What is revoked is the heir's to write and, while this process ends, its to hear. */
static void follow_heir(struct serve *s)
{
    struct pg_err err = {0};

    if (!revoked_shared_is_behind(s->store)) {
        return;
    }
    if (revoked_shared_follow(s->store, &err) < 0 && !s->turn.is_behind) {
        pg_log_say(PG_LOG_ERROR, PG_LOG_SECURITY,
                   "what the new process revokes cannot be read, nothing is let out: %s", err.msg);
        s->turn.is_behind = true;
    }
    pg_err_clear(&err);
}

/* Waits for signals and messages; while it drains, also for the last connection. */
static void run(struct serve *s)
{
    enum { SIGNALS, WAKE, UPGRADE, HEIR, NPOLLS };
    struct pollfd polls[NPOLLS] = {[SIGNALS] = {.fd = s->signal_fd, .events = POLLIN},
                                   [WAKE] = {.fd = s->wake_fd, .events = POLLIN},
                                   [UPGRADE] = {.events = POLLIN},
                                   [HEIR] = {.events = POLLIN}};

    while (s->phase != ENDING) {
        eventfd_t n;
        int wait_ms = sooner(sooner(notify_turn(s->notify), door_look(s->door)), turn_upgrade(s));
        wait_ms = sooner(wait_ms, admission_look(&s->policy_watch, s->reload));
        polls[UPGRADE].fd = upgrade_fd(s->turn.upgrade);
        polls[HEIR].fd = s->turn.heir.fd;
        int rc = poll(polls, NPOLLS, s->phase == DRAINING ? DRAIN_LOOK_MS : wait_ms);
        PG_CHECK(rc >= 0 || errno == EINTR);
        follow_heir(s);
        if (polls[SIGNALS].revents != 0) {
            take_signals(s);
        }
        if (polls[WAKE].revents != 0) {
            (void)eventfd_read(s->wake_fd, &n);
            (void)pg_mailbox_drain(&s->mail);
        }
        if (s->phase == DRAINING &&
            (count_connections(s) == 0 || pg_clock_mono_ms() >= s->drained_by_ms)) {
            s->phase = ENDING;
        }
    }
}

/* ---- end ----------------------------------------------------------------------------------- */

static void restore_signals(void)
{
    sigset_t set = our_signals();

    (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* Those that work for loops. */
static void end_pools(struct serve_pools *p)
{
    struct pg_pool *all[] = {p->data, p->read, p->verify, p->opa};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (all[i] != NULL) {
            pg_pool_free(all[i]);
        }
    }
}

static void close_log(struct serve *s)
{
    feeder_stop(s->turn.feeder);
    forward_stop(s->turn.forward);
    ledger_close(s->turn.trail, s->turn.is_lost ? "the store is lost" : "ok");
}

static void end_process(struct serve *s)
{
    if (s->nloops > 0) {
        flight_table_free(&s->flights);
    }
    pg_fd_close(&s->wake_fd);
    pg_fd_close(&s->signal_fd);
}

/* The reverse of start(), from wherever that came to. The pools that work for
 * loops end before those do: they
 * let go of what its jobs held, and the store closes when nothing is held. */
static void end(struct serve *s)
{
    if (s->listen != NULL) {
        listen_stop(s->listen);
    }
    intake_close(s->helpers.intake);
    if (s->watch != NULL) {
        watch_stop(s->watch);
    }
    for (unsigned i = 0; i < s->nloops; i++) {
        loop_stop(s->loops[i]);
    }
    scanning_stop(s->helpers.scanning);
    reload_close(s->reload);
    (void)pg_mailbox_drain(&s->mail);
    reload_free(s->reload);
    for (unsigned i = 0; i < s->nloops; i++) {
        service_detach(s->loops[i]);
    }
    keeper_stop(s->back.keeper);
    if (s->fetch != NULL) {
        fetch_stop(s->fetch);
    }
    end_pools(&s->pools);
    if (s->admin != NULL) {
        admin_stop(s->admin);
    }
    for (unsigned i = 0; i < s->nloops; i++) {
        loop_free(s->loops[i]);
    }
    watch_free(s->watch);
    if (s->admin != NULL) {
        admin_free(s->admin);
    }
    keeper_free(s->back.keeper);
    service_free(s->service);
    scanning_close(s->helpers.scanning);
    door_free(s->door);
    export_stop(s->back.export);
    notify_close(s->notify);
    close_log(s);
    store_close(s->store);
    hook_stop(s->back.hooks);      /* nobody has news any more */
    upgrade_free(s->turn.upgrade); /* which tells an heir that we have ended */
    heir_close(&s->turn.heir);
    stamper_free(s->helpers.stamper);
    if (s->spawn != NULL) {
        spawn_close(s->spawn);
    }
    if (s->pools.slow != NULL) {
        pg_pool_free(s->pools.slow);
    }
    end_process(s);
}

static int fail_start(struct serve *s, struct pg_err *err)
{
    (void)print_failure("%s%s%s%s", err->msg, err->detail != NULL ? " (" : "",
                        err->detail != NULL ? err->detail : "", err->detail != NULL ? ")" : "");
    heir_refuses(&s->turn.heir, err->msg);
    pg_err_clear(err);
    return COMMAND_CANNOT;
}

static int serve(struct serve *s)
{
    struct pg_err err = {0};
    int status = COMMAND_GOOD;

    s->notify = notify_open(s->turn.heir.is_heir);
    s->turn.upgrade = upgrade_new(s->args->program, s->args->config_file, s->args->json);
    if (start(s, &err) < 0) {
        status = fail_start(s, &err);
    } else {
        say_ready(s);
        run(s);
    }
    restore_signals();
    end(s);
    if (s->turn.is_lost) {
        status = COMMAND_CANNOT;
    }
    if (status == COMMAND_GOOD) {
        pg_log_say(PG_LOG_INFO, PG_LOG_STOP, "pullgate ends");
    }
    pg_log_stop();
    return status;
}

/* A heir that may not serve says so to whom it would have succeeded. */
static int refuse_config(struct serve *s, int rc, const struct config_load *load,
                         struct pg_err *err)
{
    rc = show_refusal(rc, load, err);
    heir_refuses(&s->turn.heir, "the configuration is not good");
    return rc;
}

static int serve_configured(struct serve *s)
{
    struct config_load load;
    struct pg_err err = {0};
    int rc = config_load(s->args->config_file, &load, &err);

    if (rc != 0) {
        rc = refuse_config(s, rc, &load, &err);
        config_load_free(&load);
        return rc;
    }
    pg_log_setup(s->args->json ? PG_LOG_JSON : load.config.log_format, load.config.log_level);
    admission_date(NULL, &load.config);
    s->first = config_snapshot_new(&load.config, 1);
    admission_tell(NULL, &s->first->config);
    config_load_free(&load);
    rc = serve(s);
    config_snapshot_unref(s->first);
    return rc;
}

int serve_run(const struct command_args *args)
{
    struct serve s = {.args = args, .signal_fd = -1, .wake_fd = -1};
    struct pg_err err = {0};
    int rc = heir_open(&s.turn.heir, &err) < 0 ? fail_start(&s, &err) : serve_configured(&s);

    heir_close(&s.turn.heir);
    return rc;
}
