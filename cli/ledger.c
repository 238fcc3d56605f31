/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/metric.h"
#include "cli/version.h"

char *ledger_path(const struct config *c)
{
    char *path = NULL;
    int n = asprintf(&path, "%s/audit", c->storage_path);

    PG_CHECK(n > 0);
    return path;
}

static void act(struct trail *t, struct sl name, const char *target, const char *result)
{
    struct entry e = {.kind = ENTRY_ACT};

    e.text[ENTRY_TEXT_CALLER] = SL("pullgate");
    e.text[ENTRY_TEXT_ACT] = name;
    e.text[ENTRY_TEXT_TARGET] = sl_str(target);
    e.text[ENTRY_TEXT_RESULT] = sl_str(result);
    trail_note(t, &e);
}

int ledger_open(const struct config *c, struct trail **trail_r, struct pg_err *err)
{
    char target[96];

    *trail_r = NULL;
    if (!c->audit_enabled) {
        return 0;
    }
    char *path = ledger_path(c);
    const struct trail_config tc = {
        .path = path, .keep_ms = c->audit_keep, .max_bytes = c->audit_max_size};
    int rc = trail_open(&tc, trail_r, err);
    free(path);
    if (rc < 0) {
        return -1;
    }
    (void)trail_adopt(*trail_r);
    (void)snprintf(target, sizeof(target), "pullgate " VERSION_TEXT ", process %d", (int)getpid());
    act(*trail_r, SL("start"), target, "ok");
    ledger_config(*trail_r, c, 1, NULL);
    return 0;
}

void ledger_close(struct trail *t, const char *why)
{
    act(t, SL("stop"), NULL, why);
    trail_close(t);
}

static const char *policy_name(const struct config *c)
{
    return c->admission.policy == NULL        ? "no policy"
           : c->admission.policy_file != NULL ? c->admission.policy_file
                                              : c->file;
}

void ledger_config(struct trail *t, const struct config *c, uint64_t revision, const char *why)
{
    char policy[ENTRY_HEX_MAX], trust[ENTRY_HEX_MAX];
    uint8_t sha256[32];
    struct entry e = {.kind = ENTRY_ACT};

    e.text[ENTRY_TEXT_CALLER] = SL("pullgate");
    e.text[ENTRY_TEXT_ACT] = SL("configuration");
    e.text[ENTRY_TEXT_TARGET] = sl_str(policy_name(c));
    e.text[ENTRY_TEXT_RESULT] = why != NULL ? sl_str(why) : SL("ok");
    e.number[ENTRY_NUMBER_COUNT] = revision;
    if (why == NULL && c->admission.policy != NULL) {
        policy_revision(c->admission.policy, sha256);
        e.text[ENTRY_TEXT_POLICY] = entry_hex(sha256, sizeof(sha256), policy);
        e.text[ENTRY_TEXT_TRUST] =
            entry_hex(c->admission.revision, sizeof(c->admission.revision), trust);
    }
    trail_note(t, &e);
}
