/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/scan_read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/hash.h"
#include "cli/print.h"
#include "cli/scan_print.h"
#include "policy/match.h"

#define ARENA_BYTES ((size_t)256 << 20)

struct work {
    const struct command_args *args;
    struct pg_arena arena;
    struct digest digest;
    struct sbom sbom;
    struct waiver_list waivers;
    struct vex vex[SETTLE_VEX_MAX];
    size_t nvex; /* to be freed */
    struct report_want want;
    struct settle_by by;
};

/* They decide nothing yet: whoever may read them may have them explained. */
static int read_file(const char *file, size_t max, struct pg_buf *out)
{
    static char chunk[65536];
    ssize_t n;
    _fd_ int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    pg_buf_init(out, max + 1); /* one more, so that what is too large is told by who reads it */
    while (fd >= 0 && (n = read(fd, chunk, sizeof(chunk))) != 0) {
        size_t room = out->max - out->n;
        if (n < 0) {
            return print_failure("cannot read %s: %s", file, strerror(errno));
        }
        (void)pg_buf_put(out, (struct sl){chunk, (size_t)n < room ? (size_t)n : room});
        if (out->n == out->max) {
            break;
        }
    }
    return fd < 0 ? print_failure("cannot open %s: %s", file, strerror(errno)) : COMMAND_GOOD;
}

static int fail(const char *file, struct pg_err *err)
{
    int rc = file != NULL ? print_failure("%s: %s", file, err->msg) : print_failure("%s", err->msg);

    pg_err_clear(err);
    return rc;
}

/* ---- what the reports are compared with ---------------------------------------------------- */

static int canonical(struct sl text, struct pg_arena *arena, struct sl *pattern_r,
                     struct pg_err *err)
{
    return match_canonical(text, NULL, NULL, arena, pattern_r, err);
}

static int read_sbom(struct work *w, const char *file)
{
    struct pg_err err = {0};
    struct pg_buf text;

    int rc = read_file(file, SBOM_BYTES_MAX, &text);
    if (rc == COMMAND_GOOD && sbom_read(pg_buf_sl(&text), &w->arena, &w->sbom, &err) < 0) {
        rc = fail(file, &err);
    }
    w->want.sbom = &w->sbom;
    pg_buf_free(&text);
    return rc;
}

static int read_waivers(struct work *w, const char *file)
{
    struct pg_err err = {0};
    struct pg_buf text;

    if (w->args->scan.image == NULL) {
        return print_failure("--waivers needs --image, the name by which they know the image, such "
                             "as docker.io/library/debian");
    }
    int rc = read_file(file, WAIVER_BYTES_MAX, &text);
    if (rc == COMMAND_GOOD) {
        rc = waiver_read(file, pg_buf_sl(&text), canonical, &w->arena, &w->waivers, &err) < 0
                 ? fail(NULL, &err)
                 : COMMAND_GOOD;
        w->by.waivers = rc == COMMAND_GOOD ? &w->waivers : NULL;
    }
    pg_buf_free(&text);
    return rc;
}

static int read_vex(struct work *w, const char *file)
{
    struct pg_err err = {0};
    struct pg_buf text;

    if (w->nvex == SETTLE_VEX_MAX) {
        return print_failure("--vex may be given %d times", SETTLE_VEX_MAX);
    }
    int rc = read_file(file, VEX_BYTES_MAX, &text);
    if (rc == COMMAND_GOOD && vex_read(pg_buf_sl(&text), &w->arena, &w->vex[w->nvex], &err) < 0) {
        rc = fail(file, &err);
    } else if (rc == COMMAND_GOOD) {
        w->by.vex[w->by.nvex++] = &w->vex[w->nvex++];
    }
    pg_buf_free(&text);
    return rc;
}

static int prepare(struct work *w)
{
    const struct command_scan *a = &w->args->scan;
    struct pg_err err = {0};
    int rc = COMMAND_GOOD;

    w->want.is_static = a->is_static;
    w->by.now_s = pg_clock_wall_s();
    w->by.aliases_count = true;
    if (a->digest != NULL) {
        if (digest_parse(sl_str(a->digest), &w->digest, &err) < 0) {
            return fail("--digest", &err);
        }
        w->want.digest = w->by.digest = &w->digest;
    }
    if (a->image != NULL &&
        match_canonical(sl_str(a->image), NULL, NULL, &w->arena, &w->by.repository, &err) < 0) {
        return fail("--image", &err);
    }
    if (a->sbom != NULL) {
        rc = read_sbom(w, a->sbom);
    }
    if (rc == COMMAND_GOOD && a->waivers != NULL) {
        rc = read_waivers(w, a->waivers);
    }
    for (size_t i = 0; i < a->vex.n && rc == COMMAND_GOOD; i++) {
        rc = read_vex(w, a->vex.items[i]);
    }
    return rc;
}

/* ---- the reports --------------------------------------------------------------------------- */

static int read_one(struct work *w, const char *name, struct scan_read_file *f)
{
    struct settle_by by = w->by;
    struct pg_buf text;

    f->name = name;
    int rc = read_file(name, REPORT_BYTES_MAX, &text);
    if (rc == COMMAND_GOOD) {
        report_read(pg_buf_sl(&text), &w->want, &w->arena, &f->report);
        if (by.digest == NULL && f->report.ndigests == 1) { /* nobody says that it is another */
            by.digest = &f->report.digests[0];
        }
        settle_report(&f->report, &by, &w->arena, &f->settled);
    }
    pg_buf_free(&text);
    return rc;
}

static int print_all(const struct work *w, const struct scan_read_file *files, size_t n)
{
    struct pg_buf out;
    int rc = COMMAND_GOOD;

    pg_buf_init(&out, SCAN_PRINT_BYTES_MAX);
    if (w->args->json) {
        scan_print_json(files, n, &out);
    } else {
        for (size_t i = 0; i < n; i++) {
            scan_print_text(&files[i], &out);
        }
        scan_print_ending(w->by.waivers, w->by.now_s, &out);
    }
    for (size_t i = 0; i < n; i++) {
        rc = files[i].report.reason != REPORT_GOOD ? COMMAND_FOUND : rc;
    }
    if (out.over) {
        rc = print_failure("there is more to say than %zu MiB", SCAN_PRINT_BYTES_MAX >> 20);
    } else if (print_out(pg_buf_sl(&out)) < 0) {
        rc = COMMAND_CANNOT;
    }
    pg_buf_free(&out);
    return rc;
}

static void done(struct work *w)
{
    for (size_t i = 0; i < w->nvex; i++) {
        vex_free(&w->vex[i]);
    }
    if (w->by.waivers != NULL) {
        waiver_list_free(&w->waivers);
    }
    pg_arena_free(&w->arena);
}

int scan_read_run(const struct command_args *args)
{
    static struct work w;
    size_t n = args->noperands;

    if (n == 0) {
        return print_failure("scan read needs a FILE: a scanner's report");
    }
    pg_hash_setup();
    w = (struct work){.args = args};
    pg_arena_init(&w.arena, ARENA_BYTES);
    struct scan_read_file *files = calloc(n, sizeof(*files));
    PG_CHECK(files != NULL);
    int rc = prepare(&w);
    for (size_t i = 0; i < n && rc == COMMAND_GOOD; i++) {
        rc = read_one(&w, args->operands[i], &files[i]);
    }
    rc = rc == COMMAND_GOOD ? print_all(&w, files, n) : rc;
    free(files);
    done(&w);
    return rc;
}
