/* SPDX-License-Identifier: Apache-2.0 */
/* What arrives is seen at once, is there after a restart, and comes back when the index is lost;
 * in the repository where it arrived and in no other. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "harness/scratch.h"

#include "base/arena.h"
#include "base/fault.h"
#include "cache/index_int.h"
#include "cache/journal.h"
#include "cache/land.h"
#include "cache/overlay_int.h"
#include "cache/recover.h"
#include "cache/work.h"
#include "cache/writer.h"

#define REPO  SL("docker.io/library/nginx")
#define OTHER SL("quay.io/team/app")
#define IMAGE "application/vnd.oci.image.manifest.v1+json"
#define INDEX "application/vnd.oci.image.index.v1+json"

static struct store *store;
static struct store_config config;
static struct pg_err err;

static void open_store(void)
{
    assert_int_equal(store_open(&config, &store, &err), 0);
    recover_wait(store->recover);
}

static void close_store(void)
{
    store_close(store);
    store = NULL;
}

static int setup(void **state)
{
    static char path[512];

    (void)state;
    scratch_make();
    (void)snprintf(path, sizeof(path), "%s", scratch_path("store"));
    config = (struct store_config){.path = path};
    config.data_pool = pg_pool_new("data", 1);
    config.slow_pool = pg_pool_new("slow", 2);
    assert_int_equal(mkdir(path, 0700), 0);
    open_store();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    close_store();
    assert_int_equal(pg_fault_set(NULL), 0);
    pg_pool_free(config.data_pool);
    pg_pool_free(config.slow_pool);
    pg_err_clear(&err);
    scratch_remove();
    return 0;
}

static struct digest digest(uint8_t n)
{
    struct digest d = {.alg = PG_SHA256, .bytes = {n}};

    return d;
}

/* A manifest's bytes: of an image with config and layer, or of an index with one child. */
static struct sl image_text(uint8_t config_n, uint8_t layer_n)
{
    static char text[2048];
    char c[DIGEST_TEXT_MAX], l[DIGEST_TEXT_MAX];
    struct digest dc = digest(config_n), dl = digest(layer_n);
    int n = snprintf(text, sizeof(text),
                     "{\"schemaVersion\":2,\"mediaType\":\"" IMAGE "\",\"config\":{\"mediaType\":"
                     "\"application/vnd.oci.image.config.v1+json\",\"digest\":\"%s\",\"size\":7},"
                     "\"layers\":[{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\","
                     "\"digest\":\"%s\",\"size\":1234}]}",
                     digest_write(&dc, c).p, digest_write(&dl, l).p);

    assert_true(n > 0 && n < (int)sizeof(text));
    return (struct sl){text, (size_t)n};
}

static struct sl index_text(const struct digest *child)
{
    static char text[1024];
    char c[DIGEST_TEXT_MAX];
    int n = snprintf(text, sizeof(text),
                     "{\"schemaVersion\":2,\"mediaType\":\"" INDEX "\",\"manifests\":[{"
                     "\"mediaType\":\"" IMAGE "\",\"digest\":\"%s\",\"size\":400}]}",
                     digest_write(child, c).p);

    assert_true(n > 0 && n < (int)sizeof(text));
    return (struct sl){text, (size_t)n};
}

static struct digest land(struct sl repo, struct sl tag, struct sl text, int64_t now_s)
{
    struct pg_arena arena;
    struct manifest parsed;
    struct land_manifest m = {.repo = repo, .tag = tag, .now_s = now_s, .parsed = &parsed};

    pg_arena_init(&arena, MANIFEST_ARENA_BYTES);
    assert_int_equal(manifest_parse(text, SL(""), &arena, &parsed, &err), 0);
    m.digest = m.sha256 = digest_of(PG_SHA256, text);
    m.bytes = pg_bytes_new(text);
    land_manifest(store, &m);
    pg_bytes_unref(m.bytes);
    pg_arena_free(&arena);
    return m.digest;
}

static void settle(void)
{
    work_wait(store->work);
}

static void settle_well(void)
{
    settle();
    assert_int_equal(overlay_count(store->overlay), 0);
}

static bool has_link(struct sl repo, const struct digest *d)
{
    struct index_link l;
    int found = overlay_get_link(store, repo, d, &l, &err);

    assert_int_not_equal(found, -1);
    return found > 0;
}

static bool has_manifest(const struct digest *d)
{
    struct overlay_manifest m;
    struct pg_arena arena;
    int found;

    pg_arena_init(&arena, 65536);
    found = overlay_get_manifest(store, d, &arena, &m, &err);
    assert_int_not_equal(found, -1);
    if (found > 0)
        pg_bytes_unref(m.held);
    pg_arena_free(&arena);
    return found > 0;
}

static bool tag_is(struct sl repo, struct sl tag, const struct digest *d)
{
    struct index_tag t;
    int found = overlay_get_tag(store, repo, tag, &t, &err);

    assert_int_not_equal(found, -1);
    return found > 0 && digest_eq(&t.digest, d);
}

static bool has_tag(struct sl repo, struct sl tag)
{
    struct index_tag t;

    return overlay_get_tag(store, repo, tag, &t, &err) > 0;
}

static void expect_image(struct sl repo, const struct digest *d)
{
    struct digest c = digest(1), l = digest(2);

    assert_true(has_manifest(d));
    assert_true(has_link(repo, d));
    assert_true(has_link(repo, &c));
    assert_true(has_link(repo, &l));
}

TEST(a_manifest_and_what_it_names_are_seen_at_once_and_after_a_restart)
{
    struct digest d = land(REPO, SL("v1"), image_text(1, 2), 100), l = digest(2);
    struct index_link link;

    expect_image(REPO, &d); /* nothing can be committed yet: a group takes longer */
    assert_true(tag_is(REPO, SL("v1"), &d));
    settle_well();
    expect_image(REPO, &d);
    assert_true(tag_is(REPO, SL("v1"), &d));
    close_store();
    open_store();
    expect_image(REPO, &d);
    assert_true(tag_is(REPO, SL("v1"), &d));
    assert_int_equal(overlay_get_link(store, REPO, &l, &link, &err), 1);
    assert_true(link.size == 1234 && link.first_seen_s == 100 && !link.landed);
    assert_int_equal(link.kind, INDEX_LINK_BLOB);
    assert_int_equal(atomic_load(&store->blobs), 1);
}

TEST(D01_nothing_is_linked_where_it_did_not_arrive)
{
    struct digest d = land(REPO, SL("v1"), image_text(1, 2), 100), l = digest(2);

    assert_false(has_link(OTHER, &d));
    assert_false(has_link(OTHER, &l));
    settle_well();
    assert_false(has_link(OTHER, &d));
    assert_false(has_link(OTHER, &l));
    assert_false(has_tag(OTHER, SL("v1")));
}

TEST(a_child_of_an_index_is_linked_as_a_manifest)
{
    struct digest child = digest_of(PG_SHA256, image_text(1, 2));
    struct digest d = land(REPO, SL("v1"), index_text(&child), 100);
    struct index_link link;

    settle_well();
    assert_int_equal(overlay_get_link(store, REPO, &child, &link, &err), 1);
    assert_int_equal(link.kind, INDEX_LINK_MANIFEST);
    assert_false(link.landed);
    assert_false(has_manifest(&child));
    (void)land(REPO, (struct sl){NULL, 0}, image_text(1, 2), 200);
    settle_well();
    assert_int_equal(overlay_get_link(store, REPO, &child, &link, &err), 1);
    assert_true(link.landed);
    assert_int_equal(link.first_seen_s, 100); /* when it was first named */
    assert_true(has_manifest(&child));
    assert_true(has_manifest(&d));
}

TEST(a_manifest_that_is_stored_is_linked_elsewhere_without_a_file)
{
    struct digest d = land(REPO, SL("v1"), image_text(1, 2), 100), again;

    settle_well();
    again = land(OTHER, SL("v7"), image_text(1, 2), 200);
    settle_well();
    assert_true(digest_eq(&d, &again));
    expect_image(OTHER, &d);
    assert_int_equal(atomic_load(&store->blobs), 1);
}

TEST(a_link_to_a_stored_manifest_brings_those_of_what_it_names)
{
    struct digest d = land(REPO, SL("v1"), image_text(1, 2), 100);

    settle_well();
    land_link(store, OTHER, &d, INDEX_LINK_MANIFEST, 0, 200);
    expect_image(OTHER, &d);
    settle_well();
    expect_image(OTHER, &d);
}

TEST(a_tag_moves_and_goes)
{
    struct digest a = land(REPO, SL("v1"), image_text(1, 2), 100), b;
    struct index_tag t;

    b = land(REPO, SL("v1"), image_text(3, 4), 200);
    assert_true(tag_is(REPO, SL("v1"), &b));
    settle_well();
    assert_true(tag_is(REPO, SL("v1"), &b));
    land_tag(store, REPO, SL("v1"), &a, 300);
    assert_true(tag_is(REPO, SL("v1"), &a));
    settle_well();
    land_tag(store, REPO, SL("v1"), &a, 400);
    settle_well();
    assert_int_equal(overlay_get_tag(store, REPO, SL("v1"), &t, &err), 1);
    assert_true(t.validated_s == 400 && t.first_seen_s == 300); /* it is this digest since then */
    land_tag_gone(store, REPO, SL("v1"));
    assert_false(has_tag(REPO, SL("v1")));
    settle_well();
    assert_false(has_tag(REPO, SL("v1")));
    expect_image(REPO, &a); /* by digest it is still there */
}

TEST(the_newest_word_on_a_tag_holds_though_its_file_takes_longer)
{
    struct digest d;

    for (int i = 0; i < 20; i++) {
        d = land(REPO, SL("v1"), image_text(5, (uint8_t)(10 + i)), 100);
        land_tag_gone(store, REPO, SL("v1")); /* no file: it overtakes */
        settle_well();
        assert_false(has_tag(REPO, SL("v1")));
        assert_true(has_link(REPO, &d));
    }
}

static unsigned files_in(const char *dir)
{
    DIR *d = opendir(scratch_path(dir));
    struct dirent *e;
    unsigned n = 0;

    assert_non_null(d);
    while ((e = readdir(d)) != NULL)
        n += e->d_name[0] != '.';
    (void)closedir(d);
    return n;
}

TEST(G06_a_disk_that_fails_costs_the_store_and_not_the_client)
{
    static const char *const faults[] = {"land.open:ENOSPC@1", "land.write:ENOSPC@1",
                                         "publish.fdatasync:EIO@1", "index.commit:ENOSPC@1",
                                         "journal.sync:EIO@1"};

    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        struct digest d, l = digest((uint8_t)(20 + i));
        uint64_t blobs;

        close_store();
        assert_int_equal(pg_fault_set(faults[i]), 0);
        open_store();
        blobs = atomic_load(&store->blobs);
        d = land(REPO, SL("v1"), image_text(1, (uint8_t)(20 + i)), 100);
        settle();
        assert_true(has_manifest(&d)); /* who has it asks for its blobs next */
        assert_true(has_link(REPO, &l));
        assert_true(atomic_load(&store->degraded));
        assert_int_equal(atomic_load(&store->blobs), blobs);
        assert_int_equal(files_in("store/partial"), 0);
        (void)land(REPO, SL("v1"), image_text(1, (uint8_t)(20 + i)), 100);
        settle();
        assert_int_equal(atomic_load(&store->blobs), blobs + 1);
        assert_false(atomic_load(&store->degraded));
        close_store();
        open_store();
        assert_true(has_manifest(&d) && has_link(REPO, &l));
    }
}

static int count(void *arg, const struct journal_record *r, struct pg_err *e)
{
    (void)e;
    if (r->kind == JOURNAL_TAG || r->kind == JOURNAL_LINK || r->kind == JOURNAL_TAG_GONE)
        (*(unsigned *)arg)++;
    return 0;
}

static unsigned journal_records(void)
{
    unsigned n = 0;

    assert_int_equal(journal_read(store->journal, 0, count, &n, &err), 0);
    return n;
}

TEST(the_journal_hears_what_is_new_and_not_what_is_said_again)
{
    struct digest d = land(REPO, SL("v1"), image_text(1, 2), 100);

    settle_well();
    assert_int_equal(journal_records(), 2); /* a link, a tag */
    (void)land(REPO, SL("v1"), image_text(1, 2), 200);
    land_tag(store, REPO, SL("v1"), &d, 300);
    land_link(store, REPO, &d, INDEX_LINK_MANIFEST, 0, 300);
    land_tag_gone(store, REPO, SL("none"));
    settle_well();
    assert_int_equal(journal_records(), 2);
}

static void lose_index(void)
{
    close_store();
    assert_int_equal(rename(scratch_path("store/index"), scratch_path("lost")), 0);
    open_store();
    assert_int_equal(unlink(scratch_path("lost/data.mdb")), 0);
    assert_int_equal(unlink(scratch_path("lost/lock.mdb")), 0);
    assert_int_equal(rmdir(scratch_path("lost")), 0);
}

TEST(G21_a_lost_index_is_learned_again_from_journal_and_blobs)
{
    struct digest a = land(REPO, SL("v1"), image_text(1, 2), 100);
    struct digest child = digest_of(PG_SHA256, image_text(3, 4));
    struct digest index = land(OTHER, SL("multi"), index_text(&child), 150);
    struct digest l = digest(2), layer = digest(4);
    struct index_link link;

    (void)land(OTHER, (struct sl){NULL, 0}, image_text(3, 4), 160);
    (void)land(REPO, SL("gone"), image_text(1, 2), 170);
    settle_well();
    land_tag_gone(store, REPO, SL("gone"));
    land_link(store, REPO, &layer, INDEX_LINK_BLOB, 99, 180);
    settle_well();
    lose_index();
    expect_image(REPO, &a);
    assert_true(tag_is(REPO, SL("v1"), &a));
    assert_false(has_tag(REPO, SL("gone")));
    assert_true(has_manifest(&index) && has_manifest(&child));
    assert_true(has_link(OTHER, &index) && has_link(OTHER, &child) && has_link(OTHER, &layer));
    assert_int_equal(overlay_get_link(store, REPO, &layer, &link, &err), 1);
    assert_true(link.first_seen_s == 180 && link.size == 99);
    assert_int_equal(overlay_get_link(store, REPO, &l, &link, &err), 1);
    assert_true(link.first_seen_s == 100 && link.size == 1234 && !link.landed);
    assert_false(has_link(OTHER, &a)); /* no right is wider than before */
    assert_false(has_link(OTHER, &l));
    assert_false(has_link(REPO, &index));
    assert_false(has_link(REPO, &child));
    assert_int_equal(atomic_load(&store->blobs), 3);
}

static int apply_put_tag(struct writer_op *op, struct index_txn *txn, struct pg_err *e)
{
    struct index_counts counts = index_txn_counts(txn);

    (void)op;
    (void)e;
    index_txn_set_journal(txn, counts.journal - 2);
    return 0;
}

TEST(E23_a_link_goes_and_does_not_come_back)
{
    struct digest d = land(REPO, SL("v1"), image_text(1, 2), 100);
    struct index_link link;

    settle_well();
    land_link(store, OTHER, &d, INDEX_LINK_MANIFEST, 0, 200);
    settle_well();
    land_link_gone(store, OTHER, &d);
    settle_well();
    assert_int_equal(overlay_get_link(store, OTHER, &d, &link, &err), 0);
    expect_image(REPO, &d); /* there it stays */
    lose_index();           /* the journal has it, too */
    assert_int_equal(overlay_get_link(store, OTHER, &d, &link, &err), 0);
    assert_int_equal(overlay_get_link(store, REPO, &d, &link, &err), 1);
}

TEST(E23_with_the_link_of_a_manifest_its_tags_go)
{
    struct digest d = land(REPO, SL("v1"), image_text(1, 2), 100);
    struct digest other = land(REPO, SL("v2"), image_text(3, 4), 100);
    struct index_tag tag;

    settle_well();
    land_tag(store, REPO, SL("latest"), &d, 100);
    settle_well();
    land_link_gone(store, REPO, &d);
    land_tag(store, REPO, SL("late"), &d, 200); /* confirmed before it was heard */
    settle_well();
    for (int i = 0; i < 2; i++, lose_index()) { /* the journal has it, too */
        assert_int_equal(overlay_get_tag(store, REPO, SL("v1"), &tag, &err), 0);
        assert_int_equal(overlay_get_tag(store, REPO, SL("latest"), &tag, &err), 0);
        assert_int_equal(overlay_get_tag(store, REPO, SL("late"), &tag, &err), 0);
        assert_int_equal(overlay_get_tag(store, REPO, SL("v2"), &tag, &err), 1);
        assert_true(digest_eq(&tag.digest, &other));
    }
}

TEST(a_tag_that_is_confirmed_keeps_its_link_when_the_index_is_lost) /* of a child of an index */
{
    struct digest d = land(OTHER, SL("v1"), image_text(1, 2), 100);
    struct digest root;
    char path[64], text[DIGEST_TEXT_MAX];

    settle_well();
    root = land(REPO, SL("v1"), index_text(&d), 100);
    settle_well();
    land_tag(store, REPO, SL("amd64"), &d, 100);
    settle_well();
    (void)digest_write(&root, text);
    (void)snprintf(path, sizeof(path), "store/blobs/sha256/%.2s", text + 7);
    assert_int_equal(rename(scratch_path(path), scratch_path("away")), 0); /* what named it */
    lose_index();
    assert_true(has_link(REPO, &d));
    assert_int_equal(rename(scratch_path("away"), scratch_path(path)), 0);
}

TEST(what_the_journal_has_and_the_index_missed_is_brought_in_at_the_start)
{
    struct writer_op behind = {.apply = apply_put_tag};
    struct digest d = land(REPO, SL("v1"), image_text(1, 2), 100);
    struct index_txn *txn;

    settle_well();
    /* as if the machine had stopped between the journal's sync and the commit */
    assert_int_equal(writer_do(store->writer, &behind, &err), 0);
    close_store();
    {
        struct index_config c = {.path = scratch_path("store/index")};
        struct index *index;

        assert_int_equal(index_open(&c, &index, &err), 0);
        assert_int_equal(index_txn_begin(index, &txn, &err), 0);
        assert_int_equal(index_del_tag(txn, REPO, SL("v1"), &err), 1);
        assert_int_equal(index_del_link(txn, REPO, &d, &err), 1);
        assert_int_equal(index_txn_commit(txn, &err), 0);
        index_close(index);
    }
    open_store();
    assert_true(tag_is(REPO, SL("v1"), &d));
    assert_true(has_link(REPO, &d));
}

TEST(a_journal_that_lost_its_end_is_refused)
{
    struct stat st;

    (void)land(REPO, SL("v1"), image_text(1, 2), 100);
    settle_well();
    assert_int_equal(stat(scratch_path("store/journal/00000001"), &st), 0);
    (void)land(REPO, SL("v1"), image_text(3, 4), 200);
    settle_well();
    close_store();
    assert_int_equal(truncate(scratch_path("store/journal/00000001"), st.st_size), 0);
    assert_int_equal(store_open(&config, &store, &err), -1);
    assert_non_null(strstr(err.msg, "--accept-loss"));
    pg_err_clear(&err);
    config.accept_loss = true;
    open_store();
    close_store();
    config.accept_loss = false;
    open_store();
}

static unsigned events(void)
{
    _index_view_ struct index_view v = index_view_begin(store->index);
    struct index_event_row row;
    unsigned n = 0;
    int found;

    while ((found = index_next_event(&v, n > 0 ? &row : NULL, &row, &err)) > 0) {
        assert_true(sl_eq(row.event.caller, SL("ci")) && sl_eq(row.event.repo, REPO));
        n++;
    }
    assert_int_equal(found, 0);
    return n;
}

TEST(events_are_written_in_groups_and_none_is_lost_at_the_end)
{
    struct land_event e = {.when_s = 5, .caller = SL("ci"), .repo = REPO, .reference = SL("v1")};

    for (unsigned i = 0; i < 100; i++)
        land_event(store, &e);
    close_store();
    open_store();
    assert_int_equal(events(), 100);
    land_event(store, &e);
    (void)land(REPO, SL("v1"), image_text(1, 2), 100); /* takes it along */
    settle_well();
    assert_int_equal(events(), 101);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_manifest_and_what_it_names_are_seen_at_once_and_after_a_restart),
        CASE(D01_nothing_is_linked_where_it_did_not_arrive),
        CASE(a_child_of_an_index_is_linked_as_a_manifest),
        CASE(a_manifest_that_is_stored_is_linked_elsewhere_without_a_file),
        CASE(a_link_to_a_stored_manifest_brings_those_of_what_it_names),
        CASE(a_tag_moves_and_goes),
        CASE(E23_a_link_goes_and_does_not_come_back),
        CASE(E23_with_the_link_of_a_manifest_its_tags_go),
        CASE(a_tag_that_is_confirmed_keeps_its_link_when_the_index_is_lost),
        CASE(the_newest_word_on_a_tag_holds_though_its_file_takes_longer),
        CASE(G06_a_disk_that_fails_costs_the_store_and_not_the_client),
        CASE(the_journal_hears_what_is_new_and_not_what_is_said_again),
        CASE(G21_a_lost_index_is_learned_again_from_journal_and_blobs),
        CASE(what_the_journal_has_and_the_index_missed_is_brought_in_at_the_start),
        CASE(a_journal_that_lost_its_end_is_refused),
        CASE(events_are_written_in_groups_and_none_is_lost_at_the_end),
    };

    pg_hash_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
