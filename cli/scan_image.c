/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/scan_image.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/hash.h"
#include "cli/config.h"
#include "cli/print.h"
#include "cli/show.h"
#include "proxy/admit/scanner.h"

struct work {
    const struct command_args *args;
    char folder[PATH_MAX], blobs[PATH_MAX];
    struct spawn *spawn;
    struct scanner *scanner;
    struct scanner_job job;
    struct pg_mailbox home;
    sem_t rung;
    bool is_done;
};

static int fail(struct pg_err *err)
{
    int rc = err->detail != NULL ? print_failure("%s: %s", err->msg, err->detail)
                                 : print_failure("%s", err->msg);

    pg_err_clear(err);
    return rc;
}

static void wake(struct pg_mailbox *box)
{
    PG_CHECK(sem_post(&((struct work *)box->owner)->rung) == 0);
}

static void on_done(struct scanner_job *job)
{
    pg_container_of(job, struct work, job)->is_done = true;
}

/* ---- what is said -------------------------------------------------------------------------- */

static void put_counts(const struct work *w, bool is_json, struct pg_buf *out)
{
    size_t n = 0;

    for (unsigned i = SEVERITY_N; i-- > 0;) {
        if (is_json) {
            (void)pg_buf_printf(out, "%s\"%s\":%zu", n++ > 0 ? "," : "",
                                severity_word((enum severity)i), w->job.counts[i]);
        } else if (w->job.counts[i] > 0) {
            (void)pg_buf_printf(out, "%s%zu %s", n++ > 0 ? ", " : "", w->job.counts[i],
                                severity_word((enum severity)i));
        }
    }
    if (n == 0) {
        (void)pg_buf_put(out, SL("nothing"));
    }
}

static void put_text(const struct work *w, const char *digest, struct pg_buf *out)
{
    char path[SCANNER_PATH_MAX], when[PG_CLOCK_TEXT_MAX];

    if (w->job.outcome != SCANNER_GOOD) {
        (void)pg_buf_printf(out, "%s: not scanned: ", digest);
        print_put_safe(sl_str(w->job.err.msg), out);
        (void)pg_buf_put(out, SL("\n"));
        return;
    }
    (void)pg_buf_printf(out, "%s: ", digest);
    put_counts(w, false, out);
    (void)pg_buf_printf(out, "\n  database of %.19sZ\n  report in ",
                        pg_clock_rfc3339(w->job.database_s * 1000, when));
    print_put_safe(sl_str(w->folder), out);
    (void)pg_buf_printf(out, "/%s\n", scanner_report_path(&w->job.digest, path));
}

static void put_json(const struct work *w, const char *digest, struct pg_buf *out)
{
    static const char *const outcomes[] = {"good", "ours", "image"};
    bool is_good = w->job.outcome == SCANNER_GOOD;
    char path[SCANNER_PATH_MAX], when[PG_CLOCK_TEXT_MAX];

    (void)pg_buf_printf(out,
                        "{\"digest\":\"%s\",\"outcome\":\"%s\",\"code\":\"%s\",\"reason\":", digest,
                        outcomes[w->job.outcome], report_reason_code(w->job.reason));
    (void)pg_buf_put_json(out, sl_str(is_good ? "" : w->job.err.msg));
    (void)pg_buf_put(out, SL(",\"findings\":{"));
    put_counts(w, true, out);
    (void)pg_buf_put(out, SL("},\"database_time\":"));
    if (w->job.database_s != 0) {
        (void)pg_buf_put_json(out, sl_str(pg_clock_rfc3339(w->job.database_s * 1000, when)));
    } else {
        (void)pg_buf_put(out, SL("null"));
    }
    (void)pg_buf_put(out, SL(",\"report\":"));
    if (is_good) {
        (void)pg_buf_printf(out, "\"scan/%s\"}\n", scanner_report_path(&w->job.digest, path));
    } else {
        (void)pg_buf_put(out, SL("null}\n"));
    }
}

static int tell(struct work *w)
{
    static const int statuses[] = {[SCANNER_GOOD] = COMMAND_GOOD,
                                   [SCANNER_OURS] = COMMAND_CANNOT,
                                   [SCANNER_IMAGE] = COMMAND_FOUND};
    char digest[DIGEST_TEXT_MAX];
    struct pg_buf out;

    (void)digest_write(&w->job.digest, digest);
    if (w->job.outcome == SCANNER_OURS && !w->args->json) {
        return fail(&w->job.err);
    }
    pg_buf_init(&out, PRINT_BYTES_MAX);
    (w->args->json ? put_json : put_text)(w, digest, &out);
    int rc = print_out(pg_buf_sl(&out)) < 0 ? COMMAND_CANNOT : statuses[w->job.outcome];
    pg_buf_free(&out);
    pg_err_clear(&w->job.err);
    return rc;
}

/* ---- what is done -------------------------------------------------------------------------- */

static int scan(struct work *w)
{
    struct pg_err err = {0};
    _fd_ int blobs_fd = open(w->blobs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (blobs_fd < 0) {
        return print_failure("cannot open %s: %s", w->blobs, strerror(errno));
    }
    if (scanner_start(w->scanner, blobs_fd, &err) < 0) {
        return fail(&err);
    }
    w->job.done = on_done;
    w->job.home = &w->home;
    w->job.is_static = w->args->scan.is_static;
    scanner_submit(w->scanner, &w->job);
    while (!w->is_done) {
        while (sem_wait(&w->rung) < 0) {
            PG_CHECK(errno == EINTR);
        }
        (void)pg_mailbox_drain(&w->home);
    }
    return tell(w);
}

static int open_scanner(struct work *w, const struct config *c, struct pg_err *err)
{
    const struct command_scan *a = &w->args->scan;
    const char *slash = strrchr(a->program, '/');
    struct scanner_options o = {.program = a->program,
                                .folder = w->folder,
                                .database = a->database,
                                .reserve_bytes = c->storage_reserve,
                                .is_free = !c->top_sandbox};
    struct sl name = sl_str(slash != NULL ? slash + 1 : a->program);

    if (slash == NULL || a->program[0] != '/' || a->database[0] != '/') {
        return pg_fail(err, PG_E_INTERNAL, "--scanner and --database need absolute paths");
    }
    if (!sl_starts(name, SL("trivy")) && !sl_starts(name, SL("grype"))) {
        return pg_fail(err, PG_E_INTERNAL,
                       "--scanner has to be a program whose name begins with trivy or grype");
    }
    o.kind = sl_starts(name, SL("trivy")) ? SCANNER_TRIVY : SCANNER_GRYPE;
    if (spawn_open(1, &w->spawn, err) < 0 || scanner_open(w->spawn, &o, &w->scanner, err) < 0) {
        return -1;
    }
    spawn_start(w->spawn);
    return 0;
}

static int work(struct work *w, const struct config *c)
{
    struct pg_err err = {0};
    int n = snprintf(w->folder, sizeof(w->folder), "%s/scan", c->storage_path);
    int m = snprintf(w->blobs, sizeof(w->blobs), "%s/blobs", c->storage_path);

    if (n < 0 || m < 0 || (size_t)m >= sizeof(w->blobs)) {
        return print_failure("storage.path is too long");
    }
    if (digest_parse(sl_str(w->args->operands[0]), &w->job.digest, &err) < 0) {
        return fail(&err);
    }
    PG_CHECK(sem_init(&w->rung, 0, 0) == 0);
    pg_mailbox_init(&w->home, wake, w);
    int rc = open_scanner(w, c, &err) < 0 ? fail(&err) : scan(w);
    scanner_close(w->scanner);
    if (w->spawn != NULL) {
        spawn_close(w->spawn);
    }
    (void)sem_destroy(&w->rung);
    return rc;
}

int scan_image_run(const struct command_args *args)
{
    static struct work w;
    struct config_load load;
    struct pg_err err = {0};

    if (args->noperands != 1 || args->scan.program == NULL || args->scan.database == NULL) {
        return print_failure("scan image needs a DIGEST, --scanner and --database");
    }
    w = (struct work){.args = args};
    pg_hash_setup();
    int rc = config_load(args->config_file, &load, &err);
    rc = rc != 0 ? show_refusal(rc, &load, &err) : work(&w, &load.config);
    config_load_free(&load);
    return rc;
}
