/* SPDX-License-Identifier: Apache-2.0 */
/* Each invariant is broken by hand: fsck finds that and nothing else, repairs it, and then finds
 * nothing. */
#include "shelf.h"

#include <lmdb.h>

#include "cache/key.h"
#include "cache/land.h"
#include "cache/work.h"
#include "oci/manifest.h"

#define REPO  SL("docker.io/library/nginx")
#define CHUNK ((size_t)BLOB_CHUNK_BYTES)

static struct shelf sh;
static struct digest image, layer, config;
static struct pg_err err;

static struct store *store(void)
{
    PG_CHECK(sh.store != NULL);
    return sh.store;
}

static struct sl image_text(void)
{
    static char text[1024];
    char c[DIGEST_TEXT_MAX], l[DIGEST_TEXT_MAX];
    int n = snprintf(text, sizeof(text),
                     "{\"schemaVersion\":2,"
                     "\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"config\":{"
                     "\"mediaType\":\"application/vnd.oci.image.config.v1+json\","
                     "\"digest\":\"%s\",\"size\":100},\"layers\":[{\"mediaType\":"
                     "\"application/vnd.oci.image.layer.v1.tar\",\"digest\":\"%s\",\"size\":%zu}]}",
                     digest_write(&config, c).p, digest_write(&layer, l).p, 2 * CHUNK);

    assert_true(n > 0 && n < (int)sizeof(text));
    return (struct sl){text, (size_t)n};
}

static void land(void)
{
    struct sl text = image_text();
    struct pg_arena arena;
    struct manifest parsed;
    struct land_manifest m = {.repo = REPO, .tag = SL("v1"), .parsed = &parsed, .now_s = 1000};

    pg_arena_init(&arena, MANIFEST_ARENA_BYTES);
    assert_int_equal(manifest_parse(text, SL(""), &arena, &parsed, &err), 0);
    m.digest = m.sha256 = image = digest_of(PG_SHA256, text);
    m.bytes = pg_bytes_new(text);
    land_manifest(store(), &m);
    pg_bytes_unref(m.bytes);
    pg_arena_free(&arena);
    work_wait(store()->work);
}

static int set_up(void **state)
{
    (void)state;
    shelf_begin(&sh);
    shelf_open(&sh);
    config = shelf_put_seed(&sh, 100, 1);
    layer = shelf_put_seed(&sh, 2 * CHUNK, 2);
    land();
    shelf_is_sound(&sh);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pg_err_clear(&err);
    shelf_end(&sh);
    return 0;
}

/* ---- breaking ---- */

struct breaking {
    struct writer_op op;
    int (*how)(struct index_txn *txn, struct pg_err *err);
};

static int apply_breaking(struct writer_op *op, struct index_txn *txn, struct pg_err *e)
{
    return pg_container_of(op, struct breaking, op)->how(txn, e) < 0 ? -1 : 0;
}

static void break_index(int (*how)(struct index_txn *txn, struct pg_err *err))
{
    struct breaking b = {.op = {.apply = apply_breaking}, .how = how};

    assert_int_equal(writer_do(store()->writer, &b.op, &err), 0);
}

static char *file_of(const struct digest *d)
{
    static char path[256];

    shelf_path(&sh, d, path);
    assert_int_equal(chmod(path, 0600), 0);
    return path;
}

/* These kinds and no other, first by looking, then repaired. */
static void finds(enum fsck_kind a, enum fsck_kind b, bool deep)
{
    struct shelf_findings looked = shelf_fsck_with(&sh, deep, false), repaired;
    unsigned kinds = a == b ? 1 : 2;

    assert_int_equal(looked.of[a], 1);
    assert_int_equal(looked.of[b], 1);
    assert_int_equal(looked.n, kinds);
    assert_int_equal(looked.repaired, 0);
    repaired = shelf_fsck_with(&sh, deep, true);
    assert_true(repaired.of[a] == 1 && repaired.n >= 1);
    assert_int_equal(repaired.repaired, repaired.n);
    shelf_is_sound(&sh);
}

/* ---- blobs and files ---- */

TEST(a_sound_store_is_counted)
{
    struct shelf_findings f = shelf_fsck_with(&sh, true, false);

    assert_int_equal(f.n, 0);
    assert_int_equal(f.result.blobs, 3);
    assert_int_equal(f.result.files, 3);
    assert_int_equal(f.result.bytes, 100 + 2 * CHUNK + image_text().n);
    assert_int_equal(f.result.manifests, 1);
    assert_int_equal(f.result.links, 3);
    assert_int_equal(f.result.tags, 1);
    assert_true(f.result.journal_records > 0);
}

TEST(a_file_is_missing)
{
    assert_int_equal(unlink(file_of(&layer)), 0);
    finds(FSCK_FILE_MISSING, FSCK_FILE_MISSING, false);
    assert_false(shelf_has_row(&sh, &layer));
}

TEST(a_file_has_another_size)
{
    assert_int_equal(truncate(file_of(&layer), 1), 0);
    finds(FSCK_FILE_SIZE, FSCK_FILE_SIZE, false);
    assert_false(shelf_has_file(&sh, &layer));
}

TEST(a_file_is_damaged)
{
    int fd = open(file_of(&layer), O_WRONLY);

    assert_int_equal(pwrite(fd, "rot", 3, (off_t)CHUNK + 1), 3);
    (void)close(fd);
    assert_int_equal(shelf_fsck_with(&sh, false, false).n, 0); /* only a deep look can see it */
    finds(FSCK_FILE_DAMAGED, FSCK_FILE_DAMAGED, true);
    assert_false(shelf_has_file(&sh, &layer));
}

static int wrong_sums(struct index_txn *txn, struct pg_err *e)
{
    const uint64_t sums[2] = {1, 2};
    struct index_blob row = {2 * CHUNK, layer, BLOB_CHUNK_BYTES, {(const char *)sums, 16}};

    return index_put_blob(txn, &layer, &row, e);
}

static int wrong_sha256(struct index_txn *txn, struct pg_err *e)
{
    struct index_blob row = {100, layer, 0, {0}};

    return index_put_blob(txn, &config, &row, e);
}

TEST(a_row_has_wrong_checksums)
{
    break_index(wrong_sums);
    finds(FSCK_SUMS, FSCK_SUMS, true);
    assert_true(shelf_can_open(&sh, &layer)); /* the bytes were never at fault */
    break_index(wrong_sha256);
    finds(FSCK_SUMS, FSCK_SUMS, true);
}

static int forget_layer(struct index_txn *txn, struct pg_err *e)
{
    return index_del_blob(txn, &layer, e);
}

TEST(a_file_has_no_row)
{
    break_index(forget_layer);
    finds(FSCK_FILE_ORPHAN, FSCK_FILE_ORPHAN, false);
    assert_true(shelf_can_open(&sh, &layer));
}

TEST(something_is_no_blob)
{
    assert_int_equal(mkdirat(store()->blobs_fd, "sha256/ab", 0700) < 0 ? errno : 0, 0);
    assert_int_equal(symlinkat("/etc/passwd", store()->blobs_fd, "sha256/ab/link"), 0);
    finds(FSCK_FILE_STRAY, FSCK_FILE_STRAY, false);
}

/* ---- rows ---- */

static int wrong_counts(struct index_txn *txn, struct pg_err *e)
{
    (void)e;
    index_txn_set_blobs(txn, 77, 7);
    return 0;
}

TEST(the_counts_are_wrong)
{
    break_index(wrong_counts);
    finds(FSCK_COUNTS, FSCK_COUNTS, false);
    assert_int_equal(atomic_load(&store()->blobs), 3);
}

static void scribble(const char *table, struct key key)
{
    MDB_val k = {key.n, key.p}, v = {5, (char[]){"noise"}};
    char path[128];
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;

    shelf_close(&sh);
    (void)snprintf(path, sizeof(path), "%s/index", sh.dir);
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, 16), 0);
    assert_int_equal(mdb_env_set_mapsize(env, (size_t)1 << 30), 0);
    assert_int_equal(mdb_env_open(env, path, 0, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, table, 0, &dbi), 0);
    assert_int_equal(mdb_put(txn, dbi, &k, &v, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

TEST(a_row_cannot_be_read)
{
    struct digest d = digest_of(PG_SHA256, SL("nobody"));

    scribble("memo", key_of_memo(&d, SL("x")));
    sh.config.read_only = true; /* else recovery is faster */
    shelf_open(&sh);
    assert_int_equal(shelf_fsck_with(&sh, false, false).of[FSCK_ROW_DAMAGED], 1);
    shelf_close(&sh);
    sh.config.read_only = false;
    shelf_open(&sh);
    shelf_is_sound(&sh);
}

/* ---- manifests, links, tags ---- */

static int other_bytes(struct index_txn *txn, struct pg_err *e)
{
    struct index_manifest m = {MANIFEST_IMAGE, image, SL("application/json"), SL("{}")};

    return index_put_manifest(txn, &image, &m, e);
}

TEST(a_manifest_has_other_bytes)
{
    break_index(other_bytes);
    finds(FSCK_MANIFEST_DAMAGED, FSCK_MANIFEST_DAMAGED, false);
}

static int other_kind(struct index_txn *txn, struct pg_err *e)
{
    struct index_manifest m = {MANIFEST_INDEX, image,
                               SL("application/vnd.oci.image.manifest.v1+json"), image_text()};

    return index_put_manifest(txn, &image, &m, e);
}

TEST(a_manifest_is_of_another_kind)
{
    break_index(other_kind);
    finds(FSCK_MANIFEST_DAMAGED, FSCK_MANIFEST_DAMAGED, false);
}

static int forget_image(struct index_txn *txn, struct pg_err *e)
{
    return index_del_blob(txn, &image, e);
}

TEST(a_manifest_has_no_blob)
{
    struct shelf_findings f;

    break_index(forget_image);
    assert_int_equal(unlink(file_of(&image)), 0);
    f = shelf_fsck_with(&sh, false, false);
    assert_int_equal(f.n, 1);
    finds(FSCK_MANIFEST_NO_BLOB, FSCK_MANIFEST_NO_BLOB, false);
}

static struct index_edge to_layer(void)
{
    return (struct index_edge){image, layer, INDEX_EDGE_LAYER};
}

static int forget_edge(struct index_txn *txn, struct pg_err *e)
{
    struct index_edge edge = to_layer();

    return index_del_edge(txn, &edge, e);
}

TEST(an_edge_is_missing)
{
    break_index(forget_edge);
    finds(FSCK_EDGE_MISSING, FSCK_EDGE_MISSING, false);
}

static int forget_reverse_edge(struct index_txn *txn, struct pg_err *e)
{
    struct index_raw row = {"redge", key_of_edge(&layer, INDEX_EDGE_LAYER, &image)};

    return index_del_raw(txn, &row, e);
}

TEST(an_edge_goes_one_way)
{
    break_index(forget_reverse_edge);
    finds(FSCK_EDGE_MISSING, FSCK_EDGE_MISSING, false);
}

static int invent_edge(struct index_txn *txn, struct pg_err *e)
{
    struct index_edge edge = {image, config, INDEX_EDGE_LAYER};

    return index_put_edge(txn, &edge, e);
}

TEST(an_edge_is_invented)
{
    break_index(invent_edge);
    finds(FSCK_EDGE_WRONG, FSCK_EDGE_WRONG, false);
}

static int forget_link(struct index_txn *txn, struct pg_err *e)
{
    return index_del_link(txn, REPO, &image, e);
}

TEST(a_tag_has_no_link)
{
    break_index(forget_link);
    finds(FSCK_TAG_NO_LINK, FSCK_TAG_NO_LINK, false);
}

static int forget_name(struct index_txn *txn, struct pg_err *e)
{
    struct key_repo repo = key_repo_of(REPO);
    struct index_raw row = {"repo", key_of_repo(&repo)};

    return index_del_raw(txn, &row, e);
}

TEST(a_repository_has_lost_its_name)
{
    struct shelf_findings f;

    break_index(forget_name);
    f = shelf_fsck_with(&sh, false, false);
    assert_int_equal(f.of[FSCK_REPO_NAMELESS], 4); /* three links and a tag */
    assert_int_equal(f.n, 4);
    f = shelf_fsck_with(&sh, false, true);
    assert_int_equal(f.repaired, 4);
    shelf_is_sound(&sh);
}

/* ---- the rest ---- */

TEST(the_journal_is_damaged)
{
    struct shelf_findings f;
    char path[128], was, other;
    int fd;

    (void)snprintf(path, sizeof(path), "%s/journal/00000001", sh.dir);
    fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pg_fd_pread(fd, &was, 1, 200), 0);
    other = (char)(was ^ 1);
    assert_int_equal(pg_fd_pwrite(fd, &other, 1, 200), 0);
    f = shelf_fsck_with(&sh, false, true);
    assert_int_equal(f.of[FSCK_JOURNAL_BROKEN], 1);
    assert_int_equal(f.n, 1);
    assert_int_equal(f.repaired, 0); /* what it says cannot be fetched again */
    assert_int_equal(pg_fd_pwrite(fd, &was, 1, 200), 0);
    (void)close(fd);
    shelf_is_sound(&sh);
}

static void put_partial(const char *name)
{
    int fd = openat(store()->partial_fd, name, O_WRONLY | O_CREAT, 0600);

    assert_int_equal(pg_fd_write(fd, "half", 4), 0);
    (void)close(fd);
}

TEST(a_partial_is_none)
{
    put_partial("noise");
    finds(FSCK_PARTIAL_STRAY, FSCK_PARTIAL_STRAY, false);
}

TEST(a_partial_is_of_a_whole_blob)
{
    char name[PARTIAL_NAME_MAX];

    put_partial(partial_name(&layer, name));
    assert_true(partial_claim(store(), &layer)); /* a fill is about to publish it */
    assert_int_equal(shelf_fsck_with(&sh, false, true).n, 0);
    partial_release(store(), &layer);
    finds(FSCK_PARTIAL_DONE, FSCK_PARTIAL_DONE, false);
}

TEST(a_look_may_be_stopped)
{
    struct fsck_result result;
    atomic_bool stop = true;
    struct fsck_config c = {.deep = true, .stop = &stop};
    int r = fsck_run(store(), &c, &result, &err);

    assert_true(r == 0 || err.kind == PG_E_CANCELED);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_sound_store_is_counted),
        CASE(a_file_is_missing),
        CASE(a_file_has_another_size),
        CASE(a_file_is_damaged),
        CASE(a_row_has_wrong_checksums),
        CASE(a_file_has_no_row),
        CASE(something_is_no_blob),
        CASE(the_counts_are_wrong),
        CASE(a_row_cannot_be_read),
        CASE(a_manifest_has_other_bytes),
        CASE(a_manifest_is_of_another_kind),
        CASE(a_manifest_has_no_blob),
        CASE(an_edge_is_missing),
        CASE(an_edge_goes_one_way),
        CASE(an_edge_is_invented),
        CASE(a_tag_has_no_link),
        CASE(a_repository_has_lost_its_name),
        CASE(the_journal_is_damaged),
        CASE(a_partial_is_none),
        CASE(a_partial_is_of_a_whole_blob),
        CASE(a_look_may_be_stopped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
