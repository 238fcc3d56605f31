/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shelf - a store in a new directory, with pools, a mailbox and a flight table: what a test of the
 * store needs around it. The test is the fetch thread.
 */
#pragma once

#include "harness/test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/capability.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/fd.h"
#include "base/list.h"
#include "cache/blob.h"
#include "cache/fill.h"
#include "cache/fsck.h"
#include "cache/index_int.h"
#include "cache/partial.h"
#include "cache/publish.h"
#include "cache/recover.h"
#include "cache/store.h"
#include "cache/writer.h"

#define SHELF_WAIT_S 20 /* what takes longer is lost */

struct shelf {
    char dir[64];
    struct store_config config;
    struct store *store;
    struct pg_mailbox box;
    sem_t mail;
    struct flight_table flights;
    struct flight_bell bell;
};

static inline void shelf_wake(struct pg_mailbox *box)
{
    struct shelf *sh = box->owner;

    PG_CHECK(sem_post(&sh->mail) == 0);
}

static inline void shelf_ring(struct flight_bell *bell)
{
    (void)bell;
}

/* Modes of files say nothing to root, and much to the user that a server runs as. For this thread
 * and those that it begins. */
static inline void shelf_heed_modes(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];

    PG_CHECK(syscall(SYS_capget, &head, caps) == 0);
    caps[0].effective &= ~(CAP_TO_MASK(CAP_DAC_OVERRIDE) | CAP_TO_MASK(CAP_DAC_READ_SEARCH));
    PG_CHECK(syscall(SYS_capset, &head, caps) == 0);
}

static inline void shelf_begin(struct shelf *sh)
{
    shelf_heed_modes();
    *sh = (struct shelf){.dir = "/tmp/pgstore.XXXXXX"};
    pg_hash_setup();
    PG_CHECK(mkdtemp(sh->dir) != NULL);
    PG_CHECK(sem_init(&sh->mail, 0, 0) == 0);
    pg_mailbox_init(&sh->box, shelf_wake, sh);
    flight_table_init(&sh->flights);
    flight_bell_init(&sh->bell, &sh->flights, shelf_ring);
    sh->config = (struct store_config){
        .path = sh->dir, .data_pool = pg_pool_new("data", 2), .slow_pool = pg_pool_new("slow", 2)};
}

static inline void shelf_open(struct shelf *sh)
{
    struct pg_err err = {0};

    if (store_open(&sh->config, &sh->store, &err) < 0)
        fail_msg("%s (%s)", err.msg, err.detail != NULL ? err.detail : "");
    PG_CHECK(sh->store != NULL);
    if (!sh->config.read_only)
        recover_wait(sh->store->recover);
}

static inline void shelf_close(struct shelf *sh)
{
    store_close(sh->store);
    sh->store = NULL;
}

static inline int shelf_remove(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static inline void shelf_end(struct shelf *sh)
{
    shelf_close(sh);
    pg_pool_free(sh->config.data_pool);
    pg_pool_free(sh->config.slow_pool);
    flight_table_free(&sh->flights);
    PG_CHECK(sem_destroy(&sh->mail) == 0);
    (void)nftw(sh->dir, shelf_remove, 32, FTW_DEPTH | FTW_PHYS);
}

static inline void shelf_pump(struct shelf *sh)
{
    struct timespec at;

    PG_CHECK(clock_gettime(CLOCK_MONOTONIC, &at) == 0);
    at.tv_sec += SHELF_WAIT_S;
    while (sem_clockwait(&sh->mail, CLOCK_MONOTONIC, &at) < 0)
        if (errno != EINTR)
            fail_msg("what the test waits for does not come");
    (void)pg_mailbox_drain(&sh->box);
}

#define SHELF_UNTIL(sh, cond)                                                                      \
    do {                                                                                           \
        while (!(cond))                                                                            \
            shelf_pump(sh);                                                                        \
    } while (0)

/* Bytes that no two seeds share; the caller frees them. */
static inline struct sl shelf_bytes(size_t n, uint64_t seed)
{
    char *p = malloc(n > 0 ? n : 1);

    PG_CHECK(p != NULL);
    for (size_t i = 0; i < n; i++) {
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        p[i] = (char)(seed >> 56);
    }
    return (struct sl){p, n};
}

static inline void shelf_free(struct sl bytes)
{
    free((void *)(uintptr_t)bytes.p);
}

/* ---- a fill, and what was heard of it ---- */

struct shelf_fill {
    struct shelf *shelf;
    struct fill *fill; /* NULL when it is gone */
    struct flight_reader reader;
    unsigned ready, room, landed, wrong, disk;
    enum pg_ekind kind;
};

static inline void shelf_on_event(struct fill *f, enum fill_event event)
{
    struct shelf_fill *sf = f->owner;

    switch (event) {
    case FILL_READY:
        sf->ready++;
        return;
    case FILL_ROOM:
        sf->room++;
        return;
    case FILL_LANDED:
        sf->landed++;
        sf->fill = NULL;
        return;
    case FILL_WRONG:
        sf->wrong++;
        sf->kind = f->err.kind;
        return;
    case FILL_DISK:
        sf->disk++;
        sf->kind = f->err.kind;
        return;
    }
}

static inline void shelf_on_news(struct flight_reader *reader)
{
    (void)reader;
}

/* Boards the flight as its first reader and opens the fill; returns when it is ready, or not. */
static inline void shelf_start(struct shelf *sh, struct shelf_fill *sf, const struct digest *d,
                               uint64_t size)
{
    char text[DIGEST_TEXT_MAX];
    enum flight_role role;
    struct pg_err err = {0};

    *sf = (struct shelf_fill){.shelf = sh};
    assert_int_equal(
        flight_join(&sh->bell, digest_write(d, text), &sf->reader, shelf_on_news, &role, &err), 0);
    assert_int_equal(role, FLIGHT_LEADER);
    sf->fill = fill_open(sh->store, sf->reader.flight, d, size, &sh->box, shelf_on_event, sf);
    SHELF_UNTIL(sh, sf->ready + sf->disk > 0);
}

/* All of the bytes, in pieces. -1: the disk failed; or 0. */
static inline int shelf_write(struct shelf_fill *sf, struct sl bytes, size_t piece)
{
    struct pg_err err = {0};
    size_t at = 0;

    while (at < bytes.n) {
        size_t n = bytes.n - at < piece ? bytes.n - at : piece;
        unsigned room = sf->room;
        int r = fill_write(sf->fill, (struct sl){bytes.p + at, n}, &err);

        assert_true(r >= 0);
        if (r == 1)
            at += n;
        else
            SHELF_UNTIL(sf->shelf, sf->room > room || sf->disk > 0);
        if (sf->disk > 0)
            return -1;
    }
    return 0;
}

static inline void shelf_give_up(struct shelf_fill *sf, enum pg_ekind kind)
{
    struct pg_err why = {0};

    (void)pg_fail(&why, kind, "the test gives up");
    fill_fail(sf->fill, &why);
    sf->fill = NULL;
    pg_err_clear(&why);
    SHELF_UNTIL(sf->shelf, flight_look(&sf->reader).state >= FLIGHT_LANDED);
}

/* Ends it: true when it landed and is in the store. */
static inline bool shelf_finish(struct shelf_fill *sf)
{
    bool landed;

    fill_end(sf->fill);
    SHELF_UNTIL(sf->shelf, sf->landed + sf->wrong + sf->disk > 0);
    if (sf->fill != NULL)
        shelf_give_up(sf, sf->kind);
    landed = flight_look(&sf->reader).state == FLIGHT_LANDED;
    flight_leave(&sf->reader);
    return landed;
}

/* The short way. */
static inline struct digest shelf_put(struct shelf *sh, struct sl bytes)
{
    struct digest d = digest_of(PG_SHA256, bytes);
    struct shelf_fill sf;

    shelf_start(sh, &sf, &d, bytes.n);
    assert_int_equal(shelf_write(&sf, bytes, 65536), 0);
    assert_true(shelf_finish(&sf));
    return d;
}

static inline struct digest shelf_put_seed(struct shelf *sh, size_t n, uint64_t seed)
{
    struct sl bytes = shelf_bytes(n, seed);
    struct digest d = shelf_put(sh, bytes);

    shelf_free(bytes);
    return d;
}

/* ---- looking ---- */

static inline bool shelf_has_row(struct shelf *sh, const struct digest *d)
{
    _index_view_ struct index_view v = index_view_begin(sh->store->index);
    struct index_blob row;
    struct pg_err err = {0};
    int found = index_get_blob(&v, d, &row, &err);

    assert_true(found >= 0);
    return found == 1;
}

static inline void shelf_path(struct shelf *sh, const struct digest *d, char out[256])
{
    char path[BLOB_PATH_MAX];

    (void)snprintf(out, 256, "%s/blobs/%s", sh->dir, blob_path(d, path));
}

static inline bool shelf_has_file(struct shelf *sh, const struct digest *d)
{
    char path[256];

    shelf_path(sh, d, path);
    return access(path, F_OK) == 0;
}

static inline unsigned shelf_count_files(int dir_fd)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fdopendir(fd);
    struct dirent *e;
    unsigned n = 0;

    assert_non_null(dir);
    while ((e = readdir(dir)) != NULL)
        n += e->d_name[0] != '.';
    (void)closedir(dir);
    return n;
}

static inline bool shelf_has_partial(struct shelf *sh, const struct digest *d)
{
    char name[PARTIAL_NAME_MAX];

    PG_CHECK(sh->store != NULL);
    return faccessat(sh->store->partial_fd, partial_name(d, name), F_OK, 0) == 0;
}

static inline bool shelf_can_open(struct shelf *sh, const struct digest *d)
{
    struct pg_err err = {0};
    struct blob *b;
    int r = blob_open(sh->store, d, &b, &err);

    assert_true(r >= 0);
    if (r == 1)
        blob_close(b);
    return r == 1;
}

/* ---- the inspector ---- */

struct shelf_findings {
    unsigned n, of[FSCK_KINDS], repaired;
    struct fsck_result result;
    bool quiet;
};

static inline void shelf_on_finding(void *arg, const struct fsck_finding *f)
{
    struct shelf_findings *found = arg;

    found->n++;
    found->of[f->kind]++;
    found->repaired += f->repaired;
    if (!found->quiet)
        print_message("fsck: %s %s: %s\n", fsck_kind_name(f->kind), f->path, f->what);
}

static inline struct shelf_findings shelf_fsck_with(struct shelf *sh, bool deep, bool repair)
{
    struct shelf_findings found = {.quiet = true};
    struct fsck_config c = {
        .deep = deep, .repair = repair, .each = shelf_on_finding, .arg = &found};
    struct pg_err err = {0};

    if (fsck_run(sh->store, &c, &found.result, &err) < 0)
        fail_msg("fsck: %s (%s)", err.msg, err.detail != NULL ? err.detail : "");
    assert_int_equal(found.result.found, found.n);
    assert_int_equal(found.result.repaired, found.repaired);
    return found;
}

/* Nothing is wrong. */
static inline void shelf_is_sound(struct shelf *sh)
{
    struct shelf_findings found = {0};
    struct fsck_config c = {.deep = true, .each = shelf_on_finding, .arg = &found};
    struct pg_err err = {0};

    assert_int_equal(fsck_run(sh->store, &c, &found.result, &err), 0);
    assert_int_equal(found.n, 0);
}

struct shelf_wait {
    struct shelf *shelf;
    struct pg_mail mail;
    bool done;
};

static inline void shelf_on_mail(struct pg_mail *mail)
{
    pg_container_of(mail, struct shelf_wait, mail)->done = true;
}

static inline void shelf_on_dropped(void *owner)
{
    struct shelf_wait *w = owner;

    pg_mailbox_post(&w->shelf->box, &w->mail);
}

/* Whatever was posted to the writer before is done after this. */
static inline void shelf_commit(struct shelf *sh)
{
    struct pg_err err = {0};

    PG_CHECK(sh->store != NULL);
    assert_int_equal(writer_catch_up(sh->store->writer, &err), 0);
}

/* Takes a blob out, and waits for the commit. */
static inline void shelf_drop(struct shelf *sh, const struct digest *d, enum publish_drop_why why)
{
    struct shelf_wait w = {.shelf = sh, .mail = {.deliver = shelf_on_mail}};

    publish_drop(sh->store, d, why, shelf_on_dropped, &w);
    SHELF_UNTIL(sh, w.done);
}
