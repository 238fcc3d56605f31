/* SPDX-License-Identifier: Apache-2.0 */
/* Processes that die with the index open, and more readers than it has room for. */
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/scratch.h"

#include "cache/index_row_int.h"

#define READERS     (INDEX_READERS_MAX + 100)
#define GROUPS      120
#define SLACK_BYTES ((off_t)64 * 4096)

static struct index *ix;
static struct pg_err err;
static struct index_config config;

static int setup(void **state)
{
    static char path[512];

    (void)state;
    scratch_make();
    (void)snprintf(path, sizeof(path), "%s", scratch_path("index"));
    config = (struct index_config){.path = path};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    index_close(ix);
    ix = NULL;
    pg_err_clear(&err);
    scratch_remove();
    return 0;
}

static void open_it(void)
{
    assert_int_equal(index_open(&config, &ix, &err), 0);
}

/* The same few rows, again and again: without a reader that holds the old pages, they are used
 * again, and the file does not grow. */
static void write_groups(unsigned n)
{
    for (unsigned group = 0; group < n; group++) {
        struct index_txn *txn;

        assert_int_equal(index_txn_begin(ix, &txn, &err), 0);
        for (unsigned i = 0; i < 50; i++) {
            struct digest d = {.alg = PG_SHA256, .bytes = {(uint8_t)i}};
            struct index_blob b = {.size = group, .sha256 = d};

            assert_int_equal(index_put_blob(txn, &d, &b, &err), 0);
        }
        assert_int_equal(index_txn_commit(txn, &err), 0);
    }
}

static off_t file_size(void)
{
    struct stat st;

    assert_int_equal(stat(scratch_path("index/data.mdb"), &st), 0);
    return st.st_size;
}

/* Another process does this with the index, then waits; it is killed in the middle of it. */
static void die_in(void (*what)(void))
{
    int ready[2], status;
    char byte;
    pid_t pid;

    assert_int_equal(pipe(ready), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        what();
        if (write(ready[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            (void)pause();
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    close(ready[0]);
    close(ready[1]);
}

static MDB_txn *raw_begin(unsigned flags)
{
    MDB_dbi tables[INDEX_TABLES];
    MDB_env *env;
    MDB_txn *txn;

    PG_CHECK(index_row_env_open(&config, &env, tables) == 0);
    PG_CHECK(mdb_txn_begin(env, NULL, flags, &txn) == 0);
    return txn;
}

static void read_in_child(void)
{
    (void)raw_begin(MDB_RDONLY);
}

static void write_in_child(void)
{
    (void)raw_begin(0);
}

TEST(H02_a_reader_that_was_killed_is_cleared_and_the_file_stops_growing)
{
    off_t before, with_reader;

    open_it();
    write_groups(20);
    index_close(ix); /* a child must not inherit it open */
    ix = NULL;
    die_in(read_in_child);
    open_it();
    index_check_readers(ix);
    before = file_size();
    write_groups(GROUPS);
    with_reader = file_size();
    assert_true(with_reader < before + SLACK_BYTES);
}

/* Beside one that has it open, as during a hand-over; the chores clear it. */
TEST(H02_a_reader_of_another_process_holds_pages_until_the_chores_clear_it)
{
    off_t before, grown, after;
    int go[2], ready[2], status;
    char byte;
    pid_t pid;

    assert_int_equal(pipe(go) | pipe(ready), 0);
    pid = fork(); /* before the index is open here */
    assert_true(pid >= 0);
    if (pid == 0) {
        if (read(go[0], &byte, 1) != 1)
            _exit(1);
        read_in_child();
        if (write(ready[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            (void)pause();
    }
    open_it();
    write_groups(20);
    before = file_size();
    assert_int_equal(write(go[1], "x", 1), 1);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    write_groups(GROUPS);
    grown = file_size();
    assert_true(grown > before + SLACK_BYTES);
    index_check_readers(ix);
    write_groups(GROUPS);
    after = file_size();
    assert_true(after < grown + SLACK_BYTES);
    for (int i = 0; i < 2; i++) {
        close(go[i]);
        close(ready[i]);
    }
}

TEST(H09_a_writer_that_was_killed_in_the_middle_leaves_no_lock_behind)
{
    open_it();
    write_groups(1);
    index_close(ix);
    ix = NULL;
    die_in(write_in_child);
    open_it();
    (void)alarm(20); /* a lock that stays would hang here */
    write_groups(2);
    (void)alarm(0);
}

TEST(H09_nor_beside_another_process_that_has_it_open)
{
    int go[2], ready[2], status;
    char byte;
    pid_t pid;

    assert_int_equal(pipe(go) | pipe(ready), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (read(go[0], &byte, 1) != 1)
            _exit(1);
        write_in_child();
        if (write(ready[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            (void)pause();
    }
    open_it();
    write_groups(1);
    assert_int_equal(write(go[1], "x", 1), 1);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    (void)alarm(20);
    write_groups(2);
    (void)alarm(0);
    for (int i = 0; i < 2; i++) {
        close(go[i]);
        close(ready[i]);
    }
}

/* ---- too many ---- */

static pthread_barrier_t all_in, all_out;
static atomic_uint served, refused, wrong;

static void *read_once(void *arg)
{
    struct digest d = {.alg = PG_SHA256, .bytes = {7}};
    struct pg_err e = {0};
    struct index_blob b;

    (void)arg;
    {
        _index_view_ struct index_view v = index_view_begin(ix);
        int found;

        (void)pthread_barrier_wait(&all_in); /* each has a view before one looks */
        found = index_get_blob(&v, &d, &b, &e);
        if (found == 1)
            atomic_fetch_add(&served, 1);
        else if (found < 0 && e.kind == PG_E_STORE_IO)
            atomic_fetch_add(&refused, 1);
        else
            atomic_fetch_add(&wrong, 1);
        (void)pthread_barrier_wait(&all_out);
    }
    pg_err_clear(&e);
    return NULL;
}

static void read_at_once(unsigned n)
{
    pthread_t threads[READERS];
    pthread_attr_t small;

    served = refused = wrong = 0;
    assert_int_equal(pthread_attr_init(&small), 0);
    assert_int_equal(pthread_attr_setstacksize(&small, (size_t)128 * 1024), 0);
    assert_int_equal(pthread_barrier_init(&all_in, NULL, n), 0);
    assert_int_equal(pthread_barrier_init(&all_out, NULL, n), 0);
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(pthread_create(&threads[i], &small, read_once, NULL), 0);
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(pthread_barrier_destroy(&all_in), 0);
    assert_int_equal(pthread_barrier_destroy(&all_out), 0);
    assert_int_equal(pthread_attr_destroy(&small), 0);
}

TEST(H04_more_readers_than_there_is_room_for_are_refused_and_those_after_them_are_not)
{
    open_it();
    write_groups(1);
    read_at_once(READERS);
    assert_int_equal(wrong, 0);
    assert_int_equal(served + refused, READERS);
    assert_true(refused > 0 && served >= INDEX_READERS_MAX - 1);
    assert_false(index_is_lost(ix));
    read_at_once(100); /* and all is as it was */
    assert_int_equal(served, 100);
    write_groups(2);
}

/* ---- one writer ---- */

/* Whatever begins a write transaction does so in the writer's thread; were there a second, it
 * would wait for ever. Commit and abort end it: the next one begins. */
TEST(H10_a_write_transaction_ends_before_the_next)
{
    struct index_txn *txn;

    open_it();
    (void)alarm(20);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(index_txn_begin(ix, &txn, &err), 0);
        if (i % 2 == 0)
            assert_int_equal(index_txn_commit(txn, &err), 0);
        else
            index_txn_abort(txn);
    }
    (void)alarm(0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(H02_a_reader_that_was_killed_is_cleared_and_the_file_stops_growing),
        CASE(H02_a_reader_of_another_process_holds_pages_until_the_chores_clear_it),
        CASE(H09_a_writer_that_was_killed_in_the_middle_leaves_no_lock_behind),
        CASE(H09_nor_beside_another_process_that_has_it_open),
        CASE(H04_more_readers_than_there_is_room_for_are_refused_and_those_after_them_are_not),
        CASE(H10_a_write_transaction_ends_before_the_next),
    };

    pg_hash_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
