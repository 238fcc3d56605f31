/* SPDX-License-Identifier: Apache-2.0 */
#include "base/tree.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

#include "base/buf.h"

struct reading {
    struct pg_arena *arena;
    yaml_parser_t parser;
    struct sl text;
    struct pg_tree *root;
    struct pg_tree *open[PG_TREE_DEPTH_MAX]; /* collections that have not ended */
    size_t depth, nnodes;
    struct pg_tree *key; /* a key whose value comes next */
    struct pg_tree_fault *fault;
};

static struct pg_tree_at at_mark(yaml_mark_t mark)
{
    return (struct pg_tree_at){(unsigned)mark.line + 1, (unsigned)mark.column + 1};
}

__attribute__((format(printf, 3, 4))) static int fail(struct reading *r, struct pg_tree_at at,
                                                      const char *fmt, ...)
{
    va_list args;

    r->fault->at = at;
    va_start(args, fmt);
    int n = vsnprintf(r->fault->what, sizeof r->fault->what, fmt, args);
    va_end(args);
    PG_CHECK(n > 0);
    return -1;
}

/* Where a byte stands that libyaml could not read. */
static struct pg_tree_at at_offset(struct sl text, size_t offset)
{
    struct pg_tree_at at = {1, 1};

    for (size_t i = 0; i < offset && i < text.n; i++) {
        if (text.p[i] == '\n') {
            at.line++;
            at.col = 1;
        } else if (((unsigned char)text.p[i] & 0xc0) != 0x80) {
            at.col++;
        }
    }
    return at;
}

static int fail_parser(struct reading *r)
{
    const yaml_parser_t *p = &r->parser;
    const char *context = p->context != NULL ? p->context : "";

    PG_CHECK(p->error != YAML_MEMORY_ERROR);
    if (p->error == YAML_READER_ERROR) {
        return fail(r, at_offset(r->text, p->problem_offset), "not UTF-8 text: %s", p->problem);
    }
    if (p->problem_mark.index < r->text.n && r->text.p[p->problem_mark.index] == '\t') {
        return fail(r, at_mark(p->problem_mark), "not YAML: a tab; indent with spaces");
    }
    return fail(r, at_mark(p->problem_mark), "not YAML: %s%s%s", p->problem,
                context[0] != '\0' ? " " : "", context);
}

/* Text for a message: escaped, and not too long. */
static const char *shown(struct reading *r, struct sl text)
{
    struct pg_buf b;

    pg_buf_init(&b, 1024);
    (void)pg_buf_put_json(&b, (struct sl){text.p, text.n < 100 ? text.n : 100});
    struct sl copy = pg_copy(r->arena, pg_buf_sl(&b));
    pg_buf_free(&b);
    return copy.p;
}

struct pg_tree *pg_tree_get(const struct pg_tree *map, struct sl key)
{
    for (struct pg_tree *t = map->first; t != NULL; t = t->next) {
        if (sl_eq(t->key, key)) {
            return t;
        }
    }
    return NULL;
}

bool pg_tree_is_null(const struct pg_tree *t)
{
    return t->kind == PG_TREE_SCALAR && t->is_plain &&
           (t->text.n == 0 || sl_eq(t->text, SL("~")) || sl_eq(t->text, SL("null")));
}

/* A scalar where a key must stand. */
static int take_key(struct reading *r, struct pg_tree *t)
{
    const struct pg_tree *twice = pg_tree_get(r->open[r->depth - 1], t->text);

    if (t->kind != PG_TREE_SCALAR) {
        return fail(r, t->at, "a key must be a word");
    }
    if (twice != NULL) {
        return fail(r, t->at, "the key %s stands here twice; the first is at line %u",
                    shown(r, t->text), twice->key_at.line);
    }
    if (r->open[r->depth - 1]->nchildren == PG_TREE_KEYS_MAX) {
        return fail(r, t->at, "more than %d keys in one mapping", PG_TREE_KEYS_MAX);
    }
    r->key = t;
    return 0;
}

/* A new node: as a key, as a key's value, as a list's item, or as the root. */
static int place(struct reading *r, struct pg_tree *t)
{
    struct pg_tree *parent = r->depth > 0 ? r->open[r->depth - 1] : NULL;

    if (++r->nnodes > PG_TREE_NODES_MAX) {
        return fail(r, t->at, "more than %d keys and values", PG_TREE_NODES_MAX);
    }
    if (parent == NULL) {
        r->root = t;
        return 0;
    }
    if (parent->kind == PG_TREE_MAP) {
        if (r->key == NULL) {
            return take_key(r, t);
        }
        t->key = r->key->text;
        t->key_at = r->key->at;
        r->key = NULL;
    }
    if (parent->last != NULL) {
        parent->last->next = t;
    } else {
        parent->first = t;
    }
    parent->last = t;
    parent->nchildren++;
    return 0;
}

static int take_collection(struct reading *r, struct pg_tree *t, const yaml_char_t *anchor,
                           const yaml_char_t *tag)
{
    if (anchor != NULL || tag != NULL) {
        return fail(r, t->at, "anchors, aliases and tags are not allowed here");
    }
    if (place(r, t) < 0) {
        return -1;
    }
    if (r->depth == PG_TREE_DEPTH_MAX) {
        return fail(r, t->at, "nested deeper than %d levels", PG_TREE_DEPTH_MAX);
    }
    if (t->kind != PG_TREE_SCALAR) {
        r->open[r->depth++] = t;
    }
    return 0;
}

static int take_scalar(struct reading *r, struct pg_tree *t, const yaml_event_t *e)
{
    if (e->data.scalar.anchor != NULL || e->data.scalar.tag != NULL) {
        return fail(r, t->at, "anchors, aliases and tags are not allowed here");
    }
    struct sl text = {(const char *)e->data.scalar.value, e->data.scalar.length};
    if (memchr(text.p, '\0', text.n) != NULL) {
        return fail(r, t->at, "the text has a NUL character, which no value may have");
    }
    t->text = pg_copy(r->arena, text);
    t->is_plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    return place(r, t);
}

/* 1: more to come; 0: the end. */
static int take_event(struct reading *r, const yaml_event_t *e)
{
    struct pg_tree *t = pg_new(r->arena, struct pg_tree);

    t->at = at_mark(e->start_mark);
    switch (e->type) {
    case YAML_STREAM_END_EVENT:
        return 0;
    case YAML_DOCUMENT_START_EVENT:
        return r->root != NULL ? fail(r, t->at, "a second document") : 1;
    case YAML_ALIAS_EVENT:
        return fail(r, t->at, "anchors, aliases and tags are not allowed here");
    case YAML_SCALAR_EVENT:
        return take_scalar(r, t, e) < 0 ? -1 : 1;
    case YAML_SEQUENCE_START_EVENT:
        t->kind = PG_TREE_LIST;
        return take_collection(r, t, e->data.sequence_start.anchor, e->data.sequence_start.tag) < 0
                   ? -1
                   : 1;
    case YAML_MAPPING_START_EVENT:
        t->kind = PG_TREE_MAP;
        return take_collection(r, t, e->data.mapping_start.anchor, e->data.mapping_start.tag) < 0
                   ? -1
                   : 1;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        PG_CHECK(r->depth > 0);
        r->depth--;
        return 1;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return 1;
    }
    PG_BUG("an event that libyaml does not have");
}

int pg_tree_read(struct pg_arena *a, struct sl text, struct pg_tree **root_r,
                 struct pg_tree_fault *fault_r)
{
    struct reading r = {.arena = a, .text = text, .fault = fault_r};
    int more = 1;

    if (text.n > PG_TREE_BYTES_MAX) {
        return fail(&r, (struct pg_tree_at){1, 1}, "the file is larger than %zu KiB",
                    PG_TREE_BYTES_MAX / 1024);
    }
    int rc = yaml_parser_initialize(&r.parser);
    PG_CHECK(rc == 1);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)(text.n > 0 ? text.p : ""),
                                 text.n);
    while (more > 0) {
        yaml_event_t e;
        if (yaml_parser_parse(&r.parser, &e) == 0) {
            more = fail_parser(&r);
            break;
        }
        more = take_event(&r, &e);
        yaml_event_delete(&e);
    }
    yaml_parser_delete(&r.parser);
    if (more < 0) {
        return -1;
    }
    *root_r = r.root;
    return 0;
}
