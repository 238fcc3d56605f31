/* SPDX-License-Identifier: Apache-2.0 */
/* What was synced is read again, whole and in order; what is damaged is not believed. */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "harness/scratch.h"

#include "base/fault.h"
#include "base/fd.h"
#include "cache/journal_record_int.h"

static struct pg_err err;
static struct journal *j;
static struct journal_found found;
static struct journal_config config;

static int setup(void **state)
{
    (void)state;
    scratch_make();
    config = (struct journal_config){.path = scratch, .store_is_new = true, .now_s = 1700000000};
    config.dir_fd = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(config.dir_fd >= 0);
    j = NULL;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    journal_close(j);
    assert_int_equal(pg_fault_set(NULL), 0);
    (void)close(config.dir_fd);
    pg_err_clear(&err);
    scratch_remove();
    return 0;
}

static void open_journal(void)
{
    journal_close(j);
    j = NULL;
    assert_int_equal(journal_open(&config, &j, &found, &err), 0);
    config.store_is_new = false;
}

static void expect_refusal(const char *text)
{
    journal_close(j);
    j = NULL;
    pg_err_clear(&err);
    assert_int_equal(journal_open(&config, &j, &found, &err), -1);
    assert_int_equal(err.kind, PG_E_STORE_IO);
    assert_non_null(strstr(err.msg, text));
}

static void append(uint64_t number)
{
    struct journal_record r = {
        .kind = JOURNAL_TAG,
        .when_s = 5,
        .repo = SL("docker.io/library/nginx"),
        .name = SL("v1"),
        .number = number,
        .has_digest = true,
        .digest = {.alg = PG_SHA512, .bytes = {1, 2, 3}},
    };

    assert_int_equal(journal_append(j, &r, &err), 0);
}

static void sync_journal(void)
{
    assert_int_equal(journal_sync(j, &err), 0);
}

static void append_groups(uint64_t from, uint64_t to)
{
    for (uint64_t n = from; n < to; n++) {
        append(n);
        sync_journal();
    }
}

struct seen {
    uint64_t n, numbers[64];
    bool loss;
    char why[512];
    uint64_t stop_at;
};

static int note(void *arg, const struct journal_record *r, struct pg_err *e)
{
    struct seen *s = arg;

    (void)e;
    if (r->kind == JOURNAL_LOSS) {
        s->loss = true;
        (void)snprintf(s->why, sizeof(s->why), SL_FMT, SL_ARG(r->more));
        return 0;
    }
    assert_int_equal(r->kind, JOURNAL_TAG);
    assert_true(sl_eq(r->repo, SL("docker.io/library/nginx")) && sl_eq(r->name, SL("v1")));
    assert_true(r->has_digest && r->digest.alg == PG_SHA512 && r->digest.bytes[2] == 3);
    assert_int_equal(r->when_s, 5);
    assert_true(s->n < 64);
    s->numbers[s->n++] = r->number;
    return s->stop_at == s->n ? 1 : 0;
}

static struct seen read_all(void)
{
    struct seen s = {0};

    assert_int_equal(journal_read(j, 0, note, &s, &err), 0);
    return s;
}

static void expect_numbers(uint64_t from, uint64_t to)
{
    struct seen s = read_all();

    assert_int_equal(s.n, to - from);
    for (uint64_t i = 0; i < s.n; i++)
        assert_int_equal(s.numbers[i], from + i);
}

static uint64_t size_of(const char *name)
{
    struct stat st;

    assert_int_equal(stat(scratch_path(name), &st), 0);
    return (uint64_t)st.st_size;
}

static void flip(const char *name, uint64_t at)
{
    _fd_ int fd = open(scratch_path(name), O_RDWR | O_CLOEXEC);
    uint8_t byte;

    assert_int_equal(pg_fd_pread(fd, &byte, 1, at), 0);
    byte ^= 0x10;
    assert_int_equal(pg_fd_pwrite(fd, &byte, 1, at), 0);
}

#define FIRST "journal/00000001"

TEST(what_was_synced_is_read_again_and_the_rest_is_not)
{
    open_journal();
    append_groups(0, 3);
    append(3); /* never synced */
    open_journal();
    assert_int_equal(found.records, 3);
    expect_numbers(0, 3);
    append_groups(3, 5);
    open_journal();
    expect_numbers(0, 5);
}

TEST(reading_begins_after_and_stops_when_told)
{
    struct seen s = {.stop_at = 2};
    uint64_t third;

    open_journal();
    append_groups(0, 3);
    third = journal_seq(j);
    append_groups(3, 6);
    assert_int_equal(journal_read(j, third, note, &s, &err), 0);
    assert_int_equal(s.n, 2);
    assert_int_equal(s.numbers[0], 3);
}

TEST(what_was_dropped_or_taken_back_never_was)
{
    open_journal();
    append_groups(0, 2);
    append(100);
    journal_drop(j);
    append_groups(2, 3);
    append(101);
    sync_journal();
    journal_take_back(j);
    journal_take_back(j); /* once is enough */
    expect_numbers(0, 3);
    append_groups(3, 4);
    sync_journal(); /* of nothing */
    journal_take_back(j);
    open_journal();
    expect_numbers(0, 4);
}

TEST(what_was_taken_back_stays_so_when_the_file_cannot_be_cut)
{
    open_journal();
    append_groups(0, 2);
    append(100);
    sync_journal();
    assert_int_equal(pg_fault_set("journal.truncate:EIO@1"), 0);
    journal_take_back(j);
    append_groups(2, 4);
    expect_numbers(0, 4);
    open_journal();
    assert_int_equal(found.segments, 2);
    assert_int_equal(found.torn_bytes, 0);
    expect_numbers(0, 4);
}

TEST(G04_a_write_or_sync_that_fails_loses_its_group_alone)
{
    static const char *const faults[] = {"journal.write:ENOSPC@1", "journal.sync:EIO@1"};

    open_journal();
    append_groups(0, 1);
    for (uint64_t i = 0; i < 2; i++) {
        append(100);
        assert_int_equal(pg_fault_set(faults[i]), 0);
        assert_int_equal(journal_sync(j, &err), -1);
        assert_int_equal(err.kind, PG_E_STORE_IO);
        assert_int_equal(pg_fault_set(NULL), 0);
        journal_take_back(j); /* there is nothing to take back */
        append_groups(i + 1, i + 2);
        expect_numbers(0, i + 2);
    }
    open_journal();
    expect_numbers(0, 3);
}

TEST(a_new_segment_that_cannot_be_made_is_tried_again)
{
    open_journal();
    append_groups(0, 1);
    append(100);
    assert_int_equal(pg_fault_set("journal.sync:EIO@1,journal.syncdir:EIO@1"), 0);
    assert_int_equal(journal_sync(j, &err), -1);
    append(101);
    assert_int_equal(journal_sync(j, &err), -1);
    append_groups(1, 3);
    open_journal();
    assert_int_equal(found.segments, 2);
    expect_numbers(0, 3);
}

TEST(segments_follow_each_other)
{
    char more[JOURNAL_MORE_MAX];
    struct journal_record big = {.kind = JOURNAL_LOSS, .more = {more, sizeof(more)}};
    uint64_t before;

    memset(more, 'x', sizeof(more));
    open_journal();
    append_groups(0, 1);
    while (size_of(FIRST) < JOURNAL_SEGMENT_BYTES) {
        for (unsigned i = 0; i < 1000; i++)
            assert_int_equal(journal_append(j, &big, &err), 0);
        sync_journal();
    }
    before = journal_seq(j);
    append(100);
    sync_journal(); /* makes the second segment */
    assert_int_equal(journal_seq(j), before + 2);
    journal_take_back(j); /* and takes it away */
    append_groups(1, 3);
    open_journal();
    assert_int_equal(found.segments, 2);
    assert_int_equal(found.torn_bytes, 0);
    expect_numbers(0, 3);
}

TEST(G05_a_torn_tail_is_cut_off_wherever_it_was_torn)
{
    uint64_t whole, torn;

    open_journal();
    append_groups(0, 2);
    whole = size_of(FIRST);
    append(2); /* a group of two */
    append(3);
    sync_journal();
    torn = size_of(FIRST);
    for (uint64_t size = whole + 1; size < torn; size += 7) {
        uint64_t kept;

        journal_close(j);
        j = NULL;
        assert_int_equal(truncate(scratch_path(FIRST), (off_t)size), 0);
        open_journal();
        kept = read_all().n;
        assert_true(kept == 2 || (kept == 3 && size > whole + (torn - whole) / 2 - 1));
        assert_true(found.torn_bytes > 0 || kept == 3);
        assert_int_equal(size_of(FIRST), kept == 2 ? whole : whole + (torn - whole) / 2);
        if (kept == 2)
            append(2);
        append(3);
        sync_journal();
        expect_numbers(0, 4);
        torn = size_of(FIRST);
    }
}

TEST(G05_a_group_whose_beginning_did_not_reach_the_disk_is_torn)
{
    uint64_t whole;

    open_journal();
    append_groups(0, 2);
    whole = size_of(FIRST);
    append(2);
    append(3);
    sync_journal();
    flip(FIRST, whole + 20); /* the group's first record; the second is whole */
    open_journal();
    assert_true(found.torn_bytes > 0);
    expect_numbers(0, 2);
}

TEST(a_damage_before_the_last_group_is_refused_at_every_byte)
{
    uint64_t begin, end;

    open_journal();
    begin = size_of(FIRST);
    append_groups(0, 1);
    end = size_of(FIRST);
    append_groups(1, 2);
    for (uint64_t at = 0; at < end; at++) {
        flip(FIRST, at);
        expect_refusal("--accept-loss");
        flip(FIRST, at);
    }
    assert_true(end > begin);
    open_journal();
    expect_numbers(0, 2);
}

TEST(a_record_taken_out_is_missed)
{
    char bytes[8192];
    uint64_t first, second, end;

    open_journal();
    append_groups(0, 1);
    first = size_of(FIRST);
    append_groups(1, 2);
    second = size_of(FIRST);
    append_groups(2, 3);
    end = size_of(FIRST);
    journal_close(j);
    j = NULL;
    {
        _fd_ int fd = open(scratch_path(FIRST), O_RDWR | O_CLOEXEC);

        assert_int_equal(pg_fd_pread(fd, bytes, end - second, second), 0);
        assert_int_equal(pg_fd_pwrite(fd, bytes, end - second, first), 0);
        assert_int_equal(ftruncate(fd, (off_t)(first + end - second)), 0);
    }
    expect_refusal("not whole");
}

TEST(a_journal_that_is_missing_is_refused_unless_the_store_is_new)
{
    open_journal();
    append_groups(0, 1);
    journal_close(j);
    j = NULL;
    assert_int_equal(rename(scratch_path("journal"), scratch_path("elsewhere")), 0);
    expect_refusal("missing");
    assert_int_equal(mkdir(scratch_path("journal"), 0700), 0);
    expect_refusal("missing");
    config.accept_loss = true;
    open_journal();
    assert_true(found.lost);
    assert_true(read_all().loss);
    config.accept_loss = false;
    open_journal();
    assert_false(found.lost);
    assert_true(read_all().loss);
}

TEST(a_missing_segment_is_refused)
{
    open_journal();
    append_groups(0, 1);
    append(100);
    assert_int_equal(pg_fault_set("journal.sync:EIO@1"), 0);
    assert_int_equal(journal_sync(j, &err), -1); /* the next one begins a segment */
    append_groups(1, 2);
    assert_int_equal(unlink(scratch_path(FIRST)), 0);
    expect_refusal("missing");
}

TEST(accepting_a_loss_keeps_all_that_still_reads_well)
{
    struct seen s;
    DIR *dir;
    struct dirent *entry;
    bool kept = false;

    open_journal();
    append_groups(0, 10);
    flip(FIRST, size_of(FIRST) / 2);
    expect_refusal("--accept-loss");
    config.accept_loss = true;
    open_journal();
    assert_true(found.lost);
    s = read_all();
    assert_true(s.loss);
    assert_non_null(strstr(s.why, "00000001"));
    assert_int_equal(s.n, 9);
    assert_int_equal(s.numbers[0], 0);
    assert_int_equal(s.numbers[8], 9);
    append_groups(10, 11);
    config.accept_loss = false;
    open_journal();
    assert_int_equal(read_all().n, 10);
    dir = opendir(scratch);
    while ((entry = readdir(dir)) != NULL)
        kept |= strcmp(entry->d_name, "journal.lost-1700000000") == 0;
    (void)closedir(dir);
    assert_true(kept); /* for people to look at */
}

TEST(read_only_changes_nothing)
{
    uint64_t size;

    open_journal();
    append_groups(0, 2);
    journal_close(j);
    j = NULL;
    size = size_of(FIRST) - 1;
    assert_int_equal(truncate(scratch_path(FIRST), (off_t)size), 0);
    config.read_only = true;
    open_journal();
    assert_true(found.torn_bytes > 0);
    expect_numbers(0, 1);
    assert_int_equal(size_of(FIRST), size);
}

TEST(a_new_store_that_stopped_while_its_journal_was_begun_begins_again)
{
    open_journal();
    journal_close(j);
    j = NULL;
    assert_int_equal(truncate(scratch_path(FIRST), 10), 0);
    expect_refusal("missing");
    config.store_is_new = true;
    open_journal();
    append_groups(0, 1);
    open_journal();
    expect_numbers(0, 1);
}

TEST(what_is_too_long_is_refused_before_it_is_written)
{
    char more[JOURNAL_MORE_MAX + 1] = {0};
    struct journal_record r = {.kind = JOURNAL_PIN, .more = {more, sizeof(more)}};

    open_journal();
    assert_int_equal(journal_append(j, &r, &err), -1);
    append_groups(0, 1);
    expect_numbers(0, 1);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_was_synced_is_read_again_and_the_rest_is_not),
        CASE(reading_begins_after_and_stops_when_told),
        CASE(what_was_dropped_or_taken_back_never_was),
        CASE(what_was_taken_back_stays_so_when_the_file_cannot_be_cut),
        CASE(G04_a_write_or_sync_that_fails_loses_its_group_alone),
        CASE(a_new_segment_that_cannot_be_made_is_tried_again),
        CASE(segments_follow_each_other),
        CASE(G05_a_torn_tail_is_cut_off_wherever_it_was_torn),
        CASE(G05_a_group_whose_beginning_did_not_reach_the_disk_is_torn),
        CASE(a_damage_before_the_last_group_is_refused_at_every_byte),
        CASE(a_record_taken_out_is_missed),
        CASE(a_journal_that_is_missing_is_refused_unless_the_store_is_new),
        CASE(a_missing_segment_is_refused),
        CASE(accepting_a_loss_keeps_all_that_still_reads_well),
        CASE(read_only_changes_nothing),
        CASE(a_new_store_that_stopped_while_its_journal_was_begun_begins_again),
        CASE(what_is_too_long_is_refused_before_it_is_written),
    };

    pg_hash_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
