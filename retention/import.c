/* SPDX-License-Identifier: Apache-2.0 */
#include "retention/import.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "retention/import_int.h"
#include "retention/ruleset_int.h"

#define TEXT_MAX 600

struct sl import_text(struct reading *r, const char *fmt, ...)
{
    char text[TEXT_MAX];
    va_list args;

    va_start(args, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    PG_CHECK(n >= 0);
    return pg_copy(r->arena, sl_str(text));
}

const struct sl *import_all(struct reading *r)
{
    struct sl *all = pg_new(r->arena, struct sl);

    *all = SL("**");
    return all;
}

/* YAML would take more than JSON, and ECR would not. Blanks may be tabs there. */
static int check_json(struct reading *r, struct sl text)
{
    _json_ json_t *root = NULL;
    struct pg_err why = {0};

    if (pg_json_parse(text, PG_E_DENIED, &root, &why) == 0) {
        return 0;
    }
    (void)reading_bad(r, (struct pg_tree_at){1, 1}, "%s", why.msg);
    pg_err_clear(&why);
    return -1;
}

static struct sl without_tabs(struct reading *r, struct sl text)
{
    char *copy = pg_alloc(r->arena, text.n + 1);

    for (size_t i = 0; i < text.n; i++) {
        copy[i] = text.p[i];
        if (copy[i] == '\t') {
            copy[i] = ' ';
        }
    }
    return (struct sl){copy, text.n};
}

static bool begins_as_json(struct sl text)
{
    size_t i = 0;

    while (i < text.n && strchr(" \t\r\n", text.p[i]) != NULL && text.p[i] != '\0') {
        i++;
    }
    return i < text.n && text.p[i] == '{';
}

static int load(struct reading *r, struct sl text, bool lenient, struct ruleset *rules,
                enum import_form *form)
{
    struct pg_tree *root;
    bool json = begins_as_json(text);

    if (reading_tree(r, json ? without_tabs(r, text) : text, &root) < 0) {
        return -1;
    }
    if (root->kind == PG_TREE_MAP && pg_tree_get(root, SL("retention")) != NULL) {
        *form = IMPORT_OURS;
        return ruleset_read_tree(r, root, rules);
    }
    if (root->kind == PG_TREE_MAP && pg_tree_get(root, SL("retention_policy")) != NULL) {
        *form = IMPORT_HARBOR;
        return import_harbor_read(r, root, rules);
    }
    if (root->kind == PG_TREE_MAP && pg_tree_get(root, SL("rules")) != NULL) {
        *form = IMPORT_ECR;
        return check_json(r, text) < 0 ? -1 : import_ecr_read(r, root, lenient, rules);
    }
    return reading_bad(r, root->at,
                       "neither rules of ours (retention:), nor Harbor's (retention_policy:), nor "
                       "a lifecycle policy of Amazon ECR ({\"rules\": [...]})");
}

int import_load(const char *file, struct sl text, bool lenient, struct ruleset **rules_r,
                enum import_form *form_r, struct pg_err *err)
{
    struct ruleset *rules = ruleset_new();
    struct reading r = {.file = file, .arena = &rules->arena, .err = err};

    if (load(&r, text, lenient, rules, form_r) < 0) {
        ruleset_free(rules);
        return -1;
    }
    *rules_r = rules;
    return 0;
}
