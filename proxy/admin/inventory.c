/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admin/inventory.h"

#include <fcntl.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/moment.h"
#include "base/steady.h"
#include "cache/blob.h"
#include "cache/catalog.h"
#include "cache/lost.h"
#include "cache/past.h"
#include "cache/writer.h"
#include "oci/manifest.h"

#define PAGE             512
#define TAGS_MAX         10000 /* of one manifest */
#define CONFIG_BYTES_MAX INVENTORY_CONFIG_MAX
#define PAIRS_MAX        200
#define ARENA_BYTES      ((size_t)1 << 40) /* what is in the store bounds it */
#define PROMOTED         SL("pullgate.promoted")

struct taking {
    struct store *store;
    struct inventory *inventory;
    struct pg_arena scratch; /* of one manifest */
    size_t from;             /* the first image of the page */
};

static struct image *add(struct inventory *i)
{
    if (i->n == i->cap) {
        i->cap = i->cap > 0 ? 2 * i->cap : 1024;
        i->images = reallocarray(i->images, i->cap, sizeof(*i->images));
        PG_CHECK(i->images != NULL);
    }
    i->images[i->n] = (struct image){0};
    return &i->images[i->n++];
}

/* Within the catalog's view: only what dies with it is copied. */
static void on_row(void *arg, const struct catalog_row *row)
{
    struct taking *t = arg;
    struct inventory *i = t->inventory;
    const struct image *before = i->n > 0 ? &i->images[i->n - 1] : NULL;
    struct sl repo = before != NULL && sl_eq(before->repo, row->repo)
                         ? before->repo
                         : pg_copy(&i->arena, row->repo);
    struct image *image = add(i);

    image->repo = repo;
    image->digest = row->digest;
    image->size = row->bytes;
    image->first_seen_s = row->first_seen_s - pg_steady_ahead_s(); /* as the wall clock tells it */
    image->pulled_s = row->last_pull_s;
}

/* ---- the configuration --------------------------------------------------------------------- */

static const struct image_pair *take_pairs(struct pg_arena *a, const json_t *object, size_t *n_r)
{
    size_t n = json_object_size(object) < PAIRS_MAX ? json_object_size(object) : PAIRS_MAX;
    struct image_pair *pairs = pg_alloc(a, (n + 1) * sizeof(*pairs));
    const char *key;
    json_t *value;

    *n_r = 0;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        if (*n_r < n && json_is_string(value)) {
            pairs[(*n_r)++] = (struct image_pair){
                pg_copy(a, sl_str(key)),
                pg_copy(a, (struct sl){json_string_value(value), json_string_length(value)})};
        }
    }
    return pairs;
}

/* 0: 1970, or what cannot be read, is not known. */
static int64_t read_created(struct sl text)
{
    int64_t when_s = 0;

    return moment_parse(text, &when_s) && when_s > 0 ? when_s : 0;
}

static void take_chain(struct pg_arena *a, const json_t *ids, struct image *image)
{
    size_t n = json_array_size(ids);

    if (n == 0 || n > MANIFEST_CHILDREN_MAX) {
        return;
    }
    struct digest *chain = pg_alloc(a, n * sizeof(*chain));
    for (size_t i = 0; i < n; i++) {
        const json_t *id = json_array_get(ids, i);
        struct pg_err ignored = {0};
        struct sl text = {json_string_value(id), json_string_length(id)};
        int rc = text.p != NULL ? digest_parse(text, &chain[i], &ignored) : -1;
        pg_err_clear(&ignored);
        if (rc < 0) {
            return;
        }
    }
    image->chain = chain;
    image->nchain = n;
}

/* Its bytes, if they are those that the digest names. */
static bool read_config(const struct store *s, const struct manifest_desc *config,
                        struct pg_buf *out)
{
    char path[BLOB_PATH_MAX];
    _fd_ int fd = openat(s->blobs_fd, blob_path(&config->digest, path),
                         O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0 || config->size == 0 || config->size > CONFIG_BYTES_MAX) {
        return false;
    }
    _free_ char *bytes = malloc((size_t)config->size);
    PG_CHECK(bytes != NULL);
    struct sl text = {bytes, (size_t)config->size};
    if (pg_fd_pread(fd, bytes, text.n, 0) < 0) {
        return false;
    }
    const struct digest d = digest_of(config->digest.alg, text);
    return digest_eq(&d, &config->digest) && pg_buf_put(out, text) == 0;
}

void inventory_take_config(struct pg_arena *a, struct sl text, struct image *image)
{
    _json_ json_t *root = NULL;
    struct pg_err ignored = {0};

    if (pg_json_parse(text, PG_E_UPSTREAM_WRONG, &root, &ignored) == 0) {
        image->labels = take_pairs(a, json_object_get(json_object_get(root, "config"), "Labels"),
                                   &image->nlabels);
        image->pushed_s = read_created(pg_json_str(root, "created"));
        take_chain(a, json_object_get(json_object_get(root, "rootfs"), "diff_ids"), image);
    }
    pg_err_clear(&ignored);
}

static void take_config(struct taking *t, const struct manifest_desc *config, struct image *image)
{
    struct pg_buf bytes;

    pg_buf_init(&bytes, CONFIG_BYTES_MAX);
    if (read_config(t->store, config, &bytes)) {
        inventory_take_config(&t->inventory->arena, pg_buf_sl(&bytes), image);
    }
    pg_buf_free(&bytes);
}

/* ---- the manifest -------------------------------------------------------------------------- */

void inventory_take_annotations(struct pg_arena *a, struct sl text, struct image *image)
{
    _json_ json_t *root = NULL;
    struct pg_err ignored = {0};

    if (text.n > 0 && pg_json_parse(text, PG_E_UPSTREAM_WRONG, &root, &ignored) == 0) {
        image->annotations = take_pairs(a, root, &image->nannotations);
    }
    pg_err_clear(&ignored);
    for (size_t i = 0; i < image->nannotations; i++) {
        if (sl_eq(image->annotations[i].key, PROMOTED)) {
            image->promoted = image->annotations[i].value;
        }
    }
}

static struct image_blob blob_of(struct index_view *v, const struct manifest_desc *d)
{
    struct image_blob b = {.digest = d->digest, .size = d->size};
    struct pg_err ignored = {0};
    struct index_blob row;

    if (index_get_blob(v, &d->digest, &row, &ignored) > 0) {
        b.is_stored = true;
        b.size = row.size;
    }
    pg_err_clear(&ignored);
    return b;
}

static void take_blobs(struct taking *t, struct index_view *v, const struct manifest *m,
                       struct image *image)
{
    struct image_blob *blobs = pg_alloc(&t->inventory->arena, (m->nchildren + 1) * sizeof(*blobs));
    struct digest *chain = pg_alloc(&t->inventory->arena, (m->nchildren + 1) * sizeof(*chain));

    for (size_t i = 0; i < m->nchildren; i++) {
        blobs[image->nblobs++] = blob_of(v, &m->children[i]);
        chain[i] = m->children[i].digest;
    }
    if (m->has_config) {
        blobs[image->nblobs++] = blob_of(v, &m->config);
    }
    image->blobs = blobs;
    image->chain = chain;
    image->nchain = m->nchildren;
}

static void take_children(struct taking *t, const struct manifest *m, struct image *image)
{
    struct digest *children =
        pg_alloc(&t->inventory->arena, (m->nchildren + 1) * sizeof(*children));

    for (size_t i = 0; i < m->nchildren; i++) {
        children[i] = m->children[i].digest;
    }
    image->children = children;
    image->nchildren = m->nchildren;
}

static void take_manifest(struct taking *t, struct index_view *v, const struct manifest *m,
                          struct image *image)
{
    image->has_subject = m->has_subject;
    if (m->has_subject) {
        image->subject = m->subject.digest;
    }
    inventory_take_annotations(&t->inventory->arena, m->annotations, image);
    if (m->kind == MANIFEST_IMAGE) {
        take_blobs(t, v, m, image);
    } else if (m->kind == MANIFEST_INDEX) {
        take_children(t, m, image);
    }
}

/* The view ends before files are read. */
static void complete(struct taking *t, struct image *image)
{
    struct pg_err ignored = {0};
    struct index_manifest row;
    struct manifest m = {0};

    pg_arena_init(&t->scratch, MANIFEST_ARENA_BYTES);
    {
        _index_view_ struct index_view v = index_view_begin(t->store->index);
        image->is_last_copy = lost_is(&v, image->repo, &image->digest);
        if (index_get_manifest(&v, &image->digest, &row, &ignored) > 0 &&
            manifest_parse(row.bytes, row.media_type, &t->scratch, &m, &ignored) == 0) {
            take_manifest(t, &v, &m, image);
        }
    }
    if (m.kind == MANIFEST_IMAGE && m.has_config) {
        take_config(t, &m.config, image);
    }
    pg_err_clear(&ignored);
    pg_arena_free(&t->scratch);
}

/* ---- tags ---------------------------------------------------------------------------------- */

struct tag {
    struct sl name;
    struct digest digest;
};

static int by_digest(const void *a, const void *b)
{
    const struct tag *x = a, *y = b;
    int c = memcmp(x->digest.bytes, y->digest.bytes, sizeof(x->digest.bytes));
    size_t n = x->name.n < y->name.n ? x->name.n : y->name.n;

    c = c != 0 ? c : memcmp(x->name.p, y->name.p, n);
    return c != 0 ? c : (x->name.n > y->name.n) - (x->name.n < y->name.n);
}

/* What is given out in a tag's place has that tag as well: PAST_SPELLS_MAX at most. */
static size_t take_held(struct index_view *v, struct sl repo, struct sl name,
                        const struct digest *now, struct tag *tags)
{
    struct pg_err ignored = {0};
    struct past past;
    size_t n = 0;

    if (past_get(v, repo, name, &past, &ignored) > 0) {
        for (size_t i = 0; i < past.n; i++) {
            bool is_there = digest_eq(&past.spells[i].digest, now);

            for (size_t k = 0; k < n && !is_there; k++) {
                is_there = digest_eq(&past.spells[i].digest, &tags[k].digest);
            }
            if (!is_there && past_is_held(&past.spells[i], pg_clock_wall_s())) {
                tags[n++] = (struct tag){name, past.spells[i].digest};
            }
        }
    }
    pg_err_clear(&ignored);
    return n;
}

/* All tags of a repository, in order of their digests. */
static struct tag *tags_of(struct taking *t, struct sl repo, size_t *n_r, struct pg_err *err)
{
    _index_view_ struct index_view v = index_view_begin(t->store->index);
    struct tag *tags = NULL;
    struct sl name = {NULL, 0};
    struct index_tag tag;
    size_t n = 0, cap = 0;
    int found;

    while ((found = index_next_tag_of(&v, repo, name, &name, &tag, err)) > 0) {
        struct sl kept = pg_copy(&t->inventory->arena, name);

        if (n + PAST_SPELLS_MAX >= cap) {
            cap = cap > 0 ? 2 * cap : 64;
            tags = reallocarray(tags, cap, sizeof(*tags));
            PG_CHECK(tags != NULL);
        }
        tags[n++] = (struct tag){kept, tag.digest};
        n += take_held(&v, repo, kept, &tag.digest, tags + n);
    }
    if (found < 0) {
        free(tags);
        return NULL;
    }
    if (n > 0) {
        qsort(tags, n, sizeof(*tags), by_digest);
    }
    *n_r = n;
    return tags != NULL ? tags : calloc(1, sizeof(*tags));
}

static void name_image(struct taking *t, const struct tag *tags, size_t n, struct image *image)
{
    size_t low = 0, high = n, count = 0;

    while (low < high) {
        size_t middle = (low + high) / 2;
        bool before =
            memcmp(tags[middle].digest.bytes, image->digest.bytes, sizeof(image->digest.bytes)) < 0;
        low = before ? middle + 1 : low;
        high = before ? high : middle;
    }
    while (low + count < n && count < TAGS_MAX &&
           digest_eq(&tags[low + count].digest, &image->digest)) {
        count++;
    }
    struct sl *names = pg_alloc(&t->inventory->arena, (count + 1) * sizeof(*names));
    for (size_t i = 0; i < count; i++) {
        names[i] = tags[low + i].name;
    }
    image->tags = names;
    image->ntags = count;
}

/* Images come repository by repository. */
static int name_all(struct taking *t, struct pg_err *err)
{
    struct inventory *i = t->inventory;
    struct tag *tags = NULL;
    size_t ntags = 0;

    for (size_t n = 0; n < i->n; n++) {
        if (n == 0 || !sl_eq(i->images[n].repo, i->images[n - 1].repo)) {
            free(tags);
            tags = tags_of(t, i->images[n].repo, &ntags, err);
            if (tags == NULL) {
                return -1;
            }
        }
        name_image(t, tags, ntags, &i->images[n]);
    }
    free(tags);
    return 0;
}

/* ---- all ----------------------------------------------------------------------------------- */

static bool is_stopped(const atomic_bool *stop)
{
    return stop != NULL && atomic_load(stop);
}

static int take_page(struct taking *t, struct pg_buf *cursor, const atomic_bool *stop,
                     struct pg_err *err)
{
    const struct catalog_question q = {
        .what = CATALOG_MANIFESTS, .cursor = pg_buf_sl(cursor), .nrows = PAGE, .stop = stop};
    struct pg_buf next;

    t->from = t->inventory->n;
    pg_buf_init(&next, CATALOG_CURSOR_MAX);
    int rc = catalog_page(t->store, &q, on_row, t, &next, err);
    pg_buf_clear(cursor);
    if (rc == 0) {
        (void)pg_buf_put(cursor, pg_buf_sl(&next));
    }
    pg_buf_free(&next);
    for (size_t i = t->from; rc == 0 && i < t->inventory->n && !is_stopped(stop); i++) {
        complete(t, &t->inventory->images[i]);
    }
    if (rc == 0 && t->inventory->n > INVENTORY_MAX) {
        rc = pg_fail(err, PG_E_TOO_LARGE, "the store has more than %d manifests", INVENTORY_MAX);
    }
    return rc;
}

/* That a copy is the last one may be on its way to the index. */
static void catch_up(struct store *s)
{
    struct pg_err ignored = {0}; /* what cannot be written is not known */

    if (s->writer != NULL && writer_catch_up(s->writer, &ignored) < 0) {
        pg_err_clear(&ignored);
    }
}

int inventory_take(struct store *s, const atomic_bool *stop, struct inventory *i_r,
                   struct pg_err *err)
{
    struct taking t = {.store = s, .inventory = i_r};
    struct pg_buf cursor;
    int rc;

    *i_r = (struct inventory){0};
    pg_arena_init(&i_r->arena, ARENA_BYTES);
    pg_buf_init(&cursor, CATALOG_CURSOR_MAX);
    catch_up(s);
    do {
        rc = take_page(&t, &cursor, stop, err);
    } while (rc == 0 && cursor.n > 0 && !is_stopped(stop));
    pg_buf_free(&cursor);
    if (rc == 0 && is_stopped(stop)) {
        rc = pg_fail(err, PG_E_CANCELED, "stopped");
    }
    return rc == 0 ? name_all(&t, err) : rc;
}

void inventory_free(struct inventory *i)
{
    free(i->images);
    pg_arena_free(&i->arena);
}
