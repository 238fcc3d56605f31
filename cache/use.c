/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/use.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/fault.h"
#include "base/fd.h"
#include "base/random.h"

#define SLOTS_MIN 1024u      /* a power of two, as all after it; at most half of them are taken */
#define SLICE     4096u      /* slots copied by a save under one lock */
#define MAGIC     "pguse1\n" /* with its NUL: 8 bytes */

/* The first eight bytes of the digest stand for it. Two blobs that agree in them share an age,
 * which costs whoever made them 2^32 hashes and harms nobody. */
struct slot {
    uint64_t key; /* 0: free */
    int64_t last_s;
};

struct use {
    pthread_mutex_t lock;
    struct slot *slots;
    size_t nslots, n;
    unsigned shift;
    uint64_t multiplier; /* odd, random: nobody outside can choose keys for one place */
    bool dirty;
};

struct head {
    char magic[8];
    uint64_t n, sum; /* XXH3-64 of the slots that follow */
};

_Static_assert(sizeof(struct slot) == 16 && sizeof(struct head) == 24, "as they are in the file");

static void lock(struct use *u)
{
    PG_CHECK(pthread_mutex_lock(&u->lock) == 0);
}

static void unlock(struct use *u)
{
    PG_CHECK(pthread_mutex_unlock(&u->lock) == 0);
}

static uint64_t key_of(const struct digest *d)
{
    uint64_t key;

    memcpy(&key, d->bytes, sizeof(key));
    return key != 0 ? key : 1;
}

static size_t place(const struct use *u, uint64_t key)
{
    return (size_t)(key * u->multiplier >> u->shift);
}

/* The slot of the key, or the free one where it would be. */
static struct slot *find(const struct use *u, uint64_t key)
{
    size_t i = place(u, key);

    while (u->slots[i].key != 0 && u->slots[i].key != key)
        i = (i + 1) & (u->nslots - 1);
    return &u->slots[i];
}

static void resize(struct use *u, size_t nslots)
{
    struct slot *old = u->slots;
    size_t nold = u->nslots;

    u->slots = calloc(nslots, sizeof(*u->slots));
    PG_CHECK(u->slots != NULL);
    u->nslots = nslots;
    u->shift = 64 - (unsigned)__builtin_ctzll(nslots);
    for (size_t i = 0; i < nold; i++) {
        if (old[i].key != 0)
            *find(u, old[i].key) = old[i];
    }
    free(old);
}

struct use *use_new(void)
{
    struct use *u = calloc(1, sizeof(*u));

    PG_CHECK(u != NULL);
    PG_CHECK(pthread_mutex_init(&u->lock, NULL) == 0);
    u->multiplier = pg_random_u64() | 1;
    resize(u, SLOTS_MIN);
    return u;
}

void use_free(struct use *u)
{
    if (u == NULL)
        return;
    PG_CHECK(pthread_mutex_destroy(&u->lock) == 0);
    free(u->slots);
    free(u);
}

static void touch(struct use *u, uint64_t key, int64_t now_s)
{
    struct slot *at = find(u, key);

    if (at->key == 0) {
        if (u->n == USE_MAX)
            return;
        if ((u->n + 1) * 2 > u->nslots) {
            resize(u, u->nslots * 2);
            at = find(u, key);
        }
        at->key = key;
        u->n++;
    }
    if (at->last_s != now_s)
        u->dirty = true;
    at->last_s = now_s;
}

void use_touch(struct use *u, const struct digest *d, int64_t now_s)
{
    lock(u);
    touch(u, key_of(d), now_s);
    unlock(u);
}

int64_t use_last(struct use *u, const struct digest *d)
{
    int64_t last_s;

    lock(u);
    last_s = find(u, key_of(d))->last_s; /* 0 in a free slot */
    unlock(u);
    return last_s;
}

/* What was pushed past the freed slot moves back, so that no search ends too early. */
static void close_gap(struct use *u, size_t gap)
{
    size_t mask = u->nslots - 1;

    for (size_t i = (gap + 1) & mask; u->slots[i].key != 0; i = (i + 1) & mask) {
        size_t home = place(u, u->slots[i].key);

        if (((i - home) & mask) < ((i - gap) & mask))
            continue; /* its home is behind the gap: it is found where it is */
        u->slots[gap] = u->slots[i];
        gap = i;
    }
    u->slots[gap] = (struct slot){0};
}

void use_forget(struct use *u, const struct digest *d)
{
    struct slot *at;

    lock(u);
    at = find(u, key_of(d));
    if (at->key != 0) {
        close_gap(u, (size_t)(at - u->slots));
        u->n--;
        u->dirty = true;
    }
    unlock(u);
}

size_t use_count(struct use *u)
{
    size_t n;

    lock(u);
    n = u->n;
    unlock(u);
    return n;
}

bool use_is_dirty(struct use *u)
{
    bool dirty;

    lock(u);
    dirty = u->dirty;
    unlock(u);
    return dirty;
}

/* 0 and *head_r, or -1: absent, or damaged in any way. */
static int read_head(int fd, struct head *head_r)
{
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || PG_FAULT("use.read") ||
        pg_fd_pread(fd, head_r, sizeof(*head_r), 0) < 0)
        return -1;
    if (memcmp(head_r->magic, MAGIC, sizeof(head_r->magic)) != 0 || head_r->n == 0 ||
        head_r->n > USE_MAX)
        return -1;
    return (uint64_t)st.st_size == sizeof(*head_r) + head_r->n * sizeof(struct slot) ? 0 : -1;
}

static void take_slots(struct use *u, const struct slot *slots, size_t n)
{
    lock(u);
    for (size_t i = 0; i < n; i++) {
        if (slots[i].key != 0)
            touch(u, slots[i].key, slots[i].last_s);
    }
    u->dirty = false;
    unlock(u);
}

void use_load(struct use *u, int dir_fd, const char *name)
{
    _fd_ int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct slot *slots;
    struct head head;
    size_t bytes;

    if (read_head(fd, &head) < 0)
        return;
    bytes = head.n * sizeof(*slots);
    slots = malloc(bytes);
    PG_CHECK(slots != NULL);
    if (pg_fd_pread(fd, slots, bytes, sizeof(head)) == 0 && XXH3_64bits(slots, bytes) == head.sum)
        take_slots(u, slots, head.n);
    free(slots);
}

/* In slices, so that no hit waits long. A slot that moves meanwhile may be missed: no harm. */
static struct slot *copy_slots(struct use *u, size_t *n_r)
{
    struct slot *copy = NULL;
    size_t n = 0, nslots = 0;

    for (size_t i = 0; i == 0 || i < nslots; i += SLICE) {
        lock(u);
        if (u->nslots != nslots) { /* begun, or grown meanwhile: from the start */
            nslots = u->nslots;
            free(copy);
            copy = calloc(nslots, sizeof(*copy));
            PG_CHECK(copy != NULL);
            i = n = 0;
            u->dirty = false;
        }
        for (size_t k = i; k < i + SLICE && k < nslots; k++) {
            if (u->slots[k].key != 0)
                copy[n++] = u->slots[k];
        }
        unlock(u);
    }
    *n_r = n < USE_MAX ? n : USE_MAX;
    return copy;
}

static int write_file(int dir_fd, const char *name, const struct slot *slots, size_t n)
{
    struct head head = {.magic = MAGIC, .n = n, .sum = XXH3_64bits(slots, n * sizeof(*slots))};
    _fd_ int fd = -1;

    (void)unlinkat(dir_fd, name, 0);
    fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 || PG_FAULT("use.write") || pg_fd_write(fd, &head, sizeof(head)) < 0)
        return -1;
    return pg_fd_write(fd, slots, n * sizeof(*slots));
}

int use_save(struct use *u, int dir_fd, const char *name, struct pg_err *err)
{
    char tmp[64];
    size_t n = 0;
    struct slot *slots = copy_slots(u, &n);
    int r, code;

    PG_CHECK((size_t)snprintf(tmp, sizeof(tmp), "%s.new", name) < sizeof(tmp));
    r = write_file(dir_fd, tmp, slots, n);
    if (r == 0)
        r = PG_FAULT("use.rename") ? -1 : renameat(dir_fd, tmp, dir_fd, name);
    code = errno;
    free(slots);
    if (r == 0)
        return 0;
    (void)unlinkat(dir_fd, tmp, 0);
    lock(u);
    u->dirty = true;
    unlock(u);
    (void)pg_fail(err, PG_E_STORE_IO, "the disk of the cache failed");
    return pg_detail(err, "writing %s: %s", name, strerrordesc_np(code));
}
