/* SPDX-License-Identifier: Apache-2.0 */
/*
 * docker_config - the config.json in which docker, podman and others keep logins, as far as one
 * registry goes. In docker's order: `credHelpers` for the registry, `credsStore`, `auths`.
 *
 * A registry's key in it is its host, with a port if it has one; Docker Hub's is
 * https://index.docker.io/v1/ (docker_config_server()). Other spellings of a host are found as
 * well: with a scheme, with /v1/ or /v2/ behind it, and the other names of Docker Hub. A key with
 * a path of its own is for a part of the registry and is not taken for all of it.
 *
 * Ownership:  docker_config_clear().
 * Failure:    UPSTREAM_DOWN in words that hold nothing of the file but the server and the name of a
 *             helper. Limits: DOCKER_CONFIG_BYTES_MAX, and those of base/json.h.
 * Threads:    any; pure.
 */
#pragma once

#include "base/err.h"
#include "proxy/upstream/secret.h"

#define DOCKER_CONFIG_BYTES_MAX ((size_t)256 * 1024)
#define DOCKER_SERVER_MAX       320
#define DOCKER_HELPER_NAME_MAX  64

struct docker_config {
    struct secret secret;
    char helper[DOCKER_HELPER_NAME_MAX + 1]; /* "ecr-login"; then there is no secret here */
};

/* The name under which docker knows the registry at this host and port. */
const char *docker_config_server(const char *url_host);

/* 1; 0: it knows nothing of the server; -1. *config_r is {0} before. */
PG_MUST_USE int docker_config_parse(struct sl text, const char *server,
                                    struct docker_config *config_r, struct pg_err *err);
void docker_config_clear(struct docker_config *c);
