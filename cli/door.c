/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/door.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "cli/config.h"
#include "proxy/http/tls.h"

#define LOOK_MS   1000
#define ROTATE_MS ((uint64_t)3600000)
#define FILES_MAX (2 * CONFIG_PAIRS_MAX + 1)

/* What is asked of a file to know whether it changed. */
struct print {
    dev_t dev;
    ino_t ino;
    off_t size;
    struct timespec mtime, ctime;
    mode_t mode;
    uid_t uid;
};

struct prints {
    struct print file[FILES_MAX];
    size_t n;
};

struct entrance {
    struct conn_door door;
    struct prints loaded, seen; /* of what is in use; of the last look */
    bool stale;                 /* `loaded` was refused, and something older is in use */
};

struct door {
    struct entrance client[CONFIG_LISTENERS_MAX];
    struct conn_door admin, control;
    const struct config *config;
    size_t n;
    bool has_tls;
    uint64_t look_ms;   /* not before then are the files looked at again */
    uint64_t rotate_ms; /* when the keys of tickets are renewed */
    char bound[SOCKET_BOUND_MAX], admin_bound[SOCKET_BOUND_MAX];
};

/* ---- files --------------------------------------------------------------------------------- */

static void add_print(struct prints *p, const char *path)
{
    struct print *f = &p->file[p->n++];
    struct stat st;

    PG_CHECK(p->n <= FILES_MAX);
    memset(f, 0, sizeof(*f)); /* compared as bytes; and so it stays, when it is not there */
    if (stat(path, &st) < 0) {
        return;
    }
    f->dev = st.st_dev;
    f->ino = st.st_ino;
    f->size = st.st_size;
    f->mtime = st.st_mtim;
    f->ctime = st.st_ctim;
    f->mode = st.st_mode;
    f->uid = st.st_uid;
}

static void take_prints(const struct config_tls *tls, struct prints *p_r)
{
    p_r->n = 0;
    for (size_t i = 0; i < tls->npairs; i++) {
        add_print(p_r, tls->pairs[i].cert);
        add_print(p_r, tls->pairs[i].key);
    }
    if (tls->client_ca != NULL) {
        add_print(p_r, tls->client_ca);
    }
}

static bool is_same(const struct prints *a, const struct prints *b)
{
    return a->n == b->n && memcmp(a->file, b->file, a->n * sizeof(a->file[0])) == 0;
}

static void count(struct door *d)
{
    int64_t expires = 0, stale = 0;

    for (size_t i = 0; i < d->n; i++) {
        const struct entrance *e = &d->client[i];
        if (e->door.tls == NULL) {
            continue;
        }
        int64_t one = tls_server_expires(e->door.tls);
        expires = expires == 0 || one < expires ? one : expires;
        stale += e->stale ? 1 : 0;
    }
    pg_metric_set(PG_M_TLS_STALE, stale);
    pg_metric_set(PG_M_TLS_EXPIRES, expires);
}

static void load_again(struct door *d, size_t no, const struct prints *now)
{
    const struct config_listener *l = &d->config->listeners[no];
    struct entrance *e = &d->client[no];
    struct pg_err err = {0};

    e->loaded = *now;
    e->stale = tls_server_reload(e->door.tls, &l->tls, &err) < 0;
    if (e->stale) {
        pg_log_say(PG_LOG_ERROR, PG_LOG_CONFIG,
                   "listener %s: the certificate files changed and are no good, the old ones stay "
                   "in use: %s%s%s",
                   l->address, err.msg, err.detail != NULL ? "; " : "",
                   err.detail != NULL ? err.detail : "");
        pg_err_clear(&err);
        return;
    }
    pg_metric_inc(PG_M_TLS_LOADED);
    pg_log_say(PG_LOG_INFO, PG_LOG_CONFIG, "listener %s: new certificates are in use", l->address);
}

/* ---- opening ------------------------------------------------------------------------------- */

static int open_client(struct door *d, size_t no, struct listen *listen,
                       const struct conn_service *service, struct pg_err *err)
{
    const struct config_listener *l = &d->config->listeners[no];
    const struct socket_want want = {.address = l->address, .mode = l->mode, .owner = l->owner};
    struct entrance *e = &d->client[no];
    char bound[SOCKET_BOUND_MAX];

    e->door = (struct conn_door){.service = service, .listener = no};
    d->n = no + 1;
    if (l->tls.npairs > 0) {
        take_prints(&l->tls, &e->loaded); /* before: what changes meanwhile is seen later */
        e->seen = e->loaded;
        if (tls_server_new(&l->tls, &e->door.tls, err) < 0) {
            return -1;
        }
        d->has_tls = true;
        pg_metric_inc(PG_M_TLS_LOADED);
    }
    if (listen_open(listen, &want, &e->door, bound, err) < 0) {
        return -1;
    }
    if (no == 0) {
        memcpy(d->bound, bound, sizeof(bound));
    }
    pg_log_say(PG_LOG_INFO, PG_LOG_START, "listener %s%s", bound,
               l->tls.npairs == 0         ? ""
               : l->tls.client_ca == NULL ? ", TLS"
               : l->tls.client_required   ? ", TLS, client certificates required"
                                          : ", TLS, client certificates accepted");
    return 0;
}

static int open_admin(struct door *d, struct listen *listen, struct service *service,
                      struct admin *admin, struct pg_err *err)
{
    char *control = config_control_path(d->config);
    const struct socket_want tcp = {.address = d->config->admin_listen},
                             un = {.address = control, .mode = 0600};
    char bound[SOCKET_BOUND_MAX];
    int rc;

    d->admin = (struct conn_door){.service = admin_service(admin), .listener = CONN_NO_LISTENER};
    d->control = (struct conn_door){.service = service_control(service, admin),
                                    .listener = CONN_NO_LISTENER};
    rc = listen_open(listen, &tcp, &d->admin, d->admin_bound, err);
    if (rc == 0) {
        rc = listen_open(listen, &un, &d->control, bound, err);
    }
    free(control);
    return rc;
}

int door_open(struct door *d, struct listen *listen, const struct config *config,
              struct service *service, struct admin *admin, struct pg_err *err)
{
    d->config = config;
    for (size_t i = 0; i < config->nlisteners; i++) {
        if (open_client(d, i, listen, service_conn(service), err) < 0) {
            return -1;
        }
    }
    if (open_admin(d, listen, service, admin, err) < 0) {
        return -1;
    }
    socket_close_unused();
    d->rotate_ms = pg_clock_mono_ms() + ROTATE_MS;
    count(d);
    return 0;
}

const char *door_bound(const struct door *d)
{
    return d->bound;
}

const char *door_bound_admin(const struct door *d)
{
    return d->admin_bound;
}

/* ---- looking after them -------------------------------------------------------------------- */

void door_reload(struct door *d, const struct config *config)
{
    const struct config *old = d->config;

    PG_CHECK(config->nlisteners == d->n);
    d->config = config;
    for (size_t i = 0; i < d->n; i++) {
        const struct config_tls *tls = &config->listeners[i].tls;
        struct prints now;

        if (d->client[i].door.tls == NULL) {
            continue;
        }
        take_prints(tls, &now);
        if (!config_same_tls(tls, &old->listeners[i].tls) || !is_same(&now, &d->client[i].loaded)) {
            load_again(d, i, &now);
        }
        d->client[i].seen = now;
    }
    count(d);
}

static void rotate(struct door *d)
{
    if (pg_clock_mono_ms() < d->rotate_ms) {
        return;
    }
    d->rotate_ms = pg_clock_mono_ms() + ROTATE_MS;
    for (size_t i = 0; i < d->n; i++) {
        if (d->client[i].door.tls != NULL) {
            tls_server_rotate(d->client[i].door.tls);
        }
    }
}

int door_look(struct door *d)
{
    uint64_t now_ms = pg_clock_mono_ms();
    bool changed = false;

    if (!d->has_tls) {
        return -1;
    }
    if (now_ms < d->look_ms) {
        return (int)(d->look_ms - now_ms);
    }
    d->look_ms = now_ms + LOOK_MS;
    for (size_t i = 0; i < d->n; i++) {
        struct entrance *e = &d->client[i];
        struct prints now;

        if (e->door.tls == NULL) {
            continue;
        }
        take_prints(&d->config->listeners[i].tls, &now);
        if (!is_same(&now, &e->loaded) && is_same(&now, &e->seen)) {
            load_again(d, i, &now);
            changed = true;
        }
        e->seen = now;
    }
    if (changed) {
        count(d);
    }
    rotate(d);
    return LOOK_MS;
}

struct door *door_new(void)
{
    struct door *d = calloc(1, sizeof(*d));

    PG_CHECK(d != NULL);
    return d;
}

void door_free(struct door *d)
{
    if (d == NULL) {
        return;
    }
    for (size_t i = 0; i < d->n; i++) {
        tls_server_free(d->client[i].door.tls);
    }
    free(d);
}
