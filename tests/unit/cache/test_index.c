/* SPDX-License-Identifier: Apache-2.0 */
/* The tables: what was committed is found, counted and walked; what was not is not. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "harness/scratch.h"

#include "base/fault.h"
#include "cache/index_row_int.h"

#define REPO SL("docker.io/library/nginx")

static struct index *ix;
static struct pg_err err;

static struct digest digest(unsigned n)
{
    struct digest d = {.alg = n % 2 == 0 ? PG_SHA256 : PG_SHA512};

    d.bytes[0] = (uint8_t)(n >> 8);
    d.bytes[1] = (uint8_t)n;
    return d;
}

static struct index_config config(void)
{
    static char path[512];

    (void)snprintf(path, sizeof(path), "%s", scratch_path("index"));
    return (struct index_config){.path = path};
}

static int setup(void **state)
{
    struct index_config c;

    (void)state;
    scratch_make();
    c = config();
    assert_int_equal(index_open(&c, &ix, &err), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assert_int_equal(pg_fault_set(NULL), 0);
    index_close(ix);
    pg_err_clear(&err);
    scratch_remove();
    return 0;
}

static void open_again(void)
{
    struct index_config c = config();

    index_close(ix);
    assert_int_equal(index_open(&c, &ix, &err), 0);
}

static struct index_txn *begin(void)
{
    struct index_txn *txn;

    assert_int_equal(index_txn_begin(ix, &txn, &err), 0);
    return txn;
}

static void commit(struct index_txn *txn)
{
    assert_int_equal(index_txn_commit(txn, &err), 0);
}

static struct index_blob blob(uint64_t size)
{
    struct index_blob b = {.size = size, .sha256 = digest(0)};

    return b;
}

static void put_blob(struct index_txn *txn, unsigned n, uint64_t size)
{
    struct digest d = digest(n);
    struct index_blob b = blob(size);

    assert_int_equal(index_put_blob(txn, &d, &b, &err), 0);
}

static struct index_counts counts(void)
{
    _index_view_ struct index_view v = index_view_begin(ix);
    struct index_counts c;

    assert_int_equal(index_get_counts(&v, &c, &err), 0);
    return c;
}

TEST(rows_come_back_as_they_were_put)
{
    struct digest d = digest(3), child = digest(4);
    struct index_txn *txn = begin();
    struct index_blob b = {
        .size = 5, .sha256 = digest(2), .chunk_bytes = 4, .chunk_sums = SL("0123456789abcdef")};
    struct index_manifest m = {MANIFEST_INDEX, digest(2), SL("application/x"), SL("{\"a\":1}")};
    struct index_link l = {INDEX_LINK_MANIFEST, 100, 7, true};
    struct index_tag t = {d, 200, 100};
    struct index_edge e = {d, child, INDEX_EDGE_CHILD};
    struct index_memo memo = {INT64_MAX, SL("facts")};

    assert_int_equal(index_put_blob(txn, &d, &b, &err), 0);
    assert_int_equal(index_put_manifest(txn, &d, &m, &err), 0);
    assert_int_equal(index_put_link(txn, REPO, &d, &l, &err), 0);
    assert_int_equal(index_put_tag(txn, REPO, SL("v1"), &t, &err), 0);
    assert_int_equal(index_put_edge(txn, &e, &err), 0);
    assert_int_equal(index_put_memo(txn, &d, SL("scan"), &memo, &err), 0);
    commit(txn);
    open_again();

    _index_view_ struct index_view v = index_view_begin(ix);
    memset(&b, 0, sizeof(b));
    assert_int_equal(index_get_blob(&v, &d, &b, &err), 1);
    assert_true(b.size == 5 && b.chunk_bytes == 4 && sl_eq(b.chunk_sums, SL("0123456789abcdef")));
    assert_int_equal(index_get_manifest(&v, &d, &m, &err), 1);
    assert_true(m.kind == MANIFEST_INDEX && sl_eq(m.media_type, SL("application/x")));
    assert_true(sl_eq(m.bytes, SL("{\"a\":1}")));
    assert_int_equal(index_get_link(&v, REPO, &d, &l, &err), 1);
    assert_true(l.first_seen_s == 100 && l.size == 7 && l.landed);
    assert_int_equal(index_get_link(&v, SL("docker.io/library/other"), &d, &l, &err), 0);
    assert_int_equal(index_get_tag(&v, REPO, SL("v1"), &t, &err), 1);
    assert_memory_equal(&t.digest, &d, sizeof(d));
    assert_int_equal(index_get_memo(&v, &d, SL("scan"), &memo, &err), 1);
    assert_true(sl_eq(memo.bytes, SL("facts")));
    memset(&e, 0, sizeof(e));
    assert_int_equal(index_next_parent(&v, &child, NULL, &e, &err), 1);
    assert_memory_equal(&e.parent, &d, sizeof(d));
    assert_int_equal(e.kind, INDEX_EDGE_CHILD);
    assert_int_equal(index_next_parent(&v, &child, &e, &e, &err), 0);
    assert_int_equal(index_next_child(&v, &child, NULL, &e, &err), 0);
}

TEST(counts_follow_blobs_in_the_same_commit)
{
    struct index_txn *txn = begin();
    struct digest d = digest(1), absent = digest(9);

    put_blob(txn, 1, 100);
    put_blob(txn, 2, 50);
    put_blob(txn, 1, 70); /* replaced, not added */
    commit(txn);
    assert_true(counts().blobs == 2 && counts().bytes == 120);

    txn = begin();
    assert_int_equal(index_del_blob(txn, &d, &err), 1);
    assert_int_equal(index_del_blob(txn, &d, &err), 0);
    assert_int_equal(index_del_blob(txn, &absent, &err), 0);
    index_txn_abort(txn);
    assert_true(counts().blobs == 2 && counts().bytes == 120);

    txn = begin();
    assert_int_equal(index_del_blob(txn, &d, &err), 1);
    commit(txn);
    open_again();
    assert_true(counts().blobs == 1 && counts().bytes == 50);
}

TEST(a_link_keeps_when_it_was_first_seen_and_that_it_landed)
{
    struct digest d = digest(1);
    struct index_link landed = {INDEX_LINK_MANIFEST, 500, 9, true}, l;
    struct index_link named = {INDEX_LINK_BLOB, 400, 0, false};
    struct index_txn *txn = begin();

    assert_int_equal(index_put_link(txn, REPO, &d, &landed, &err), 0);
    assert_int_equal(index_put_link(txn, REPO, &d, &named, &err), 0);
    commit(txn);
    _index_view_ struct index_view v = index_view_begin(ix);
    assert_int_equal(index_get_link(&v, REPO, &d, &l, &err), 1);
    assert_true(l.first_seen_s == 400 && l.landed && l.size == 9);
    assert_int_equal(l.kind, INDEX_LINK_MANIFEST);
}

TEST(H08_a_commit_that_fails_leaves_what_was_and_the_next_works)
{
    struct index_txn *txn = begin();

    put_blob(txn, 1, 100);
    commit(txn);
    assert_int_equal(pg_fault_set("index.commit:ENOSPC@1"), 0);
    txn = begin();
    put_blob(txn, 2, 100);
    assert_int_equal(index_txn_commit(txn, &err), -1);
    assert_int_equal(err.kind, PG_E_STORE_IO);
    assert_non_null(strstr(err.msg, "full"));
    assert_true(counts().blobs == 1);
    assert_false(index_is_lost(ix));
    txn = begin();
    put_blob(txn, 3, 100);
    commit(txn);
    assert_true(counts().blobs == 2);
}

TEST(H01_a_full_map_is_an_error_and_not_the_end)
{
    struct index_config c = config();
    struct index_txn *txn;
    struct digest d;
    struct index_manifest m = {.kind = MANIFEST_IMAGE, .sha256 = digest(0), .media_type = SL("x")};
    char *big = calloc(1, 1 << 18);
    int rc = 0;

    index_close(ix);
    c.map_bytes = 1 << 20;
    assert_int_equal(index_open(&c, &ix, &err), 0);
    m.bytes = (struct sl){big, 1 << 18};
    txn = begin();
    put_blob(txn, 1, 10);
    commit(txn);
    txn = begin();
    for (unsigned n = 0; n < 8 && rc == 0; n++) {
        d = digest(n);
        rc = index_put_manifest(txn, &d, &m, &err);
    }
    assert_int_equal(rc, -1);
    assert_non_null(strstr(err.msg, "the index is full"));
    index_txn_abort(txn);
    assert_true(counts().blobs == 1);
    txn = begin();
    put_blob(txn, 2, 10);
    commit(txn);
    assert_true(counts().blobs == 2);
    free(big);
}

TEST(a_walk_sees_every_blob_once_in_order_however_it_is_cut)
{
    struct index_txn *txn = begin();
    struct index_blob_row row = {0};
    struct key last = {0};
    unsigned seen = 0;
    int found = 1;

    for (unsigned n = 0; n < 50; n++)
        put_blob(txn, n, n);
    commit(txn);
    while (found > 0) {
        _index_view_ struct index_view v = index_view_begin(ix);

        for (int i = 0; i < 7 && found > 0; i++) {
            struct key key;

            found = index_next_blob(&v, seen > 0 ? &row.digest : NULL, &row, &err);
            if (found <= 0)
                break;
            key = key_of_digest(&row.digest);
            assert_true(memcmp(key.p, last.p, 33) > 0);
            assert_false(row.damaged);
            last = key;
            seen++;
        }
    }
    assert_int_equal(found, 0);
    assert_int_equal(seen, 50);
}

TEST(tags_of_a_repository_are_listed_in_order_and_no_others)
{
    static const char *const names[] = {"v1", "v1-rc", "v10", "v2"};
    struct index_txn *txn = begin();
    struct index_tag t = {.digest = digest(1)};
    struct sl after = {NULL, 0}, name;
    unsigned n = 0;

    for (int i = 3; i >= 0; i--)
        assert_int_equal(
            index_put_tag(txn, SL("r.io/a/b"), (struct sl){names[i], strlen(names[i])}, &t, &err),
            0);
    assert_int_equal(index_put_tag(txn, SL("r.io/a/b-c"), SL("x"), &t, &err), 0);
    assert_int_equal(index_put_tag(txn, SL("r.io/a"), SL("y"), &t, &err), 0);
    commit(txn);
    _index_view_ struct index_view v = index_view_begin(ix);
    while (index_next_tag_of(&v, SL("r.io/a/b"), after, &name, &t, &err) > 0) {
        assert_true(n < 4 && sl_eq(name, (struct sl){names[n], strlen(names[n])}));
        after = name;
        n++;
    }
    assert_int_equal(n, 4);
}

static void put_tag(struct index_txn *txn, const char *tag, unsigned n)
{
    struct index_tag t = {digest(n), 200, 100};

    assert_int_equal(index_put_tag(txn, REPO, sl_str(tag), &t, &err), 0);
}

/* "a b " for the tags a and b. */
static const char *naming(struct sl repo, unsigned n)
{
    static char all[200];
    _index_view_ struct index_view v = index_view_begin(ix);
    struct digest d = digest(n);
    struct sl name = {NULL, 0};
    struct index_tag t;
    int found;

    all[0] = '\0';
    while ((found = index_next_tag_naming(&v, repo, &d, &name, &t, &err)) > 0) {
        size_t len = strlen(all);

        assert_true(digest_eq(&t.digest, &d));
        (void)snprintf(all + len, sizeof(all) - len, SL_FMT " ", SL_ARG(name));
    }
    assert_int_equal(found, 0);
    return all;
}

TEST(the_tags_that_name_a_digest_are_found_by_it)
{
    struct index_txn *txn = begin();

    put_tag(txn, "v1", 2);
    put_tag(txn, "latest", 2);
    put_tag(txn, "v1.0", 3); /* of another algorithm */
    put_tag(txn, "v0", 4);
    commit(txn);
    assert_string_equal(naming(REPO, 2), "latest v1 ");
    assert_string_equal(naming(REPO, 3), "v1.0 ");
    assert_string_equal(naming(REPO, 6), "");
    assert_string_equal(naming(SL("docker.io/library/ngin"), 2), "");
    txn = begin();
    put_tag(txn, "latest", 4); /* it moves */
    put_tag(txn, "v1", 2);     /* it is confirmed */
    assert_int_equal(index_del_tag(txn, REPO, SL("v1.0"), &err), 1);
    commit(txn);
    assert_string_equal(naming(REPO, 2), "v1 ");
    assert_string_equal(naming(REPO, 3), "");
    assert_string_equal(naming(REPO, 4), "latest v0 ");
    open_again();
    assert_string_equal(naming(REPO, 4), "latest v0 ");
}

/* What an older release did: it writes tags, journals them, and knows nothing of the other table.
 */
TEST(an_older_release_leaves_no_tag_that_is_not_found)
{
    const struct digest now = digest(4);
    struct key_repo repo = key_repo_of(REPO);
    struct key key = key_of_tag(&repo, SL("v1"));
    struct index_tag moved = {now, 300, 300};
    struct index_txn *txn = begin();

    put_tag(txn, "v1", 2);
    index_txn_set_journal(txn, 7);
    commit(txn);
    txn = begin();
    index_value_begin(&txn->value);
    index_value_put_tag(&txn->value, &moved);
    assert_int_equal(index_row_put(txn, INDEX_TABLE_TAG, &key, &err), 0);
    assert_int_equal(index_put_meta(txn, SL(".journal"), 8, &err), 0);
    commit(txn);
    assert_string_equal(naming(REPO, 2), ""); /* it is passed over, the tag says otherwise */
    open_again();
    assert_string_equal(naming(REPO, 4), "v1 ");
}

TEST(a_damaged_row_of_tagged_is_written_again)
{
    const struct digest d = digest(2), none = digest(4);
    struct key_repo repo = key_repo_of(REPO);
    struct index_raw raw = {.table = "tagged", .key = key_of_tagged(&repo, &d, SL("v1"))};
    struct index_txn *txn = begin();

    put_tag(txn, "v1", 2);
    assert_int_equal(index_row_put_tagged(txn, &repo, &none, SL("v1"), &err), 0); /* left over */
    commit(txn);
    assert_string_equal(naming(REPO, 4), "");
    txn = begin();
    assert_int_equal(index_del_raw(txn, &raw, &err), 1);
    raw.key = key_of_tagged(&repo, &none, SL("v1"));
    assert_int_equal(index_del_raw(txn, &raw, &err), 1);
    assert_int_equal(index_del_raw(txn, &raw, &err), 0);
    commit(txn);
    assert_string_equal(naming(REPO, 2), "v1 ");
}

TEST(the_oldest_events_leave_when_there_are_too_many)
{
    struct index_txn *txn = begin();
    struct index_event e = {.caller = SL("ci"), .repo = REPO, .reference = SL("v1")};
    struct index_event_row row;
    MDB_stat stat;

    for (unsigned n = 0; n < INDEX_EVENTS_KEPT + 10; n++) {
        e.when_s = 1000 + n / 4;
        assert_int_equal(index_put_event(txn, &e, &err), 0);
    }
    assert_int_equal(mdb_stat(txn->txn, ix->tables[INDEX_TABLE_EVENT], &stat), 0);
    assert_int_equal(stat.ms_entries, INDEX_EVENTS_KEPT);
    commit(txn);
    _index_view_ struct index_view v = index_view_begin(ix);
    assert_int_equal(index_next_event(&v, NULL, &row, &err), 1);
    assert_true(row.number == 10 && row.event.when_s == 1002);
    assert_true(sl_eq(row.event.caller, SL("ci")));
}

/* Changes one byte of a row behind the index's back. */
static void damage(enum index_table table, const struct key *key, size_t at)
{
    MDB_txn *txn;
    MDB_val k = {key->n, (void *)(uintptr_t)key->p}, value;
    char copy[256] = {0};

    assert_int_equal(mdb_txn_begin(ix->env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_get(txn, ix->tables[table], &k, &value), 0);
    assert_true(value.mv_size <= sizeof(copy) && at < value.mv_size);
    memcpy(copy, value.mv_data, value.mv_size);
    copy[at] ^= 1;
    value.mv_data = copy;
    assert_int_equal(mdb_put(txn, ix->tables[table], &k, &value, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
}

TEST(a_flipped_bit_in_a_row_is_never_believed)
{
    struct digest d = digest(2);
    struct key_repo repo = key_repo_of(REPO);
    struct key key = key_of_link(&repo, &d);
    struct index_link l = {INDEX_LINK_BLOB, 1, 2, false};

    for (size_t at = 0; at < 27; at++) { /* version, fields, checksum */
        struct index_txn *txn = begin();

        assert_int_equal(index_put_link(txn, REPO, &d, &l, &err), 0);
        commit(txn);
        damage(INDEX_TABLE_LINK, &key, at);
        _index_view_ struct index_view v = index_view_begin(ix);
        assert_int_equal(index_get_link(&v, REPO, &d, &l, &err), -1);
        assert_int_equal(err.kind, PG_E_STORE_IO);
    }
}

TEST(a_row_in_the_place_of_another_is_never_believed)
{
    struct digest a = digest(2), b = digest(4);
    struct index_txn *txn = begin();
    struct key ka = key_of_digest(&a), kb = key_of_digest(&b);
    MDB_val from = {ka.n, ka.p}, to = {kb.n, kb.p}, value;
    struct index_blob row;
    char copy[256];

    put_blob(txn, 2, 10);
    commit(txn);
    txn = begin();
    assert_int_equal(mdb_get(txn->txn, ix->tables[INDEX_TABLE_BLOB], &from, &value), 0);
    memcpy(copy, value.mv_data, value.mv_size);
    value.mv_data = copy;
    assert_int_equal(mdb_put(txn->txn, ix->tables[INDEX_TABLE_BLOB], &to, &value, 0), 0);
    commit(txn);
    _index_view_ struct index_view v = index_view_begin(ix);
    assert_int_equal(index_get_blob(&v, &a, &row, &err), 1);
    assert_int_equal(index_get_blob(&v, &b, &row, &err), -1);
}

TEST(a_damaged_row_is_found_replaced_and_taken_out)
{
    struct digest a = digest(2), b = digest(4);
    struct key ka = key_of_digest(&a), kb = key_of_digest(&b);
    struct index_raw place = {0};
    struct index_blob_row row;
    struct index_txn *txn = begin();
    int found = 0;

    put_blob(txn, 2, 10);
    put_blob(txn, 4, 10);
    commit(txn);
    damage(INDEX_TABLE_BLOB, &ka, 2);
    damage(INDEX_TABLE_BLOB, &kb, 3);
    txn = begin();
    put_blob(txn, 2, 30);
    commit(txn);
    {
        _index_view_ struct index_view v = index_view_begin(ix);

        assert_int_equal(index_next_blob(&v, &a, &row, &err), 1);
        assert_true(row.damaged);
        while (found == 0) {
            found = index_next_damaged(&v, 2, &place, &err);
            assert_true(found > 0 || place.table != NULL);
        }
    }
    assert_string_equal(place.table, "blob");
    assert_int_equal(place.key.n, kb.n);
    assert_memory_equal(place.key.p, kb.p, kb.n);
    txn = begin();
    assert_int_equal(index_del_raw(txn, &place, &err), 1);
    commit(txn);
    _index_view_ struct index_view v = index_view_begin(ix);
    do
        found = index_next_damaged(&v, 100, &place, &err);
    while (found == 0 && place.table != NULL);
    assert_int_equal(found, 0);
    assert_int_equal(counts().blobs, 1);
}

TEST(views_of_a_thread_are_counted_and_nest)
{
    struct index_view a, b;

    assert_int_equal(index_open_views(), 0);
    a = index_view_begin(ix);
    b = index_view_begin(ix);
    assert_int_equal(index_open_views(), 2);
    assert_true(a.txn != NULL && b.txn != NULL && a.txn != b.txn);
    index_view_end(&a);
    index_view_end(&b);
    index_view_end(&b); /* twice is once */
    assert_int_equal(index_open_views(), 0);
}

TEST(a_view_sees_the_commit_before_it_and_not_the_one_after)
{
    struct index_view v;
    struct index_txn *txn;
    struct digest d = digest(1);
    struct index_blob row;

    v = index_view_begin(ix);
    txn = begin();
    put_blob(txn, 1, 5);
    commit(txn);
    assert_int_equal(index_get_blob(&v, &d, &row, &err), 0);
    index_view_end(&v);
    v = index_view_begin(ix);
    assert_int_equal(index_get_blob(&v, &d, &row, &err), 1);
    index_view_end(&v);
}

TEST(an_index_that_lmdb_gave_up_is_opened_again)
{
    struct index_txn *txn = begin();

    put_blob(txn, 1, 5);
    commit(txn);
    (void)counts(); /* leaves a read transaction behind */
    assert_int_equal(pg_fault_set("index.begin:EIO@1"), 0);
    assert_int_equal(index_txn_begin(ix, &txn, &err), -1);
    assert_true(index_is_lost(ix));
    assert_int_equal(index_reopen(ix, &err), 0);
    assert_false(index_is_lost(ix));
    assert_true(counts().blobs == 1);
}

TEST(while_it_cannot_be_opened_again_lookups_fail_and_nothing_crashes)
{
    struct digest d = digest(1);
    struct index_blob row;

    assert_int_equal(pg_fault_set("index.open:EIO@1"), 0);
    assert_int_equal(index_reopen(ix, &err), -1);
    {
        _index_view_ struct index_view v = index_view_begin(ix);

        assert_int_equal(index_get_blob(&v, &d, &row, &err), -1);
        assert_int_equal(err.kind, PG_E_STORE_IO);
    }
    assert_true(index_is_lost(ix));
    assert_int_equal(index_reopen(ix, &err), 0);
    assert_true(counts().blobs == 0);
}

TEST(read_only_finds_what_is_there)
{
    struct index_txn *txn = begin();
    struct index_config c = config();

    put_blob(txn, 1, 5);
    commit(txn);
    index_close(ix);
    c.read_only = true;
    assert_int_equal(index_open(&c, &ix, &err), 0);
    assert_true(counts().blobs == 1);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(rows_come_back_as_they_were_put),
        CASE(counts_follow_blobs_in_the_same_commit),
        CASE(a_link_keeps_when_it_was_first_seen_and_that_it_landed),
        CASE(H08_a_commit_that_fails_leaves_what_was_and_the_next_works),
        CASE(H01_a_full_map_is_an_error_and_not_the_end),
        CASE(a_walk_sees_every_blob_once_in_order_however_it_is_cut),
        CASE(tags_of_a_repository_are_listed_in_order_and_no_others),
        CASE(the_tags_that_name_a_digest_are_found_by_it),
        CASE(an_older_release_leaves_no_tag_that_is_not_found),
        CASE(a_damaged_row_of_tagged_is_written_again),
        CASE(the_oldest_events_leave_when_there_are_too_many),
        CASE(a_flipped_bit_in_a_row_is_never_believed),
        CASE(a_row_in_the_place_of_another_is_never_believed),
        CASE(a_damaged_row_is_found_replaced_and_taken_out),
        CASE(views_of_a_thread_are_counted_and_nest),
        CASE(a_view_sees_the_commit_before_it_and_not_the_one_after),
        CASE(an_index_that_lmdb_gave_up_is_opened_again),
        CASE(while_it_cannot_be_opened_again_lookups_fail_and_nothing_crashes),
        CASE(read_only_finds_what_is_there),
    };

    pg_hash_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
