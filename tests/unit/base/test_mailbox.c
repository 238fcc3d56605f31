/* SPDX-License-Identifier: Apache-2.0 */
/* Mail is delivered in order of posting, once; the owner is woken once for many. */
#include "harness/test.h"

#include "base/list.h"
#include "base/mailbox.h"

struct letter {
    struct pg_mail mail;
    struct pg_mailbox *again; /* deliver() posts it there */
    char name;
};

static char read_so_far[16];
static size_t nread;
static unsigned wakes;

static void wake(struct pg_mailbox *box)
{
    assert_ptr_equal(box->owner, &wakes);
    wakes++;
}

static void deliver(struct pg_mail *mail)
{
    struct letter *l = pg_container_of(mail, struct letter, mail);

    read_so_far[nread++] = l->name;
    read_so_far[nread] = '\0';
    if (l->again != NULL)
        pg_mailbox_post(l->again, mail);
}

static struct pg_mailbox new_box(void)
{
    struct pg_mailbox box;

    nread = 0;
    wakes = 0;
    pg_mailbox_init(&box, wake, &wakes);
    return box;
}

#define LETTER(c)                                                                                  \
    {                                                                                              \
        .mail = {.deliver = deliver}, .name = (c)                                                  \
    }

TEST(mail_is_delivered_in_order_and_once)
{
    struct pg_mailbox box = new_box();
    struct letter a = LETTER('a'), b = LETTER('b'), c = LETTER('c');

    pg_mailbox_post(&box, &a.mail);
    pg_mailbox_post(&box, &b.mail);
    pg_mailbox_post(&box, &c.mail);
    assert_int_equal(nread, 0);
    assert_true(pg_mailbox_drain(&box));
    assert_string_equal(read_so_far, "abc");
    assert_false(pg_mailbox_drain(&box));
    assert_int_equal(nread, 3);
}

TEST(the_owner_is_woken_by_the_first_and_again_after_a_drain)
{
    struct pg_mailbox box = new_box();
    struct letter a = LETTER('a'), b = LETTER('b');

    pg_mailbox_post(&box, &a.mail);
    pg_mailbox_post(&box, &b.mail);
    assert_int_equal(wakes, 1);
    pg_mailbox_drain(&box);
    pg_mailbox_post(&box, &a.mail);
    assert_int_equal(wakes, 2);
    pg_mailbox_drain(&box);
}

TEST(mail_posted_while_delivering_waits_for_the_next_drain)
{
    struct pg_mailbox box = new_box();
    struct letter a = LETTER('a'), b = LETTER('b');

    a.again = &box;
    pg_mailbox_post(&box, &a.mail);
    pg_mailbox_post(&box, &b.mail);
    assert_true(pg_mailbox_drain(&box));
    assert_string_equal(read_so_far, "ab");
    assert_int_equal(wakes, 2);
    a.again = NULL;
    assert_true(pg_mailbox_drain(&box));
    assert_string_equal(read_so_far, "aba");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(mail_is_delivered_in_order_and_once),
        RUN(the_owner_is_woken_by_the_first_and_again_after_a_drain),
        RUN(mail_posted_while_delivering_waits_for_the_next_drain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
