/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/metric.h"
#include "cache/age.h"
#include "cache/blob.h"
#include "cache/dir.h"
#include "cache/fill.h"
#include "cache/gc.h"
#include "cache/handover.h"
#include "cache/index_int.h"
#include "cache/journal.h"
#include "cache/land.h"
#include "cache/overlay_int.h"
#include "cache/partial.h"
#include "cache/recover.h"
#include "cache/revoked.h"
#include "cache/revoked_shared.h"
#include "cache/use.h"
#include "cache/version.h"
#include "cache/work.h"
#include "cache/writer.h"

#define USE_FILE   "use"
#define INDEX_DIR  "index"
#define PATH_BYTES 4096

static bool is_read_only(const struct store *s)
{
    return s->config.read_only;
}

static int open_directory(struct store *s, struct pg_err *err)
{
    const char *path = s->config.path;
    bool may_create = !is_read_only(s);
    struct version_config version;

    if (dir_open(path, may_create, &s->dir_fd, err) < 0)
        return -1;
    if (!is_read_only(s) && dir_lock(s->dir_fd, path, &s->lock_fd, err) < 0)
        return -1;
    version = version_known(s->dir_fd, path, is_read_only(s));
    if (version_settle(&version, err) < 0)
        return -1;
    dir_warn_of_filesystem(s->dir_fd, path);
    if (dir_open_sub(s->dir_fd, path, "blobs", may_create, &s->blobs_fd, err) < 0 ||
        dir_open_sub(s->dir_fd, path, "partial", may_create, &s->partial_fd, err) < 0 ||
        dir_open_sub(s->dir_fd, path, "quarantine", may_create, &s->quarantine_fd, err) < 0)
        return -1;
    if (s->blobs_fd < 0 || s->partial_fd < 0 || s->quarantine_fd < 0)
        return pg_fail(err, PG_E_STORE_IO,
                       "%s lacks one of blobs/, partial/ and quarantine/: the server makes them "
                       "when it starts",
                       path);
    return 0;
}

/* Is there a blob in blobs/, or at least a place for one? */
static bool has_blobs(struct store *s)
{
    return faccessat(s->blobs_fd, "sha256", F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
           faccessat(s->blobs_fd, "sha512", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int open_journal(struct store *s, struct pg_err *err)
{
    struct journal_found found;
    struct journal_config c = {
        .dir_fd = s->dir_fd,
        .path = s->config.path,
        .store_is_new = !has_blobs(s) &&
                        faccessat(s->dir_fd, INDEX_DIR "/data.mdb", F_OK, AT_SYMLINK_NOFOLLOW) < 0,
        .accept_loss = s->config.accept_loss,
        .read_only = is_read_only(s),
        .now_s = pg_clock_wall_s(),
    };

    if (journal_open(&c, &s->journal, &found, err) < 0)
        return -1;
    if (found.torn_bytes > 0)
        pg_log_say(PG_LOG_WARN, PG_LOG_STORE,
                   "the end of the journal was torn by a crash: %ju bytes that were never durable",
                   (uintmax_t)found.torn_bytes);
    if (found.lost)
        pg_log_say(PG_LOG_ERROR, PG_LOG_SECURITY,
                   "a part of the journal is lost, and that was accepted: pins, revocations and "
                   "the history of tags may be incomplete");
    return 0;
}

static int move_index_aside(struct store *s, struct pg_err *err)
{
    char name[64];

    PG_CHECK((size_t)snprintf(name, sizeof(name), "index.%lld", (long long)pg_clock_wall_ms()) <
             sizeof(name));
    if (PG_FAULT("store.index_aside") || renameat(s->dir_fd, INDEX_DIR, s->quarantine_fd, name) < 0)
        return pg_fail(err, PG_E_STORE_IO,
                       "the index of %s is damaged and cannot be moved to quarantine/: %s",
                       s->config.path, strerrordesc_np(errno));
    pg_log_say(PG_LOG_ERROR, PG_LOG_STORE,
               "the index is damaged: it was moved to quarantine/%s and is built anew", name);
    return 0;
}

static int open_index(struct store *s, bool *is_lost_r, struct pg_err *err)
{
    char path[PATH_BYTES];
    struct index_config c = {.path = path, .read_only = is_read_only(s)};
    enum index_health health;

    if ((size_t)snprintf(path, sizeof(path), "%s/" INDEX_DIR, s->config.path) >= sizeof(path))
        return pg_fail(err, PG_E_STORE_IO, "the path of the cache directory is too long");
    if (index_check(&c, &health, err) < 0)
        return -1;
    if (health != INDEX_SOUND && is_read_only(s))
        return pg_fail(err, PG_E_STORE_IO,
                       "the index of %s is %s: the server builds it anew when it starts, and "
                       "so does fsck with --repair",
                       s->config.path, health == INDEX_DAMAGED ? "damaged" : "missing");
    if (health == INDEX_DAMAGED && move_index_aside(s, err) < 0)
        return -1;
    *is_lost_r = health == INDEX_DAMAGED || (health == INDEX_ABSENT && has_blobs(s));
    return index_open(&c, &s->index, err);
}

static int read_counts(struct store *s, struct pg_err *err)
{
    _index_view_ struct index_view v = index_view_begin(s->index);
    struct index_counts counts;

    if (index_get_counts(&v, &counts, err) < 0)
        return -1;
    atomic_store(&s->blobs, counts.blobs);
    atomic_store(&s->bytes, counts.bytes);
    pg_metric_set(PG_M_STORE_BLOBS, (int64_t)counts.blobs);
    pg_metric_set(PG_M_STORE_BYTES, (int64_t)counts.bytes);
    return 0;
}

static int open_all(struct store *s, struct pg_err *err)
{
    bool index_is_lost = false;

    if (open_directory(s, err) < 0 || open_journal(s, err) < 0 ||
        open_index(s, &index_is_lost, err) < 0 || read_counts(s, err) < 0)
        return -1;
    age_begin(s);
    s->revoked = revoked_new();
    if ((!is_read_only(s) && revoked_shared_open(s, err) < 0) || revoked_load(s, err) < 0)
        return -1;
    s->overlay = overlay_new();
    s->use = use_new();
    use_load(s->use, s->dir_fd, USE_FILE);
    s->open_blobs = blob_table_new();
    s->partials = partial_table_new();
    s->work = work_new();
    if (is_read_only(s))
        return 0;
    if (partial_recover(s, err) < 0)
        return -1;
    (void)handover_collect(s);
    s->writer = writer_new(s);
    s->land = land_new(s);
    if (land_replay(s, err) < 0)
        return -1;
    s->gc = gc_new(s);
    s->recover = recover_new(s, index_is_lost);
    return 0;
}

int store_open(const struct store_config *config, struct store **store_r, struct pg_err *err)
{
    struct store *s = calloc(1, sizeof(*s));

    PG_CHECK(s != NULL);
    s->config = *config;
    s->config.path = strdup(config->path);
    PG_CHECK(s->config.path != NULL);
    s->dir_fd = s->lock_fd = s->blobs_fd = s->partial_fd = s->quarantine_fd = -1;
    if (open_all(s, err) < 0) {
        store_close(s);
        return -1;
    }
    *store_r = s;
    return 0;
}

/* What posts to the writer ends before it; what the writer still calls, after it. */
void store_close(struct store *s)
{
    if (s == NULL)
        return;
    PG_CHECK(fill_count(s) == 0);
    recover_free(s->recover);
    gc_free(s->gc);
    if (s->land != NULL)
        land_free(s);
    if (s->work != NULL)
        work_wait(s->work);
    writer_free(s->writer);
    blob_table_free(s->open_blobs);
    partial_table_free(s->partials);
    if (s->overlay != NULL)
        overlay_free(s->overlay);
    use_free(s->use);
    work_free(s->work);
    index_close(s->index);
    journal_close(s->journal);
    revoked_free(s->revoked);
    pg_fd_close(&s->quarantine_fd);
    pg_fd_close(&s->partial_fd);
    pg_fd_close(&s->blobs_fd);
    pg_fd_close(&s->lock_fd);
    pg_fd_close(&s->dir_fd);
    free((void *)(uintptr_t)s->config.path);
    free(s);
}

int store_make_room(struct store *s, uint64_t nbytes, struct pg_err *err)
{
    struct gc_room room;

    if (gc_room(s, nbytes, &room, err) < 0)
        return -1;
    if (room.fits)
        return 0;
    if (room.can_fit) {
        gc_ask(s->gc, nbytes);
        return 0;
    }
    gc_ask(s->gc, 0); /* nothing is thrown away for what cannot come */
    atomic_store(&s->degraded, pg_clock_mono_ms());
    (void)pg_fail(err, PG_E_STORE_IO, "the store is full and has no room for %ju bytes more",
                  (uintmax_t)nbytes);
    return pg_detail(err,
                     "%s: %ju bytes used of at most %ju, %ju bytes free on the disk of which %ju "
                     "stay free",
                     s->config.path, (uintmax_t)room.used, (uintmax_t)s->config.max_bytes,
                     (uintmax_t)room.avail, (uintmax_t)s->config.reserve_bytes);
}

/* What is small may fit still, where what is large does not. */
void store_is_well(struct store *s)
{
    uint64_t since_ms = atomic_load(&s->degraded);

    if (since_ms > 1 && pg_clock_mono_ms() - since_ms < STORE_FULL_MS)
        return;
    (void)atomic_compare_exchange_strong(&s->degraded, &since_ms, 0);
}

void store_set_limits(struct store *s, uint64_t max_bytes, uint64_t reserve_bytes)
{
    uint64_t since_ms = atomic_load(&s->degraded);
    struct pg_err err = {0};

    atomic_store(&s->config.max_bytes, max_bytes);
    atomic_store(&s->config.reserve_bytes, reserve_bytes);
    if (since_ms > 1 && atomic_compare_exchange_strong(&s->degraded, &since_ms, 1))
        gc_ask(s->gc, 0); /* what was refused was so by other limits: it looks anew */
    if (store_make_room(s, 0, &err) < 0)
        pg_err_clear(&err); /* said again to who needs the room */
}
