/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/revoked_shared.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "cache/revoked_int.h"

#define FILE_NAME  "revoked.count"
#define FILE_BYTES ((size_t)4096)

static int fail(const struct store *s, struct pg_err *err)
{
    return pg_fail(err, PG_E_STORE_IO, "cannot use %s/" FILE_NAME ": %s", s->config.path,
                   strerrordesc_np(errno));
}

/* With bytes on disk: where there is no room for them, a write to what is mapped would kill us. */
static int fill(int fd)
{
    static const char zeros[FILE_BYTES];
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -1;
    return st.st_size >= (off_t)FILE_BYTES ? 0 : pg_fd_pwrite(fd, zeros, sizeof(zeros), 0);
}

int revoked_shared_open(struct store *s, struct pg_err *err)
{
    _fd_ int fd = openat(s->dir_fd, FILE_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    void *p;

    if (fd < 0 || fill(fd) < 0)
        return fail(s, err);
    p = mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        return fail(s, err);
    s->revoked->shared = p;
    atomic_store(&s->revoked->seen, atomic_load(s->revoked->shared));
    return 0;
}

void revoked_shared_close(struct revoked *r)
{
    if (r->shared != NULL)
        PG_CHECK(munmap(r->shared, FILE_BYTES) == 0);
    r->shared = NULL;
}

void revoked_shared_note(struct revoked *r)
{
    if (r->shared != NULL)
        (void)atomic_fetch_add(r->shared, 1);
}

void revoked_shared_give(struct store *s)
{
    atomic_store(&s->revoked->is_given, true);
}

bool revoked_shared_is_behind(const struct store *s)
{
    const struct revoked *r = s->revoked;

    return r != NULL && r->shared != NULL && atomic_load(&r->is_given) &&
           atomic_load(r->shared) != atomic_load(&r->seen);
}

/* What is counted behind the look at the counter is read again by the next one. */
int revoked_shared_follow(struct store *s, struct pg_err *err)
{
    const struct journal_config c = {
        .dir_fd = s->dir_fd, .path = s->config.path, .read_only = true, .now_s = pg_clock_wall_s()};
    uint64_t count = atomic_load(s->revoked->shared);
    struct journal_found found;
    struct journal *journal;
    int rc;

    if (journal_open(&c, &journal, &found, err) < 0)
        return -1;
    rc = revoked_read(s->revoked, journal, err);
    journal_close(journal);
    if (rc == 0)
        atomic_store(&s->revoked->seen, count);
    return rc;
}
