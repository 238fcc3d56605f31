/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/keeping.h"

#include <errno.h>

#include "base/guarded.h"
#include "cli/rules.h"
#include "retention/import.h"

static int read_rules(const char *path, struct ruleset **rules_r, struct pg_err *err)
{
    struct pg_buf text;
    enum import_form form;

    pg_buf_init(&text, RULESET_BYTES_MAX);
    errno = 0;
    int rc = pg_guarded_read(path, PG_GUARDED_PUBLIC, &text, err);
    if (rc < 0 && rules_hint(path)[0] != '\0') {
        (void)pg_fail(err, PG_E_STORE_IO, "cannot open %s%s", path, rules_hint(path));
    }
    rc = rc < 0 ? rc : import_load(path, pg_buf_sl(&text), false, rules_r, &form, err);
    pg_buf_free(&text);
    return rc;
}

void keeping_load(struct config_load *load)
{
    struct config *c = &load->config;
    struct pg_err err = {0};

    if (c->retention_rules == NULL || c->retention_rules[0] == '\0') {
        return;
    }
    if (read_rules(c->retention_rules, &c->retention.rules, &err) < 0) {
        config_add_problem(load, config_at(load, "retention", "rules"), "%s", err.msg);
    } else {
        c->retention.rules->capacity = c->storage_max_size;
    }
    pg_err_clear(&err);
}
