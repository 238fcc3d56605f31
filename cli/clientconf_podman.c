/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that reads registries.conf: podman, buildah, skopeo, CRI-O. */
#include "cli/clientconf_int.h"

#include <stdio.h>

#include "base/fd.h"

/* There is no wildcard for all registries, so the ends of names that registries have. */
static const char *const blocked[] = {"*.com", "*.io",  "*.dev", "*.org",   "*.net",
                                      "*.aws", "*.app", "*.sh",  "*.cloud", "*.ai"};

static void put_registry(const struct clientconf *c, const char *prefix, const char *location,
                         struct pg_buf *out)
{
    (void)pg_buf_put(out, SL("\n[[registry]]\nprefix = "));
    clientconf_quote(out, prefix);
    (void)pg_buf_put(out, SL("\nlocation = "));
    clientconf_quote(out, location);
    (void)pg_buf_put(out, c->is_https ? SL("\n") : SL("\ninsecure = true\n"));
}

static void put_located(const struct clientconf *c, const char *name, struct pg_buf *out)
{
    _free_ char *location = NULL;

    if (asprintf(&location, "%s/%s", c->authority, name) < 0) {
        PG_BUG("no memory");
    }
    put_registry(c, name, location, out);
}

static void write_conf(struct clientconf *c, const char *who)
{
    struct pg_buf *out = clientconf_add(c, "/etc/containers/registries.conf.d/999-pullgate.conf");

    clientconf_comment(out, who);
    clientconf_comment(out, "Closed: each registry is located at the proxy. A [[registry.mirror]] "
                            "would be asked first and the registry after it, so an entry of the "
                            "same prefix in another file is replaced by this one.");
    for (size_t i = 0; i < c->nupstreams; i++) {
        put_located(c, c->upstreams[i], out);
    }
    (void)pg_buf_put(out, SL("\n"));
    clientconf_comment(out, "The proxy by its own name.");
    put_registry(c, c->authority, c->authority, out);
    (void)pg_buf_put(out, SL("\n"));
    clientconf_comment(out, "Everything else. There is no wildcard for all registries: add the "
                            "ends of names that are missing here, and an entry for each registry "
                            "of your own that may be asked directly.");
    for (size_t i = 0; i < sizeof blocked / sizeof *blocked; i++) {
        (void)pg_buf_printf(out, "\n[[registry]]\nprefix = \"%s\"\nblocked = true\n", blocked[i]);
    }
    clientconf_add_ca(c, "/etc/containers/certs.d/%s/ca.crt", c->authority);
    clientconf_note(c, "registries that are neither listed nor below the blocked ends of names "
                       "(*.com, *.io, ...) are asked directly: there is no wildcard for all");
}

void clientconf_podman_write(struct clientconf *c)
{
    write_conf(c, "For podman, buildah and skopeo. A user's own ~/.config/containers/"
                  "registries.conf replaces the system's, with this.");
    clientconf_note(c, "a user's own ~/.config/containers/registries.conf replaces these files");
}

void clientconf_podman_write_crio(struct clientconf *c)
{
    write_conf(c, "For CRI-O: systemctl reload crio.");
}
