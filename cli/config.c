/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/nearest.h"
#include "cli/admission.h"
#include "cli/authority.h"
#include "cli/config_int.h"
#include "cli/feeds.h"
#include "cli/keeping.h"
#include "cli/listener.h"
#include "cli/print.h"
#include "cli/rules.h"
#include "cli/scanners.h"
#include "cli/sinks.h"
#include "cli/webhooks.h"

#define ARENA_BYTES ((size_t)16 << 20) /* PG_TREE_NODES_MAX nodes and their texts */

/* What is there when the file has no `upstreams:`. */
static const struct {
    const char *name, *url;
} builtin_upstreams[] = {
    {"docker.io", "https://registry-1.docker.io"},
    {"ghcr.io", "https://ghcr.io"},
    {"quay.io", "https://quay.io"},
    {"registry.k8s.io", "https://registry.k8s.io"},
    {"gcr.io", "https://gcr.io"},
    {"mcr.microsoft.com", "https://mcr.microsoft.com"},
    {"public.ecr.aws", "https://public.ecr.aws"},
};

static void *zeroed(size_t n, size_t size)
{
    void *p = calloc(n > 0 ? n : 1, size);

    PG_CHECK(p != NULL);
    return p;
}

/* ---- problems ------------------------------------------------------------------------------ */

void config_add_problem(struct config_load *load, struct pg_tree_at at, const char *fmt, ...)
{
    struct config_problem *p;
    struct pg_buf safe;
    char *raw = NULL;
    va_list args;

    if (load->nproblems == CONFIG_PROBLEMS_MAX) {
        load->has_more = true;
        return;
    }
    if (load->problems == NULL) {
        load->problems = zeroed(CONFIG_PROBLEMS_MAX, sizeof *load->problems);
    }
    p = &load->problems[load->nproblems++];
    p->at = at;
    va_start(args, fmt);
    int n = vasprintf(&raw, fmt, args);
    va_end(args);
    PG_CHECK(n >= 0);
    pg_buf_init(&safe, PRINT_BYTES_MAX);
    print_put_safe((struct sl){raw, (size_t)n}, &safe); /* keys and values may hold anything */
    p->text = sl_dup(pg_buf_sl(&safe));
    pg_buf_free(&safe);
    free(raw);
}

static int compare_problems(const void *a, const void *b)
{
    const struct config_problem *pa = a, *pb = b;

    if (pa->at.line != pb->at.line) {
        return pa->at.line < pb->at.line ? -1 : 1;
    }
    return pa->at.col < pb->at.col ? -1 : pa->at.col > pb->at.col;
}

void config_load_put_problems(const struct config_load *load, struct pg_buf *out)
{
    for (size_t i = 0; i < load->nproblems; i++) {
        const struct config_problem *p = &load->problems[i];
        if (p->at.line > 0) {
            (void)pg_buf_printf(out, "%s:%u:%u: %s\n", load->config.file, p->at.line, p->at.col,
                                p->text);
        } else {
            (void)pg_buf_printf(out, "%s: %s\n", load->config.file, p->text);
        }
    }
    if (load->has_more) {
        (void)pg_buf_printf(out, "%s: more problems than are shown\n", load->config.file);
    }
}

struct pg_tree_at config_at(const struct config_load *load, const char *section, const char *name)
{
    for (size_t i = 0; i < OPTION_NGLOBAL; i++) {
        if (strcmp(option_global[i].section, section) == 0 &&
            strcmp(option_global[i].name, name) == 0) {
            return load->global_at[i];
        }
    }
    PG_BUG("no such option");
}

struct pg_tree_at config_upstream_at(const struct config_load *load, size_t upstream,
                                     const char *name)
{
    for (size_t i = 0; i < OPTION_NUPSTREAM; i++) {
        if (strcmp(option_upstream[i].name, name) == 0) {
            return load->upstream_at[upstream].option[i];
        }
    }
    PG_BUG("no such option of upstreams");
}

/* ---- keys ---------------------------------------------------------------------------------- */

static void add_word(struct config_words *w, const char *word)
{
    for (size_t i = 0; i < w->n; i++) {
        if (strcmp(w->word[i], word) == 0) {
            return;
        }
    }
    PG_CHECK(w->n < CONFIG_WORDS_MAX);
    w->word[w->n++] = word;
}

static bool has_word(const struct config_words *w, struct sl word)
{
    for (size_t i = 0; i < w->n; i++) {
        if (sl_eq(word, (struct sl){w->word[i], strlen(w->word[i])})) {
            return true;
        }
    }
    return false;
}

/* The words of section; of the file's own level for "top". */
static struct config_words words_of(const char *section)
{
    struct config_words w = {.n = 0};
    bool top = strcmp(section, "top") == 0;

    for (size_t i = 0; i < OPTION_NGLOBAL; i++) {
        const struct option *o = &option_global[i];
        if (strcmp(o->section, section) == 0) {
            add_word(&w, o->name);
        } else if (top) {
            add_word(&w, o->section);
        }
    }
    if (strcmp(section, "audit") == 0) {
        add_word(&w, "forward");
    }
    if (top) {
        add_word(&w, "listen");
        add_word(&w, "tls");
        add_word(&w, "upstreams");
        add_word(&w, "policy");
        add_word(&w, "trust");
        add_word(&w, "scanners");
        add_word(&w, "revocation_feeds");
        add_word(&w, "webhooks");
        add_word(&w, "scans");
    }
    return w;
}

/* The section in which a misplaced option belongs, if there is exactly one such option. */
static const char *home_of(struct sl name)
{
    const char *home = NULL;

    for (size_t i = 0; i < OPTION_NGLOBAL; i++) {
        const struct option *o = &option_global[i];
        if (sl_eq(name, (struct sl){o->name, strlen(o->name)}) && !option_is_top(o)) {
            if (home != NULL) {
                return NULL;
            }
            home = o->section;
        }
    }
    return home;
}

static void add_unknown_key(struct config_load *load, const struct pg_tree *t,
                            const struct config_words *w, bool is_top)
{
    const char *near = pg_nearest_of(t->key, w->word, w->n);
    struct pg_buf b;

    pg_buf_init(&b, 2048);
    (void)pg_buf_put(&b, SL("unknown key "));
    (void)pg_buf_put_json(&b, (struct sl){t->key.p, t->key.n < 100 ? t->key.n : 100});
    if (near != NULL) {
        (void)pg_buf_printf(&b, "; did you mean \"%s\"?", near);
    } else if (is_top && home_of(t->key) != NULL) {
        (void)pg_buf_printf(&b, "; it belongs in \"%s\"", home_of(t->key));
    } else {
        (void)pg_buf_put(&b, SL("; known here:"));
        for (size_t i = 0; i < w->n; i++) {
            (void)pg_buf_printf(&b, "%s %s", i > 0 ? "," : "", w->word[i]);
        }
    }
    config_add_problem(load, t->key_at, "%.*s", (int)b.n, b.p);
    pg_buf_free(&b);
}

bool config_check_map(struct config_load *load, const struct pg_tree *t, const char *name,
                      const struct config_words *w)
{
    if (t->kind != PG_TREE_MAP) {
        config_add_problem(load, t->at, "%s%smust be a mapping of options to values", name,
                           name[0] != '\0' ? " " : "the file ");
        return false;
    }
    for (const struct pg_tree *c = t->first; c != NULL && w != NULL; c = c->next) {
        if (!has_word(w, c->key)) {
            add_unknown_key(load, c, w, name[0] == '\0');
        }
    }
    return true;
}

bool config_check_scalar(struct config_load *load, const struct pg_tree *t, const char *name)
{
    if (t->kind != PG_TREE_SCALAR) {
        config_add_problem(load, t->at, "%s must be a single value", name);
        return false;
    }
    if (pg_tree_is_null(t)) {
        config_add_problem(load, t->at, "%s has no value; leave the key out for the default", name);
        return false;
    }
    return true;
}

char *config_read_text(struct config_load *load, const struct pg_tree *map, const char *list,
                       const char *key)
{
    const struct pg_tree *t = pg_tree_get(map, sl_str(key));
    char name[64];

    (void)snprintf(name, sizeof(name), "%s: %s", list, key);
    return t != NULL && config_check_scalar(load, t, name) ? sl_dup(t->text) : NULL;
}

char *config_read_path(struct config_load *load, const struct pg_tree *map, const char *list,
                       const char *key)
{
    char *path = config_read_text(load, map, list, key);

    if (path != NULL && path[0] != '/') {
        config_add_problem(load, pg_tree_get(map, sl_str(key))->at,
                           "%s: %s: \"%s\" must be an absolute path", list, key, path);
    }
    return path;
}

void config_check_file(struct config_load *load, struct pg_tree_at at, const char *path,
                       enum pg_guarded_mode forbidden)
{
    struct pg_err err = {0};

    if (path == NULL) {
        return;
    }
    _fd_ int fd = pg_guarded_open(path, forbidden, &err);
    if (fd < 0) {
        config_add_problem(load, at, "%s%s", err.msg, rules_hint(path));
    }
    pg_err_clear(&err);
}

/* ---- options ------------------------------------------------------------------------------- */

static void read_option(struct config_load *load, const struct option *o, const struct pg_tree *t,
                        const char *prefix, void *base)
{
    char name[AUTHORITY_MAX + 100];
    struct pg_buf why;

    (void)snprintf(name, sizeof name, "%s%s", prefix, o->name);
    if (!config_check_scalar(load, t, name)) {
        return;
    }
    pg_buf_init(&why, OPTION_WHY_MAX);
    if (option_parse(o, t->text, base, &why) < 0) {
        config_add_problem(load, t->at, "%s: %.*s", name, (int)why.n, why.p);
    }
    pg_buf_free(&why);
}

static void read_globals(struct config_load *load, const struct pg_tree *root)
{
    for (size_t i = 0; i < OPTION_NGLOBAL; i++) {
        const struct option *o = &option_global[i];
        const struct pg_tree *section = root;
        char prefix[64] = "";
        if (!option_is_top(o)) {
            section = pg_tree_get(root, (struct sl){o->section, strlen(o->section)});
            (void)snprintf(prefix, sizeof prefix, "%s.", o->section);
        }
        if (section == NULL || section->kind != PG_TREE_MAP) {
            continue;
        }
        const struct pg_tree *t = pg_tree_get(section, (struct sl){o->name, strlen(o->name)});
        if (t != NULL) {
            load->global_at[i] = t->at;
            read_option(load, o, t, prefix, &load->config);
        }
    }
}

/* Each section is a mapping with known keys. */
static void check_sections(struct config_load *load, const struct pg_tree *root)
{
    for (const struct pg_tree *t = root->first; t != NULL; t = t->next) {
        char name[64];
        (void)snprintf(name, sizeof name, SL_FMT, SL_ARG(t->key));
        for (size_t i = 0; i < OPTION_NGLOBAL; i++) {
            if (strcmp(option_global[i].section, name) == 0 && !option_is_top(&option_global[i])) {
                struct config_words w = words_of(name);
                (void)config_check_map(load, t, name, &w);
                break;
            }
        }
    }
}

/* ---- upstreams ----------------------------------------------------------------------------- */

static struct config_words words_of_upstream(void)
{
    struct config_words w = {.n = 0};

    for (size_t i = 0; i < OPTION_NUPSTREAM; i++) {
        add_word(&w, option_upstream[i].name);
    }
    add_word(&w, "urls");
    return w;
}

static void make_upstreams(struct config_load *load, size_t n)
{
    load->config.upstreams = zeroed(n, sizeof *load->config.upstreams);
    load->upstream_at = zeroed(n, sizeof *load->upstream_at);
    load->config.nupstreams = n;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < OPTION_NUPSTREAM; k++) {
            option_initial(&option_upstream[k], &load->config.upstreams[i]);
        }
    }
}

static void add_url(struct config_load *load, size_t no, struct sl text, struct pg_tree_at at)
{
    struct config_upstream *u = &load->config.upstreams[no];

    if (u->urls == NULL) {
        u->urls = zeroed(CONFIG_URLS_MAX, sizeof *u->urls);
    }
    PG_CHECK(u->nurls < CONFIG_URLS_MAX);
    load->upstream_at[no].url[u->nurls] = at;
    u->urls[u->nurls].authoritative = u->nurls == 0;
    u->urls[u->nurls++].text = sl_dup(text);
}

/* One of `urls`: a URL, or {url, authoritative}. */
static void read_url(struct config_load *load, const struct pg_tree *t, size_t no)
{
    static const struct option truth = {.name = "", .type = OPTION_BOOL};
    const struct config_words w = {.word = {"url", "authoritative"}, .n = 2};
    const struct pg_tree *url = t, *authoritative = NULL;
    struct config_upstream *u = &load->config.upstreams[no];
    struct pg_buf why;

    if (t->kind == PG_TREE_MAP) {
        (void)config_check_map(load, t, "urls", &w);
        url = pg_tree_get(t, SL("url"));
        authoritative = pg_tree_get(t, SL("authoritative"));
    }
    if (url == NULL) {
        config_add_problem(load, t->at, "urls: url is missing");
        return;
    }
    if (!config_check_scalar(load, url, "urls")) {
        return;
    }
    add_url(load, no, url->text, url->at);
    if (authoritative == NULL || !config_check_scalar(load, authoritative, "authoritative")) {
        return;
    }
    pg_buf_init(&why, OPTION_WHY_MAX);
    if (option_parse(&truth, authoritative->text, &u->urls[u->nurls - 1].authoritative, &why) < 0) {
        config_add_problem(load, authoritative->at, "authoritative: %.*s", (int)why.n, why.p);
    }
    pg_buf_free(&why);
}

/* `url`, or `urls`. */
static void read_urls(struct config_load *load, const struct pg_tree *t, size_t no)
{
    const struct pg_tree *list = pg_tree_get(t, SL("urls")), *one = pg_tree_get(t, SL("url"));
    struct config_upstream *u = &load->config.upstreams[no];

    u->has_list = list != NULL;
    if (list == NULL) {
        if (u->upstream_url[0] != '\0') {
            add_url(load, no, (struct sl){u->upstream_url, strlen(u->upstream_url)}, one->at);
        }
        return;
    }
    if (one != NULL) {
        config_add_problem(load, one->at, "upstreams.%s has both url and urls; write one of them",
                           u->name);
        return;
    }
    if (list->kind != PG_TREE_LIST || list->nchildren == 0 || list->nchildren > CONFIG_URLS_MAX) {
        config_add_problem(load, list->at, "upstreams.%s.urls must be a list of 1 to %d URLs",
                           u->name, CONFIG_URLS_MAX);
        return;
    }
    for (const struct pg_tree *c = list->first; c != NULL; c = c->next) {
        read_url(load, c, no);
    }
}

static void read_upstream(struct config_load *load, const struct pg_tree *t, size_t no)
{
    const struct config_words w = words_of_upstream();
    struct config_upstream *u = &load->config.upstreams[no];
    char prefix[AUTHORITY_MAX + 20];

    (void)snprintf(prefix, sizeof prefix, "upstreams." SL_FMT, SL_ARG(t->key));
    u->name = sl_dup(t->key);
    load->upstream_at[no].name = t->key_at;
    if (!config_check_map(load, t, prefix, &w)) {
        u->has_list = true; /* that is said, and not that it has no url */
        return;
    }
    (void)snprintf(prefix, sizeof prefix, "upstreams." SL_FMT ".", SL_ARG(t->key));
    for (size_t i = 0; i < OPTION_NUPSTREAM; i++) {
        const struct option *o = &option_upstream[i];
        const struct pg_tree *value = pg_tree_get(t, (struct sl){o->name, strlen(o->name)});
        if (value != NULL) {
            load->upstream_at[no].option[i] = value->at;
            read_option(load, o, value, prefix, u);
        }
    }
    read_urls(load, t, no);
    if (config_is_alias(u) && t->nchildren > 1) {
        config_add_problem(load, config_upstream_at(load, no, "alias_of"),
                           "upstreams.%s.alias_of stands alone: all else is that of %s", u->name,
                           u->upstream_alias_of);
    }
}

static void builtin(struct config_load *load)
{
    size_t n = sizeof builtin_upstreams / sizeof *builtin_upstreams;

    make_upstreams(load, n);
    for (size_t i = 0; i < n; i++) {
        struct config_upstream *u = &load->config.upstreams[i];
        u->name = sl_dup((struct sl){builtin_upstreams[i].name, strlen(builtin_upstreams[i].name)});
        free(u->upstream_url);
        u->upstream_url =
            sl_dup((struct sl){builtin_upstreams[i].url, strlen(builtin_upstreams[i].url)});
        add_url(load, i, (struct sl){u->upstream_url, strlen(u->upstream_url)},
                (struct pg_tree_at){0});
        u->upstream_default = i == 0;
    }
}

static void read_upstreams(struct config_load *load, const struct pg_tree *root)
{
    const struct pg_tree *map = root != NULL ? pg_tree_get(root, SL("upstreams")) : NULL;
    size_t no = 0;

    if (map == NULL) {
        builtin(load);
        return;
    }
    load->upstreams_at = map->at;
    if (!config_check_map(load, map, "upstreams", NULL)) {
        return;
    }
    if (map->nchildren > CONFIG_UPSTREAMS_MAX) {
        config_add_problem(load, map->at, "more than %d upstreams", CONFIG_UPSTREAMS_MAX);
        return;
    }
    make_upstreams(load, map->nchildren);
    for (const struct pg_tree *t = map->first; t != NULL; t = t->next) {
        read_upstream(load, t, no++);
    }
}

/* ---- the whole ----------------------------------------------------------------------------- */

static void read_root(struct config_load *load, const struct pg_tree *root)
{
    const struct config_words w = words_of("top");

    for (size_t i = 0; i < OPTION_NGLOBAL; i++) {
        option_initial(&option_global[i], &load->config);
    }
    if (root != NULL && !config_check_map(load, root, "", &w)) {
        return;
    }
    if (root != NULL) {
        check_sections(load, root);
        read_globals(load, root);
    }
    listener_read(load, root);
    admission_read(load, root);
    sinks_read(load, root);
    scanners_read(load, root);
    feeds_read(load, root);
    webhooks_read(load, root);
    read_upstreams(load, root);
    rules_check(load);
}

static int end_parse(struct config_load *load)
{
    if (load->nproblems > 1) {
        qsort(load->problems, load->nproblems, sizeof *load->problems, compare_problems);
    }
    return load->nproblems > 0;
}

int config_parse(struct sl text, const char *file, struct config_load *load_r)
{
    struct pg_tree *root = NULL;
    struct pg_tree_fault fault;

    memset(load_r, 0, sizeof *load_r);
    load_r->config.file = sl_dup((struct sl){file, strlen(file)});
    pg_arena_init(&load_r->arena, ARENA_BYTES);
    if (pg_tree_read(&load_r->arena, text, &root, &fault) < 0) {
        config_add_problem(load_r, fault.at, "%s", fault.what);
    } else {
        read_root(load_r, root != NULL && !pg_tree_is_null(root) ? root : NULL);
    }
    return end_parse(load_r);
}

void config_load_free(struct config_load *load)
{
    for (size_t i = 0; i < load->nproblems; i++) {
        free(load->problems[i].text);
    }
    free(load->problems);
    free(load->listener_at);
    free(load->tls_at);
    free(load->sink_at);
    free(load->feed_at);
    free(load->upstream_at);
    pg_arena_free(&load->arena);
    config_free(&load->config);
    memset(load, 0, sizeof *load);
}

static int check_file(int fd, const char *file, struct stat *st_r, struct pg_err *err)
{
    if (fstat(fd, st_r) < 0 || !S_ISREG(st_r->st_mode)) {
        return pg_fail(err, PG_E_STORE_IO, "%s is not a regular file", file);
    }
    if (st_r->st_uid != 0 && st_r->st_uid != geteuid()) {
        return pg_fail(err, PG_E_STORE_IO,
                       "%s belongs to uid %u, who could change what may be pulled; it must belong "
                       "to root or to uid %u, who runs this",
                       file, (unsigned)st_r->st_uid, (unsigned)geteuid());
    }
    /* the group is no other if it is our own, as with a umask of 002 */
    bool group = (st_r->st_mode & S_IWGRP) != 0 && st_r->st_gid != getegid();
    if (group || (st_r->st_mode & S_IWOTH) != 0) {
        return pg_fail(err, PG_E_STORE_IO,
                       "%s can be written by others (mode %04o); run: chmod go-w %s", file,
                       (unsigned)(st_r->st_mode & 07777), file);
    }
    if (st_r->st_size < 0 || (size_t)st_r->st_size > PG_TREE_BYTES_MAX) {
        return pg_fail(err, PG_E_STORE_IO, "%s is larger than %zu KiB", file,
                       PG_TREE_BYTES_MAX / 1024);
    }
    return 0;
}

static int read_file(int fd, const char *file, struct pg_buf *text, struct pg_err *err)
{
    char chunk[16384];
    struct stat st;

    if (check_file(fd, file, &st, err) < 0) {
        return -1;
    }
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0) {
            return pg_fail(err, PG_E_STORE_IO, "cannot read %s: %s", file, strerror(errno));
        }
        if (n == 0) {
            return 0;
        }
        if (pg_buf_put(text, (struct sl){chunk, (size_t)n}) < 0) {
            return pg_fail(err, PG_E_STORE_IO, "%s is larger than %zu KiB", file,
                           PG_TREE_BYTES_MAX / 1024);
        }
    }
}

int config_load(const char *file, struct config_load *load_r, struct pg_err *err)
{
    const char *path = file != NULL ? file : CONFIG_FILE_DEFAULT;
    struct pg_buf text;

    memset(load_r, 0, sizeof *load_r);
    _fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    bool defaults = fd < 0 && errno == ENOENT && file == NULL;
    if (fd < 0 && !defaults) {
        return pg_fail(err, PG_E_STORE_IO, "cannot open %s: %s", path, strerror(errno));
    }
    pg_buf_init(&text, PG_TREE_BYTES_MAX);
    if (!defaults && read_file(fd, path, &text, err) < 0) {
        pg_buf_free(&text);
        return -1;
    }
    int rc = config_parse(pg_buf_sl(&text), defaults ? "" : path, load_r);
    pg_buf_free(&text);
    if (rc == 0) {
        rules_check_world(load_r);
        sinks_check_world(load_r);
        feeds_check_world(load_r);
        webhooks_check_world(load_r);
        scanners_check_world(load_r);
        admission_load(load_r);
        keeping_load(load_r);
        rc = end_parse(load_r);
    }
    return rc;
}
