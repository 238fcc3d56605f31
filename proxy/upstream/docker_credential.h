/* SPDX-License-Identifier: Apache-2.0 */
/*
 * docker_credential - the programs named docker-credential-*: which one is meant, what it is asked,
 * and what it answers (github.com/docker/docker-credential-helpers). Running one is credential.h's.
 *
 *     docker-credential-ecr-login get     <- the server on standard input
 *                                         -> {"ServerURL": ..., "Username": ..., "Secret": ...}
 *
 * A program that others could write is not run: it must belong to root or to us and be closed to
 * writes of group and others. A name is looked for in a fixed list of folders, never in $PATH.
 *
 * Nothing that it says is repeated: what it writes when it fails may hold a secret.
 *
 * Failure:    UPSTREAM_DOWN; paths are in detail.
 * Threads:    any.
 */
#pragma once

#include "base/err.h"
#include "proxy/upstream/secret.h"

#define DOCKER_CREDENTIAL_PATH_MAX   512
#define DOCKER_CREDENTIAL_OUTPUT_MAX ((size_t)64 * 1024)

/* "ecr-login" or "docker-credential-ecr-login": letters, digits and ._- of a bounded length. */
bool docker_credential_is_name(struct sl name);

/* A name, or an absolute path. */
PG_MUST_USE int docker_credential_find(const char *name, char path_r[DOCKER_CREDENTIAL_PATH_MAX],
                                       struct pg_err *err);

/* What it wrote, and with which exit code it ended. */
PG_MUST_USE int docker_credential_parse(struct sl output, int exit_code, struct secret *secret_r,
                                        struct pg_err *err);

/* The variables of our environment that patterns names: words, a * at the end of one stands for any
 * ending. NULL ends the list; docker_credential_free_environment(). */
char **docker_credential_environment(const char *patterns);
void docker_credential_free_environment(char **environment);
