/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/lifecycle_sweep.h"

#include <stdio.h>
#include <time.h>

#include "base/list.h"
#include "base/map.h"
#include "cli/progress.h"

#define PATH_ROOM 2048
#define SECOND_NS 1000000000L

/* What must not go after all, in one repository. */
struct held {
    struct pg_map_node node;
    struct digest digest; /* the key's bytes */
};

struct sweeping {
    struct lifecycle_sweep *s;
    struct sl path;
    size_t from, until; /* its images */
    struct pg_map held;
    struct progress progress;
};

static struct sl key_of(const struct digest *d)
{
    return (struct sl){(const char *)d->bytes, sizeof(d->bytes)};
}

static void hold(struct sweeping *w, const struct digest *d)
{
    struct held *h;

    if (pg_map_get(&w->held, key_of(d)) != NULL) {
        return;
    }
    h = pg_new(&w->s->foreign->arena, struct held);
    h->digest = *d;
    pg_map_put(&w->held, &h->node, key_of(&h->digest));
}

/* ---- as it is now -------------------------------------------------------------------------- */

static bool has_tag(const struct image *image, struct sl tag)
{
    for (size_t i = 0; i < image->ntags; i++) {
        if (sl_eq(image->tags[i], tag)) {
            return true;
        }
    }
    return false;
}

/* When the plan was made, the tag named that digest. */
static bool was_so(const struct sweeping *w, struct sl tag, const struct digest *d)
{
    for (size_t i = w->from; i < w->until; i++) {
        const struct image *image = w->s->plan->rows[i].image;
        if (digest_eq(&image->digest, d)) {
            return has_tag(image, tag);
        }
    }
    return false;
}

static int hold_tag(struct sweeping *w, struct sl tag, struct pg_err *err)
{
    struct foreign *f = w->s->foreign;
    const struct digest *children = NULL;
    struct digest d;
    size_t n = 0;
    int found = foreign_resolve(f, w->path, tag, &d, err);

    if (found <= 0 || was_so(w, tag, &d)) {
        return found < 0 ? -1 : 0;
    }
    hold(w, &d);
    if (foreign_children(f, w->path, &d, &children, &n, err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        hold(w, &children[i]);
    }
    return 0;
}

static int look_again(struct sweeping *w, struct pg_err *err)
{
    struct sl *tags = NULL;
    size_t n = 0;

    if (foreign_list_tags(w->s->foreign, w->path, &tags, &n, err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        if (hold_tag(w, tags[i], err) < 0) {
            return -1;
        }
    }
    return 0;
}

/* ---- deleting ------------------------------------------------------------------------------ */

static int remove_one(struct sweeping *w, const struct image *image, struct pg_err *err)
{
    struct registry *r = w->s->foreign->registry;
    char path[PATH_ROOM], digest[DIGEST_TEXT_MAX];
    struct registry_answer a = {0};

    int n = snprintf(path, sizeof(path), "/v2/" SL_FMT "/manifests/%s", SL_ARG(w->path),
                     digest_write(&image->digest, digest).p);
    PG_CHECK(n > 0 && (size_t)n < sizeof(path));
    const struct registry_question q = {.method = "DELETE", .path = path, .repo = w->path};
    int rc = registry_ask(r, &q, &a, err);
    if (rc == 0 && a.status == 405) {
        rc = pg_fail(err, PG_E_DENIED,
                     "%s does not let anything be deleted (405); a docker-registry does with "
                     "REGISTRY_STORAGE_DELETE_ENABLED=true",
                     registry_host(r));
    } else if (rc == 0 && a.status != 404 && (a.status < 200 || a.status > 299)) {
        rc = pg_fail(err, PG_E_UPSTREAM_WRONG, "%s answers %d", registry_host(r), a.status);
    }
    registry_answer_free(&a);
    return rc;
}

static void pause_between(const struct lifecycle_sweep *s)
{
    const struct timespec each = {.tv_sec = s->rate == 1,
                                  .tv_nsec = SECOND_NS / s->rate % SECOND_NS};

    (void)nanosleep(&each, NULL);
}

static void fail(struct lifecycle_sweep *s, const struct image *image, struct pg_err *err)
{
    s->failed += err->kind == PG_E_DENIED ? LIFECYCLE_SWEEP_FAILS : 1; /* the next would be, too */
    s->tell(s->owner, image, LIFECYCLE_SWEEP_FAILED, err->msg);
    pg_err_clear(err);
}

static void sweep_one(struct sweeping *w, const struct image *image)
{
    struct lifecycle_sweep *s = w->s;
    struct pg_err err = {0};

    if (pg_map_get(&w->held, key_of(&image->digest)) != NULL) {
        s->changed++;
        s->tell(s->owner, image, LIFECYCLE_SWEEP_CHANGED, NULL);
    } else if (remove_one(w, image, &err) < 0) {
        fail(s, image, &err);
    } else {
        s->removed++;
        s->tell(s->owner, image, LIFECYCLE_SWEEP_REMOVED, NULL);
        pause_between(s);
    }
    progress_step(&w->progress);
}

static void sweep_all(struct sweeping *w, bool children)
{
    const struct plan_row *rows = w->s->plan->rows;

    for (size_t i = w->from; i < w->until && w->s->failed < LIFECYCLE_SWEEP_FAILS; i++) {
        if (rows[i].goes && (rows[i].why == PLAN_CHILD) == children) {
            sweep_one(w, rows[i].image);
        }
    }
}

static void sweep_repo(struct sweeping *w)
{
    struct pg_err err = {0};

    pg_map_init(&w->held);
    if (look_again(w, &err) < 0) {
        fail(w->s, w->s->plan->rows[w->from].image, &err);
    } else {
        sweep_all(w, false);
        sweep_all(w, true);
    }
    pg_map_free(&w->held);
}

void lifecycle_sweep_run(struct lifecycle_sweep *s)
{
    struct sweeping w = {.s = s};
    size_t n = s->plan->nrows;

    progress_begin(&w.progress, "manifests done", s->plan->ngo);
    for (w.from = 0; w.from < n && s->failed < LIFECYCLE_SWEEP_FAILS; w.from = w.until) {
        bool any = false;
        w.path = s->foreign->found[w.from].path;
        for (w.until = w.from; w.until < n && sl_eq(s->foreign->found[w.until].path, w.path);
             w.until++) {
            any |= s->plan->rows[w.until].goes;
        }
        if (any) {
            sweep_repo(&w);
        }
    }
    progress_end(&w.progress);
}
