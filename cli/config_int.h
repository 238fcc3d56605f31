/* SPDX-License-Identifier: Apache-2.0 */
/* config_int - what the files that read a configuration share; private to cli. */
#pragma once

#include "base/guarded.h"
#include "cli/config.h"

#define CONFIG_WORDS_MAX 64

/* The words that may stand as keys in one place. */
struct config_words {
    const char *word[CONFIG_WORDS_MAX];
    size_t n;
};

/* True if t is a mapping; complains if it is not, and of keys that are not among the words (any,
 * if w is NULL). name: "" for the file itself. */
bool config_check_map(struct config_load *load, const struct pg_tree *t, const char *name,
                      const struct config_words *w);
/* True if t is a value; complains if it is not. */
bool config_check_scalar(struct config_load *load, const struct pg_tree *t, const char *name);

/* Of an entry of a list: a text, and an absolute path; to be freed. NULL: there is none, or that
 * was said, as all is that is wrong with it. */
char *config_read_text(struct config_load *load, const struct pg_tree *map, const char *list,
                       const char *key);
char *config_read_path(struct config_load *load, const struct pg_tree *map, const char *list,
                       const char *key);
/* That a file is there (or NULL), and as it may be. */
void config_check_file(struct config_load *load, struct pg_tree_at at, const char *path,
                       enum pg_guarded_mode forbidden);
