/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/warm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/map.h"
#include "cli/print.h"
#include "oci/manifest.h"

#define PATH_BYTES   2048
#define WHY_BYTES    1024
#define DEPTH_MAX    4 /* an index may name an index */
#define WAIT_MS      200
#define RETRY_MS     1000
#define ARENA_BUDGET (2 * MANIFEST_ARENA_BYTES)
#define NAME_CHARS   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/:"

struct image {
    char *ref, *name, *reference;
    size_t pending; /* items */
    char digest[200];
    struct warm_image told;
};

struct item {
    struct pg_list node; /* ready, or running */
    struct pg_map_node seen;
    struct image *image;
    char *key; /* "name@reference" */
    bool is_manifest;
    unsigned depth, tries;
    uint64_t size, not_before_ms;
    CURL *curl;
    struct control_answer answer;
};

struct warm {
    const struct control *control;
    const char *platforms;
    struct warm_listener listener;
    struct image **images; /* all of them; those before `begun` are begun */
    size_t nimages, begun;
    struct pg_list ready, running;
    struct pg_map seen; /* items, those that are over too: each is asked for once */
    CURLM *multi;
    size_t nrunning;
    struct warm_sum sum;
    bool is_lost; /* the server is not there */
};

/* ---- images -------------------------------------------------------------------------------- */

struct warm *warm_new(const struct control *control, const char *platforms,
                      const struct warm_listener *listener)
{
    struct warm *w = calloc(1, sizeof(*w));

    PG_CHECK(w != NULL);
    w->control = control;
    w->platforms = platforms;
    w->listener = *listener;
    pg_list_init(&w->ready);
    pg_list_init(&w->running);
    pg_map_init(&w->seen);
    w->multi = curl_multi_init();
    PG_CHECK(w->multi != NULL);
    return w;
}

/* "name:tag@digest": a digest is more than a tag; without either it is `latest`. */
static void split(struct image *i)
{
    char *at = strchr(i->name, '@'), *slash, *colon;

    i->reference = NULL;
    if (at != NULL) {
        *at = '\0';
        i->reference = sl_dup((struct sl){at + 1, strlen(at + 1)});
    }
    slash = strrchr(i->name, '/');
    colon = strrchr(slash != NULL ? slash : i->name, ':');
    if (colon != NULL) {
        *colon = '\0';
    }
    if (i->reference == NULL) {
        i->reference = colon != NULL ? sl_dup((struct sl){colon + 1, strlen(colon + 1)})
                                     : sl_dup(SL("latest"));
    }
}

void warm_add(struct warm *w, struct sl ref)
{
    struct image *i = calloc(1, sizeof(*i));

    PG_CHECK(i != NULL);
    i->ref = sl_dup(ref);
    i->name = sl_dup(ref);
    split(i);
    i->told.ref = i->ref;
    w->images = realloc(w->images, (w->nimages + 1) * sizeof(struct image *));
    PG_CHECK(w->images != NULL);
    w->images[w->nimages++] = i;
    w->sum.images++;
}

/* The last of its items is over. */
static void end_image(struct warm *w, struct image *i)
{
    w->sum.images_done++;
    w->sum.images_failed += i->told.failed > 0;
    i->told.digest = (struct sl){i->digest, strlen(i->digest)};
    w->listener.on_image(w->listener.owner, &i->told);
}

/* ---- items --------------------------------------------------------------------------------- */

static void add_item(struct warm *w, struct image *i, const struct item *model, struct sl reference)
{
    struct item *t = calloc(1, sizeof(*t));
    char *key = NULL;

    PG_CHECK(t != NULL && asprintf(&key, "%s@" SL_FMT, i->name, SL_ARG(reference)) > 0);
    if (pg_map_get(&w->seen, (struct sl){key, strlen(key)}) != NULL) {
        free(key);
        free(t);
        return;
    }
    *t = *model;
    t->image = i;
    t->key = key;
    pg_list_init(&t->node);
    pg_map_put(&w->seen, &t->seen, (struct sl){key, strlen(key)});
    pg_list_push(&w->ready, &t->node);
    i->pending++;
    i->told.objects++;
    w->sum.objects++;
}

static const char *reference_of(const struct item *t)
{
    return strchr(t->key, '@') + 1;
}

static void end_item(struct warm *w, struct item *t, enum warm_result result, const char *why)
{
    struct image *i = t->image;
    const char *named = t->answer.digest[0] != '\0' ? t->answer.digest : reference_of(t);
    struct warm_object o = {.ref = i->ref,
                            .is_manifest = t->is_manifest,
                            .digest = {named, strlen(named)},
                            .bytes = t->size,
                            .result = result,
                            .why = why};

    i->told.failed += result == WARM_FAILED;
    i->told.bytes += result != WARM_FAILED ? t->size : 0;
    i->told.fetched_bytes += result == WARM_FETCHED ? t->size : 0;
    w->sum.objects_done++;
    w->sum.bytes += result != WARM_FAILED ? t->size : 0;
    w->sum.fetched_bytes += result == WARM_FETCHED ? t->size : 0;
    w->listener.on_object(w->listener.owner, &o);
    t->image = NULL;
    if (--i->pending == 0) {
        end_image(w, i);
    }
}

/* ---- manifests ----------------------------------------------------------------------------- */

/* "linux/arm64" wants "linux/arm64/v8", too. What has no platform is for all. */
static bool is_wanted(const struct warm *w, struct sl platform)
{
    const char *p = w->platforms;

    if (platform.n == 0 || strcmp(p, "all") == 0) {
        return true;
    }
    while (*p != '\0') {
        size_t n = strcspn(p, ",");
        struct sl one = {p, n};
        if (n > 0 && sl_starts(platform, one) && (platform.n == n || platform.p[n] == '/')) {
            return true;
        }
        p += n + (p[n] == ',' ? 1 : 0);
    }
    return false;
}

static void add_named(struct warm *w, struct item *t, const struct manifest_desc *d,
                      bool is_manifest)
{
    struct item model = {.is_manifest = is_manifest, .depth = t->depth + 1, .size = d->size};
    char text[DIGEST_TEXT_MAX];

    add_item(w, t->image, &model, digest_write(&d->digest, text));
}

/* How many of them are wanted. */
static size_t add_children(struct warm *w, struct item *t, const struct manifest *m)
{
    size_t n = 0;

    for (size_t i = 0; i < m->nchildren && t->depth < DEPTH_MAX; i++) {
        if (m->kind == MANIFEST_INDEX && is_wanted(w, m->children[i].platform)) {
            add_named(w, t, &m->children[i], true);
            n++;
        } else if (m->kind == MANIFEST_IMAGE && !m->children[i].has_urls) {
            add_named(w, t, &m->children[i], false);
        }
    }
    if (m->kind == MANIFEST_IMAGE && m->has_config) {
        add_named(w, t, &m->config, false);
    }
    return n;
}

static void put_platforms(const struct manifest *m, char *why, size_t room)
{
    struct pg_buf has;

    pg_buf_init(&has, room / 2);
    for (size_t i = 0; i < m->nchildren; i++) {
        (void)pg_buf_put(&has, i > 0 ? SL(", ") : SL(""));
        (void)pg_buf_put(&has, m->children[i].platform);
    }
    (void)snprintf(why, room, "it is not for the platform wanted, but for " SL_FMT,
                   SL_ARG(pg_buf_sl(&has)));
    pg_buf_free(&has);
}

/* False: *why says what is wrong with it. */
static bool read_manifest(struct warm *w, struct item *t, char *why, size_t room)
{
    struct sl type = {t->answer.type, strcspn(t->answer.type, "; ")};
    struct pg_arena arena;
    struct pg_err err = {0};
    struct manifest m;
    bool ok;

    t->size = t->answer.body.n;
    if (t->depth == 0) {
        (void)snprintf(t->image->digest, sizeof(t->image->digest), "%s", t->answer.digest);
    }
    pg_arena_init(&arena, ARENA_BUDGET);
    ok = manifest_parse(pg_buf_sl(&t->answer.body), type, &arena, &m, &err) == 0;
    if (!ok) {
        (void)snprintf(why, room, "%s", err.msg);
    } else if (add_children(w, t, &m) == 0 && m.kind == MANIFEST_INDEX && m.nchildren > 0) {
        put_platforms(&m, why, room);
        ok = false;
    }
    pg_err_clear(&err);
    pg_arena_free(&arena);
    return ok;
}

/* ---- transfers ----------------------------------------------------------------------------- */

static bool is_fit(const struct item *t)
{
    return strspn(t->key, NAME_CHARS "@") == strlen(t->key) && strlen(t->key) < PATH_BYTES / 2;
}

static void start(struct warm *w, struct item *t)
{
    char path[PATH_BYTES];
    int name = (int)(strchr(t->key, '@') - t->key);

    (void)snprintf(path, sizeof(path), "/v2/%.*s/%s/%s", name, t->key,
                   t->is_manifest ? "manifests" : "blobs", reference_of(t));
    control_answer_init(&t->answer);
    t->tries++;
    t->curl = curl_easy_init();
    PG_CHECK(t->curl != NULL);
    CURLcode rc = control_set_up(w->control, t->curl, path, &t->answer);
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(t->curl, CURLOPT_PRIVATE, t);
    if (rc == CURLE_OK && !t->is_manifest && t->size > 0) {
        rc = curl_easy_setopt(t->curl, CURLOPT_RANGE, "0-0");
    }
    PG_CHECK(rc == CURLE_OK && curl_multi_add_handle(w->multi, t->curl) == CURLM_OK);
    pg_list_remove(&t->node);
    pg_list_push(&w->running, &t->node);
    w->nrunning++;
}

static void stop(struct warm *w, struct item *t)
{
    (void)curl_multi_remove_handle(w->multi, t->curl);
    curl_easy_cleanup(t->curl);
    t->curl = NULL;
    pg_list_remove(&t->node);
    w->nrunning--;
}

static void put_why(const struct item *t, CURLcode rc, char *why, size_t room)
{
    struct pg_buf said;

    pg_buf_init(&said, room);
    if (rc != CURLE_OK) {
        (void)snprintf(why, room, "the answer broke off: %s", curl_easy_strerror(rc));
    } else {
        control_put_error(&t->answer, &said);
        (void)snprintf(why, room, SL_FMT, SL_ARG(pg_buf_sl(&said)));
    }
    pg_buf_free(&said);
}

/* Whole: what was held back came, too. */
static bool is_well(const struct item *t, CURLcode rc)
{
    return rc == CURLE_OK && (t->answer.status == 200 || t->answer.status == 206);
}

static bool may_pass(long status)
{
    return status == 429 || status == 503 || status == 504;
}

static void over(struct warm *w, struct item *t, CURLcode rc)
{
    bool was_here = strncmp(t->answer.cache, "pullgate; hit", 13) == 0;
    char why[WHY_BYTES] = "";

    (void)curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &t->answer.status);
    stop(w, t);
    w->is_lost = w->is_lost || rc == CURLE_COULDNT_CONNECT;
    if (w->is_lost) {
        control_answer_free(&t->answer);
        return;
    }
    if (is_well(t, rc)) {
        bool ok = !t->is_manifest || read_manifest(w, t, why, sizeof(why));
        end_item(w, t, !ok ? WARM_FAILED : was_here ? WARM_HIT : WARM_FETCHED, why);
    } else if (t->tries < WARM_TRIES && (rc != CURLE_OK || may_pass(t->answer.status))) {
        t->not_before_ms = pg_clock_mono_ms() + (uint64_t)t->tries * RETRY_MS;
        pg_list_push(&w->ready, &t->node);
    } else {
        put_why(t, rc, why, sizeof(why));
        end_item(w, t, WARM_FAILED, why);
    }
    control_answer_free(&t->answer);
}

static void start_image(struct warm *w)
{
    struct image *i = w->images[w->begun++];
    const struct item model = {.is_manifest = true};

    add_item(w, i, &model, (struct sl){i->reference, strlen(i->reference)});
    if (i->pending == 0) { /* it stands in the list twice */
        end_image(w, i);
    }
}

static void start_ready(struct warm *w)
{
    uint64_t now_ms = pg_clock_mono_ms();

    while (pg_list_empty(&w->ready) && w->begun < w->nimages && w->nrunning < WARM_AT_A_TIME) {
        start_image(w);
    }
    pg_list_each_safe (it, tmp, &w->ready) {
        struct item *t = pg_container_of(it, struct item, node);
        if (w->nrunning < WARM_AT_A_TIME && t->not_before_ms <= now_ms && !is_fit(t)) {
            pg_list_remove(&t->node);
            end_item(w, t, WARM_FAILED, "this is no reference of an image");
        } else if (w->nrunning < WARM_AT_A_TIME && t->not_before_ms <= now_ms) {
            start(w, t);
        }
    }
}

/* True: there was one, and the next may be started. */
static bool take_ended(struct warm *w)
{
    CURLMsg *m;
    bool any = false;
    int left;

    while ((m = curl_multi_info_read(w->multi, &left)) != NULL) {
        void *item = NULL;
        CURLcode rc = m->data.result;
        (void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &item);
        over(w, item, rc);
        any = true;
    }
    return any;
}

int warm_run(struct warm *w, struct warm_sum *sum_r)
{
    int running;

    while (!w->is_lost) {
        start_ready(w);
        if (w->nrunning == 0 && pg_list_empty(&w->ready) && w->begun == w->nimages) {
            break;
        }
        (void)curl_multi_perform(w->multi, &running);
        bool any = take_ended(w);
        w->listener.on_progress(w->listener.owner, &w->sum);
        if (!any && (w->nrunning > 0 || !pg_list_empty(&w->ready))) {
            (void)curl_multi_poll(w->multi, NULL, 0, WAIT_MS, NULL);
        }
    }
    *sum_r = w->sum;
    return w->is_lost ? -1 : 0;
}

static void free_image(struct image *i)
{
    free(i->ref);
    free(i->name);
    free(i->reference);
    free(i);
}

void warm_free(struct warm *w)
{
    struct pg_map_node *node;

    pg_list_each_safe (it, tmp, &w->running) {
        struct item *t = pg_container_of(it, struct item, node);
        stop(w, t);
        control_answer_free(&t->answer);
    }
    while ((node = pg_map_next(&w->seen, NULL)) != NULL) {
        struct item *t = pg_container_of(node, struct item, seen);
        pg_map_remove(&w->seen, node);
        free(t->key);
        free(t);
    }
    for (size_t i = 0; i < w->nimages; i++) {
        free_image(w->images[i]);
    }
    free(w->images);
    pg_map_free(&w->seen);
    (void)curl_multi_cleanup(w->multi);
    free(w);
}
