/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command - what pullgate can be told to do: one table, of which dispatch, --help and the manual
 * page are made.
 *
 * Threads: main.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Exit status of every command. */
enum {
    COMMAND_GOOD = 0,
    COMMAND_FOUND = 1,  /* did its work, and found something wrong */
    COMMAND_CANNOT = 2, /* could not do it */
};

#define COMMAND_LIST_MAX 64

/* An option that may be given more than once. */
struct command_list {
    const char *items[COMMAND_LIST_MAX];
    size_t n;
};

/* What ls lists. */
struct command_listed {
    bool tags, manifests, blobs;
};

/* Of the commands that verify. */
struct command_signed {
    const char *layout, *bundle;
    const char *key, *identity, *issuer, *policy, *trusted_root;
    const char *type; /* "signature", or that of an attestation's predicate; NULL: a signature */
};

/* Of `scan read` and `scan image`. */
struct command_scan {
    const char *digest, *image, *sbom, *waivers;
    const char *program, *database;
    struct command_list vex;
    bool is_static;
};

/* Of fsck. */
struct command_fsck {
    bool deep, repair, accept_loss;
};

/* Of backup and restore. */
struct command_backup {
    bool no_blobs, force;
};

/* Of retention's. */
struct command_retention {
    const char *rules, *as_of, *rate, *label;
    bool csv, all, now;
};

/* Of lifecycle. */
struct command_lifecycle {
    const char *registry, *repo, *policy;
};

/* Of the commands about the audit log: which entries. */
struct command_audit {
    const char *since, *until, *image, *digest, *caller, *verdict, *rule, *act;
    const char *html;
    struct command_list heads;
    bool csv;
};

/* Of what changes the store. */
struct command_change {
    bool dry_run;
    const char *reason; /* of revoke */
};

struct command_args {
    const char *program;     /* as it was called: argv[0] */
    const char *config_file; /* NULL: see config_load() */
    const char *admin;       /* NULL: as configured */
    const char *control;     /* NULL: as configured */
    const char *platform;    /* of prewarm; NULL: this machine's */
    const char *client, *proxy, *ca, *dir, *canary;
    struct command_list upstreams;
    const char *const *operands;
    size_t noperands;
    struct command_signed signature;
    struct command_scan scan;
    struct command_audit audit;
    bool json, watch, help;
    struct command_fsck fsck;
    struct command_listed listed;
    struct command_change change;
    struct command_backup backup;
    struct command_retention retention;
    struct command_lifecycle lifecycle;
};

struct command {
    const char *name;    /* one word, or two: "config check" */
    const char *options; /* the keys of those it takes, besides help */
    const char *summary; /* one line */
    const char *doc;     /* a paragraph for the manual */
    int (*run)(const struct command_args *args);
    const char
        *operands; /* "REF...": what may stand behind it, as --help shows it; NULL: nothing */
};

struct command_option {
    char key;             /* in command.options */
    char letter;          /* -c, or 0 */
    const char *name;     /* --config */
    const char *argument; /* FILE; "NAME...": may come again; NULL: a switch */
    const char *doc;
    size_t offset; /* in command_args: const char *, bool, or struct command_list */
};

extern const struct command command_table[];
extern const size_t command_count;
extern const struct command_option command_options[];
extern const size_t command_option_count;

int command_main(int argc, char **argv);
