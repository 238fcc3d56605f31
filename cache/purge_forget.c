/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cache/journal.h"
#include "cache/lost.h"
#include "cache/purge_int.h"
#include "cache/scanned.h"
#include "cache/writer.h"

#define LINKS_A_COMMIT 1024

/* Links of one repository, one after another in the plan's list. */
struct batch {
    struct writer_op op;
    struct purge_plan *plan;
    struct pg_list *first;
    size_t n;
    int64_t now_s;
    char repo[CATALOG_REPO_MAX]; /* apply */
};

static struct sl repo_of(const struct batch *b)
{
    return (struct sl){b->repo, strlen(b->repo)};
}

/* Somebody has pulled it since: what a tag names stays linked, or the tag would be worth nothing.
 */
static int is_tagged(struct batch *b, struct index_view *v, struct purge_content *c,
                     struct pg_err *err)
{
    struct sl name = {NULL, 0};
    struct index_tag tag;
    int found = index_next_tag_naming(v, repo_of(b), &c->digest, &name, &tag, err);

    c->is_kept = c->is_kept || found > 0;
    return found;
}

/* With its edges the row of a manifest goes: it may be read again before its file has left. */
static int forget_manifest(struct index_txn *txn, const struct digest *d, struct pg_err *err)
{
    struct index_view v = index_txn_view(txn);
    struct index_edge edge;
    int found;

    while ((found = index_next_child(&v, d, NULL, &edge, err)) > 0)
        if (index_del_edge(txn, &edge, err) < 0)
            return -1;
    if (found < 0 || index_del_manifest(txn, d, err) < 0)
        return -1;
    return scanned_forget(txn, d, err);
}

static int forget_link(struct batch *b, struct index_txn *txn, const struct purge_content *c,
                       struct pg_err *err)
{
    struct journal_record r = {.kind = JOURNAL_LINK_GONE,
                               .when_s = b->now_s,
                               .repo = repo_of(b),
                               .has_digest = true,
                               .digest = c->digest};
    struct index_view v = index_txn_view(txn);
    struct index_link link;
    int found = index_get_link(&v, repo_of(b), &c->digest, &link, err);

    if (found <= 0)
        return found;
    if (link.landed && b->plan->store->journal != NULL &&
        journal_append(b->plan->store->journal, &r, err) < 0)
        return -1;
    if (index_del_link(txn, repo_of(b), &c->digest, err) < 0)
        return -1;
    return lost_forget(txn, repo_of(b), &c->digest, err);
}

static int apply(struct writer_op *op, struct index_txn *txn, struct pg_err *err)
{
    struct batch *b = pg_container_of(op, struct batch, op);
    struct index_view v = index_txn_view(txn);
    struct pg_list *it = b->first;
    struct sl name;
    int found = index_get_repo(&v, &pg_container_of(it, struct purge_link, node)->repo, &name, err);

    if (found <= 0)
        return found;
    (void)snprintf(b->repo, sizeof(b->repo), SL_FMT, SL_ARG(name));
    for (size_t i = 0; i < b->n; i++, it = it->next) {
        struct purge_content *c = pg_container_of(it, struct purge_link, node)->content;
        int tagged = is_tagged(b, &v, c, err);

        if (tagged < 0 || (tagged == 0 && forget_link(b, txn, c, err) < 0))
            return -1;
        if (!c->is_kept && forget_manifest(txn, &c->digest, err) < 0)
            return -1;
    }
    return 0;
}

/* As many as are of one repository, and go in one commit. */
static struct pg_list *gather(struct batch *b, struct pg_list *it)
{
    const struct purge_link *first = pg_container_of(it, struct purge_link, node);

    b->first = it;
    b->n = 0;
    while (it != &b->plan->links && b->n < LINKS_A_COMMIT &&
           memcmp(&pg_container_of(it, struct purge_link, node)->repo, &first->repo,
                  sizeof(first->repo)) == 0) {
        b->n++;
        it = it->next;
    }
    return it;
}

int purge_forget_links(struct purge_plan *p, struct pg_err *err)
{
    struct batch b = {.plan = p, .now_s = pg_clock_wall_s()};
    struct pg_list *it = p->links.next;

    while (it != &p->links && !purge_is_stopped(p)) {
        it = gather(&b, it);
        b.op = (struct writer_op){.apply = apply};
        if (writer_do(p->store->writer, &b.op, err) < 0)
            return -1;
    }
    return 0;
}
