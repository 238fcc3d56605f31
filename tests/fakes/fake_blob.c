/* SPDX-License-Identifier: Apache-2.0 */
#include "fakes/fake_blob.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/list.h"

_Atomic uint64_t fake_blob_checked;
atomic_int fake_blob_checks, fake_blob_open;

static struct blob_check *_Atomic under_way;

struct counted {
    struct blob blob;
    atomic_int refs;
};

struct blob *fake_blob_new(int fd, uint64_t size)
{
    struct counted *b = calloc(1, sizeof(*b));

    b->blob.fd = fd;
    b->blob.size = size;
    return fake_blob_ref(&b->blob);
}

struct blob *fake_blob_ref(struct blob *b)
{
    atomic_fetch_add(&pg_container_of(b, struct counted, blob)->refs, 1);
    atomic_fetch_add(&fake_blob_open, 1);
    return b;
}

void blob_close(struct blob *b)
{
    struct counted *counted = pg_container_of(b, struct counted, blob);

    if (b == NULL)
        return;
    atomic_fetch_sub(&fake_blob_open, 1);
    if (atomic_fetch_sub(&counted->refs, 1) > 1)
        return;
    close(b->fd);
    free(counted);
}

uint64_t blob_checked_to(struct blob *b, uint64_t from, uint64_t end)
{
    uint64_t to = atomic_load(&fake_blob_checked);

    (void)b;
    return to < from ? from : to < end ? to : end;
}

struct blob_check *blob_check_new(struct pg_mailbox *home, void (*done)(struct blob_check *c))
{
    struct blob_check *c = calloc(1, sizeof(*c));

    c->job.home = home;
    c->done = done;
    return c;
}

static void on_mail(struct pg_mail *mail)
{
    struct blob_check *c =
        pg_container_of(pg_container_of(mail, struct pg_job, mail), struct blob_check, job);

    c->busy = false;
    blob_close(c->blob);
    c->blob = NULL;
    if (c->orphan)
        free(c);
    else
        c->done(c);
}

void blob_check_start(struct blob_check *c, struct blob *b, uint64_t at)
{
    PG_CHECK(!c->busy);
    c->busy = true;
    c->at = at;
    c->blob = fake_blob_ref(b);
    atomic_store(&under_way, c);
    atomic_fetch_add(&fake_blob_checks, 1);
}

void blob_check_free(struct blob_check *c)
{
    if (c->busy)
        c->orphan = true;
    else
        free(c);
}

void fake_blob_check_ends(uint64_t checked, bool failed)
{
    struct blob_check *c = atomic_exchange(&under_way, NULL);

    PG_CHECK(c != NULL);
    atomic_fetch_sub(&fake_blob_checks, 1);
    atomic_store(&fake_blob_checked, checked);
    c->failed = failed;
    c->job.mail = (struct pg_mail){.deliver = on_mail};
    pg_mailbox_post(c->job.home, &c->job.mail);
}
