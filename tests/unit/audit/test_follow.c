/* SPDX-License-Identifier: Apache-2.0 */
/* A trail writes, and somebody follows it: all entries, once, over segments, restarts and what
 * crashes do. */
#include "harness/scratch.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/follow.h"
#include "audit/trail.h"
#include "audit/volume.h"
#include "base/fd.h"
#include "base/hash.h"

#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

static struct pg_err err;
static char path[512];
static uint64_t seqs[4096];
static size_t nseqs, room;

static struct trail *open_trail(size_t segment_bytes)
{
    const struct trail_config c = {.path = path, .segment_bytes = segment_bytes};
    struct trail *t;

    if (trail_open(&c, &t, &err) < 0)
        fail_msg("%s", err.msg);
    return t;
}

static void append(struct trail *t, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct entry e = {.kind = ENTRY_DECISION};

        e.text[ENTRY_TEXT_REPOSITORY] = SL("a.test/app");
        e.text[ENTRY_TEXT_VERDICT] = SL("allow");
        assert_int_equal(trail_append(t, &e, &err), 0);
    }
}

/* Each in a group of its own. */
static void append_each(struct trail *t, unsigned n)
{
    int bell = eventfd(0, EFD_CLOEXEC);
    eventfd_t rung;

    trail_ring(t, bell);
    for (unsigned i = 0; i < n; i++) {
        uint64_t last = trail_last(t);

        append(t, 1);
        while (trail_last(t) == last)
            assert_int_equal(eventfd_read(bell, &rung), 0);
    }
    trail_unring(t, bell);
    pg_fd_close(&bell);
}

static bool on_record(void *arg, const struct wire_record *r)
{
    (void)arg;
    if (room == 0)
        return false;
    room--;
    assert_true(nseqs < sizeof(seqs) / sizeof(seqs[0]));
    seqs[nseqs++] = entry_seq(r->json);
    return true;
}

static void read_all(struct follow *f)
{
    int n;

    nseqs = 0;
    room = SIZE_MAX;
    while ((n = follow_read(f, on_record, NULL, &err)) > 0)
        ;
    if (n < 0)
        fail_msg("%s", err.msg);
}

static void are(uint64_t from, uint64_t to)
{
    assert_int_equal(nseqs, to + 1 - from);
    for (size_t i = 0; i < nseqs; i++)
        assert_int_equal(seqs[i], from + i);
}

static const char *text_of(struct pg_buf *b)
{
    (void)pg_buf_put(b, (struct sl){"", 1});
    return b->p;
}

static int open_dir(void)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

TEST(all_entries_come_once_over_segments_and_restarts)
{
    struct trail *t = open_trail(600);
    _fd_ int fd = open_dir();
    struct follow f;
    struct follow_position p;

    assert_int_equal(follow_open(&f, fd, "siem", &err), 0);
    append_each(t, 50);
    trail_close(t);
    read_all(&f);
    uint64_t last = seqs[nseqs - 1];
    are(1, last);
    assert_true(f.at.segment > 3 && last > 50);
    p = f.at;
    assert_int_equal(follow_save(&f, &p, &err), 0);
    follow_close(&f);

    t = open_trail(600);
    append_each(t, 10);
    trail_close(t);
    assert_int_equal(follow_open(&f, fd, "siem", &err), 0);
    read_all(&f);
    are(last + 1, seqs[nseqs - 1]);
    assert_int_equal(f.missed, 0);
    follow_rewind(&f, &p); /* what was not taken */
    size_t n = nseqs;
    read_all(&f);
    assert_int_equal(nseqs, n);
    follow_close(&f);
}

TEST(what_is_not_taken_stays)
{
    struct trail *t = open_trail(0);
    _fd_ int fd = open_dir();
    struct follow f;

    append(t, 20);
    trail_close(t);
    assert_int_equal(follow_open(&f, fd, "slow", &err), 0);
    nseqs = 0;
    room = 5;
    assert_int_equal(follow_read(&f, on_record, NULL, &err), 5);
    uint64_t last = seqs[4];
    read_all(&f);
    assert_int_equal(seqs[0], last + 1);
    follow_close(&f);
}

static void remove_first_segments(int fd, size_t left)
{
    struct volume_list l;
    char name[VOLUME_NAME_MAX];

    assert_int_equal(volume_list(fd, &l, &err), 0);
    assert_true(l.n > left);
    for (size_t i = 0; i + left < l.n; i++)
        (void)unlinkat(fd, volume_name(l.numbers[i], name), 0);
    volume_list_free(&l);
}

/* N23: the log kept what it may keep, and a sink was away for longer. */
TEST(what_was_removed_before_it_was_read_is_counted)
{
    struct trail *t = open_trail(600);
    _fd_ int fd = open_dir();
    struct follow f;

    assert_int_equal(follow_open(&f, fd, "away", &err), 0);
    read_all(&f);
    uint64_t before = f.at.seq;
    append_each(t, 30);
    trail_close(t);
    remove_first_segments(fd, 2);
    pg_fd_close(&f.fd); /* as after a restart */
    read_all(&f);
    assert_true(nseqs > 0 && seqs[0] > before + 1);
    assert_int_equal(f.missed, seqs[0] - before - 1);
    follow_close(&f);
}

/* A sink that is down longer than the log is kept: each try meets the gap again. */
TEST(what_is_missed_is_counted_once_however_often_it_is_met)
{
    struct trail *t = open_trail(600);
    _fd_ int fd = open_dir();
    struct follow f;

    assert_int_equal(follow_open(&f, fd, "down", &err), 0);
    read_all(&f);
    const struct follow_position taken = f.at;
    append_each(t, 30);
    trail_close(t);
    for (size_t left = 6; left > 2; left -= 2) {
        remove_first_segments(fd, left);
        for (unsigned tries = 0; tries < 3; tries++) {
            follow_rewind(&f, &taken);
            pg_fd_close(&f.fd);
            read_all(&f);
            assert_true(nseqs > 0 && seqs[0] > taken.seq + 1);
            assert_int_equal(f.missed, seqs[0] - taken.seq - 1);
        }
    }
    follow_close(&f);
}

/* The machine crashed, and what was sent is not in the log any more: other entries have its
 * numbers. */
TEST(a_position_behind_what_a_crash_took_away_reads_again)
{
    struct trail *t = open_trail(0);
    _fd_ int fd = open_dir();
    struct volume_list l;
    char name[VOLUME_NAME_MAX];
    struct follow f;
    struct stat st;

    append(t, 5);
    trail_close(t);
    assert_int_equal(volume_list(fd, &l, &err), 0);
    (void)volume_name(l.numbers[l.n - 1], name);
    volume_list_free(&l);
    assert_int_equal(follow_open(&f, fd, "crash", &err), 0);
    read_all(&f);
    uint64_t first = seqs[0];
    size_t n = nseqs;
    assert_int_equal(follow_save(&f, &f.at, &err), 0);
    follow_close(&f);
    assert_int_equal(fstatat(fd, name, &st, 0), 0);
    _fd_ int log = openat(fd, name, O_WRONLY | O_CLOEXEC);
    assert_int_equal(ftruncate(log, st.st_size - 100), 0);
    assert_int_equal(unlinkat(fd, "head", 0), 0);

    t = open_trail(0);
    append(t, 5);
    trail_close(t);
    assert_int_equal(follow_open(&f, fd, "crash", &err), 0);
    read_all(&f);
    assert_int_equal(seqs[0], first);
    assert_true(nseqs > n);
    follow_close(&f);
}

TEST(a_position_that_makes_no_sense_reads_all)
{
    struct trail *t = open_trail(0);
    _fd_ int fd = open_dir();
    struct follow f;
    static const char far[] =
        "{\"segment\":99999999,\"offset\":99,\"seq\":7,\"hash\":\"" ZEROS "\"}";
    static const char *const texts[] = {
        "", "{", "{}", "{\"segment\":-1,\"offset\":0,\"seq\":0,\"hash\":\"\"}", far};

    trail_close(t);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        int to = openat(fd, "sent-odd", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_int_equal(pg_fd_write(to, texts[i], strlen(texts[i])), 0);
        pg_fd_close(&to);
        assert_int_equal(follow_open(&f, fd, "odd", &err), 0);
        read_all(&f);
        assert_true(nseqs > 0);
        follow_close(&f);
    }
}

TEST(a_bell_rings_when_there_is_news)
{
    struct trail *t = open_trail(0);
    int bell = eventfd(0, EFD_CLOEXEC);
    eventfd_t n;

    trail_ring(t, bell);
    assert_int_equal(eventfd_read(bell, &n), 0);
    uint64_t last = trail_last(t);
    append(t, 1);
    while (trail_last(t) == last)
        assert_int_equal(eventfd_read(bell, &n), 0); /* waits */
    trail_unring(t, bell);
    trail_close(t);
    pg_fd_close(&bell);
}

TEST(an_entry_has_one_text_for_each_kind_of_receiver)
{
    const struct wire_record r = {SL("00ff"),
                                  SL("{\"seq\":12,\"time\":\"2026-01-31T12:00:00.000Z\","
                                     "\"kind\":\"decision\",\"verdict\":\"deny\"}")};
    const struct wire_record bad = {SL("00ff"), SL("{\"seq\":12}")};
    struct pg_buf out;

    pg_buf_init(&out, 4096);
    assert_int_equal(wire_put_json(&r, &out), 0);
    assert_string_equal(text_of(&out),
                        "{\"id\":\"00ff\",\"seq\":12,\"time\":\"2026-01-31T12:00:00.000Z\","
                        "\"kind\":\"decision\",\"verdict\":\"deny\"}\n");
    pg_buf_clear(&out);
    assert_int_equal(wire_put_syslog(&r, "a host\n", &out), 0);
    assert_string_equal(text_of(&out),
                        "174 <108>1 2026-01-31T12:00:00.000Z a-host- pullgate - decision "
                        "[meta sequenceId=\"12\"] {\"id\":\"00ff\",\"seq\":12,\"time\":"
                        "\"2026-01-31T12:00:00.000Z\",\"kind\":\"decision\",\"verdict\":\"deny\"}");
    pg_buf_clear(&out);
    assert_int_equal(wire_put_json(&bad, &out), -1);
    assert_int_equal(wire_put_syslog(&bad, "h", &out), -1);
    assert_int_equal(out.n, 0);
    pg_buf_free(&out);
}

static int set_up(void **state)
{
    (void)state;
    pg_hash_setup();
    scratch_make();
    (void)snprintf(path, sizeof(path), "%s/audit", scratch);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    scratch_remove();
    return 0;
}

#define EACH(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(all_entries_come_once_over_segments_and_restarts),
        EACH(what_is_not_taken_stays),
        EACH(what_was_removed_before_it_was_read_is_counted),
        EACH(what_is_missed_is_counted_once_however_often_it_is_met),
        EACH(a_position_behind_what_a_crash_took_away_reads_again),
        EACH(a_position_that_makes_no_sense_reads_all),
        EACH(a_bell_rings_when_there_is_news),
        EACH(an_entry_has_one_text_for_each_kind_of_receiver),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
