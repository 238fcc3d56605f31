/* SPDX-License-Identifier: Apache-2.0 */
/* What is revoked with what names it, however much else does. */
#include "harness/scratch.h"

#include <fcntl.h>

#include "base/fd.h"
#include "base/hash.h"
#include "cache/index_int.h"
#include "cache/journal.h"
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_manifest_is_revoked_with_an_index_of_its_repository,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_other_names_do_not_hide_the_one_that_is_revoked,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_blob_leaves_with_an_image_that_is_not_revoked, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
