/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/docker_credential.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"

#define NAME_MAX_BYTES  64
#define VARIABLES_MAX   128
#define VARIABLES_BYTES ((size_t)32 * 1024) /* what the spawner takes is more */
#define PREFIX          "docker-credential-"

bool docker_credential_is_name(struct sl name)
{
    static const char known[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] == '\0' || strchr(known, name.p[i]) == NULL)
            return false;
    }
    return name.n > 0 && name.n <= NAME_MAX_BYTES && name.p[0] != '.' && name.p[0] != '-';
}

static int refuse(struct pg_err *err, const char *why, const char *path)
{
    pg_fail(err, PG_E_UPSTREAM_DOWN, "the credential helper %s", why);
    return pg_detail(err, "%s", path);
}

/* 1: may be run; 0: is not there; -1. */
static int check(const char *path, struct pg_err *err)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return errno == ENOENT || errno == ENOTDIR ? 0 : refuse(err, "cannot be looked at", path);
    if (!S_ISREG(st.st_mode) || access(path, X_OK) < 0)
        return refuse(err, "is not an executable file; run: chmod 0755 on it", path);
    if (st.st_uid != 0 && st.st_uid != geteuid())
        return refuse(err, "must belong to root or to the user that runs pullgate", path);
    if ((st.st_mode & 022) != 0)
        return refuse(err, "can be written by others; run: chmod go-w on it", path);
    return 1;
}

int docker_credential_find(const char *name, char path_r[DOCKER_CREDENTIAL_PATH_MAX],
                           struct pg_err *err)
{
    static const char *const folders[] = {"/usr/libexec/pullgate", "/usr/local/bin", "/usr/bin",
                                          "/bin"};
    char path[DOCKER_CREDENTIAL_PATH_MAX];
    bool is_path = name[0] == '/';
    int found = 0;

    if (!is_path && !docker_credential_is_name((struct sl){name, strlen(name)}))
        return refuse(err, "must be an absolute path, or a name such as ecr-login", name);
    for (size_t i = 0; i < (is_path ? 1 : sizeof(folders) / sizeof(folders[0])) && found == 0;
         i++) {
        bool is_whole = strncmp(name, PREFIX, sizeof(PREFIX) - 1) == 0;
        int n = is_path ? snprintf(path, sizeof(path), "%s", name)
                        : snprintf(path, sizeof(path), "%s/%s%s", folders[i],
                                   is_whole ? "" : PREFIX, name);

        if (n < 0 || (size_t)n >= sizeof(path))
            return refuse(err, "has too long a path", name);
        found = check(path, err);
    }
    if (found == 0)
        return is_path
                   ? refuse(err, "is not there", name)
                   : refuse(err,
                            "is in none of /usr/libexec/pullgate, /usr/local/bin, /usr/bin, /bin",
                            name);
    if (found > 0)
        memcpy(path_r, path, strlen(path) + 1);
    return found > 0 ? 0 : -1;
}

static struct sl trim(struct sl s)
{
    while (s.n > 0 && (s.p[s.n - 1] == '\n' || s.p[s.n - 1] == '\r' || s.p[s.n - 1] == ' '))
        s.n--;
    return s;
}

int docker_credential_parse(struct sl output, int exit_code, struct secret *secret_r,
                            struct pg_err *err)
{
    static const char none[] = "the credential helper has no credentials for this registry";
    struct sl user, text, word = trim(output);
    _json_ json_t *root = NULL;
    struct pg_err why = {0};
    const char *fault;

    if (exit_code != 0) {
        if (sl_eq(word, SL("credentials not found in native keychain")))
            return pg_fail(err, PG_E_UPSTREAM_DOWN, "%s", none);
        return pg_fail(err, PG_E_UPSTREAM_DOWN,
                       "the credential helper failed with exit code %d; run it by hand to see why",
                       exit_code);
    }
    if (output.n > DOCKER_CREDENTIAL_OUTPUT_MAX ||
        pg_json_parse(word, PG_E_UPSTREAM_DOWN, &root, &why) < 0 || !json_is_object(root)) {
        pg_err_clear(&why);
        return pg_fail(err, PG_E_UPSTREAM_DOWN, "the credential helper answers no proper JSON");
    }
    user = pg_json_str(root, "Username");
    text = pg_json_str(root, "Secret");
    if (user.n == 0 && text.n == 0)
        return pg_fail(err, PG_E_UPSTREAM_DOWN, "%s", none);
    if (secret_take(secret_r, user, text, &fault) < 0)
        return pg_fail(err, PG_E_UPSTREAM_DOWN, "the credential helper answers badly: %s", fault);
    return 0;
}

static bool is_named(const char *variable, const char *patterns)
{
    size_t n = strcspn(variable, "=");

    for (const char *p = patterns; *p != '\0';) {
        size_t len = strcspn(p, " ");
        bool is_prefix = len > 0 && p[len - 1] == '*';

        if (is_prefix ? n >= len - 1 && strncmp(variable, p, len - 1) == 0
                      : n == len && strncmp(variable, p, len) == 0)
            return len > 0;
        p += len;
        p += strspn(p, " ");
    }
    return false;
}

char **docker_credential_environment(const char *patterns)
{
    char **list = calloc(VARIABLES_MAX + 1, sizeof(*list));
    size_t n = 0, bytes = 0;

    PG_CHECK(list != NULL);
    for (char **v = environ; v != NULL && *v != NULL && n < VARIABLES_MAX; v++) {
        size_t len = strlen(*v) + 1;

        if (!is_named(*v, patterns) || len > VARIABLES_BYTES - bytes)
            continue;
        list[n] = strdup(*v);
        PG_CHECK(list[n] != NULL);
        n++;
        bytes += len;
    }
    return list;
}

void docker_credential_free_environment(char **environment)
{
    for (size_t i = 0; environment != NULL && environment[i] != NULL; i++)
        free(environment[i]);
    free(environment);
}
