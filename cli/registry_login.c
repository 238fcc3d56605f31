/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/registry_login.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/program.h"
#include "proxy/upstream/docker_config.h"
#include "proxy/upstream/docker_credential.h"

#define PATH_ROOM 4096
#define HELPER_MS 30000

/* Where logins are kept, in the order in which they are looked for. */
static const struct {
    const char *variable, *rest;
} places[] = {
    {"REGISTRY_AUTH_FILE", ""},
    {"XDG_RUNTIME_DIR", "/containers/auth.json"},
    {"DOCKER_CONFIG", "/config.json"},
    {"HOME", "/.docker/config.json"},
};

/* 1; 0: it is not there; -1. */
static int read_file(const char *path, struct pg_buf *out, struct pg_err *err)
{
    _fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    char chunk[8192];
    ssize_t n = 1;

    if (fd < 0) {
        return errno == ENOENT ? 0
                               : pg_fail(err, PG_E_UPSTREAM_DOWN, "cannot read %s: %s", path,
                                         strerrordesc_np(errno));
    }
    while (n > 0) {
        n = read(fd, chunk, sizeof(chunk));
        if (n < 0 || (n > 0 && pg_buf_put(out, (struct sl){chunk, (size_t)n}) < 0)) {
            return pg_fail(err, PG_E_UPSTREAM_DOWN, "cannot read %s, or it is too large", path);
        }
    }
    return 1;
}

static int ask_helper(const char *name, const char *server, struct secret *secret_r,
                      struct pg_err *err)
{
    char path[DOCKER_CREDENTIAL_PATH_MAX], get[] = "get";
    struct program_result result;
    struct pg_buf out;

    if (docker_credential_find(name, path, err) < 0) {
        return -1;
    }
    char *argv[] = {path, get, NULL};
    pg_buf_init(&out, DOCKER_CREDENTIAL_OUTPUT_MAX);
    int rc = program_run_fed(argv, sl_str(server), HELPER_MS, &out, &result, err);
    if (rc == 0 && result.end != PROGRAM_EXITED) {
        rc = pg_fail(err, PG_E_UPSTREAM_DOWN, "the credential helper %s did not answer", name);
    } else if (rc == 0) {
        rc = docker_credential_parse(pg_buf_sl(&out), result.status, secret_r, err);
    }
    secret_wipe(&out);
    return rc < 0 ? -1 : 1;
}

static int look_in(const char *path, const char *server, struct secret *secret_r,
                   struct pg_err *err)
{
    struct docker_config config = {0};
    struct pg_buf text;

    pg_buf_init(&text, DOCKER_CONFIG_BYTES_MAX);
    int rc = read_file(path, &text, err);
    if (rc > 0) {
        rc = docker_config_parse(pg_buf_sl(&text), server, &config, err);
        if (rc < 0) {
            (void)pg_wrap(err, "%s", path);
        }
    }
    secret_wipe(&text);
    if (rc > 0 && config.helper[0] != '\0') {
        rc = ask_helper(config.helper, server, secret_r, err);
    } else if (rc > 0) {
        secret_move(secret_r, &config.secret);
    }
    docker_config_clear(&config);
    return rc;
}

int registry_login_find(const char *host, struct secret *secret_r, struct pg_err *err)
{
    const char *server = docker_config_server(host);
    char path[PATH_ROOM];
    int rc = 0;

    *secret_r = (struct secret){0};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]) && rc == 0; i++) {
        const char *base = getenv(places[i].variable); // NOLINT(concurrency-mt-unsafe): main alone
        if (base == NULL || base[0] == '\0') {
            continue;
        }
        int n = snprintf(path, sizeof(path), "%s%s", base, places[i].rest);
        if (n > 0 && (size_t)n < sizeof(path)) {
            rc = look_in(path, server, secret_r, err);
        }
    }
    return rc;
}
