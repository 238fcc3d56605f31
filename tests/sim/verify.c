/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fd.h"
#include "cache/fsck.h"
#include "cache/overlay_int.h"
#include "cache/partial.h"
#include "sim/life.h"
#include "sim/sched.h"
#include "sim/wrap.h"

static void look_at_link(unsigned repo, unsigned object, bool is_settled)
{
    struct world_fact *f = &model->links[repo][object];
    struct pg_err err = {0};
    struct index_link row;
    int found = overlay_get_link(life.store, world_repo(repo), &world[object].digest, &row, &err);

    PG_CHECK(found >= 0 || life_had_faults());
    pg_err_clear(&err);
    if (found < 0)
        return;
    if ((f->may >> (found > 0 ? 0 : WORLD_ABSENT) & 1) == 0)
        sched_say("the link of %u in %u", object, repo);
    world_look(f, found > 0 ? 0 : WORLD_ABSENT, "a link");
    if (!is_settled || life_had_faults() || model->is_tight)
        return;
    if (f->last != WORLD_UNKNOWN)
        PG_CHECK((found > 0) == (f->last == 0));
    world_settle(f, found > 0 ? 0 : WORLD_ABSENT);
}

static int object_of(const struct digest *d)
{
    for (unsigned i = 0; i < WORLD_OBJECTS; i++)
        if (digest_eq(&world[i].digest, d))
            return (int)i;
    return -1;
}

static void look_at_tag(unsigned repo, unsigned tag, bool is_settled)
{
    struct world_fact *f = &model->tags[repo][tag];
    struct pg_err err = {0};
    struct index_tag row;
    int found = overlay_get_tag(life.store, world_repo(repo), world_tag(tag), &row, &err);
    int value;

    PG_CHECK(found >= 0 || life_had_faults());
    pg_err_clear(&err);
    if (found < 0)
        return;
    value = found > 0 ? object_of(&row.digest) : WORLD_ABSENT;
    PG_CHECK(value >= 0);
    world_look(f, value, "a tag");
    if (!is_settled || life_had_faults() || model->is_tight)
        return;
    if (f->last != WORLD_UNKNOWN)
        PG_CHECK(value == f->last);
    world_settle(f, value);
}

/* What upstream signed is what the client gets. */
static void look_at_manifest(unsigned image)
{
    struct overlay_manifest m = {0};
    struct pg_err err = {0};
    struct pg_arena arena;
    int found;

    pg_arena_init(&arena, MANIFEST_ARENA_BYTES);
    found = overlay_get_manifest(life.store, &world[image].digest, &arena, &m, &err);
    PG_CHECK(found >= 0 || life_had_faults());
    PG_CHECK(found != 0 || !model->stored[image] || !life_is_sure());
    PG_CHECK(found <= 0 || sl_eq(m.bytes, world[image].bytes));
    pg_bytes_unref(m.held);
    pg_err_clear(&err);
    pg_arena_free(&arena);
}

static void look_at_all(bool is_settled)
{
    for (unsigned r = 0; r < WORLD_REPOS; r++) {
        for (unsigned i = 0; i < WORLD_OBJECTS; i++)
            look_at_link(r, i, is_settled);
        for (unsigned t = 0; t < WORLD_TAGS; t++)
            look_at_tag(r, t, is_settled);
    }
    for (unsigned i = WORLD_BLOBS; i < WORLD_OBJECTS; i++)
        look_at_manifest(i);
}

void verify_facts(void)
{
    look_at_all(false);
}

/* ---- the counters ---- */

static uint64_t bytes_in(int dir_fd, unsigned *n_r)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fdopendir(fd);
    struct dirent *e;
    uint64_t bytes = 0;

    PG_CHECK(dir != NULL);
    *n_r = 0;
    while ((e = readdir(dir)) != NULL) {
        struct stat st;

        if (e->d_name[0] == '.')
            continue;
        PG_CHECK(__real_fstatat(dir_fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0);
        bytes += (uint64_t)st.st_size;
        (*n_r)++;
    }
    (void)closedir(dir);
    return bytes;
}

static unsigned feeds_open(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < LIFE_FEEDS; i++)
        n += life.feeds[i].fill != NULL;
    return n;
}

static void look_at_counters(void)
{
    struct store *s = life.store;
    unsigned npartials, nopen = feeds_open();
    uint64_t partial = bytes_in(s->partial_fd, &npartials);

    PG_CHECK(fill_count(s) == nopen);
    PG_CHECK(partial_claims(s) == nopen);
    if (partial != atomic_load(&s->partial_bytes))
        sched_say("partial/ has %ju bytes in %u files, and %ju are counted", (uintmax_t)partial,
                  npartials, (uintmax_t)atomic_load(&s->partial_bytes));
    PG_CHECK(partial == atomic_load(&s->partial_bytes));
    PG_CHECK(atomic_load(&s->filling.bytes) <= partial);
    if (nopen == 0) {
        PG_CHECK(atomic_load(&s->filling.bytes) == 0);
        PG_CHECK(atomic_load(&s->uncached) == 0);
        PG_CHECK(pg_list_empty(&life.flights.flights));
    }
}

/* ---- the inspector ---- */

static void on_finding(void *arg, const struct fsck_finding *f)
{
    unsigned *n = arg;

    sched_say("fsck: %s %s: %s", fsck_kind_name(f->kind), f->path, f->what);
    *n += f->kind != FSCK_PARTIAL_STRAY || feeds_open() == 0;
}

static unsigned inspect_with(bool repair, struct fsck_result *result)
{
    unsigned n = 0;
    struct fsck_config c = {.deep = true, .repair = repair, .each = on_finding, .arg = &n};
    struct pg_err err = {0};

    PG_CHECK(fsck_run(life.store, &c, result, &err) == 0);
    return n;
}

static void inspect(void)
{
    struct fsck_result result;

    if (model->has_rotted)
        (void)inspect_with(true, &result);
    model->has_rotted = false;
    PG_CHECK(inspect_with(false, &result) == 0);
    PG_CHECK(result.blobs == atomic_load(&life.store->blobs));
    PG_CHECK(result.bytes == atomic_load(&life.store->bytes));
}

/* What a crash may leave for recovery to see to. */
static void on_remains(void *arg, const struct fsck_finding *f)
{
    unsigned *n = arg;

    switch (f->kind) {
    case FSCK_FILE_ORPHAN:
    case FSCK_PARTIAL_STRAY:
    case FSCK_PARTIAL_DONE:
    case FSCK_JOURNAL_BEHIND:
        return;
    case FSCK_FILE_STRAY:
    case FSCK_JOURNAL_BROKEN:
    case FSCK_COUNTS:
    case FSCK_EDGE_MISSING:
    case FSCK_EDGE_WRONG:
    case FSCK_FILE_DAMAGED:
    case FSCK_FILE_MISSING:
    case FSCK_FILE_SIZE:
    case FSCK_MANIFEST_DAMAGED:
    case FSCK_MANIFEST_NO_BLOB:
    case FSCK_REPO_NAMELESS:
    case FSCK_ROW_DAMAGED:
    case FSCK_SUMS:
    case FSCK_TAG_NO_LINK:
    case FSCK_KINDS:
        sched_say("after the crash: %s %s: %s", fsck_kind_name(f->kind), f->path, f->what);
        (*n)++;
    }
}

void verify_remains(const char *dir)
{
    struct store_config config = {.path = dir, .read_only = true};
    struct fsck_result result;
    struct pg_err err = {0};
    struct store *s = NULL;
    unsigned n = 0;
    struct fsck_config c = {.deep = true, .each = on_remains, .arg = &n};

    if (store_open(&config, &s, &err) == 0) {
        PG_CHECK(fsck_run(s, &c, &result, &err) == 0);
        store_close(s);
    }
    pg_err_clear(&err); /* it died before there was a store */
    PG_CHECK(n == 0);
}

static void look_at_stored(void)
{
    for (unsigned i = 0; i < WORLD_OBJECTS; i++) {
        struct pg_err err = {0};
        struct blob *b = NULL;

        if (!model->stored[i])
            continue;
        PG_CHECK(blob_open(life.store, &world[i].digest, &b, &err) == 1);
        PG_CHECK(b->size == world[i].bytes.n);
        blob_close(b);
    }
}

void verify_quiet(void)
{
    look_at_all(true);
    look_at_counters();
    look_at_stored();
    inspect();
}

static void on_news(struct flight_reader *reader)
{
    (void)reader;
}

void verify_pull_all(void)
{
    for (unsigned i = 0; i < WORLD_BLOBS; i++) {
        struct pg_err err = {0};
        struct blob *b = NULL;

        for (unsigned tries = 0; blob_open(life.store, &world[i].digest, &b, &err) == 0; tries++) {
            struct flight_reader reader;
            enum flight_role role;
            char text[DIGEST_TEXT_MAX];

            PG_CHECK(tries < 4); /* once for a wrong prefix, once for a damaged file */
            PG_CHECK(flight_join(&life.bell, world_text(i, text), &reader, on_news, &role, &err) ==
                     0);
            life.is_calm = true;
            if (role == FLIGHT_LEADER)
                upstream_start(i, reader.flight);
            life_settle();
            PG_CHECK(flight_look(&reader).state >= FLIGHT_LANDED);
            flight_leave(&reader);
        }
        PG_CHECK(b != NULL);
        blob_close(b);
    }
}
