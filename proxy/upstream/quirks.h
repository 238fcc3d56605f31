/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quirks - what is known of single registries and not said by the specification; nowhere else does
 * the name of a registry stand in code. X(host of the upstream's url, ...)
 *
 * QUIRKS_REALMS: registries whose tokens come from another host than their own, as their challenge
 * at /v2/ says: distribution.github.io/distribution/spec/auth/token for Docker Hub,
 * github.com/bazel-contrib/rules_oci (authn.bzl) for GitLab and Elastic, documentation.suse.com for
 * SUSE. Others are named by the operator, in `realms`.
 *
 * QUIRKS_SERVERS: under which name docker and its credential helpers keep the login for a host;
 * others are known by their host. github.com/docker/cli (cli/registry: IndexServer).
 *
 * QUIRKS_KEY_USER: whose password is a key, a file of many lines, all of which are sent (Artifact
 * Registry). docs.cloud.google.com/artifact-registry/docs/docker/authentication
 *
 * Quirks that are handled for all alike, since no table is needed to meet them:
 *   Artifact Registry   401 without WWW-Authenticate: the challenge of /v2/ is used
 *   Quay                a scope with more than pull breaks the token request: only pull is asked
 *   JFrog, Nexus        400 or 405 on HEAD: an answer without digest; the asker may GET
 *   GHCR, Docker Hub    no referrers API: 404, 400 and 406 are "none"
 *   Red Hat             gzips blobs if it may: Accept-Encoding: identity, always
 *   S3                  two ways to log in are an error: no credentials behind a redirect
 */
#pragma once

#define QUIRKS_REALMS(X)                                                                           \
    X("registry-1.docker.io", "auth.docker.io")                                                    \
    X("index.docker.io", "auth.docker.io")                                                         \
    X("registry.gitlab.com", "gitlab.com")                                                         \
    X("docker.elastic.co", "docker-auth.elastic.co")                                               \
    X("registry.suse.com", "scc.suse.com")

#define QUIRKS_SERVERS(X)                                                                          \
    X("docker.io", "https://index.docker.io/v1/")                                                  \
    X("index.docker.io", "https://index.docker.io/v1/")                                            \
    X("registry-1.docker.io", "https://index.docker.io/v1/")

#define QUIRKS_KEY_USER "_json_key"
