/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mailbox - messages from any thread to the one thread that owns the box.
 *
 * A message is embedded in the object it speaks of, so posting allocates nothing and cannot
 * fail. The owner drains the box from its loop; deliver() is called there, in order of posting.
 *
 *     poster (any thread)                     owner
 *     pg_mailbox_post(box, &x->mail) ------>  wake()  ... pg_mailbox_drain(box): deliver(mail)
 *
 * Ownership:  a message belongs to the box from post until deliver() is called with it; deliver
 *             may free it or post it again. It may be in one box at a time.
 * Threads:    post: any. init, drain, free: the owner.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

struct pg_mail {
    struct pg_mail *next;
    void (*deliver)(struct pg_mail *mail);
};

struct pg_mailbox {
    _Atomic(struct pg_mail *) head;       /* newest first */
    void (*wake)(struct pg_mailbox *box); /* called by the poster when the box was empty */
    void *owner;                          /* for wake(): the loop */
};

void pg_mailbox_init(struct pg_mailbox *box, void (*wake)(struct pg_mailbox *box), void *owner);

void pg_mailbox_post(struct pg_mailbox *box, struct pg_mail *mail);

/* Delivers what was there when it began; true if something was. */
bool pg_mailbox_drain(struct pg_mailbox *box);
