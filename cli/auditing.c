/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/auditing.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "audit/examine.h"
#include "audit/volume.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/guarded.h"
#include "base/hash.h"
#include "base/json.h"
#include "cli/config.h"
#include "cli/ledger.h"
#include "cli/print.h"
#include "cli/show.h"

#define FINDINGS_MAX 1000 /* more are counted only */
#define KEY_MAX      ((size_t)16384)
#define LOOKS_MAX    20 /* at a log of which segments expire meanwhile */

/* ---- where it is --------------------------------------------------------------------------- */

static int open_dir(const char *path, int *dir_fd_r)
{
    *dir_fd_r = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*dir_fd_r < 0) {
        return print_failure("cannot open the audit log %s: %s", path, strerrordesc_np(errno));
    }
    return COMMAND_GOOD;
}

int auditing_open(const struct command_args *args, int *dir_fd_r)
{
    struct config_load load;
    struct pg_err err = {0};

    pg_hash_setup();
    if (args->noperands > 1) {
        return print_failure("there is one audit log: DIR");
    }
    if (args->noperands == 1) {
        return open_dir(args->operands[0], dir_fd_r);
    }
    int rc = config_load(args->config_file, &load, &err);
    if (rc != 0) {
        rc = show_refusal(rc, &load, &err);
    } else {
        char *path = ledger_path(&load.config);
        rc = open_dir(path, dir_fd_r);
        free(path);
    }
    config_load_free(&load);
    return rc;
}

/* A small file of it, or of the path that is given. */
static int read_small(int dir_fd, const char *name, struct pg_buf *out)
{
    struct pg_err err = {0};
    int rc = volume_read(dir_fd, name, out, &err) < 0 ? print_failure("%s", err.msg) : COMMAND_GOOD;

    pg_err_clear(&err);
    return rc;
}

static struct sl first_line(const struct pg_buf *b)
{
    struct sl all = pg_buf_sl(b);
    const char *end = memchr(all.p, '\n', all.n);

    return end != NULL ? (struct sl){all.p, (size_t)(end - all.p)} : all;
}

/* ---- verify -------------------------------------------------------------------------------- */

struct verification {
    const struct command_args *args;
    struct examine examine;
    struct pg_buf out;
    bool has_head; /* a file of the log's directory */
};

static void on_finding(void *arg, const struct examine_finding *f)
{
    struct verification *v = arg;

    if (v->examine.findings > FINDINGS_MAX) {
        return;
    }
    if (v->args->json) {
        (void)pg_buf_printf(&v->out, "%s{\"segment\":%" PRIu32 ",\"line\":%" PRIu64 ",\"what\":",
                            v->examine.findings > 1 ? "," : "", f->segment, f->line);
        (void)pg_buf_put_json(&v->out, sl_str(f->what));
        (void)pg_buf_put(&v->out, SL("}"));
        return;
    }
    if (f->segment > 0) {
        (void)pg_buf_printf(&v->out, "segment %" PRIu32, f->segment);
    }
    if (f->line > 0) {
        (void)pg_buf_printf(&v->out, ", line %" PRIu64, f->line);
    }
    (void)pg_buf_put(&v->out, f->segment > 0 ? SL(": ") : SL(""));
    print_put_safe(sl_str(f->what), &v->out);
    (void)pg_buf_put(&v->out, SL("\n"));
}

/* The key that lies beside the log, and the heads: that of the log, and those that were kept. */
static int read_key(struct verification *v, int dir_fd)
{
    struct pg_err err = {0};
    struct pg_buf pem;
    uint8_t key[SEAL_KEY];

    pg_buf_init(&pem, KEY_MAX);
    int rc = read_small(dir_fd, "key.pub", &pem);
    if (rc == COMMAND_GOOD && seal_read_key(pg_buf_sl(&pem), key, &err) < 0) {
        rc = print_failure("key.pub: %s", err.msg);
    }
    pg_err_clear(&err);
    pg_buf_free(&pem);
    examine_init(&v->examine, key, on_finding, v);
    return rc;
}

/* A head as a sink got it has an id in front, which is not of it. */
static struct sl less_id(struct sl head, struct pg_buf *of)
{
    const char *comma = memchr(head.p, ',', head.n);

    if (!sl_starts(head, SL("{\"id\":\"head-")) || comma == NULL) {
        return head;
    }
    size_t n = (size_t)(comma - head.p);
    of->p[n] = '{';
    return (struct sl){of->p + n, head.n - n};
}

static int expect(struct verification *v, int dir_fd, const char *name)
{
    struct pg_err err = {0};
    struct pg_buf text;

    pg_buf_init(&text, ENTRY_LINE_MAX);
    int rc = read_small(dir_fd, name, &text);
    if (rc == COMMAND_GOOD &&
        examine_expect(&v->examine, less_id(first_line(&text), &text), &err) < 0) {
        rc = print_failure("%s: %s", name, err.msg);
    }
    pg_err_clear(&err);
    pg_buf_free(&text);
    return rc;
}

static int read_heads(struct verification *v, int dir_fd)
{
    const struct command_list *heads = &v->args->audit.heads;
    int rc = COMMAND_GOOD;

    v->has_head = faccessat(dir_fd, "head", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    if (v->has_head) {
        rc = expect(v, dir_fd, "head");
    }
    for (size_t i = 0; rc == COMMAND_GOOD && i < heads->n; i++) {
        rc = expect(v, AT_FDCWD, heads->items[i]);
    }
    return rc;
}

/* COMMAND_GOOD; *is_gone_r: a segment expired meanwhile. */
static int read_segments(struct verification *v, int dir_fd, const struct volume_list *list,
                         bool *is_gone_r)
{
    struct pg_err err = {0};
    struct pg_buf bytes;
    int found = 1;

    pg_buf_init(&bytes, VOLUME_READ_MAX);
    for (size_t i = 0; found > 0 && i < list->n; i++) {
        found = volume_read_segment(dir_fd, list->numbers[i], &bytes, &err);
        if (found > 0) {
            examine_segment(&v->examine, list->numbers[i], pg_buf_sl(&bytes), i + 1 == list->n);
        }
    }
    pg_buf_free(&bytes);
    *is_gone_r = found == 0;
    int rc = found < 0 ? print_failure("%s", err.msg) : COMMAND_GOOD;
    pg_err_clear(&err);
    return rc;
}

static int list_segments(int dir_fd, struct volume_list *list_r)
{
    struct pg_err err = {0};
    int rc = volume_list(dir_fd, list_r, &err) < 0 ? print_failure("%s", err.msg) : COMMAND_GOOD;

    pg_err_clear(&err);
    return rc;
}

static int print_result(struct verification *v)
{
    const struct examine *x = &v->examine;

    if (v->args->json) {
        (void)pg_buf_printf(&v->out,
                            "],\"found\":%" PRIu64 ",\"entries\":%" PRIu64 ",\"segments\":%" PRIu64
                            ",\"last\":%" PRIu64 ",\"torn_bytes\":%" PRIu64 "}\n",
                            x->findings, x->entries, x->segments, x->seq, x->torn_bytes);
    } else {
        if (x->torn_bytes > 0) {
            (void)pg_buf_printf(&v->out,
                                "its last entry is not whole: it is being written, or a crash "
                                "tore it (%" PRIu64 " bytes)\n",
                                x->torn_bytes);
        }
        (void)pg_buf_printf(&v->out,
                            "looked at %" PRIu64 " entries in %" PRIu64 " segments: ", x->entries,
                            x->segments);
        if (x->findings == 0) {
            (void)pg_buf_printf(&v->out, "it is as it was written, up to entry %" PRIu64 "\n",
                                x->seq);
        } else {
            (void)pg_buf_printf(&v->out, "%" PRIu64 " finding%s\n", x->findings,
                                print_s(x->findings));
        }
    }
    if (print_out(pg_buf_sl(&v->out)) < 0) {
        return COMMAND_CANNOT;
    }
    return x->findings > 0 ? COMMAND_FOUND : COMMAND_GOOD;
}

/* What the heads are of is read behind them: what is written meanwhile is no finding. And what
 * expired is borne out by a head that is older than its end, so that one that was read between two
 * lists that begin alike does so. */
static int look_once(struct verification *v, int dir_fd, bool *again_r)
{
    struct volume_list before = {0}, list = {0};
    int rc = list_segments(dir_fd, &before);

    *again_r = false;
    if (rc == COMMAND_GOOD) {
        rc = read_heads(v, dir_fd);
    }
    if (rc == COMMAND_GOOD) {
        rc = list_segments(dir_fd, &list);
    }
    if (rc == COMMAND_GOOD) {
        *again_r = before.n > 0 && (list.n == 0 || list.numbers[0] != before.numbers[0]);
    }
    if (rc == COMMAND_GOOD && !*again_r) {
        rc = read_segments(v, dir_fd, &list, again_r);
    }
    volume_list_free(&before);
    volume_list_free(&list);
    return rc;
}

static int look(struct verification *v, int dir_fd)
{
    size_t begin = v->out.n;
    bool again = true;
    int rc = COMMAND_GOOD;

    for (unsigned i = 0; rc == COMMAND_GOOD && again; i++) {
        if (i == LOOKS_MAX) {
            return print_failure("segments expire faster than they can be read: copy the "
                                 "directory, and verify the copy");
        }
        v->out.n = begin;
        rc = read_key(v, dir_fd);
        if (rc == COMMAND_GOOD) {
            rc = look_once(v, dir_fd, &again);
        }
    }
    if (rc == COMMAND_GOOD) {
        examine_end(&v->examine);
        if (!v->has_head) {
            examine_headless(&v->examine);
        }
    }
    return rc;
}

int auditing_check(const struct command_args *args, int dir_fd, struct auditing_check *check_r)
{
    struct verification v = {.args = args};

    pg_buf_init(&v.out, PRINT_BYTES_MAX);
    int rc = look(&v, dir_fd);
    pg_buf_free(&v.out);
    *check_r = (struct auditing_check){.findings = v.examine.findings, .last = v.examine.seq};
    return rc;
}

int auditing_verify(const struct command_args *args)
{
    struct verification v = {.args = args};
    _fd_ int dir_fd = -1;
    int rc = auditing_open(args, &dir_fd);

    if (rc != COMMAND_GOOD) {
        return rc;
    }
    pg_buf_init(&v.out, PRINT_BYTES_MAX);
    if (args->json) {
        (void)pg_buf_put(&v.out, SL("{\"findings\":["));
    }
    rc = look(&v, dir_fd);
    if (rc == COMMAND_GOOD) {
        rc = print_result(&v);
    }
    pg_buf_free(&v.out);
    return rc;
}

/* ---- head ---------------------------------------------------------------------------------- */

int auditing_head(const struct command_args *args)
{
    _fd_ int dir_fd = -1;
    struct verification v = {.args = args};
    struct pg_buf text;
    int rc = auditing_open(args, &dir_fd);

    if (rc != COMMAND_GOOD) {
        return rc;
    }
    pg_buf_init(&text, ENTRY_LINE_MAX);
    rc = read_key(&v, dir_fd);
    if (rc == COMMAND_GOOD) {
        rc = expect(&v, dir_fd, "head");
    }
    if (rc == COMMAND_GOOD) {
        rc = read_small(dir_fd, "head", &text);
    }
    if (rc == COMMAND_GOOD && print_out(pg_buf_sl(&text)) < 0) {
        rc = COMMAND_CANNOT;
    }
    pg_buf_free(&text);
    return rc;
}

/* ---- what is asked for --------------------------------------------------------------------- */

/* "90d", "12h", "30m", "10s": so long ago. */
static bool read_ago(struct sl text, int64_t *ms_r)
{
    static const struct {
        char unit;
        int64_t ms;
    } units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 86400000}};
    int64_t n = 0;

    if (text.n < 2 || text.n > 7) {
        return false;
    }
    for (size_t i = 0; i + 1 < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9') {
            return false;
        }
        n = n * 10 + (text.p[i] - '0');
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (text.p[text.n - 1] == units[i].unit) {
            *ms_r = pg_clock_wall_ms() - n * units[i].ms;
            return true;
        }
    }
    return false;
}

/* Or a day, or a moment, in UTC. */
static int read_time(const char *option, const char *text, int64_t *ms_r)
{
    char whole[64];
    const char *rest = strlen(text) == 10 ? "T00:00:00.000Z" : strlen(text) == 19 ? ".000Z" : "";
    size_t n = strlen(text);

    if (n == 20 && text[19] == 'Z') {
        n = 19;
        rest = ".000Z";
    }
    if (n > 24) {
        n = 0;
    }
    (void)snprintf(whole, sizeof(whole), "%.*s%s", (int)n, text, rest);
    if (read_ago(sl_str(text), ms_r) || entry_time(sl_str(whole), ms_r)) {
        return COMMAND_GOOD;
    }
    return print_failure("--%s %s: a time is so long ago, as 7d, 12h or 30m, or a moment in UTC, "
                         "as 2026-01-31 or 2026-01-31T12:00:00Z",
                         option, text);
}

int auditing_wanted(const struct command_args *args, struct search_wanted *w_r)
{
    const struct command_audit *a = &args->audit;
    struct search_wanted w = {.caller = sl_str(a->caller),
                              .image = a->image,
                              .digest = sl_str(a->digest),
                              .verdict = sl_str(a->verdict),
                              .rule = sl_str(a->rule),
                              .act = sl_str(a->act)};
    int rc = COMMAND_GOOD;

    if (a->verdict != NULL && strcmp(a->verdict, "allow") != 0 && strcmp(a->verdict, "deny") != 0 &&
        strcmp(a->verdict, "pending") != 0) {
        return print_failure("--verdict %s: it is allow, deny or pending", a->verdict);
    }
    if (a->since != NULL) {
        rc = read_time("since", a->since, &w.from_ms);
    }
    if (rc == COMMAND_GOOD && a->until != NULL) {
        rc = read_time("until", a->until, &w.until_ms);
    }
    *w_r = w;
    return rc;
}
