/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A real data.mdb, small, and what a disk may do to it: each input is a list of damages. What
 * index_check() calls sound is used here, in this process, as the server would; what it does not is
 * a file that its child may die of or loop in, and that must cost nobody else anything.
 *
 *     byte 0  what is done; then 7 bytes: a page (2), an offset in it (2), a value (3)
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/fd.h"
#include "base/hash.h"
#include "cache/index_page_int.h"
#include "harness/index_use.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PAGE    4096
#define DAMAGES 16
#define GROUPS  6

static char folder[] = "/tmp/pullgate-fuzz-XXXXXX";
static char path[sizeof(folder) + 16], file[sizeof(folder) + 32];
static struct index_config config = {.map_bytes = (size_t)16 << 20};
static char *sound, *damaged;
static size_t nsound;

static void clean(void)
{
    char lock[sizeof(folder) + 32];

    (void)snprintf(lock, sizeof(lock), "%s/lock.mdb", path);
    (void)unlink(lock);
    (void)unlink(file);
    (void)rmdir(path);
    (void)rmdir(folder);
}

static void put_row(struct index_txn *txn, unsigned group, unsigned n, struct pg_err *err)
{
    struct digest d = {.alg = PG_SHA256, .bytes = {(uint8_t)(n * 37), (uint8_t)group, (uint8_t)n}};
    struct index_blob b = {.size = n, .sha256 = d};
    struct index_link l = {.kind = INDEX_LINK_BLOB};
    static const char bytes[6000];
    struct index_manifest m = {.kind = MANIFEST_IMAGE,
                               .sha256 = d,
                               .media_type = SL("application/x"),
                               .bytes = {bytes, sizeof(bytes)}};

    PG_CHECK(index_put_blob(txn, &d, &b, err) == 0);
    PG_CHECK(index_put_link(txn, SL("r.io/a"), &d, &l, err) == 0);
    if (n % 16 == 0)
        PG_CHECK(index_put_manifest(txn, &d, &m, err) == 0);
    if (n % 7 == 0)
        PG_CHECK(index_del_blob(txn, &d, err) == 1);
}

static void fill(void)
{
    struct pg_err err = {0};
    struct index *ix;

    PG_CHECK(index_open(&config, &ix, &err) == 0);
    for (unsigned group = 0; group < GROUPS; group++) {
        struct index_txn *txn;

        PG_CHECK(index_txn_begin(ix, &txn, &err) == 0);
        for (unsigned n = 0; n < 80; n++)
            put_row(txn, group, n, &err);
        PG_CHECK(index_txn_commit(txn, &err) == 0);
    }
    index_close(ix);
}

static void begin(void)
{
    struct stat st;

    pg_hash_setup();
    PG_CHECK(mkdtemp(folder) != NULL);
    (void)snprintf(path, sizeof(path), "%s/index", folder);
    (void)snprintf(file, sizeof(file), "%s/data.mdb", path);
    config.path = path;
    fill();
    PG_CHECK(stat(file, &st) == 0 && st.st_size > (off_t)4 * PAGE);
    nsound = (size_t)st.st_size;
    sound = malloc(nsound);
    damaged = malloc(nsound);
    PG_CHECK(sound != NULL && damaged != NULL);
    {
        _fd_ int fd = open(file, O_RDONLY | O_CLOEXEC);

        PG_CHECK(fd >= 0 && pg_fd_pread(fd, sound, nsound, 0) == 0);
    }
    PG_CHECK(atexit(clean) == 0);
}

static size_t damage(const uint8_t *d, size_t n)
{
    size_t npages = nsound / PAGE;
    char *page = damaged + (size_t)(d[1] | d[2] << 8) % npages * PAGE;
    char *other = damaged + (size_t)(d[5] | d[6] << 8) % npages * PAGE;
    size_t at = (size_t)(d[3] | d[4] << 8) % PAGE;
    char held[PAGE];

    switch (d[0] % 7) {
    case 0: /* a byte */
        page[at] = (char)d[5];
        break;
    case 1: /* a number of a page, in a header, a branch or the free list */
        if (at <= PAGE - 8) {
            memset(page + at, 0, 8);
            memcpy(page + at, d + 5, 2);
        }
        break;
    case 2: /* cut */
        return (size_t)(page - damaged) + (d[5] % 2 == 0 ? 0 : at);
    case 3:
        memcpy(held, page, PAGE);
        memcpy(page, other, PAGE);
        memcpy(other, held, PAGE);
        break;
    case 4:
        memset(page, d[5] % 2 == 0 ? 0 : 0xff, PAGE);
        break;
    case 5:
        memmove(page, other, PAGE);
        break;
    default: /* torn: the end of one, the beginning of the other */
        if (page != other)
            memcpy(page + at, other + at, PAGE - at);
        break;
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum index_health health;
    struct pg_err err = {0};
    size_t n;

    if (sound == NULL)
        begin();
    n = nsound;
    memcpy(damaged, sound, nsound);
    for (size_t i = 0; i + 8 <= size && i / 8 < DAMAGES; i += 8)
        n = damage(data + i, n);
    {
        _fd_ int fd = open(file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        PG_CHECK(fd >= 0 && pg_fd_write(fd, damaged, n) == 0);
        (void)index_page_check(fd, UINT64_MAX); /* it believes nothing, and so needs no child */
    }
    if (index_check(&config, &health, &err) == 0 && health == INDEX_SOUND)
        index_use(&config);
    pg_err_clear(&err);
    return 0;
}
