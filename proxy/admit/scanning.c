/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admit/scanning.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/metric.h"
#include "cache/store.h"
#include "proxy/admit/packages.h"
#include "proxy/admit/result.h"

#define TURN_MS     1000
#define LOOK_MS     10000 /* at the databases */
#define RETRY_MS    ((uint64_t)1000)
#define CROWDED_MS  ((uint64_t)5000)
#define BLAME_MS    ((uint64_t)60000) /* before what failed for its own reasons is tried again */
#define RETRY_TIMES 12
#define RETRY_MAX   ((uint64_t)3600000)
#define RECENT      1024 /* a power of two */
#define RECENT_S    30
#define PATH_BYTES  4352

/* Places of a scanner that images of each turn may have at once; the others wait here, where there
 * is room. Those that somebody waits for find one. */
static const unsigned places[SCANNER_TURNS] = {[SCANNER_AWAITED] = SCANNER_WAITING_MAX,
                                               [SCANNER_FIRST] = SCANNER_WAITING_MAX / 2,
                                               [SCANNER_AGAIN] = SCANNER_WAITING_MAX / 8};

struct station;

/* One image and one scanner. */
struct part {
    struct image *image;
    struct station *station;
    struct scanner_job job;
    bool is_running, is_missing; /* missing: not all of it was in the store */
    enum scanner_turn turn;      /* AGAIN: this source has a good result */
    unsigned tries;
    uint64_t next_ms; /* 0: nothing is to be done */
};

struct image {
    struct pg_map_node node;
    struct pg_list link; /* the one not asked for longest is first */
    char name[DIGEST_TEXT_MAX];
    struct digest digest;
    char repository[SCANNER_REPO_MAX];
    struct part parts[CONFIG_SCANNERS_MAX];
};

struct station {
    const struct config_scanner *config;
    struct scanning *scanning;
    struct scanner *scanner;
    char folder[PATH_BYTES], database[PATH_BYTES];
    bool is_started, is_refused;
    int64_t database_ms; /* when its files were last changed, as far as they are known; 0: not */
    uint64_t renewed_ms; /* monotonic: when that was seen */
    unsigned nbusy[SCANNER_TURNS];
};

struct want {
    struct pg_mail mail;
    struct scanning *scanning;
    struct digest digest;
    char repository[SCANNER_REPO_MAX];
    enum scanner_turn turn;
};

struct scanning {
    struct station stations[CONFIG_SCANNERS_MAX];
    size_t nstations;
    struct config holder; /* whose scans are a copy */
    char folder[PATH_BYTES];
    struct store *store;
    struct wish_list *wishes;
    struct pg_mailbox box;
    sem_t rung;
    pthread_t thread;
    bool has_thread, is_stopped;
    atomic_bool is_stopping;
    atomic_uint nwants;
    _Atomic uint64_t recent[RECENT]; /* what was asked for a moment ago: costs nothing */
    struct pg_map images;
    struct pg_list order;
    uint64_t look_ms;
};

/* ---- asked for ----------------------------------------------------------------------------- */

static bool is_recent(struct scanning *s, const struct digest *d, enum scanner_turn turn)
{
    uint64_t first, stamp = (uint64_t)pg_clock_wall_s() / RECENT_S;

    memcpy(&first, d->bytes, sizeof(first));
    _Atomic uint64_t *slot = &s->recent[first % RECENT];
    uint64_t mark = (first & ~(uint64_t)0xffff) | ((stamp << 2 | (uint64_t)turn) & 0xffff);

    if (atomic_load_explicit(slot, memory_order_relaxed) == mark) {
        return true;
    }
    atomic_store_explicit(slot, mark, memory_order_relaxed);
    return false;
}

static struct image *find_image(struct scanning *s, const struct digest *d)
{
    char text[DIGEST_TEXT_MAX];
    struct pg_map_node *node = pg_map_get(&s->images, digest_write(d, text));

    return node != NULL ? pg_container_of(node, struct image, node) : NULL;
}

static bool is_busy(const struct scanning *s, const struct image *m)
{
    for (size_t i = 0; i < s->nstations; i++) {
        if (m->parts[i].is_running) {
            return true;
        }
    }
    return false;
}

static void drop_image(struct scanning *s, struct image *m)
{
    pg_map_remove(&s->images, &m->node);
    pg_list_remove(&m->link);
    free(m);
}

static bool make_room(struct scanning *s)
{
    if (s->images.n < SCANNING_IMAGES_MAX) {
        return true;
    }
    pg_list_each_safe (it, tmp, &s->order) {
        struct image *m = pg_container_of(it, struct image, link);
        if (!is_busy(s, m)) {
            drop_image(s, m);
            return true;
        }
    }
    return false;
}

/* When this source last had a good result of it; 0: never, or that cannot be known. */
static int64_t good_ms(struct scanning *s, const struct digest *d, const char *source)
{
    _index_view_ struct index_view v = index_view_begin(s->store->index);
    struct sl after = {NULL, 0};
    struct pg_err err = {0};
    struct pg_arena arena;
    struct result r;
    int64_t found_ms = 0;

    pg_arena_init(&arena, REPORT_ARENA_BYTES);
    while (found_ms == 0 && result_next(&v, d, after, &arena, &r, &err) > 0) {
        after = r.source;
        found_ms = sl_eq(r.source, sl_str(source)) ? r.good_s * 1000 : 0;
    }
    pg_err_clear(&err);
    pg_arena_free(&arena);
    return found_ms;
}

static struct image *new_image(struct scanning *s, const struct want *w)
{
    struct image *m = calloc(1, sizeof(*m));
    uint64_t now_ms = pg_clock_mono_ms();

    PG_CHECK(m != NULL);
    m->digest = w->digest;
    memcpy(m->repository, w->repository, sizeof(m->repository));
    pg_map_put(&s->images, &m->node, digest_write(&m->digest, m->name));
    pg_list_init(&m->link);
    pg_list_push(&s->order, &m->link);
    for (size_t i = 0; i < s->nstations; i++) {
        struct station *st = &s->stations[i];
        int64_t good = good_ms(s, &m->digest, st->config->name);
        bool is_fresh = good > 0 && st->database_ms > 0 && good > st->database_ms;

        m->parts[i] = (struct part){.image = m,
                                    .station = st,
                                    .turn = good > 0 ? SCANNER_AGAIN : w->turn,
                                    .next_ms = now_ms + (is_fresh ? SCANNING_AGAIN_MS : 0)};
    }
    return m;
}

/* What failed before has another chance: at once if it was given up, or if somebody waits. What has
 * a result can wait, unless somebody does. */
static void want_part(struct part *p, enum scanner_turn turn)
{
    if (turn == SCANNER_AWAITED || (turn < p->turn && p->turn != SCANNER_AGAIN)) {
        p->turn = turn;
    }
    if (p->is_running && turn == SCANNER_AWAITED) {
        scanner_hurry(p->station->scanner, &p->image->digest);
    } else if (!p->is_running &&
               (p->next_ms == 0 || (p->tries > 0 && p->is_missing && turn == SCANNER_AWAITED))) {
        p->tries = 1;
        p->next_ms = pg_clock_mono_ms();
    }
}

static void take_want(struct scanning *s, const struct want *w)
{
    struct image *m = find_image(s, &w->digest);

    if (m == NULL && make_room(s)) {
        m = new_image(s, w);
    }
    if (m == NULL) {
        return;
    }
    pg_list_remove(&m->link);
    pg_list_push(&s->order, &m->link);
    for (size_t i = 0; i < s->nstations; i++) {
        want_part(&m->parts[i], w->turn);
    }
}

static void on_want(struct pg_mail *mail)
{
    struct want *w = pg_container_of(mail, struct want, mail);

    atomic_fetch_sub(&w->scanning->nwants, 1);
    take_want(w->scanning, w);
    free(w);
}

/* What a policy waits for. */
static void take_wishes(struct scanning *s)
{
    struct wish wish;

    while (s->wishes != NULL && wish_take(s->wishes, &wish)) {
        struct want w = {.digest = wish.digest,
                         .turn = wish.someone_waits ? SCANNER_AWAITED : SCANNER_FIRST};
        size_t n = strlen(wish.repository);

        if (n < sizeof(w.repository)) {
            memcpy(w.repository, wish.repository, n);
            take_want(s, &w);
        }
    }
}

static void ring(void *context)
{
    PG_CHECK(sem_post(&((struct scanning *)context)->rung) == 0);
}

void scanning_hear(struct scanning *s, struct wish_list *wishes)
{
    if (s != NULL) {
        s->wishes = wishes;
        wish_list_ring(wishes, ring, s);
    }
}

void scanning_want(struct scanning *s, const struct digest *manifest, struct sl repository,
                   enum scanner_turn turn)
{
    if (s == NULL || atomic_load(&s->is_stopping) || manifest->alg != PG_SHA256 ||
        repository.n >= SCANNER_REPO_MAX || is_recent(s, manifest, turn)) {
        return;
    }
    if (atomic_fetch_add(&s->nwants, 1) >= SCANNING_WANTS_MAX) {
        atomic_fetch_sub(&s->nwants, 1);
        return;
    }
    struct want *w = calloc(1, sizeof(*w));

    PG_CHECK(w != NULL);
    *w = (struct want){
        .mail = {.deliver = on_want}, .scanning = s, .digest = *manifest, .turn = turn};
    memcpy(w->repository, repository.p, repository.n);
    pg_mailbox_post(&s->box, &w->mail);
}

/* ---- results ------------------------------------------------------------------------------- */

static bool is_missing(const struct scanner_job *job)
{
    return job->outcome == SCANNER_OURS && job->err.kind == PG_E_BLOB_UNKNOWN;
}

/* There was no place for it; that says nothing. */
static bool is_crowded(const struct scanner_job *job)
{
    return job->outcome == SCANNER_OURS && job->err.kind == PG_E_TOO_MANY_REQUESTS;
}

static void put(struct scanning *s, const struct digest *d, const char *source,
                const struct result_news *news)
{
    struct pg_err err = {0};

    if (result_put(s->store, d, sl_str(source), news, &err) < 0) {
        pg_log_say(PG_LOG_ERROR, PG_LOG_STORE, "a scan result cannot be kept: %s", err.msg);
    }
    pg_err_clear(&err);
}

static void put_packages(struct scanning *s, const struct scanner_job *job, const char *source,
                         const struct report *report)
{
    struct packages_seen seen = {report->packages, report->nlisted,
                                 report->nlisted < report->npackages};
    struct pg_err err = {0};

    if (seen.list == NULL && job->sbom != NULL)
        seen = (struct packages_seen){job->sbom->packages, job->sbom->npackages, false};
    if (seen.list != NULL && packages_put(s->store, &job->digest, sl_str(source), &seen, &err) < 0)
        pg_log_say(PG_LOG_ERROR, PG_LOG_STORE, "packages cannot be kept: %s", err.msg);
    pg_err_clear(&err);
}

/* In the scanner's thread, with the report at hand. */
static void on_heard(void *owner, const struct scanner_job *job, const struct report *report)
{
    struct station *st = owner;
    struct result_news news = {.kind = RESULT_SCANNER,
                               .report = report,
                               .failed = report == NULL ? sl_str(job->err.msg) : SL(""),
                               .is_ours = job->outcome == SCANNER_OURS,
                               .is_empty = report == NULL && job->outcome == SCANNER_IMAGE &&
                                           job->reason == REPORT_NO_PACKAGES,
                               .now_s = pg_clock_wall_s()};

    if (is_missing(job) || is_crowded(job) || job->err.kind == PG_E_CANCELED) {
        return;
    }
    if (report != NULL)
        put_packages(st->scanning, job, st->config->name, report);
    put(st->scanning, &job->digest, st->config->name, &news);
    pg_metric_inc(report != NULL ? PG_M_SCANS_GOOD /* who sees it counted finds it in force */
                  : news.is_ours ? PG_M_SCANS_OURS
                                 : PG_M_SCANS_FAILED);
}

static uint64_t delay_of(const struct part *p)
{
    uint64_t first = is_missing(&p->job)              ? RETRY_MS
                     : p->job.outcome == SCANNER_OURS ? RETRY_MS * 5
                                                      : BLAME_MS;
    uint64_t ms = first << (p->tries < RETRY_TIMES ? p->tries : RETRY_TIMES);

    return ms < RETRY_MAX ? ms : RETRY_MAX;
}

/* What failed is tried again later each time, but for want of a place as often as it takes. */
static void note_failure(struct part *p, uint64_t now_ms)
{
    bool is_crowd = is_crowded(&p->job);

    pg_log_say(p->is_missing || is_crowd ? PG_LOG_DEBUG : PG_LOG_WARN, PG_LOG_HELPER,
               "%s: not scanned by %s: %s", p->image->name, p->station->config->name,
               p->job.err.msg);
    if (is_crowd) {
        p->next_ms = now_ms + CROWDED_MS;
        return;
    }
    p->next_ms = p->tries < RETRY_TIMES ? now_ms + delay_of(p) : 0;
    p->tries++;
}

static void on_done(struct scanner_job *job)
{
    struct part *p = pg_container_of(job, struct part, job);
    uint64_t now_ms = pg_clock_mono_ms();

    p->is_running = false;
    p->station->nbusy[job->turn]--;
    p->is_missing = is_missing(job);
    if (job->outcome == SCANNER_GOOD) {
        bool is_outdated = job->began_ms < p->station->renewed_ms;

        p->tries = 0;
        p->turn = SCANNER_AGAIN;
        p->next_ms = now_ms + (is_outdated ? 0 : SCANNING_AGAIN_MS);
    } else {
        note_failure(p, now_ms);
    }
    pg_err_clear(&job->err);
}

/* ---- what is to be done -------------------------------------------------------------------- */

static bool is_due(const struct part *p, uint64_t now_ms)
{
    return !p->is_running && p->next_ms != 0 && p->next_ms <= now_ms && p->station->is_started &&
           p->station->nbusy[p->turn] < places[p->turn];
}

static void begin_part(struct scanning *s, struct part *p)
{
    struct image *m = p->image;

    p->job = (struct scanner_job){
        .digest = m->digest, .turn = p->turn, .done = on_done, .home = &s->box};
    memcpy(p->job.repository, m->repository, sizeof(m->repository));
    p->is_running = true;
    p->station->nbusy[p->job.turn]++;
    scanner_submit(p->station->scanner, &p->job);
}

static void begin_due(struct scanning *s, uint64_t now_ms)
{
    int64_t nwaiting = 0;

    pg_list_each_safe (it, tmp, &s->order) {
        struct image *m = pg_container_of(it, struct image, link);
        for (size_t i = 0; i < s->nstations; i++) {
            struct part *p = &m->parts[i];
            if (is_due(p, now_ms)) {
                begin_part(s, p);
            }
            nwaiting += p->is_running;
        }
    }
    pg_metric_set(PG_M_SCANS_WAITING, nwaiting);
}

/* The files by which Trivy and Grype know their databases. */
static int64_t look_at_files(const char *database)
{
    static const char *const names[] = {"db/metadata.json",   "6/import.json",
                                        "6/vulnerability.db", "5/metadata.json",
                                        "5/vulnerability.db", "metadata.json"};
    char path[2 * PATH_BYTES];
    int64_t newest_ms = 0;
    struct stat st;

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", database, names[i]);
        if (stat(path, &st) == 0) {
            int64_t ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
            newest_ms = ms > newest_ms ? ms : newest_ms;
        }
    }
    return newest_ms;
}

static void scan_again(struct scanning *s, size_t no, uint64_t now_ms)
{
    pg_list_each_safe (it, tmp, &s->order) {
        struct part *p = &pg_container_of(it, struct image, link)->parts[no];
        p->tries = 0;
        p->next_ms = now_ms;
    }
}

static void look_at_databases(struct scanning *s, uint64_t now_ms)
{
    if (now_ms < s->look_ms) {
        return;
    }
    s->look_ms = now_ms + LOOK_MS;
    for (size_t i = 0; i < s->nstations; i++) {
        struct station *st = &s->stations[i];
        int64_t ms = look_at_files(st->database);
        if (ms != st->database_ms && ms != 0) {
            pg_log_say(PG_LOG_INFO, PG_LOG_HELPER, "scanner %s: its database is another one now",
                       st->config->name);
            st->renewed_ms = now_ms;
            scan_again(s, i, now_ms);
        }
        st->database_ms = ms;
    }
}

/* After an upgrade the one before us may be at work in the folder for a moment. */
static void start_stations(struct scanning *s)
{
    for (size_t i = 0; i < s->nstations; i++) {
        struct station *st = &s->stations[i];
        struct pg_err err = {0};

        if (st->is_started) {
            continue;
        }
        st->is_started = scanner_start(st->scanner, s->store->blobs_fd, &err) == 0;
        if (!st->is_started && !st->is_refused) {
            st->is_refused = true;
            pg_log_say(PG_LOG_WARN, PG_LOG_HELPER, "scanner %s cannot begin yet: %s",
                       st->config->name, err.msg);
        }
        pg_err_clear(&err);
    }
}

/* ---- the thread ---------------------------------------------------------------------------- */

static void wait_a_moment(struct scanning *s)
{
    struct timespec until;

    PG_CHECK(clock_gettime(CLOCK_REALTIME, &until) == 0); /* as sem_timedwait() wants it */
    until.tv_sec += TURN_MS / 1000;
    while (sem_timedwait(&s->rung, &until) < 0) {
        PG_CHECK(errno == EINTR || errno == ETIMEDOUT);
        if (errno == ETIMEDOUT) {
            return;
        }
    }
}

static void *work(void *context)
{
    struct scanning *s = context;

    (void)pthread_setname_np(pthread_self(), "pg-scans");
    while (!atomic_load(&s->is_stopping)) {
        uint64_t now_ms = pg_clock_mono_ms();
        start_stations(s);
        look_at_databases(s, now_ms);
        begin_due(s, now_ms);
        wait_a_moment(s);
        (void)pg_mailbox_drain(&s->box);
        take_wishes(s);
    }
    for (size_t i = 0; i < s->nstations; i++) {
        scanner_close(s->stations[i].scanner);
        s->stations[i].scanner = NULL;
    }
    (void)pg_mailbox_drain(&s->box); /* all of them have been told so */
    return NULL;
}

static void wake(struct pg_mailbox *box)
{
    PG_CHECK(sem_post(&((struct scanning *)box->owner)->rung) == 0);
}

/* ---- open, close --------------------------------------------------------------------------- */

static int open_station(struct scanning *s, const struct scanning_options *o, size_t no,
                        struct pg_err *err)
{
    const struct config_scanner *c = &s->holder.scans.scanners[no];
    struct station *st = &s->stations[no];

    st->config = c;
    st->scanning = s;
    int n = snprintf(st->folder, sizeof(st->folder), "%s/%s", o->folder, c->name);
    int m = snprintf(st->database, sizeof(st->database), "%s", c->database);
    if (n < 0 || m < 0 || (size_t)n >= sizeof(st->folder) || (size_t)m >= sizeof(st->database)) {
        return pg_fail(err, PG_E_INTERNAL, "a path of scanner %s is too long", c->name);
    }
    const struct scanner_options so = {.kind = c->is_grype ? SCANNER_GRYPE : SCANNER_TRIVY,
                                       .program = c->command,
                                       .folder = st->folder,
                                       .database = st->database,
                                       .time_ms = (unsigned)c->timeout_ms,
                                       .reserve_bytes = o->reserve_bytes,
                                       .keep_s = SCANNING_KEEP_S,
                                       .is_free = o->is_free,
                                       .heard = on_heard,
                                       .owner = st};
    if (scanner_open(o->spawn, &so, &st->scanner, err) < 0) {
        return -1;
    }
    s->nstations = no + 1;
    return 0;
}

int scanning_open(const struct scanning_options *o, struct scanning **s_r, struct pg_err *err)
{
    const struct config from = {.scans = *o->scans};
    struct scanning *s;

    *s_r = NULL;
    if (o->scans->nscanners == 0) {
        return 0;
    }
    s = calloc(1, sizeof(*s));
    PG_CHECK(s != NULL);
    config_copy_scans(&s->holder, &from);
    (void)snprintf(s->folder, sizeof(s->folder), "%s", o->folder);
    pg_map_init(&s->images);
    pg_list_init(&s->order);
    PG_CHECK(sem_init(&s->rung, 0, 0) == 0);
    pg_mailbox_init(&s->box, wake, s);
    *s_r = s;
    for (size_t i = 0; i < o->scans->nscanners; i++) {
        if (open_station(s, o, i, err) < 0) {
            scanning_close(s);
            *s_r = NULL;
            return pg_wrap(err, "scanners");
        }
    }
    return 0;
}

void scanning_start(struct scanning *s, struct store *store)
{
    sigset_t all, before;

    if (s == NULL) {
        return;
    }
    s->store = store;
    (void)mkdir(s->folder, 0700); /* what is in it says whether it can be used */
    PG_CHECK(sigfillset(&all) == 0 && pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    PG_CHECK(pthread_create(&s->thread, NULL, work, s) == 0);
    PG_CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    s->has_thread = true;
}

void scanning_stop(struct scanning *s)
{
    if (s == NULL || s->is_stopped || !s->has_thread) {
        return;
    }
    atomic_store(&s->is_stopping, true);
    PG_CHECK(sem_post(&s->rung) == 0);
    PG_CHECK(pthread_join(s->thread, NULL) == 0);
    s->is_stopped = true;
}

void scanning_close(struct scanning *s)
{
    if (s == NULL) {
        return;
    }
    scanning_stop(s);
    (void)pg_mailbox_drain(&s->box);
    for (size_t i = 0; i < s->nstations; i++) {
        scanner_close(s->stations[i].scanner);
    }
    pg_list_each_safe (it, tmp, &s->order) {
        drop_image(s, pg_container_of(it, struct image, link));
    }
    pg_map_free(&s->images);
    (void)sem_destroy(&s->rung);
    config_free(&s->holder);
    free(s);
}
