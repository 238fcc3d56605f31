/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of several ranges, each behind a text. */
#include "unit/proxy/http/sender.h"

#include "base/buf.h"

/* What of the parts' body has to be there: all before its last text, or that too. */
static void is_parts(struct rig_got *g, bool whole)
{
    struct pg_buf b;

    pg_buf_init(&b, SIZE);
    for (size_t i = 0; i < part_body.n; i++) {
        const struct send_part *p = &part_list[i];

        assert_int_equal(pg_buf_put(&b, p->before), 0);
        assert_int_equal(pg_buf_put(&b, (struct sl){content + p->first, p->end - p->first}), 0);
    }
    assert_int_equal(rig_length_of(g), b.n + part_body.after.n);
    if (whole)
        assert_int_equal(pg_buf_put(&b, part_body.after), 0);
    assert_int_equal(rig_body_of(g).n, b.n);
    assert_memory_equal(rig_body_of(g).p, b.p, b.n);
    pg_buf_free(&b);
}

static void read_on(int fd, struct rig_got *g, size_t nbody)
{
    while (rig_body_of(g).n < nbody)
        assert_true(rig_read_once(fd, g, RIG_PATIENCE_MS) && !g->ended);
}

TEST(A18_ranges_of_a_blob_stand_behind_their_texts)
{
    for (int i = 0; i < 3; i++) {
        int fd = ask("/blob/parts", "\r\nGET /mem?2-9 HTTP/1.1\r\nHost: x\r\n");
        struct rig_got g = rig_read_response(fd);

        g.n = (size_t)(rig_body_of(&g).p - g.p) + rig_length_of(&g);
        is_parts(&g, true);
        rig_forget(&g);
        close(fd);
    }
    RIG_WAIT(atomic_load(&fake_blob_open) == 1);
}

TEST(A18_ranges_of_a_blob_leave_as_they_are_checked)
{
    struct rig_got g = {0};
    int fd;

    atomic_store(&fake_blob_checked, 6000);
    fd = ask("/blob/parts", "");
    RIG_WAIT(atomic_load(&fake_blob_checks) == 1);
    read_on(fd, &g, 3 + 1000);
    assert_false(rig_read_once(fd, &g, 50));
    fake_blob_check_ends(SIZE - 5, false);
    read_on(fd, &g, 3 + 4000 + 3 + 5000000 + 3 + 1 + 3 + 5);
    RIG_WAIT(atomic_load(&fake_blob_checks) == 1); /* of the last range */
    fake_blob_check_ends(SIZE - 5, true);
    while (!g.ended)
        assert_true(rig_read_once(fd, &g, RIG_PATIENCE_MS));
    assert_true(g.reset && rig_body_of(&g).n < rig_length_of(&g) - part_body.after.n);
    rig_forget(&g);
    close(fd);
}

TEST(A19_ranges_of_a_flight_wait_for_their_bytes_and_the_last_text_for_the_digest)
{
    int fd = ask("/flight/parts", "");
    struct flight *f = boarded();
    struct rig_got g = {0};
    size_t before_d = 3 + 4000 + 3 + 5000000 + 3 + 1 + 3;

    flight_head(f, SIZE);
    flight_commit(f, 5500);
    read_on(fd, &g, 3 + 500);
    assert_false(rig_read_once(fd, &g, 50));
    flight_commit(f, SIZE - 5500 - 5);
    read_on(fd, &g, before_d + 5);
    assert_false(rig_read_once(fd, &g, 50));
    flight_commit(f, 5);
    read_on(fd, &g, before_d + 10);
    assert_false(rig_read_once(fd, &g, 50)); /* all bytes are there, and none is verified */
    is_parts(&g, false);
    land(f);
    read_on(fd, &g, rig_length_of(&g));
    is_parts(&g, true);
    rig_forget(&g);
    close(fd);
}

TEST(ranges_of_a_flight_that_is_lost_are_never_completed)
{
    int fd = ask("/flight/parts", "");
    struct flight *f = boarded();
    struct rig_got g;

    flight_head(f, SIZE);
    flight_commit(f, SIZE);
    flight_fail(f, &is_down);
    g = cut_short(fd);
    assert_true(rig_body_of(&g).n <= rig_length_of(&g) - part_body.after.n);
    rig_forget(&g);
    close(fd);
}

int main(void)
{
#define HTTP(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        HTTP(A18_ranges_of_a_blob_stand_behind_their_texts),
        HTTP(A18_ranges_of_a_blob_leave_as_they_are_checked),
        HTTP(A19_ranges_of_a_flight_wait_for_their_bytes_and_the_last_text_for_the_digest),
        HTTP(ranges_of_a_flight_that_is_lost_are_never_completed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
