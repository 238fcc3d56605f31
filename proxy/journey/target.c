/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journey/target.h"

#include <strings.h>

#include "oci/ref.h"
#include "proxy/journey/canary.h"

static bool same_host(struct sl a, struct sl b)
{
    return a.n == b.n && a.n > 0 && strncasecmp(a.p, b.p, a.n) == 0;
}

static struct sl without_port(struct sl host)
{
    const char *colon = memrchr(host.p, ':', host.n);

    if (colon == NULL || memchr(colon, ']', host.n - (size_t)(colon - host.p)) != NULL)
        return host;
    return (struct sl){host.p, (size_t)(colon - host.p)};
}

static const struct config_upstream *virtual_host(const struct config *config, struct sl host)
{
    if (host.n == 0)
        return NULL;
    for (size_t i = 0; i < config->nupstreams; i++) {
        struct sl own = sl_str(config->upstreams[i].upstream_host);

        if (same_host(own, host) || same_host(own, without_port(host)))
            return &config->upstreams[i];
    }
    return NULL;
}

static int unknown(struct sl host, struct pg_err *err)
{
    return pg_fail(err, PG_E_NAME_UNKNOWN,
                   "registry " SL_FMT
                   " is not an upstream of this proxy; to allow it, add it under "
                   "`upstreams:` in the configuration and reload",
                   SL_ARG(host));
}

static int disagree(const char *one, const struct config_upstream *a, const char *other,
                    const struct config_upstream *b, struct pg_err *err)
{
    return pg_fail(err, PG_E_BAD_FRAMING, "%s means upstream %s, but %s means %s", one, a->name,
                   other, b->name);
}

/* What the name's first segment says, if it can be a host: "docker.io" of "docker.io/nginx". */
static struct sl leading_host(struct sl name)
{
    const char *slash = memchr(name.p, '/', name.n);
    struct sl first;

    if (slash == NULL)
        return (struct sl){NULL, 0};
    first = (struct sl){name.p, (size_t)(slash - name.p)};
    return ref_looks_like_host(first) ? first : (struct sl){NULL, 0};
}

/* The upstream by ?ns= and virtual host; NULL when neither is there. */
static int beside_the_path(const struct config *config, const struct route *want, struct sl host,
                           const struct config_upstream **upstream_r, struct pg_err *err)
{
    const struct config_upstream *vhost = virtual_host(config, host), *ns = NULL;

    if (want->ns.p != NULL) {
        if (ref_check_host(want->ns, err) < 0)
            return pg_wrap(err, "ns");
        ns = config_find_upstream(config, want->ns);
        if (ns == NULL)
            return unknown(want->ns, err);
    }
    if (ns != NULL && vhost != NULL && ns != vhost)
        return disagree("ns", ns, "the Host", vhost, err);
    *upstream_r = ns != NULL ? ns : vhost;
    return 0;
}

/* repo is the tail of canonical, behind the upstream's name. */
static int name_it(const struct config_upstream *upstream, struct sl name, struct pg_arena *arena,
                   struct target *target_r, struct pg_err *err)
{
    struct sl canonical = config_canonical(upstream->name, name, arena);
    size_t host = strlen(upstream->name) + 1;
    struct sl repo = {canonical.p + host, canonical.n - host};

    if (ref_check_name(repo, err) < 0)
        return -1;
    *target_r = (struct target){.upstream = upstream, .repo = repo, .canonical = canonical};
    return 0;
}

/* With or without a registry before it, known or not. */
static int refuse_canary(struct sl name, struct sl host, struct pg_err *err)
{
    struct sl repo = host.n > 0 ? (struct sl){name.p + host.n + 1, name.n - host.n - 1} : name;

    if (!sl_eq(repo, SL(CANARY_REPO)))
        return 0;
    return pg_fail(err, PG_E_DENIED,
                   CANARY_MARK ": a client that gets it asks another registry where this one says "
                               "no; see pullgate clientconf");
}

int target_find(const struct config *config, const struct route *want, struct sl host,
                struct pg_arena *arena, struct target *target_r, struct pg_err *err)
{
    const struct config_upstream *upstream = NULL, *by_path = NULL;
    struct sl first = leading_host(want->name), name = want->name;

    if (refuse_canary(name, first, err) < 0 ||
        beside_the_path(config, want, host, &upstream, err) < 0)
        return -1;
    if (first.n > 0)
        by_path = config_find_upstream(config, first);
    if (by_path == NULL && first.n > 0 && upstream == NULL)
        return unknown(first, err);
    if (by_path != NULL && upstream != NULL && by_path != upstream)
        return disagree("the path", by_path, want->ns.p != NULL ? "ns" : "the Host", upstream, err);
    if (by_path != NULL) {
        name = (struct sl){name.p + first.n + 1, name.n - first.n - 1};
        upstream = by_path;
    }
    if (upstream == NULL)
        upstream = config_default_upstream(config);
    if (upstream == NULL)
        return pg_fail(err, PG_E_NAME_UNKNOWN,
                       "no registry was named and this proxy has no default upstream; ask for "
                       "<registry>/" SL_FMT ", or give one of `upstreams:` the option `default`",
                       SL_ARG(name));
    return name_it(upstream, name, arena, target_r, err);
}
