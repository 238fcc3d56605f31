/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blobs in small parts from an upstream that does anything (harness/storm.py), one seed after the
 * other: whatever lands is right, whatever is lost is lost in good order, nothing hangs, and when
 * the storm is over all of them come. PG_STORM_SEEDS=FIRST-LAST runs others than the few by
 * default.
 */
#include "rig.h"

#include <stdlib.h>
#include <unistd.h>

#include "cache/fill.h"

#define SEGMENT UINT64_C(65536)
#define BLOBS   6
#define ROUNDS  3

static struct {
    uint64_t dice;
    char digests[ROUNDS * BLOBS][DIGEST_TEXT_MAX];
    uint64_t sizes[ROUNDS * BLOBS];
    struct rig_options options;
} storm;

static uint64_t roll(uint64_t n)
{
    storm.dice = storm.dice * 6364136223846793005ULL + 1442695040888963407ULL;
    return (storm.dice >> 33) % n;
}

static void begin(uint64_t seed)
{
    static const unsigned connections[] = {1, 2, 3, 4, 16};

    storm.dice = seed;
    (void)roll(2);
    storm.options = (struct rig_options){.max_connections = connections[roll(5)], .stall_ms = 600};
    rig_start(&storm.options);
    fetch_set_segment(rig_fetch, SEGMENT);
    for (unsigned i = 0; i < ROUNDS * BLOBS; i++) {
        storm.sizes[i] = roll(14 * SEGMENT);
        assert_true(snprintf(storm.digests[i], DIGEST_TEXT_MAX, "%s",
                             rig_py("up.blob(random.Random(%llu).randbytes(%llu))",
                                    (unsigned long long)(seed * 100 + i),
                                    (unsigned long long)storm.sizes[i])) > 0);
    }
    rig_py("from storm import Storm");
    rig_py("wind = Storm(%llu, %s, '%s')", (unsigned long long)seed, seed % 3 == 0 ? "0.5" : "0.2",
           seed % 2 == 0 ? "" : "cut|flip|stall|say|redirect|noise");
    rig_py("up.on('/blobs/', wind)");
}

static void restart(void)
{
    rig_restart(&storm.options);
    fetch_set_segment(rig_fetch, SEGMENT);
}

/* What a reader has of it is what it should be, to the last byte. */
static void check_bytes(const struct rig_pull *p, uint64_t size)
{
    struct pg_hash *h = pg_hash_new(PG_SHA256);
    uint8_t got[PG_HASH_BYTES_MAX];
    char piece[65536];
    ssize_t n = 0;

    assert_int_equal(p->reader.flight->size, size);
    for (uint64_t at = 0; at < size; at += (uint64_t)n) {
        uint64_t left = size - at;

        n = pread(p->reader.flight->fd, piece, left < sizeof(piece) ? left : sizeof(piece),
                  (off_t)at);
        assert_true(n > 0);
        pg_hash_update(h, piece, (size_t)n);
    }
    pg_hash_final(h, got);
    pg_hash_free(h);
    assert_memory_equal(got, p->digest.bytes, 32);
}

static enum pg_ekind end_of(struct rig_pull *p, uint64_t size)
{
    struct flight_view v = rig_wait_for(p, FLIGHT_LANDED);
    enum pg_ekind kind = v.state == FLIGHT_LOST ? p->reader.flight->err.kind : PG_E_NONE;

    if (v.verified)
        check_bytes(p, size);
    rig_leave(p);
    return kind;
}

static bool is_a_reason(enum pg_ekind kind)
{
    return kind == PG_E_NONE || kind == PG_E_UPSTREAM_DOWN || kind == PG_E_UPSTREAM_WRONG ||
           kind == PG_E_BLOB_UNKNOWN || kind == PG_E_TIMEOUT || kind == PG_E_CANCELED;
}

/* All at once; some leave early, and some are not of a known size. */
static void blow(unsigned round)
{
    struct rig_pull pulls[BLOBS];
    const uint64_t *sizes = storm.sizes + (size_t)round * BLOBS;

    for (unsigned i = 0; i < BLOBS; i++)
        rig_pull(&pulls[i], storm.digests[round * BLOBS + i], roll(5) == 0 ? UINT64_MAX : sizes[i],
                 roll(4) == 0 ? FETCH_AHEAD : FETCH_WAITED_FOR);
    for (unsigned i = 0; i < BLOBS; i++) {
        if (roll(4) == 0)
            rig_leave(&pulls[i]);
        else
            assert_true(is_a_reason(end_of(&pulls[i], sizes[i])));
    }
}

/* Of what the storm left half here bytes may be wrong: then it comes anew, once. */
static void calm(void)
{
    rig_py("up.well()");
    for (unsigned i = 0; i < ROUNDS * BLOBS; i++) {
        for (unsigned tries = 0; !rig_has(storm.digests[i]); tries++) {
            struct rig_pull p;
            enum pg_ekind kind;

            rig_pull(&p, storm.digests[i], storm.sizes[i], FETCH_WAITED_FOR);
            kind = end_of(&p, storm.sizes[i]);
            assert_true(kind == PG_E_NONE || kind == PG_E_UPSTREAM_WRONG || kind == PG_E_CANCELED);
            assert_true(tries < 2);
        }
    }
    assert_int_equal(rig_partial_bytes(), 0);
}

TEST(whatever_upstream_does)
{
    const char *range = getenv("PG_STORM_SEEDS"); /* NOLINT(concurrency-mt-unsafe) */
    char *end = NULL;
    uint64_t seed = range != NULL ? strtoull(range, &end, 10) : 1;
    uint64_t last = range == NULL ? 3 : *end == '-' ? strtoull(end + 1, NULL, 10) : seed;

    for (; seed <= last; seed++) {
        print_message("seed %llu\n", (unsigned long long)seed);
        begin(seed);
        for (unsigned i = 0; i < ROUNDS; i++) {
            blow(i);
            restart(); /* who broke its word is asked for parts again */
        }
        calm();
        print_message("%s\n", rig_py("sorted(wind.counts.items())"));
        rig_stop();
    }
}

static int end_all(void **state)
{
    (void)state;
    rig_end();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {RUN(whatever_upstream_does)};

    return cmocka_run_group_tests(tests, NULL, end_all);
}
