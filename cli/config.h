/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config - the loader: a YAML file, or no file, becomes a struct config (proxy/config.h) whose
 * every value was checked, and which knows where each value came from.
 *
 * Nothing is silently ignored: an unknown key is an error that names the nearest known one. All
 * that is wrong is reported, in the order of the file, not only the first; a file with one problem
 * is not used at all.
 *
 * Ownership:  config_load_free() frees what config_load() filled. `config` may be moved out of it
 *             before (config_snapshot_new() does).
 * Failure:    -1: the file could not be read, or others may write it. 1: problems. 0: good.
 * Threads:    any.
 */
#pragma once

#include "base/err.h"
#include "base/tree.h"
#include "cli/option.h"
#include "proxy/config.h"

#define CONFIG_PROBLEMS_MAX  50
#define CONFIG_UPSTREAMS_MAX 256
#define CONFIG_LISTENERS_MAX 16
#define CONFIG_PAIRS_MAX     16 /* certificates of a listener */
#define CONFIG_FILE_DEFAULT  "/etc/pullgate/pullgate.yaml"

struct config_problem {
    struct pg_tree_at at;
    char *text;
};

/* Where the values of an upstream stand; line 0: it is the default. */
struct config_upstream_places {
    struct pg_tree_at name, option[OPTION_NUPSTREAM], url[CONFIG_URLS_MAX];
};

struct config_load {
    struct config config;
    struct pg_tree_at global_at[OPTION_NGLOBAL];
    struct pg_tree_at listen_at, upstreams_at, policy_at, trust_at, webhooks_at, scans_at;
    struct pg_arena arena;                   /* of the tree */
    const struct pg_tree *policy;            /* the one that stands in the file itself, or NULL */
    struct pg_tree_at *listener_at, *tls_at; /* one for each listener */
    struct pg_tree_at *sink_at, *feed_at;    /* one for each sink, for each feed */
    struct config_upstream_places *upstream_at; /* one for each upstream */
    struct config_problem *problems;
    size_t nproblems;
    bool has_more; /* more problems than are kept */
};

/* file NULL: CONFIG_FILE_DEFAULT if it exists, else the defaults alone. */
PG_MUST_USE int config_load(const char *file, struct config_load *load_r, struct pg_err *err);

/* The text of a file, with all rules that need no look at other files. 0 or 1. */
PG_MUST_USE int config_parse(struct sl text, const char *file, struct config_load *load_r);
void config_load_free(struct config_load *load);

/* One line for each: file:line:col: text. */
void config_load_put_problems(const struct config_load *load, struct pg_buf *out);

/* For the rules: one more thing that is wrong. */
void config_add_problem(struct config_load *load, struct pg_tree_at at, const char *fmt, ...)
    PG_PRINTF(3, 4);

/* The position of a global option's value, "storage", "path"; of an upstream's. */
struct pg_tree_at config_at(const struct config_load *load, const char *section, const char *name);
struct pg_tree_at config_upstream_at(const struct config_load *load, size_t upstream,
                                     const char *name);
