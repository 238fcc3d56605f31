/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/clientconf_int.h"

#define HOSTS_DIR "/etc/containerd/certs.d"
#define CA_PATH   HOSTS_DIR "/" CLIENTCONF_CA

static void put_ca(const struct clientconf *c, const char *ca_path, struct pg_buf *out)
{
    if (c->ca != NULL) {
        (void)pg_buf_put(out, SL("ca = "));
        clientconf_quote(out, ca_path);
        (void)pg_buf_put(out, SL("\n"));
    }
}

void clientconf_containerd_put_hosts(const struct clientconf *c, const char *ca_path,
                                     struct pg_buf *out)
{
    clientconf_comment(out, "Closed: both the server and the host are the proxy. containerd 1.6 "
                            "and 1.7 reject a file with the server alone, silently, and ask the "
                            "registry itself; with the host alone the registry is asked when the "
                            "proxy refuses.");
    (void)pg_buf_put(out, SL("server = "));
    clientconf_quote(out, c->url);
    (void)pg_buf_put(out, SL("\n"));
    put_ca(c, ca_path, out);
    (void)pg_buf_put(out, SL("\n[host."));
    clientconf_quote(out, c->url);
    (void)pg_buf_put(out, SL("]\ncapabilities = [\"pull\", \"resolve\"]\n"));
    put_ca(c, ca_path, out);
}

/* Of each upstream, of what is not listed, and of the proxy by its own name: the folder for the
 * rest would hold for that too, and would ask the proxy for itself as an upstream. */
static void add_hosts(struct clientconf *c)
{
    for (size_t i = 0; i < c->nupstreams; i++) {
        clientconf_containerd_put_hosts(
            c, CA_PATH, clientconf_add(c, HOSTS_DIR "/%s/hosts.toml", c->upstreams[i]));
    }
    struct pg_buf *rest = clientconf_add(c, HOSTS_DIR "/_default/hosts.toml");
    clientconf_comment(rest, "Every registry that has no folder of its own: the proxy refuses "
                             "those it does not know.");
    clientconf_containerd_put_hosts(c, CA_PATH, rest);
    clientconf_containerd_put_hosts(c, CA_PATH,
                                    clientconf_add(c, HOSTS_DIR "/%s/hosts.toml", c->authority));
    clientconf_add_ca(c, CA_PATH);
}

static void put_path(struct clientconf *c, const char *head, struct pg_buf *out)
{
    (void)pg_buf_printf(out, "%s\nconfig_path = \"" HOSTS_DIR "\"\n", head);
    clientconf_note(c, "ctr does not read containerd's configuration: give it "
                       "--hosts-dir " HOSTS_DIR ", or it asks the registry itself");
}

void clientconf_containerd_write_1(struct clientconf *c)
{
    struct pg_buf *out = clientconf_add(c, "/etc/containerd/pullgate-config.toml");

    clientconf_comment(out, "For Kubernetes: put it into /etc/containerd/config.toml by hand, and "
                            "restart containerd. Do not import it: containerd 1.6 and 1.7 take an "
                            "imported section in place of the whole section of config.toml. Remove "
                            "registry.mirrors and registry.configs there: they exclude "
                            "config_path.");
    put_path(c, "[plugins.\"io.containerd.grpc.v1.cri\".registry]", out);
    clientconf_note(c, "for Kubernetes config_path must be put into config.toml by hand; see "
                       "pullgate-config.toml");
    add_hosts(c);
}

void clientconf_containerd_write_2(struct clientconf *c)
{
    struct pg_buf *out = clientconf_add(c, "/etc/containerd/conf.d/pullgate.toml");

    clientconf_comment(out,
                       "For Kubernetes: imported by /etc/containerd/config.toml where that has "
                       "imports = [\"/etc/containerd/conf.d/*.toml\"]; else put it there. "
                       "Restart containerd. Remove registry.mirrors and registry.configs "
                       "there: they exclude config_path.");
    put_path(c, "version = 3\n\n[plugins.\"io.containerd.cri.v1.images\".registry]", out);
    add_hosts(c);
}
