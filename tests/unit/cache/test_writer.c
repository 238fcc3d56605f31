/* SPDX-License-Identifier: Apache-2.0 */
/* Operations of many threads become rows in groups; each hears how its own ended. */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/stat.h>

#include "harness/scratch.h"

#include "base/fault.h"
#include "base/list.h"
#include "base/metric.h"
#include "cache/index_int.h"
#include "cache/store.h"
#include "cache/writer.h"

#define THREADS 4
#define OPS     200

static struct store store;
static struct pg_err err;

struct put {
    struct writer_op op;
    unsigned n;
    bool refuse;
    unsigned applied, settled;
    const char *dir;
    sem_t *done;
};

static struct digest digest(unsigned n)
{
    struct digest d = {.alg = PG_SHA256, .bytes = {(uint8_t)(n >> 8), (uint8_t)n}};

    return d;
}

static int apply_put(struct writer_op *op, struct index_txn *txn, struct pg_err *e)
{
    struct put *p = pg_container_of(op, struct put, op);
    struct digest d = digest(p->n);
    struct index_blob b = {.size = 1, .sha256 = d};

    p->applied++;
    if (p->dir != NULL)
        writer_sync_dir(store.writer, p->dir);
    if (index_put_blob(txn, &d, &b, e) < 0)
        return -1;
    return p->refuse ? pg_fail(e, PG_E_STORE_IO, "refused") : 0;
}

static void settle_put(struct writer_op *op)
{
    pg_container_of(op, struct put, op)->settled++;
}

static void done_put(struct writer_op *op)
{
    struct put *p = pg_container_of(op, struct put, op);

    if (p->done != NULL)
        assert_int_equal(sem_post(p->done), 0);
}

static struct put put_of(unsigned n, sem_t *done)
{
    struct put p = {.n = n, .done = done};

    p.op.apply = apply_put;
    p.op.settle = settle_put;
    p.op.done = done_put;
    return p;
}

static bool has(unsigned n)
{
    _index_view_ struct index_view v = index_view_begin(store.index);
    struct digest d = digest(n);
    struct index_blob b;
    struct pg_err e = {0};
    int found = index_get_blob(&v, &d, &b, &e);

    assert_int_not_equal(found, -1);
    return found == 1;
}

static int setup(void **state)
{
    static char path[512];
    struct index_config c = {.path = path};

    (void)state;
    scratch_make();
    (void)snprintf(path, sizeof(path), "%s", scratch_path("index"));
    store = (struct store){0};
    assert_int_equal(mkdir(scratch_path("sha256"), 0700), 0);
    store.blobs_fd = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(store.blobs_fd >= 0);
    assert_int_equal(index_open(&c, &store.index, &err), 0);
    store.writer = writer_new(&store);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    writer_free(store.writer);
    assert_int_equal(pg_fault_set(NULL), 0);
    index_close(store.index);
    (void)close(store.blobs_fd);
    pg_err_clear(&err);
    scratch_remove();
    return 0;
}

static void wait_for(sem_t *sem, unsigned n)
{
    while (n-- > 0)
        assert_int_equal(sem_wait(sem), 0);
}

static void *post_many(void *arg)
{
    struct put *puts = arg;

    for (unsigned i = 0; i < OPS; i++) {
        writer_post(store.writer, &puts[i].op);
        if (i % 16 == 0)
            (void)has(puts[i].n); /* a reader beside the writer */
    }
    return NULL;
}

TEST(operations_of_many_threads_become_rows_in_few_commits)
{
    static struct put puts[THREADS][OPS];
    pthread_t threads[THREADS];
    int64_t before = pg_metric_read(PG_M_STORE_COMMITS);
    sem_t done;

    assert_int_equal(sem_init(&done, 0, 0), 0);
    for (unsigned t = 0; t < THREADS; t++) {
        for (unsigned i = 0; i < OPS; i++)
            puts[t][i] = put_of(t * OPS + i, &done);
        assert_int_equal(pthread_create(&threads[t], NULL, post_many, puts[t]), 0);
    }
    wait_for(&done, THREADS * OPS);
    for (unsigned t = 0; t < THREADS; t++)
        assert_int_equal(pthread_join(threads[t], NULL), 0);
    for (unsigned n = 0; n < THREADS * OPS; n++) {
        assert_true(has(n));
        assert_int_equal(puts[n / OPS][n % OPS].settled, 1);
        assert_int_equal(puts[n / OPS][n % OPS].op.err.kind, PG_E_NONE);
    }
    assert_int_equal(atomic_load(&store.blobs), THREADS * OPS);
    assert_true(pg_metric_read(PG_M_STORE_COMMITS) - before < THREADS * OPS / 2);
    (void)sem_destroy(&done);
}

TEST(an_operation_that_cannot_be_applied_harms_only_itself)
{
    struct put puts[10];
    sem_t done;

    assert_int_equal(sem_init(&done, 0, 0), 0);
    for (unsigned i = 0; i < 10; i++) {
        puts[i] = put_of(i, &done);
        puts[i].refuse = i == 3 || i == 7;
    }
    for (unsigned i = 0; i < 10; i++)
        writer_post(store.writer, &puts[i].op);
    wait_for(&done, 10);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(has(i), !puts[i].refuse);
        assert_int_equal(puts[i].settled, puts[i].refuse ? 0 : 1);
        assert_int_equal(puts[i].op.err.kind, puts[i].refuse ? PG_E_STORE_IO : PG_E_NONE);
        pg_err_clear(&puts[i].op.err);
    }
    assert_int_equal(atomic_load(&store.blobs), 8);
    (void)sem_destroy(&done);
}

TEST(H08_a_commit_that_fails_is_heard_and_the_next_one_works)
{
    struct put p = put_of(1, NULL);

    assert_int_equal(pg_fault_set("index.commit:EIO@1"), 0);
    assert_int_equal(writer_do(store.writer, &p.op, &err), -1);
    assert_int_equal(err.kind, PG_E_STORE_IO);
    assert_int_equal(p.settled, 0);
    assert_false(has(1));
    p = put_of(1, NULL);
    assert_int_equal(writer_do(store.writer, &p.op, &err), 0);
    assert_true(has(1));
}

TEST(an_index_that_lmdb_gave_up_is_opened_again_by_the_writer)
{
    struct put p = put_of(1, NULL);

    assert_int_equal(pg_fault_set("index.begin:EIO@1"), 0);
    assert_int_equal(writer_do(store.writer, &p.op, &err), -1);
    assert_true(index_is_lost(store.index));
    p = put_of(1, NULL);
    assert_int_equal(writer_do(store.writer, &p.op, &err), 0);
    assert_false(index_is_lost(store.index));
    assert_true(has(1));
}

TEST(no_row_without_its_directory_synced)
{
    struct put p = put_of(1, NULL);

    p.dir = "sha256";
    assert_int_equal(pg_fault_set("writer.syncdir:EIO@1"), 0);
    assert_int_equal(writer_do(store.writer, &p.op, &err), -1);
    assert_false(has(1));
    p = put_of(1, NULL);
    p.dir = "sha256/none";
    assert_int_equal(writer_do(store.writer, &p.op, &err), -1);
    p = put_of(1, NULL);
    p.dir = "sha256";
    assert_int_equal(writer_do(store.writer, &p.op, &err), 0);
    assert_true(has(1));
}

TEST(a_lazy_operation_goes_with_the_next_group)
{
    struct put lazy, eager = put_of(2, NULL);
    sem_t done;

    assert_int_equal(sem_init(&done, 0, 0), 0);
    lazy = put_of(1, &done);
    lazy.op.lazy = true;
    writer_post(store.writer, &lazy.op);
    assert_int_equal(writer_do(store.writer, &eager.op, &err), 0);
    assert_true(has(2));
    assert_true(has(1));
    wait_for(&done, 1); /* it is the writer's until then */
    (void)sem_destroy(&done);
}

TEST(what_was_posted_before_stands_there_after_catching_up)
{
    struct put puts[WRITER_GROUP_OPS + 1]; /* more than one group */
    struct put refused = put_of(WRITER_GROUP_OPS + 1, NULL);

    refused.refuse = true;
    for (unsigned i = 0; i <= WRITER_GROUP_OPS; i++) {
        puts[i] = put_of(i, NULL);
        writer_post(store.writer, &puts[i].op);
    }
    writer_post(store.writer, &refused.op);
    assert_int_equal(writer_catch_up(store.writer, &err), 0);
    for (unsigned i = 0; i <= WRITER_GROUP_OPS; i++)
        assert_true(has(i));
    assert_int_equal(refused.op.err.kind, PG_E_STORE_IO);
    pg_err_clear(&refused.op.err);
}

TEST(the_end_does_what_is_queued)
{
    struct put puts[50];

    for (unsigned i = 0; i < 50; i++) {
        puts[i] = put_of(i, NULL);
        puts[i].op.lazy = i % 2 == 0;
        writer_post(store.writer, &puts[i].op);
    }
    writer_free(store.writer);
    store.writer = NULL;
    for (unsigned i = 0; i < 50; i++)
        assert_true(has(i));
}

struct answer {
    struct put put;
    struct pg_mailbox box;
    sem_t woken;
    pthread_t done_in;
};

static void wake_answer(struct pg_mailbox *box)
{
    assert_int_equal(sem_post(&((struct answer *)box->owner)->woken), 0);
}

static void note_thread(struct writer_op *op)
{
    struct answer *a = pg_container_of(op, struct answer, put.op);

    a->done_in = pthread_self();
}

TEST(done_is_delivered_at_home)
{
    struct answer a = {.put = put_of(1, NULL)};

    assert_int_equal(sem_init(&a.woken, 0, 0), 0);
    pg_mailbox_init(&a.box, wake_answer, &a);
    a.put.op.home = &a.box;
    a.put.op.done = note_thread;
    writer_post(store.writer, &a.put.op);
    wait_for(&a.woken, 1);
    assert_true(pg_mailbox_drain(&a.box));
    assert_true(pthread_equal(a.done_in, pthread_self()));
    assert_true(has(1));
    (void)sem_destroy(&a.woken);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(operations_of_many_threads_become_rows_in_few_commits),
        CASE(an_operation_that_cannot_be_applied_harms_only_itself),
        CASE(H08_a_commit_that_fails_is_heard_and_the_next_one_works),
        CASE(an_index_that_lmdb_gave_up_is_opened_again_by_the_writer),
        CASE(no_row_without_its_directory_synced),
        CASE(a_lazy_operation_goes_with_the_next_group),
        CASE(what_was_posted_before_stands_there_after_catching_up),
        CASE(the_end_does_what_is_queued),
        CASE(done_is_delivered_at_home),
    };

    pg_hash_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
