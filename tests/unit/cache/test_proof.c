/* SPDX-License-Identifier: Apache-2.0 */
/* N07: which upstreams have shown that they have a blob. */
#include "shelf.h"

#include <xxhash.h>

#include "cache/overlay.h"
#include "cache/proof.h"

#define MINE   SL("origin.test/team/app")
#define MINE2  SL("origin.test/team/other")
#define OTHERS SL("other.test/evil/app")
#define SIZE   ((size_t)3000000)

static struct shelf shelf;
static struct pg_err err;

static int setup(void **state)
{
    (void)state;
    shelf_begin(&shelf);
    shelf_open(&shelf);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    shelf_end(&shelf);
    pg_err_clear(&err);
    return 0;
}

static void start(struct shelf_fill *sf, const struct digest *d, struct sl whose)
{
    char text[DIGEST_TEXT_MAX];
    enum flight_role role;

    *sf = (struct shelf_fill){.shelf = &shelf};
    assert_int_equal(
        flight_join(&shelf.bell, digest_write(d, text), &sf->reader, shelf_on_news, &role, &err),
        0);
    flight_say_whose(sf->reader.flight, whose);
    sf->fill = fill_open(shelf.store, sf->reader.flight, d, SIZE, &shelf.box, shelf_on_event, sf);
    SHELF_UNTIL(&shelf, sf->ready > 0);
}

static struct digest download(struct sl whose, uint64_t seed)
{
    struct sl bytes = shelf_bytes(SIZE, seed);
    struct digest d = digest_of(PG_SHA256, bytes);
    struct shelf_fill sf;

    start(&sf, &d, whose);
    assert_int_equal(shelf_write(&sf, bytes, 65536), 0);
    assert_true(shelf_finish(&sf));
    shelf_free(bytes);
    return d;
}

static int has(struct sl repo, const struct digest *d)
{
    int found = proof_has(shelf.store, repo, d, &err);

    assert_true(found >= 0);
    return found;
}

TEST(what_was_downloaded_is_shown_by_that_upstream_and_no_other)
{
    struct digest d = download(MINE, 1);
    struct index_link link;

    assert_int_equal(has(MINE, &d), 1);
    assert_int_equal(has(MINE2, &d), 1); /* of an upstream: repositories have their links */
    assert_int_equal(has(OTHERS, &d), 0);
    assert_int_equal(has(SL("origin.test.evil/team/app"), &d), 0);
    assert_int_equal(overlay_get_link(shelf.store, MINE2, &d, &link, &err), 0);
    proof_note(shelf.store, OTHERS, &d, SIZE);
    shelf_commit(&shelf);
    assert_int_equal(has(OTHERS, &d), 1);
    assert_int_equal(overlay_get_link(shelf.store, OTHERS, &d, &link, &err), 1);
}

TEST(it_outlives_a_lost_index)
{
    struct digest d = download(MINE, 2);
    char from[128], to[128];

    shelf_close(&shelf);
    (void)snprintf(from, sizeof(from), "%s/index", shelf.dir);
    (void)snprintf(to, sizeof(to), "%s/quarantine/old", shelf.dir);
    assert_int_equal(rename(from, to), 0);
    shelf_open(&shelf);
    assert_int_equal(has(MINE, &d), 1);
    assert_int_equal(has(OTHERS, &d), 0);
}

TEST(the_parts_are_three_or_the_whole_and_are_ours)
{
    static const size_t sizes[] = {1, 262144, 262145, 786432, 786433, SIZE};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct sl bytes = shelf_bytes(sizes[i], 10 + i);
        struct digest d = shelf_put(&shelf, bytes);
        struct proof_parts parts;
        uint64_t sum = 0, after = 0;

        assert_int_equal(proof_pick(shelf.store, &d, &parts, &err), 1);
        assert_int_equal(parts.size, sizes[i]);
        assert_in_range(parts.nparts, 1, PROOF_PARTS);
        for (unsigned k = 0; k < parts.nparts; k++) {
            const struct proof_part *p = &parts.parts[k];

            assert_true(k == 0 || p->from >= after); /* each another one */
            after = p->from + p->n;
            sum += p->n;
            assert_true(after <= sizes[i] && p->n > 0);
            assert_true(p->sum == XXH3_64bits(bytes.p + p->from, p->n));
        }
        assert_true(sizes[i] > 786432 ? parts.nparts == PROOF_PARTS : sum == sizes[i]);
        shelf_free(bytes);
    }
}

TEST(they_are_not_the_same_each_time)
{
    struct digest d = shelf_put_seed(&shelf, SIZE, 3);
    struct proof_parts first, next;
    bool differs = false;

    assert_int_equal(proof_pick(shelf.store, &d, &first, &err), 1);
    for (int i = 0; i < 64 && !differs; i++) {
        assert_int_equal(proof_pick(shelf.store, &d, &next, &err), 1);
        differs = next.parts[0].from != first.parts[0].from;
    }
    assert_true(differs);
}

TEST(what_is_half_here_belongs_to_who_brought_it)
{
    struct sl bytes = shelf_bytes(SIZE, 4);
    struct digest d = digest_of(PG_SHA256, bytes);
    struct shelf_fill sf;

    start(&sf, &d, MINE);
    assert_int_equal(shelf_write(&sf, (struct sl){bytes.p, 1 << 20}, 65536), 0);
    shelf_give_up(&sf, PG_E_UPSTREAM_DOWN);
    flight_leave(&sf.reader);
    shelf_commit(&shelf);
    start(&sf, &d, MINE2); /* the same upstream goes on */
    assert_true(sf.fill->have > 0);
    shelf_give_up(&sf, PG_E_UPSTREAM_DOWN);
    flight_leave(&sf.reader);
    start(&sf, &d, OTHERS);
    assert_int_equal(sf.fill->have, 0);
    assert_int_equal(shelf_write(&sf, bytes, 65536), 0);
    assert_true(shelf_finish(&sf));
    assert_int_equal(has(OTHERS, &d), 1);
    assert_int_equal(has(MINE, &d), 0);
    assert_int_equal(atomic_load(&shelf.store->partial_bytes), 0);
    shelf_free(bytes);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_was_downloaded_is_shown_by_that_upstream_and_no_other),
        CASE(it_outlives_a_lost_index),
        CASE(the_parts_are_three_or_the_whole_and_are_ours),
        CASE(they_are_not_the_same_each_time),
        CASE(what_is_half_here_belongs_to_who_brought_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
