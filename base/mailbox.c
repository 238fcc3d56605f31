/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mailbox.h"

#include <stddef.h>

#include "base/check.h"

void pg_mailbox_init(struct pg_mailbox *box, void (*wake)(struct pg_mailbox *box), void *owner)
{
    PG_CHECK(wake != NULL);
    atomic_init(&box->head, NULL);
    box->wake = wake;
    box->owner = owner;
}

/* The release half of the exchange shows the owner the object around the mail as it was posted.
 * Nobody but the owner takes mails out, and it takes all of them at once: no ABA. */
void pg_mailbox_post(struct pg_mailbox *box, struct pg_mail *mail)
{
    struct pg_mail *newest = atomic_load_explicit(&box->head, memory_order_relaxed);

    PG_CHECK(mail->deliver != NULL);
    do {
        mail->next = newest;
    } while (!atomic_compare_exchange_weak_explicit(&box->head, &newest, mail, memory_order_acq_rel,
                                                    memory_order_relaxed));
    if (newest == NULL)
        box->wake(box);
}

static struct pg_mail *oldest_first(struct pg_mail *mail)
{
    struct pg_mail *turned = NULL;

    while (mail != NULL) {
        struct pg_mail *next = mail->next;

        mail->next = turned;
        turned = mail;
        mail = next;
    }
    return turned;
}

bool pg_mailbox_drain(struct pg_mailbox *box)
{
    struct pg_mail *mail =
        oldest_first(atomic_exchange_explicit(&box->head, NULL, memory_order_acq_rel));
    bool some = mail != NULL;

    while (mail != NULL) {
        struct pg_mail *next = mail->next; /* deliver() may free it */

        mail->deliver(mail);
        mail = next;
    }
    return some;
}
