/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clientconf_int - what the writers of one client's files are given, and where they put them;
 * private to cli.
 *
 * Names and URLs were checked to be hosts, ports and http(s) before a writer sees them; they are
 * written as JSON strings all the same, which TOML and YAML read alike.
 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "cli/authority.h"
#include "cli/command.h"
#include "cli/config.h"

/* Where the authority's certificate is put, by its own name, in a folder of the client. */
#define CLIENTCONF_CA "pullgate-ca.crt"

struct clientconf_file {
    char *path; /* absolute: where the client looks for it */
    struct pg_buf text;
};

struct clientconf {
    const char *kind; /* "podman" */
    char *authority;  /* of the proxy: "cache.example:5000" */
    char *url;        /* "https://cache.example:5000" */
    bool is_https;
    char *ca;               /* PEM, certificates alone; NULL: the client knows the authority */
    const char **upstreams; /* names: "docker.io" */
    size_t nupstreams;
    struct clientconf_file *files;
    size_t nfiles;
    struct pg_buf notes; /* for standard error: what these files cannot do */
    struct config_load load;
};

/* The proxy and the upstreams, as the command line says or else the configuration; what is wrong
 * is said on standard error, and it is COMMAND_CANNOT. To be closed in any case. */
PG_MUST_USE int clientconf_open(struct clientconf *c_r, const struct command_args *args);
void clientconf_close(struct clientconf *c);

/* A new file; what is written into the buffer is in it. Valid until the next. */
struct pg_buf *clientconf_add(struct clientconf *c, const char *path_fmt, ...) PG_PRINTF(2, 3);
/* The authority's certificate as a file; nothing where there is none. */
void clientconf_add_ca(struct clientconf *c, const char *path_fmt, ...) PG_PRINTF(2, 3);
void clientconf_note(struct clientconf *c, const char *text);
/* Comment lines, wrapped, each begun with "# ". */
void clientconf_comment(struct pg_buf *out, const char *text);
void clientconf_quote(struct pg_buf *out, const char *text); /* "..." */

void clientconf_containerd_write_1(struct clientconf *c);
void clientconf_containerd_write_2(struct clientconf *c);
void clientconf_cluster_write_k3s(struct clientconf *c);
void clientconf_cluster_write_talos(struct clientconf *c);
void clientconf_podman_write(struct clientconf *c);
void clientconf_podman_write_crio(struct clientconf *c);
void clientconf_docker_write(struct clientconf *c);
void clientconf_docker_write_buildkit(struct clientconf *c);
/* hosts.toml of one registry, as containerd and dockerd's containerd store read it. */
void clientconf_containerd_put_hosts(const struct clientconf *c, const char *ca_path,
                                     struct pg_buf *out);
