/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/clientconf_int.h"

#define CERTS_DIR   "/etc/docker/certs.d"
#define BUILDKIT_CA "/etc/buildkit/" CLIENTCONF_CA

static void add_hosts(struct clientconf *c, const char *name)
{
    struct pg_buf *out = clientconf_add(c, CERTS_DIR "/%s/hosts.toml", name);

    clientconf_comment(out, "Read by dockerd with the containerd image store alone; others pass "
                            "over it.");
    clientconf_containerd_put_hosts(c, CERTS_DIR "/" CLIENTCONF_CA, out);
}

void clientconf_docker_write(struct clientconf *c)
{
    struct pg_buf *out = clientconf_add(c, "/etc/docker/daemon.json");

    (void)pg_buf_put(out, SL("{\n  \"registry-mirrors\": ["));
    clientconf_quote(out, c->url);
    (void)pg_buf_put(out, SL("]"));
    if (!c->is_https) {
        (void)pg_buf_put(out, SL(",\n  \"insecure-registries\": ["));
        clientconf_quote(out, c->authority);
        (void)pg_buf_put(out, SL("]"));
    }
    (void)pg_buf_put(out, SL("\n}\n"));
    for (size_t i = 0; i < c->nupstreams; i++) {
        add_hosts(c, c->upstreams[i]);
    }
    add_hosts(c, "_default"); /* every other registry: the proxy refuses those it does not know */
    add_hosts(c, c->authority);
    clientconf_add_ca(c, CERTS_DIR "/%s/ca.crt", c->authority);
    clientconf_add_ca(c, CERTS_DIR "/" CLIENTCONF_CA);
    clientconf_note(c, "NOT CLOSED: dockerd without the containerd image store asks Docker Hub "
                       "itself when a mirror refuses, and has no mirrors for other registries. Use "
                       "names through the proxy (docker pull HOST:PORT/docker.io/library/alpine), "
                       "and close the egress");
    clientconf_note(c, "a mirror's requests name no registry: docker.io must be the upstream with "
                       "default: true");
}

void clientconf_docker_write_buildkit(struct clientconf *c)
{
    struct pg_buf *out = clientconf_add(c, "/etc/buildkit/buildkitd.toml");

    clientconf_comment(out, "NOT CLOSED: BuildKit asks the registry itself when a mirror refuses, "
                            "and has no switch for it. Close the egress, or name the proxy in "
                            "FROM. docker buildx create --buildkitd-config takes this file.");
    for (size_t i = 0; i < c->nupstreams; i++) {
        (void)pg_buf_put(out, SL("\n[registry."));
        clientconf_quote(out, c->upstreams[i]);
        (void)pg_buf_printf(out, "]\nmirrors = [\"%s/%s\"]\n", c->authority, c->upstreams[i]);
    }
    (void)pg_buf_put(out, SL("\n[registry."));
    clientconf_quote(out, c->authority);
    (void)pg_buf_put(out, c->is_https ? SL("]\n") : SL("]\nhttp = true\n"));
    if (c->ca != NULL) {
        (void)pg_buf_put(out, SL("ca = [\"" BUILDKIT_CA "\"]\n"));
    }
    clientconf_add_ca(c, BUILDKIT_CA);
    clientconf_note(c, "NOT CLOSED: BuildKit asks the registry itself when a mirror refuses. Close "
                       "the egress, or name the proxy in FROM");
}
