/* SPDX-License-Identifier: Apache-2.0 */
/* K09: every I/O of the store fails once, at each of its visits, and then for ever, while a script
 * does all that a store does; and once more, when the power is cut in the end. No pull ends with a
 * wrong byte, nothing crashes, and afterwards a store without faults has, once fsck has repaired
 * what it finds, nothing wrong with it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "cache/backup.h"
#include "cache/handover.h"
#include "cache/partial.h"
#include "cache/recover.h"
#include "sim/disk.h"
#include "sim/life.h"
#include "sim/run.h"
#include "sim/sched.h"

#define POINTS_MAX 256
#define NAME_BYTES 64
#define SEED       12 /* with a blob of two chunks */
#define WORKERS    2
#define TAIL       8000
#define FIRST_ONES 2 /* visits of each point that fail, in the short form, and some of the rest */
#define SOME_MORE  1
#define MIDDLES    4 /* a long point also fails for ever from 1/4, 2/4 and 3/4 of the script on */

struct point {
    char name[NAME_BYTES];
    uint64_t visits, fired;
    struct disk_fault because; /* it is only visited when this happens; point NULL: always */
    char because_of[NAME_BYTES];
};

/* What was visited, by the processes that share it. */
struct seen {
    unsigned n, runs;
    struct point points[POINTS_MAX];
};

static struct seen *seen; /* of this worker */
static struct disk_fault asked[DISK_FAULTS_MAX];
static unsigned nasked;
static bool is_cut; /* the power, after the first part */

static struct point *point_of(struct seen *in, const char *name)
{
    struct point *p;

    for (unsigned i = 0; i < in->n; i++)
        if (strcmp(in->points[i].name, name) == 0)
            return &in->points[i];
    PG_CHECK(in->n < POINTS_MAX);
    p = &in->points[in->n++];
    *p = (struct point){0};
    (void)snprintf(p->name, sizeof(p->name), "%s", name);
    return p;
}

static void note_points(void)
{
    unsigned n;
    const struct disk_point *visited = disk_points(&n);

    for (unsigned i = 0; i < n; i++) {
        struct point *p = point_of(seen, visited[i].name);

        if (p->visits == 0) {
            p->visits = visited[i].visits;
            if (nasked > 0) {
                p->because = asked[0];
                (void)snprintf(p->because_of, sizeof(p->because_of), "%s", asked[0].point);
            }
        }
        p->fired += visited[i].fired;
    }
}

/* ---- the script ---- */

static bool open_store(void)
{
    for (unsigned i = 0; i < 3; i++)
        if (life_open(run_dir))
            return true;
    return false;
}

static void pull_all(unsigned repo)
{
    life.is_calm = true;
    for (unsigned i = 0; i < WORLD_BLOBS; i++)
        client_ask(repo, i);
    life_settle();
}

static void do_some_work(void)
{
    for (unsigned i = 0; i < 300; i++) {
        life_drain();
        life_step();
        sched_sleep(1000);
    }
}

static void pull_cold_warm_and_again(void)
{
    operator_land(0, 0, WORLD_BLOBS);
    operator_land(1, 1, WORLD_BLOBS + 2);
    operator_land(0, 1, WORLD_OBJECTS - 1);
    life.plan = FEED_TRUNCATED;
    pull_all(0);
    life.plan = FEED_FLIPPED;
    pull_all(1);
    life.plan = FEED_GOOD;
    pull_all(0);
    pull_all(1);
    pull_all(0);
    operator_pulled(0, WORLD_BLOBS);
    operator_tag_gone(1, 0);
    life_settle();
}

/* The disk is full: what cannot be kept goes through memory. */
static void have_no_room(void)
{
    store_set_limits(life.store, 1, 0);
    sched_sleep(30000000);
    pull_all(0);
    disk_set_free(0);
    pull_all(1);
    disk_set_free(UINT64_C(1) << 40);
    store_set_limits(life.store, 0, 0);
    atomic_store(&life.store->degraded, 1);
    sched_sleep(30000000);
    pull_all(0);
}

static void purge_and_hand_over(void)
{
    struct catalog_scope tag = {.repo = world_repo(0), .tag = world_tag(0)};
    struct pg_err err = {0};

    operator_purge(&tag);
    operator_wait();
    operator_land(0, 0, WORLD_BLOBS + 1);
    life_settle();
    life.is_calm = true;
    if (handover_hold(life.store, &err) == 0) {
        client_ask(0, world[WORLD_BLOBS + 1].named[0]);
        client_ask(1, world[WORLD_BLOBS + 2].named[1]);
        do_some_work();
        if (handover_resume(life.store, 0, &err) < 0)
            return pg_err_clear(&err);
    }
    pg_err_clear(&err);
    life_settle();
    if (handover_hold(life.store, &err) == 0) {
        handover_give(life.store);
        client_ask(0, 0);
        client_ask(1, 1);
        do_some_work();
    }
    pg_err_clear(&err);
}

static void path_in(const char *name, char out[400])
{
    (void)snprintf(out, 400, "%s/%s", run_dir, name);
}

static void put(const char *name, const char *text)
{
    char path[400];
    _fd_ int fd = -1;

    path_in(name, path);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd >= 0)
        PG_CHECK(pg_fd_write(fd, text, strlen(text)) == 0);
}

/* Beside what somebody else left there, which has to give way. */
static void back_up(void)
{
    struct pg_pool *data = pg_pool_new("data", 1), *slow = pg_pool_new("slow", 1);
    struct backup_config c = {.from = run_dir,
                              .to = run_copy,
                              .is_store = true,
                              .may_replace = true,
                              .data_pool = data,
                              .slow_pool = slow};
    struct backup_result result;
    struct pg_err err = {0};
    char path[400];

    (void)mkdir(run_copy, 0700);
    (void)snprintf(path, sizeof(path), "%s/of-another", run_copy);
    (void)mkdir(path, 0700);
    if (backup_copy(&c, &result, &err) < 0)
        PG_CHECK(life_had_faults());
    pg_err_clear(&err);
    pg_pool_free(data);
    pg_pool_free(slow);
}

/* Strangers in blobs/, a partial that is longer than its blob, no index. */
static void disturb(void)
{
    char text[10000], name[PARTIAL_NAME_MAX], path[PARTIAL_NAME_MAX + 10];

    put("blobs/sha256/stranger", "nobody's");
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    for (unsigned i = 0; i < WORLD_BLOBS; i++) {
        (void)snprintf(path, sizeof(path), "partial/%s", partial_name(&world[i].digest, name));
        put(path, text);
    }
    life_lose_index(run_dir);
}

/* Some files are shorter, and the index is damaged. */
static void disturb_more(void)
{
    char path[400], blob[BLOB_PATH_MAX];

    for (unsigned i = 0; i < WORLD_OBJECTS; i++) {
        (void)snprintf(path, sizeof(path), "%s/blobs/%s", run_dir,
                       blob_path(&world[i].digest, blob));
        (void)chmod(path, 0600);
        if (i % 3 == 0 && truncate(path, 1) < 0)
            PG_CHECK(errno == ENOENT);
    }
    model->has_rotted = true;
    disk_damage_index();
}

static void come_back(void)
{
    pull_all(0);
    recover_wait(life.store->recover);
    pull_all(0);
    life_settle();
}

static const struct {
    void (*while_open)(void);
    void (*then)(void);
} script[] = {
    {pull_cold_warm_and_again, back_up}, {have_no_room, NULL}, {purge_and_hand_over, disturb},
    {come_back, disturb_more},           {come_back, NULL},
};

static void run_script(void *arg)
{
    (void)arg;
    world_make(SEED);
    sched_begin(SEED, 8);
    disk_begin(run_dir);
    for (unsigned i = 0; i < nasked; i++)
        disk_add_fault(&asked[i]);
    for (unsigned i = 0; i < sizeof(script) / sizeof(script[0]); i++) {
        if (!open_store())
            break;
        script[i].while_open();
        if (is_cut) {
            note_points();
            disk_crash(DISK_STRICT);
            _exit(LIFE_CRASHED);
        }
        life_close();
        if (script[i].then != NULL)
            script[i].then();
    }
    sched_say("the script is over");
    note_points();
    disk_end();
    _exit(0);
}

static void check(void *arg)
{
    (void)arg;
    world_make(SEED);
    sched_begin(SEED, 8);
    if (is_cut)
        verify_remains(run_dir);
    disk_begin(run_dir);
    PG_CHECK(life_open(run_dir)); /* whatever has failed, it starts */
    life_settle();
    recover_wait(life.store->recover);
    life_settle();
    model->has_rotted = true; /* what fsck finds it may repair, once */
    verify_quiet();
    verify_pull_all();
    life_settle();
    verify_quiet();
    life_close();
    _exit(0);
}

/* ---- one run, and all of them ---- */

static int run_once(void)
{
    int status;

    run_anew();
    world_forget_all();
    *model = (struct world_model){
        .seed = SEED, .is_tight = true, .has_faults = true, .has_uncached = true};
    world_forget_all();
    seen->runs++;
    status = run_life(run_script, NULL);
    return status == 0 ? run_life(check, NULL) : status;
}

static int run_with(const struct point *p, const struct disk_fault *f)
{
    int status;

    nasked = 0;
    if (p->because.point != NULL) {
        asked[nasked] = p->because;
        asked[nasked++].point = p->because_of;
    }
    asked[nasked++] = *f;
    is_cut = false;
    status = run_once();
    is_cut = status == 0;
    if (is_cut)
        status = run_once();
    if (status == 0)
        return 0;
    run_show_trace(TAIL);
    (void)printf("\nfailed (%x)%s when visit %ju of %s%s gave %s%s%s. Again:\n    "
                 "PG_SWEEP_POINT=%s build/dev/tests/sim.sweep\n",
                 (unsigned)status, is_cut ? ", after a cut of the power," : "", (uintmax_t)f->nth,
                 f->point, f->all_after ? " and all after it" : "", strerrorname_np(f->error),
                 p->because.point != NULL ? " after a fault of " : "", p->because_of, f->point);
    return -1;
}

/* Which of the visits fail. */
static bool is_chosen(uint64_t nth, uint64_t visits, bool all)
{
    uint64_t step = visits / (SOME_MORE + 1) + 1;

    return all || nth <= FIRST_ONES || nth % step == 0;
}

static int sweep_point(const struct point *p, bool all)
{
    struct disk_fault f = {.point = p->name, .nth = 1, .all_after = true, .error = ENOSPC};

    if (run_with(p, &f) < 0)
        return -1;
    for (unsigned i = 1; i < MIDDLES && p->visits > MIDDLES * 16UL; i++) {
        f.nth = p->visits * i / MIDDLES;
        if (run_with(p, &f) < 0)
            return -1;
    }
    f.all_after = false;
    f.error = EIO;
    for (f.nth = 1; f.nth <= p->visits; f.nth++)
        if (is_chosen(f.nth, p->visits, all) && run_with(p, &f) < 0)
            return -1;
    return 0;
}

/* Points from `from` on, each worker its own. */
static int sweep(const struct seen *known, unsigned from, unsigned worker)
{
    const char *only = getenv("PG_SWEEP_POINT"); /* NOLINT(concurrency-mt-unsafe) */
    bool all = run_number("PG_SWEEP_ALL", only != NULL) > 0;

    run_use(worker);
    for (unsigned i = from; i < known->n; i++) {
        struct point p = known->points[i];

        if (i % WORKERS != worker || (only != NULL && strcmp(only, p.name) != 0))
            continue;
        if (sweep_point(&p, all) < 0)
            return -1;
    }
    run_clean();
    return 0;
}

static void *shared(size_t n)
{
    void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    PG_CHECK(p != MAP_FAILED);
    return p;
}

static void add(struct seen *to, const struct seen *from)
{
    to->runs += from->runs;
    for (unsigned i = 0; i < from->n; i++) {
        struct point *p = point_of(to, from->points[i].name);
        uint64_t fired = p->fired;

        if (p->visits == 0)
            *p = from->points[i];
        p->fired = fired + from->points[i].fired;
    }
}

static int sweep_in_workers(struct seen *known, unsigned from)
{
    struct seen *of = shared(WORKERS * sizeof(*of));
    struct world_model *models = shared(WORKERS * sizeof(*models));
    int failed = 0;

    for (unsigned i = 0; i < WORKERS; i++) {
        pid_t pid = fork();

        PG_CHECK(pid >= 0);
        if (pid > 0)
            continue;
        run_end_with_parent();
        seen = &of[i];
        model = &models[i];
        failed = sweep(known, from, i) < 0;
        (void)fflush(stdout);
        _exit(failed);
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        int status;

        PG_CHECK(wait(&status) > 0);
        failed |= status != 0;
    }
    for (unsigned i = 0; i < WORKERS; i++)
        add(known, &of[i]);
    return failed ? -1 : 0;
}

/* ---- are these all? ---- */

static unsigned look_for_points(const char *path, struct seen *known)
{
    char line[1024];
    unsigned missing = 0;
    FILE *f = fopen(path, "re");

    PG_CHECK(f != NULL);
    while (fgets(line, sizeof(line), f) != NULL)
        for (char *at = line; (at = strstr(at, "PG_FAULT(\"")) != NULL;) {
            char *name = at + strlen("PG_FAULT(\""), *end = strchr(name, '"');

            PG_CHECK(end != NULL);
            *end = '\0';
            at = end + 1;
            if (point_of(known, name)->fired > 0)
                continue;
            (void)printf("%s: the fault point %s was never visited\n", path, name);
            missing++;
        }
    (void)fclose(f);
    return missing;
}

static unsigned look_for_all_points(struct seen *known)
{
    char path[600];
    DIR *dir = opendir(PG_SOURCE "/cache");
    struct dirent *e;
    unsigned missing = look_for_points(PG_SOURCE "/base/log.c", known);

    PG_CHECK(dir != NULL);
    while ((e = readdir(dir)) != NULL) {
        const char *dot = strrchr(e->d_name, '.');

        (void)snprintf(path, sizeof(path), PG_SOURCE "/cache/%s", e->d_name);
        if (dot != NULL && strcmp(dot, ".c") == 0)
            missing += look_for_points(path, known);
    }
    (void)closedir(dir);
    return missing;
}

static int run_all(struct seen *known)
{
    unsigned n;

    run_use(0);
    seen = known;
    model = shared(sizeof(*model));
    if (run_once() != 0) {
        run_show_trace(TAIL);
        (void)printf("failed without a fault\n");
        return -1;
    }
    n = known->n;
    if (sweep_in_workers(known, 0) < 0 || sweep_in_workers(known, n) < 0)
        return -1;
    return 0;
}

int main(void)
{
    struct seen *known = shared(sizeof(*known));
    int failed;
    unsigned missing = 0;

    run_begin();
    failed = run_all(known) < 0;
    for (unsigned i = 0; i < known->n && !failed; i++)
        (void)printf("%-20s %5ju visits, failed %ju times%s%s\n", known->points[i].name,
                     (uintmax_t)known->points[i].visits, (uintmax_t)known->points[i].fired,
                     known->points[i].because.point != NULL ? ", after " : "",
                     known->points[i].because_of);
    if (!failed && getenv("PG_SWEEP_POINT") == NULL) /* NOLINT(concurrency-mt-unsafe) */
        missing = look_for_all_points(known);
    (void)printf("%u runs, %u points\n", known->runs, known->n);
    run_end();
    return failed || missing > 0 ? 1 : 0;
}
