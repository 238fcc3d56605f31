/* SPDX-License-Identifier: Apache-2.0 */
/* What was revoked is in force when that is said, and outlives a restart and a loss of the index.
 */
#include "shelf.h"

#include <pthread.h>
#include <sys/stat.h>

#include "cache/revoked.h"

static struct shelf sh;
static struct pg_err err;
static struct pg_arena arena;

static int set_up(void **state)
{
    (void)state;
    pg_arena_init(&arena, (size_t)1 << 20);
    shelf_begin(&sh);
    shelf_open(&sh);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pg_err_clear(&err);
    shelf_end(&sh);
    pg_arena_free(&arena);
    return 0;
}

static int change(enum revoked_kind kind, const char *what, bool revoke)
{
    const struct revoked_entry e = {kind, sl_str(what), SL("because"), SL("me"), 1000};

    return revoked_change(sh.store, &e, revoke, &err);
}

static bool is_revoked(enum revoked_kind kind, const char *what)
{
    struct revoked_entry e;

    if (!revoked_find(sh.store, kind, sl_str(what), &arena, &e))
        return false;
    assert_true(e.kind == kind && sl_eq(e.what, sl_str(what)) && e.when_s == 1000);
    assert_true(sl_eq(e.reason, SL("because")) && sl_eq(e.by, SL("me")));
    return true;
}

static const char *digest_text(void)
{
    static char text[DIGEST_TEXT_MAX + 1];
    struct digest d = digest_of(PG_SHA256, SL("x"));
    struct sl s = digest_write(&d, text);

    text[s.n] = '\0';
    return text;
}

static const struct {
    enum revoked_kind kind;
    const char *what;
} all[] = {{REVOKED_KEY, "aaaa"}, {REVOKED_IDENTITY, "a@b"}, {REVOKED_REPOSITORY, "docker.io/a/b"}};

TEST(each_kind_is_found_by_its_name_alone)
{
    assert_int_equal(change(REVOKED_DIGEST, digest_text(), true), 0);
    for (size_t i = 0; i < 3; i++) {
        assert_false(is_revoked(all[i].kind, all[i].what));
        assert_int_equal(change(all[i].kind, all[i].what, true), 0);
        assert_true(is_revoked(all[i].kind, all[i].what));
        assert_false(is_revoked(all[(i + 1) % 3].kind, all[i].what));
    }
    assert_true(is_revoked(REVOKED_DIGEST, digest_text()));
}

TEST(N06_it_outlives_a_restart_and_what_was_given_back_stays_so)
{
    assert_int_equal(change(REVOKED_DIGEST, digest_text(), true), 0);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(change(all[i].kind, all[i].what, true), 0);
    assert_int_equal(change(REVOKED_KEY, "aaaa", false), 0);
    shelf_close(&sh);
    shelf_open(&sh);
    assert_true(is_revoked(REVOKED_DIGEST, digest_text()));
    assert_false(is_revoked(REVOKED_KEY, "aaaa"));
    assert_true(is_revoked(REVOKED_IDENTITY, "a@b"));
    assert_true(is_revoked(REVOKED_REPOSITORY, "docker.io/a/b"));
    assert_int_equal(revoked_load(sh.store, &err), 0);
    assert_true(is_revoked(REVOKED_IDENTITY, "a@b"));
}

#define LOADS 200

static atomic_bool is_loaded;
static unsigned nmissed; /* the looker's, until it is joined */

static void *look(void *unused)
{
    struct pg_arena own;
    struct revoked_entry e;

    (void)unused;
    pg_arena_init(&own, (size_t)1 << 20);
    while (!atomic_load(&is_loaded)) {
        nmissed += !revoked_find(sh.store, REVOKED_KEY, SL("aaaa"), &own, &e);
        pg_arena_free(&own);
    }
    pg_arena_free(&own);
    return NULL;
}

/* A process whose heir died reads it again while its loops serve. */
TEST(N06_what_is_revoked_is_so_while_it_is_read_again)
{
    pthread_t looker;

    assert_int_equal(change(REVOKED_KEY, "aaaa", true), 0);
    atomic_store(&is_loaded, false);
    nmissed = 0;
    assert_int_equal(pthread_create(&looker, NULL, look, NULL), 0);
    for (unsigned i = 0; i < LOADS; i++)
        assert_int_equal(revoked_load(sh.store, &err), 0);
    atomic_store(&is_loaded, true);
    assert_int_equal(pthread_join(looker, NULL), 0);
    assert_int_equal(nmissed, 0);
}

/* A full disk must not be found out by a signal, at the first revocation. */
TEST(what_tells_a_predecessor_has_its_room_on_disk)
{
    struct stat st;

    assert_int_equal(fstatat(sh.store->dir_fd, "revoked.count", &st, 0), 0);
    assert_true(st.st_size == 4096 && st.st_blocks > 0);
}

TEST(twice_is_once_and_what_is_not_revoked_is_not_given_back)
{
    const struct revoked_entry *list;

    assert_int_equal(change(REVOKED_KEY, "aaaa", true), 0);
    assert_int_equal(change(REVOKED_KEY, "aaaa", true), 0);
    assert_int_equal(revoked_list(sh.store, &arena, &list), 1);
    assert_int_equal(change(REVOKED_KEY, "aaaa", false), 0);
    assert_false(revoked_any(sh.store, REVOKED_KEY));
    assert_int_equal(change(REVOKED_KEY, "aaaa", false), -1);
    assert_int_equal(err.kind, PG_E_NAME_UNKNOWN);
}

TEST(what_is_too_long_is_refused)
{
    char what[REVOKED_WHAT_MAX + 2];

    memset(what, 'a', sizeof(what));
    what[REVOKED_WHAT_MAX] = '\0';
    assert_int_equal(change(REVOKED_IDENTITY, what, true), 0);
    assert_true(is_revoked(REVOKED_IDENTITY, what));
    what[REVOKED_WHAT_MAX] = 'a';
    what[REVOKED_WHAT_MAX + 1] = '\0';
    assert_int_equal(change(REVOKED_IDENTITY, what, true), -1);
    pg_err_clear(&err);
    assert_int_equal(change(REVOKED_KEY, "", true), -1);
    pg_err_clear(&err);
    assert_int_equal(change(REVOKED_DIGEST, "sha256:12", true), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_kind_is_found_by_its_name_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(N06_it_outlives_a_restart_and_what_was_given_back_stays_so,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(N06_what_is_revoked_is_so_while_it_is_read_again, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_tells_a_predecessor_has_its_room_on_disk, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(twice_is_once_and_what_is_not_revoked_is_not_given_back,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_too_long_is_refused, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
