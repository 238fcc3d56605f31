/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/scratch.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "audit/examine.h"
#include "audit/search.h"
#include "audit/trail.h"
#include "audit/volume.h"
#include "base/fault.h"
#include "base/fd.h"
#include "base/hash.h"

#define SEGMENT ((size_t)1 << 18)

static struct pg_err err;
static struct trail *trail;
static char first_finding[EXAMINE_WHAT_MAX];

static const char *dir(void)
{
    return scratch_path("audit");
}

static void open_trail(void)
{
    const struct trail_config c = {.path = dir(), .segment_bytes = SEGMENT};

    assert_int_equal(trail_open(&c, &trail, &err), 0);
}

static void reopen(void)
{
    trail_close(trail);
    open_trail();
}

static void say(const char *what)
{
    struct entry e = {.kind = ENTRY_ACT};

    e.text[ENTRY_TEXT_ACT] = sl_str(what);
    assert_int_equal(trail_append(trail, &e, &err), 0);
}

static void on_finding(void *arg, const struct examine_finding *f)
{
    (void)arg;
    if (first_finding[0] == '\0')
        (void)snprintf(first_finding, sizeof(first_finding), "%s", f->what);
}

/* What `audit verify` would say: the first finding, or "". */
static const char *verify(void)
{
    _fd_ int fd = open(dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct volume_list list;
    struct examine x;
    struct pg_buf bytes;
    char name[VOLUME_NAME_MAX];

    first_finding[0] = '\0';
    pg_buf_init(&bytes, VOLUME_READ_MAX);
    examine_init(&x, NULL, on_finding, NULL);
    assert_int_equal(volume_read(fd, "head", &bytes, &err), 0);
    assert_int_equal(examine_expect(&x, (struct sl){bytes.p, bytes.n - 1}, &err), 0);
    assert_int_equal(volume_list(fd, &list, &err), 0);
    for (size_t i = 0; i < list.n; i++) {
        assert_int_equal(volume_read(fd, volume_name(list.numbers[i], name), &bytes, &err), 0);
        examine_segment(&x, list.numbers[i], pg_buf_sl(&bytes), i + 1 == list.n);
    }
    examine_end(&x);
    volume_list_free(&list);
    pg_buf_free(&bytes);
    return first_finding;
}

struct count {
    enum entry_kind kind;
    const char *act; /* NULL: any */
    unsigned n;
    uint64_t number; /* the last one's count */
};

static int count_one(void *arg, const struct entry *e, struct pg_err *unused)
{
    struct count *c = arg;

    (void)unused;
    if (e->kind == c->kind && (c->act == NULL || sl_eq(e->text[ENTRY_TEXT_ACT], sl_str(c->act)))) {
        c->n++;
        c->number = e->number[ENTRY_NUMBER_COUNT];
    }
    return 0;
}

static struct count count(enum entry_kind kind, const char *act)
{
    _fd_ int fd = open(dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const struct search_wanted all = {0};
    struct count c = {.kind = kind, .act = act};
    struct search_found found;

    assert_int_equal(search_run(fd, &all, count_one, &c, &found, &err), 0);
    return c;
}

static char *segment(uint32_t number)
{
    static char path[600];
    char name[VOLUME_NAME_MAX];

    (void)snprintf(path, sizeof(path), "%s/%s", dir(), volume_name(number, name));
    return path;
}

static off_t size_of(const char *path)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return st.st_size;
}

static void overwrite(const char *path, off_t at, const char *text)
{
    _fd_ int fd = open(path, O_WRONLY | O_CLOEXEC);

    assert_int_equal(pg_fd_pwrite(fd, text, strlen(text), (uint64_t)at), 0);
}

static int set_up(void **state)
{
    (void)state;
    pg_hash_setup();
    scratch_make();
    open_trail();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
#ifdef PG_WITH_FAULTS
    assert_int_equal(pg_fault_set(NULL), 0);
#endif
    trail_close(trail);
    trail = NULL;
    pg_err_clear(&err);
    scratch_remove();
    return 0;
}

/* ---- tests --------------------------------------------------------------------------------- */

TEST(entries_outlive_the_process_and_go_on)
{
    say("one");
    reopen();
    say("two");
    reopen();
    assert_string_equal(verify(), "");
    assert_int_equal(count(ENTRY_ACT, NULL).n, 2);
    assert_int_equal(size_of(scratch_path("audit/key")) > 0, 1);
    struct stat st;
    assert_int_equal(stat(scratch_path("audit/key"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

/* What a crash leaves: the last entry is not whole. */
TEST(a_torn_entry_is_cut_off_and_told)
{
    say("one");
    reopen(); /* the head names what is whole */
    trail_close(trail);
    FILE *f = fopen(segment(1), "a");
    assert_non_null(f);
    assert_true(fputs("0123456789abcdef {\"seq\":", f) >= 0);
    assert_int_equal(fclose(f), 0);
    open_trail();
    assert_false(trail_is_damaged(trail));
    say("two");
    reopen();
    assert_string_equal(verify(), "");
    assert_int_equal(count(ENTRY_RECOVERED, NULL).n, 1);
    assert_int_equal(count(ENTRY_ACT, NULL).n, 2);
}

/* It was on disk before, so no crash did it. */
TEST(an_entry_torn_that_a_head_names_is_damage)
{
    say("one");
    trail_close(trail);
    assert_int_equal(truncate(segment(1), size_of(segment(1)) - 5), 0);
    open_trail();
    assert_true(trail_is_damaged(trail));
    reopen();
    assert_string_not_equal(verify(), "");
    assert_int_equal(count(ENTRY_DAMAGED, NULL).n, 1);
}

TEST(an_edit_is_found_at_the_start_and_stays_as_it_is)
{
    say("one");
    say("two");
    trail_close(trail);
    off_t size = size_of(segment(1));
    overwrite(segment(1), size - 8, "tWo");
    open_trail();
    assert_true(trail_is_damaged(trail));
    say("three");
    reopen();
    assert_int_equal(size_of(segment(1)), size);
    assert_int_equal(count(ENTRY_ACT, "three").n, 1);
    assert_string_not_equal(verify(), "");
    assert_int_equal(count(ENTRY_DAMAGED, NULL).n, 1); /* told once */
}

TEST(all_segments_gone_are_damage_while_a_head_is_there)
{
    say("one");
    trail_close(trail);
    assert_int_equal(unlink(segment(1)), 0);
    open_trail();
    assert_true(trail_is_damaged(trail));
}

TEST(a_lost_key_is_damage_and_a_foreign_one_is_refused)
{
    const struct trail_config c = {.path = dir()};

    say("one");
    trail_close(trail);
    assert_int_equal(chmod(scratch_path("audit/key"), 0644), 0);
    assert_int_equal(trail_open(&c, &trail, &err), -1);
    assert_non_null(strstr(err.msg, "chmod 0600"));
    assert_int_equal(unlink(scratch_path("audit/key")), 0);
    open_trail();
    assert_true(trail_is_damaged(trail));
}

TEST(a_segment_of_the_last_number_is_refused)
{
    _fd_ int fd = -1;

    trail_close(trail);
    trail = NULL;
    fd = open(segment(VOLUME_NUMBER_MAX), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(pg_fd_write(fd, "x\n", 2), 0);
    const struct trail_config c = {.path = dir()};
    assert_int_equal(trail_open(&c, &trail, &err), -1);
    assert_int_equal(err.kind, PG_E_STORE_IO);
}

#ifdef PG_WITH_FAULTS
static void wait_well(bool well)
{
    while (trail_is_well(trail) != well)
        (void)sched_yield();
}

/* J11: a full disk is told, and what was appended meanwhile is written when there is room. */
TEST(what_could_not_be_written_is_written_later)
{
    assert_int_equal(pg_fault_set("audit.write:ENOSPC@1"), 0);
    say("one");
    wait_well(false);
    say("two");
    wait_well(true);
    assert_int_equal(pg_fault_set(NULL), 0);
    reopen();
    assert_string_equal(verify(), "");
    assert_int_equal(count(ENTRY_ACT, "one").n, 1);
    assert_int_equal(count(ENTRY_ACT, "two").n, 1);
}

/* What cannot be taken is refused at once, and the log says how much is missing. */
TEST(a_full_queue_refuses_and_tells_how_many_are_lost)
{
    struct entry e = {.kind = ENTRY_ACT};
    unsigned taken = 0;

    assert_int_equal(pg_fault_set("audit.write:ENOSPC@1+"), 0);
    e.text[ENTRY_TEXT_ACT] = SL("many");
    while (trail_append(trail, &e, &err) == 0)
        taken++;
    assert_int_equal(err.kind, PG_E_STORE_IO);
    for (unsigned i = 0; i < 9; i++) {
        trail_note(trail, &e);
        assert_int_equal(trail_adopt(trail), 1); /* the thread turns, and can do nothing */
    }
    assert_int_equal(pg_fault_set(NULL), 0);
    wait_well(true);
    reopen();
    assert_string_equal(verify(), "");
    assert_int_equal(count(ENTRY_ACT, "many").n, taken);
    struct count lost = count(ENTRY_LOST, NULL);
    assert_int_equal(lost.n, 1);
    assert_int_equal(lost.number, 10);
}
#endif

TEST(a_retiring_process_writes_on_and_its_heir_adopts_it)
{
    struct trail *old = trail;

    say("before");
    trail_hold(trail);
    say("retired 1");
    open_trail(); /* the heir */
    say("heir");
    assert_int_equal(trail_adopt(trail), 1); /* it writes yet */
    struct trail *heir = trail;
    trail = old;
    say("retired 2");
    trail_close(old);
    trail = heir;
    assert_int_equal(trail_adopt(trail), 0);
    reopen();
    assert_string_equal(verify(), "");
    assert_int_equal(count(ENTRY_ACT, "retired 1").n, 1);
    assert_int_equal(count(ENTRY_ACT, "retired 2").n, 1);
    assert_int_equal(count(ENTRY_ACT, NULL).n, 4);
    assert_int_equal(count(ENTRY_ADOPTED, NULL).n, 1);
}

#ifdef PG_WITH_FAULTS
/* What waits while the heir's disk is full waits on, and does not pile up in its memory. */
TEST(a_full_disk_puts_off_what_is_to_be_adopted)
{
    struct trail *old = trail;

    trail_hold(trail);
    say("retired");
    open_trail(); /* the heir */
    trail_close(old);
    assert_int_equal(pg_fault_set("audit.write:ENOSPC@1+"), 0);
    for (unsigned i = 0; i < 9; i++)
        assert_int_equal(trail_adopt(trail), 1);
    assert_int_equal(pg_fault_set(NULL), 0);
    assert_int_equal(trail_adopt(trail), 0);
    reopen();
    assert_string_equal(verify(), "");
    assert_in_range(count(ENTRY_ACT, "retired").n, 1, 2);
    assert_in_range(count(ENTRY_ADOPTED, NULL).n, 1, 2);
}

/* A file that a retiring process cannot make at first is made later: its heir misses nothing. */
TEST(a_retiring_process_tries_again_to_make_its_file)
{
    struct trail *old = trail;

    assert_int_equal(pg_fault_set("audit.given:EMFILE@1"), 0);
    trail_hold(trail);
    assert_int_equal(pg_fault_set(NULL), 0);
    say("retired");
    open_trail(); /* the heir */
    trail_close(old);
    assert_int_equal(trail_adopt(trail), 0);
    reopen();
    assert_string_equal(verify(), "");
    assert_int_equal(count(ENTRY_ACT, "retired").n, 1);
}
#endif

TEST(an_heir_that_did_not_come_changes_nothing)
{
    say("before");
    trail_hold(trail);
    say("meanwhile");
    assert_int_equal(trail_resume(trail, &err), 0);
    say("after");
    reopen();
    assert_string_equal(verify(), "");
    assert_int_equal(count(ENTRY_ACT, NULL).n, 3);
}

static void fill_a_segment(void)
{
    static char text[900];
    struct entry e = {.kind = ENTRY_ACT};

    memset(text, 'x', sizeof(text));
    e.text[ENTRY_TEXT_TARGET] = (struct sl){text, sizeof(text)};
    e.text[ENTRY_TEXT_RESULT] = (struct sl){text, sizeof(text)};
    e.text[ENTRY_TEXT_REASON] = (struct sl){text, sizeof(text)};
    for (size_t n = 0; n < SEGMENT; n += 2700)
        while (trail_append(trail, &e, &err) < 0)
            pg_err_clear(&err);
}

TEST(a_full_segment_is_followed_by_another_and_the_oldest_are_removed)
{
    fill_a_segment();
    fill_a_segment();
    reopen();
    assert_string_equal(verify(), "");
    assert_true(size_of(segment(2)) > 0);
    trail_close(trail);
    const struct trail_config c = {
        .path = dir(), .segment_bytes = SEGMENT, .max_bytes = SEGMENT + SEGMENT / 2};
    assert_int_equal(trail_open(&c, &trail, &err), 0);
    reopen();
    assert_int_not_equal(access(segment(1), F_OK), 0);
    assert_string_equal(verify(), "");
    assert_int_equal(count(ENTRY_REMOVED, NULL).n, 1);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(entries_outlive_the_process_and_go_on),
        CASE(a_torn_entry_is_cut_off_and_told),
        CASE(an_entry_torn_that_a_head_names_is_damage),
        CASE(an_edit_is_found_at_the_start_and_stays_as_it_is),
        CASE(all_segments_gone_are_damage_while_a_head_is_there),
        CASE(a_lost_key_is_damage_and_a_foreign_one_is_refused),
        CASE(a_segment_of_the_last_number_is_refused),
#ifdef PG_WITH_FAULTS
        CASE(what_could_not_be_written_is_written_later),
        CASE(a_full_queue_refuses_and_tells_how_many_are_lost),
#endif
        CASE(a_retiring_process_writes_on_and_its_heir_adopts_it),
#ifdef PG_WITH_FAULTS
        CASE(a_full_disk_puts_off_what_is_to_be_adopted),
        CASE(a_retiring_process_tries_again_to_make_its_file),
#endif
        CASE(an_heir_that_did_not_come_changes_nothing),
        CASE(a_full_segment_is_followed_by_another_and_the_oldest_are_removed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
