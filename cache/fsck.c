/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/fsck_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/list.h"
#include "cache/blob.h"
#include "cache/damaged.h"
#include "cache/handover.h"
#include "cache/journal.h"
#include "cache/partial.h"
#include "cache/recover.h"

#define WHAT_MAX 512

const char *fsck_kind_name(enum fsck_kind kind)
{
    static const char *const names[FSCK_KINDS] = {
        [FSCK_ROW_DAMAGED] = "row-damaged",
        [FSCK_COUNTS] = "counts",
        [FSCK_FILE_MISSING] = "file-missing",
        [FSCK_FILE_SIZE] = "file-size",
        [FSCK_FILE_DAMAGED] = "file-damaged",
        [FSCK_SUMS] = "checksums",
        [FSCK_FILE_ORPHAN] = "file-orphan",
        [FSCK_FILE_STRAY] = "file-stray",
        [FSCK_MANIFEST_DAMAGED] = "manifest-damaged",
        [FSCK_MANIFEST_NO_BLOB] = "manifest-without-blob",
        [FSCK_EDGE_MISSING] = "edge-missing",
        [FSCK_EDGE_WRONG] = "edge-wrong",
        [FSCK_REPO_NAMELESS] = "repository-nameless",
        [FSCK_TAG_NO_LINK] = "tag-without-link",
        [FSCK_JOURNAL_BROKEN] = "journal-broken",
        [FSCK_JOURNAL_BEHIND] = "journal-behind",
        [FSCK_PARTIAL_STRAY] = "partial-stray",
        [FSCK_PARTIAL_DONE] = "partial-done",
    };

    PG_CHECK(kind < FSCK_KINDS);
    return names[kind];
}

bool fsck_is_stopped(const struct fsck *k)
{
    return k->config->stop != NULL && atomic_load(k->config->stop);
}

void fsck_found(struct fsck *k, enum fsck_kind kind, bool repaired, const char *path,
                const char *what, ...)
{
    char text[WHAT_MAX];
    struct fsck_finding f = {.kind = kind, .what = text, .path = path, .repaired = repaired};
    va_list args;

    va_start(args, what);
    (void)vsnprintf(text, sizeof(text), what, args);
    va_end(args);
    k->result.found++;
    k->result.repaired += repaired;
    if (k->config->each != NULL)
        k->config->each(k->config->arg, &f);
}

const char *fsck_path_of(const struct digest *d, char out[FSCK_PATH_MAX])
{
    char path[BLOB_PATH_MAX];

    (void)snprintf(out, FSCK_PATH_MAX, "blobs/%s", blob_path(d, path));
    return out;
}

/* ---- repairs ---- */

static void on_dropped(void *owner)
{
    PG_CHECK(sem_post((sem_t *)owner) == 0);
}

bool fsck_drop(struct fsck *k, const struct digest *d, enum publish_drop_why why)
{
    sem_t done;

    if (!k->config->repair)
        return false;
    PG_CHECK(sem_init(&done, 0, 0) == 0);
    publish_drop(k->store, d, why, on_dropped, &done);
    while (sem_wait(&done) < 0)
        PG_CHECK(errno == EINTR);
    PG_CHECK(sem_destroy(&done) == 0);
    return true;
}

bool fsck_change(struct fsck *k, struct writer_op *op)
{
    struct pg_err err = {0};
    bool ok;

    if (!k->config->repair)
        return false;
    ok = writer_do(k->store->writer, op, &err) == 0; /* the writer has logged what failed */
    pg_err_clear(&err);
    return ok;
}

/* ---- rows ---- */

static int look_at_rows(struct fsck *k, struct pg_err *err)
{
    struct damaged d = {0};

    do {
        int found = damaged_next(k->store, &d, err);

        if (found < 0)
            return -1;
        if (found == 1)
            fsck_found(k, FSCK_ROW_DAMAGED, fsck_change(k, &d.op), "index",
                       "a row of the table %s cannot be read", d.row.table);
    } while (d.row.table != NULL && !fsck_is_stopped(k));
    return 0;
}

/* ---- counts ---- */

struct recount {
    struct writer_op op;
    struct fsck *fsck;
    uint64_t blobs, bytes;
    bool differ;
};

static int count(struct index_view *v, const struct fsck *k, uint64_t *blobs_r, uint64_t *bytes_r,
                 struct pg_err *err)
{
    struct index_blob_row row;
    uint64_t blobs = 0, bytes = 0;
    bool begun = false;
    int found;

    while ((found = index_next_blob(v, begun ? &row.digest : NULL, &row, err)) == 1) {
        begun = true;
        if (fsck_is_stopped(k))
            return pg_fail(err, PG_E_CANCELED, "stopped");
        blobs += !row.damaged;
        bytes += row.damaged ? 0 : row.blob.size;
    }
    *blobs_r = blobs;
    *bytes_r = bytes;
    return found;
}

static int apply_recount(struct writer_op *op, struct index_txn *txn, struct pg_err *err)
{
    struct recount *c = pg_container_of(op, struct recount, op);
    struct index_view v = index_txn_view(txn);
    struct index_counts is = index_txn_counts(txn);

    if (count(&v, c->fsck, &c->blobs, &c->bytes, err) < 0)
        return -1;
    c->differ = is.blobs != c->blobs || is.bytes != c->bytes;
    if (c->differ)
        index_txn_set_blobs(txn, c->blobs, c->bytes);
    return 0;
}

/* One view for all, since the counts are of one moment. */
static int look_at_counts(struct fsck *k, struct pg_err *err)
{
    struct recount c = {.op = {.apply = apply_recount}, .fsck = k};
    struct index_counts is;
    uint64_t blobs = 0, bytes = 0;
    {
        _index_view_ struct index_view v = index_view_begin(k->store->index);

        if (index_get_counts(&v, &is, err) < 0 || count(&v, k, &blobs, &bytes, err) < 0)
            return -1;
    }
    if (is.blobs != blobs || is.bytes != bytes)
        fsck_found(k, FSCK_COUNTS, fsck_change(k, &c.op), "index",
                   "the index counts %ju blobs with %ju bytes and holds %ju with %ju",
                   (uintmax_t)is.blobs, (uintmax_t)is.bytes, (uintmax_t)blobs, (uintmax_t)bytes);
    return 0;
}

/* ---- the journal ---- */

static int on_record(void *arg, const struct journal_record *r, struct pg_err *err)
{
    struct fsck *k = arg;

    (void)r;
    (void)err;
    k->result.journal_records++;
    return fsck_is_stopped(k);
}

/* How far both are, at one moment: between two groups of the writer. */
struct position {
    struct writer_op op;
    struct store *store;
    uint64_t journal, tables;
    bool is_known;
};

static void read_position(struct position *p)
{
    _index_view_ struct index_view v = index_view_begin(p->store->index);
    struct index_counts counts;
    struct pg_err err = {0};

    p->is_known = index_get_counts(&v, &counts, &err) >= 0;
    p->journal = journal_seq(p->store->journal);
    p->tables = p->is_known ? counts.journal : 0;
    pg_err_clear(&err);
}

static void settle_position(struct writer_op *op)
{
    read_position(pg_container_of(op, struct position, op));
}

static int look_at_position(struct fsck *k, struct pg_err *err)
{
    struct position p = {.op = {.settle = settle_position}, .store = k->store};

    if (k->store->writer == NULL)
        read_position(&p);
    else if (writer_do(k->store->writer, &p.op, err) < 0)
        return -1;
    if (!p.is_known)
        return pg_fail(err, PG_E_STORE_IO, "the counts of the index cannot be read");
    if (p.journal < p.tables)
        fsck_found(k, FSCK_JOURNAL_BEHIND, false, "journal",
                   "the journal ends at record %ju and the tables hold record %ju: its end is lost",
                   (uintmax_t)p.journal, (uintmax_t)p.tables);
    else if (p.journal > p.tables)
        fsck_found(k, FSCK_JOURNAL_BEHIND, false, "journal",
                   "the journal ends at record %ju and the tables are at record %ju: they are "
                   "brought up when the server starts",
                   (uintmax_t)p.journal, (uintmax_t)p.tables);
    return 0;
}

static int look_at_journal(struct fsck *k, struct pg_err *err)
{
    struct pg_err why = {0};

    if (journal_read(k->store->journal, 0, on_record, k, &why) < 0) {
        fsck_found(k, FSCK_JOURNAL_BROKEN, false, "journal", "%s", why.msg);
        pg_err_clear(&why);
    }
    return fsck_is_stopped(k) ? 0 : look_at_position(k, err);
}

/* ---- partials ---- */

static bool remove_partial(struct fsck *k, const char *name)
{
    if (!k->config->repair)
        return false;
    if (unlinkat(k->store->partial_fd, name, 0) == 0)
        return true;
    return unlinkat(k->store->partial_fd, name, AT_REMOVEDIR) == 0;
}

static int has_row(struct store *s, const struct digest *d, struct pg_err *err)
{
    _index_view_ struct index_view v = index_view_begin(s->index);
    struct index_blob row;

    return index_get_blob(&v, d, &row, err);
}

static int look_at_partial(struct fsck *k, const char *name, struct pg_err *err)
{
    char path[FSCK_PATH_MAX];
    struct digest d;
    struct stat st;
    int found = 0;

    if (fstatat(k->store->partial_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0; /* gone by now */
    if (S_ISDIR(st.st_mode) && handover_is_folder(name))
        return 0; /* of a process that hands over, or the next start takes what is in it */
    (void)snprintf(path, sizeof(path), "partial/%s", name);
    if (!S_ISREG(st.st_mode) || !partial_name_parse(name, &d)) {
        fsck_found(k, FSCK_PARTIAL_STRAY, remove_partial(k, name), path,
                   "this is not the beginning of a blob");
        return 0;
    }
    k->result.partials++;
    if (!partial_claim(k->store, &d))
        return 0; /* a fill is at it */
    found = has_row(k->store, &d, err);
    if (found == 1 && faccessat(k->store->partial_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
        if (k->config->repair)
            partial_drop(k->store, &d);
        fsck_found(k, FSCK_PARTIAL_DONE, k->config->repair, path,
                   "the beginning of a blob that is here as a whole");
    }
    partial_release(k->store, &d);
    return found < 0 ? -1 : 0;
}

static int look_at_partials(struct fsck *k, struct pg_err *err)
{
    int fd = openat(k->store->partial_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *e;
    int r = 0;

    if (dir == NULL) {
        r = partial_disk_error(k->store, errno, "listing partial/", err);
        pg_fd_close(&fd);
        return r;
    }
    while (r == 0 && !fsck_is_stopped(k) && (e = readdir(dir)) != NULL)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            r = look_at_partial(k, e->d_name, err);
    (void)closedir(dir);
    return r;
}

int fsck_run(struct store *s, const struct fsck_config *c, struct fsck_result *result_r,
             struct pg_err *err)
{
    struct fsck k = {.store = s, .config = c};

    PG_CHECK(!c->repair || s->writer != NULL);
    if (c->repair && s->recover != NULL)
        recover_wait(s->recover); /* two would repair the same */
    if (look_at_rows(&k, err) < 0 || look_at_counts(&k, err) < 0 || fsck_blob_run(&k, err) < 0 ||
        fsck_manifest_run(&k, err) < 0 || fsck_link_run(&k, err) < 0 ||
        look_at_journal(&k, err) < 0 || look_at_partials(&k, err) < 0)
        return -1;
    *result_r = k.result;
    return 0;
}
