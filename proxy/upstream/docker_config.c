/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/docker_config.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "base/json.h"
#include "proxy/upstream/docker_credential.h"
#include "proxy/upstream/quirks.h"

static int refuse(struct pg_err *err, const char *server, const char *why)
{
    return pg_fail(err, PG_E_UPSTREAM_DOWN, "the docker config for %s: %s", server, why);
}

const char *docker_config_server(const char *url_host)
{
    static const struct {
        const char *host, *server;
    } known[] = {
#define X(host, server) {host, server},
        QUIRKS_SERVERS(X)
#undef X
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(known[i].host, url_host) == 0)
            return known[i].server;
    }
    return url_host;
}

/* "https://Quay.io/v2/" is the host quay.io; what has a path of its own is nothing. */
static bool put_host(const char *key, char host_r[DOCKER_SERVER_MAX])
{
    static const char *const paths[] = {"", "/", "/v1", "/v1/", "/v2", "/v2/"};
    const char *from = strstr(key, "://");
    size_t n;

    from = from != NULL ? from + 3 : key;
    n = strcspn(from, "/");
    if (n == 0 || n >= DOCKER_SERVER_MAX)
        return false;
    for (size_t i = 0; i < n; i++)
        host_r[i] = (char)(from[i] >= 'A' && from[i] <= 'Z' ? from[i] - 'A' + 'a' : from[i]);
    host_r[n] = '\0';
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        if (strcmp(from + n, paths[i]) == 0)
            return true;
    }
    return false;
}

/* The member for the server: as docker writes it, else the first in another spelling. */
static const json_t *find(const json_t *object, const char *server)
{
    const json_t *found = json_object_get(object, server);
    const char *key;
    json_t *value;

    if (found != NULL)
        return found;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        char host[DOCKER_SERVER_MAX];

        if (put_host(key, host) && strcmp(docker_config_server(host), server) == 0)
            return value;
    }
    return NULL;
}

static int take_helper(struct docker_config *c, const json_t *name, const char *server,
                       struct pg_err *err)
{
    struct sl s = {json_string_value(name), json_string_length(name)};

    if (!docker_credential_is_name(s))
        return refuse(err, server, "credHelpers or credsStore has no proper name of a helper");
    memcpy(c->helper, s.p, s.n);
    c->helper[s.n] = '\0';
    return 1;
}

/* user:password in base64. */
static int take_auth(struct docker_config *c, struct sl auth, const char *server,
                     struct pg_err *err)
{
    unsigned char *plain = malloc(auth.n / 4 * 3 + 4);
    const char *colon = NULL, *why = "auth is not user:password in base64";
    int n =
        auth.n % 4 == 0 ? EVP_DecodeBlock(plain, (const unsigned char *)auth.p, (int)auth.n) : -1;
    struct sl text;

    PG_CHECK(plain != NULL);
    for (size_t i = auth.n; n > 0 && i > 0 && auth.p[i - 1] == '='; i--)
        n--;
    text = (struct sl){(const char *)plain, n > 0 ? (size_t)n : 0};
    while (text.n > 0 && text.p[text.n - 1] == '\0') /* as docker does */
        text.n--;
    colon = text.n > 0 ? memchr(text.p, ':', text.n) : NULL;
    n = -1;
    if (colon != NULL) {
        struct sl user = {text.p, (size_t)(colon - text.p)};

        n = secret_take(&c->secret, user, (struct sl){colon + 1, text.n - user.n - 1}, &why);
    }
    OPENSSL_cleanse(plain, auth.n / 4 * 3 + 4);
    free(plain);
    return n < 0 ? refuse(err, server, why) : 1;
}

/* The user beside an identity token; docker writes it into auth, with an empty password. */
static bool is_zero_user(struct sl auth)
{
    static const char zeros[] = "MDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAw";

    return sl_starts(auth, (struct sl){zeros, sizeof(zeros) - 1});
}

static int take_entry(struct docker_config *c, const json_t *entry, const char *server,
                      struct pg_err *err)
{
    struct sl bearer = pg_json_str(entry, "registrytoken");
    struct sl identity = pg_json_str(entry, "identitytoken");
    struct sl auth = pg_json_str(entry, "auth"), password = pg_json_str(entry, "password");
    const char *why = NULL;
    int rc;

    if (bearer.n > 0)
        rc = secret_take_as(&c->secret, SECRET_BEARER, SL(""), bearer, &why);
    else if (identity.n > 0 && is_zero_user(auth))
        rc = secret_take(&c->secret, SL("00000000-0000-0000-0000-000000000000"), identity, &why);
    else if (identity.n > 0)
        rc = secret_take_as(&c->secret, SECRET_REFRESH, SL(""), identity, &why);
    else if (auth.n > 0)
        return take_auth(c, auth, server, err);
    else if (password.n > 0)
        rc = secret_take(&c->secret, pg_json_str(entry, "username"), password, &why);
    else
        return 0;
    return rc < 0 ? refuse(err, server, why) : 1;
}

static int take(struct docker_config *c, const json_t *root, const char *server, struct pg_err *err)
{
    const json_t *helper = find(json_object_get(root, "credHelpers"), server);
    const json_t *entry = find(json_object_get(root, "auths"), server);

    helper = helper != NULL ? helper : json_object_get(root, "credsStore");
    if (helper != NULL && json_string_length(helper) > 0)
        return take_helper(c, helper, server, err);
    if (entry != NULL && !json_is_object(entry))
        return refuse(err, server, "the entry in auths is not an object");
    return entry != NULL ? take_entry(c, entry, server, err) : 0;
}

int docker_config_parse(struct sl text, const char *server, struct docker_config *config_r,
                        struct pg_err *err)
{
    struct docker_config c = {0};
    _json_ json_t *root = NULL;
    struct pg_err why = {0};
    int rc;

    if (text.n > DOCKER_CONFIG_BYTES_MAX)
        return refuse(err, server, "the file is too large");
    if (pg_json_parse(text, PG_E_UPSTREAM_DOWN, &root, &why) < 0) {
        rc = refuse(err, server, "the file is not proper JSON");
        pg_err_clear(&why);
        return rc;
    }
    if (!json_is_object(root))
        return refuse(err, server, "the file is not a JSON object");
    rc = take(&c, root, server, err);
    if (rc > 0)
        *config_r = c;
    else
        docker_config_clear(&c);
    return rc;
}

void docker_config_clear(struct docker_config *c)
{
    secret_clear(&c->secret);
    c->helper[0] = '\0';
}
