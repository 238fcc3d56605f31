/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/realm.h"

#include <stdio.h>
#include <strings.h>

#include "proxy/upstream/quirks.h"

#define REALM_MAX 2048

static unsigned default_port(const struct url *u)
{
    return u->https ? 443 : 80;
}

/* entry: "host" or "host:port" of the option `realms`. */
static bool entry_names(struct sl entry, const struct url *u)
{
    char place[300];
    int n = snprintf(place, sizeof(place), "%s:%u", u->host, u->port);
    size_t host = strlen(u->host);

    if (n < 0 || (size_t)n >= sizeof(place))
        return false;
    if (entry.n == host && u->port == default_port(u))
        return strncasecmp(entry.p, u->host, host) == 0;
    return entry.n == (size_t)n && strncasecmp(entry.p, place, entry.n) == 0;
}

static bool is_listed(const char *realms, const struct url *u)
{
    for (const char *p = realms; p != NULL && *p != '\0';) {
        size_t n = strcspn(p, " \t,");

        if (n > 0 && entry_names((struct sl){p, n}, u))
            return true;
        p += n;
        p += strspn(p, " \t,");
    }
    return false;
}

static bool is_known_pair(const struct url *base, const struct url *u)
{
    static const struct {
        const char *upstream, *realm;
    } pairs[] = {
#define X(name, upstream, realm, what, source) {upstream, realm},
        QUIRKS(X)
#undef X
    };

    if (!base->https || !u->https || base->port != 443 || u->port != 443)
        return false;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        if (strcmp(pairs[i].upstream, base->host) == 0 && strcmp(pairs[i].realm, u->host) == 0)
            return true;
    }
    return false;
}

int realm_check(const struct config_upstream *upstream, const struct url *base, struct sl realm,
                struct url *url_r, struct pg_err *err)
{
    struct url u = {0};

    if (realm.n == 0 || realm.n > REALM_MAX)
        return pg_fail(err, PG_E_UPSTREAM_WRONG, "upstream names no token server");
    if (url_parse(NULL, realm, &u, err) < 0)
        return pg_wrap(err, "token realm");
    if (!u.https && (base->https || !upstream->upstream_allow_private)) {
        url_free(&u);
        return pg_fail(err, PG_E_UPSTREAM_WRONG, "upstream names a token server without https");
    }
    if (!url_same_place(&u, base) && !is_known_pair(base, &u) &&
        !is_listed(upstream->upstream_realms, &u)) {
        pg_fail(err, PG_E_UPSTREAM_WRONG,
                "upstream names a token server that is not on its allow-list");
        pg_detail(err, "%s: if it is right, put it into `realms`", u.host);
        url_free(&u);
        return -1;
    }
    *url_r = u;
    return 0;
}
