/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "audit/trail_int.h"
#include "base/fault.h"
#include "base/fd.h"
#include "base/log.h"

#define GIVEN     "given-"
#define NAME_MAX_ 64

/* That a process still writes is said by a lock, which ends with it. */
int trail_given_create(struct trail_file *f, struct pg_err *err)
{
    char name[NAME_MAX_];

    (void)snprintf(name, sizeof(name), GIVEN "%d", (int)getpid());
    (void)unlinkat(f->dir_fd, name, 0);
    f->fd = openat(f->dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (PG_FAULT("audit.given") || f->fd < 0 || flock(f->fd, LOCK_EX | LOCK_NB) < 0) {
        (void)pg_fail(err, PG_E_STORE_IO, "the audit log %s/%s cannot be begun: %s", f->path, name,
                      strerrordesc_np(errno));
        pg_fd_close(&f->fd);
        return -1;
    }
    return 0;
}

int trail_given_begin(struct trail_file *f, struct pg_err *err)
{
    PG_CHECK(f->group.n == 0);
    pg_fd_close(&f->fd);
    f->segment = 0;
    f->bytes = 0;
    f->chain = (struct chain){0};
    return trail_given_create(f, err);
}

struct adoption {
    struct trail_file *to;
    struct pg_err err; /* of writing: no more is taken */
};

static bool adopt_line(void *arg, const struct chain_line *line)
{
    struct adoption *a = arg;
    struct pg_err err = {0};
    struct entry e;

    if (line->why == NULL && entry_read(line->json, &e, &err) == 0) {
        if (e.kind == ENTRY_DECISION || e.kind == ENTRY_ACT || e.kind == ENTRY_LOST)
            trail_file_put(a->to, &e);
        entry_free(&e);
    }
    pg_err_clear(&err);
    if (a->to->group.n >= TRAIL_GROUP_BYTES && trail_file_write(a->to, &a->err) < 0)
        return false;
    return line->why == NULL; /* behind what is damaged nothing is believed */
}

static int adopt_bytes(struct trail_file *f, const char *name, struct sl bytes, struct pg_err *err)
{
    struct adoption a = {.to = f};
    struct entry begin = {.kind = ENTRY_ADOPTED}, damaged = {.kind = ENTRY_DAMAGED};
    struct chain c = {0};
    struct chain_walk w;

    begin.text[ENTRY_TEXT_TARGET] = sl_str(name);
    trail_file_put(f, &begin);
    chain_walk(bytes, &c, false, adopt_line, &a, &w);
    if (w.broken > 0) {
        damaged.text[ENTRY_TEXT_TARGET] = sl_str(name);
        damaged.text[ENTRY_TEXT_REASON] =
            SL("what a process wrote when it retired is not as it was written");
        trail_file_put(f, &damaged);
        f->is_damaged = true;
        pg_log_say(PG_LOG_ERROR, PG_LOG_SECURITY, "%s/%s is not as it was written", f->path, name);
    }
    if (a.err.kind != PG_E_NONE) {
        pg_err_move(err, &a.err);
        return -1;
    }
    return trail_file_write(f, err);
}

/* False: its process still writes, or the log cannot be written. */
static bool adopt_file(struct trail_file *f, const char *name, struct pg_buf *bytes)
{
    struct pg_err err = {0};
    _fd_ int fd = openat(f->dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    bool written = true;

    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
        return fd < 0;
    if (volume_read(f->dir_fd, name, bytes, &err) == 0) {
        written = bytes->n == 0 || adopt_bytes(f, name, pg_buf_sl(bytes), &err) == 0;
        if (written)
            (void)unlinkat(f->dir_fd, name, 0);
    }
    if (err.kind != PG_E_NONE)
        pg_log_say(PG_LOG_WARN, PG_LOG_START, "%s", err.msg);
    pg_err_clear(&err);
    return written;
}

unsigned trail_given_adopt(struct trail_file *f)
{
    int fd = openat(f->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *e;
    struct pg_buf bytes;
    unsigned left = 0;

    if (dir == NULL) {
        pg_fd_close(&fd);
        return 0;
    }
    pg_buf_init(&bytes, VOLUME_READ_MAX);
    while (f->group.n == 0 &&
           (e = readdir(dir)) != NULL) // NOLINT(concurrency-mt-unsafe): the stream is ours
        if (strncmp(e->d_name, GIVEN, strlen(GIVEN)) == 0 && !adopt_file(f, e->d_name, &bytes))
            left++;
    pg_buf_free(&bytes);
    (void)closedir(dir);
    return left;
}
