/* SPDX-License-Identifier: Apache-2.0 */
/* What is on its way to a commit is found at once, and for no longer than it has to be. */
#include <pthread.h>
#include <sched.h>

#include "harness/scratch.h"

#include "base/arena.h"
#include "cache/index_int.h"
#include "cache/overlay_int.h"

#define REPO  SL("docker.io/library/nginx")
#define OTHER SL("docker.io/library/redis")

static struct store store;
static struct pg_err err;

static int setup(void **state)
{
    struct index_config c = {.path = NULL};

    (void)state;
    scratch_make();
    c.path = scratch_path("index");
    store = (struct store){.overlay = overlay_new()};
    assert_int_equal(index_open(&c, &store.index, &err), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    overlay_free(store.overlay);
    index_close(store.index);
    pg_err_clear(&err);
    scratch_remove();
    return 0;
}

static struct digest digest(uint8_t n)
{
    struct digest d = {.alg = PG_SHA256, .bytes = {n}};

    return d;
}

static struct overlay_batch *tag_batch(uint8_t n, int64_t first_seen_s)
{
    struct overlay_batch *b = overlay_batch_new();
    struct index_tag t = {digest(n), first_seen_s, first_seen_s};

    overlay_add_tag(b, REPO, SL("v1"), &t);
    return b;
}

static struct overlay_batch *link_batch(const struct index_link *l)
{
    struct overlay_batch *b = overlay_batch_new();
    struct digest d = digest(1);

    overlay_add_link(b, REPO, &d, l);
    return b;
}

/* The first byte of the tag's digest, 0 when there is no tag. */
static uint8_t tag_is(void)
{
    struct index_tag t;
    int found = overlay_get_tag(&store, REPO, SL("v1"), &t, &err);

    assert_int_not_equal(found, -1);
    return found > 0 ? t.digest.bytes[0] : 0;
}

static void commit_tag(uint8_t n, int64_t first_seen_s)
{
    struct index_tag t = {digest(n), first_seen_s, first_seen_s};
    struct index_txn *txn;

    assert_int_equal(index_txn_begin(store.index, &txn, &err), 0);
    assert_int_equal(index_put_tag(txn, REPO, SL("v1"), &t, &err), 0);
    assert_int_equal(index_txn_commit(txn, &err), 0);
}

TEST(what_is_shown_is_found_until_it_is_settled)
{
    struct overlay_batch *b = tag_batch(1, 10);
    struct index_tag t;

    assert_int_equal(tag_is(), 0);
    assert_true(overlay_show(store.overlay, b));
    assert_int_equal(tag_is(), 1);
    assert_int_equal(overlay_get_tag(&store, OTHER, SL("v1"), &t, &err), 0);
    assert_int_equal(overlay_get_tag(&store, REPO, SL("v10"), &t, &err), 0);
    overlay_settle(store.overlay, b);
    assert_int_equal(tag_is(), 0); /* nobody committed it here */
    assert_int_equal(overlay_count(store.overlay), 0);
}

TEST(a_newer_tag_hides_the_older_for_good_whichever_commits_first)
{
    struct overlay_batch *older = tag_batch(1, 10), *newer = tag_batch(2, 20);

    assert_true(overlay_show(store.overlay, older));
    assert_true(overlay_show(store.overlay, newer));
    assert_int_equal(tag_is(), 2);
    commit_tag(2, 20);
    overlay_settle(store.overlay, newer);
    assert_int_equal(tag_is(), 2);
    assert_true(overlay_is_hidden(store.overlay, older)); /* it must not be written any more */
    overlay_settle(store.overlay, older);
    assert_int_equal(tag_is(), 2);
}

TEST(a_tag_that_is_gone_is_gone_although_the_index_has_it)
{
    struct overlay_batch *b = overlay_batch_new();

    commit_tag(1, 10);
    overlay_add_tag_gone(b, REPO, SL("v1"));
    assert_true(overlay_show(store.overlay, b));
    assert_int_equal(tag_is(), 0);
    overlay_settle(store.overlay, b);
    assert_int_equal(tag_is(), 1);
}

TEST(since_when_a_tag_is_a_digest_is_not_forgotten_and_not_inherited)
{
    struct overlay_batch *same = tag_batch(1, 50), *moved = tag_batch(2, 60);
    struct index_tag t;

    commit_tag(1, 10);
    assert_true(overlay_show(store.overlay, same));
    assert_int_equal(overlay_get_tag(&store, REPO, SL("v1"), &t, &err), 1);
    assert_true(t.first_seen_s == 10 && t.validated_s == 50);
    assert_true(overlay_show(store.overlay, moved));
    assert_int_equal(overlay_get_tag(&store, REPO, SL("v1"), &t, &err), 1);
    assert_int_equal(t.digest.bytes[0], 2);
    assert_true(t.first_seen_s == 60);
    overlay_settle(store.overlay, same);
    overlay_settle(store.overlay, moved);
}

TEST(D01_a_link_is_of_one_repository)
{
    struct index_link l = {INDEX_LINK_BLOB, 10, 5, false}, got;
    struct overlay_batch *b = link_batch(&l);
    struct digest d = digest(1);

    assert_true(overlay_show(store.overlay, b));
    assert_int_equal(overlay_get_link(&store, REPO, &d, &got, &err), 1);
    assert_int_equal(got.size, 5);
    assert_int_equal(overlay_get_link(&store, OTHER, &d, &got, &err), 0);
    overlay_settle(store.overlay, b);
    assert_int_equal(overlay_get_link(&store, REPO, &d, &got, &err), 0);
}

TEST(a_link_named_once_more_has_still_landed)
{
    struct index_link landed = {INDEX_LINK_MANIFEST, 30, 9, true}, got;
    struct index_link named = {INDEX_LINK_BLOB, 40, 0, false};
    struct overlay_batch *a = link_batch(&landed), *b = link_batch(&named);
    struct digest d = digest(1);

    assert_true(overlay_show(store.overlay, a));
    assert_true(overlay_show(store.overlay, b));
    assert_int_equal(overlay_get_link(&store, REPO, &d, &got, &err), 1);
    assert_true(got.landed && got.kind == INDEX_LINK_MANIFEST);
    assert_true(got.first_seen_s == 30 && got.size == 9);
    overlay_settle(store.overlay, a);
    overlay_settle(store.overlay, b);
}

static struct overlay_batch *manifest_batch(size_t n)
{
    struct overlay_batch *b = overlay_batch_new();
    char *text = malloc(n);
    struct pg_bytes *bytes;
    struct digest d = digest(1);
    struct index_manifest m = {.kind = MANIFEST_INDEX, .sha256 = d, .media_type = SL("a/b")};

    memset(text, 'x', n);
    bytes = pg_bytes_new((struct sl){text, n});
    free(text);
    overlay_add_manifest(b, &d, &m, bytes);
    pg_bytes_unref(bytes);
    return b;
}

TEST(a_manifest_outlives_its_stay)
{
    struct overlay_batch *b = manifest_batch(100);
    struct overlay_manifest m;
    struct digest d = digest(1);
    struct pg_arena arena;

    pg_arena_init(&arena, 65536);
    assert_int_equal(overlay_get_manifest(&store, &d, &arena, &m, &err), 0);
    assert_true(overlay_show(store.overlay, b));
    assert_int_equal(overlay_get_manifest(&store, &d, &arena, &m, &err), 1);
    overlay_settle(store.overlay, b);
    assert_true(m.kind == MANIFEST_INDEX && m.bytes.n == 100 && m.bytes.p[99] == 'x');
    assert_true(sl_eq(m.media_type, SL("a/b")));
    pg_bytes_unref(m.held);
    pg_arena_free(&arena);
}

static void commit_manifest(size_t n)
{
    struct digest d = digest(1);
    char *text = calloc(1, n);
    struct index_manifest m = {.sha256 = d, .media_type = SL("a/b"), .bytes = {text, n}};
    struct index_txn *txn;

    assert_int_equal(index_txn_begin(store.index, &txn, &err), 0);
    assert_int_equal(index_put_manifest(txn, &d, &m, &err), 0);
    assert_int_equal(index_txn_commit(txn, &err), 0);
    free(text);
}

TEST(a_large_manifest_of_the_index_is_not_put_into_the_arena)
{
    struct overlay_manifest m;
    struct digest d = digest(1);
    struct pg_arena arena;

    pg_arena_init(&arena, 65536);
    commit_manifest(OVERLAY_INLINE_MAX);
    assert_int_equal(overlay_get_manifest(&store, &d, &arena, &m, &err), 1);
    assert_null(m.held);
    commit_manifest(1 << 20);
    assert_int_equal(overlay_get_manifest(&store, &d, &arena, &m, &err), 1);
    assert_non_null(m.held);
    assert_int_equal(m.bytes.n, 1 << 20);
    assert_false(arena.over);
    pg_bytes_unref(m.held);
    pg_arena_free(&arena);
}

TEST(G06_what_could_not_be_committed_stays_in_sight_for_a_while)
{
    struct overlay_batch *b = tag_batch(1, 10), *newer;

    assert_true(overlay_show(store.overlay, b));
    overlay_fail(store.overlay, b);
    assert_int_equal(tag_is(), 1);
    newer = tag_batch(2, 20);
    assert_true(overlay_show(store.overlay, newer));
    assert_int_equal(tag_is(), 2);
    overlay_settle(store.overlay, newer);
    assert_int_equal(tag_is(), 0);
}

TEST(it_is_bounded_and_what_failed_goes_first)
{
    struct overlay_batch *failed = manifest_batch(OVERLAY_BYTES_MAX / 2);
    struct overlay_batch *big = manifest_batch(OVERLAY_BYTES_MAX - 4096);
    struct overlay_batch *more = manifest_batch(8192);

    assert_true(overlay_show(store.overlay, failed));
    overlay_fail(store.overlay, failed);
    assert_true(overlay_show(store.overlay, big));
    assert_false(overlay_show(store.overlay, more));
    overlay_batch_free(more);
    overlay_settle(store.overlay, big);
    assert_int_equal(overlay_count(store.overlay), 0);
}

/* One thread lands and commits, another looks: what was seen once is never missed again. */
static atomic_bool landed_once, over;

static void *look(void *arg)
{
    struct pg_err e = {0};
    bool seen = false;

    (void)arg;
    while (!atomic_load(&over)) {
        struct index_tag t;
        bool must = seen || atomic_load(&landed_once);
        int found = overlay_get_tag(&store, REPO, SL("v1"), &t, &e);

        if (found < 0 || (must && found == 0))
            return &over;
        seen |= found > 0;
    }
    return NULL;
}

TEST(nothing_is_missed_between_overlay_and_index)
{
    pthread_t looker;
    void *missed;

    atomic_store(&landed_once, false);
    atomic_store(&over, false);
    assert_int_equal(pthread_create(&looker, NULL, look, NULL), 0);
    for (uint8_t n = 1; n < 100; n++) {
        struct overlay_batch *b = tag_batch(n, n);

        assert_true(overlay_show(store.overlay, b));
        atomic_store(&landed_once, true);
        if (n % 8 == 0)
            (void)sched_yield();
        commit_tag(n, n);
        overlay_settle(store.overlay, b);
    }
    atomic_store(&over, true);
    assert_int_equal(pthread_join(looker, &missed), 0);
    assert_null(missed);
    assert_int_equal(tag_is(), 99);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_is_shown_is_found_until_it_is_settled),
        CASE(a_newer_tag_hides_the_older_for_good_whichever_commits_first),
        CASE(a_tag_that_is_gone_is_gone_although_the_index_has_it),
        CASE(since_when_a_tag_is_a_digest_is_not_forgotten_and_not_inherited),
        CASE(D01_a_link_is_of_one_repository),
        CASE(a_link_named_once_more_has_still_landed),
        CASE(a_manifest_outlives_its_stay),
        CASE(a_large_manifest_of_the_index_is_not_put_into_the_arena),
        CASE(G06_what_could_not_be_committed_stays_in_sight_for_a_while),
        CASE(it_is_bounded_and_what_failed_goes_first),
        CASE(nothing_is_missed_between_overlay_and_index),
    };

    pg_hash_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
