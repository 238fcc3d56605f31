/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/past.h"

#include "cache/index_row_int.h"

#define NAMES_MAX 256 /* of a digest that are looked at for when it was named first */

/* ---- spells -------------------------------------------------------------------------------- */

static int64_t length_of(const struct past_spell *s)
{
    return s->until_s - s->since_s;
}

static void drop(struct past *p, size_t at)
{
    memmove(&p->spells[at], &p->spells[at + 1], (p->n - at - 1) * sizeof(p->spells[0]));
    p->n--;
}

/* Of equals the oldest; never what the tag may not move from. */
static void drop_shortest(struct past *p)
{
    size_t shortest = p->spells[p->n - 1].is_fixed ? p->n - 2 : p->n - 1;

    for (size_t i = shortest; i > 0; i--)
        if (!p->spells[i - 1].is_fixed &&
            length_of(&p->spells[i - 1]) < length_of(&p->spells[shortest]))
            shortest = i - 1;
    drop(p, shortest);
}

static void push(struct past *p, const struct past_spell *s)
{
    if (p->n == PAST_SPELLS_MAX)
        drop_shortest(p);
    memmove(&p->spells[1], &p->spells[0], p->n * sizeof(p->spells[0]));
    p->spells[0] = *s;
    p->n++;
}

void past_close(struct past *p)
{
    if (p->n > 0)
        p->spells[0].is_open = false;
}

/* What is said of a time before the newest spell was said already: the journal is read again. */
bool past_add(struct past *p, const struct index_tag *was, const struct digest *d, int64_t now_s)
{
    struct past_spell *newest = &p->spells[0];

    if (p->n == 0 && was != NULL) /* the store is of a release that kept no past */
        push(p, &(struct past_spell){.digest = was->digest,
                                     .since_s = was->first_seen_s,
                                     .until_s = was->validated_s < was->first_seen_s ||
                                                        was->validated_s > now_s
                                                    ? was->first_seen_s
                                                    : was->validated_s,
                                     .is_open = true});
    if (p->n > 0 && now_s < newest->since_s)
        return false;
    if (p->n > 0 && newest->is_open && digest_eq(&newest->digest, d)) {
        if (now_s > newest->until_s)
            newest->until_s = now_s;
        return false;
    }
    past_close(p);
    push(p,
         &(struct past_spell){.digest = *d, .since_s = now_s, .until_s = now_s, .is_open = true});
    return true;
}

const struct past_spell *past_fixed(const struct past *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->spells[i].is_fixed)
            return &p->spells[i];
    return NULL;
}

bool past_set_fixed(struct past *p, const struct digest *d)
{
    for (size_t i = 0; i < p->n && past_fixed(p) == NULL; i++)
        if (digest_eq(&p->spells[i].digest, d)) {
            p->spells[i].is_fixed = true;
            return true;
        }
    return false;
}

bool past_is_held(const struct past_spell *s, int64_t now_s)
{
    return s->is_fixed || (s->asked_s > 0 && now_s - s->asked_s < PAST_HELD_S);
}

/* ---- rows ---------------------------------------------------------------------------------- */

static int read_row(struct index_view *v, const struct key *key, struct past *r, struct pg_err *err)
{
    struct sl body;
    int found = index_row_look(v, INDEX_TABLE_PAST, key, &body, err);

    *r = (struct past){0};
    if (found == 1 && index_value_read_past(body, r) < 0)
        *r = (struct past){0};
    return found;
}

int past_get(struct index_view *v, struct sl repo, struct sl tag, struct past *r,
             struct pg_err *err)
{
    struct key_repo hashed = key_repo_of(repo);
    struct key key = key_of_tag(&hashed, tag);
    int found = read_row(v, &key, r, err);

    return found == 2 ? index_row_fail(v->index, MDB_CORRUPTED, "the past of a tag", err) : found;
}

bool past_has(const struct past *p, const struct digest *d)
{
    for (size_t i = 0; i < p->n; i++)
        if (digest_eq(&p->spells[i].digest, d))
            return true;
    return false;
}

static int confirm(struct index_txn *txn, const struct key *key, const struct past *now,
                   struct pg_err *err)
{
    index_value_begin(&txn->value);
    index_value_put_past(&txn->value, now);
    return index_row_put(txn, INDEX_TABLE_PAST, key, err);
}

/* By its digests the tag is found as long as they are in its past. */
static int write_row(struct index_txn *txn, const struct key_repo *repo, struct sl tag,
                     const struct past *was, const struct past *now, struct pg_err *err)
{
    struct key key = key_of_tag(repo, tag);

    if (confirm(txn, &key, now, err) < 0)
        return -1;
    for (size_t i = 0; i < was->n; i++) {
        struct key tagged = key_of_tagged(repo, &was->spells[i].digest, tag);

        if (!past_has(now, &was->spells[i].digest) &&
            index_row_del(txn, INDEX_TABLE_TAGGED, &tagged, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < now->n; i++)
        if (index_row_put_tagged(txn, repo, &now->spells[i].digest, tag, err) < 0)
            return -1;
    return 0;
}

int past_note(struct index_txn *txn, struct sl repo, struct sl tag, const struct index_tag *now,
              const struct index_tag *was, struct pg_err *err)
{
    struct key_repo hashed = key_repo_of(repo);
    struct key key = key_of_tag(&hashed, tag);
    struct index_view v = index_txn_view(txn);
    struct past before, after;
    int found = read_row(&v, &key, &before, err);

    if (found < 0)
        return -1;
    after = before;
    if (past_add(&after, was, &now->digest, now->first_seen_s))
        return write_row(txn, &hashed, tag, &before, &after, err);
    return confirm(txn, &key, &after, err);
}

int past_end(struct index_txn *txn, struct sl repo, struct sl tag, struct pg_err *err)
{
    struct key_repo hashed = key_repo_of(repo);
    struct key key = key_of_tag(&hashed, tag);
    struct index_view v = index_txn_view(txn);
    struct past before, after;
    int found = read_row(&v, &key, &before, err);

    if (found < 0 || before.n == 0)
        return found < 0 ? -1 : 0;
    after = before;
    past_close(&after);
    return write_row(txn, &hashed, tag, &before, &after, err);
}

int past_asked(struct index_txn *txn, struct sl repo, struct sl tag, const struct digest *d,
               int64_t asked_s, struct pg_err *err)
{
    struct key_repo hashed = key_repo_of(repo);
    struct key key = key_of_tag(&hashed, tag);
    struct index_view v = index_txn_view(txn);
    struct past before, after;
    int found = read_row(&v, &key, &before, err);

    if (found < 0 || !past_has(&before, d))
        return found < 0 ? -1 : 0;
    after = before;
    for (size_t i = after.n; i > 0; i--) {
        struct past_spell *s = &after.spells[i - 1];

        if (!digest_eq(&s->digest, d))
            continue;
        if (asked_s == 0 && !s->is_open && !s->is_fixed)
            drop(&after, i - 1);
        else
            s->asked_s = asked_s;
    }
    return write_row(txn, &hashed, tag, &before, &after, err);
}

int past_fix(struct index_txn *txn, struct sl repo, struct sl tag, const struct index_tag *now,
             bool *is_new_r, struct pg_err *err)
{
    struct key_repo hashed = key_repo_of(repo);
    struct key key = key_of_tag(&hashed, tag);
    struct index_view v = index_txn_view(txn);
    struct past before, after;
    int found = read_row(&v, &key, &before, err);

    if (found < 0)
        return -1;
    after = before;
    *is_new_r = past_fixed(&before) == NULL;
    if (!*is_new_r)
        return 0;
    if (!past_has(&after, &now->digest)) /* the tag's own row is on its way */
        (void)past_add(&after, NULL, &now->digest, now->first_seen_s);
    *is_new_r = past_set_fixed(&after, &now->digest);
    return write_row(txn, &hashed, tag, &before, &after, err);
}

int past_forget(struct index_txn *txn, struct sl repo, struct sl tag, struct pg_err *err)
{
    struct key_repo hashed = key_repo_of(repo);
    struct key key = key_of_tag(&hashed, tag);
    struct index_view v = index_txn_view(txn);
    struct past before;
    int found = read_row(&v, &key, &before, err);

    if (found <= 0)
        return found;
    for (size_t i = 0; i < before.n; i++) {
        struct key tagged = key_of_tagged(&hashed, &before.spells[i].digest, tag);

        if (index_row_del(txn, INDEX_TABLE_TAGGED, &tagged, err) < 0)
            return -1;
    }
    return index_row_del(txn, INDEX_TABLE_PAST, &key, err) < 0 ? -1 : 0;
}

/* ---- by digest ----------------------------------------------------------------------------- */

static void note_first(const struct past *p, const struct digest *d, int64_t *since_s)
{
    for (size_t i = 0; i < p->n; i++)
        if (digest_eq(&p->spells[i].digest, d) &&
            (*since_s == 0 || p->spells[i].since_s < *since_s))
            *since_s = p->spells[i].since_s;
}

int past_first(struct index_view *v, struct sl repo, const struct digest *d, int64_t *since_s_r,
               struct pg_err *err)
{
    struct key_repo hashed = key_repo_of(repo), of;
    struct key at = key_of_tagged(&hashed, d, (struct sl){NULL, 0});
    int64_t since_s = 0;
    int found = 1;

    for (unsigned i = 0; i < NAMES_MAX && found > 0; i++) {
        struct index_row row;
        struct digest named;
        struct past past;
        struct sl tag;

        found = index_row_next(v, INDEX_TABLE_TAGGED, &at, &row, err);
        if (found <= 0 || key_read_tagged(row.key, &of, &named, &tag) < 0 ||
            !digest_eq(&named, d) || memcmp(&of, &hashed, sizeof(of)) != 0)
            break;
        at = key_of_tagged(&hashed, d, tag);
        found = past_get(v, repo, tag, &past, err);
        note_first(&past, d, &since_s);
        found = found < 0 ? -1 : 1;
    }
    *since_s_r = since_s;
    return found < 0 ? -1 : since_s != 0;
}
