/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/trail.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "audit/trail_int.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/list.h"
#include "base/log.h"
#include "base/metric.h"

#define QUEUE_MAX   65536              /* entries: some seconds of a slow disk under load */
#define QUEUE_BYTES ((size_t)32 << 20) /* of their texts */
#define RETRY_MS    1000
#define GATHER_MS   5
#define HEAD_MS     60000
#define EXPIRE_MS   600000

struct trail {
    struct trail_file file;
    struct pg_mailbox box;
    pthread_t thread;
    int wake_fd;
    bool stops;
    atomic_bool is_failing, is_damaged;
    atomic_size_t queued, queued_bytes; /* posted, and not durable yet */
    atomic_uint_fast64_t lost;          /* not told yet */
    atomic_uint_fast64_t keep_ms, max_bytes;
    atomic_uint_fast64_t last;       /* seq, durable */
    size_t in_group, in_group_bytes; /* of `queued`: the thread's */
    int bells[TRAIL_BELLS_MAX];      /* the thread's */
    size_t nbells;
    uint64_t head_ms, expire_ms; /* when it is time, monotonic */
};

/* ---- the queue ----------------------------------------------------------------------------- */

/* An entry on its way, with its texts behind it. */
struct note {
    struct pg_mail mail;
    struct trail *trail;
    size_t nbytes;
    struct entry entry;
    char texts[];
};

static void on_wake(struct pg_mailbox *box)
{
    const struct trail *t = box->owner;
    int rc = eventfd_write(t->wake_fd, 1);

    PG_CHECK(rc == 0);
}

static void write_group(struct trail *t);

static void take_note(struct pg_mail *mail)
{
    struct note *n = pg_container_of(mail, struct note, mail);
    struct trail *t = n->trail;

    t->in_group++;
    t->in_group_bytes += n->nbytes;
    trail_file_put(&t->file, &n->entry);
    pg_metric_inc(PG_M_AUDIT_ENTRIES);
    free(n);
    if (t->file.group.n >= TRAIL_GROUP_BYTES && !atomic_load(&t->is_failing))
        write_group(t);
}

static size_t text_size(const struct entry *e, size_t i)
{
    size_t max = entry_text_max((enum entry_text)i);

    return e->text[i].n <= max ? e->text[i].n : max + 1; /* that it was cut is still seen */
}

static struct note *note_new(const struct entry *e, size_t nbytes)
{
    struct note *n = malloc(sizeof(*n) + nbytes);
    char *p;

    PG_CHECK(n != NULL);
    n->nbytes = nbytes;
    n->entry = *e;
    n->entry.root = NULL;
    n->mail.deliver = take_note;
    p = n->texts;
    for (size_t i = 0; i < ENTRY_NTEXTS; i++) {
        size_t size = text_size(e, i);

        if (size > 0)
            memcpy(p, e->text[i].p, size);
        n->entry.text[i] = (struct sl){p, size};
        p += size;
    }
    return n;
}

/* Room for one more, which is taken. */
static bool reserve(struct trail *t, size_t nbytes)
{
    bool fits = atomic_fetch_add(&t->queued, 1) < QUEUE_MAX;

    fits = atomic_fetch_add(&t->queued_bytes, nbytes) + nbytes <= QUEUE_BYTES && fits;
    if (!fits) {
        atomic_fetch_sub(&t->queued, 1);
        atomic_fetch_sub(&t->queued_bytes, nbytes);
    }
    return fits;
}

int trail_append(struct trail *t, const struct entry *e, struct pg_err *err)
{
    struct note *n;
    size_t nbytes = 0;

    if (t == NULL)
        return 0;
    for (size_t i = 0; i < ENTRY_NTEXTS; i++)
        nbytes += text_size(e, i);
    if (!reserve(t, nbytes)) {
        atomic_fetch_add(&t->lost, 1);
        pg_metric_inc(PG_M_AUDIT_LOST);
        return pg_fail(err, PG_E_STORE_IO, "the audit log cannot be written fast enough");
    }
    n = note_new(e, nbytes);
    n->trail = t;
    if (n->entry.when_ms == 0)
        n->entry.when_ms = pg_clock_wall_ms();
    pg_mailbox_post(&t->box, &n->mail);
    return 0;
}

void trail_note(struct trail *t, const struct entry *e)
{
    struct pg_err ignored = {0};
    int rc = trail_append(t, e, &ignored); /* counted there */

    (void)rc;
    pg_err_clear(&ignored);
}

bool trail_is_well(struct trail *t)
{
    return t == NULL || !atomic_load(&t->is_failing);
}

bool trail_is_damaged(const struct trail *t)
{
    return t != NULL && atomic_load(&t->is_damaged);
}

/* ---- the thread ---------------------------------------------------------------------------- */

static void note_result(struct trail *t, const struct pg_err *err)
{
    bool failing = err->kind != PG_E_NONE;

    if (failing != atomic_load(&t->is_failing)) {
        if (failing)
            pg_log_say(PG_LOG_ERROR, PG_LOG_STORE, "%s; entries are kept in memory", err->msg);
        else
            pg_log_say(PG_LOG_INFO, PG_LOG_STORE, "the audit log can be written again");
        pg_metric_set(PG_M_AUDIT_FAILING, failing ? 1 : 0);
        atomic_store(&t->is_failing, failing);
    }
    atomic_store(&t->is_damaged, t->file.is_damaged);
    pg_metric_set(PG_M_AUDIT_DAMAGED, t->file.is_damaged ? 1 : 0);
}

/* Entries that were not taken leave a gap that says so: once it can be written, since the group
 * must not grow for as long as it cannot. */
static void tell_lost(struct trail *t)
{
    struct entry e = {.kind = ENTRY_LOST};
    uint64_t n;

    if (t->file.group.n > 0 || (n = atomic_exchange(&t->lost, 0)) == 0)
        return;
    e.number[ENTRY_NUMBER_COUNT] = n;
    trail_file_put(&t->file, &e);
}

static void ring(const struct trail *t)
{
    for (size_t i = 0; i < t->nbells; i++)
        (void)eventfd_write(t->bells[i], 1);
}

static void write_group(struct trail *t)
{
    struct pg_err err = {0};
    bool is_news = t->file.group.n > 0;

    if (trail_file_write(&t->file, &err) == 0) {
        atomic_store(&t->last, t->file.seq);
        if (is_news)
            ring(t);
        atomic_fetch_sub(&t->queued, t->in_group);
        atomic_fetch_sub(&t->queued_bytes, t->in_group_bytes);
        t->in_group = t->in_group_bytes = 0;
    }
    note_result(t, &err);
    pg_err_clear(&err);
}

static void write_out(struct trail *t)
{
    write_group(t);
    tell_lost(t);
    write_group(t);
}

static void seal(struct trail *t)
{
    struct pg_err err = {0};

    if (trail_file_seal(&t->file, &err) < 0)
        pg_log_say(PG_LOG_WARN, PG_LOG_STORE, "%s", err.msg);
    else
        ring(t);
    pg_err_clear(&err);
    t->head_ms = pg_clock_mono_ms() + HEAD_MS;
}

static void expire(struct trail *t)
{
    trail_file_expire(&t->file, atomic_load(&t->keep_ms), atomic_load(&t->max_bytes));
    t->expire_ms = pg_clock_mono_ms() + EXPIRE_MS;
}

static int wait_ms(const struct trail *t)
{
    uint64_t now_ms = pg_clock_mono_ms(), until_ms = t->expire_ms;

    if (atomic_load(&t->is_failing))
        return RETRY_MS;
    if (t->file.sealed != t->file.seq && t->file.segment > 0 && t->head_ms < until_ms)
        until_ms = t->head_ms;
    return until_ms > now_ms ? (int)(until_ms - now_ms) : 0;
}

/* Whether something was written. */
static bool turn(struct trail *t)
{
    uint64_t now_ms, before = atomic_load(&t->last);

    (void)pg_mailbox_drain(&t->box);
    write_out(t);
    now_ms = pg_clock_mono_ms();
    if (now_ms >= t->head_ms)
        seal(t);
    if (now_ms >= t->expire_ms && !atomic_load(&t->is_failing))
        expire(t);
    return atomic_load(&t->last) != before;
}

static void *run(void *arg)
{
    struct trail *t = arg;

    (void)pthread_setname_np(pthread_self(), "pg-audit");
    pg_metric_slot();
    while (!t->stops) {
        struct pollfd p = {.fd = t->wake_fd, .events = POLLIN};
        eventfd_t n;

        if (poll(&p, 1, wait_ms(t)) > 0)
            (void)eventfd_read(t->wake_fd, &n);
        if (turn(t))
            (void)poll(NULL, 0, GATHER_MS); /* what comes meanwhile is one group */
    }
    return NULL;
}

/* ---- orders: main waits for the thread ----------------------------------------------------- */

struct order {
    struct pg_mail mail;
    struct trail *trail;
    int fd;
    void (*work)(struct order *o);
    sem_t done;
    unsigned n;
    struct pg_err err;
};

static void do_order(struct pg_mail *mail)
{
    struct order *o = pg_container_of(mail, struct order, mail);

    write_out(o->trail);
    o->work(o);
    PG_CHECK(sem_post(&o->done) == 0); /* *o may be gone behind it */
}

static void give_order(struct trail *t, struct order *o, void (*work)(struct order *o))
{
    o->mail.deliver = do_order;
    o->trail = t;
    o->work = work;
    PG_CHECK(sem_init(&o->done, 0, 0) == 0);
    pg_mailbox_post(&t->box, &o->mail);
    while (sem_wait(&o->done) < 0)
        PG_CHECK(errno == EINTR);
    PG_CHECK(sem_destroy(&o->done) == 0);
}

static void stop(struct order *o)
{
    seal(o->trail);
    o->trail->stops = true;
}

/* Its chain is of the file that is left: what could not be written there is lost, and counted. */
static void give_up_group(struct trail *t)
{
    if (t->file.group.n == 0)
        return;
    pg_log_say(PG_LOG_ERROR, PG_LOG_STORE, "%zu entries of the audit log are lost", t->in_group);
    atomic_fetch_add(&t->lost, t->in_group);
    atomic_fetch_sub(&t->queued, t->in_group);
    atomic_fetch_sub(&t->queued_bytes, t->in_group_bytes);
    t->in_group = t->in_group_bytes = 0;
    pg_buf_clear(&t->file.group);
}

static void hold(struct order *o)
{
    struct trail_file *f = &o->trail->file;

    seal(o->trail);
    give_up_group(o->trail);
    if (trail_given_begin(f, &o->err) < 0)
        note_result(o->trail, &o->err);
}

static void resume(struct order *o)
{
    struct trail_file *f = &o->trail->file, again;

    if (trail_file_open(&again, f->path, &o->err) < 0)
        return;
    again.segment_bytes = f->segment_bytes;
    give_up_group(o->trail);
    trail_file_close(f); /* its entries are in given-<pid> */
    *f = again;
    write_group(o->trail);
    (void)trail_given_adopt(f);
}

/* Later, while nothing can be written. */
static void adopt(struct order *o)
{
    struct trail_file *f = &o->trail->file;

    o->n = f->segment == 0 ? 0 : f->group.n > 0 ? 1 : trail_given_adopt(f);
}

void trail_hold(struct trail *t)
{
    struct order o = {0};

    if (t == NULL)
        return;
    give_order(t, &o, hold);
    pg_err_clear(&o.err);
}

int trail_resume(struct trail *t, struct pg_err *err)
{
    struct order o = {0};

    if (t == NULL)
        return 0;
    give_order(t, &o, resume);
    if (o.err.kind == PG_E_NONE)
        return 0;
    pg_err_move(err, &o.err);
    return -1;
}

unsigned trail_adopt(struct trail *t)
{
    struct order o = {0};

    if (t == NULL)
        return 0;
    give_order(t, &o, adopt);
    return o.n;
}

static void add_bell(struct order *o)
{
    struct trail *t = o->trail;

    PG_CHECK(t->nbells < TRAIL_BELLS_MAX);
    t->bells[t->nbells++] = o->fd;
    ring(t);
}

static void take_bell(struct order *o)
{
    struct trail *t = o->trail;

    for (size_t i = 0; i < t->nbells; i++)
        if (t->bells[i] == o->fd)
            t->bells[i--] = t->bells[--t->nbells];
}

void trail_ring(struct trail *t, int fd)
{
    struct order o = {.fd = fd};

    if (t != NULL)
        give_order(t, &o, add_bell);
}

void trail_unring(struct trail *t, int fd)
{
    struct order o = {.fd = fd};

    if (t != NULL)
        give_order(t, &o, take_bell);
}

uint64_t trail_last(const struct trail *t)
{
    return t != NULL ? atomic_load(&t->last) : 0;
}

void trail_limit(struct trail *t, uint64_t keep_ms, uint64_t max_bytes)
{
    if (t == NULL)
        return;
    atomic_store(&t->keep_ms, keep_ms);
    atomic_store(&t->max_bytes, max_bytes);
}

/* ---- the whole ----------------------------------------------------------------------------- */

/* Where there is a head of before, a disk that is full is no reason not to start. */
static int seal_first(struct trail *t, struct pg_err *err)
{
    if (trail_file_seal(&t->file, err) == 0)
        return 0;
    if (faccessat(t->file.dir_fd, "head", F_OK, AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    pg_log_say(PG_LOG_WARN, PG_LOG_STORE, "%s", err->msg);
    pg_err_clear(err);
    return 0;
}

int trail_open(const struct trail_config *config, struct trail **trail_r, struct pg_err *err)
{
    struct trail *t = calloc(1, sizeof(*t));

    PG_CHECK(t != NULL);
    t->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (t->wake_fd < 0) {
        free(t);
        return pg_fail(err, PG_E_INTERNAL, "no descriptor for the audit log");
    }
    if (trail_file_open(&t->file, config->path, err) < 0 || trail_file_write(&t->file, err) < 0 ||
        seal_first(t, err) < 0) {
        trail_file_close(&t->file);
        pg_fd_close(&t->wake_fd);
        free(t);
        return -1;
    }
    if (config->segment_bytes > 0)
        t->file.segment_bytes = config->segment_bytes;
    pg_mailbox_init(&t->box, on_wake, t);
    trail_limit(t, config->keep_ms, config->max_bytes);
    atomic_store(&t->is_damaged, t->file.is_damaged);
    t->expire_ms = 0; /* at once */
    t->head_ms = 0;
    PG_CHECK(pthread_create(&t->thread, NULL, run, t) == 0);
    *trail_r = t;
    return 0;
}

void trail_close(struct trail *t)
{
    struct order o = {0};

    if (t == NULL)
        return;
    give_order(t, &o, stop);
    PG_CHECK(pthread_join(t->thread, NULL) == 0);
    trail_file_close(&t->file);
    pg_fd_close(&t->wake_fd);
    free(t);
}
