/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/index_row_int.h"

/* The row after *at, which becomes its key; the value is in the map. */
static int step(struct index_view *v, enum index_table table, struct key *at, struct sl *value_r,
                struct pg_err *err)
{
    struct index_row row;
    int found = index_row_next(v, table, at, &row, err);

    if (found <= 0)
        return found;
    at->n = row.key.n;
    memcpy(at->p, row.key.p, row.key.n);
    *value_r = row.value;
    return 1;
}

int index_next_blob(struct index_view *v, const struct digest *after, struct index_blob_row *r,
                    struct pg_err *err)
{
    struct key at = after != NULL ? key_of_digest(after) : (struct key){0};
    struct index_blob_row row = {0};
    struct sl value, body;
    int found;

    do {
        found = step(v, INDEX_TABLE_BLOB, &at, &value, err);
        if (found <= 0)
            return found;
    } while (key_read_digest(key_sl(&at), &row.digest) < 0);
    row.damaged = index_value_open(value, INDEX_TABLE_BLOB, key_sl(&at), &body) < 0 ||
                  index_value_read_blob(body, &row.blob) < 0;
    *r = row;
    return 1;
}

int index_next_manifest(struct index_view *v, const struct digest *after,
                        struct index_manifest_row *r, struct pg_err *err)
{
    struct key at = after != NULL ? key_of_digest(after) : (struct key){0};
    struct index_manifest_row row = {0};
    struct sl value, body;
    int found;

    do {
        found = step(v, INDEX_TABLE_MANIFEST, &at, &value, err);
        if (found <= 0)
            return found;
    } while (key_read_digest(key_sl(&at), &row.digest) < 0);
    row.damaged = index_value_open(value, INDEX_TABLE_MANIFEST, key_sl(&at), &body) < 0 ||
                  index_value_read_manifest(body, &row.manifest) < 0;
    *r = row;
    return 1;
}

static int next_link(struct index_view *v, struct key *at, struct index_link_row *r,
                     struct pg_err *err)
{
    struct index_link_row row = {0};
    struct sl value, body;
    int found;

    do {
        found = step(v, INDEX_TABLE_LINK, at, &value, err);
        if (found <= 0)
            return found;
    } while (key_read_link(key_sl(at), &row.repo, &row.digest) < 0);
    row.damaged = index_value_open(value, INDEX_TABLE_LINK, key_sl(at), &body) < 0 ||
                  index_value_read_link(body, &row.link) < 0;
    *r = row;
    return 1;
}

int index_next_link(struct index_view *v, const struct index_link_row *after,
                    struct index_link_row *r, struct pg_err *err)
{
    struct key at = after != NULL ? key_of_link(&after->repo, &after->digest) : (struct key){0};

    return next_link(v, &at, r, err);
}

int index_next_link_of(struct index_view *v, const struct key_repo *repo,
                       const struct digest *after, struct index_link_row *r, struct pg_err *err)
{
    struct key at = after != NULL ? key_of_link(repo, after) : key_of_repo(repo);
    int found = next_link(v, &at, r, err);

    return found == 1 && memcmp(&r->repo, repo, sizeof(*repo)) != 0 ? 0 : found;
}

int index_next_tag(struct index_view *v, const struct index_tag_row *after, struct index_tag_row *r,
                   struct pg_err *err)
{
    struct key at = {0};
    struct index_tag_row row = {0};
    struct sl value, body, name;
    int found;

    if (after != NULL)
        at = key_of_tag(&after->repo, (struct sl){after->name, after->ntag});
    do {
        found = step(v, INDEX_TABLE_TAG, &at, &value, err);
        if (found <= 0)
            return found;
    } while (key_read_tag(key_sl(&at), &row.repo, &name) < 0);
    row.ntag = name.n;
    memcpy(row.name, name.p, name.n);
    row.damaged = index_value_open(value, INDEX_TABLE_TAG, key_sl(&at), &body) < 0 ||
                  index_value_read_tag(body, &row.tag) < 0;
    *r = row;
    return 1;
}

int index_next_event(struct index_view *v, const struct index_event_row *after,
                     struct index_event_row *r, struct pg_err *err)
{
    struct key at = {0};
    struct index_event_row row = {0};
    struct sl value, body;
    int found;

    if (after != NULL)
        at = key_of_event(after->event.when_s, after->number);
    do {
        found = step(v, INDEX_TABLE_EVENT, &at, &value, err);
        if (found <= 0)
            return found;
    } while (key_read_event(key_sl(&at), &row.event.when_s, &row.number) < 0);
    row.damaged = index_value_open(value, INDEX_TABLE_EVENT, key_sl(&at), &body) < 0 ||
                  index_value_read_event(body, &row.event) < 0;
    *r = row;
    return 1;
}

/* The next edge that begins at `from`, in one direction's table. */
static int next_edge(struct index_view *v, enum index_table table, const struct digest *from,
                     const struct key *after, struct index_edge *r, struct pg_err *err)
{
    struct key prefix = key_of_digest(from), at = after != NULL ? *after : prefix;
    struct digest begins, ends;
    struct sl value;
    uint8_t kind;
    int found = step(v, table, &at, &value, err);

    if (found <= 0 || !sl_starts(key_sl(&at), key_sl(&prefix)))
        return found < 0 ? -1 : 0;
    if (!index_value_is_sound(table, key_sl(&at), value) ||
        key_read_edge(key_sl(&at), &begins, &kind, &ends) < 0)
        return index_row_fail(v->index, MDB_CORRUPTED, "an edge", err);
    r->kind = (enum index_edge_kind)kind;
    r->parent = table == INDEX_TABLE_EDGE ? begins : ends;
    r->child = table == INDEX_TABLE_EDGE ? ends : begins;
    return 1;
}

int index_next_child(struct index_view *v, const struct digest *parent,
                     const struct index_edge *after, struct index_edge *r, struct pg_err *err)
{
    struct key at;

    if (after == NULL)
        return next_edge(v, INDEX_TABLE_EDGE, parent, NULL, r, err);
    at = key_of_edge(parent, (uint8_t)after->kind, &after->child);
    return next_edge(v, INDEX_TABLE_EDGE, parent, &at, r, err);
}

int index_next_parent(struct index_view *v, const struct digest *child,
                      const struct index_edge *after, struct index_edge *r, struct pg_err *err)
{
    struct key at;

    if (after == NULL)
        return next_edge(v, INDEX_TABLE_REDGE, child, NULL, r, err);
    at = key_of_edge(child, (uint8_t)after->kind, &after->parent);
    return next_edge(v, INDEX_TABLE_REDGE, child, &at, r, err);
}

int index_next_tag_of(struct index_view *v, struct sl repo, struct sl after, struct sl *name_r,
                      struct index_tag *r, struct pg_err *err)
{
    struct key_repo hashed = key_repo_of(repo), of;
    struct key at = key_of_repo(&hashed);
    struct index_row row;
    struct sl body, name;
    int found;

    if (after.n > 0) /* a client's word: it may be longer than any tag */
        at = key_of_tag(&hashed,
                        (struct sl){after.p, after.n < KEY_TAG_MAX ? after.n : KEY_TAG_MAX});
    found = index_row_next(v, INDEX_TABLE_TAG, &at, &row, err);
    if (found <= 0)
        return found;
    if (key_read_tag(row.key, &of, &name) < 0 || memcmp(&of, &hashed, sizeof(of)) != 0)
        return 0;
    if (index_value_open(row.value, INDEX_TABLE_TAG, row.key, &body) < 0 ||
        index_value_read_tag(body, r) < 0)
        return index_row_fail(v->index, MDB_CORRUPTED, "a tag", err);
    *name_r = name;
    return 1;
}

int index_next_tag_naming(struct index_view *v, struct sl repo, const struct digest *d,
                          struct sl *name, struct index_tag *r, struct pg_err *err)
{
    struct key_repo hashed = key_repo_of(repo), of;
    struct key at = key_of_tagged(&hashed, d, *name);
    struct digest named;
    struct index_row row;
    struct sl body, next;
    int found;

    do {
        struct key key;

        found = index_row_next(v, INDEX_TABLE_TAGGED, &at, &row, err);
        if (found <= 0)
            return found;
        if (key_read_tagged(row.key, &of, &named, &next) < 0 || !digest_eq(&named, d) ||
            memcmp(&of, &hashed, sizeof(of)) != 0)
            return 0;
        at = key_of_tagged(&hashed, d, next);
        key = key_of_tag(&hashed, next);
        found = index_row_get(v, INDEX_TABLE_TAG, &key, &body, err);
        if (found < 0 || (found > 0 && index_value_read_tag(body, r) < 0))
            return found < 0 ? -1 : index_row_fail(v->index, MDB_CORRUPTED, "a tag", err);
    } while (found == 0 || !digest_eq(&r->digest, d));
    *name = next;
    return 1;
}

static int table_of(const char *name)
{
    int table = 0;

    while (name != NULL && table < INDEX_TABLES && strcmp(name, index_row_tables[table]) != 0)
        table++;
    PG_CHECK(table < INDEX_TABLES);
    return table;
}

int index_next_damaged(struct index_view *v, unsigned nmax, struct index_raw *place,
                       struct pg_err *err)
{
    int table = table_of(place->table);

    place->table = index_row_tables[table];
    for (unsigned i = 0; i < nmax; i++) {
        struct sl value;
        int found = step(v, (enum index_table)table, &place->key, &value, err);

        if (found < 0)
            return -1;
        if (found == 0 && ++table == INDEX_TABLES) {
            place->table = NULL;
            return 0;
        }
        if (found == 0) {
            place->table = index_row_tables[table];
            place->key.n = 0;
        } else if (!index_value_is_sound((enum index_table)table, key_sl(&place->key), value)) {
            return 1;
        }
    }
    return 0;
}
