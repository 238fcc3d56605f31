/* SPDX-License-Identifier: Apache-2.0 */
/*
 * option - the rows of proxy/config_table.h as data, and the values that stand in the file: sizes
 * (B, KiB, MiB, GiB, TiB), times (ms, s, m, h, d), counts, booleans, words, texts.
 *
 * What option_put() writes, option_parse() reads back to the same value.
 *
 * Ownership:  texts that option_parse() and option_initial() store belong to the config.
 * Threads:    any; the tables are const.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "proxy/config.h"

enum option_type {
    OPTION_STRING,
    OPTION_PATH,
    OPTION_SIZE,
    OPTION_TIME,
    OPTION_COUNT,
    OPTION_BOOL,
    OPTION_LOGFORMAT,
    OPTION_LOGLEVEL,
    OPTION_DELETED,
};

struct option {
    const char *section, *name;
    enum option_type type;
    const char *initial; /* the default, as it would stand in the file */
    uint64_t min, max;   /* SIZE, TIME, COUNT */
    bool reload;         /* a reload changes it; else a restart does */
    const char *doc;
    size_t offset; /* in struct config, or in struct config_upstream */
};

#define OPTION_ONE(...) +1
enum {
    OPTION_NGLOBAL = 0 CONFIG_GLOBAL(OPTION_ONE),
    OPTION_NUPSTREAM = 0 CONFIG_UPSTREAM(OPTION_ONE),
};

#define OPTION_TEXT_MAX 4096
#define OPTION_WHY_MAX  ((size_t)2048) /* for the buf that option_parse() explains itself in */

extern const struct option option_global[OPTION_NGLOBAL];
extern const struct option option_upstream[OPTION_NUPSTREAM];

bool option_is_top(const struct option *o); /* stands at the file's own level */

/* Reads text into the field of `base`, a config or a config_upstream. -1: *why says what is wrong
 * with it, without the option's name. */
PG_MUST_USE int option_parse(const struct option *o, struct sl text, void *base,
                             struct pg_buf *why);
void option_initial(const struct option *o, void *base); /* the default, into a field that is 0 */

void option_put(const struct option *o, const void *base, struct pg_buf *out); /* as in the file */
/* A text as it may stand in YAML: plain where that is safe, else in quotes. */
void option_put_text(struct sl text, struct pg_buf *out);

/* "a size from 16MiB to 1TiB", "true or false": for people. */
void option_put_kind(const struct option *o, struct pg_buf *out);
