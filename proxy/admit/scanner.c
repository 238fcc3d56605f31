/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admit/scanner.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/guarded.h"
#include "cache/dir.h"
#include "proxy/admit/view.h"

#define CPU_S          600
#define FILES          1024
#define PROBE_MS       60000
#define PROBE_BYTES    ((size_t)64 << 10)
#define LATER_EACH     4 /* one of so many scans is of a later turn */
#define ARGV_MAX       16
#define ENV_MAX        8
#define TEXT_MAX       (PATH_MAX + 64)
#define SBOM_NAME      "tmp/sbom.json"
#define BLOCK          512 /* of st_blocks */
#define TEMPORARY_NAME "report.tmp"
#define SWEEP_S        86400

/* What is run: its texts are the scanner's. */
struct command {
    char texts[ARGV_MAX][TEXT_MAX];
    const char *argv[ARGV_MAX + 1];
    size_t n;
};

struct heard {
    scanner_heard_fn *fn;
    void *owner;
};

struct bounds {
    unsigned time_ms;
    uint64_t scratch_bytes, reserve_bytes;
    int64_t keep_s, swept_s; /* swept: when old reports were last looked for */
};

struct scanner {
    enum scanner_kind kind;
    struct bounds bounds;
    char folder[PATH_MAX], temporary[TEXT_MAX];
    struct command probe, scan;
    char env_texts[ENV_MAX][TEXT_MAX];
    const char *env[ENV_MAX + 1];
    struct heard heard;
    struct spawn *spawn;
    int blobs_fd, folder_fd, lock_fd, view_fd;
    pthread_t thread;
    bool has_thread, is_stopping;
    sem_t rung;
    struct pg_mailbox box;
    struct pg_mail stop;
    struct pg_list waiting[SCANNER_TURNS];
    unsigned nwaiting, nscans;
    struct spawn_request rq;
    bool is_running;
};

/* ---- what is run --------------------------------------------------------------------------- */

static void add(struct command *c, const char *fmt, ...) PG_PRINTF(2, 3);

static void add(struct command *c, const char *fmt, ...)
{
    va_list args;

    PG_CHECK(c->n < ARGV_MAX);
    va_start(args, fmt);
    int n = vsnprintf(c->texts[c->n], TEXT_MAX, fmt, args);
    va_end(args);
    PG_CHECK(n >= 0 && n < TEXT_MAX);
    c->argv[c->n] = c->texts[c->n];
    c->n++;
}

static void set_env(struct scanner *s, size_t i, const char *name, const char *value)
{
    int n = snprintf(s->env_texts[i], TEXT_MAX, "%s=%s", name, value);

    PG_CHECK(n >= 0 && n < TEXT_MAX && i < ENV_MAX);
    s->env[i] = s->env_texts[i];
}

/* No network: it uses the database that it has. An unknown variable is no error for an older one,
 * an unknown option would be. */
static void say_trivy(struct scanner *s, const struct scanner_options *o)
{
    add(&s->probe, "%s", o->program);
    add(&s->probe, "version");
    add(&s->probe, "--format=json");
    add(&s->scan, "%s", o->program);
    add(&s->scan, "image");
    add(&s->scan, "--input=%s/view", o->folder);
    add(&s->scan, "--format=json");
    add(&s->scan, "--scanners=vuln");
    add(&s->scan, "--list-all-pkgs");
    add(&s->scan, "--skip-db-update");
    add(&s->scan, "--skip-java-db-update");
    add(&s->scan, "--offline-scan");
    add(&s->scan, "--quiet");
    set_env(s, 0, "TRIVY_CACHE_DIR", o->database);
    set_env(s, 1, "TRIVY_SKIP_VERSION_CHECK", "true");
    set_env(s, 2, "TRIVY_DISABLE_TELEMETRY", "true");
    set_env(s, 3, "HOME", s->temporary);
    set_env(s, 4, "TMPDIR", s->temporary);
}

/* Its JSON lists no packages; its SBOM does, of the same run. */
static void say_grype(struct scanner *s, const struct scanner_options *o)
{
    add(&s->probe, "%s", o->program);
    add(&s->probe, "db");
    add(&s->probe, "status");
    add(&s->probe, "--output=json");
    add(&s->scan, "%s", o->program);
    add(&s->scan, "oci-dir:%s/view", o->folder);
    add(&s->scan, "--output=json");
    add(&s->scan, "--output=cyclonedx-json=%s/" SBOM_NAME, o->folder);
    add(&s->scan, "--quiet");
    set_env(s, 0, "GRYPE_DB_CACHE_DIR", o->database);
    set_env(s, 1, "GRYPE_DB_AUTO_UPDATE", "false");
    set_env(s, 2, "GRYPE_DB_VALIDATE_AGE", "false");
    set_env(s, 3, "GRYPE_CHECK_FOR_APP_UPDATE", "false");
    set_env(s, 4, "HOME", s->temporary);
    set_env(s, 5, "TMPDIR", s->temporary);
}

static int permit(struct scanner *s, const struct scanner_options *o, struct pg_err *err)
{
    char view[TEXT_MAX];
    const char *const reads[] = {view, NULL}, *const writes[] = {s->temporary, o->database, NULL};
    const struct spawn_cage cage = {.reads = reads, .writes = writes};

    (void)snprintf(view, sizeof(view), "%s/view", s->folder);
    if (o->is_free) {
        return spawn_permit(s->spawn, s->probe.argv, s->env, err) < 0 ||
                       spawn_permit(s->spawn, s->scan.argv, s->env, err) < 0
                   ? -1
                   : 0;
    }
    if (!spawn_can_cage()) {
        return pg_fail(err, PG_E_UNSUPPORTED,
                       "scanners are not run on a kernel without Landlock (Linux 5.13): an image "
                       "that takes one over could write in the store; sandbox: false runs them "
                       "all the same");
    }
    return spawn_permit_caged(s->spawn, s->probe.argv, s->env, &cage, err) < 0 ||
                   spawn_permit_caged(s->spawn, s->scan.argv, s->env, &cage, err) < 0
               ? -1
               : 0;
}

int scanner_open(struct spawn *spawn, const struct scanner_options *o, struct scanner **s_r,
                 struct pg_err *err)
{
    _fd_ int program = pg_guarded_open(o->program, PG_GUARDED_PUBLIC, err);
    struct scanner *s;

    if (program < 0) {
        return pg_wrap(err, "the scanner");
    }
    s = calloc(1, sizeof(*s));
    PG_CHECK(s != NULL);
    *s = (struct scanner){
        .kind = o->kind, .spawn = spawn, .folder_fd = -1, .lock_fd = -1, .view_fd = -1};
    s->bounds.time_ms = o->time_ms > 0 ? o->time_ms : SCANNER_TIME_MS;
    s->bounds.scratch_bytes = o->scratch_bytes > 0 ? o->scratch_bytes : SCANNER_SCRATCH_BYTES;
    s->bounds.reserve_bytes = o->reserve_bytes;
    s->bounds.keep_s = o->keep_s;
    s->heard = (struct heard){o->heard, o->owner};
    for (size_t i = 0; i < SCANNER_TURNS; i++) {
        pg_list_init(&s->waiting[i]);
    }
    if (strlen(o->program) >= PATH_MAX || strlen(o->folder) >= PATH_MAX ||
        strlen(o->database) >= PATH_MAX) {
        free(s);
        return pg_fail(err, PG_E_INTERNAL, "a path of the scanner is too long");
    }
    (void)snprintf(s->folder, sizeof(s->folder), "%s", o->folder);
    (void)snprintf(s->temporary, sizeof(s->temporary), "%s/tmp", o->folder);
    (o->kind == SCANNER_TRIVY ? say_trivy : say_grype)(s, o);
    if (permit(s, o, err) < 0) {
        free(s);
        return -1;
    }
    *s_r = s;
    return 0;
}

/* ---- jobs ---------------------------------------------------------------------------------- */

static void deliver_done(struct pg_mail *mail)
{
    struct scanner_job *job = pg_container_of(mail, struct scanner_job, mail);

    job->done(job);
}

static void finish(struct scanner_job *job)
{
    job->mail.deliver = deliver_done;
    pg_mailbox_post(job->home, &job->mail);
}

static void refuse(struct scanner_job *job, enum pg_ekind kind, const char *why)
{
    job->outcome = SCANNER_OURS;
    (void)pg_fail(&job->err, kind, "%s", why);
    finish(job);
}

static unsigned count_of(struct scanner *s, const char *repository)
{
    unsigned n = 0;

    for (size_t i = 0; i < SCANNER_TURNS; i++) {
        pg_list_each_safe (it, tmp, &s->waiting[i]) {
            const struct scanner_job *job = pg_container_of(it, struct scanner_job, link);
            n += strcmp(job->repository, repository) == 0;
        }
    }
    return n;
}

static void on_submit(struct pg_mail *mail)
{
    struct scanner_job *job = pg_container_of(mail, struct scanner_job, mail);
    struct scanner *s = job->scanner;

    if (s->is_stopping) {
        refuse(job, PG_E_CANCELED, "the scanner is being stopped");
    } else if (s->nwaiting == SCANNER_WAITING_MAX) {
        refuse(job, PG_E_TOO_MANY_REQUESTS, "too many images are waiting for a scan");
    } else if (count_of(s, job->repository) == SCANNER_SHARE_MAX) {
        refuse(job, PG_E_TOO_MANY_REQUESTS,
               "too many images of this repository are waiting for a scan");
    } else {
        pg_list_push(&s->waiting[job->turn], &job->link);
        s->nwaiting++;
    }
}

void scanner_submit(struct scanner *s, struct scanner_job *job)
{
    PG_CHECK(job->turn < SCANNER_TURNS && memchr(job->repository, '\0', SCANNER_REPO_MAX) != NULL);
    job->scanner = s;
    job->err = (struct pg_err){0};
    pg_list_init(&job->link);
    job->mail.deliver = on_submit;
    pg_mailbox_post(&s->box, &job->mail);
}

struct hurry {
    struct pg_mail mail;
    struct scanner *scanner;
    struct digest digest;
};

static void on_hurry(struct pg_mail *mail)
{
    struct hurry *h = pg_container_of(mail, struct hurry, mail);

    for (size_t i = SCANNER_AWAITED + 1; i < SCANNER_TURNS; i++) {
        pg_list_each_safe (it, tmp, &h->scanner->waiting[i]) {
            struct scanner_job *job = pg_container_of(it, struct scanner_job, link);
            if (digest_eq(&job->digest, &h->digest)) {
                pg_list_remove(&job->link);
                pg_list_push(&h->scanner->waiting[SCANNER_AWAITED], &job->link);
            }
        }
    }
    free(h);
}

void scanner_hurry(struct scanner *s, const struct digest *d)
{
    struct hurry *h = calloc(1, sizeof(*h));

    PG_CHECK(h != NULL);
    *h = (struct hurry){.mail = {.deliver = on_hurry}, .scanner = s, .digest = *d};
    pg_mailbox_post(&s->box, &h->mail);
}

static void take(struct scanner *s, struct scanner_job *job)
{
    pg_list_remove(&job->link);
    s->nwaiting--;
}

/* The first of the first turn that has any; each fourth time one of the later turns is looked at
 * before the others. */
static struct scanner_job *next_job(struct scanner *s)
{
    static const enum scanner_turn later[] = {SCANNER_FIRST, SCANNER_AGAIN};
    struct scanner_job *job = NULL;
    size_t first = s->nscans % LATER_EACH == LATER_EACH - 1 ? later[s->nscans / LATER_EACH % 2] : 0;

    for (size_t i = 0; i <= SCANNER_TURNS && job == NULL; i++) {
        const struct pg_list *list = &s->waiting[i == 0 ? first : i - 1];
        if (!pg_list_empty(list)) {
            job = pg_container_of(list->next, struct scanner_job, link);
        }
    }
    if (job != NULL) {
        take(s, job);
        s->nscans++;
    }
    return job;
}

/* What was found is so for all who asked the same. */
static void finish_same(struct scanner *s, struct scanner_job *job)
{
    for (size_t i = 0; i < SCANNER_TURNS; i++) {
        pg_list_each_safe (it, tmp, &s->waiting[i]) {
            struct scanner_job *other = pg_container_of(it, struct scanner_job, link);
            if (!digest_eq(&other->digest, &job->digest) || other->is_static != job->is_static) {
                continue;
            }
            take(s, other);
            other->outcome = job->outcome;
            other->reason = job->reason;
            other->database_s = job->database_s;
            other->began_ms = job->began_ms;
            memcpy(other->counts, job->counts, sizeof(other->counts));
            pg_err_copy(&other->err, &job->err);
            finish(other);
        }
    }
    finish(job);
}

/* ---- the program --------------------------------------------------------------------------- */

static void on_ran(struct spawn_request *rq)
{
    pg_container_of(rq, struct scanner, rq)->is_running = false;
}

static void wait_for_mail(struct scanner *s)
{
    while (sem_wait(&s->rung) < 0) {
        PG_CHECK(errno == EINTR);
    }
    (void)pg_mailbox_drain(&s->box);
}

/* ---- what it writes ------------------------------------------------------------------------ */

static _Thread_local uint64_t counted;

static int count_one(const char *path, const struct stat *st, int what, struct FTW *where)
{
    (void)path;
    (void)what;
    (void)where;
    counted += (uint64_t)st->st_blocks * BLOCK;
    return 0;
}

/* A helper that fills the disk is ended. */
static void look_at_scratch(struct scanner *s, struct pg_err *err)
{
    struct statvfs fs;

    if (err->kind != PG_E_NONE) {
        return;
    }
    counted = 0;
    (void)nftw(s->temporary, count_one, 8, FTW_PHYS | FTW_MOUNT);
    if (counted > s->bounds.scratch_bytes) {
        (void)pg_fail(err, PG_E_INTERNAL, "the scanner wrote more than %llu bytes of files",
                      (unsigned long long)s->bounds.scratch_bytes);
    } else if (s->bounds.reserve_bytes > 0 && fstatvfs(s->folder_fd, &fs) == 0 &&
               (uint64_t)fs.f_bavail * fs.f_frsize < s->bounds.reserve_bytes) {
        (void)pg_fail(err, PG_E_STORE_IO, "the disk is full: the scanner was ended");
    }
    if (err->kind != PG_E_NONE) {
        spawn_stop(s->spawn, &s->rq);
    }
}

/* False: nothing came for a moment. */
static bool wait_a_moment(struct scanner *s)
{
    struct timespec until;

    PG_CHECK(clock_gettime(CLOCK_REALTIME, &until) == 0); /* as sem_timedwait() wants it */
    until.tv_nsec += SCANNER_LOOK_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    while (sem_timedwait(&s->rung, &until) < 0) {
        PG_CHECK(errno == EINTR || errno == ETIMEDOUT);
        if (errno == ETIMEDOUT) {
            return false;
        }
    }
    (void)pg_mailbox_drain(&s->box);
    return true;
}

/* 0: it ended with exit status 0; its output is in s->rq, to be freed in any case. */
static int run(struct scanner *s, const struct command *c, unsigned time_ms, size_t output_bytes,
               struct pg_err *err)
{
    s->rq = (struct spawn_request){.argv = c->argv,
                                   .limits = {.time_ms = time_ms,
                                              .cpu_s = CPU_S,
                                              .memory_bytes = SCANNER_MEMORY_BYTES,
                                              .files = FILES,
                                              .output_bytes = output_bytes},
                                   .done = on_ran,
                                   .home = &s->box};
    if (s->is_stopping) { /* told when the one before had just ended */
        return pg_fail(err, PG_E_CANCELED, "the scanner is being stopped");
    }
    s->is_running = true;
    spawn_submit(s->spawn, &s->rq);
    while (s->is_running) {
        if (!wait_a_moment(s)) {
            look_at_scratch(s, err);
        }
    }
    if (err->kind != PG_E_NONE) {
        return -1;
    }
    if (s->rq.err.kind != PG_E_NONE) {
        pg_err_move(err, &s->rq.err);
        return pg_wrap(err, "the scanner");
    }
    if (s->rq.exit_code != 0) {
        (void)pg_fail(err, PG_E_INTERNAL, "the scanner ended with exit status %d", s->rq.exit_code);
        return pg_detail(err, "%.*s", (int)s->rq.ntail, s->rq.tail);
    }
    return 0;
}

static int look_at_database(struct scanner *s, struct pg_arena *arena, struct report_scanner *by,
                            struct pg_err *err)
{
    int rc = run(s, &s->probe, PROBE_MS, PROBE_BYTES, err);

    if (rc == 0) {
        rc = (s->kind == SCANNER_TRIVY ? report_trivy_database : report_grype_database)(
            pg_buf_sl(&s->rq.output), arena, by, err);
        rc = rc < 0 ? pg_wrap(err, "the scanner's database") : 0;
    }
    spawn_request_free(&s->rq);
    return rc;
}

/* ---- its report ---------------------------------------------------------------------------- */

const char *scanner_report_path(const struct digest *d, char out[SCANNER_PATH_MAX])
{
    char text[DIGEST_TEXT_MAX];
    const char *hex = strchr(digest_write(d, text).p, ':') + 1;

    (void)snprintf(out, SCANNER_PATH_MAX, "reports/%s-%s.json", digest_alg_name(d->alg), hex);
    return out;
}

static int keep(struct scanner *s, const struct digest *d, struct sl report, struct pg_err *err)
{
    char path[SCANNER_PATH_MAX] = TEMPORARY_NAME;

    (void)unlinkat(s->folder_fd, path, 0); /* the program may have put anything there */
    _fd_ int fd =
        openat(s->folder_fd, TEMPORARY_NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0 || pg_fd_write(fd, report.p, report.n) < 0 ||
        renameat(s->folder_fd, TEMPORARY_NAME, s->folder_fd, scanner_report_path(d, path)) < 0) {
        (void)pg_fail(err, PG_E_STORE_IO, "the report of the scanner cannot be kept");
        return pg_detail(err, "%s: errno %d", path, errno);
    }
    return 0;
}

/* Once a day: of images that nobody asks for any more. */
static void sweep(struct scanner *s)
{
    int64_t now_s = pg_clock_wall_s();
    struct dirent *e;
    struct stat st;
    DIR *dir;
    int fd;

    if (s->bounds.keep_s == 0 ||
        (s->bounds.swept_s <= now_s && now_s - s->bounds.swept_s < SWEEP_S)) {
        return;
    }
    s->bounds.swept_s = now_s;
    fd = openat(s->folder_fd, "reports", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        pg_fd_close(&fd);
        return;
    }
    while ((e = readdir(dir)) != NULL) {
        if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
            now_s - st.st_mtime >= s->bounds.keep_s) {
            (void)unlinkat(dirfd(dir), e->d_name, 0);
        }
    }
    (void)closedir(dir);
}

/* Grype's list of what it saw. 1; 0: it wrote none that can be used. */
static int read_sbom(const struct scanner *s, struct pg_arena *arena, struct sbom *sbom_r)
{
    struct pg_err err = {0};
    struct stat st;
    int rc = 0;
    _fd_ int fd = openat(s->folder_fd, SBOM_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
        (uint64_t)st.st_size > SBOM_BYTES_MAX) {
        return 0;
    }
    char *text = malloc((size_t)st.st_size + 1);
    PG_CHECK(text != NULL);
    if (pg_fd_pread(fd, text, (size_t)st.st_size, 0) == 0) {
        rc = sbom_read((struct sl){text, (size_t)st.st_size}, arena, sbom_r, &err) == 0;
    }
    free(text);
    pg_err_clear(&err);
    return rc;
}

/* One scan. */
struct work {
    struct scanner_job *job;
    struct view_image image;
    struct report_scanner by; /* as it says of its database */
    struct pg_arena arena;
    struct report report;
    struct sbom sbom;
};

static void judge(struct scanner *s, struct work *w)
{
    struct scanner_job *job = w->job;
    struct report_want want = {.digest = &job->digest,
                               .config = w->image.has_config ? &w->image.config : NULL,
                               .is_static = job->is_static};
    struct sl bytes = pg_buf_sl(&s->rq.output);
    struct report *r = &w->report;

    if (s->kind == SCANNER_GRYPE && read_sbom(s, &w->arena, &w->sbom)) {
        w->sbom.has_digest = false; /* of the view, whose only image it is */
        want.sbom = job->sbom = &w->sbom;
    }
    report_read(bytes, &want, &w->arena, r);
    if (r->scanner.database_s == 0) { /* Trivy's does not say */
        r->scanner.database = w->by.database;
        r->scanner.database_s = w->by.database_s;
    }
    job->reason = r->reason;
    for (size_t i = 0; i < SEVERITY_N; i++) {
        job->counts[i] = r->counts[i] + r->suppressed[i];
    }
    if (r->reason == REPORT_DATABASE) {
        job->outcome = SCANNER_OURS;
    }
    if (r->reason != REPORT_GOOD) {
        (void)pg_fail(&job->err, PG_E_UPSTREAM_WRONG, "the report does not count: " SL_FMT,
                      SL_ARG(r->why));
        return;
    }
    job->outcome = SCANNER_GOOD;
    sweep(s);
    if (keep(s, &job->digest, bytes, &job->err) < 0) {
        job->outcome = SCANNER_OURS;
    }
}

static int remove_one(const char *path, const struct stat *st, int what, struct FTW *where)
{
    (void)st;
    (void)what;
    if (where->level > 0) {
        (void)remove(path);
    }
    return 0;
}

/* What the program left where it keeps temporary files; more, if it was killed. */
static void clear_temporary(const struct scanner *s)
{
    (void)nftw(s->temporary, remove_one, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static void scan_shown(struct scanner *s, struct work *w)
{
    struct scanner_job *job = w->job;
    int rc = run(s, &s->scan, s->bounds.time_ms, REPORT_BYTES_MAX, &job->err);
    bool is_ours =
        rc < 0 && (job->err.kind == PG_E_CANCELED || !spawn_is_alive(s->spawn) ||
                   job->err.kind == PG_E_TOO_MANY_REQUESTS || job->err.kind == PG_E_STORE_IO);

    job->outcome = is_ours ? SCANNER_OURS : SCANNER_IMAGE;
    if (rc == 0) {
        judge(s, w);
    }
    spawn_request_free(&s->rq);
    view_clear(s->view_fd);
}

static void scan(struct scanner *s, struct scanner_job *job)
{
    struct work w = {.job = job};

    pg_arena_init(&w.arena, REPORT_ARENA_BYTES + SBOM_ARENA_BYTES);
    job->outcome = SCANNER_OURS;
    job->began_ms = pg_clock_mono_ms();
    if (view_show(s->view_fd, s->blobs_fd, &job->digest, &w.image, &job->err) < 0) {
        if (job->err.kind == PG_E_UPSTREAM_WRONG) {
            job->outcome = SCANNER_IMAGE; /* whoever pushed it says what cannot be scanned */
        }
    } else if (look_at_database(s, &w.arena, &w.by, &job->err) == 0) {
        job->database_s = w.by.database_s;
        scan_shown(s, &w);
    }
    view_clear(s->view_fd);
    if (s->heard.fn != NULL) {
        s->heard.fn(s->heard.owner, job, job->outcome == SCANNER_GOOD ? &w.report : NULL);
    }
    job->sbom = NULL;
    clear_temporary(s);
    pg_arena_free(&w.arena);
}

/* ---- the thread ---------------------------------------------------------------------------- */

static void on_stop(struct pg_mail *mail)
{
    struct scanner *s = pg_container_of(mail, struct scanner, stop);

    s->is_stopping = true;
    if (s->is_running) {
        spawn_stop(s->spawn, &s->rq);
    }
}

static void wake(struct pg_mailbox *box)
{
    struct scanner *s = box->owner;

    PG_CHECK(sem_post(&s->rung) == 0);
}

static void *work(void *context)
{
    struct scanner *s = context;
    struct scanner_job *job;

    (void)pthread_setname_np(pthread_self(), "pg-scan");
    while (!s->is_stopping) {
        job = next_job(s);
        if (job == NULL) {
            wait_for_mail(s);
            continue;
        }
        scan(s, job);
        finish_same(s, job);
    }
    while ((job = next_job(s)) != NULL) {
        refuse(job, PG_E_CANCELED, "the scanner is being stopped");
    }
    return NULL;
}

static int open_folders(struct scanner *s, struct pg_err *err)
{
    _fd_ int reports = -1, tmp = -1;
    char view[PATH_MAX + 8];

    if (dir_open(s->folder, true, &s->folder_fd, err) < 0 ||
        dir_lock(s->folder_fd, s->folder, &s->lock_fd, err) < 0 ||
        dir_open_sub(s->folder_fd, s->folder, "reports", true, &reports, err) < 0 ||
        dir_open_sub(s->folder_fd, s->folder, "tmp", true, &tmp, err) < 0) {
        return -1;
    }
    (void)snprintf(view, sizeof(view), "%s/view", s->folder);
    return view_open(view, &s->view_fd, err);
}

int scanner_start(struct scanner *s, int blobs_fd, struct pg_err *err)
{
    sigset_t all, before;

    s->blobs_fd = blobs_fd;
    if (open_folders(s, err) < 0) {
        return -1;
    }
    view_clear(s->view_fd); /* of a process that was killed */
    PG_CHECK(sem_init(&s->rung, 0, 0) == 0);
    pg_mailbox_init(&s->box, wake, s);
    PG_CHECK(sigfillset(&all) == 0 && pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    PG_CHECK(pthread_create(&s->thread, NULL, work, s) == 0);
    PG_CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    s->has_thread = true;
    return 0;
}

void scanner_close(struct scanner *s)
{
    if (s == NULL) {
        return;
    }
    if (s->has_thread) {
        s->stop.deliver = on_stop;
        pg_mailbox_post(&s->box, &s->stop);
        PG_CHECK(pthread_join(s->thread, NULL) == 0);
        (void)pg_mailbox_drain(&s->box); /* who came too late is told so */
        (void)sem_destroy(&s->rung);
    }
    pg_fd_close(&s->view_fd);
    pg_fd_close(&s->lock_fd);
    pg_fd_close(&s->folder_fd);
    free(s);
}
