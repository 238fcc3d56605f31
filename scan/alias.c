/* SPDX-License-Identifier: Apache-2.0 */
#include "scan/alias.h"

#include "base/list.h"

bool alias_is_name(struct sl s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c <= 0x20 || c >= 0x7f || c == '"' || c == '\'' || c == '\\') {
            return false;
        }
    }
    return s.n > 0 && s.n <= ALIAS_MAX;
}

bool alias_fits(struct sl name, struct sl id, const struct alias_list *aliases)
{
    if (sl_eq_nocase(name, id)) {
        return true;
    }
    for (size_t i = 0; aliases != NULL && i < aliases->n; i++) {
        if (sl_eq_nocase(name, aliases->names[i])) {
            return true;
        }
    }
    return false;
}

struct named {
    struct pg_map_node node;
    struct alias_entry *first, *last;
};

void alias_index_init(struct alias_index *x)
{
    pg_map_init(&x->names);
}

void alias_index_free(struct alias_index *x)
{
    pg_map_free(&x->names);
}

/* 0: longer than any name is. */
static size_t lower(struct sl name, char out[ALIAS_MAX])
{
    if (name.n > ALIAS_MAX) {
        return 0;
    }
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        out[i] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
    }
    return name.n;
}

static struct named *find(const struct alias_index *x, struct sl key)
{
    struct pg_map_node *node = pg_map_get(&x->names, key);

    return node != NULL ? pg_container_of(node, struct named, node) : NULL;
}

void alias_index_add(struct alias_index *x, struct sl name, const void *item,
                     struct pg_arena *arena)
{
    struct alias_entry *e = pg_new(arena, struct alias_entry);
    char text[ALIAS_MAX];
    struct sl key = {text, lower(name, text)};
    struct named *n = find(x, key);

    PG_CHECK(key.n > 0);
    if (n == NULL) {
        n = pg_new(arena, struct named);
        pg_map_put(&x->names, &n->node, pg_copy(arena, key));
    }
    e->item = item;
    *(n->last != NULL ? &n->last->next : &n->first) = e;
    n->last = e;
}

const struct alias_entry *alias_index_find(const struct alias_index *x, struct sl name)
{
    char text[ALIAS_MAX];
    struct sl key = {text, lower(name, text)};
    const struct named *n = key.n > 0 ? find(x, key) : NULL;

    return n != NULL ? n->first : NULL;
}
