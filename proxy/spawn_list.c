/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/spawn_list_int.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "proxy/spawner_int.h"

static bool is_same(char *const *a, const char *const *b)
{
    size_t i = 0;

    for (; a[i] != NULL && b[i] != NULL; i++)
        if (strcmp(a[i], b[i]) != 0)
            return false;
    return a[i] == NULL && b[i] == NULL;
}

int spawn_list_find(const struct spawn_list *l, const char *const *argv)
{
    for (size_t i = 0; i < l->n; i++) {
        if (l->of[i].is_started ? argv == NULL : argv != NULL && is_same(l->of[i].argv, argv))
            return (int)i;
    }
    return -1;
}

/* The strings behind the order, each with its NUL. Returns how many, or -1. */
static int put_strings(char *order, size_t *n, const char *const *strings, unsigned max)
{
    unsigned count = 0;

    for (; strings[count] != NULL; count++) {
        size_t len = strlen(strings[count]) + 1;

        if (count == max || len > SPAWNER_ORDER_MAX - *n)
            return -1;
        memcpy(order + *n, strings[count], len);
        *n += len;
    }
    return (int)count;
}

/* As the order's; the strings follow it. */
static int put_order(char *order, struct spawner_order *o, const struct spawn_list_entry *e,
                     size_t *n_r)
{
    size_t n = sizeof(*o);
    int argc = put_strings(order, &n, e->argv, SPAWN_STRINGS_MAX);
    int envc = argc < 0 ? -1 : put_strings(order, &n, e->env, SPAWN_STRINGS_MAX - (unsigned)argc);
    int reads = 0, writes = 0;

    if (e->cage != NULL) {
        reads = put_strings(order, &n, e->cage->reads, SPAWN_PATHS_MAX);
        writes = put_strings(order, &n, e->cage->writes, SPAWN_PATHS_MAX);
    }
    if (envc < 0 || reads < 0 || writes < 0)
        return -1;
    o->is_started = e->is_started;
    o->is_caged = e->cage != NULL;
    o->nreads = (uint32_t)reads;
    o->nwrites = (uint32_t)writes;
    o->argc = (uint32_t)argc;
    o->envc = (uint32_t)envc;
    memcpy(order, o, sizeof(*o));
    *n_r = n;
    return 0;
}

static void note(struct spawn_list *l, bool is_started, const char *const *argv, size_t argc)
{
    char **copy = calloc(argc + 1, sizeof(*copy));

    PG_CHECK(copy != NULL);
    for (size_t i = 0; i < argc; i++) {
        copy[i] = strdup(argv[i]);
        PG_CHECK(copy[i] != NULL);
    }
    l->of[l->n].argv = copy;
    l->of[l->n].is_started = is_started;
    l->n++;
}

int spawn_list_add(struct spawn_list *l, const struct spawn_list_entry *e, struct pg_err *err)
{
    char order[SPAWNER_ORDER_MAX];
    struct spawner_order o = {.what = SPAWNER_PERMIT};
    size_t n;

    if (e->argv[0] == NULL || e->argv[0][0] != '/')
        return pg_fail(err, PG_E_INTERNAL, "a helper program has no absolute path");
    if (l->n == SPAWN_PROGRAMS_MAX)
        return pg_fail(err, PG_E_INTERNAL, "there are too many helper programs");
    if (put_order(order, &o, e, &n) < 0)
        return pg_fail(err, PG_E_INTERNAL, "a program has too many arguments, variables or paths");
    if (send(l->sock, order, n, MSG_NOSIGNAL) != (ssize_t)n)
        return pg_fail(err, PG_E_INTERNAL, "what runs helper programs has ended");
    note(l, e->is_started, e->argv, o.argc);
    return 0;
}

void spawn_list_free(struct spawn_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        for (char **arg = l->of[i].argv; *arg != NULL; arg++)
            free(*arg);
        free(l->of[i].argv);
    }
    l->n = 0;
}
