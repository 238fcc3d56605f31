/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/upgrade.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/trail.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "cache/handover.h"
#include "cli/heir.h"
#include "cli/relay.h"
#include "proxy/admit/feeder.h"
#include "proxy/upstream/forward.h"

#define PREPARE_MS   60000 /* from its start until it is prepared */
#define GIVE_MS      60000 /* from then until it serves */
#define TAKE_BACK_MS 10000 /* until one that was killed has let go of the store */
#define STRINGS_MAX  SPAWN_STRINGS_MAX

enum state { IDLE, STARTING, GIVING, GIVEN };

struct upgrade {
    char *program, *config_file; /* absolute; the second may be NULL */
    bool json;
    struct upgrade_aim at;
    enum state state;
    int fd; /* the relay */
    uint64_t until_ms;
    struct admin_command *asked; /* NULL: by a signal */
};

/* ---- where things are ---------------------------------------------------------------------- */

static char *absolute(const char *path)
{
    char here[PATH_MAX], *whole = NULL;

    if (path[0] == '/' || getcwd(here, sizeof(here)) == NULL) {
        whole = strdup(path);
    } else if (asprintf(&whole, "%s/%s", here, path) < 0) {
        whole = NULL;
    }
    PG_CHECK(whole != NULL);
    return whole;
}

/* As it was called: a link may lead to another version by then. Found by the shell's search, there
 * is no such name. */
static char *find_program(const char *called)
{
    char self[PATH_MAX];
    ssize_t n;

    if (strchr(called, '/') != NULL) {
        return absolute(called);
    }
    n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    return n > 0 ? sl_dup((struct sl){self, (size_t)n}) : absolute(called);
}

struct upgrade *upgrade_new(const char *program, const char *config_file, bool json)
{
    struct upgrade *u = calloc(1, sizeof(*u));

    PG_CHECK(u != NULL);
    u->program = find_program(program);
    u->config_file = config_file != NULL ? absolute(config_file) : NULL;
    u->json = json;
    u->fd = -1;
    return u;
}

int upgrade_permit(const struct upgrade *u, struct spawn *spawn, struct pg_err *err)
{
    const char *argv[8] = {u->program, "serve"};
    const char *env[STRINGS_MAX] = {HEIR_VARIABLE "=3"};
    size_t n = 2;

    if (u->config_file != NULL) {
        argv[n++] = "-c";
        argv[n++] = u->config_file;
    }
    if (u->json) {
        argv[n] = "--json";
    }
    for (size_t i = 0; environ[i] != NULL; i++) {
        if (i + 2 >= STRINGS_MAX) {
            return pg_fail(err, PG_E_INTERNAL, "the environment has too many variables");
        }
        env[i + 1] = environ[i];
    }
    return spawn_permit_launch(spawn, argv, env, err);
}

void upgrade_aim(struct upgrade *u, const struct upgrade_aim *at)
{
    u->at = *at;
}

/* ---- the end of it ------------------------------------------------------------------------- */

static void answer(struct upgrade *u, const struct pg_err *err)
{
    struct admin_command *c = u->asked;

    u->asked = NULL;
    if (c != NULL) {
        if (err != NULL) {
            pg_err_copy(&c->err, err);
        }
        admin_command_done(c);
    }
}

/* False: the store is lost. */
static bool take_back(struct upgrade *u)
{
    struct pg_err err = {0};

    if (u->state != GIVING) {
        return true;
    }
    if (handover_resume(u->at.store, TAKE_BACK_MS, &err) < 0) {
        pg_log_say(PG_LOG_ERROR, PG_LOG_STOP, "the store cannot be taken back: %s", err.msg);
        pg_err_clear(&err);
        return false;
    }
    if (trail_resume(u->at.trail, &err) < 0) {
        pg_log_say(PG_LOG_ERROR, PG_LOG_STOP, "the audit log cannot be taken back: %s", err.msg);
        pg_err_clear(&err);
    } else {
        forward_resume(u->at.forward);
    }
    feeder_resume(u->at.feeder);
    listen_pause(u->at.listen, false);
    return true;
}

static enum upgrade_news give_up(struct upgrade *u, const char *why)
{
    struct pg_err err = {0};

    (void)pg_fail(&err, PG_E_INTERNAL, "the upgrade failed: %s", why);
    pg_log_say(PG_LOG_ERROR, PG_LOG_CONTROL, "%s; this process goes on", err.msg);
    pg_fd_close(&u->fd); /* by which it ends */
    spawn_launch_kill(u->at.spawn);
    bool has_store = take_back(u);
    u->state = IDLE;
    answer(u, &err);
    pg_err_clear(&err);
    return has_store ? UPGRADE_NOTHING : UPGRADE_LOST;
}

/* ---- start --------------------------------------------------------------------------------- */

static bool send_listeners(const struct upgrade *u)
{
    struct socket_bound bound;
    bool ok = true;

    for (unsigned i = 0; ok && listen_share(u->at.listen, i, &bound); i++) {
        struct relay_message m = {.what = RELAY_LISTENER, .is_passed = bound.is_passed};
        memcpy(m.asked, bound.asked, sizeof(m.asked));
        memcpy(m.address, bound.address, sizeof(m.address));
        (void)snprintf(m.text, sizeof(m.text), "%s", bound.path);
        ok = relay_send(u->fd, &m, bound.fd);
    }
    return ok && relay_say(u->fd, RELAY_LISTENERS, "");
}

static int begin(struct upgrade *u, struct pg_err *err)
{
    int ends[2];

    if (u->state != IDLE) {
        return pg_fail(err, PG_E_INTERNAL, "an upgrade is under way");
    }
    if (relay_open(ends, err) < 0) {
        return -1;
    }
    u->fd = ends[0];
    const int fds[4] = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, ends[1]};
    int rc = send_listeners(u) ? spawn_launch(u->at.spawn, fds, err)
                               : pg_fail(err, PG_E_INTERNAL, "too many listeners to hand over");
    pg_fd_close(&ends[1]);
    if (rc < 0) {
        pg_fd_close(&u->fd);
    }
    return rc;
}

void upgrade_start(struct upgrade *u, struct admin_command *c)
{
    struct pg_err err = {0};

    if (begin(u, &err) < 0) {
        pg_log_say(PG_LOG_ERROR, PG_LOG_CONTROL, "no upgrade: %s", err.msg);
        if (c != NULL) {
            pg_err_move(&c->err, &err);
            admin_command_done(c);
        }
        pg_err_clear(&err);
        return;
    }
    u->asked = c;
    u->state = STARTING;
    u->until_ms = pg_clock_mono_ms() + PREPARE_MS;
    pg_log_say(PG_LOG_INFO, PG_LOG_CONTROL, "upgrade: starting %s", u->program);
}

/* ---- news ---------------------------------------------------------------------------------- */

static enum upgrade_news give(struct upgrade *u)
{
    struct pg_err err = {0};

    listen_pause(u->at.listen, true);
    feeder_hold(u->at.feeder);
    if (handover_hold(u->at.store, &err) < 0) {
        listen_pause(u->at.listen, false);
        feeder_resume(u->at.feeder);
        enum upgrade_news news = give_up(u, err.msg);
        pg_err_clear(&err);
        return news;
    }
    forward_hold(u->at.forward);
    trail_hold(u->at.trail);
    u->state = GIVING;
    u->until_ms = pg_clock_mono_ms() + GIVE_MS;
    (void)relay_say(u->fd, RELAY_STORE, "");
    return UPGRADE_NOTHING;
}

/* The relay stays open: that it closes tells the heir that we have ended. */
static enum upgrade_news succeed(struct upgrade *u, pid_t pid)
{
    handover_give(u->at.store);
    listen_bequeath(u->at.listen);
    u->state = GIVEN;
    pg_log_say(PG_LOG_INFO, PG_LOG_STOP, "upgrade: process %d serves now", (int)pid);
    answer(u, NULL);
    return UPGRADE_GIVEN;
}

static enum upgrade_news hear(struct upgrade *u, const struct relay_message *m, pid_t *pid_r)
{
    switch (m->what) {
    case RELAY_PREPARED:
        return u->state == STARTING ? give(u) : give_up(u, "the new process is confused");
    case RELAY_SERVES:
        *pid_r = m->pid;
        return u->state == GIVING ? succeed(u, m->pid) : give_up(u, "the new process is confused");
    case RELAY_REFUSES:
        return give_up(u, m->text);
    case RELAY_GONE:
        return give_up(u, "the new process ended before it served; the log has its last words");
    default:
        return give_up(u, "the new process is confused");
    }
}

int upgrade_fd(const struct upgrade *u)
{
    return u->state == STARTING || u->state == GIVING ? u->fd : -1;
}

enum upgrade_news upgrade_turn(struct upgrade *u, int *wait_ms_r, pid_t *pid_r)
{
    enum upgrade_news news = UPGRADE_NOTHING;
    struct relay_message m;
    struct pg_err err = {0};
    int fd;

    *wait_ms_r = -1;
    if (upgrade_fd(u) < 0) {
        return news;
    }
    int rc = relay_recv(u->fd, 0, &m, &fd, &err);
    pg_fd_close(&fd);
    uint64_t now_ms = pg_clock_mono_ms();
    if (rc != 0) {
        news = rc < 0 ? give_up(u, err.msg) : hear(u, &m, pid_r);
    } else if (now_ms >= u->until_ms) {
        news = give_up(u, "the new process was too slow");
    }
    pg_err_clear(&err);
    if (upgrade_fd(u) >= 0) {
        *wait_ms_r = u->until_ms > now_ms ? (int)(u->until_ms - now_ms) : 0;
    }
    return news;
}

void upgrade_cancel(struct upgrade *u)
{
    if (upgrade_fd(u) >= 0) {
        (void)give_up(u, "this server was told to end");
    }
}

void upgrade_free(struct upgrade *u)
{
    if (u == NULL) {
        return;
    }
    struct pg_err err = {0};
    (void)pg_fail(&err, PG_E_CANCELED, "pullgate ends");
    answer(u, &err);
    pg_err_clear(&err);
    pg_fd_close(&u->fd);
    free(u->program);
    free(u->config_file);
    free(u);
}
