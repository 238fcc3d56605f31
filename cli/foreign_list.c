/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/foreign_list.h"

#include "base/json.h"
#include "oci/link.h"

#define PAGES_MAX 100000
#define PATH_ROOM 4096

struct listing {
    const struct foreign_list *what;
    struct registry *registry;
    struct pg_arena *arena;
    struct sl *names;
    size_t n, cap;
};

static void add(struct listing *l, struct sl name)
{
    if (l->n == l->cap) {
        struct sl *old = l->names;
        l->cap = l->cap > 0 ? 2 * l->cap : 64;
        l->names = pg_alloc(l->arena, l->cap * sizeof(*l->names));
        if (l->n > 0) {
            memcpy(l->names, old, l->n * sizeof(*old));
        }
    }
    l->names[l->n++] = pg_copy(l->arena, name);
}

static int take_page(struct listing *l, struct sl text, struct pg_err *err)
{
    _json_ json_t *root = NULL;
    const json_t *list;

    if (pg_json_parse(text, PG_E_UPSTREAM_WRONG, &root, err) < 0) {
        return pg_wrap(err, "%s, the list of %s", registry_host(l->registry), l->what->member);
    }
    list = json_object_get(root, l->what->member);
    if (!json_is_array(list) && !json_is_null(list)) {
        return pg_fail(err, PG_E_UPSTREAM_WRONG, "%s answers with something that is no list of %s",
                       registry_host(l->registry), l->what->member);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *name = json_array_get(list, i);
        if (json_is_string(name)) {
            add(l, (struct sl){json_string_value(name), json_string_length(name)});
        }
    }
    if (l->n > l->what->max) {
        return pg_fail(err, PG_E_TOO_LARGE, "%s has more than %zu %s", registry_host(l->registry),
                       l->what->max, l->what->member);
    }
    return 0;
}

/* Whatever host the link names: the path alone is taken. 1; 0: there is no next page; -1. */
static int next_path(const struct listing *l, struct sl link, char *path, struct pg_err *err)
{
    struct sl target;

    if (link.n == 0 || !link_next(link, &target)) {
        return 0;
    }
    while (target.n > 0 && !sl_starts(target, SL("/v2/"))) {
        target = (struct sl){target.p + 1, target.n - 1};
    }
    if (target.n == 0 || target.n >= PATH_ROOM || !link_is_query(target) ||
        (strlen(path) == target.n && memcmp(path, target.p, target.n) == 0)) {
        return pg_fail(err, PG_E_UPSTREAM_WRONG, "%s names a next page that is none, for %s",
                       registry_host(l->registry), l->what->first);
    }
    memcpy(path, target.p, target.n);
    path[target.n] = '\0';
    return 1;
}

int foreign_list_read(struct registry *r, struct pg_arena *arena, const struct foreign_list *what,
                      struct sl **names_r, size_t *n_r, struct pg_err *err)
{
    struct listing l = {.what = what, .registry = r, .arena = arena};
    char path[PATH_ROOM];
    int more = 1;

    PG_CHECK(strlen(what->first) < sizeof(path));
    memcpy(path, what->first, strlen(what->first) + 1);
    for (unsigned page = 0; more > 0; page++) {
        const struct registry_question q = {.method = "GET", .path = path, .repo = what->repo};
        struct registry_answer a = {0};
        more = registry_ask(r, &q, &a, err);
        if (more == 0 && a.status == 404 && what->may_be_absent) {
            more = 0;
        } else if (more == 0 && a.status != 200) {
            more = pg_fail(err, PG_E_UPSTREAM_WRONG, "%s answers %d for %s: %s", registry_host(r),
                           a.status, path, "name one repository with --repo, without a *");
        } else if (more == 0 && page == PAGES_MAX) {
            more =
                pg_fail(err, PG_E_UPSTREAM_WRONG, "%s has no end for %s", registry_host(r), path);
        } else if (more == 0) {
            more = take_page(&l, pg_buf_sl(&a.body), err);
            more = more == 0 ? next_path(&l, a.head.link, path, err) : more;
        }
        registry_answer_free(&a);
    }
    *names_r = l.names;
    *n_r = l.n;
    return more;
}
