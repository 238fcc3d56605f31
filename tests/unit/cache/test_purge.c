/* SPDX-License-Identifier: Apache-2.0 */
/* What is purged is gone, durably; what something else needs is not; and what is listed is there.
 */
#include "shelf.h"

#include <semaphore.h>

#include "cache/catalog.h"
#include "cache/land.h"
#include "cache/overlay_int.h"
#include "cache/purge.h"
#include "cache/use.h"
#include "cache/work.h"

#define APP   SL("docker.io/library/app")
#define OTHER SL("quay.io/team/app")
#define IMAGE "application/vnd.oci.image.manifest.v1+json"
#define INDEX "application/vnd.oci.image.index.v1+json"

static struct shelf sh;
static struct store *store;
static struct pg_err err;
static struct purge_result result;

static int setup(void **state)
{
    (void)state;
    shelf_begin(&sh);
    shelf_open(&sh);
    store = sh.store;
    return 0;
}

static void reopen(void)
{
    shelf_close(&sh);
    shelf_open(&sh);
    store = sh.store;
}

static int teardown(void **state)
{
    struct fsck_result found = {0};
    struct fsck_config config = {0};

    (void)state;
    pg_err_clear(&err);
    reopen();
    assert_int_equal(fsck_run(store, &config, &found, &err), 0);
    assert_int_equal(found.found, 0);
    shelf_end(&sh);
    return 0;
}

static void settle(void)
{
    work_wait(store->work);
    assert_int_equal(overlay_count(store->overlay), 0);
}

/* ---- things to be purged ---- */

static void on_published(struct publish *p)
{
    assert_int_equal(p->err.kind, PG_E_NONE);
    pg_fd_close(&p->tmp_fd);
    free(p);
}

static struct digest blob(const char *text)
{
    struct publish *p = calloc(1, sizeof(*p));
    static unsigned number;
    struct digest d;

    assert_non_null(p);
    p->digest = p->sha256 = d = digest_of(PG_SHA256, (struct sl){text, strlen(text)});
    p->size = strlen(text);
    p->done = on_published;
    (void)snprintf(p->tmp_name, sizeof(p->tmp_name), "test.%u", number++);
    p->tmp_fd = openat(store->partial_fd, p->tmp_name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(p->tmp_fd >= 0);
    assert_int_equal(pg_fd_pwrite(p->tmp_fd, text, strlen(text), 0), 0);
    publish_blob(store, p);
    work_wait(store->work);
    return d;
}

static struct digest land(struct sl repo, struct sl tag, const char *text)
{
    struct pg_arena arena;
    struct manifest parsed;
    struct sl bytes = {text, strlen(text)};
    struct land_manifest m = {.repo = repo, .tag = tag, .now_s = 100, .parsed = &parsed};

    pg_arena_init(&arena, MANIFEST_ARENA_BYTES);
    assert_int_equal(manifest_parse(bytes, SL(""), &arena, &parsed, &err), 0);
    m.digest = m.sha256 = digest_of(PG_SHA256, bytes);
    m.bytes = pg_bytes_new(bytes);
    land_manifest(store, &m);
    pg_bytes_unref(m.bytes);
    pg_arena_free(&arena);
    settle();
    return m.digest;
}

/* An image with a config and a layer; subject may be NULL. */
static struct digest image(struct sl repo, struct sl tag, const char *config, const char *layer,
                           const struct digest *subject)
{
    struct digest c = blob(config), l = blob(layer);
    char ct[DIGEST_TEXT_MAX], lt[DIGEST_TEXT_MAX], st[DIGEST_TEXT_MAX], more[300] = "", text[2048];

    if (subject != NULL)
        (void)snprintf(more, sizeof(more),
                       ",\"subject\":{\"mediaType\":\"" IMAGE "\",\"digest\":\"%s\",\"size\":9}",
                       digest_write(subject, st).p);
    (void)snprintf(text, sizeof(text),
                   "{\"schemaVersion\":2,\"mediaType\":\"" IMAGE "\",\"config\":{\"mediaType\":"
                   "\"application/vnd.oci.image.config.v1+json\",\"digest\":\"%s\",\"size\":%zu},"
                   "\"layers\":[{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\","
                   "\"digest\":\"%s\",\"size\":%zu}]%s}",
                   digest_write(&c, ct).p, strlen(config), digest_write(&l, lt).p, strlen(layer),
                   more);
    return land(repo, tag, text);
}

static struct digest index_of(struct sl repo, struct sl tag, const struct digest *child)
{
    char ct[DIGEST_TEXT_MAX], text[1024];

    (void)snprintf(text, sizeof(text),
                   "{\"schemaVersion\":2,\"mediaType\":\"" INDEX "\",\"manifests\":[{"
                   "\"mediaType\":\"" IMAGE "\",\"digest\":\"%s\",\"size\":400}]}",
                   digest_write(child, ct).p);
    return land(repo, tag, text);
}

/* ---- what is there ---- */

static bool is_stored(const struct digest *d)
{
    _index_view_ struct index_view v = index_view_begin(store->index);
    char path[BLOB_PATH_MAX];
    struct index_blob b;
    struct stat st;
    int found = index_get_blob(&v, d, &b, &err);

    assert_int_equal(fstatat(store->blobs_fd, blob_path(d, path), &st, 0) == 0, found == 1);
    return found == 1;
}

static bool is_stored_text(const char *text)
{
    struct digest d = digest_of(PG_SHA256, (struct sl){text, strlen(text)});

    return is_stored(&d);
}

static bool has_link(struct sl repo, const struct digest *d)
{
    struct index_link l;

    return overlay_get_link(store, repo, d, &l, &err) > 0;
}

static bool has_tag(struct sl repo, struct sl tag)
{
    struct index_tag t;

    return overlay_get_tag(store, repo, tag, &t, &err) > 0;
}

/* ---- purging ---- */

static int purge(struct catalog_scope scope, bool dry_run)
{
    struct purge_question q = {.scope = scope, .dry_run = dry_run, .part = 2};
    struct purge_result sum = {0};
    char cursor[CATALOG_CURSOR_MAX];
    struct pg_buf next;
    int rc, parts = 0;

    pg_err_clear(&err);
    pg_buf_init(&next, CATALOG_CURSOR_MAX);
    do {
        assert_true(next.n < sizeof(cursor) && ++parts < 100);
        if (next.n > 0)
            memcpy(cursor, next.p, next.n);
        q.cursor = (struct sl){cursor, next.n};
        pg_buf_clear(&next);
        rc = purge_run(store, &q, &result, &next, &err);
        sum.tags += result.tags;
        sum.links += result.links;
        sum.blobs += result.blobs;
        sum.bytes += result.bytes;
        sum.kept += result.kept;
    } while (rc == 0 && next.n > 0);
    pg_buf_free(&next);
    result = sum;
    work_wait(store->work);
    return rc;
}

/* What a dry run says is what happens. */
static void purge_twice(struct catalog_scope scope)
{
    struct purge_result dry;

    assert_int_equal(purge(scope, true), 0);
    dry = result;
    assert_int_equal(purge(scope, false), 0);
    assert_memory_equal(&dry, &result, sizeof(dry));
}

TEST(a_tag_goes_with_what_it_alone_needs)
{
    struct digest a = image(APP, SL("v1"), "config 1", "layer 1", NULL);
    struct digest b = image(APP, SL("v2"), "config 2", "shared", NULL);
    struct digest c = image(APP, SL("v3"), "config 3", "shared", NULL);
    struct digest o = image(OTHER, SL("v1"), "config 3", "other", NULL);

    purge_twice((struct catalog_scope){.repo = APP, .tag = SL("v3")});
    assert_int_equal(result.tags, 1);
    assert_int_equal(result.links, 2); /* manifest and config; the layer is v2's, too */
    assert_int_equal(result.blobs, 1);
    assert_int_equal(result.kept, 1); /* the config is another repository's, too */
    assert_false(has_tag(APP, SL("v3")));
    assert_false(has_link(APP, &c));
    assert_false(is_stored(&c));
    assert_true(is_stored_text("shared") && is_stored_text("config 3"));
    assert_true(has_link(APP, &b) && has_tag(APP, SL("v2")) && is_stored(&b));
    assert_true(has_link(APP, &a) && is_stored_text("layer 1"));
    assert_true(has_link(OTHER, &o));
    reopen();
    assert_false(has_tag(APP, SL("v3")));
    assert_false(has_link(APP, &c));
}

TEST(what_was_purged_does_not_come_back_with_a_lost_index)
{
    struct digest a = image(APP, SL("v1"), "config 1", "layer 1", NULL);
    struct digest b = image(APP, SL("v2"), "config 2", "layer 2", NULL);
    char path[128];

    assert_int_equal(purge((struct catalog_scope){.repo = APP, .tag = SL("v1")}, false), 0);
    shelf_close(&sh);
    (void)snprintf(path, sizeof(path), "%s/index/data.mdb", sh.dir);
    assert_int_equal(unlink(path), 0);
    shelf_open(&sh);
    store = sh.store;
    assert_false(has_tag(APP, SL("v1")));
    assert_false(has_link(APP, &a));
    assert_true(has_tag(APP, SL("v2")) && has_link(APP, &b));
}

TEST(K09_a_purge_that_is_cut_short_leaves_no_half_manifest)
{
    struct fsck_result found;
    struct fsck_config config = {0};
    char fault[64];

    for (unsigned n = 1; n < 8; n++) { /* as if it died before the nth commit */
        (void)image(APP, SL("v1"), "config 1", "layer 1", NULL);
        (void)snprintf(fault, sizeof(fault), "index.commit:EIO@%u+", n);
        assert_int_equal(pg_fault_set(fault), 0);
        (void)purge((struct catalog_scope){.repo = APP, .tag = SL("v1")}, false);
        work_wait(store->work);
        assert_int_equal(pg_fault_set(NULL), 0);
        pg_err_clear(&err);
        reopen();
        assert_int_equal(fsck_run(store, &config, &found, &err), 0);
        assert_int_equal(found.found, 0);
    }
}

TEST(a_manifest_that_another_tag_names_stays)
{
    struct digest a = image(APP, SL("v1"), "config 1", "layer 1", NULL);

    land_tag(store, APP, SL("latest"), &a, 200);
    settle();
    purge_twice((struct catalog_scope){.repo = APP, .tag = SL("v1")});
    assert_int_equal(result.tags, 1);
    assert_int_equal(result.links, 0);
    assert_int_equal(result.bytes, 0);
    assert_true(has_tag(APP, SL("latest")) && has_link(APP, &a) && is_stored(&a));
    assert_int_equal(
        purge((struct catalog_scope){.repo = APP, .has_digest = true, .digest = a}, false), -1);
    assert_int_equal(err.kind, PG_E_DENIED);
    assert_int_equal(purge((struct catalog_scope){.repo = APP, .tag = SL("v1")}, false), -1);
    assert_int_equal(err.kind, PG_E_MANIFEST_UNKNOWN);
    assert_true(is_stored(&a));
}

TEST(an_index_goes_with_its_children_and_their_signatures)
{
    struct digest child = image(APP, (struct sl){NULL, 0}, "config 1", "layer 1", NULL);
    struct digest sig = image(APP, (struct sl){NULL, 0}, "{}", "signature", &child);
    struct digest root = index_of(APP, SL("v1"), &child);
    struct digest d = digest_of(PG_SHA256, SL("layer 1"));

    assert_int_equal(
        purge((struct catalog_scope){.repo = APP, .has_digest = true, .digest = child}, false), -1);
    assert_int_equal(err.kind, PG_E_DENIED); /* the index names it */
    purge_twice((struct catalog_scope){.repo = APP, .tag = SL("v1")});
    assert_int_equal(result.links, 7);
    assert_int_equal(result.blobs, 7);
    assert_false(is_stored(&root) || is_stored(&child) || is_stored(&sig) || is_stored(&d));
    assert_false(has_link(APP, &root) || has_link(APP, &child) || has_link(APP, &sig));
    assert_int_equal(atomic_load(&store->blobs), 0);
}

/* ---- many images at a time ---- */

#define TAGS(...)                                                                                  \
    (const struct sl[])                                                                            \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

static void purge_all(struct purge_image *images, size_t n)
{
    if (purge_images_run(store, images, n, NULL, &err) < 0)
        fail_msg("%s", err.msg);
    work_wait(store->work);
}

TEST(a_batch_takes_what_is_shared_once_and_leaves_what_stays_whole)
{
    struct digest a = image(APP, SL("v1"), "config 1", "shared", NULL);
    struct digest b = image(APP, SL("v2"), "config 2", "shared", NULL);
    struct digest c = image(APP, SL("v3"), "config 3", "layer 3", NULL);
    struct digest d = image(APP, SL("v4"), "config 4", "layer 3", NULL);
    struct purge_image images[] = {
        {.repo = APP, .digest = a, .tags = TAGS(SL("v1")), .ntags = 1},
        {.repo = APP, .digest = b, .tags = TAGS(SL("v2")), .ntags = 1},
        {.repo = APP, .digest = c, .tags = TAGS(SL("v3")), .ntags = 1},
    };
    uint64_t before = atomic_load(&store->bytes);

    purge_all(images, 3);
    assert_false(images[0].stays || images[1].stays || images[2].stays);
    assert_true(images[0].bytes > images[1].bytes); /* "shared" is counted with the first */
    assert_int_equal(images[0].bytes + images[1].bytes + images[2].bytes,
                     before - atomic_load(&store->bytes));
    assert_false(has_tag(APP, SL("v1")) || has_tag(APP, SL("v2")) || has_tag(APP, SL("v3")));
    assert_false(is_stored(&a) || is_stored(&b) || is_stored(&c) || is_stored_text("shared"));
    assert_true(has_tag(APP, SL("v4")) && has_link(APP, &d) && is_stored(&d));
    assert_true(is_stored_text("config 4") && is_stored_text("layer 3"));
    purge_all(images, 3); /* once more: they are gone, and nothing is said of it */
    assert_false(images[0].stays || images[1].stays || images[2].stays);
    assert_int_equal(images[0].bytes, 0);
}

TEST(of_a_batch_what_something_else_names_stays_with_its_tags)
{
    struct digest a = image(APP, SL("v1"), "config 1", "layer 1", NULL);
    struct digest b = image(APP, SL("v2"), "config 2", "layer 2", NULL);
    struct digest child = image(APP, SL("amd64"), "config 3", "layer 3", NULL);
    struct digest index = index_of(APP, SL("all"), &child);
    struct purge_image images[] = {
        {.repo = APP, .digest = child, .tags = TAGS(SL("amd64")), .ntags = 1},
        {.repo = APP, .digest = a}, /* its tag is not to go */
        {.repo = APP, .digest = b, .tags = TAGS(SL("v1"), SL("v2")), .ntags = 2}, /* v1 moved */
        {.repo = APP, .digest = index, .tags = TAGS(SL("all")), .ntags = 1},
    };

    purge_all(images, 3);
    assert_true(images[0].stays && images[1].stays);
    assert_false(images[2].stays);
    assert_true(has_tag(APP, SL("amd64")) && has_tag(APP, SL("v1")) && has_link(APP, &child));
    assert_true(is_stored(&child) && is_stored(&a) && is_stored_text("layer 3"));
    assert_false(has_tag(APP, SL("v2")) || is_stored(&b));
    purge_all(images, 4); /* with the index, which comes last, its child may go */
    assert_false(images[0].stays || images[3].stays);
    assert_false(has_tag(APP, SL("amd64")) || has_link(APP, &child) || is_stored(&index));
    assert_false(is_stored(&child) || is_stored_text("layer 3"));
}

TEST(G12_content_stays_for_as_long_as_one_repository_has_it)
{
    struct digest d = image(APP, SL("v1"), "config 1", "layer 1", NULL);
    struct purge_image images[] = {
        {.repo = APP, .digest = d, .tags = TAGS(SL("v1")), .ntags = 1},
        {.repo = OTHER, .digest = d, .tags = TAGS(SL("v1")), .ntags = 1},
    };

    (void)image(OTHER, SL("v1"), "config 1", "layer 1", NULL);
    purge_all(images, 1);
    assert_int_equal(images[0].bytes, 0);
    assert_false(has_link(APP, &d) || has_tag(APP, SL("v1")));
    assert_true(has_link(OTHER, &d) && has_tag(OTHER, SL("v1")));
    assert_true(is_stored(&d) && is_stored_text("layer 1"));
    (void)image(APP, SL("v1"), "config 1", "layer 1", NULL);
    purge_all(images, 2); /* of both repositories, in one batch */
    assert_true(images[0].bytes > 0);
    assert_false(has_link(APP, &d) || has_link(OTHER, &d) || is_stored(&d));
    assert_false(is_stored_text("config 1") || is_stored_text("layer 1"));
}

TEST(a_batch_that_is_ended_before_it_began_changes_nothing)
{
    struct digest d = image(APP, SL("v1"), "config 1", "layer 1", NULL);
    struct purge_image one = {.repo = APP, .digest = d, .tags = TAGS(SL("v1")), .ntags = 1};
    atomic_bool stop = true;

    assert_int_equal(purge_images_run(store, &one, 1, &stop, &err), -1);
    assert_int_equal(err.kind, PG_E_CANCELED);
    pg_err_clear(&err);
    assert_true(has_tag(APP, SL("v1")) && has_link(APP, &d) && is_stored_text("layer 1"));
}

TEST(a_repository_and_an_upstream_in_parts)
{
    struct digest a, b, o;

    (void)image(APP, SL("v1"), "config 1", "layer 1", NULL);
    a = image(APP, SL("v2"), "config 2", "layer 2", NULL);
    b = image(SL("docker.io/library/b"), SL("v1"), "config 2", "layer 3", NULL);
    o = image(OTHER, SL("v1"), "config 3", "layer 3", NULL);
    purge_twice((struct catalog_scope){.repo = APP});
    assert_int_equal(result.tags, 2);
    assert_int_equal(result.links, 6);
    assert_int_equal(result.blobs, 5);
    assert_int_equal(result.kept, 1);
    assert_false(has_tag(APP, SL("v1")) || has_link(APP, &a));
    assert_true(has_link(SL("docker.io/library/b"), &b) && is_stored_text("config 2"));
    (void)image(APP, SL("v1"), "config 2", "layer 1", NULL);
    purge_twice((struct catalog_scope){.upstream = SL("docker.io")});
    assert_int_equal(result.tags, 2);
    assert_int_equal(result.links, 6);
    assert_int_equal(result.blobs, 4); /* config 2 once; layer 3 is quay's, too */
    assert_false(is_stored_text("config 2"));
    assert_true(has_link(OTHER, &o) && has_tag(OTHER, SL("v1")) && is_stored_text("layer 3"));
    assert_int_equal(purge((struct catalog_scope){.repo = APP}, false), -1);
    assert_int_equal(err.kind, PG_E_MANIFEST_UNKNOWN);
}

TEST(a_bare_digest_leaves_and_the_right_to_it_stays)
{
    struct digest a = image(APP, SL("v1"), "config 1", "layer 1", NULL);
    struct digest l = digest_of(PG_SHA256, SL("layer 1"));
    struct blob *reader;

    assert_int_equal(blob_open(store, &l, &reader, &err), 1);
    purge_twice((struct catalog_scope){.has_digest = true, .digest = l});
    assert_int_equal(result.blobs, 1);
    assert_int_equal(result.bytes, 7);
    assert_false(is_stored(&l));
    assert_true(has_link(APP, &l) && has_link(APP, &a));
    assert_int_equal(blob_checked_to(reader, 0, 0), 0);
    assert_true(fcntl(reader->fd, F_GETFD) >= 0); /* who reads it reads it to its end */
    blob_close(reader);
    assert_int_equal(purge((struct catalog_scope){.has_digest = true, .digest = l}, false), -1);
}

TEST(a_cursor_of_elsewhere_is_refused)
{
    static const char *const cursors[] = {"x", "abc", "zz", "00", "abcdef"};
    struct pg_buf next;

    pg_buf_init(&next, CATALOG_CURSOR_MAX);
    for (size_t i = 0; i < sizeof(cursors) / sizeof(cursors[0]); i++) {
        struct purge_question q = {.scope.upstream = SL("docker.io"),
                                   .cursor = {cursors[i], strlen(cursors[i])}};

        assert_int_equal(purge_run(store, &q, &result, &next, &err), -1);
        assert_int_equal(err.kind, PG_E_BAD_FRAMING);
        pg_err_clear(&err);
    }
    pg_buf_free(&next);
}

/* ---- listing ---- */

static char listed[4096];

static void note(void *arg, const struct catalog_row *row)
{
    size_t n = strlen(listed);

    (void)arg;
    (void)snprintf(listed + n, sizeof(listed) - n, SL_FMT ":" SL_FMT " %ju/%ju\n",
                   SL_ARG(row->repo), SL_ARG(row->tag), (uintmax_t)row->bytes,
                   (uintmax_t)row->missing);
}

static unsigned list(enum catalog_what what, struct catalog_scope scope)
{
    struct catalog_question q = {.what = what, .scope = scope, .nrows = 1};
    char cursor[CATALOG_CURSOR_MAX];
    struct pg_buf next;
    unsigned rows = 0;

    listed[0] = '\0';
    pg_buf_init(&next, CATALOG_CURSOR_MAX);
    do {
        memcpy(cursor, next.n > 0 ? next.p : "", next.n);
        q.cursor = (struct sl){cursor, next.n};
        pg_buf_clear(&next);
        assert_int_equal(catalog_page(store, &q, note, NULL, &next, &err), 0);
    } while (next.n > 0);
    for (const char *c = listed; *c != '\0'; c++)
        rows += *c == '\n';
    pg_buf_free(&next);
    return rows;
}

TEST(what_is_there_is_listed_once_page_by_page)
{
    struct digest a = image(APP, SL("v1"), "config 1", "layer 1", NULL);

    (void)image(APP, SL("v2"), "config 2", "layer 1", NULL);
    (void)image(OTHER, SL("v1"), "config 1", "layer 1", NULL);
    assert_int_equal(list(CATALOG_TAGS, (struct catalog_scope){0}), 3);
    assert_int_equal(list(CATALOG_MANIFESTS, (struct catalog_scope){0}), 3);
    assert_int_equal(list(CATALOG_BLOBS, (struct catalog_scope){0}), 5);
    assert_int_equal(list(CATALOG_BLOBS, (struct catalog_scope){.repo = APP}), 3);
    assert_int_equal(list(CATALOG_TAGS, (struct catalog_scope){.upstream = SL("quay.io")}), 1);
    assert_int_equal(list(CATALOG_TAGS, (struct catalog_scope){.upstream = SL("quay")}), 0);
    assert_int_equal(list(CATALOG_MANIFESTS,
                          (struct catalog_scope){.repo = APP, .has_digest = true, .digest = a}),
                     1);
    assert_int_equal(list(CATALOG_TAGS, (struct catalog_scope){.repo = APP, .tag = SL("v2")}), 1);
    assert_non_null(strstr(listed, "docker.io/library/app:v2 "));
    assert_non_null(strstr(listed, "/0\n"));
    assert_int_equal(purge((struct catalog_scope){.has_digest = true,
                                                  .digest = digest_of(PG_SHA256, SL("layer 1"))},
                           false),
                     0);
    assert_int_equal(list(CATALOG_TAGS, (struct catalog_scope){.repo = APP, .tag = SL("v2")}), 1);
    assert_non_null(strstr(listed, "/1\n"));
    assert_int_equal(list(CATALOG_BLOBS, (struct catalog_scope){.repo = APP}), 2);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_tag_goes_with_what_it_alone_needs),
        CASE(what_was_purged_does_not_come_back_with_a_lost_index),
        CASE(K09_a_purge_that_is_cut_short_leaves_no_half_manifest),
        CASE(a_manifest_that_another_tag_names_stays),
        CASE(an_index_goes_with_its_children_and_their_signatures),
        CASE(a_batch_takes_what_is_shared_once_and_leaves_what_stays_whole),
        CASE(of_a_batch_what_something_else_names_stays_with_its_tags),
        CASE(G12_content_stays_for_as_long_as_one_repository_has_it),
        CASE(a_batch_that_is_ended_before_it_began_changes_nothing),
        CASE(a_repository_and_an_upstream_in_parts),
        CASE(a_bare_digest_leaves_and_the_right_to_it_stays),
        CASE(a_cursor_of_elsewhere_is_refused),
        CASE(what_is_there_is_listed_once_page_by_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
