/* SPDX-License-Identifier: Apache-2.0 */
/* A store that is held, taken back, or given away, while downloads go on. What an heir makes of it,
 * in a process of its own, is in tests/e2e/test_upgrade.py. */
#include "shelf.h"

#include "base/fault.h"
#include "cache/dir.h"
#include "cache/handover.h"
#include "cache/journal.h"
#include "cache/land.h"
#include "cache/overlay.h"
#include "cache/work.h"

#define CHUNK ((size_t)BLOB_CHUNK_BYTES)

static struct shelf sh;
static struct pg_err err;
static struct shelf_fill sf;

static int set_up(void **state)
{
    (void)state;
    shelf_begin(&sh);
    shelf_open(&sh);
    SHELF_UNTIL(&sh, atomic_load(&sh.store->recovered));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pg_err_clear(&err);
    shelf_end(&sh);
    return 0;
}

static void hold(void)
{
    assert_int_equal(handover_hold(sh.store, &err), 0);
}

static struct sl begin_half(struct digest *d)
{
    struct sl bytes = shelf_bytes(4 * CHUNK + 33, 3);

    *d = digest_of(PG_SHA256, bytes);
    shelf_start(&sh, &sf, d, bytes.n);
    assert_int_equal(shelf_write(&sf, (struct sl){bytes.p, 2 * CHUNK}, CHUNK), 0);
    SHELF_UNTIL(&sh, flight_look(&sf.reader).committed == 2 * CHUNK);
    return bytes;
}

static void write_rest(struct sl bytes)
{
    struct sl rest = {bytes.p + 2 * CHUNK, bytes.n - 2 * CHUNK};

    assert_int_equal(shelf_write(&sf, rest, CHUNK), 0);
}

static unsigned count_folders(void)
{
    int fd = *partial_shared(sh.store) >= 0 ? *partial_shared(sh.store) : sh.store->partial_fd;
    int own = openat(fd, ".", O_RDONLY | O_DIRECTORY);
    DIR *dir = fdopendir(own);
    struct dirent *e;
    unsigned n = 0;

    assert_non_null(dir);
    while ((e = readdir(dir)) != NULL)
        n += handover_is_folder(e->d_name);
    (void)closedir(dir);
    return n;
}

TEST(what_is_held_may_be_locked_by_another_and_taken_back)
{
    int fd = -1;

    hold();
    assert_int_equal(count_folders(), 1);
    assert_int_equal(dir_lock(sh.store->dir_fd, sh.dir, &fd, &err), 0);
    pg_fd_close(&fd);
    assert_int_equal(handover_resume(sh.store, 0, &err), 0);
    assert_int_equal(count_folders(), 0);
    (void)shelf_put_seed(&sh, 1000, 1);
    shelf_is_sound(&sh);
}

static void *let_go_soon(void *fd)
{
    int in_use;

    while ((in_use = open("/proc/locks", O_RDONLY)) < 0) /* a while */
        ;
    (void)close(in_use);
    pg_fd_close(fd);
    return NULL;
}

TEST(an_heir_that_is_slow_to_die_is_waited_for)
{
    pthread_t thread;
    int fd = -1;

    hold();
    assert_int_equal(dir_lock(sh.store->dir_fd, sh.dir, &fd, &err), 0);
    assert_int_equal(pthread_create(&thread, NULL, let_go_soon, &fd), 0);
    assert_int_equal(handover_resume(sh.store, SHELF_WAIT_S * 1000, &err), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    (void)shelf_put_seed(&sh, 1000, 1);
    shelf_is_sound(&sh);
}

TEST(a_store_that_cannot_be_taken_back_lets_its_process_end)
{
    struct digest d;
    struct sl bytes = begin_half(&d);
    int fd = -1;

    hold();
    write_rest(bytes);
    fill_end(sf.fill);
    SHELF_UNTIL(&sh, flight_look(&sf.reader).verified);
    assert_int_equal(dir_lock(sh.store->dir_fd, sh.dir, &fd, &err), 0);
    assert_int_equal(handover_resume(sh.store, 0, &err), -1);
    assert_int_equal(err.kind, PG_E_STORE_IO);
    SHELF_UNTIL(&sh, sf.landed > 0); /* what a server that ends waits for */
    flight_leave(&sf.reader);
    shelf_close(&sh);
    pg_fd_close(&fd);
    shelf_open(&sh);
    assert_true(shelf_has_partial(&sh, &d));
    shelf_free(bytes);
    shelf_is_sound(&sh);
}

/* What waits to be written is written, beside nobody who reads the journal. */
TEST(tags_that_came_while_it_was_held_are_written_when_it_is_taken_back)
{
    struct digest d = shelf_put_seed(&sh, 1000, 1);
    uint64_t before;
    char tag[16];

    land_link(sh.store, SL("r.test/app"), &d, INDEX_LINK_BLOB, 1000, 100);
    work_wait(sh.store->work);
    before = journal_seq(sh.store->journal);
    for (unsigned n = 0; n < 20; n++) {
        hold();
        for (unsigned i = 0; i < 20; i++) {
            (void)snprintf(tag, sizeof(tag), "v%u-%u", n, i);
            land_tag(sh.store, SL("r.test/app"), (struct sl){tag, strlen(tag)}, &d, 100);
        }
        assert_int_equal(handover_resume(sh.store, 0, &err), 0);
    }
    work_wait(sh.store->work);
    assert_int_equal(atomic_load(&sh.store->degraded), 0);
    shelf_close(&sh);
    shelf_open(&sh);
    assert_int_equal(journal_seq(sh.store->journal), before + 400);
}

/* An heir that died between the journal's sync and the index's commit. */
TEST(a_journal_that_the_index_has_not_seen_takes_a_restart)
{
    struct journal_record r = {.kind = JOURNAL_TAG,
                               .when_s = 100,
                               .repo = SL("r.test/app"),
                               .name = SL("v1"),
                               .has_digest = true};
    const struct journal_config c = {.dir_fd = sh.store->dir_fd, .path = sh.dir, .now_s = 100};
    struct journal_found found;
    struct index_tag tag;
    struct journal *j;

    r.digest = shelf_put_seed(&sh, 1000, 1);
    hold();
    assert_int_equal(journal_open(&c, &j, &found, &err), 0);
    assert_int_equal(journal_append(j, &r, &err), 0);
    assert_int_equal(journal_sync(j, &err), 0);
    journal_close(j);
    assert_int_equal(handover_resume(sh.store, 0, &err), -1);
    assert_non_null(strstr(err.msg, "the next start"));
    shelf_close(&sh);
    shelf_open(&sh);
    assert_int_equal(overlay_get_tag(sh.store, r.repo, r.name, &tag, &err), 1);
}

TEST(a_download_goes_on_across_an_attempt_and_lands)
{
    struct digest d, other;
    struct sl bytes = begin_half(&d);

    for (int i = 0; i < 3; i++) {
        hold();
        assert_int_equal(handover_resume(sh.store, 0, &err), 0);
    }
    hold();
    write_rest(bytes);
    assert_int_equal(handover_resume(sh.store, 0, &err), 0);
    assert_true(shelf_finish(&sf));
    assert_true(shelf_has_row(&sh, &d));
    assert_int_equal(atomic_load(&sh.store->partial_bytes), 0);
    other = shelf_put_seed(&sh, 1000, 2);
    assert_true(shelf_has_row(&sh, &other));
    shelf_free(bytes);
    shelf_is_sound(&sh);
}

TEST(what_ends_while_it_is_held_lands_when_it_is_taken_back)
{
    struct digest d;
    struct sl bytes = begin_half(&d);

    hold();
    write_rest(bytes);
    fill_end(sf.fill);
    SHELF_UNTIL(&sh, flight_look(&sf.reader).verified); /* who reads it has it all */
    assert_false(shelf_has_row(&sh, &d));
    assert_int_equal(handover_resume(sh.store, 0, &err), 0);
    SHELF_UNTIL(&sh, sf.landed > 0);
    flight_leave(&sf.reader);
    assert_true(shelf_has_row(&sh, &d));
    shelf_free(bytes);
    shelf_is_sound(&sh);
}

TEST(what_ends_after_it_was_given_is_whole_for_the_heir)
{
    struct digest d;
    struct sl bytes = begin_half(&d);

    hold();
    handover_give(sh.store);
    write_rest(bytes);
    fill_end(sf.fill);
    SHELF_UNTIL(&sh, sf.landed > 0);
    assert_true(flight_look(&sf.reader).verified);
    flight_leave(&sf.reader);
    shelf_close(&sh);
    shelf_open(&sh); /* as an heir would */
    assert_false(shelf_has_row(&sh, &d));
    assert_true(shelf_has_partial(&sh, &d));
    assert_int_equal(count_folders(), 0);
    shelf_start(&sh, &sf, &d, bytes.n);
    assert_int_equal(sf.fill->have, bytes.n); /* not a byte of upstream's */
    assert_true(shelf_finish(&sf));
    assert_true(shelf_has_row(&sh, &d));
    shelf_free(bytes);
    shelf_is_sound(&sh);
}

TEST(what_failed_to_sync_after_it_was_given_is_nothing_for_the_heir)
{
    struct digest d;
    struct sl bytes = begin_half(&d);

    hold();
    handover_give(sh.store);
    write_rest(bytes);
    assert_int_equal(pg_fault_set("publish.fdatasync:EIO@1"), 0);
    fill_end(sf.fill);
    SHELF_UNTIL(&sh, sf.landed > 0);
    assert_int_equal(pg_fault_set(NULL), 0);
    flight_leave(&sf.reader);
    assert_false(shelf_has_partial(&sh, &d));
    shelf_close(&sh);
    shelf_open(&sh);
    assert_false(shelf_has_partial(&sh, &d));
    assert_int_equal(count_folders(), 0);
    shelf_free(bytes);
    shelf_is_sound(&sh);
}

TEST(what_breaks_off_after_it_was_given_is_resumed_by_the_heir)
{
    struct digest d;
    struct sl bytes = begin_half(&d);

    hold();
    handover_give(sh.store);
    shelf_give_up(&sf, PG_E_UPSTREAM_DOWN);
    flight_leave(&sf.reader);
    shelf_close(&sh);
    shelf_open(&sh);
    shelf_start(&sh, &sf, &d, bytes.n);
    assert_int_equal(sf.fill->have, 2 * CHUNK);
    write_rest(bytes);
    assert_true(shelf_finish(&sf));
    shelf_free(bytes);
    shelf_is_sound(&sh);
}

TEST(a_hold_that_fails_changes_nothing)
{
    static const char *const faults[] = {"handover.mkdir:ENOSPC@1", "handover.move:EIO@1"};
    struct digest d;
    struct sl bytes = begin_half(&d);

    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        assert_int_equal(pg_fault_set(faults[i]), 0);
        assert_int_equal(handover_hold(sh.store, &err), -1);
        assert_int_equal(err.kind, PG_E_STORE_IO);
        pg_err_clear(&err);
        assert_int_equal(pg_fault_set(NULL), 0);
        assert_int_equal(count_folders(), 0);
    }
    write_rest(bytes);
    assert_true(shelf_finish(&sf));
    assert_true(shelf_has_row(&sh, &d));
    shelf_free(bytes);
    shelf_is_sound(&sh);
}

TEST(folders_are_known_by_their_names)
{
    assert_true(handover_is_folder("given-1"));
    assert_false(handover_is_folder("given-"));
    assert_false(handover_is_folder("given-1x"));
    assert_false(handover_is_folder("sha256-00"));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_is_held_may_be_locked_by_another_and_taken_back),
        CASE(an_heir_that_is_slow_to_die_is_waited_for),
        CASE(a_store_that_cannot_be_taken_back_lets_its_process_end),
        CASE(tags_that_came_while_it_was_held_are_written_when_it_is_taken_back),
        CASE(a_journal_that_the_index_has_not_seen_takes_a_restart),
        CASE(a_download_goes_on_across_an_attempt_and_lands),
        CASE(what_ends_while_it_is_held_lands_when_it_is_taken_back),
        CASE(what_ends_after_it_was_given_is_whole_for_the_heir),
        CASE(what_failed_to_sync_after_it_was_given_is_nothing_for_the_heir),
        CASE(what_breaks_off_after_it_was_given_is_resumed_by_the_heir),
        CASE(a_hold_that_fails_changes_nothing),
        RUN(folders_are_known_by_their_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
