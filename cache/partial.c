/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/partial.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/fault.h"
#include "base/fd.h"
#include "base/list.h"
#include "base/log.h"
#include "base/metric.h"
#include "cache/handover.h"
#include "cache/index.h"

#define SCAN_MAX   16384 /* partials looked at by one eviction */
#define MARK_MAGIC "pgmark1"

struct claim {
    struct pg_list node;
    struct digest digest;
};

struct partial_table {
    pthread_mutex_t lock;
    pthread_cond_t released;
    struct pg_list claims; /* as many as there are fills: a list is enough */
    unsigned n, opening;
    bool held;
    int shared_fd;
    _Atomic uint64_t promised;
};

static void lock(struct partial_table *t)
{
    PG_CHECK(pthread_mutex_lock(&t->lock) == 0);
}

static void unlock(struct partial_table *t)
{
    PG_CHECK(pthread_mutex_unlock(&t->lock) == 0);
}

struct partial_table *partial_table_new(void)
{
    struct partial_table *t = calloc(1, sizeof(*t));

    PG_CHECK(t != NULL);
    PG_CHECK(pthread_mutex_init(&t->lock, NULL) == 0);
    PG_CHECK(pthread_cond_init(&t->released, NULL) == 0);
    pg_list_init(&t->claims);
    t->shared_fd = -1;
    return t;
}

void partial_table_free(struct partial_table *table)
{
    if (table == NULL)
        return;
    PG_CHECK(pg_list_empty(&table->claims));
    pg_fd_close(&table->shared_fd);
    PG_CHECK(pthread_cond_destroy(&table->released) == 0);
    PG_CHECK(pthread_mutex_destroy(&table->lock) == 0);
    free(table);
}

const char *partial_name(const struct digest *d, char out[PARTIAL_NAME_MAX])
{
    (void)digest_write(d, out);
    *strchr(out, ':') = '-';
    return out;
}

bool partial_name_parse(const char *name, struct digest *d_r)
{
    char text[PARTIAL_NAME_MAX];
    struct pg_err err = {0};
    size_t n = strnlen(name, sizeof(text));
    char *dash;
    bool ok;

    if (n == sizeof(text))
        return false;
    memcpy(text, name, n + 1);
    dash = strchr(text, '-');
    if (dash == NULL)
        return false;
    *dash = ':';
    ok = digest_parse((struct sl){text, n}, d_r, &err) == 0;
    pg_err_clear(&err);
    return ok;
}

static struct claim *find(struct partial_table *t, const struct digest *d)
{
    pg_list_each_safe (it, tmp, &t->claims) {
        struct claim *c = pg_container_of(it, struct claim, node);

        if (digest_eq(&c->digest, d))
            return c;
    }
    return NULL;
}

static void put(struct partial_table *t, const struct digest *d)
{
    struct claim *c = calloc(1, sizeof(*c));

    PG_CHECK(c != NULL);
    c->digest = *d;
    pg_list_init(&c->node);
    pg_list_push(&t->claims, &c->node);
    t->n++;
}

bool partial_claim(struct store *s, const struct digest *d)
{
    struct partial_table *t = s->partials;
    bool is_free;

    lock(t);
    is_free = find(t, d) == NULL;
    if (is_free)
        put(t, d);
    unlock(t);
    return is_free;
}

void partial_claim_wait(struct store *s, const struct digest *d)
{
    struct partial_table *t = s->partials;

    lock(t);
    while (t->held || find(t, d) != NULL)
        PG_CHECK(pthread_cond_wait(&t->released, &t->lock) == 0);
    put(t, d);
    t->opening++;
    unlock(t);
}

void partial_opened(struct store *s)
{
    struct partial_table *t = s->partials;

    lock(t);
    PG_CHECK(t->opening > 0);
    t->opening--;
    PG_CHECK(pthread_cond_broadcast(&t->released) == 0);
    unlock(t);
}

void partial_hold(struct store *s)
{
    struct partial_table *t = s->partials;

    lock(t);
    PG_CHECK(!t->held);
    t->held = true;
    while (t->opening > 0)
        PG_CHECK(pthread_cond_wait(&t->released, &t->lock) == 0);
    unlock(t);
}

void partial_go_on(struct store *s)
{
    struct partial_table *t = s->partials;

    lock(t);
    PG_CHECK(t->held);
    t->held = false;
    PG_CHECK(pthread_cond_broadcast(&t->released) == 0);
    unlock(t);
}

int *partial_shared(struct store *s)
{
    return &s->partials->shared_fd;
}

bool partial_is_claimed(struct store *s, const struct digest *d)
{
    bool is_claimed;

    lock(s->partials);
    is_claimed = find(s->partials, d) != NULL;
    unlock(s->partials);
    return is_claimed;
}

void partial_release(struct store *s, const struct digest *d)
{
    struct partial_table *t = s->partials;
    struct claim *c;

    lock(t);
    c = find(t, d);
    PG_CHECK(c != NULL);
    pg_list_remove(&c->node);
    t->n--;
    PG_CHECK(pthread_cond_broadcast(&t->released) == 0);
    unlock(t);
    free(c);
}

unsigned partial_claims(struct store *s)
{
    unsigned n;

    lock(s->partials);
    n = s->partials->n;
    unlock(s->partials);
    return n;
}

uint64_t partial_promise(struct store *s, uint64_t nbytes)
{
    return atomic_fetch_add(&s->partials->promised, nbytes) + nbytes;
}

uint64_t partial_promise_end(struct store *s, uint64_t nbytes)
{
    return atomic_fetch_sub(&s->partials->promised, nbytes) - nbytes;
}

/* Somebody else may have changed a file's length under us: never below zero. */
void partial_take_off(struct store *s, uint64_t nbytes)
{
    uint64_t now = atomic_load(&s->partial_bytes), then;

    do {
        then = now > nbytes ? now - nbytes : 0;
    } while (!atomic_compare_exchange_weak(&s->partial_bytes, &now, then));
}

int partial_disk_error(struct store *s, int code, const char *doing, struct pg_err *err)
{
    bool full = code == ENOSPC || code == EDQUOT;

    pg_metric_inc(PG_M_STORE_ERRORS);
    if (full || code == EIO || code == EROFS)
        atomic_store(&s->degraded, true);
    if (full)
        (void)pg_fail(err, PG_E_STORE_IO, "the disk of the cache is full");
    else
        (void)pg_fail(err, PG_E_STORE_IO, "the disk of the cache failed");
    return pg_detail(err, "%s in %s: %s", doing, s->config.path, strerrordesc_np(code));
}

/* ---- the mark ---- */

struct mark {
    char magic[8];
    uint64_t have, size, sum; /* little endian; the sum is of what stands before it */
};
_Static_assert(sizeof(struct mark) == PARTIAL_MARK_BYTES, "as it is on the disk");

static uint64_t sum_of(const struct mark *m)
{
    return htole64(XXH3_64bits(m, offsetof(struct mark, sum)));
}

int partial_mark(int fd, uint64_t size, uint64_t have)
{
    struct mark m = {.magic = MARK_MAGIC, .have = htole64(have), .size = htole64(size)};

    PG_CHECK(have <= size);
    m.sum = sum_of(&m);
    return PG_FAULT("partial.mark") ? -1 : pg_fd_pwrite(fd, &m, sizeof(m), size);
}

/* 0: it is as long as it says now; -1 with errno. */
static int settle(int fd, struct stat *st)
{
    struct mark m;
    uint64_t length = (uint64_t)st->st_size;

    if (length < sizeof(m) || pg_fd_pread(fd, &m, sizeof(m), length - sizeof(m)) < 0 ||
        memcmp(m.magic, MARK_MAGIC, sizeof(m.magic)) != 0 || m.sum != sum_of(&m) ||
        le64toh(m.size) != length - sizeof(m) || le64toh(m.have) > le64toh(m.size))
        return 0;
    if (PG_FAULT("partial.truncate") || ftruncate(fd, (off_t)le64toh(m.have)) < 0)
        return -1;
    st->st_size = (off_t)le64toh(m.have);
    return 0;
}

void partial_settle(int dir_fd, const char *name, struct stat *st)
{
    _fd_ int fd = -1;

    if (!S_ISREG(st->st_mode) || (uint64_t)st->st_size < sizeof(struct mark))
        return;
    fd = openat(dir_fd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0 && settle(fd, st) < 0)
        pg_metric_inc(PG_M_STORE_ERRORS); /* whoever opens it tries again */
}

/* What stands in the place of a partial and is no regular file. */
static int remove_stranger(int dir_fd, const char *name)
{
    if (unlinkat(dir_fd, name, 0) == 0)
        return 0;
    return errno == EISDIR || errno == EPERM ? unlinkat(dir_fd, name, AT_REMOVEDIR) : -1;
}

static int open_regular(struct store *s, const char *name, int *fd_r, struct stat *st)
{
    int flags = O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;

    for (int i = 0; i < 2; i++) {
        _fd_ int fd = PG_FAULT("partial.open") ? -1 : openat(s->partial_fd, name, flags, 0600);

        if (fd >= 0 && (PG_FAULT("partial.stat") || fstat(fd, st) < 0))
            return -1;
        if (fd >= 0 && S_ISREG(st->st_mode)) {
            *fd_r = TAKE_FD(fd);
            return 0;
        }
        if (fd < 0 && errno == EACCES && fchmodat(s->partial_fd, name, 0600, 0) == 0)
            continue; /* it was about to be published, and has its mode already */
        if (fd < 0 && errno != ELOOP && errno != EISDIR && errno != ENXIO)
            return -1;
        if (remove_stranger(s->partial_fd, name) < 0)
            return -1;
    }
    errno = EEXIST; /* it came back at once */
    return -1;
}

int partial_open(struct store *s, const struct digest *d, uint64_t size, int *fd_r,
                 uint64_t *have_r, struct pg_err *err)
{
    char name[PARTIAL_NAME_MAX];
    struct stat st;
    uint64_t length;
    _fd_ int fd = -1;

    if (open_regular(s, partial_name(d, name), &fd, &st) < 0)
        return partial_disk_error(s, errno, "opening a file in partial/", err);
    length = (uint64_t)st.st_size;
    if (settle(fd, &st) < 0)
        return partial_disk_error(s, errno, "cutting a file in partial/", err);
    partial_take_off(s, length - (uint64_t)st.st_size);
    if ((uint64_t)st.st_size > size) {
        if (PG_FAULT("partial.truncate") || ftruncate(fd, 0) < 0)
            return partial_disk_error(s, errno, "emptying a file in partial/", err);
        partial_take_off(s, (uint64_t)st.st_size);
        st.st_size = 0;
    }
    *fd_r = TAKE_FD(fd);
    *have_r = (uint64_t)st.st_size;
    return 0;
}

static uint64_t drop(struct store *s, const char *name)
{
    struct stat st;
    struct pg_err err = {0};

    if (fstatat(s->partial_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    if (PG_FAULT("partial.unlink") || remove_stranger(s->partial_fd, name) < 0) {
        if (errno == ENOENT)
            return 0;
        (void)partial_disk_error(s, errno, "removing a file in partial/", &err);
        pg_log_say(PG_LOG_WARN, PG_LOG_STORE, "%s: %s", err.msg, err.detail);
        pg_err_clear(&err);
        return 0;
    }
    if (!S_ISREG(st.st_mode))
        return 0;
    partial_take_off(s, (uint64_t)st.st_size);
    return (uint64_t)st.st_size;
}

void partial_drop(struct store *s, const struct digest *d)
{
    char name[PARTIAL_NAME_MAX];

    (void)drop(s, partial_name(d, name));
}

/* Its own open file: a DIR reads with the offset of its descriptor. */
static DIR *open_list(struct store *s)
{
    int fd = openat(s->partial_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 && !PG_FAULT("partial.list") ? fdopendir(fd) : NULL;

    if (dir == NULL)
        pg_fd_close(&fd);
    return dir;
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

struct candidate {
    struct digest digest;
    struct timespec used;
};

static int by_age(const void *a, const void *b)
{
    const struct timespec *x = &((const struct candidate *)a)->used;
    const struct timespec *y = &((const struct candidate *)b)->used;

    if (x->tv_sec != y->tv_sec)
        return x->tv_sec < y->tv_sec ? -1 : 1;
    return x->tv_nsec < y->tv_nsec ? -1 : x->tv_nsec > y->tv_nsec;
}

static size_t list_candidates(struct store *s, struct candidate **list_r)
{
    struct candidate *list = NULL;
    DIR *dir = open_list(s);
    struct dirent *e;
    size_t n = 0;

    while (dir != NULL && n < SCAN_MAX && (e = readdir(dir)) != NULL) {
        struct candidate c;
        struct stat st;

        if (!partial_name_parse(e->d_name, &c.digest) ||
            fstatat(s->partial_fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        c.used = st.st_mtim;
        if ((n & (n - 1)) == 0) {
            list = reallocarray(list, n > 0 ? n * 2 : 1, sizeof(*list));
            PG_CHECK(list != NULL);
        }
        list[n++] = c;
    }
    if (dir != NULL)
        (void)closedir(dir);
    if (n > 0)
        qsort(list, n, sizeof(*list), by_age);
    *list_r = list;
    return n;
}

uint64_t partial_evict(struct store *s, uint64_t nbytes)
{
    _free_ struct candidate *list = NULL;
    size_t n = list_candidates(s, &list);
    uint64_t freed = 0;

    for (size_t i = 0; i < n && freed < nbytes; i++) {
        char name[PARTIAL_NAME_MAX];

        if (!partial_claim(s, &list[i].digest))
            continue;
        freed += drop(s, partial_name(&list[i].digest, name));
        partial_release(s, &list[i].digest);
    }
    return freed;
}

static int has_row(struct store *s, const struct digest *d, struct pg_err *err)
{
    _index_view_ struct index_view v = index_view_begin(s->index);
    struct index_blob row;

    return index_get_blob(&v, d, &row, err);
}

bool partial_is_done(struct store *s, const struct digest *d)
{
    struct pg_err ignored = {0};
    bool done = has_row(s, d, &ignored) > 0;

    pg_err_clear(&ignored); /* not known: it may be of use */
    return done;
}

void partial_sweep(struct store *s)
{
    _free_ struct candidate *list = NULL;
    size_t n = list_candidates(s, &list);

    for (size_t i = 0; i < n; i++) {
        const struct digest *d = &list[i].digest;

        if (!partial_is_done(s, d) || !partial_claim(s, d))
            continue;
        partial_drop(s, d);
        partial_release(s, d);
    }
}

/* 1: keep it, 0: it is nothing that we wrote, or what it was for is done; -1. */
static int may_keep(struct store *s, const char *name, const struct stat *st, struct pg_err *err)
{
    struct digest d;
    int found;

    if (!S_ISREG(st->st_mode) || st->st_size == 0 || !partial_name_parse(name, &d))
        return 0;
    found = has_row(s, &d, err);
    return found < 0 ? -1 : !found;
}

static int recover_one(struct store *s, const char *name, struct pg_err *err)
{
    struct stat st;
    int keep;

    if (fstatat(s->partial_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return partial_disk_error(s, errno, "looking into partial/", err);
    partial_settle(s->partial_fd, name, &st);
    keep = may_keep(s, name, &st, err);
    if (keep < 0)
        return -1;
    if (keep == 1) {
        atomic_fetch_add(&s->partial_bytes, (uint64_t)st.st_size);
        return 0;
    }
    if (remove_stranger(s->partial_fd, name) < 0)
        pg_log_say(PG_LOG_WARN, PG_LOG_STORE,
                   "%s/partial holds something that is not removable: %s", s->config.path,
                   strerrordesc_np(errno));
    return 0;
}

int partial_recover(struct store *s, struct pg_err *err)
{
    DIR *dir = open_list(s);
    struct dirent *e;
    int r = 0;

    if (dir == NULL)
        return partial_disk_error(s, errno, "opening partial/", err);
    errno = 0;
    while (r == 0 && (e = readdir(dir)) != NULL) {
        if (!is_dots(e->d_name) && !handover_is_folder(e->d_name))
            r = recover_one(s, e->d_name, err);
        errno = 0;
    }
    if (r == 0 && errno != 0)
        r = partial_disk_error(s, errno, "reading partial/", err);
    (void)closedir(dir);
    return r;
}
