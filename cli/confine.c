/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/confine.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/metric.h"
#include "cache/dir.h"
#include "cli/option.h"
#include "proxy/sandbox.h"
#include "proxy/sandbox_calls.h"

/* Whole directories: files in them are replaced while the server runs (resolv.conf by DHCP,
 * certificates by their renewal), and a library may be loaded at the first look-up of a name. */
static const char *const system_paths[] = {
    "/etc",
    "/usr/lib",
    "/lib",
    "/lib64",
    "/usr/local/lib",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/usr/share/zoneinfo",
    "/run/resolvconf",
    "/run/systemd/resolve",
    "/run/NetworkManager",
    "/run/nscd",
    "/proc/self",
    "/proc/sys/net/core/somaxconn",
    "/proc/sys/vm/overcommit_memory",
    "/sys/devices/system/cpu",
    "/sys/fs/cgroup",
    "/dev/urandom",
};

static int let_system(struct pg_err *err)
{
    static const char *const from_environment[] = {"SSL_CERT_FILE", "SSL_CERT_DIR", "OPENSSL_CONF"};

    for (size_t i = 0; i < sizeof(system_paths) / sizeof(system_paths[0]); i++) {
        if (sandbox_let(system_paths[i], SANDBOX_READ, err) < 0) {
            return -1;
        }
    }
    for (size_t i = 0; i < sizeof(from_environment) / sizeof(from_environment[0]); i++) {
        const char *path = getenv(from_environment[i]);
        if (path != NULL && path[0] == '/' &&
            (sandbox_let(path, SANDBOX_READ, err) < 0 || sandbox_let_file(path, err) < 0)) {
            return -1;
        }
    }
#ifdef PG_COVERAGE
    if (sandbox_let(PG_COVERAGE, SANDBOX_WRITE, err) < 0) {
        return -1;
    }
#endif
    return sandbox_let("/dev/null", SANDBOX_DEVICE, err);
}

/* Each option that is a path of a file; those of a directory that is written are there already. */
static int let_options(const struct option *options, size_t n, const void *base, struct pg_err *err)
{
    for (size_t i = 0; i < n; i++) {
        if (options[i].type == OPTION_PATH) {
            const char *path = *(char *const *)((const char *)base + options[i].offset);
            if (path != NULL && path[0] == '/' && sandbox_let_file(path, err) < 0) {
                return -1;
            }
        }
    }
    return 0;
}

static int let_tls(const struct config_tls *tls, struct pg_err *err)
{
    for (size_t i = 0; i < tls->npairs; i++) {
        if (sandbox_let_file(tls->pairs[i].cert, err) < 0 ||
            sandbox_let_file(tls->pairs[i].key, err) < 0) {
            return -1;
        }
    }
    return tls->client_ca != NULL ? sandbox_let_file(tls->client_ca, err) : 0;
}

/* A unix socket is made and removed in its directory. */
static int let_socket(const char *address, struct pg_err *err)
{
    if (strncmp(address, CONFIG_UNIX, strlen(CONFIG_UNIX)) != 0) {
        return 0;
    }
    char *path =
        sl_dup((struct sl){address + strlen(CONFIG_UNIX), strlen(address) - strlen(CONFIG_UNIX)});
    char *slash = strrchr(path, '/');

    *slash = '\0';
    int rc = path[0] != '\0' ? sandbox_let(path, SANDBOX_WRITE, err) : 0;
    free(path);
    return rc;
}

static int let_listeners(const struct config *c, struct pg_err *err)
{
    for (size_t i = 0; i < c->nlisteners; i++) {
        const struct config_listener *l = &c->listeners[i];
        if (let_tls(&l->tls, err) < 0 || let_socket(l->address, err) < 0) {
            return -1;
        }
    }
    return 0;
}

/* As given on the command line; relative to where we are. */
static int let_config_file(const char *file, struct pg_err *err)
{
    char *real = file[0] != '\0' ? realpath(file, NULL) : NULL;
    int rc = 0;

    if (file[0] == '/') {
        rc = sandbox_let_file(file, err);
    }
    if (rc == 0 && real != NULL) {
        rc = sandbox_let_file(real, err);
    }
    free(real);
    return rc;
}

/* The storage directory is made now: a rule is for what is there. */
static int let_written(const struct config *c, struct pg_err *err)
{
    _fd_ int fd = -1;

    if (dir_open(c->storage_path, true, &fd, err) < 0) {
        return -1;
    }
    char *control = config_control_path(c);
    char *slash = strrchr(control, '/');

    if (slash != control) {
        *slash = '\0';
    }
    int rc = sandbox_let(c->storage_path, SANDBOX_WRITE, err);
    if (rc == 0 && strcmp(control, "/") != 0) {
        rc = sandbox_let(control, SANDBOX_WRITE, err);
    }
    free(control);
    return rc;
}

/* Files and directories of the policy and of what it trusts, as they are now. */
static int let_admission(const struct config_admission *a, struct pg_err *err)
{
    for (size_t i = 0; i < a->nfiles; i++) {
        if (a->files[i][0] == '/' && sandbox_let_file(a->files[i], err) < 0) {
            return -1;
        }
    }
    return a->trust.notation_store != NULL ? sandbox_let(a->trust.notation_store, SANDBOX_READ, err)
                                           : 0;
}

static int let_sinks(const struct config *c, struct pg_err *err)
{
    for (size_t i = 0; i < c->nsinks; i++) {
        const struct config_sink *s = &c->sinks[i];
        const char *const files[] = {s->ca_file, s->client_cert, s->client_key, s->token_file};
        for (size_t k = 0; k < sizeof(files) / sizeof(files[0]); k++) {
            if (files[k] != NULL && sandbox_let_file(files[k], err) < 0) {
                return -1;
            }
        }
    }
    return 0;
}

static int let_feeds(const struct config *c, struct pg_err *err)
{
    for (size_t i = 0; i < c->nfeeds; i++) {
        const struct config_feed *f = &c->feeds[i];
        bool is_file = strncmp(f->url, "file:/", 6) == 0;
        if (sandbox_let_file(f->key_file, err) < 0 ||
            (f->ca_file != NULL && sandbox_let_file(f->ca_file, err) < 0) ||
            (is_file && sandbox_let_file(f->url + 5, err) < 0)) {
            return -1;
        }
    }
    return 0;
}

static int let_hooks(const struct config *c, struct pg_err *err)
{
    for (size_t i = 0; i < c->nhooks; i++) {
        const struct config_hook *h = &c->hooks[i];
        if (sandbox_let_file(h->secret_file, err) < 0 ||
            (h->ca_file != NULL && sandbox_let_file(h->ca_file, err) < 0)) {
            return -1;
        }
    }
    return 0;
}

static int let_all(const struct config *c, struct pg_err *err)
{
    if (let_written(c, err) < 0 || let_system(err) < 0 || let_config_file(c->file, err) < 0 ||
        let_options(option_global, OPTION_NGLOBAL, c, err) < 0 || let_listeners(c, err) < 0 ||
        let_admission(&c->admission, err) < 0 || let_sinks(c, err) < 0 || let_feeds(c, err) < 0 ||
        let_hooks(c, err) < 0) {
        return -1;
    }
    if (let_tls(&c->scans.tls, err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < c->scans.nsources; i++) {
        if (sandbox_let_file(c->scans.sources[i].token_file, err) < 0) {
            return -1;
        }
    }
    for (size_t i = 0; i < c->scans.nscanners; i++) {
        if (sandbox_let(c->scans.scanners[i].database, SANDBOX_READ, err) < 0) {
            return -1;
        }
    }
    for (size_t i = 0; i < c->nupstreams; i++) {
        if (let_options(option_upstream, OPTION_NUPSTREAM, &c->upstreams[i], err) < 0) {
            return -1;
        }
    }
    return 0;
}

/* What this kernel cannot do is not done, and said. */
static int degrade(int rc, const char *what, struct pg_err *err)
{
    if (rc == 0) {
        pg_log_say(PG_LOG_WARN, PG_LOG_SECURITY, "%s: %s", what, err->msg);
        pg_err_clear(err);
    }
    return rc;
}

static bool has_closed_files;

int confine_files(const struct config *c, struct pg_err *err)
{
    if (!c->top_sandbox) {
        pg_log_say(PG_LOG_WARN, PG_LOG_SECURITY, "the sandbox is switched off (sandbox: false)");
        return 0;
    }
    int rc = let_all(c, err);
    if (rc == 0) {
        rc =
            degrade(sandbox_close_files(err), "files outside of the store are not closed off", err);
    }
    has_closed_files = rc > 0;
    return rc;
}

int confine_calls(const struct config *c, struct pg_err *err)
{
    int rc = c->top_sandbox ? degrade(sandbox_calls_close(err),
                                      "system calls that are not needed are not closed off", err)
                            : 0;

    if (rc > 0 && has_closed_files) {
        pg_metric_set(PG_M_SANDBOXED, 1);
    }
    return rc;
}
