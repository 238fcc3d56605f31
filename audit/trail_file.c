/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/trail_int.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/fd.h"
#include "base/log.h"

static int fail(const struct trail_file *f, const char *doing, struct pg_err *err)
{
    if (errno == ENOSPC || errno == EDQUOT)
        return pg_fail(err, PG_E_STORE_IO, "the disk of the audit log %s is full", f->path);
    return pg_fail(err, PG_E_STORE_IO, "the audit log %s: %s: %s", f->path, doing,
                   strerrordesc_np(errno));
}

/* ---- the group ----------------------------------------------------------------------------- */

void trail_file_put(struct trail_file *f, struct entry *e)
{
    e->seq = ++f->seq;
    if (e->when_ms == 0)
        e->when_ms = pg_clock_wall_ms();
    pg_buf_clear(&f->json);
    entry_write(e, &f->json);
    PG_CHECK(!f->json.over);
    chain_put(&f->chain, pg_buf_sl(&f->json), &f->group);
    PG_CHECK(!f->group.over);
}

/* The first of a segment: what it goes on from, signed. */
static void put_begin(struct trail_file *f)
{
    char digits[ENTRY_HEX_MAX];
    struct entry e = {.kind = ENTRY_SEGMENT, .seq = f->seq + 1, .when_ms = pg_clock_wall_ms()};

    e.number[ENTRY_NUMBER_SEGMENT] = f->segment;
    e.text[ENTRY_TEXT_PREVIOUS] = entry_hex(f->chain.hash, CHAIN_HASH, digits);
    seal_sign(f->seal, &e);
    trail_file_put(f, &e);
}

static int write_all(struct trail_file *f, struct pg_err *err)
{
    if (PG_FAULT("audit.write") || pg_fd_pwrite(f->fd, f->group.p, f->group.n, f->bytes) < 0)
        return fail(f, "write", err);
    if (PG_FAULT("audit.sync") || fdatasync(f->fd) < 0)
        return fail(f, "sync", err);
    f->bytes += f->group.n;
    pg_buf_clear(&f->group);
    return 0;
}

/* What is left over of one that was never written is in nobody's chain. */
static int create(struct trail_file *f, struct pg_err *err)
{
    char name[VOLUME_NAME_MAX];

    if (f->segment == 0)
        return trail_given_create(f, err);
    (void)volume_name(f->segment, name);
    (void)unlinkat(f->dir_fd, name, 0);
    f->fd =
        PG_FAULT("audit.create")
            ? -1
            : openat(f->dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (f->fd < 0 || fsync(f->dir_fd) < 0) {
        int rc = fail(f, "begin a segment", err);

        pg_fd_close(&f->fd);
        return rc;
    }
    return 0;
}

/* The next group begins it. */
static void begin_segment(struct trail_file *f)
{
    PG_CHECK(f->group.n == 0 && f->segment < VOLUME_NUMBER_MAX);
    pg_fd_close(&f->fd);
    f->segment++;
    f->bytes = 0;
    put_begin(f);
}

int trail_file_write(struct trail_file *f, struct pg_err *err)
{
    while (f->group.n > 0) { /* twice, where a segment is full: what the next begins with, too */
        if ((f->fd < 0 && create(f, err) < 0) || write_all(f, err) < 0)
            return -1;
        if (f->segment > 0 && f->bytes >= f->segment_bytes)
            begin_segment(f);
    }
    return 0;
}

/* ---- heads --------------------------------------------------------------------------------- */

void trail_file_head(struct trail_file *f, struct pg_buf *out)
{
    char digits[ENTRY_HEX_MAX];
    struct entry e = {.kind = ENTRY_HEAD, .seq = f->seq, .when_ms = pg_clock_wall_ms()};

    e.text[ENTRY_TEXT_PREVIOUS] = entry_hex(f->chain.hash, CHAIN_HASH, digits);
    seal_sign(f->seal, &e);
    entry_write(&e, out);
}

/* Nothing that is not durable itself is in it. */
int trail_file_seal(struct trail_file *f, struct pg_err *err)
{
    struct pg_buf text;
    _fd_ int fd = -1;
    int rc = 0;

    if (f->sealed == f->seq || f->group.n > 0 || f->segment == 0)
        return 0;
    pg_buf_init(&text, ENTRY_LINE_MAX);
    trail_file_head(f, &text);
    (void)pg_buf_put(&text, SL("\n"));
    (void)unlinkat(f->dir_fd, "new", 0);
    fd = openat(f->dir_fd, "new", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 || pg_fd_write(fd, text.p, text.n) < 0 || fsync(fd) < 0 ||
        renameat(f->dir_fd, "new", f->dir_fd, "head") < 0 || fsync(f->dir_fd) < 0)
        rc = fail(f, "write the head", err);
    else
        f->sealed = f->seq;
    pg_buf_free(&text);
    return rc;
}

/* ---- the start ----------------------------------------------------------------------------- */

struct look {
    struct trail_file *file;
    size_t torn_bytes; /* that were cut off */
    char why[160];     /* what is wrong, the first of it; "": nothing */
};

static void note(struct look *l, uint32_t segment, uint64_t line, const char *why)
{
    if (l->why[0] == '\0')
        (void)snprintf(l->why, sizeof(l->why), "segment %" PRIu32 ", entry in line %" PRIu64 ": %s",
                       segment, line, why);
}

static bool on_line(void *arg, const struct chain_line *line)
{
    struct look *l = arg;
    uint64_t seq = line->json.p != NULL ? entry_seq(line->json) : 0;

    if (line->why != NULL)
        note(l, l->file->segment, line->number, line->why);
    else if (seq == 0 || (line->number > 1 && seq != l->file->seq + 1))
        note(l, l->file->segment, line->number, "its number is not the next");
    l->file->seq = seq > 0 ? seq : l->file->seq + 1;
    return true;
}

/* The hash that a segment says it goes on from. */
static bool read_previous(struct sl bytes, struct chain *c)
{
    const char *end = memchr(bytes.p, '\n', bytes.n);
    struct pg_err err = {0};
    struct entry e;
    bool ok;

    if (end == NULL || (size_t)(end - bytes.p) < CHAIN_DIGITS + 2 ||
        entry_read(
            (struct sl){bytes.p + CHAIN_DIGITS + 1, (size_t)(end - bytes.p) - CHAIN_DIGITS - 1}, &e,
            &err) < 0) {
        pg_err_clear(&err);
        return false;
    }
    ok = e.kind == ENTRY_SEGMENT && seal_is_good(&e, NULL) &&
         entry_unhex(e.text[ENTRY_TEXT_PREVIOUS], c->hash, CHAIN_HASH);
    entry_free(&e);
    return ok;
}

/* Cuts off what a crash tore. */
static int cut(struct look *l, const struct chain_walk *w, struct pg_err *err)
{
    const struct trail_file *f = l->file;

    if (ftruncate(f->fd, (off_t)w->whole_bytes) < 0 || fdatasync(f->fd) < 0)
        return fail(f, "cut off", err);
    pg_log_say(PG_LOG_WARN, PG_LOG_START,
               "the audit log ended with an entry that was not whole: %zu bytes are cut off",
               w->torn_bytes);
    l->torn_bytes = w->torn_bytes;
    return 0;
}

/* The last segment, as it is on disk: the file goes on behind it. */
static int read_last(struct trail_file *f, struct look *l, struct pg_buf *bytes, struct pg_err *err)
{
    char name[VOLUME_NAME_MAX];
    struct chain_walk w;

    (void)volume_name(f->segment, name);
    if (volume_read(f->dir_fd, name, bytes, err) < 0)
        return -1;
    if (!read_previous(pg_buf_sl(bytes), &f->chain))
        note(l, f->segment, 1, "a segment does not begin so");
    chain_walk(pg_buf_sl(bytes), &f->chain, false, on_line, l, &w);
    f->bytes = w.whole_bytes;
    f->fd = openat(f->dir_fd, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
    if (f->fd < 0)
        return fail(f, "open", err);
    return w.torn_bytes > 0 && l->why[0] == '\0' ? cut(l, &w, err) : 0;
}

/* Was there more, by the head that was signed last? There is one before a second entry is. */
static void check_head(struct trail_file *f, struct look *l)
{
    struct pg_buf text;
    struct pg_err err = {0};
    struct entry e;

    if (f->seq > 1 && faccessat(f->dir_fd, "head", F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
        errno == ENOENT)
        note(l, f->segment, 0, "the head of it, a file beside it, is gone");
    pg_buf_init(&text, ENTRY_LINE_MAX + 1);
    if (volume_read(f->dir_fd, "head", &text, &err) == 0 && text.n > 0 &&
        entry_read((struct sl){text.p, text.n - 1}, &e, &err) == 0) {
        if (e.kind == ENTRY_HEAD && seal_is_good(&e, NULL) && e.seq > f->seq)
            note(l, f->segment, 0, "entries behind it are missing, of which there is a head");
        entry_free(&e);
    }
    pg_err_clear(&err);
    pg_buf_free(&text);
}

static void tell_torn(struct trail_file *f, size_t nbytes)
{
    struct entry e = {.kind = ENTRY_RECOVERED};

    e.number[ENTRY_NUMBER_BYTES] = nbytes;
    trail_file_put(f, &e);
}

/* Left as it is; a new one says what was found. */
static void tell_damage(struct trail_file *f, const char *why)
{
    struct entry e = {.kind = ENTRY_DAMAGED};

    pg_log_say(PG_LOG_ERROR, PG_LOG_SECURITY,
               "the audit log %s is not as it was written: %s; run: pullgate audit verify", f->path,
               why);
    f->is_damaged = true;
    begin_segment(f);
    e.number[ENTRY_NUMBER_SEGMENT] = f->segment - 1;
    e.text[ENTRY_TEXT_REASON] = sl_str(why);
    trail_file_put(f, &e);
}

/* A segment of which not even the first line was written yet is none. */
static int drop_unborn(struct trail_file *f, struct volume_list *l, struct pg_buf *bytes,
                       struct pg_err *err)
{
    char name[VOLUME_NAME_MAX];

    if (l->n == 0)
        return 0;
    (void)volume_name(l->numbers[l->n - 1], name);
    if (volume_read(f->dir_fd, name, bytes, err) < 0)
        return -1;
    if (memchr(pg_buf_sl(bytes).p, '\n', bytes->n) != NULL)
        return 0;
    if (unlinkat(f->dir_fd, name, 0) < 0)
        return fail(f, "unlink", err);
    l->n--;
    return 0;
}

static int open_log(struct trail_file *f, bool key_is_new, struct pg_err *err)
{
    struct look l = {.file = f};
    struct volume_list list;
    struct pg_buf bytes;
    int rc;

    if (volume_list(f->dir_fd, &list, err) < 0)
        return -1;
    if (list.n > 0 && list.numbers[list.n - 1] == VOLUME_NUMBER_MAX) {
        volume_list_free(&list);
        return pg_fail(err, PG_E_STORE_IO, "%s has a segment %d, behind which there is no number",
                       f->path, VOLUME_NUMBER_MAX);
    }
    pg_buf_init(&bytes, VOLUME_READ_MAX);
    rc = drop_unborn(f, &list, &bytes, err);
    if (rc == 0 && list.n > 0) {
        f->segment = list.numbers[list.n - 1];
        rc = read_last(f, &l, &bytes, err);
        if (key_is_new)
            note(&l, f->segment, 0, "the key that it was signed with is gone");
    }
    if (rc == 0)
        check_head(f, &l);
    if (rc == 0 && l.why[0] != '\0')
        tell_damage(f, l.why);
    else if (rc == 0 && f->segment == 0)
        begin_segment(f);
    if (rc == 0 && l.torn_bytes > 0)
        tell_torn(f, l.torn_bytes);
    pg_buf_free(&bytes);
    volume_list_free(&list);
    return rc;
}

static int open_dir(struct trail_file *f, struct pg_err *err)
{
    struct stat st;

    if (mkdir(f->path, 0700) < 0 && errno != EEXIST)
        return fail(f, "make the directory", err);
    f->dir_fd = open(f->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (f->dir_fd < 0 || fstat(f->dir_fd, &st) < 0)
        return fail(f, "open the directory", err);
    if (st.st_uid != geteuid() || (st.st_mode & 022) != 0)
        return pg_fail(err, PG_E_STORE_IO,
                       "%s must belong to uid %u, and be writable for nobody else: chown and chmod "
                       "0700",
                       f->path, (unsigned)geteuid());
    return 0;
}

int trail_file_open(struct trail_file *f, const char *path, struct pg_err *err)
{
    bool key_is_new = false;

    *f = (struct trail_file){
        .path = sl_dup(sl_str(path)), .dir_fd = -1, .fd = -1, .segment_bytes = VOLUME_BYTES};
    pg_buf_init(&f->group, TRAIL_GROUP_MAX);
    pg_buf_init(&f->json, ENTRY_LINE_MAX);
    if (open_dir(f, err) < 0 || seal_open(f->dir_fd, path, &f->seal, &key_is_new, err) < 0 ||
        open_log(f, key_is_new, err) < 0) {
        trail_file_close(f);
        return -1;
    }
    return 0;
}

void trail_file_close(struct trail_file *f)
{
    pg_fd_close(&f->fd);
    pg_fd_close(&f->dir_fd);
    seal_free(f->seal);
    f->seal = NULL;
    pg_buf_free(&f->group);
    pg_buf_free(&f->json);
    free(f->path);
    f->path = NULL;
}

/* ---- the old ones -------------------------------------------------------------------------- */

struct expiry {
    int64_t before_ms; /* younger ones stay */
    uint64_t excess;   /* bytes too many */
    uint64_t n;        /* segments to be removed: from the first */
};

/* The newest entry of a file is about as old as its last change. */
static bool plan_one(const struct trail_file *f, uint32_t number, struct expiry *x)
{
    char name[VOLUME_NAME_MAX];
    struct stat st;

    if (number >= f->segment ||
        fstatat(f->dir_fd, volume_name(number, name), &st, AT_SYMLINK_NOFOLLOW) < 0)
        return false;
    if ((int64_t)st.st_mtim.tv_sec * 1000 >= x->before_ms && x->excess == 0)
        return false;
    x->excess -= (uint64_t)st.st_size < x->excess ? (uint64_t)st.st_size : x->excess;
    x->n++;
    return true;
}

static uint64_t sum_of(const struct trail_file *f, const struct volume_list *l)
{
    char name[VOLUME_NAME_MAX];
    struct stat st;
    uint64_t sum = 0;

    for (size_t i = 0; i < l->n; i++)
        if (fstatat(f->dir_fd, volume_name(l->numbers[i], name), &st, AT_SYMLINK_NOFOLLOW) == 0)
            sum += (uint64_t)st.st_size;
    return sum;
}

static void remove_first(struct trail_file *f, const struct volume_list *l, uint64_t n)
{
    char name[VOLUME_NAME_MAX];
    struct pg_err err = {0};
    struct entry e = {.kind = ENTRY_REMOVED};

    e.number[ENTRY_NUMBER_SEGMENT] = l->numbers[n - 1];
    e.number[ENTRY_NUMBER_COUNT] = n;
    trail_file_put(f, &e);
    if (trail_file_write(f, &err) == 0 && trail_file_seal(f, &err) == 0) /* borne out, then done */
        for (uint64_t i = 0; i < n; i++)
            (void)unlinkat(f->dir_fd, volume_name(l->numbers[i], name), 0);
    pg_err_clear(&err);
}

void trail_file_expire(struct trail_file *f, uint64_t keep_ms, uint64_t max_bytes)
{
    struct volume_list l;
    struct pg_err err = {0};
    uint64_t sum;
    struct expiry x = {.before_ms =
                           keep_ms > 0 ? pg_clock_wall_ms() - (int64_t)keep_ms : INT64_MIN};

    if (f->segment == 0 || f->group.n > 0 || volume_list(f->dir_fd, &l, &err) < 0) {
        pg_err_clear(&err);
        return;
    }
    sum = max_bytes > 0 ? sum_of(f, &l) : 0;
    x.excess = sum > max_bytes ? sum - max_bytes : 0;
    while (x.n < l.n && plan_one(f, l.numbers[x.n], &x))
        ;
    if (x.n > 0)
        remove_first(f, &l, x.n);
    volume_list_free(&l);
}
