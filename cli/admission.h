/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admission - how `policy` and `trust` of the configuration are read, loaded, and followed when
 * their files change.
 *
 *     policy: {file: /etc/pullgate/policy.yaml}, or the policy itself
 *
 *     trust: {trusted_root: [/etc/pullgate/trusted_root.json]}
 *
 * What is wrong becomes a problem of the load: a policy that does not load is not used, and with it
 * nothing of the file; what was in force stays in force.
 *
 * Threads:  main. Loading reads files.
 */
#pragma once

#include "cli/config.h"

struct reload;

void admission_read(struct config_load *load, const struct pg_tree *root); /* opens no file */
void admission_load(struct config_load *load);

/* Both as YAML, for `config show`; nothing when there is neither. */
void admission_put(const struct config_admission *a, struct pg_buf *out);

/* Since when what `now` has is in force; old: what was before, or NULL. */
void admission_date(const struct config *old, struct config *now);
/* Says which policy is in force now; old: which was, NULL at the start. */
void admission_tell(const struct config *old, const struct config *now);

/* Who looks at the files now and then, and asks for a reload when they changed and then stayed the
 * same from one look to the next. */
struct admission_watch {
    uint64_t look_ms;
    uint64_t revision; /* of the configuration that the rest is of */
    uint8_t known[32], seen[32];
};

/* To be called now and then; how many milliseconds until it wants to be called again, or -1. */
int admission_look(struct admission_watch *w, struct reload *reload);
