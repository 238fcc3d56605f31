/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journey/pager.h"

#include "oci/link.h"

void pager_init(struct pager *p, const char *what, unsigned pages_max, struct sl first_query)
{
    PG_CHECK(first_query.n <= sizeof(p->query));
    p->what = what;
    p->pages = 0;
    p->pages_max = pages_max;
    memcpy(p->query, first_query.p, first_query.n);
    p->nquery = first_query.n;
}

struct sl pager_query(struct pager *p)
{
    p->pages++;
    return (struct sl){p->query, p->nquery};
}

static int wrong(const struct pager *p, const char *how, struct pg_err *err)
{
    return pg_fail(err, PG_E_UPSTREAM_WRONG, "upstream's list of %s %s", p->what, how);
}

int pager_next(struct pager *p, struct sl link, struct pg_err *err)
{
    struct sl target, query;
    const char *mark;

    if (link.p == NULL || link_next(link, &target) == 0)
        return 0;
    mark = memchr(target.p, '?', target.n);
    if (mark == NULL)
        return wrong(p, "links to itself", err);
    query = (struct sl){mark + 1, target.n - (size_t)(mark + 1 - target.p)};
    if (query.n == 0 || query.n > FETCH_QUERY_MAX || !link_is_query(query))
        return wrong(p, "has a malformed Link", err);
    if (sl_eq(query, (struct sl){p->query, p->nquery}))
        return wrong(p, "links to itself", err);
    if (p->pages >= p->pages_max)
        return wrong(p, "has too many pages", err);
    memcpy(p->query, query.p, query.n);
    p->nquery = query.n;
    return 1;
}
