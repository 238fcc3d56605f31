/* SPDX-License-Identifier: Apache-2.0 */
/* Kubernetes distributions that write containerd's files themselves. */
#include "cli/clientconf_int.h"

#include <string.h>

#define K3S_DIR "/etc/rancher/k3s"

static void put_mirror(const struct clientconf *c, const char *name, struct pg_buf *out)
{
    (void)pg_buf_put(out, SL("  "));
    clientconf_quote(out, name);
    (void)pg_buf_put(out, SL(":\n    endpoint: ["));
    clientconf_quote(out, c->url);
    (void)pg_buf_put(out, SL("]\n"));
}

void clientconf_cluster_write_k3s(struct clientconf *c)
{
    struct pg_buf *out = clientconf_add(c, K3S_DIR "/registries.yaml");

    clientconf_comment(out, "Closed only together with disable-default-registry-endpoint, which is "
                            "in config.yaml.d/pullgate.yaml and which k3s and RKE2 have since "
                            "January 2024. For RKE2 put both below /etc/rancher/rke2. Restart the "
                            "service after a change.");
    (void)pg_buf_put(out, SL("mirrors:\n"));
    for (size_t i = 0; i < c->nupstreams; i++) {
        put_mirror(c, c->upstreams[i], out);
    }
    put_mirror(c, c->authority, out);
    (void)pg_buf_put(out,
                     SL("  # every other registry: the proxy refuses those it does not know\n"));
    put_mirror(c, "*", out);
    if (c->ca != NULL) {
        (void)pg_buf_put(out, SL("configs:\n  "));
        clientconf_quote(out, c->authority);
        (void)pg_buf_put(out, SL(":\n    tls:\n      ca_file: " K3S_DIR "/" CLIENTCONF_CA "\n"));
    }
    out = clientconf_add(c, K3S_DIR "/config.yaml.d/pullgate.yaml");
    clientconf_comment(out, "Without it a refused image is fetched from the registry itself.");
    (void)pg_buf_put(out, SL("disable-default-registry-endpoint: true\n"));
    clientconf_add_ca(c, K3S_DIR "/" CLIENTCONF_CA);
}

static void put_talos_mirror(const struct clientconf *c, const char *name, struct pg_buf *out)
{
    (void)pg_buf_put(out, SL("---\napiVersion: v1alpha1\nkind: RegistryMirrorConfig\nname: "));
    clientconf_quote(out, name);
    (void)pg_buf_put(out, SL("\nendpoints:\n  - url: "));
    clientconf_quote(out, c->url);
    (void)pg_buf_put(out, SL("\nskipFallback: true\n"));
}

static void put_indented(struct pg_buf *out, const char *text)
{
    while (*text != '\0') {
        size_t n = strcspn(text, "\n");
        (void)pg_buf_printf(out, "  %.*s\n", (int)n, text);
        text += n + (text[n] == '\n' ? 1 : 0);
    }
}

void clientconf_cluster_write_talos(struct clientconf *c)
{
    struct pg_buf *out = clientconf_add(c, "/pullgate-talos.yaml");

    clientconf_comment(out, "For Talos 1.12 or newer: talosctl patch machineconfig --patch "
                            "@pullgate-talos.yaml. Closed by skipFallback; in each document, or "
                            "the registry itself is asked when the proxy refuses.");
    for (size_t i = 0; i < c->nupstreams; i++) {
        put_talos_mirror(c, c->upstreams[i], out);
    }
    put_talos_mirror(c, c->authority, out);
    put_talos_mirror(c, "*", out);
    if (c->ca != NULL) {
        (void)pg_buf_put(out, SL("---\napiVersion: v1alpha1\nkind: RegistryTLSConfig\nname: "));
        clientconf_quote(out, c->authority);
        (void)pg_buf_put(out, SL("\nca: |-\n"));
        put_indented(out, c->ca);
    }
}
