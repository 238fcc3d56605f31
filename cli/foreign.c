/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/foreign.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/list.h"
#include "base/map.h"
#include "base/moment.h"
#include "base/wildcard.h"
#include "cli/foreign_list.h"
#include "cli/progress.h"
#include "oci/link.h"
#include "oci/manifest.h"
#include "oci/media.h"
#include "oci/ref.h"
#include "proxy/admin/inventory.h"

#define ARENA_BYTES ((size_t)1 << 40) /* FOREIGN_MAX bounds it */
#define PATH_ROOM   2048
#define CREATED     SL("org.opencontainers.image.created")
#define REPOS_MAX   100000
#define TAGS_MAX    100000

/* One repository while it is read. */
struct reading_repo {
    struct foreign *f;
    struct sl path, name;
    struct pg_map by_digest; /* of struct known */
    size_t from;             /* its first image */
    struct pg_err *err;
};

struct known {
    struct pg_map_node node;
    struct digest digest; /* the key's bytes */
    size_t no;            /* of the image */
};

/* ---- asking -------------------------------------------------------------------------------- */

static int ask(struct foreign *f, const char *method, struct sl path, const char *rest,
               struct registry_answer *a, struct pg_err *err)
{
    char text[PATH_ROOM];
    int n = snprintf(text, sizeof(text), "/v2/" SL_FMT "/%s", SL_ARG(path), rest);
    bool is_manifest = strncmp(rest, "manifests/", 10) == 0;

    PG_CHECK(n > 0 && (size_t)n < sizeof(text));
    const struct registry_question q = {.method = method,
                                        .path = text,
                                        .repo = path,
                                        .accept = is_manifest ? media_accept_upstream : NULL};
    return registry_ask(f->registry, &q, a, err);
}

static int unexpected(const struct foreign *f, struct sl path, const char *rest, int status,
                      struct pg_err *err)
{
    return pg_fail(err, PG_E_UPSTREAM_WRONG, "%s answers %d for " SL_FMT "/%s",
                   registry_host(f->registry), status, SL_ARG(path), rest);
}

/* 1: its bytes, of that digest; 0: it is not there. ref: a tag or a digest. */
static int read_manifest(struct foreign *f, struct sl path, struct sl ref,
                         struct registry_answer *a, struct digest *digest_r, struct pg_err *err)
{
    char rest[DIGEST_TEXT_MAX + 16], own[DIGEST_TEXT_MAX];
    int n = snprintf(rest, sizeof(rest), "manifests/" SL_FMT, SL_ARG(ref));

    PG_CHECK(n > 0 && (size_t)n < sizeof(rest));
    if (ask(f, "GET", path, rest, a, err) < 0) {
        return -1;
    }
    if (a->status != 200) {
        return a->status == 404 ? 0 : unexpected(f, path, rest, a->status, err);
    }
    enum pg_hash_alg alg = sl_starts(ref, SL("sha512:")) ? PG_SHA512 : PG_SHA256;
    *digest_r = digest_of(alg, pg_buf_sl(&a->body));
    struct sl said = digest_looks_like(ref) ? ref : a->head.digest;
    struct sl is = digest_write(digest_r, own);
    if (said.p != NULL && said.n > 0 && !sl_eq(said, is)) {
        return pg_fail(err, PG_E_UPSTREAM_WRONG,
                       "%s answers for " SL_FMT "/%s with bytes of another digest",
                       registry_host(f->registry), SL_ARG(path), rest);
    }
    return 1;
}

/* ---- one image ----------------------------------------------------------------------------- */

static struct foreign_image *add(struct foreign *f, const struct reading_repo *r,
                                 const struct digest *d)
{
    if (f->n == f->cap) {
        f->cap = f->cap > 0 ? 2 * f->cap : 1024;
        f->found = reallocarray(f->found, f->cap, sizeof(*f->found));
        PG_CHECK(f->found != NULL);
    }
    f->found[f->n] = (struct foreign_image){
        .image = {.repo = r->name, .digest = *d, .pulled_s = f->now_s}, .path = r->path};
    return &f->found[f->n++];
}

/* A rule may keep what has a label: without its configuration an image is not understood. */
static void read_config(struct foreign *f, const struct manifest_desc *config,
                        struct foreign_image *i)
{
    bool is_read = false;

    struct registry_answer a = {0};
    struct pg_err ignored = {0};
    char rest[DIGEST_TEXT_MAX + 16], text[DIGEST_TEXT_MAX];

    (void)snprintf(rest, sizeof(rest), "blobs/%s", digest_write(&config->digest, text).p);
    if (config->size <= INVENTORY_CONFIG_MAX && ask(f, "GET", i->path, rest, &a, &ignored) == 0 &&
        a.status == 200) {
        const struct digest d = digest_of(config->digest.alg, pg_buf_sl(&a.body));
        if (digest_eq(&d, &config->digest)) {
            inventory_take_config(&f->arena, pg_buf_sl(&a.body), &i->image);
            is_read = true;
        }
    }
    if (!is_read) {
        i->trouble = "its configuration cannot be read";
    }
    pg_err_clear(&ignored);
    registry_answer_free(&a);
}

static void take_names(struct foreign *f, const struct manifest *m, struct image *image)
{
    struct digest *children = pg_alloc(&f->arena, (m->nchildren + 1) * sizeof(*children));
    struct image_blob *blobs = pg_alloc(&f->arena, (m->nchildren + 1) * sizeof(*blobs));

    for (size_t i = 0; i < m->nchildren; i++) {
        children[i] = m->children[i].digest;
        blobs[i] = (struct image_blob){m->children[i].digest, m->children[i].size, true};
    }
    image->has_subject = m->has_subject;
    image->subject = m->subject.digest;
    if (m->kind == MANIFEST_INDEX) {
        image->children = children;
        image->nchildren = m->nchildren;
        return;
    }
    image->blobs = blobs;
    image->nblobs = m->nchildren;
    image->chain = children;
    image->nchain = m->nchildren;
    if (m->has_config) {
        blobs[image->nblobs++] = (struct image_blob){m->config.digest, m->config.size, true};
    }
}

/* When it was made: of its configuration, else of its annotations. */
static void take_age(struct image *image)
{
    int64_t made_s = image->pushed_s;

    for (size_t i = 0; i < image->nannotations && made_s == 0; i++) {
        if (sl_eq(image->annotations[i].key, CREATED) &&
            !moment_parse(image->annotations[i].value, &made_s)) {
            made_s = 0;
        }
    }
    image->first_seen_s = made_s > 0 ? made_s : 0;
}

static void describe(struct foreign *f, const struct registry_answer *a, struct foreign_image *i)
{
    struct pg_arena scratch;
    struct pg_err err = {0};
    struct manifest m;

    pg_arena_init(&scratch, MANIFEST_ARENA_BYTES);
    i->image.size = a->body.n;
    if (manifest_parse(pg_buf_sl(&a->body), a->head.content_type, &scratch, &m, &err) < 0) {
        i->trouble = pg_copy(&f->arena, sl_str(err.msg)).p;
    } else {
        take_names(f, &m, &i->image);
        inventory_take_annotations(&f->arena, m.annotations, &i->image);
        if (m.kind == MANIFEST_IMAGE && m.has_config) {
            read_config(f, &m.config, i);
        }
        take_age(&i->image);
    }
    pg_err_clear(&err);
    pg_arena_free(&scratch);
}

/* Harbor says when an image was pushed, and when it was pulled. */
static void take_harbor(struct foreign *f, struct foreign_image *i)
{
    const char *slash = memchr(i->path.p, '/', i->path.n);
    char path[PATH_ROOM], text[DIGEST_TEXT_MAX];
    struct registry_answer a = {0};
    struct pg_err ignored = {0};
    _json_ json_t *root = NULL;
    int64_t when_s = 0;

    if (slash == NULL) {
        return;
    }
    size_t project = (size_t)(slash - i->path.p);
    struct sl inner = link_encode(&f->arena, (struct sl){slash + 1, i->path.n - project - 1});
    inner = link_encode(&f->arena, inner); /* twice, as its API has it */
    (void)snprintf(path, sizeof(path),
                   "/api/v2.0/projects/%.*s/repositories/" SL_FMT "/artifacts/%s", (int)project,
                   i->path.p, SL_ARG(inner), digest_write(&i->image.digest, text).p);
    const struct registry_question q = {
        .method = "GET", .path = path, .repo = i->path, .is_own_api = true};
    if (registry_ask(f->registry, &q, &a, &ignored) == 0 && a.status == 200 &&
        pg_json_parse(pg_buf_sl(&a.body), PG_E_UPSTREAM_WRONG, &root, &ignored) == 0 &&
        moment_parse(pg_json_str(root, "push_time"), &when_s) && when_s > 0) {
        i->image.first_seen_s = when_s;
        bool pulled = moment_parse(pg_json_str(root, "pull_time"), &when_s) && when_s > 0;
        i->image.pulled_s = pulled ? when_s : 0;
    }
    pg_err_clear(&ignored);
    registry_answer_free(&a);
}

/* ---- one repository ------------------------------------------------------------------------ */

static struct known *find(const struct reading_repo *r, const struct digest *d)
{
    struct pg_map_node *n =
        pg_map_get(&r->by_digest, (struct sl){(const char *)d->bytes, sizeof(d->bytes)});

    return n != NULL ? pg_container_of(n, struct known, node) : NULL;
}

static struct known *note(struct reading_repo *r, const struct digest *d, size_t no)
{
    struct known *k = pg_new(&r->f->arena, struct known);

    k->digest = *d;
    k->no = no;
    pg_map_put(&r->by_digest, &k->node,
               (struct sl){(const char *)k->digest.bytes, sizeof(k->digest.bytes)});
    return k;
}

/* 1 and *k_r; 0: it is gone. */
static int take(struct reading_repo *r, struct sl ref, struct known **k_r)
{
    struct foreign *f = r->f;
    struct registry_answer a = {0};
    struct digest d;
    int found = read_manifest(f, r->path, ref, &a, &d, r->err);

    if (found > 0) {
        *k_r = find(r, &d);
    }
    if (found > 0 && *k_r == NULL && f->n == FOREIGN_MAX) {
        found = pg_fail(r->err, PG_E_TOO_LARGE, "there are more than %d manifests: narrow --repo",
                        FOREIGN_MAX);
    } else if (found > 0 && *k_r == NULL) {
        *k_r = note(r, &d, f->n);
        struct foreign_image *i = add(f, r, &d);
        describe(f, &a, i);
        if (f->is_harbor) {
            take_harbor(f, i);
        }
    }
    registry_answer_free(&a);
    return found;
}

void foreign_add_tag(struct pg_arena *arena, struct image *image, struct sl tag)
{
    struct sl *tags = (struct sl *)(uintptr_t)image->tags;

    if ((image->ntags & (image->ntags - 1)) == 0) { /* 0, 1, 2, 4: it is full */
        tags = pg_alloc(arena, (image->ntags > 0 ? 2 * image->ntags : 1) * sizeof(*tags));
        for (size_t i = 0; i < image->ntags; i++) {
            tags[i] = image->tags[i];
        }
        image->tags = tags;
    }
    tags[image->ntags++] = tag;
}

/* The children of what is there by now, and theirs; an index is as old as its youngest child. */
static int take_children(struct reading_repo *r)
{
    struct foreign *f = r->f;
    char text[DIGEST_TEXT_MAX];

    for (size_t i = r->from; i < f->n; i++) {
        for (size_t k = 0; k < f->found[i].image.nchildren; k++) {
            const struct digest d = f->found[i].image.children[k];
            struct known *known = find(r, &d);
            if (known == NULL && take(r, digest_write(&d, text), &known) < 0) {
                return -1;
            }
            struct image *index = &f->found[i].image;
            int64_t made_s = known != NULL ? f->found[known->no].image.first_seen_s : 0;
            if (!f->is_harbor && made_s > index->first_seen_s) {
                index->first_seen_s = made_s;
            }
        }
    }
    return 0;
}

static int take_repo(struct foreign *f, struct sl path, struct progress *p, struct pg_err *err)
{
    struct reading_repo r = {.f = f, .path = path, .from = f->n, .err = err};
    char name[PATH_ROOM];
    struct sl *tags;
    size_t n = 0;

    int m = snprintf(name, sizeof(name), "%s/" SL_FMT, registry_host(f->registry), SL_ARG(path));
    PG_CHECK(m > 0 && (size_t)m < sizeof(name));
    r.name = pg_copy(&f->arena, (struct sl){name, (size_t)m});
    pg_map_init(&r.by_digest);
    int rc = foreign_list_tags(f, path, &tags, &n, err);
    p->total += n;
    for (size_t i = 0; i < n && rc >= 0; i++) {
        struct known *k = NULL;
        rc = take(&r, tags[i], &k);
        if (rc > 0) {
            foreign_add_tag(&f->arena, &f->found[k->no].image, tags[i]);
        }
        progress_step(p);
    }
    rc = rc < 0 ? -1 : take_children(&r);
    pg_map_free(&r.by_digest);
    f->nrepos++;
    return rc;
}

/* ---- all ----------------------------------------------------------------------------------- */

static int find_harbor(struct foreign *f, struct pg_err *err)
{
    const struct registry_question q = {
        .method = "GET", .path = "/api/v2.0/systeminfo", .is_own_api = true};
    struct registry_answer a = {0};
    _json_ json_t *root = NULL;
    struct pg_err ignored = {0};
    int rc = registry_ask(f->registry, &q, &a, err);

    if (rc < 0 && err->kind == PG_E_DENIED) {
        pg_err_clear(err);
        rc = 0;
    } else if (rc == 0 && a.status == 200 &&
               pg_json_parse(pg_buf_sl(&a.body), PG_E_UPSTREAM_WRONG, &root, &ignored) == 0) {
        f->is_harbor = pg_json_str(root, "auth_mode").n > 0;
    }
    pg_err_clear(&ignored);
    registry_answer_free(&a);
    return rc;
}

static int list_repos(struct foreign *f, struct sl pattern, struct sl **repos_r, size_t *n_r,
                      struct pg_err *err)
{
    struct sl *all = NULL;
    size_t n = 0, kept = 0;

    if (memchr(pattern.p, '*', pattern.n) == NULL) {
        *repos_r = pg_new(&f->arena, struct sl);
        (*repos_r)[0] = pattern;
        *n_r = 1;
        return ref_check_name(pattern, err);
    }
    const struct foreign_list what = {
        .first = "/v2/_catalog?n=500", .member = "repositories", .max = REPOS_MAX};
    if (foreign_list_read(f->registry, &f->arena, &what, &all, &n, err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        struct pg_err ignored = {0};
        if (ref_check_name(all[i], &ignored) == 0 && wildcard_matches(pattern, all[i])) {
            all[kept++] = all[i];
        }
        pg_err_clear(&ignored);
    }
    *repos_r = all;
    *n_r = kept;
    return 0;
}

int foreign_take(struct registry *r, struct sl pattern, int64_t now_s, struct foreign *f_r,
                 struct pg_err *err)
{
    struct foreign *f = f_r;
    struct progress p;
    struct sl *repos;
    size_t n = 0;

    *f = (struct foreign){.registry = r, .now_s = now_s};
    pg_arena_init(&f->arena, ARENA_BYTES);
    if (find_harbor(f, err) < 0 || list_repos(f, pattern, &repos, &n, err) < 0) {
        return -1;
    }
    progress_begin(&p, "tags read", 0);
    for (size_t i = 0; i < n; i++) {
        if (take_repo(f, repos[i], &p, err) < 0) {
            return -1;
        }
    }
    progress_end(&p);
    return 0;
}

void foreign_free(struct foreign *f)
{
    free(f->found);
    pg_arena_free(&f->arena);
}

/* ---- as it is now -------------------------------------------------------------------------- */

int foreign_list_tags(struct foreign *f, struct sl path, struct sl **tags_r, size_t *n_r,
                      struct pg_err *err)
{
    char first[PATH_ROOM];
    size_t kept = 0;

    (void)snprintf(first, sizeof(first), "/v2/" SL_FMT "/tags/list?n=500", SL_ARG(path));
    const struct foreign_list what = {
        .first = first, .member = "tags", .repo = path, .max = TAGS_MAX, .may_be_absent = true};
    if (foreign_list_read(f->registry, &f->arena, &what, tags_r, n_r, err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < *n_r; i++) {
        struct pg_err ignored = {0};
        if (ref_check_tag((*tags_r)[i], &ignored) == 0) {
            (*tags_r)[kept++] = (*tags_r)[i];
        }
        pg_err_clear(&ignored);
    }
    *n_r = kept;
    return 0;
}

int foreign_resolve(struct foreign *f, struct sl path, struct sl tag, struct digest *digest_r,
                    struct pg_err *err)
{
    char rest[REF_TAG_MAX + 16];
    struct registry_answer a = {0};
    int rc;

    (void)snprintf(rest, sizeof(rest), "manifests/" SL_FMT, SL_ARG(tag));
    rc = ask(f, "HEAD", path, rest, &a, err);
    if (rc == 0 && a.status != 200) {
        rc = a.status == 404 ? 0 : unexpected(f, path, rest, a.status, err);
    } else if (rc == 0 && a.head.digest.n > 0) {
        rc = digest_parse(a.head.digest, digest_r, err) < 0 ? -1 : 1;
    } else if (rc == 0) {
        registry_answer_free(&a);
        rc = read_manifest(f, path, tag, &a, digest_r, err);
    }
    registry_answer_free(&a);
    return rc;
}

int foreign_children(struct foreign *f, struct sl path, const struct digest *d,
                     const struct digest **children_r, size_t *n_r, struct pg_err *err)
{
    struct registry_answer a = {0};
    struct foreign_image i = {.path = path};
    char text[DIGEST_TEXT_MAX];
    struct digest own;
    struct pg_arena scratch;
    struct manifest m = {0};

    *n_r = 0;
    int rc = read_manifest(f, path, digest_write(d, text), &a, &own, err);
    pg_arena_init(&scratch, MANIFEST_ARENA_BYTES);
    if (rc > 0) {
        rc = manifest_parse(pg_buf_sl(&a.body), a.head.content_type, &scratch, &m, err);
    }
    if (rc == 0 && a.status == 200) {
        take_names(f, &m, &i.image);
        *children_r = i.image.children;
        *n_r = i.image.nchildren;
    }
    pg_arena_free(&scratch);
    registry_answer_free(&a);
    return rc < 0 ? -1 : 0;
}
