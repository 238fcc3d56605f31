/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config - what the configuration file said, checked, and the snapshot that requests pin.
 *
 * The struct is made from config_table.h; the loader is in cli/config.c. A snapshot is immutable;
 * a request pins the current one at its start and lets go of it at its end, so that a reload never
 * changes a request under way.
 *
 * Ownership:  snapshots are counted. the last config_snapshot_unref() frees config and
 *             upstreams. Each loop holds the current one; see proxy/http/loop.h.
 * Threads:    any; a published snapshot is const.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/ip.h"
#include "base/log.h"
#include "base/slice.h"
#include "policy/policy.h"
#include "proxy/config_table.h"
#include "signing/trust.h"

struct ruleset;

#define CONFIG_C_STRING    char *
#define CONFIG_C_PATH      char *
#define CONFIG_C_SIZE      uint64_t
#define CONFIG_C_TIME      uint64_t
#define CONFIG_C_COUNT     uint64_t
#define CONFIG_C_BOOL      bool
#define CONFIG_C_LOGFORMAT enum pg_log_format
#define CONFIG_C_LOGLEVEL  enum pg_log_level
#define CONFIG_C_DELETED   enum config_deleted

/* What becomes of what upstream has deleted, or does not let us read any more. */
enum config_deleted { CONFIG_FOLLOW, CONFIG_KEEP, CONFIG_KEEP_AND_FLAG };

/* Fields are named section_name: config->storage_path, upstream->upstream_url. */
#define CONFIG_FIELD(section, name, type, ...) CONFIG_C_##type section##_##name;

/* A certificate chain and its key, PEM files. */
struct config_pair {
    char *cert, *key;
};

struct config_tls {
    struct config_pair *pairs; /* the first is for clients who ask for a host that no pair is for */
    size_t npairs;             /* 0: plain HTTP */
    char *client_ca;           /* NULL: no client is asked for a certificate */
    bool client_required;      /* with client_ca: who has none is turned away */
};

struct config_listener {
    char *address; /* "127.0.0.1:5000", "[::]:5000", "unix:/path", "systemd:name" */
    unsigned mode; /* of a unix socket */
    char *owner;   /* of a unix socket: "user", "user:group", ":group"; NULL: who runs this */
    struct config_tls tls;
    struct pg_ip_nets proxy_protocol;  /* not empty: these alone connect, with a PROXY header */
    struct pg_ip_nets trusted_proxies; /* whose X-Forwarded-For is believed */
};

#define CONFIG_URLS_MAX 8

/* One of the places where an upstream is reached. */
struct config_url {
    char *text;         /* in its one form: lower case, no slash at its end */
    char *host;         /* lower case, with its port if any */
    bool https;         /* else http */
    bool authoritative; /* its word counts for tags and lists; of others only what has a digest */
};

struct config_upstream {
    char *name; /* canonical registry host: "docker.io" */
    CONFIG_UPSTREAM(CONFIG_FIELD)
    struct config_url *urls; /* in the order in which they are asked; of an alias none */
    size_t nurls;
    bool has_list;  /* the file says `urls`; upstream_url is the first authoritative one then */
    char *url_host; /* of upstream_url */
    bool url_https;
};

/* `trust`: files that signatures are checked against; all absolute. */
struct config_trust {
    char **roots; /* Sigstore's trusted_root.json */
    size_t nroots;
    char *notation_policy, *notation_store; /* NULL: none */
    char **crls;
    size_t ncrls;
};

/* What may be pulled: `policy`, and what it was made of. */
struct excuses;

struct config_admission {
    struct config_trust trust;
    char *policy_file;     /* policy: {file: ...}; NULL: none */
    char *policy_text;     /* the policy that stands in the file itself, in one line; NULL: none */
    struct policy *policy; /* NULL: there is none, and all passes */
    struct excuses *excuses; /* waivers and VEX that the policy names; NULL: none */
    struct trust **trusts;   /* by the numbers that policy has for them */
    unsigned ntrusts;
    struct trust_told *told; /* what is in them, together; NULL without */
    char **files; /* that all this was read from, and directories; an imprint of them (cli) */
    size_t nfiles;
    uint8_t imprint[32];
    uint8_t revision[32]; /* of the policy and all trusts; zero without */
    int64_t since_s;      /* since when this revision is in force, where a server runs */
};

#define CONFIG_SINKS_MAX     8
#define CONFIG_SINK_NAME_MAX 32

/* Who gets the entries of the audit log, too: one of `audit: {forward: [...]}`. */
struct config_sink {
    char *name; /* [a-z0-9-], up to CONFIG_SINK_NAME_MAX */
    char *url;  /* https://..., http://...; syslog+tls://HOST:PORT, syslog+tcp://HOST:PORT */
    char *ca_file, *client_cert, *client_key, *token_file; /* absolute; NULL: none */
};

/* What `retention` names, read. */
struct config_retention {
    struct ruleset *rules; /* NULL: none */
};

#define CONFIG_SCANNERS_MAX 8

/* One of `scanners`: a program that looks at what is cached. */
struct config_scanner {
    char *name;               /* of the source of its results */
    char *command, *database; /* absolute */
    bool is_grype;            /* else Trivy */
    uint64_t timeout_ms;
};

#define CONFIG_SOURCES_MAX 16

/* One of `scans.sources`: who may push reports. */
struct config_source {
    char *name, *token_file;
};

struct config_scans {
    struct config_scanner *scanners;
    size_t nscanners;
    char *listen; /* where reports are pushed; NULL: nowhere */
    struct config_tls tls;
    struct config_source *sources;
    size_t nsources;
};

#define CONFIG_FEEDS_MAX     8
#define CONFIG_FEED_NAME_MAX 32

/* A signed list of what is taken back: one of `revocation_feeds`. */
struct config_feed {
    char *name;               /* [a-z0-9-], up to CONFIG_FEED_NAME_MAX */
    char *url;                /* https://..., http://..., file:/PATH */
    char *key_file, *ca_file; /* absolute; the second may be NULL */
    uint64_t interval_ms;
    bool deny_when_stale;
};

/* `webhooks`: who wants to hear what happens. */
#define CONFIG_HOOKS_MAX 16

struct config_hook {
    char *url;
    char *place;       /* its scheme, host and port: what may be said of it */
    char *secret_file; /* absolute */
    char *ca_file;     /* or NULL */
    unsigned kinds;    /* a bit for each pg_news_kind */
};

struct config {
    CONFIG_GLOBAL(CONFIG_FIELD)
    struct config_admission admission;
    struct config_retention retention;
    struct config_scans scans;
    struct config_listener *listeners;
    size_t nlisteners;
    struct config_upstream *upstreams;
    size_t nupstreams;
    struct config_sink *sinks;
    size_t nsinks;
    struct config_feed *feeds;
    size_t nfeeds;
    struct config_hook *hooks;
    size_t nhooks;
    char *file; /* where it came from; "" for the defaults alone */
};

#define CONFIG_UNIX    "unix:"
#define CONFIG_SYSTEMD "systemd:"
#define CONFIG_MODE    0660 /* of a unix socket, unless told */

struct snapshot {
    atomic_uint refs;
    uint64_t revision; /* 1, 2, ...: also the name of connections and tokens of its upstreams */
    struct config config;
};

void config_free(struct config *c); /* what it holds; *c is {0} after it */

/* A restart alone takes scanners over: what may be run is settled at the start. */
void config_copy_scans(struct config *to, const struct config *from);
bool config_same_scans(const struct config *a, const struct config *b);

/* The listeners of `from` in place of those that `to` has. */
void config_copy_listeners(struct config *to, const struct config *from);
/* Whether one can go over to the other without being bound again: all may differ but the address,
 * the mode, the owner, and that it speaks TLS. */
bool config_same_sockets(const struct config *a, const struct config *b);
bool config_same_sinks(const struct config *a, const struct config *b);
void config_copy_sink(struct config_sink *to, const struct config_sink *from);
void config_free_sink(struct config_sink *s); /* what it holds */
bool config_same_feeds(const struct config *a, const struct config *b);
void config_copy_feeds(struct config *to, const struct config *from); /* to: has none */

bool config_same_hooks(const struct config *a, const struct config *b);
void config_copy_hooks(struct config *to, const struct config *from); /* to has none */
void config_free_hooks(struct config_hook *hooks, size_t n);
bool config_same_tls(const struct config_tls *a, const struct config_tls *b);

struct snapshot *config_snapshot_new(struct config *c, uint64_t revision); /* takes c's contents */
struct snapshot *config_snapshot_ref(struct snapshot *s);
void config_snapshot_unref(struct snapshot *s); /* NULL is allowed */

/* The canonical name of which host is another name: "docker.io" for "index.docker.io" and
 * "registry-1.docker.io"; NULL when it is none. Hosts compare without regard to case. */
const char *config_alias_of(struct sl host);

bool config_is_alias(
    const struct config_upstream *u); /* it says alias_of: nothing is asked of it */

/* By canonical name or alias ("index.docker.io", "registry-1.docker.io", one with alias_of); never
 * an alias itself. NULL when unknown. */
const struct config_upstream *config_find_upstream(const struct config *c, struct sl host);
const struct config_upstream *config_default_upstream(const struct config *c);

/* The name under which all is kept about a repository of an upstream, by its canonical name:
 * "docker.io/library/nginx" for "nginx", since the hub calls its official images so and lets
 * clients leave that out. In the arena. */
struct sl config_canonical(const char *upstream, struct sl repo, struct pg_arena *arena);

/* The control socket: admin.control, or control.sock in the storage directory. To be freed. */
char *config_control_path(const struct config *c);
