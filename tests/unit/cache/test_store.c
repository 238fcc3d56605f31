/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a store: whom it lets in, and what it makes of what the last process left. */
#include "shelf.h"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/metric.h"
#include "cache/gc.h"

#define CHUNK ((size_t)BLOB_CHUNK_BYTES)

static struct shelf sh;
static struct pg_err err;

static int set_up(void **state)
{
    (void)state;
    shelf_begin(&sh);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pg_err_clear(&err);
    shelf_end(&sh);
    return 0;
}

/* The analyzer cannot know that it is open. */
static struct store *store(void)
{
    PG_CHECK(sh.store != NULL);
    return sh.store;
}

static void refuses(const char *path, const char *why)
{
    struct store_config c = sh.config;
    struct store *s = NULL;

    c.path = path;
    assert_int_equal(store_open(&c, &s, &err), -1);
    assert_int_equal(err.kind, PG_E_STORE_IO);
    if (strstr(err.msg, why) == NULL || strstr(err.msg, path) == NULL)
        fail_msg("%s: \"%s\" does not say \"%s\"", path, err.msg, why);
    pg_err_clear(&err);
}

static char *below(const char *name)
{
    static char path[128];

    (void)snprintf(path, sizeof(path), "%s/%s", sh.dir, name);
    return path;
}

/* ---- the directory ---- */

TEST(a_directory_is_made_for_its_owner_alone)
{
    struct stat st;

    assert_int_equal(rmdir(sh.dir), 0);
    shelf_open(&sh);
    assert_int_equal(stat(sh.dir, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(stat(below("blobs"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(stat(below("lock"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    shelf_is_sound(&sh);
}

TEST(a_directory_that_others_may_write_is_refused)
{
    assert_int_equal(chmod(sh.dir, 0770), 0);
    refuses(sh.dir, "chmod go-w");
    assert_int_equal(chmod(sh.dir, 0702), 0);
    refuses(sh.dir, "chmod go-w");
    assert_int_equal(chmod(sh.dir, 0755), 0);
    shelf_open(&sh);
    shelf_close(&sh);
    assert_int_equal(chmod(below("blobs"), 0777), 0);
    refuses(sh.dir, "/blobs may be written by others");
}

TEST(a_directory_of_somebody_else_is_refused)
{
    if (geteuid() != 0)
        skip();
    assert_int_equal(chmod(sh.dir, 0755) | chown(sh.dir, 12345, 0), 0);
    refuses(sh.dir, "belongs to user 12345");
    assert_int_equal(chown(sh.dir, 0, 0), 0);
}

TEST(a_link_a_file_and_nothing_are_refused)
{
    int fd;

    assert_int_equal(symlink("/tmp", below("link")), 0);
    refuses(below("link"), "symbolic link");
    fd = open(below("file"), O_WRONLY | O_CREAT, 0600);
    (void)close(fd);
    refuses(below("file"), "not a directory");
    refuses(below("no/where"), "does not exist");
    refuses(sh.dir, "not empty");
    assert_int_equal(unlink(below("file")), 0);
    assert_int_equal(unlink(below("link")), 0);
    shelf_open(&sh);
    shelf_close(&sh);
    assert_int_equal(rmdir(below("partial")), 0);
    assert_int_equal(symlink("blobs", below("partial")), 0);
    refuses(sh.dir, "/partial is not a directory");
}

TEST(G17_H06_a_second_one_on_the_same_directory_is_refused)
{
    char pid[32];

    shelf_open(&sh);
    (void)snprintf(pid, sizeof(pid), "(process %d)", getpid());
    refuses(sh.dir, pid);
    refuses(sh.dir, "/lock");
    shelf_is_sound(&sh); /* it has not disturbed the first */
    shelf_close(&sh);
    shelf_open(&sh);
}

TEST(a_newer_layout_is_refused) /* G18 */
{
    int fd;

    shelf_open(&sh);
    shelf_close(&sh);
    fd = open(below("version"), O_WRONLY | O_TRUNC);
    assert_int_equal(pg_fd_write(fd, "3\n", 2), 0);
    (void)close(fd);
    refuses(sh.dir, "newer pullgate");
}

TEST(a_reader_writes_nothing_and_needs_no_lock)
{
    struct store_config c = sh.config;
    struct store *s = NULL;

    c.read_only = true;
    assert_int_equal(store_open(&c, &s, &err), -1);
    assert_non_null(strstr(err.msg, "there is no cache"));
    pg_err_clear(&err);
    assert_int_equal(access(below("lock"), F_OK), -1);
    shelf_open(&sh);
    (void)shelf_put_seed(&sh, 1000, 1);
    shelf_close(&sh);
    sh.config.read_only = true;
    shelf_open(&sh);
    shelf_is_sound(&sh);
    shelf_close(&sh);
    sh.config.read_only = false;
}

/* ---- what a crash leaves ---- */

#define HALF_A_FILL "half-a-fill"

/* In a process of its own (main() leads here), which is killed in the middle. */
static int fill_half(const char *dir)
{
    struct sl bytes = shelf_bytes(3 * CHUNK, 77);
    struct shelf_fill sf;
    struct digest d;

    shelf_begin(&sh);
    (void)rmdir(sh.dir);
    (void)snprintf(sh.dir, sizeof(sh.dir), "%s", dir);
    shelf_open(&sh);
    d = digest_of(PG_SHA256, bytes);
    (void)shelf_put_seed(&sh, 5000, 76);
    shelf_start(&sh, &sf, &d, bytes.n);
    (void)shelf_write(&sf, (struct sl){bytes.p, 2 * CHUNK}, CHUNK);
    SHELF_UNTIL(&sh, flight_look(&sf.reader).committed == 2 * CHUNK);
    return raise(SIGKILL);
}

static void let_a_process_be_killed(void)
{
    char *argv[] = {(char[]){"test_store"}, (char[]){HALF_A_FILL}, sh.dir, NULL};
    pid_t pid;
    int status;

    assert_int_equal(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

TEST(a_killed_process_loses_no_blob_and_keeps_what_was_half_here) /* G01 */
{
    struct sl bytes = shelf_bytes(3 * CHUNK, 77), whole = shelf_bytes(5000, 76);
    struct digest d = digest_of(PG_SHA256, bytes), w = digest_of(PG_SHA256, whole);
    struct shelf_fill sf;

    let_a_process_be_killed();
    shelf_open(&sh);
    assert_true(shelf_can_open(&sh, &w));
    shelf_is_sound(&sh);
    shelf_start(&sh, &sf, &d, bytes.n);
    assert_int_equal(sf.fill->have, 2 * CHUNK);
    assert_int_equal(shelf_write(&sf, (struct sl){bytes.p + 2 * CHUNK, CHUNK}, CHUNK), 0);
    assert_true(shelf_finish(&sf));
    shelf_is_sound(&sh);
    shelf_free(bytes);
    shelf_free(whole);
}

TEST(rows_without_their_file_are_dropped)
{
    struct digest gone, cut, kept;
    char path[256];

    shelf_open(&sh);
    gone = shelf_put_seed(&sh, 1000, 1);
    cut = shelf_put_seed(&sh, 1000, 2);
    kept = shelf_put_seed(&sh, 1000, 3);
    shelf_path(&sh, &gone, path);
    assert_int_equal(unlink(path), 0);
    shelf_path(&sh, &cut, path);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(truncate(path, 10), 0);
    shelf_close(&sh);
    shelf_open(&sh);
    shelf_commit(&sh);
    assert_false(shelf_has_row(&sh, &gone));
    assert_false(shelf_has_row(&sh, &cut));
    assert_false(shelf_has_file(&sh, &cut));
    assert_true(shelf_can_open(&sh, &kept));
    assert_int_equal(atomic_load(&store()->blobs), 1);
    shelf_is_sound(&sh);
}

static void put_orphan(const struct digest *d, struct sl bytes)
{
    char path[256], *slash;
    int fd;

    shelf_path(&sh, d, path);
    slash = strrchr(path, '/');
    *slash = '\0';
    (void)mkdirat(store()->blobs_fd, digest_alg_name(d->alg), 0700);
    (void)mkdir(path, 0700);
    *slash = '/';
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(pg_fd_write(fd, bytes.p, bytes.n), 0);
    (void)close(fd);
}

TEST(files_without_a_row_are_adopted_when_they_are_what_they_say)
{
    struct sl bytes = shelf_bytes(2 * CHUNK + 3, 5);
    struct digest good = digest_of(PG_SHA256, bytes), also = digest_of(PG_SHA512, bytes);
    struct digest bad = digest_of(PG_SHA256, SL("something else"));
    struct blob *b;

    shelf_open(&sh);
    put_orphan(&good, bytes);
    put_orphan(&also, bytes);
    put_orphan(&bad, bytes);
    shelf_close(&sh);
    shelf_open(&sh);
    assert_true(shelf_can_open(&sh, &good));
    assert_int_equal(blob_open(sh.store, &also, &b, &err), 1);
    assert_true(digest_eq(&b->sha256, &good));
    blob_close(b);
    assert_false(shelf_has_row(&sh, &bad));
    assert_false(shelf_has_file(&sh, &bad));
    assert_int_equal(shelf_count_files(store()->quarantine_fd), 1);
    shelf_is_sound(&sh);
    shelf_free(bytes);
}

TEST(what_nobody_put_into_blobs_is_moved_away)
{
    struct digest d;

    shelf_open(&sh);
    d = shelf_put_seed(&sh, 10, 1);
    assert_int_equal(mkdirat(store()->blobs_fd, "sha256/zz", 0700), 0);
    assert_int_equal(mkdirat(store()->blobs_fd, "md5", 0700), 0);
    assert_int_equal(symlinkat("/etc", store()->blobs_fd, "sha512"), 0);
    (void)mkdirat(store()->blobs_fd, "sha256/00", 0700);
    assert_int_equal(mkfifoat(store()->blobs_fd, "sha256/00/fifo", 0700), 0);
    shelf_close(&sh);
    shelf_open(&sh);
    assert_int_equal(shelf_count_files(store()->quarantine_fd), 4);
    assert_int_equal(shelf_count_files(store()->blobs_fd), 1);
    assert_true(shelf_can_open(&sh, &d));
    shelf_is_sound(&sh);
}

TEST(without_its_index_a_store_loses_no_blob) /* G21 */
{
    struct digest d[20];

    shelf_open(&sh);
    for (unsigned i = 0; i < 20; i++)
        d[i] = shelf_put_seed(&sh, (size_t)1000 * i, i);
    shelf_close(&sh);
    assert_int_equal(unlink(below("index/data.mdb")), 0);
    shelf_open(&sh);
    for (unsigned i = 0; i < 20; i++)
        assert_true(shelf_can_open(&sh, &d[i]));
    assert_int_equal(atomic_load(&store()->blobs), 20);
    shelf_is_sound(&sh);
}

/* Who asks while a file is not adopted yet begins to fetch it again; and that may break off. */
TEST(what_is_half_here_goes_when_the_whole_is_adopted) /* G05 */
{
    struct digest d;
    char name[PARTIAL_NAME_MAX];
    int fd;

    shelf_open(&sh);
    d = shelf_put_seed(&sh, 5000, 1);
    fd = openat(store()->partial_fd, partial_name(&d, name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(pg_fd_write(fd, "half", 4), 0);
    (void)close(fd);
    shelf_close(&sh);
    assert_int_equal(unlink(below("index/data.mdb")), 0);
    shelf_open(&sh);
    assert_true(shelf_can_open(&sh, &d));
    assert_false(shelf_has_partial(&sh, &d));
    assert_int_equal(atomic_load(&store()->partial_bytes), 0);
    shelf_is_sound(&sh);
}

TEST(a_damaged_index_is_put_aside_and_built_anew) /* H05 */
{
    struct sl noise = shelf_bytes(40000, 9);
    struct digest d;
    int fd;

    shelf_open(&sh);
    d = shelf_put_seed(&sh, 1000, 1);
    shelf_close(&sh);
    fd = open(below("index/data.mdb"), O_WRONLY);
    assert_int_equal(pg_fd_pwrite(fd, noise.p, noise.n, 0), 0);
    (void)close(fd);
    shelf_open(&sh);
    assert_true(shelf_can_open(&sh, &d));
    assert_int_equal(shelf_count_files(store()->quarantine_fd), 1);
    shelf_is_sound(&sh);
    shelf_free(noise);
}

TEST(recovery_that_meets_a_failing_disk_leaves_a_store_that_serves)
{
    static const char *const rules[] = {"adopt.list:EIO@1", "adopt.open:EMFILE@1",
                                        "adopt.fdatasync:EIO@1", "index.commit:EIO@2",
                                        "writer.syncdir:EIO@1"};
    struct digest served;

    shelf_open(&sh);
    served = shelf_put_seed(&sh, 100, 999);
    for (unsigned i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        struct sl bytes = shelf_bytes(500, i);
        struct digest d = digest_of(PG_SHA256, bytes);

        put_orphan(&d, bytes);
        shelf_close(&sh);
        assert_int_equal(pg_fault_set(rules[i]), 0);
        shelf_open(&sh);
        assert_true(shelf_can_open(&sh, &served));
        shelf_close(&sh);
        assert_int_equal(pg_fault_set(NULL), 0);
        shelf_open(&sh); /* the next makes it good */
        assert_true(shelf_can_open(&sh, &d));
        shelf_free(bytes);
    }
    shelf_is_sound(&sh);
}

/* One that the disk does not give is left for later; the others are not. */
TEST(one_file_that_cannot_be_adopted_does_not_keep_the_others_out)
{
    unsigned adopted = 0;

    shelf_open(&sh);
    for (unsigned i = 0; i < 9; i++) {
        struct sl bytes = shelf_bytes(500, i);
        struct digest d = digest_of(PG_SHA256, bytes);

        put_orphan(&d, bytes);
        shelf_free(bytes);
    }
    shelf_close(&sh);
    assert_int_equal(pg_fault_set("adopt.fdatasync:EIO@2"), 0);
    shelf_open(&sh);
    assert_int_equal(pg_fault_set(NULL), 0);
    for (unsigned i = 0; i < 9; i++) {
        struct sl bytes = shelf_bytes(500, i);
        struct digest d = digest_of(PG_SHA256, bytes);

        adopted += shelf_has_row(&sh, &d);
        shelf_free(bytes);
    }
    assert_int_equal(adopted, 8);
}

/* Without its index a store of many blobs is whole again in seconds: each commit brings many. */
TEST(many_files_are_adopted_by_few_commits)
{
    int64_t before;

    shelf_open(&sh);
    for (unsigned i = 0; i < 2000; i++) {
        struct digest d = digest_of(PG_SHA256, (struct sl){(char *)&i, sizeof(i)});

        put_orphan(&d, (struct sl){(char *)&i, sizeof(i)});
    }
    shelf_close(&sh);
    before = pg_metric_read(PG_M_STORE_COMMITS);
    shelf_open(&sh);
    assert_int_equal(atomic_load(&store()->blobs), 2000);
    assert_true(pg_metric_read(PG_M_STORE_COMMITS) - before < 1500); /* one each, before */
    shelf_is_sound(&sh);
}

TEST(quarantine_is_emptied_after_a_while)
{
    struct digest d;

    shelf_open(&sh);
    d = shelf_put_seed(&sh, 10, 1);
    shelf_drop(&sh, &d, PUBLISH_DAMAGED);
    assert_int_equal(mkdirat(store()->quarantine_fd, "dir", 0700), 0);
    assert_int_equal(mkdirat(store()->quarantine_fd, "dir/sub", 0700), 0);
    assert_int_equal(gc_empty_quarantine(sh.store, pg_clock_wall_s() - GC_QUARANTINE_S), 0);
    assert_int_equal(gc_empty_quarantine(sh.store, pg_clock_wall_s() + 1), 2);
    assert_int_equal(shelf_count_files(store()->quarantine_fd), 0);
}

#define MANY 20000

struct many_rows {
    struct writer_op op;
    unsigned from;
};

static int apply_many(struct writer_op *op, struct index_txn *txn, struct pg_err *e)
{
    struct many_rows *m = pg_container_of(op, struct many_rows, op);

    for (unsigned i = m->from; i < m->from + 1000; i++) {
        struct digest d = digest_of(PG_SHA256, (struct sl){(char *)&i, sizeof(i)});
        struct index_blob row = {4, d, 0, {0}};

        if (index_put_blob(txn, &d, &row, e) < 0)
            return -1;
    }
    return 0;
}

TEST(many_blobs_do_not_delay_the_start)
{
    uint64_t began_ms;
    struct store *s;

    shelf_open(&sh);
    for (unsigned i = 0; i < MANY; i += 1000) {
        struct many_rows m = {.op = {.apply = apply_many}, .from = i};

        assert_int_equal(writer_do(store()->writer, &m.op, &err), 0);
    }
    for (unsigned i = 0; i < MANY; i++) {
        struct digest d = digest_of(PG_SHA256, (struct sl){(char *)&i, sizeof(i)});

        put_orphan(&d, (struct sl){(char *)&i, sizeof(i)});
    }
    shelf_close(&sh);
    began_ms = pg_clock_mono_ms();
    assert_int_equal(store_open(&sh.config, &s, &err), 0);
    assert_true(pg_clock_mono_ms() - began_ms < 2000);
    sh.store = s;
    assert_int_equal(atomic_load(&s->blobs), MANY);
    recover_wait(s->recover);
    assert_true(atomic_load(&s->recovered));
    shelf_is_sound(&sh);
}

int main(int argc, char **argv)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_directory_is_made_for_its_owner_alone),
        CASE(a_directory_that_others_may_write_is_refused),
        CASE(a_directory_of_somebody_else_is_refused),
        CASE(a_link_a_file_and_nothing_are_refused),
        CASE(G17_H06_a_second_one_on_the_same_directory_is_refused),
        CASE(a_newer_layout_is_refused),
        CASE(a_reader_writes_nothing_and_needs_no_lock),
        CASE(a_killed_process_loses_no_blob_and_keeps_what_was_half_here),
        CASE(rows_without_their_file_are_dropped),
        CASE(files_without_a_row_are_adopted_when_they_are_what_they_say),
        CASE(what_nobody_put_into_blobs_is_moved_away),
        CASE(without_its_index_a_store_loses_no_blob),
        CASE(what_is_half_here_goes_when_the_whole_is_adopted),
        CASE(a_damaged_index_is_put_aside_and_built_anew),
        CASE(recovery_that_meets_a_failing_disk_leaves_a_store_that_serves),
        CASE(one_file_that_cannot_be_adopted_does_not_keep_the_others_out),
        CASE(many_files_are_adopted_by_few_commits),
        CASE(quarantine_is_emptied_after_a_while),
        CASE(many_blobs_do_not_delay_the_start),
    };

    if (argc == 3 && strcmp(argv[1], HALF_A_FILL) == 0)
        return fill_half(argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
