/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/fd.h"
#include "cache/land.h"
#include "cache/overlay.h"
#include "cache/purge.h"
#include "sim/disk.h"
#include "sim/life.h"
#include "sim/sched.h"

/* ---- what upstream says of manifests and tags ---- */

static void write_link(unsigned repo, unsigned object)
{
    if (life.is_purging)
        world_may_be(&model->links[repo][object], 0);
    else
        world_write(&model->links[repo][object], 0);
}

static void write_tag(unsigned repo, unsigned tag, int value)
{
    if (life.is_purging)
        world_may_be(&model->tags[repo][tag], value);
    else
        world_write(&model->tags[repo][tag], value);
}

/* While recovery is at work, a manifest that is linked brings back what it names, as far as it is
 * here already. */
static void link_grandchildren(unsigned repo, unsigned child)
{
    for (unsigned i = 0; i < world[child].nnamed && model->life > 0; i++)
        world_may_be(&model->links[repo][world[child].named[i]], 0);
}

void operator_land(unsigned repo, int tag, unsigned image)
{
    struct world_object *o = &world[image];
    struct land_manifest m = {.repo = world_repo(repo),
                              .digest = o->digest,
                              .sha256 = o->digest,
                              .now_s = sched_wall_ns() / 1000000000};
    struct manifest parsed;
    struct pg_arena arena;
    struct pg_err err = {0};

    sched_say("manifest %u comes to %u, tag %d", image, repo, tag);
    if (tag >= 0)
        m.tag = world_tag((unsigned)tag);
    pg_arena_init(&arena, MANIFEST_ARENA_BYTES);
    PG_CHECK(manifest_parse(o->bytes, SL(""), &arena, &parsed, &err) == 0);
    m.parsed = &parsed;
    m.bytes = pg_bytes_new(o->bytes);
    write_link(repo, image);
    for (unsigned i = 0; i < o->nnamed; i++) {
        write_link(repo, o->named[i]);
        link_grandchildren(repo, o->named[i]);
    }
    if (tag >= 0)
        write_tag(repo, (unsigned)tag, (int)image);
    land_manifest(life.store, &m);
    pg_bytes_unref(m.bytes);
    pg_arena_free(&arena);
}

void operator_tag_gone(unsigned repo, unsigned tag)
{
    sched_say("tag %u of %u is gone", tag, repo);
    write_tag(repo, tag, WORLD_ABSENT);
    land_tag_gone(life.store, world_repo(repo), world_tag(tag));
}

/* The order of this and of a manifest that is on its way is nobody's promise. */
static void link_is_gone(unsigned repo, unsigned image)
{
    sched_say("manifest %u is gone from %u", image, repo);
    world_may_be(&model->links[repo][image], WORLD_ABSENT);
    for (unsigned t = 0; t < WORLD_TAGS; t++)
        if ((model->tags[repo][t].may >> image & 1) == 1)
            world_may_be(&model->tags[repo][t], WORLD_ABSENT);
    land_link_gone(life.store, world_repo(repo), &world[image].digest);
}

static void has_blob(unsigned repo, unsigned blob)
{
    write_link(repo, blob);
    land_link(life.store, world_repo(repo), &world[blob].digest, INDEX_LINK_BLOB,
              world[blob].bytes.n, sched_wall_ns() / 1000000000);
}

void operator_pulled(unsigned repo, unsigned object)
{
    struct land_event e = {.when_s = sched_wall_ns() / 1000000000,
                           .caller = SL("127.0.0.1"),
                           .repo = world_repo(repo),
                           .reference = SL("v1"),
                           .digest = world[object].digest};

    land_event(life.store, &e);
}

/* Upstream confirms a tag, or moves it to a manifest that is here. */
static void tag_is(unsigned repo, unsigned tag, unsigned image)
{
    struct pg_err err = {0};
    struct index_link link;

    if (overlay_get_link(life.store, world_repo(repo), &world[image].digest, &link, &err) <= 0) {
        pg_err_clear(&err);
        return;
    }
    sched_say("tag %u of %u is %u", tag, repo, image);
    if (world_is_surely(&model->links[repo][image], 0))
        write_tag(repo, tag, (int)image);
    else
        world_may_be(&model->tags[repo][tag], (int)image); /* the link may go before it comes */
    land_tag(life.store, world_repo(repo), world_tag(tag), &world[image].digest,
             sched_wall_ns() / 1000000000);
}

/* ---- a purge, in a thread of its own ---- */

static struct {
    pthread_t thread;
    struct purge_question question;
    bool has_thread;
} purge;

/* What it may take away is not known to be there any more, until it is looked at. */
static void doubt(void)
{
    for (unsigned r = 0; r < WORLD_REPOS; r++) {
        for (unsigned i = 0; i < WORLD_OBJECTS; i++)
            world_may_be(&model->links[r][i], WORLD_ABSENT);
        for (unsigned t = 0; t < WORLD_TAGS; t++)
            world_may_be(&model->tags[r][t], WORLD_ABSENT);
    }
    for (unsigned i = 0; i < WORLD_OBJECTS; i++)
        model->stored[i] = false;
}

static void *run_purge(void *arg)
{
    struct purge_result result;
    struct pg_err err = {0};
    struct pg_buf next;

    (void)arg;
    pg_buf_init(&next, CATALOG_CURSOR_MAX);
    if (purge_run(life.store, &purge.question, &result, &next, &err) == 0)
        sched_say("purged %ju tags, %ju links, %ju blobs", (uintmax_t)result.tags,
                  (uintmax_t)result.links, (uintmax_t)result.blobs);
    else
        sched_say("not purged: %s", err.msg);
    pg_err_clear(&err);
    pg_buf_free(&next);
    life.is_purging = false;
    life.purges++;
    return NULL;
}

void operator_wait(void)
{
    if (purge.has_thread)
        PG_CHECK(pthread_join(purge.thread, NULL) == 0);
    purge.has_thread = false;
}

void operator_purge(const struct catalog_scope *scope)
{
    operator_wait();
    sched_say("purge of " SL_FMT " tag " SL_FMT " digest %d", SL_ARG(scope->repo),
              SL_ARG(scope->tag), scope->has_digest);
    doubt();
    model->purged++;
    purge.question = (struct purge_question){.scope = *scope};
    life.is_purging = true;
    life.purges++;
    purge.has_thread = true;
    PG_CHECK(pthread_create(&purge.thread, NULL, run_purge, NULL) == 0);
}

static void purge_something(void)
{
    struct catalog_scope scope = {0};
    unsigned repo = (unsigned)sched_chance(WORLD_REPOS), what = (unsigned)sched_chance(4);

    if (life.is_purging)
        return;
    if (what < 3)
        scope.repo = world_repo(repo);
    if (what == 0)
        scope.tag = world_tag((unsigned)sched_chance(WORLD_TAGS));
    scope.has_digest = what >= 2;
    if (scope.has_digest)
        scope.digest = world[sched_chance(WORLD_OBJECTS)].digest;
    operator_purge(&scope);
}

void operator_act(void)
{
    unsigned repo = (unsigned)sched_chance(WORLD_REPOS);
    unsigned tag = (unsigned)sched_chance(WORLD_TAGS);
    unsigned image = WORLD_BLOBS + (unsigned)sched_chance(WORLD_IMAGES);

    switch (sched_chance(16)) {
    case 0:
        operator_tag_gone(repo, tag);
        return;
    case 1:
        link_is_gone(repo, image);
        return;
    case 2:
    case 3:
        has_blob(repo, (unsigned)sched_chance(WORLD_BLOBS));
        return;
    case 4:
        purge_something();
        return;
    case 7:
    case 8:
        tag_is(repo, tag, image);
        return;
    case 5:
    case 6:
        operator_pulled(repo, image);
        return;
    default:
        operator_land(repo, sched_chance(3) == 0 ? -1 : (int)tag, image);
        return;
    }
}

/* ---- decay, while nobody looks ---- */

static void flip(const char *path)
{
    _fd_ int fd = -1;
    struct stat st;
    char byte;

    (void)chmod(path, 0600);
    fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0 || st.st_size == 0)
        return;
    PG_CHECK(pg_fd_pread(fd, &byte, 1, (uint64_t)st.st_size / 2) == 0);
    byte ^= 1;
    PG_CHECK(pg_fd_pwrite(fd, &byte, 1, (uint64_t)st.st_size / 2) == 0);
    (void)fchmod(fd, 0440);
}

void operator_rot(const char *dir)
{
    unsigned object = (unsigned)sched_chance(WORLD_OBJECTS);
    char path[400], name[BLOB_PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s/blobs/%s", dir, blob_path(&world[object].digest, name));
    model->stored[object] = false;
    model->has_rotted = true;
    switch (sched_chance(3)) {
    case 0:
        (void)unlink(path);
        sched_say("the file of %u is lost", object);
        return;
    case 1:
        if (truncate(path, (off_t)sched_chance(world[object].bytes.n)) == 0)
            sched_say("the file of %u is cut", object);
        return;
    default:
        flip(path);
        sched_say("the file of %u has another byte", object);
        return;
    }
}
