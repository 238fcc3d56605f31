/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/follow.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/volume.h"
#include "base/fd.h"
#include "base/json.h"

#define CHUNK_BYTES  ((size_t)256 << 10) /* more than the longest line */
#define LINE_MAX_    (CHAIN_DIGITS + 2 + ENTRY_LINE_MAX)
#define POSITION_MAX ((size_t)1024)

static int fail(const char *doing, const char *name, struct pg_err *err)
{
    return pg_fail(err, PG_E_STORE_IO, "cannot %s %s of the audit log: %s", doing, name,
                   strerrordesc_np(errno));
}

/* ---- the position on disk ------------------------------------------------------------------ */

static bool read_number(const json_t *root, const char *name, uint64_t *n_r)
{
    const json_t *v = json_object_get(root, name);

    *n_r = json_is_integer(v) && json_integer_value(v) >= 0 ? (uint64_t)json_integer_value(v) : 0;
    return json_is_integer(v) && json_integer_value(v) >= 0;
}

static bool read_position(struct sl text, struct follow_position *p)
{
    struct pg_err ignored = {0};
    _json_ json_t *root = NULL;
    uint64_t segment;
    bool ok = pg_json_parse(text, PG_E_STORE_IO, &root, &ignored) == 0 &&
              read_number(root, "segment", &segment) && segment <= VOLUME_NUMBER_MAX &&
              read_number(root, "offset", &p->offset) && read_number(root, "seq", &p->seq) &&
              entry_unhex(pg_json_str(root, "hash"), p->hash, CHAIN_HASH);

    p->segment = ok ? (uint32_t)segment : 0;
    pg_err_clear(&ignored);
    return ok;
}

/* The segment that is written now, or none yet. */
static int begin_here(struct follow *f, struct pg_err *err)
{
    struct volume_list list;

    if (volume_list(f->dir_fd, &list, err) < 0)
        return -1;
    f->at = (struct follow_position){.segment = list.n > 0 ? list.numbers[list.n - 1] : 0};
    volume_list_free(&list);
    return 0;
}

static int load(struct follow *f, struct pg_err *err)
{
    struct pg_buf text;
    int rc = 0;

    if (faccessat(f->dir_fd, f->name, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
        return begin_here(f, err);
    pg_buf_init(&text, POSITION_MAX);
    rc = volume_read(f->dir_fd, f->name, &text, err);
    if (rc == 0 && !read_position(pg_buf_sl(&text), &f->at))
        f->at = (struct follow_position){0};
    pg_buf_free(&text);
    return rc;
}

int follow_open(struct follow *f, int dir_fd, const char *name, struct pg_err *err)
{
    *f = (struct follow){.dir_fd = dir_fd, .fd = -1};
    PG_CHECK(strlen(name) <= FOLLOW_NAME_MAX);
    (void)snprintf(f->name, sizeof(f->name), "sent-%s", name);
    pg_buf_init(&f->chunk, CHUNK_BYTES);
    if (load(f, err) < 0) {
        follow_close(f);
        return -1;
    }
    return 0;
}

void follow_close(struct follow *f)
{
    pg_fd_close(&f->fd);
    pg_buf_free(&f->chunk);
}

int follow_save(struct follow *f, const struct follow_position *p, struct pg_err *err)
{
    char digits[ENTRY_HEX_MAX], text[POSITION_MAX], new[sizeof(f->name) + 8];
    _fd_ int fd = -1;
    int n;

    (void)snprintf(new, sizeof(new), "%s.new", f->name);
    n = snprintf(text, sizeof(text),
                 "{\"segment\":%" PRIu32 ",\"offset\":%" PRIu64 ",\"seq\":%" PRIu64
                 ",\"hash\":\"%s\"}\n",
                 p->segment, p->offset, p->seq, entry_hex(p->hash, CHAIN_HASH, digits).p);
    PG_CHECK(n > 0 && (size_t)n < sizeof(text));
    (void)unlinkat(f->dir_fd, new, 0);
    fd = openat(f->dir_fd, new, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 || pg_fd_write(fd, text, (size_t)n) < 0 || fdatasync(fd) < 0 ||
        renameat(f->dir_fd, new, f->dir_fd, f->name) < 0)
        return fail("write", f->name, err);
    return 0;
}

/* ---- where to read ------------------------------------------------------------------------- */

void follow_rewind(struct follow *f, const struct follow_position *to)
{
    if (f->at.segment != to->segment)
        pg_fd_close(&f->fd);
    f->at = *to;
    f->is_checked = false;
}

static void begin_segment(struct follow *f, uint32_t number)
{
    pg_fd_close(&f->fd);
    f->at.segment = number;
    f->at.offset = 0;
    f->is_checked = true;
}

/* The first one that is there behind `number`; 0: there is none. */
static int find_next(const struct follow *f, uint32_t number, uint32_t *next_r, struct pg_err *err)
{
    struct volume_list list;

    *next_r = 0;
    if (volume_list(f->dir_fd, &list, err) < 0)
        return -1;
    for (size_t i = 0; i < list.n && *next_r == 0; i++)
        if (list.numbers[i] > number)
            *next_r = list.numbers[i];
    volume_list_free(&list);
    return 0;
}

/* 1; 0: it is gone; -1. */
static int open_segment(struct follow *f, struct pg_err *err)
{
    char name[VOLUME_NAME_MAX];

    if (f->at.segment == 0)
        return 0;
    if (f->fd >= 0)
        return 1;
    (void)volume_name(f->at.segment, name);
    f->fd = openat(f->dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (f->fd >= 0)
        return 1;
    return errno == ENOENT ? 0 : fail("read", name, err);
}

/* Does the line that ends there have that hash? */
static bool is_behind(const struct follow *f, const struct follow_position *p)
{
    char digits[ENTRY_HEX_MAX], line[LINE_MAX_ + 1];
    size_t n = p->offset < sizeof(line) ? (size_t)p->offset : sizeof(line);
    const char *before;

    if (n < CHAIN_DIGITS + 2 || pg_fd_pread(f->fd, line, n, p->offset - n) < 0 ||
        line[n - 1] != '\n')
        return false;
    before = memrchr(line, '\n', n - 1);
    if (before == NULL && n != p->offset)
        return false;
    before = before == NULL ? line : before + 1;
    return (size_t)(line + n - before) > CHAIN_DIGITS &&
           sl_eq((struct sl){before, CHAIN_DIGITS}, entry_hex(p->hash, CHAIN_HASH, digits));
}

static void check_position(struct follow *f)
{
    if (!f->is_checked && f->at.offset > 0 && !is_behind(f, &f->at)) {
        f->at.offset = 0;
        f->at.seq = 0;
    }
    f->is_checked = true;
}

/* ---- reading ------------------------------------------------------------------------------- */

static int read_chunk(struct follow *f, struct pg_err *err)
{
    char bytes[16384];
    ssize_t n = 1;

    pg_buf_clear(&f->chunk);
    while (n > 0 && f->chunk.n + sizeof(bytes) <= CHUNK_BYTES) {
        n = pread(f->fd, bytes, sizeof(bytes), (off_t)(f->at.offset + f->chunk.n));
        if (n > 0)
            (void)pg_buf_put(&f->chunk, (struct sl){bytes, (size_t)n});
        else if (n < 0 && errno != EINTR)
            return fail("read", "a segment", err);
    }
    return 0;
}

/* seq comes behind f->at: what lies between is not in the log any more. */
static void count_missed(struct follow *f, uint64_t seq)
{
    uint64_t known = f->at.seq > f->missed_seq ? f->at.seq : f->missed_seq;

    if (f->at.seq > 0 && seq > known + 1) {
        f->missed += seq - known - 1;
        f->missed_seq = seq - 1;
    }
}

/* False: it is not taken now. What is no entry is passed over, and misses in the numbers. */
static bool give(struct follow *f, struct sl line, follow_each *each, void *arg, int *given)
{
    struct wire_record r = {{line.p, CHAIN_DIGITS}, {NULL, 0}};
    uint8_t hash[CHAIN_HASH];
    uint64_t seq = 0;

    if (line.n > CHAIN_DIGITS + 1 && entry_unhex(r.id, hash, CHAIN_HASH)) {
        r.json = (struct sl){line.p + CHAIN_DIGITS + 1, line.n - CHAIN_DIGITS - 1};
        seq = entry_seq(r.json);
    }
    if (seq > 0) {
        if (!each(arg, &r))
            return false;
        count_missed(f, seq);
        f->at.seq = seq;
        memcpy(f->at.hash, hash, CHAIN_HASH);
        (*given)++;
    }
    f->at.offset += line.n + 1;
    return true;
}

static int give_chunk(struct follow *f, follow_each *each, void *arg)
{
    struct sl rest = pg_buf_sl(&f->chunk);
    const char *end;
    int given = 0;

    while (rest.n > 0 && (end = memchr(rest.p, '\n', rest.n)) != NULL) {
        size_t n = (size_t)(end - rest.p);

        if (!give(f, (struct sl){rest.p, n}, each, arg, &given))
            break;
        rest = (struct sl){end + 1, rest.n - n - 1};
    }
    return given;
}

/* Whether there is a next one is asked first: what was written before it began is read then. */
int follow_read(struct follow *f, follow_each *each, void *arg, struct pg_err *err)
{
    for (;;) {
        uint32_t next;
        int rc = find_next(f, f->at.segment, &next, err), given;

        if (rc < 0 || (rc = open_segment(f, err)) < 0)
            return -1;
        if (rc > 0) {
            check_position(f);
            if (read_chunk(f, err) < 0)
                return -1;
            given = give_chunk(f, each, arg);
            if (given > 0 || next == 0 || memchr(pg_buf_sl(&f->chunk).p, '\n', f->chunk.n) != NULL)
                return given;
        }
        if (next == 0 && rc == 0 && find_next(f, 0, &next, err) < 0) /* another log is here */
            return -1;
        if (next == 0)
            return 0;
        begin_segment(f, next);
    }
}
