/* SPDX-License-Identifier: Apache-2.0 */
#include "base/news.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/metric.h"

#define SUBJECT_MAX ((size_t)1024)

/* One for the process, as the log is. */
static struct pg_mailbox box;
static atomic_uint wanted, waiting;
static _Atomic uint64_t told;
static void (*wake_listener)(void *owner);
static struct {
    void (*take)(void *owner, struct pg_news *news);
    void *owner;
} taker;

const char *pg_news_word(enum pg_news_kind kind)
{
    static const char *const words[] = {
#define X(kind, word, doc) word,
        PG_NEWS(X)
#undef X
    };

    PG_CHECK(kind < PG_NEWS_KINDS);
    return words[kind];
}

static void on_mail(struct pg_mailbox *b)
{
    wake_listener(b->owner);
}

static void deliver(struct pg_mail *mail)
{
    struct pg_news *news = pg_container_of(mail, struct pg_news, mail);

    (void)atomic_fetch_sub(&waiting, 1);
    taker.take(taker.owner, news);
}

/* A fact that does not fit is left out whole. */
static void put_fact(struct pg_buf *out, const struct pg_news_fact *f)
{
    size_t before = out->n;
    int rc = pg_buf_printf(out, "%s\"%s\":", before > 1 ? "," : "", f->name);

    if (rc == 0)
        rc = f->text.p != NULL ? pg_buf_put_json(out, f->text)
                               : pg_buf_printf(out, "%" PRIu64, f->number);
    if (rc < 0)
        out->n = before;
}

static struct pg_news *make(enum pg_news_kind kind, struct sl subject,
                            const struct pg_news_fact *facts, size_t n)
{
    struct pg_news *news = calloc(1, sizeof(*news));

    PG_CHECK(news != NULL);
    news->mail.deliver = deliver;
    news->kind = kind;
    news->no = atomic_fetch_add(&told, 1) + 1;
    news->wall_ms = pg_clock_wall_ms();
    pg_buf_init(&news->subject, SUBJECT_MAX);
    (void)pg_buf_put(&news->subject,
                     (struct sl){subject.p, subject.n < SUBJECT_MAX ? subject.n : SUBJECT_MAX});
    pg_buf_init(&news->facts, PG_NEWS_BYTES_MAX + 2);
    (void)pg_buf_put(&news->facts, SL("{"));
    for (size_t i = 0; i < n; i++)
        put_fact(&news->facts, &facts[i]);
    news->facts.max++; /* what was kept for the end */
    PG_CHECK(pg_buf_put(&news->facts, SL("}")) == 0);
    return news;
}

void pg_news_say(enum pg_news_kind kind, struct sl subject, const struct pg_news_fact *facts,
                 size_t n)
{
    if ((atomic_load(&wanted) & 1U << kind) == 0)
        return;
    if (atomic_fetch_add(&waiting, 1) >= PG_NEWS_MAX) {
        (void)atomic_fetch_sub(&waiting, 1);
        pg_metric_inc(PG_M_HOOK_DROPPED);
        return;
    }
    pg_mailbox_post(&box, &make(kind, subject, facts, n)->mail);
}

void pg_news_listen(unsigned kinds, void (*wake)(void *owner), void *owner)
{
    wake_listener = wake;
    pg_mailbox_init(&box, on_mail, owner);
    atomic_store(&wanted, kinds);
}

void pg_news_want(unsigned kinds)
{
    atomic_store(&wanted, kinds);
}

void pg_news_take(void (*take)(void *owner, struct pg_news *news), void *owner)
{
    taker.take = take;
    taker.owner = owner;
    (void)pg_mailbox_drain(&box);
}

static void drop(void *owner, struct pg_news *news)
{
    (void)owner;
    pg_metric_inc(PG_M_HOOK_DROPPED);
    pg_news_free(news);
}

void pg_news_deafen(void)
{
    atomic_store(&wanted, 0);
    pg_news_take(drop, NULL);
}

void pg_news_free(struct pg_news *news)
{
    pg_buf_free(&news->subject);
    pg_buf_free(&news->facts);
    free(news);
}
