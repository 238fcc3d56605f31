/* SPDX-License-Identifier: Apache-2.0 */
#include "retention/graph.h"

#include "base/list.h"

#define ARENA_BYTES ((size_t)1 << 32) /* a budget: what there is is the caller's to bound */
#define BASE_DIGEST SL("org.opencontainers.image.base.digest")
#define BASE_NAME   SL("org.opencontainers.image.base.name")
#define HEX         64

struct same_digest {
    struct pg_map_node node;
    struct graph_node *first;
};

struct tagged {
    struct pg_map_node node;
    struct graph_node *image;
};

/* Images with the same layers. */
struct same_layers {
    struct pg_map_node node;
    struct digest chain;
    struct graph_node *best; /* the one seen last */
};

static struct sl bytes_of(const struct digest *d)
{
    return (struct sl){(const char *)d->bytes, digest_bytes(d)};
}

/* ---- names --------------------------------------------------------------------------------- */

/* The digest, then the repository; in key. */
static struct sl name_of(struct sl repo, const struct digest *d, char *key)
{
    size_t n = digest_bytes(d);

    key[0] = (char)d->alg;
    memcpy(key + 1, d->bytes, n);
    if (repo.n > 0) {
        memcpy(key + 1 + n, repo.p, repo.n);
    }
    return (struct sl){key, 1 + n + repo.n};
}

#define REPO_MAX 1024

struct graph_node *graph_find(const struct graph *g, struct sl repo, const struct digest *d)
{
    char key[1 + PG_HASH_BYTES_MAX + REPO_MAX];

    if (repo.n > REPO_MAX) {
        return NULL;
    }
    struct pg_map_node *found = pg_map_get(&g->by_name, name_of(repo, d, key));
    return found != NULL ? pg_container_of(found, struct graph_node, by_name) : NULL;
}

static struct graph_node *find_digest(const struct graph *g, const struct digest *d)
{
    struct pg_map_node *found = pg_map_get(&g->by_digest, bytes_of(d));

    return found != NULL ? pg_container_of(found, struct same_digest, node)->first : NULL;
}

static void add(struct graph *g, struct graph_node *node, const struct image *image)
{
    char *key = pg_alloc(&g->arena, 1 + digest_bytes(&image->digest) + image->repo.n);
    struct pg_map_node *found = pg_map_get(&g->by_digest, bytes_of(&image->digest));
    struct same_digest *same;

    PG_CHECK(image->repo.n <= REPO_MAX);
    node->image = image;
    struct sl name = name_of(image->repo, &image->digest, key);
    PG_CHECK(pg_map_get(&g->by_name, name) == NULL);
    pg_map_put(&g->by_name, &node->by_name, name);
    if (found != NULL) {
        same = pg_container_of(found, struct same_digest, node);
    } else {
        same = pg_new(&g->arena, struct same_digest);
        pg_map_put(&g->by_digest, &same->node, bytes_of(&image->digest));
    }
    node->same = same->first;
    same->first = node;
}

static struct sl tag_key(struct graph *g, struct sl repo, struct sl tag)
{
    char *key = pg_alloc(&g->arena, repo.n + 1 + tag.n);

    memcpy(key, repo.p, repo.n);
    key[repo.n] = ':';
    memcpy(key + repo.n + 1, tag.p, tag.n);
    return (struct sl){key, repo.n + 1 + tag.n};
}

/* A tag is one image's; of two the first counts. */
static void add_tags(struct graph *g, struct graph_node *node)
{
    for (size_t i = 0; i < node->image->ntags; i++) {
        struct sl key = tag_key(g, node->image->repo, node->image->tags[i]);
        if (pg_map_get(&g->by_tag, key) == NULL) {
            struct tagged *t = pg_new(&g->arena, struct tagged);
            t->image = node;
            pg_map_put(&g->by_tag, &t->node, key);
        }
    }
}

struct graph_node *graph_find_tag(struct graph *g, struct sl repo, struct sl tag)
{
    struct pg_map_node *found = pg_map_get(&g->by_tag, tag_key(g, repo, tag));

    return found != NULL ? pg_container_of(found, struct tagged, node)->image : NULL;
}

/* ---- edges --------------------------------------------------------------------------------- */

static void put(struct graph *g, struct graph_edge **list, struct graph_node *to)
{
    struct graph_edge *e = pg_new(&g->arena, struct graph_edge);

    *e = (struct graph_edge){to, *list};
    *list = e;
}

static bool has(const struct graph_edge *e, const struct graph_node *to)
{
    while (e != NULL && e->to != to) {
        e = e->next;
    }
    return e != NULL;
}

static void link_children(struct graph *g, struct graph_node *node)
{
    const struct image *image = node->image;

    for (size_t i = 0; i < image->nchildren; i++) {
        struct graph_node *child = graph_find(g, image->repo, &image->children[i]);
        if (child != NULL && child != node && !has(child->parents, node)) {
            put(g, &node->children, child);
            put(g, &child->parents, node);
        }
    }
}

static void link_subject(struct graph *g, struct graph_node *node, struct graph_node *subject)
{
    if (subject != NULL && subject != node && !has(node->subjects, subject)) {
        put(g, &subject->referrers, node);
        put(g, &node->subjects, subject);
    }
}

/* sha256-HEX, sha256-HEX.sig: of what the tag says that it is about. */
static bool read_tag(struct sl tag, struct digest *d_r)
{
    struct pg_err ignored = {0};
    char text[sizeof("sha256:") + HEX];

    if (!sl_starts(tag, SL("sha256-")) || tag.n < 7 + HEX ||
        (tag.n > 7 + HEX && tag.p[7 + HEX] != '.')) {
        return false;
    }
    memcpy(text, tag.p, 7 + HEX);
    text[6] = ':';
    bool good = digest_parse((struct sl){text, 7 + HEX}, d_r, &ignored) == 0;
    pg_err_clear(&ignored);
    return good;
}

/* What has another tag, too, is an image of its own. */
static void link_by_tags(struct graph *g, struct graph_node *node)
{
    const struct image *image = node->image;
    struct digest d;

    for (size_t i = 0; i < image->ntags; i++) {
        if (!read_tag(image->tags[i], &d)) {
            return;
        }
    }
    for (size_t i = 0; i < image->ntags; i++) {
        if (read_tag(image->tags[i], &d)) {
            link_subject(g, node, graph_find(g, image->repo, &d));
        }
    }
}

/* ---- bases --------------------------------------------------------------------------------- */

static void link_base(struct graph *g, struct graph_node *node, struct graph_node *base)
{
    if (base != NULL && base != node && !has(node->bases, base)) {
        put(g, &node->bases, base);
        put(g, &base->dependents, node);
    }
}

static struct sl annotation(const struct image *image, struct sl key)
{
    for (size_t i = 0; i < image->nannotations; i++) {
        if (sl_eq(image->annotations[i].key, key)) {
            return image->annotations[i].value;
        }
    }
    for (size_t i = 0; i < image->nlabels; i++) {
        if (sl_eq(image->labels[i].key, key)) {
            return image->labels[i].value;
        }
    }
    return (struct sl){NULL, 0};
}

/* "debian:12" is docker.io/library/debian and 12. */
static struct graph_node *find_name(struct graph *g, struct sl name)
{
    const char *slash = name.n > 0 ? memchr(name.p, '/', name.n) : NULL;
    size_t host = slash != NULL ? (size_t)(slash - name.p) : 0;
    bool is_host =
        host > 0 && (memchr(name.p, '.', host) != NULL || memchr(name.p, ':', host) != NULL ||
                     sl_eq((struct sl){name.p, host}, SL("localhost")));
    struct sl before = is_host         ? SL("")
                       : slash != NULL ? SL("docker.io/")
                                       : SL("docker.io/library/");
    const char *at = memchr(name.p + host, '@', name.n - host);
    size_t n = at != NULL ? (size_t)(at - name.p) : name.n;
    const char *colon = memchr(name.p + host, ':', n - host);
    struct sl tag = SL("latest");

    if (is_host && slash != NULL && colon != NULL && colon < slash) {
        colon = memchr(slash, ':', n - host);
    }
    if (colon != NULL) {
        tag = (struct sl){colon + 1, n - (size_t)(colon + 1 - name.p)};
        n = (size_t)(colon - name.p);
    }
    if (name.n > REPO_MAX) {
        return NULL;
    }
    char *repo = pg_alloc(&g->arena, before.n + n + 1);
    memcpy(repo, before.p, before.n);
    memcpy(repo + before.n, name.p, n);
    return graph_find_tag(g, (struct sl){repo, before.n + n}, tag);
}

/* Did the author say what it is built on, and is that here? */
static bool link_told_base(struct graph *g, struct graph_node *node)
{
    struct sl text = annotation(node->image, BASE_DIGEST),
              name = annotation(node->image, BASE_NAME);
    struct pg_err ignored = {0};
    struct digest d;

    if (text.n > 0 && digest_parse(text, &d, &ignored) == 0) {
        for (struct graph_node *base = find_digest(g, &d); base != NULL; base = base->same) {
            link_base(g, node, base);
        }
    }
    pg_err_clear(&ignored);
    if (node->bases == NULL && name.n > 0) {
        link_base(g, node, find_name(g, name));
    }
    return node->bases != NULL;
}

/* The digest of the first n layers, from that of the first n - 1. */
static void extend(struct digest *chain, const struct digest *layer)
{
    char both[2 * PG_HASH_BYTES_MAX];

    memcpy(both, chain->bytes, PG_HASH_BYTES_MAX);
    memcpy(both + PG_HASH_BYTES_MAX, layer->bytes, PG_HASH_BYTES_MAX);
    *chain = digest_of(PG_SHA256, (struct sl){both, sizeof(both)});
}

static bool is_later(const struct image *a, const struct image *b)
{
    if (a->first_seen_s != b->first_seen_s) {
        return a->first_seen_s > b->first_seen_s;
    }
    return memcmp(a->digest.bytes, b->digest.bytes, sizeof(a->digest.bytes)) > 0;
}

static void add_layers(struct graph *g, struct pg_map *stacks, struct graph_node *node)
{
    struct digest chain = {.alg = PG_SHA256};

    for (size_t i = 0; i < node->image->nchain; i++) {
        extend(&chain, &node->image->chain[i]);
    }
    struct pg_map_node *found = pg_map_get(stacks, bytes_of(&chain));
    struct same_layers *same =
        found != NULL ? pg_container_of(found, struct same_layers, node) : NULL;
    if (same == NULL) {
        same = pg_new(&g->arena, struct same_layers);
        same->chain = chain;
        pg_map_put(stacks, &same->node, bytes_of(&same->chain));
    }
    if (same->best == NULL || is_later(node->image, same->best->image)) {
        same->best = node;
    }
}

/* The image whose layers are the most of this one's lowest. */
static void link_lowest(struct graph *g, const struct pg_map *stacks, struct graph_node *node)
{
    struct digest chain = {.alg = PG_SHA256};
    struct graph_node *base = NULL;

    for (size_t i = 0; i + 1 < node->image->nchain; i++) {
        extend(&chain, &node->image->chain[i]);
        struct pg_map_node *found = pg_map_get(stacks, bytes_of(&chain));
        base = found != NULL ? pg_container_of(found, struct same_layers, node)->best : base;
    }
    link_base(g, node, base);
}

static void link_bases(struct graph *g)
{
    struct pg_map stacks;

    pg_map_init(&stacks);
    for (size_t i = 0; i < g->nnodes; i++) {
        if (g->nodes[i].image->nchain > 0) {
            add_layers(g, &stacks, &g->nodes[i]);
        }
    }
    for (size_t i = 0; i < g->nnodes; i++) {
        if (!link_told_base(g, &g->nodes[i])) {
            link_lowest(g, &stacks, &g->nodes[i]);
        }
    }
    pg_map_free(&stacks);
}

/* ---- all ----------------------------------------------------------------------------------- */

void graph_make(const struct image *images, size_t n, struct graph *g_r)
{
    struct graph *g = g_r;

    *g = (struct graph){.nnodes = n};
    pg_arena_init(&g->arena, ARENA_BYTES);
    pg_map_init(&g->by_name);
    pg_map_init(&g->by_digest);
    pg_map_init(&g->by_tag);
    g->nodes = pg_alloc(&g->arena, (n + 1) * sizeof(*g->nodes));
    for (size_t i = 0; i < n; i++) {
        add(g, &g->nodes[i], &images[i]);
        add_tags(g, &g->nodes[i]);
    }
    for (size_t i = 0; i < n; i++) {
        link_children(g, &g->nodes[i]);
        if (images[i].has_subject) {
            link_subject(g, &g->nodes[i], graph_find(g, images[i].repo, &images[i].subject));
        }
        link_by_tags(g, &g->nodes[i]);
    }
    link_bases(g);
}

void graph_free(struct graph *g)
{
    pg_map_free(&g->by_name);
    pg_map_free(&g->by_digest);
    pg_map_free(&g->by_tag);
    pg_arena_free(&g->arena);
}
