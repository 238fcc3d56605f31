/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quirks - what is known of single registries and not said by the specification; nowhere else does
 * the name of a registry stand in code.
 *
 * QUIRKS: X(name, host, realm, what is different, where that is said). `host` is that of the
 * upstream's url, with * where it varies, "" where everybody runs his own. `realm` is the only
 * column that code reads: whose tokens come from another host than the registry's own, as its
 * challenge at /v2/ says; others are named by the operator, in `realms`. All else is handled for
 * all registries alike, or found out by asking, so that a row is no switch: it says what a registry
 * does, and tests/e2e/test_quirks.py has a test of its name against an upstream that does so.
 *
 *   401 without a challenge          the challenge of /v2/ is used (exchange)
 *   tokens                           anonymous ones, too; GET alone; the scope is `pull` alone
 * (token) redirects of whatever is asked   followed without credentials; a digest is computed here
 *   HEAD that is refused, or tells no digest    GET, and HEAD not again for an hour (health)
 *   HEAD that says 404               is not believed, GET tells (refresh)
 *   types that say nothing           the document tells what it is (media, manifest)
 *   content codings                  Accept-Encoding: identity, always (client)
 *   codes of errors                  only the status counts (exchange)
 *   odd names in tag lists           are left out (tag_list)
 *   no referrers API                 the fallback tag (referrers)
 *
 * QUIRKS_SERVERS: under which name docker and its credential helpers keep the login for a host;
 * others are known by their host. github.com/docker/cli (cli/registry: IndexServer).
 *
 * QUIRKS_KEY_USER: whose password is a key, a file of many lines, all of which are sent (Artifact
 * Registry). docs.cloud.google.com/artifact-registry/docs/docker/authentication
 */
#pragma once

#define QUIRKS(X)                                                                                  \
    X(docker_hub, "registry-1.docker.io", "auth.docker.io",                                        \
      "counts GETs of manifests and says how many are left; no referrers API; blobs are at a CDN", \
      "docs.docker.com/docker-hub/usage/pulls")                                                    \
    X(docker_index, "index.docker.io", "auth.docker.io", "Docker Hub by its old name",             \
      "distribution.github.io/distribution/spec/auth/token")                                       \
    X(ghcr, "ghcr.io", "", "a token for public images, too; blobs at a CDN; no referrers API",     \
      "github.com/containerd/containerd/issues/3291")                                              \
    X(quay, "quay.io", "", "a scope with more than pull breaks the token request; blobs by 302",   \
      "github.com/containers/image (docker/docker_client.go)")                                     \
    X(ecr, "*.dkr.ecr.*.amazonaws.com", "",                                                        \
      "Basic; no digest in answers; blobs at S3, where two ways to log in are an error",           \
      "github.com/distribution/distribution/issues/3792")                                          \
    X(ecr_public, "public.ecr.aws", "", "a token for all; blobs at a CDN; quotas are 429",         \
      "docs.aws.amazon.com/AmazonECR/latest/public/public-service-quotas.html")                    \
    X(artifact_registry, "*-docker.pkg.dev", "",                                                   \
      "401 without a challenge; no POST for tokens; blobs by 302",                                 \
      "github.com/containers/image (docker/docker_client.go)")                                     \
    X(gcr, "gcr.io", "", "as Artifact Registry, which serves it; manifests may redirect, too",     \
      "docs.cloud.google.com/artifact-registry/docs/transition/transition-from-gcr")               \
    X(acr, "*.azurecr.io", "", "tokens at /oauth2/token; blobs at a storage that refuses logins",  \
      "github.com/Azure/acr/blob/main/docs/AAD-OAuth.md")                                          \
    X(mcr, "mcr.microsoft.com", "", "no login at all; blobs by 307 at regional hosts",             \
      "github.com/microsoft/containerregistry (docs/client-firewall-rules.md)")                    \
    X(k8s, "registry.k8s.io", "", "redirects everything, manifests and lists, too, by host",       \
      "github.com/kubernetes/registry.k8s.io (cmd/archeio/docs/request-handling.md)")              \
    X(red_hat, "registry.access.redhat.com", "",                                                   \
      "no digest in answers; manifests as text/plain; gzip where it may; 404 is no JSON",          \
      "github.com/containerd/containerd/issues/3238")                                              \
    X(harbor, "", "",                                                                              \
      "404 is NOT_FOUND; tokens at /service/token; pages of tags by relative Link",                \
      "github.com/goharbor/harbor (src/server/registry)")                                          \
    X(nexus, "", "", "HEAD is 404 where GET is 200; no POST for tokens; digests in tag lists",     \
      "github.com/crazy-max/diun/issues/1614")                                                     \
    X(artifactory, "*.jfrog.io", "",                                                               \
      "HEAD is 405 at times; two challenges at once; nulls in tag lists; application/json types",  \
      "github.com/concourse/docker-image-resource/issues/40")                                      \
    X(gitlab, "registry.gitlab.com", "gitlab.com", "tokens from another host",                     \
      "github.com/bazel-contrib/rules_oci (authn.bzl)")                                            \
    X(elastic, "docker.elastic.co", "docker-auth.elastic.co", "tokens from another host",          \
      "github.com/bazel-contrib/rules_oci (authn.bzl)")                                            \
    X(suse, "registry.suse.com", "scc.suse.com", "tokens from another host",                       \
      "documentation.suse.com")

#define QUIRKS_SERVERS(X)                                                                          \
    X("docker.io", "https://index.docker.io/v1/")                                                  \
    X("index.docker.io", "https://index.docker.io/v1/")                                            \
    X("registry-1.docker.io", "https://index.docker.io/v1/")

#define QUIRKS_KEY_USER "_json_key"
