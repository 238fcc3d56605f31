/* SPDX-License-Identifier: Apache-2.0 */
#include "fakes/fake_fetch.h"

#include <stdlib.h>

#include "base/list.h"

struct fetch_work {
    struct fetch_ask ask;
    struct pg_mail mail;
    struct pg_list node; /* in `waiting` */
    struct fake_question question;
    struct pg_mailbox *home;
    void (*done)(struct fetch_ask *ask);
    bool posted, freed;
    char content_type[256], link[2100];
};

unsigned fake_fetch_asks, fake_fetch_frees, fake_fetch_orders, fake_fetch_hurries;
struct fetch_blob_order fake_fetch_order;
char fake_fetch_order_repo[300];
unsigned fake_fetch_kept;
bool fake_fetch_denies, fake_fetch_is_mirror;
struct health_view fake_fetch_health;
unsigned fake_fetch_forgets;
static struct pg_list waiting = PG_LIST_INIT(waiting);
static unsigned open_asks;

void fake_fetch_reset(void)
{
    PG_CHECK(pg_list_empty(&waiting) && open_asks == 0);
    fake_fetch_asks = fake_fetch_frees = fake_fetch_orders = fake_fetch_hurries = 0;
    fake_fetch_health = (struct health_view){0};
    fake_fetch_kept = 0;
    fake_fetch_denies = fake_fetch_is_mirror = false;
}

unsigned fake_fetch_open(void)
{
    return open_asks;
}

static void keep(char *to, size_t room, struct sl from)
{
    PG_CHECK(from.n < room);
    if (from.n > 0)
        memcpy(to, from.p, from.n);
    to[from.n] = '\0';
}

static void release(struct fetch_work *w)
{
    pg_err_clear(&w->ask.err);
    pg_bytes_unref(w->ask.answer.body);
    free(w);
}

static void deliver(struct pg_mail *mail)
{
    struct fetch_work *w = pg_container_of(mail, struct fetch_work, mail);

    w->posted = false;
    if (w->freed)
        release(w);
    else
        w->done(&w->ask);
}

struct fetch_ask *fetch_ask(struct fetch *f, const struct fetch_question *q,
                            struct pg_mailbox *home, void (*done)(struct fetch_ask *ask),
                            void *owner)
{
    struct fetch_work *w = calloc(1, sizeof(*w));

    (void)f;
    PG_CHECK(w != NULL);
    w->ask.owner = owner;
    w->ask.work = w;
    w->home = home;
    w->done = done;
    w->mail.deliver = deliver;
    w->question.kind = q->kind;
    w->question.upstream = q->upstream;
    w->question.of_authority = q->of_authority;
    keep(w->question.repo, sizeof(w->question.repo), q->repo);
    keep(w->question.reference, sizeof(w->question.reference), q->reference);
    keep(w->question.query, sizeof(w->question.query), q->query);
    pg_list_init(&w->node);
    pg_list_push(&waiting, &w->node);
    fake_fetch_asks++;
    open_asks++;
    return &w->ask;
}

void fetch_ask_free(struct fetch_ask *ask)
{
    struct fetch_work *w = ask->work;

    PG_CHECK(!w->freed);
    w->freed = true;
    open_asks--;
    if (!pg_list_empty(&w->node))
        fake_fetch_frees++;
    pg_list_remove(&w->node);
    if (!w->posted)
        release(w);
}

void fetch_blob(struct fetch *f, const struct fetch_blob_order *order)
{
    (void)f;
    fake_fetch_orders++;
    fake_fetch_order = *order;
    keep(fake_fetch_order_repo, sizeof(fake_fetch_order_repo), order->repo);
}

void fetch_hurry(struct fetch *f)
{
    (void)f;
    fake_fetch_hurries++;
}

void fetch_write_json(struct fetch *f, struct pg_buf *out)
{
    (void)f;
    (void)pg_buf_put(out, SL("[]"));
}

void fetch_kept(struct fetch *f, struct sl name)
{
    (void)f;
    (void)name;
    fake_fetch_kept++;
}

void fetch_health(struct fetch *f, struct sl name, struct health_view *view_r)
{
    (void)f;
    (void)name;
    *view_r = fake_fetch_health;
}

static struct fetch_work *oldest(void)
{
    return pg_list_empty(&waiting) ? NULL : pg_container_of(waiting.next, struct fetch_work, node);
}

const struct fake_question *fake_fetch_waiting(void)
{
    struct fetch_work *w = oldest();

    return w == NULL ? NULL : &w->question;
}

static struct fetch_work *take(void)
{
    struct fetch_work *w = oldest();

    PG_CHECK(w != NULL);
    pg_list_remove(&w->node);
    w->posted = true;
    return w;
}

void fake_fetch_document(struct sl body, const char *content_type, const char *link)
{
    struct fetch_work *w = take();
    struct fetch_answer *a = &w->ask.answer;
    struct pg_err bad = {0};

    a->body = pg_bytes_new(body);
    a->has_authority = !fake_fetch_is_mirror;
    keep(w->content_type, sizeof(w->content_type), (struct sl){content_type, strlen(content_type)});
    a->content_type = (struct sl){w->content_type, strlen(w->content_type)};
    a->sha256 = a->digest = digest_of(PG_SHA256, body);
    if (w->question.kind == FETCH_MANIFEST && strchr(w->question.reference, ':') != NULL) {
        struct sl asked = {w->question.reference, strlen(w->question.reference)};

        PG_CHECK(digest_parse(asked, &a->digest, &bad) == 0);
    }
    if (link != NULL) {
        keep(w->link, sizeof(w->link), (struct sl){link, strlen(link)});
        a->link = (struct sl){w->link, strlen(w->link)};
    }
    pg_mailbox_post(w->home, &w->mail);
}

void fake_fetch_head(const struct digest *d, int64_t size)
{
    struct fetch_work *w = take();

    w->ask.answer.has_authority = true;
    w->ask.answer.has_digest = d != NULL;
    if (d != NULL)
        w->ask.answer.digest = *d;
    w->ask.answer.has_size = size >= 0;
    w->ask.answer.size = size >= 0 ? (uint64_t)size : 0;
    pg_mailbox_post(w->home, &w->mail);
}

void fake_fetch_error(enum pg_ekind kind, int retry_after_s)
{
    struct fetch_work *w = take();

    pg_fail(&w->ask.err, kind, "scripted");
    w->ask.denied = fake_fetch_denies;
    w->ask.retry_after_s = retry_after_s;
    pg_mailbox_post(w->home, &w->mail);
}

void fetch_forget_unknown(struct fetch *f, struct sl upstream, struct sl repo)
{
    (void)f;
    (void)upstream;
    (void)repo;
    fake_fetch_forgets++;
}
