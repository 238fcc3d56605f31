/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A journal as a damaged disk or an attacker may leave it: the first byte's lowest bit says
 * whether checksums and hashes are made right first, so that what is behind them is reached; 0xff
 * 0xfe 0xfd 0xfc in the rest begins another segment. It is read, or refused; and after an accepted
 * loss there is a whole chain to go on with.
 */
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#include "base/check.h"
#include "base/fd.h"
#include "base/hash.h"
#include "cache/journal_record_int.h"

#define FIXED 44 /* bytes of a record before its texts, see journal_record_int.h */
#define TAIL  40

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[256];

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void remove_dir(void)
{
    (void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void make_dir(void)
{
    const char *tmp = getenv("TMPDIR"); /* NOLINT(concurrency-mt-unsafe) */
    char path[300];

    if (dir[0] == '\0')
        PG_CHECK(atexit(remove_dir) == 0);
    else
        remove_dir();
    PG_CHECK(snprintf(dir, sizeof(dir), "%s/pullgate-fuzz-XXXXXX", tmp != NULL ? tmp : "/tmp") <
             (int)sizeof(dir));
    PG_CHECK(mkdtemp(dir) != NULL);
    PG_CHECK(snprintf(path, sizeof(path), "%s/journal", dir) < (int)sizeof(path));
    PG_CHECK(mkdir(path, 0700) == 0);
}

static void put_le(char *p, uint64_t value, unsigned nbytes)
{
    for (unsigned i = 0; i < nbytes; i++)
        p[i] = (char)(value >> (8 * i));
}

/* Of the records that the lengths in the bytes make, as far as they go. */
static void make_right(char *p, size_t n, struct journal_record_hash *hash)
{
    while (n >= FIXED + TAIL) {
        size_t length = (uint8_t)p[4] | (size_t)(uint8_t)p[5] << 8;
        struct pg_hash *h;

        if (length < FIXED + TAIL || length > n)
            return;
        put_le(p + length - TAIL, XXH3_64bits(p, length - TAIL), 8);
        h = pg_hash_new(PG_SHA256);
        pg_hash_update(h, hash->bytes, sizeof(hash->bytes));
        pg_hash_update(h, p, length - JOURNAL_RECORD_HASH);
        pg_hash_final(h, hash->bytes);
        pg_hash_free(h);
        memcpy(p + length - JOURNAL_RECORD_HASH, hash->bytes, JOURNAL_RECORD_HASH);
        p += length;
        n -= length;
    }
}

static void write_segment(unsigned number, const char *p, size_t n)
{
    char path[300];
    _fd_ int fd = -1;

    PG_CHECK(snprintf(path, sizeof(path), "%s/journal/%08u", dir, number) < (int)sizeof(path));
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    PG_CHECK(fd >= 0 && pg_fd_write(fd, p, n) == 0);
}

static void write_segments(bool right, char *p, size_t n)
{
    struct journal_record_hash hash = {0};
    unsigned number = 1;

    while (number < 4) {
        char *mark = memmem(p, n, "\xff\xfe\xfd\xfc", 4);
        size_t length = mark != NULL ? (size_t)(mark - p) : n;

        if (right)
            make_right(p, length, &hash);
        write_segment(number++, p, length);
        if (mark == NULL)
            return;
        p += length + 4;
        n -= length + 4;
    }
}

static int see(void *arg, const struct journal_record *r, struct pg_err *err)
{
    (void)err;
    PG_CHECK(r->repo.n <= JOURNAL_REPO_MAX && r->name.n <= JOURNAL_NAME_MAX);
    PG_CHECK(r->more.n <= JOURNAL_MORE_MAX && r->kind != JOURNAL_BEGIN);
    PG_CHECK(r->seq > *(uint64_t *)arg);
    *(uint64_t *)arg = r->seq;
    return 0;
}

/* Opens it as the server would; what opened can be read to its end. */
static struct journal *open_and_read(const struct journal_config *config, struct pg_err *err)
{
    struct journal *j;
    struct journal_found found;
    uint64_t last = 0;

    pg_err_clear(err);
    if (journal_open(config, &j, &found, err) < 0)
        return NULL;
    PG_CHECK(journal_read(j, 0, see, &last, err) == 0);
    PG_CHECK(last <= journal_seq(j));
    return j;
}

static void go_on(struct journal_config *config, struct pg_err *err)
{
    struct journal_record r = {.kind = JOURNAL_REVOKE, .more = SL("x")};
    struct journal *j;
    uint64_t seq;

    config->accept_loss = true;
    j = open_and_read(config, err);
    PG_CHECK(j != NULL);
    PG_CHECK(journal_append(j, &r, err) == 0 && journal_sync(j, err) == 0);
    seq = journal_seq(j);
    journal_close(j);
    config->accept_loss = false;
    j = open_and_read(config, err);
    PG_CHECK(j != NULL && journal_seq(j) == seq);
    journal_close(j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct journal_config config = {.path = "fuzz", .read_only = true, .now_s = 1};
    struct pg_err err = {0};
    _fd_ int fd = -1;
    char *copy;

    if (size < 1 || size > 65536)
        return 0;
    pg_hash_setup();
    make_dir();
    copy = malloc(size);
    PG_CHECK(copy != NULL);
    memcpy(copy, data, size);
    write_segments(data[0] & 1, copy + 1, size - 1);
    free(copy);
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    PG_CHECK(fd >= 0);
    config.dir_fd = fd;
    journal_close(open_and_read(&config, &err));
    config.read_only = false;
    go_on(&config, &err);
    pg_err_clear(&err);
    return 0;
}
