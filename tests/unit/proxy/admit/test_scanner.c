/* SPDX-License-Identifier: Apache-2.0 */
/* A stand-in with the command lines of Trivy and Grype, over a store of two images: what it says,
 * what becomes of it when it fails, and whose turn it is. */
#include "harness/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/hash.h"
#include "cache/blob.h"
#include "proxy/admit/scanner.h"

#define FIXTURES PG_SOURCE "/tests/fixtures/scan/"
#define PROGRAM  PG_SOURCE "/tests/fakes/scanner.py"
#define DEBIAN   "sha256:6c92e9b24397fd54302543fa7d0ba90a68e39a441c03ac65f97c8d678d813ca6"
#define CLEAN    "sha256:9176531de02ce5dd90b11c881141396e5d9c173746c36adab73cfa880eead772"
#define LAYER    "197b338e0b73d07e44dcf075ee2d84f7dceac0236f9dd60f0b7aa9b8cb7bd412"

static const char *program = PROGRAM;
static unsigned ndone;
static struct spawn *spawn;
static struct scanner *scanner;
static struct pg_mailbox home;
static sem_t rung;
static int blobs_fd;

/* ---- a store, a scanner -------------------------------------------------------------------- */

static void wake_home(struct pg_mailbox *box)
{
    (void)box;
    (void)sem_post(&rung);
}

static void put_file(const char *path, struct sl bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(pg_fd_write(fd, bytes.p, bytes.n), 0);
    assert_int_equal(close(fd), 0);
}

/* The file of a layout, where the store would have it. */
static void put_blob(const char *image, const char *hex)
{
    char from[512], to[BLOB_PATH_MAX], dir[BLOB_PATH_MAX], name[DIGEST_TEXT_MAX], bytes[4096];
    struct pg_err err = {0};
    struct digest d;

    (void)snprintf(name, sizeof(name), "sha256:%s", hex);
    assert_int_equal(digest_parse(sl_str(name), &d, &err), 0);
    (void)snprintf(from, sizeof(from), FIXTURES "oci/%s/blobs/sha256/%s", image, hex);
    FILE *f = fopen(from, "rb");
    assert_non_null(f);
    size_t n = fread(bytes, 1, sizeof(bytes), f);
    (void)fclose(f);
    (void)snprintf(dir, sizeof(dir), "%s", blob_path(&d, to));
    *strrchr(dir, '/') = '\0';
    assert_true(mkdirat(blobs_fd, "sha256", 0700) == 0 || errno == EEXIST);
    assert_true(mkdirat(blobs_fd, dir, 0700) == 0 || errno == EEXIST);
    put_file(scratch_path(to), (struct sl){bytes, n});
}

static const char *const blobs[][2] = {
    {"debian12", "17acec6b2cce1360de8d5464ee76e2f2a51f8127422366dd00132f9713012d87"},
    {"debian12", LAYER},
    {"debian12", "391557f0b635a685b68ad032aa87ba9bdf7856e0a52b5c3043b8134f55bd8684"},
    {"debian12", "6c92e9b24397fd54302543fa7d0ba90a68e39a441c03ac65f97c8d678d813ca6"},
    {"clean", "9176531de02ce5dd90b11c881141396e5d9c173746c36adab73cfa880eead772"},
    {"clean", "950446565309bddb529ef71563d07b770d511ef9b7c212c912747600c8ba881d"},
    {"clean", "d5192ee16465731379c3deaf5c58f5a9b68e80d9945a8f84c96b58c037693cc8"},
};

/* The stand-in sees the folder of its database, and no other file of ours. */
static void copy_fixture(const char *name)
{
    char to[512], from[512], bytes[1 << 16];

    (void)snprintf(from, sizeof(from), FIXTURES "%s", name);
    (void)snprintf(to, sizeof(to), "db/fixtures/%s", name);
    FILE *f = fopen(from, "rb");
    assert_non_null(f);
    size_t n = fread(bytes, 1, sizeof(bytes), f);
    assert_true(feof(f));
    (void)fclose(f);
    put_file(scratch_path(to), (struct sl){bytes, n});
}

static void copy_fixtures(void)
{
    static const char *const names[] = {
        "grype-db-status.json", "trivy-version.json",  "clean/grype.cdx.json",
        "clean/grype.json",     "clean/trivy.json",    "debian12/grype.cdx.json",
        "debian12/grype.json",  "debian12/trivy.json",
    };

    assert_int_equal(mkdir(scratch_path("db/fixtures"), 0700), 0);
    assert_int_equal(mkdir(scratch_path("db/fixtures/clean"), 0700), 0);
    assert_int_equal(mkdir(scratch_path("db/fixtures/debian12"), 0700), 0);
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        copy_fixture(names[i]);
    }
}

static void set_mode(const char *mode)
{
    put_file(scratch_path("db/mode"), sl_str(mode));
}

static void open_all(enum scanner_kind kind, const char *mode)
{
    struct pg_err err = {0};

    ndone = 0;
    pg_hash_setup();
    scratch_make();
    assert_int_equal(mkdir(scratch_path("db"), 0700), 0);
    copy_fixtures();
    set_mode(mode);
    blobs_fd = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < sizeof(blobs) / sizeof(*blobs); i++) {
        put_blob(blobs[i][0], blobs[i][1]);
    }
    assert_int_equal(sem_init(&rung, 0, 0), 0);
    pg_mailbox_init(&home, wake_home, NULL);
    assert_int_equal(spawn_open(1, &spawn, &err), 0);
    const struct scanner_options o = {.kind = kind,
                                      .program = program,
                                      .folder = scratch_path("scan"),
                                      .database = scratch_path("db"),
                                      .scratch_bytes = (uint64_t)1 << 20,
                                      .time_ms = strcmp(mode, "hang") == 0 ? 1500 : 0};
    assert_int_equal(scanner_open(spawn, &o, &scanner, &err), 0);
    spawn_start(spawn);
    assert_int_equal(scanner_start(scanner, blobs_fd, &err), 0);
}

static void close_all(void)
{
    scanner_close(scanner);
    scanner = NULL;
    spawn_close(spawn);
    assert_int_equal(close(blobs_fd), 0);
    scratch_remove();
}

/* ---- jobs ---------------------------------------------------------------------------------- */

struct task {
    struct scanner_job job;
    unsigned order; /* in which it was done; 0: not yet */
};

static void done(struct scanner_job *job)
{
    pg_container_of(job, struct task, job)->order = ++ndone;
}

static void submit_as(struct task *t, const char *digest, bool is_static, enum scanner_turn turn,
                      const char *repo)
{
    struct pg_err err = {0};

    *t = (struct task){.job = {.turn = turn, .is_static = is_static, .done = done, .home = &home}};
    assert_int_equal(digest_parse(sl_str(digest), &t->job.digest, &err), 0);
    (void)snprintf(t->job.repository, sizeof(t->job.repository), "%s", repo);
    scanner_submit(scanner, &t->job);
}

static void submit(struct task *t, const char *digest, enum scanner_turn turn, const char *repo)
{
    submit_as(t, digest, false, turn, repo);
}

static void wait_for(const struct task *t)
{
    while (t->order == 0) {
        assert_int_equal(sem_wait(&rung), 0);
        (void)pg_mailbox_drain(&home);
    }
}

/* One image, scanned by a scanner that was opened for it; *t is to be cleared. */
static void scan(enum scanner_kind kind, const char *mode, const char *digest, struct task *t)
{
    open_all(kind, mode);
    submit(t, digest, SCANNER_AWAITED, "r/app");
    wait_for(t);
}

static void failed(const struct task *t, enum scanner_outcome outcome, const char *why)
{
    assert_int_equal(t->job.outcome, outcome);
    if (strstr(t->job.err.msg, why) == NULL) {
        fail_msg("\"%s\" (%s) does not say \"%s\"", t->job.err.msg,
                 t->job.err.detail != NULL ? t->job.err.detail : "", why);
    }
}

static void clear(struct task *t)
{
    pg_err_clear(&t->job.err);
}

static bool is_there(const char *name)
{
    return access(scratch_path(name), F_OK) == 0;
}

static void good(const struct task *t)
{
    if (t->job.outcome != SCANNER_GOOD) {
        fail_msg("%s (%s)", t->job.err.msg, t->job.err.detail != NULL ? t->job.err.detail : "");
    }
}

/* ---- what it says -------------------------------------------------------------------------- */

static void says_what_it_found(enum scanner_kind kind)
{
    char path[SCANNER_PATH_MAX], whole[SCANNER_PATH_MAX + 8];
    struct task t;

    scan(kind, "", DEBIAN, &t);
    good(&t);
    assert_true(t.job.counts[SEVERITY_CRITICAL] == 1 && t.job.counts[SEVERITY_HIGH] == 1);
    assert_true(t.job.counts[SEVERITY_MEDIUM] == 1 && t.job.counts[SEVERITY_LOW] == 0);
    assert_true(t.job.database_s > 1795417000);
    (void)snprintf(whole, sizeof(whole), "scan/%s", scanner_report_path(&t.job.digest, path));
    assert_true(is_there(whole));
    assert_false(is_there("scan/view/index.json"));
    assert_false(is_there("scan/view/blobs/sha256/" LAYER));
    assert_false(is_there("scan/tmp/left-behind"));
    close_all();
}

TEST(trivy_is_shown_the_image_and_says_what_it_found)
{
    says_what_it_found(SCANNER_TRIVY);
}

TEST(grype_is_shown_the_image_and_says_what_it_found)
{
    says_what_it_found(SCANNER_GRYPE);
}

TEST(grypes_own_sbom_shows_what_it_saw)
{
    struct task t;

    scan(SCANNER_GRYPE, "nothing", DEBIAN, &t);
    good(&t);
    close_all();
    scan(SCANNER_GRYPE, "", CLEAN, &t);
    failed(&t, SCANNER_IMAGE, "saw any package");
    assert_int_equal(t.job.reason, REPORT_NO_PACKAGES);
    clear(&t);
    close_all();
}

TEST(N26_a_static_image_needs_no_packages)
{
    struct task t;

    open_all(SCANNER_TRIVY, "");
    submit(&t, CLEAN, SCANNER_FIRST, "r/app");
    wait_for(&t);
    assert_int_equal(t.job.reason, REPORT_NO_PACKAGES);
    clear(&t);
    submit_as(&t, CLEAN, true, SCANNER_FIRST, "r/app");
    wait_for(&t);
    good(&t);
    close_all();
}

/* ---- how it fails -------------------------------------------------------------------------- */

static void fails(const char *mode, enum scanner_outcome outcome, const char *why)
{
    struct task t;

    scan(SCANNER_TRIVY, mode, DEBIAN, &t);
    failed(&t, outcome, why);
    clear(&t);
    assert_false(is_there("scan/view/index.json"));
    set_mode(""); /* and goes on with the next */
    submit(&t, DEBIAN, SCANNER_FIRST, "r/app");
    wait_for(&t);
    good(&t);
    close_all();
}

TEST(F12_a_scanner_that_hangs_dies_lies_or_does_not_end)
{
    struct task t;

    fails("hang", SCANNER_IMAGE, "took more than 1500 ms");
    fails("die", SCANNER_IMAGE, "ended by a signal");
    fails("error", SCANNER_IMAGE, "exit status 1");
    fails("lie", SCANNER_IMAGE, "it is about the image whose config is sha256:d5192ee1");
    scan(SCANNER_GRYPE, "lie", DEBIAN, &t);
    failed(&t, SCANNER_IMAGE, "it is about " CLEAN ", not " DEBIAN);
    clear(&t);
    close_all();
    fails("cut", SCANNER_IMAGE, "ends too early");
    fails("endless", SCANNER_IMAGE, "wrote more than 33554432 bytes");
    fails("fill", SCANNER_IMAGE, "wrote more than 1048576 bytes of files");
    fails("nothing", SCANNER_IMAGE, "saw any package");
}

TEST(N11_without_a_database_no_image_is_blamed)
{
    fails("no database", SCANNER_OURS, "the scanner's database: it has no vulnerability database");
}

TEST(N11_without_a_program_no_image_is_blamed)
{
    char path[] = "/tmp/pg-scanner-XXXXXX";
    struct task t;
    int fd = mkstemp(path);

    assert_true(fd >= 0 && fchmod(fd, 0700) == 0 && close(fd) == 0);
    program = path;
    open_all(SCANNER_TRIVY, "");
    program = PROGRAM;
    assert_int_equal(unlink(path), 0); /* while it is updated */
    submit(&t, DEBIAN, SCANNER_FIRST, "r/app");
    wait_for(&t);
    failed(&t, SCANNER_OURS, "could not be run");
    clear(&t);
    close_all();
}

TEST(a_program_that_others_can_change_is_not_run)
{
    char path[] = "/tmp/pg-scanner-XXXXXX";
    struct scanner_options o = {.program = path, .folder = "/tmp/x", .database = "/tmp/x"};
    struct pg_err err = {0};
    int fd = mkstemp(path);

    assert_true(fd >= 0 && fchmod(fd, 0777) == 0 && close(fd) == 0);
    assert_int_equal(spawn_open(1, &spawn, &err), 0);
    assert_int_equal(scanner_open(spawn, &o, &scanner, &err), -1);
    assert_non_null(strstr(err.msg, "can be written by others"));
    pg_err_clear(&err);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(scanner_open(spawn, &o, &scanner, &err), -1);
    pg_err_clear(&err);
    spawn_close(spawn);
}

TEST(what_is_not_in_the_store_is_not_scanned)
{
    char path[BLOB_PATH_MAX];
    struct pg_err err = {0};
    struct digest layer;
    struct task t;

    open_all(SCANNER_TRIVY, "");
    assert_int_equal(digest_parse(SL("sha256:" LAYER), &layer, &err), 0);
    assert_int_equal(unlinkat(blobs_fd, blob_path(&layer, path), 0), 0);
    submit(&t, DEBIAN, SCANNER_FIRST, "r/app");
    wait_for(&t);
    failed(&t, SCANNER_OURS, "sha256:" LAYER " is not in the store");
    clear(&t);
    assert_false(is_there("db/runs"));
    close_all();
}

TEST(N11_what_is_no_image_is_not_scanned_and_that_is_its_own_fault)
{
    struct task t;

    scan(SCANNER_TRIVY, "", "sha256:" LAYER, &t);
    failed(&t, SCANNER_IMAGE, "");
    clear(&t);
    assert_false(is_there("db/runs"));
    close_all();
}

TEST(what_a_program_leaves_where_reports_are_written_holds_nothing_up)
{
    struct task t;

    open_all(SCANNER_TRIVY, "");
    assert_int_equal(mkfifo(scratch_path("scan/report.tmp"), 0600), 0);
    submit(&t, DEBIAN, SCANNER_FIRST, "r/app");
    wait_for(&t);
    good(&t);
    close_all();
}

/* ---- whose turn it is ---------------------------------------------------------------------- */

static unsigned nruns(void)
{
    FILE *f = fopen(scratch_path("db/runs"), "r");
    unsigned n = 0;
    char line[128];

    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        n++;
    }
    if (f != NULL) {
        (void)fclose(f);
    }
    return n;
}

static int gate;

/* Returns when that scan is under way, and waits at the gate. */
static void start_gated(struct task *first)
{
    open_all(SCANNER_TRIVY, "gate");
    assert_int_equal(mkfifo(scratch_path("db/gate"), 0600), 0);
    submit(first, DEBIAN, SCANNER_FIRST, "r/first");
    gate = open(scratch_path("db/gate"), O_WRONLY | O_CLOEXEC); /* as soon as it is read */
    assert_true(gate >= 0);
}

/* Those after it pass. */
static void open_gate(void)
{
    set_mode("");
    assert_int_equal(close(gate), 0);
}

TEST(who_is_waited_for_comes_first_and_one_scan_is_for_all)
{
    struct task first, again, fresh, awaited, same;

    start_gated(&first);
    submit_as(&again, CLEAN, true, SCANNER_AGAIN, "r/a"); /* not the same question as the others */
    submit(&fresh, "sha256:" LAYER, SCANNER_FIRST, "r/b");
    submit(&awaited, CLEAN, SCANNER_AWAITED, "r/c");
    submit(&same, DEBIAN, SCANNER_AGAIN, "r/d");
    open_gate();
    wait_for(&again);
    wait_for(&same);
    good(&first);
    good(&same);
    good(&again);
    assert_true(first.order <= 2 && same.order <= 2); /* one scan */
    assert_true(awaited.order < fresh.order && fresh.order < again.order);
    failed(&fresh, SCANNER_IMAGE, "");
    assert_int_equal(nruns(), 3);
    clear(&fresh);
    clear(&awaited);
    close_all();
}

TEST(N11_no_repository_takes_all_places)
{
    static struct task flood[SCANNER_SHARE_MAX + 1];
    struct task first, honest;
    char digest[DIGEST_TEXT_MAX];

    start_gated(&first);
    for (unsigned i = 0; i <= SCANNER_SHARE_MAX; i++) {
        (void)snprintf(digest, sizeof(digest), "sha256:%064x", i + 1);
        submit(&flood[i], digest, SCANNER_AWAITED, "r/flood");
    }
    submit(&honest, CLEAN, SCANNER_AGAIN, "r/honest");
    wait_for(&flood[SCANNER_SHARE_MAX]);
    failed(&flood[SCANNER_SHARE_MAX], SCANNER_OURS, "too many images of this repository");
    open_gate();
    wait_for(&honest); /* although all of the flood came before it */
    assert_true(honest.order <= 2 + 8);
    scanner_close(scanner);
    scanner = NULL;
    (void)pg_mailbox_drain(&home);
    for (unsigned i = 0; i <= SCANNER_SHARE_MAX; i++) {
        assert_int_equal(flood[i].job.outcome, SCANNER_OURS);
        clear(&flood[i]);
    }
    clear(&honest);
    close_all();
}

TEST(closed_in_the_middle_all_are_told)
{
    struct task running, waiting;

    start_gated(&running);
    submit(&waiting, CLEAN, SCANNER_FIRST, "r/b");
    scanner_close(scanner);
    scanner = NULL;
    (void)pg_mailbox_drain(&home);
    failed(&running, SCANNER_OURS, "stopped");
    failed(&waiting, SCANNER_OURS, "stopped");
    open_gate();
    clear(&running);
    clear(&waiting);
    close_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(trivy_is_shown_the_image_and_says_what_it_found),
        RUN(grype_is_shown_the_image_and_says_what_it_found),
        RUN(grypes_own_sbom_shows_what_it_saw),
        RUN(N26_a_static_image_needs_no_packages),
        RUN(F12_a_scanner_that_hangs_dies_lies_or_does_not_end),
        RUN(N11_without_a_database_no_image_is_blamed),
        RUN(N11_without_a_program_no_image_is_blamed),
        RUN(a_program_that_others_can_change_is_not_run),
        RUN(what_is_not_in_the_store_is_not_scanned),
        RUN(N11_what_is_no_image_is_not_scanned_and_that_is_its_own_fault),
        RUN(what_a_program_leaves_where_reports_are_written_holds_nothing_up),
        RUN(who_is_waited_for_comes_first_and_one_scan_is_for_all),
        RUN(N11_no_repository_takes_all_places),
        RUN(closed_in_the_middle_all_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
