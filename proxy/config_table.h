/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every option, on one page: parser, ranges, defaults, conf/pullgate.yaml, docs/configuration.md
 * and `pullgate config show` are made of it. Budget: 60 to 1.0.
 *
 * X(section, name, TYPE, default, min, max, RELOAD|RESTART, doc)
 *   STRING  char *, "" means not set       PATH  the same; must be absolute
 *   SIZE    uint64_t bytes                 TIME  uint64_t milliseconds
 *   COUNT   uint64_t                       BOOL  bool
 *   LOGFORMAT, LOGLEVEL  the enums of base/log.h
 *   DELETED  enum config_deleted
 * CONFIG_GLOBAL: each section is a mapping of that name in the file; section `top` is the file's
 * own level. CONFIG_UPSTREAM: the options of one entry of `upstreams`. `listen`, `tls` (for
 * all of `listen`; see cli/listener.h), `upstreams`, of each of them `urls` (a list of URLs or
 * {url, authoritative}), `audit.forward` (see cli/sinks.h) and
 * `revocation_feeds` (see cli/feeds.h) are read by hand.
 */
#pragma once

#define CONFIG_GLOBAL(X)                                                                           \
    X(admin, listen, STRING, "127.0.0.1:5001", 0, 0, RESTART,                                      \
      "Address of /metrics, /healthz, /readyz, /debug/ and /api/v1/, which only read.")            \
    X(admin, control, PATH, "", 0, 0, RESTART,                                                     \
      "Unix socket, mode 0600, for everything that changes state. Not set: control.sock in the "   \
      "storage directory.")                                                                        \
    X(storage, path, PATH, "/var/lib/pullgate", 0, 0, RESTART,                                     \
      "Directory of the store. Must belong to the user that runs pullgate.")                       \
    X(storage, max_size, SIZE, "100GiB", 16777216, UINT64_C(1) << 60, RELOAD,                      \
      "Largest size of the store; the least recently used blobs are evicted.")                     \
    X(storage, reserve, SIZE, "1GiB", 0, UINT64_C(1) << 60, RELOAD,                                \
      "Space on the filesystem that is always left free.")                                         \
    X(retention, rules, PATH, "", 0, 0, RELOAD,                                                    \
      "File with rules of what is kept and what goes, carried out by their schedule: see "         \
      "docs/retention.md. Not set: only the least recently used goes, when room is wanted.")       \
    X(tags, ttl, TIME, "60s", 0, UINT64_C(31536000000), RELOAD,                                    \
      "How long a tag, or a list of tags or referrers, is answered without asking upstream.")      \
    X(tags, max_stale, TIME, "7d", 0, UINT64_C(315360000000), RELOAD,                              \
      "How long after its last confirmation a tag or list is still served when upstream is dead.") \
    X(limits, connections, COUNT, "10000", 16, 1000000, RELOAD,                                    \
      "Client connections at a time; more wait to be accepted.")                                   \
    X(limits, head_timeout, TIME, "15s", 100, 600000, RELOAD,                                      \
      "Time for a client to send a whole request head.")                                           \
    X(limits, idle_timeout, TIME, "75s", 100, 3600000, RELOAD,                                     \
      "Time a connection may be idle between requests.")                                           \
    X(limits, send_timeout, TIME, "60s", 100, 3600000, RELOAD,                                     \
      "Time without progress after which a client that does not read is closed.")                  \
    X(limits, answer_timeout, TIME, "25s", 100, 600000, RELOAD,                                    \
      "Time from a request's head to the head of its answer.")                                     \
    X(limits, drain_timeout, TIME, "30s", 0, 3600000, RELOAD,                                      \
      "Time for running downloads to end after SIGTERM.")                                          \
    X(evidence, ttl, TIME, "5m", 10000, UINT64_C(604800000), RELOAD,                               \
      "How long verified signatures and attestations of an image count before they are looked "    \
      "for again; while that fails, what was verified still counts.")                              \
    X(evidence, timeout, TIME, "60s", 1000, 600000, RELOAD,                                        \
      "Time to look for the evidence of one image; what has not come by then failed.")             \
    X(helpers, environment, STRING, "HOME PATH", 0, 0, RESTART,                                    \
      "Variables that credential helpers get, separated by spaces; AWS_* means all that begin "    \
      "so.")                                                                                       \
    X(helpers, timeout, TIME, "10s", 100, 120000, RELOAD,                                          \
      "Time for a credential helper to answer; then it is killed.")                                \
    X(log, format, LOGFORMAT, "text", 0, 0, RELOAD, "Form of log lines: text or json.")            \
    X(log, level, LOGLEVEL, "info", 0, 0, RELOAD, "Least level: debug, info, warn or error.")      \
    X(trace, endpoint, STRING, "", 0, 0, RESTART,                                                  \
      "URL that takes OTLP spans over HTTP as JSON, such as http://127.0.0.1:4318/v1/traces.")     \
    X(trace, sample, COUNT, "1", 0, 100, RELOAD,                                                   \
      "Of 100 requests whose client began no trace, how many are traced.")                         \
    X(audit, enabled, BOOL, "true", 0, 0, RESTART,                                                 \
      "Keeps the audit log, in audit/ of the storage directory: a record of each decision and "    \
      "administrative act.")                                                                       \
    X(audit, required, BOOL, "true", 0, 0, RELOAD,                                                 \
      "With a policy, what the audit log cannot record now is not served: 503.")                   \
    X(audit, keep, TIME, "400d", 86400000, UINT64_C(315360000000), RELOAD,                         \
      "How long records of the audit log are kept.")                                               \
    X(audit, max_size, SIZE, "10GiB", 67108864, UINT64_C(1) << 50, RELOAD,                         \
      "Largest size of the audit log; the oldest records go first, and that is recorded.")         \
    X(top, threads, COUNT, "0", 0, 64, RESTART,                                                    \
      "Serving loops; 0 means as many as this process has CPUs.")                                  \
    X(top, sandbox, BOOL, "true", 0, 0, RESTART,                                                   \
      "Gives up, once started, files outside of the store and of what the configuration names, "   \
      "running programs, and system calls that serving does not need.")

#define CONFIG_UPSTREAM(X)                                                                         \
    X(upstream, url, STRING, "", 0, 0, RELOAD,                                                     \
      "Base URL of the registry, http:// or https://, without /v2. This or `urls` or `alias_of`.") \
    X(upstream, alias_of, STRING, "", 0, 0, RELOAD,                                                \
      "Another upstream, of which this is just one more name: stands alone, no other options.")    \
    X(upstream, default, BOOL, "false", 0, 0, RELOAD,                                              \
      "Answers requests that name no upstream. At most one.")                                      \
    X(upstream, host, STRING, "", 0, 0, RELOAD,                                                    \
      "Host header under which this upstream is reached directly (a virtual host).")               \
    X(upstream, allow_private, BOOL, "false", 0, 0, RELOAD,                                        \
      "Lets this upstream, its tokens and redirects be at private and loopback addresses.")        \
    X(upstream, realms, STRING, "", 0, 0, RELOAD,                                                  \
      "Further hosts, separated by spaces, that may issue tokens for this upstream.")              \
    X(upstream, username, STRING, "", 0, 0, RELOAD, "User for Basic or for the token endpoint.")   \
    X(upstream, password_file, PATH, "", 0, 0, RELOAD,                                             \
      "File, mode 0600, whose first line is the password or token of that user.")                  \
    X(upstream, password_env, STRING, "", 0, 0, RELOAD,                                            \
      "Or the environment variable that holds it.")                                                \
    X(upstream, docker_config, PATH, "", 0, 0, RELOAD,                                             \
      "Or a config.json of docker or podman, mode 0600, with the login; it may name helpers.")     \
    X(upstream, credential_helper, STRING, "", 0, 0, RELOAD,                                       \
      "Or a program that has it: a path, or ecr-login for docker-credential-ecr-login.")           \
    X(upstream, ca_file, PATH, "", 0, 0, RELOAD,                                                   \
      "PEM file with the authorities to trust for this upstream in place of the system's.")        \
    X(upstream, client_cert, PATH, "", 0, 0, RELOAD,                                               \
      "PEM file with a certificate, and its chain, to show to this upstream; not to where it "     \
      "redirects.")                                                                                \
    X(upstream, client_key, PATH, "", 0, 0, RELOAD, "PEM file, mode 0600, with its key.")          \
    X(upstream, proxy, STRING, "", 0, 0, RELOAD,                                                   \
      "HTTP proxy, http://host:port, through which this upstream is reached. The proxy's address " \
      "alone can be checked then: see docs/upstreams.md.")                                         \
    X(upstream, connect_timeout, TIME, "5s", 100, 120000, RELOAD,                                  \
      "Time to connect, TLS included. An address that is silent for a quarter of it, or 1.5 s if " \
      "that is more, gives way to the host's next one.")                                           \
    X(upstream, stall_timeout, TIME, "30s", 100, 600000, RELOAD,                                   \
      "Time without a byte after which a transfer is broken off and resumed.")                     \
    X(upstream, max_bandwidth, SIZE, "0", 0, UINT64_C(1) << 40, RELOAD,                            \
      "Bytes a second, over all its transfers; 64KiB or more. 0: no limit.")                       \
    X(upstream, max_connections, COUNT, "16", 1, 256, RELOAD,                                      \
      "Transfers at a time; more wait in line.")                                                   \
    X(upstream, fetch_ahead, BOOL, "true", 0, 0, RELOAD,                                           \
      "A client that gets an image's manifest finds its config and layers on their way. They "     \
      "take connections that nobody waits for, and evict nothing.")                                \
    X(upstream, when_deleted, DELETED, "follow", 0, 0, RELOAD,                                     \
      "What upstream deleted or withdrew is, from then on: follow: 404 or 403; keep: served from " \
      "the store; keep-and-flag: the same, with a Warning header, a metric and in the status.")
