/* SPDX-License-Identifier: Apache-2.0 */
/* What is revoked with what names it, however much else does. */
#include "harness/scratch.h"

#include <fcntl.h>

#include "base/fd.h"
#include "base/hash.h"
#include "cache/index_int.h"
#include "cache/journal.h"
#include "cache/overlay_int.h"
#include "proxy/admit/revocation.h"

#define REPO  SL("docker.io/library/app")
#define OTHER SL("docker.io/library/other")
#define MANY  2100 /* more than are looked at */
#define CHILD 0xc000
#define LAYER 0xd000
#define EVIL  0xf000 /* the last of all, as they are looked at */

static struct store store;
static struct index_txn *txn;
static struct pg_err err;
static struct pg_arena arena;
static int dir_fd;

static struct digest digest(unsigned n)
{
    return (struct digest){.alg = PG_SHA256, .bytes = {(uint8_t)(n >> 8), (uint8_t)n}};
}

static void take_back(unsigned a, unsigned b)
{
    const struct journal_config c = {
        .dir_fd = dir_fd, .path = scratch, .store_is_new = true, .now_s = 1000};
    struct journal_record r = {
        .kind = JOURNAL_REVOKE, .has_digest = true, .digest = digest(a), .more = SL("me\nwhy")};
    struct journal_found found;

    assert_int_equal(journal_open(&c, &store.journal, &found, &err), 0);
    assert_int_equal(journal_append(store.journal, &r, &err), 0);
    r.digest = digest(b);
    assert_int_equal(journal_append(store.journal, &r, &err), 0);
    assert_int_equal(journal_sync(store.journal, &err), 0);
    assert_int_equal(revoked_load(&store, &err), 0);
}

static int set_up(void **state)
{
    struct index_config c = {.path = NULL};

    (void)state;
    pg_hash_setup();
    scratch_make();
    dir_fd = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(dir_fd >= 0);
    c.path = scratch_path("index");
    store = (struct store){.revoked = revoked_new()};
    assert_int_equal(index_open(&c, &store.index, &err), 0);
    assert_int_equal(index_txn_begin(store.index, &txn, &err), 0);
    pg_arena_init(&arena, (size_t)16 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    journal_close(store.journal);
    revoked_free(store.revoked);
    index_close(store.index);
    pg_fd_close(&dir_fd);
    pg_arena_free(&arena);
    pg_err_clear(&err);
    scratch_remove();
    return 0;
}

/* A manifest of the repository that names the child. */
static void name(struct sl repo, unsigned parent, unsigned child, enum index_edge_kind kind)
{
    const struct index_edge e = {digest(parent), digest(child), kind};
    const struct index_link l = {.kind = INDEX_LINK_MANIFEST, .landed = true};
    const struct index_manifest m = {.kind = MANIFEST_INDEX,
                                     .sha256 = digest(parent),
                                     .media_type = SL("application/x"),
                                     .bytes = SL("{}")};

    assert_int_equal(index_put_edge(txn, &e, &err), 0);
    assert_int_equal(index_put_link(txn, repo, &e.parent, &l, &err), 0);
    assert_int_equal(index_put_manifest(txn, &e.parent, &m, &err), 0);
}

static bool is_denied(unsigned n, bool is_blob)
{
    const struct revocation_question q = {
        .store = &store, .repository = REPO, .digest = digest(n), .sha256 = digest(n)};
    struct policy_verdict v;

    return is_blob ? revocation_of_blob(&q, &arena, &v) : revocation_of_manifest(&q, &arena, &v);
}

TEST(a_manifest_is_revoked_with_an_index_of_its_repository)
{
    name(REPO, 1, CHILD, INDEX_EDGE_CHILD);
    name(REPO, EVIL, CHILD, INDEX_EDGE_CHILD);
    name(REPO, 1, CHILD + 1, INDEX_EDGE_CHILD);
    name(OTHER, EVIL + 1, CHILD + 1, INDEX_EDGE_CHILD);
    assert_int_equal(index_txn_commit(txn, &err), 0);
    assert_false(is_denied(CHILD, false));
    take_back(EVIL, EVIL + 1);
    assert_true(is_denied(EVIL, false));
    assert_true(is_denied(CHILD, false));
    assert_false(is_denied(CHILD + 1, false));
}

TEST(many_other_names_do_not_hide_the_one_that_is_revoked)
{
    for (unsigned i = 0; i < MANY; i++)
        name(OTHER, i, CHILD, INDEX_EDGE_CHILD);
    name(REPO, EVIL, CHILD, INDEX_EDGE_CHILD);
    assert_int_equal(index_txn_commit(txn, &err), 0);
    assert_false(is_denied(CHILD, false));
    take_back(EVIL, EVIL);
    assert_true(is_denied(CHILD, false));
}

TEST(a_blob_leaves_with_an_image_that_is_not_revoked)
{
    name(REPO, EVIL, LAYER, INDEX_EDGE_LAYER);
    name(REPO, EVIL, LAYER + 1, INDEX_EDGE_LAYER);
    name(REPO, EVIL + 1, LAYER + 1, INDEX_EDGE_LAYER);
    name(OTHER, 1, LAYER, INDEX_EDGE_LAYER);
    assert_int_equal(index_txn_commit(txn, &err), 0);
    assert_false(is_denied(LAYER, true));
    take_back(EVIL, EVIL);
    assert_true(is_denied(LAYER, true));
    assert_false(is_denied(LAYER + 1, true));
    assert_false(is_denied(LAYER + 2, true));
}

TEST(many_other_names_do_not_hide_that_a_blob_is_of_a_revoked_image)
{
    for (unsigned i = 0; i < MANY; i++) {
        name(OTHER, i, LAYER, INDEX_EDGE_LAYER);
        name(OTHER, i, LAYER + 1, INDEX_EDGE_LAYER);
    }
    name(REPO, EVIL, LAYER, INDEX_EDGE_LAYER);
    name(REPO, EVIL + 1, LAYER + 1, INDEX_EDGE_LAYER);
    assert_int_equal(index_txn_commit(txn, &err), 0);
    assert_false(is_denied(LAYER, true));
    take_back(EVIL, EVIL);
    assert_true(is_denied(LAYER, true));
    assert_false(is_denied(LAYER + 1, true)); /* a base layer leaves as before */
}

TEST(what_more_name_by_sha512_than_are_looked_at_is_held_back)
{
    struct index_edge e = {digest(EVIL + 1), digest(LAYER), INDEX_EDGE_LAYER};

    for (unsigned i = 0; i < MANY; i++)
        name(OTHER, i, LAYER, INDEX_EDGE_LAYER);
    e.parent.alg = PG_SHA512;
    assert_int_equal(index_put_edge(txn, &e, &err), 0);
    assert_int_equal(index_txn_commit(txn, &err), 0);
    take_back(EVIL, EVIL);
    assert_true(is_denied(LAYER, true));
}

/* As if it had just been pulled. */
static struct overlay_batch *landed(unsigned n, struct sl bytes, enum manifest_kind kind)
{
    struct overlay_batch *b = overlay_batch_new();
    struct pg_bytes *held = pg_bytes_new(bytes);
    const struct digest d = digest(n);
    const struct index_link l = {.kind = INDEX_LINK_MANIFEST, .landed = true};
    const struct index_manifest m = {
        .kind = kind, .sha256 = d, .media_type = SL("application/x"), .bytes = bytes};

    overlay_add_manifest(b, &d, &m, held);
    overlay_add_link(b, REPO, &d, &l);
    assert_true(overlay_show(store.overlay, b));
    pg_bytes_unref(held);
    return b;
}

#define INDEX_FRONT                                                                                \
    "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\","              \
    "\"manifests\":["
#define IMAGE_FRONT                                                                                \
    "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\","           \
    "\"config\":{\"mediaType\":\"application/x\",\"digest\":\"sha256:"                             \
    "00000000000000000000000000000000000000000000000000000000000000aa\",\"size\":2},"              \
    "\"layers\":["

static struct sl naming(unsigned n, const char *front)
{
    char text[DIGEST_TEXT_MAX], *out = pg_alloc(&arena, 1000);
    const struct digest d = digest(n);
    int used =
        snprintf(out, 1000, "%s{\"mediaType\":\"application/x\",\"digest\":\"%s\",\"size\":3}]}",
                 front, digest_write(&d, text).p);

    return (struct sl){out, (size_t)used};
}

TEST(what_landed_a_moment_ago_counts_before_it_is_committed)
{
    struct overlay_batch *index, *image, *good;

    store.overlay = overlay_new();
    index_txn_abort(txn);
    index = landed(EVIL, naming(CHILD, INDEX_FRONT), MANIFEST_INDEX);
    image = landed(EVIL + 1, naming(LAYER, IMAGE_FRONT), MANIFEST_IMAGE);
    assert_false(is_denied(CHILD, false));
    assert_false(is_denied(LAYER, true));
    take_back(EVIL, EVIL + 1);
    assert_true(is_denied(CHILD, false));
    assert_false(is_denied(CHILD + 1, false));
    assert_true(is_denied(LAYER, true));
    good = landed(1, naming(LAYER, IMAGE_FRONT), MANIFEST_IMAGE);
    assert_false(is_denied(LAYER, true)); /* another image has it, too */
    overlay_settle(store.overlay, index);
    overlay_settle(store.overlay, image);
    overlay_settle(store.overlay, good);
    assert_false(is_denied(CHILD, false)); /* for that, the index has it by now */
    overlay_free(store.overlay);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_manifest_is_revoked_with_an_index_of_its_repository,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_other_names_do_not_hide_the_one_that_is_revoked,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            many_other_names_do_not_hide_that_a_blob_is_of_a_revoked_image, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_more_name_by_sha512_than_are_looked_at_is_held_back,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_landed_a_moment_ago_counts_before_it_is_committed,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_blob_leaves_with_an_image_that_is_not_revoked, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
