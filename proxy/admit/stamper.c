/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admit/stamper.h"

#include <limits.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "signing/stamp_wire.h"

#define TIME_MS 10000
#define CPU_S   10
#define FILES   16 /* while it is loaded; it closes the door behind itself */

struct stamper {
    struct spawn *spawn;
    unsigned time_ms;
    char program[PATH_MAX];
    char missing[2 * PATH_MAX + 64]; /* "": it is there */
    const char *argv[2];
};

struct question {
    struct spawn_request rq;
    sem_t done;
};

/* ---- where it is --------------------------------------------------------------------------- */

static const char *const places[] = {"/" STAMPER_PROGRAM, "/../libexec/pullgate/" STAMPER_PROGRAM};

/* The folder of the running program; "" when that is not known. */
static void find_folder(char out[PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 1);
    char *slash;

    out[n > 0 ? n : 0] = '\0';
    slash = strrchr(out, '/');
    if (slash != NULL)
        *slash = '\0';
}

static void find(struct stamper *s)
{
    char folder[PATH_MAX];
    size_t at = 0;

    find_folder(folder);
    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
        int n = snprintf(s->program, sizeof(s->program), "%s%s", folder, places[i]);

        if (n > 0 && (size_t)n < sizeof(s->program) && access(s->program, X_OK) == 0) {
            s->missing[0] = '\0';
            return;
        }
        n = snprintf(s->missing + at, sizeof(s->missing) - at, "%s%s%s", i > 0 ? " and " : "",
                     folder, places[i]);
        at += n > 0 ? (size_t)n : 0;
    }
}

int stamper_open(struct spawn *spawn, const struct stamper_options *o, struct stamper **s_r,
                 struct pg_err *err)
{
    static const char *const no_env[] = {NULL};
    struct stamper *s = calloc(1, sizeof(*s));

    PG_CHECK(s != NULL);
    s->spawn = spawn;
    s->time_ms = o->time_ms > 0 ? o->time_ms : TIME_MS;
    s->argv[0] = s->program;
    if (o->program == NULL) {
        find(s);
    } else {
        PG_CHECK(strlen(o->program) < sizeof(s->program));
        memcpy(s->program, o->program, strlen(o->program) + 1);
    }
    if (s->missing[0] == '\0' && spawn_permit(spawn, s->argv, no_env, err) < 0) {
        free(s);
        return -1;
    }
    *s_r = s;
    return 0;
}

void stamper_free(struct stamper *s)
{
    free(s);
}

const char *stamper_missing(const struct stamper *s)
{
    return s->missing[0] != '\0' ? s->missing : NULL;
}

/* ---- asking -------------------------------------------------------------------------------- */

static void on_done(struct spawn_request *rq)
{
    struct question *q = pg_container_of(rq, struct question, rq);

    PG_CHECK(sem_post(&q->done) == 0);
}

/* done() comes, whatever happens: the spawn sees to the time. */
static void run(struct stamper *s, struct sl input, struct question *q)
{
    *q = (struct question){.rq = {.argv = s->argv,
                                  .input = input,
                                  .limits = {.time_ms = s->time_ms,
                                             .cpu_s = CPU_S,
                                             .memory_bytes = UINT64_MAX, /* it limits itself */
                                             .files = FILES,
                                             .output_bytes = STAMP_WIRE_ANSWER_MAX},
                                  .done = on_done}};
    PG_CHECK(sem_init(&q->done, 0, 0) == 0);
    spawn_submit(s->spawn, &q->rq);
    while (sem_wait(&q->done) < 0)
        continue;
    (void)sem_destroy(&q->done);
}

static int read_answer(struct question *q, unsigned nauthorities, struct stamp_answer *a_r,
                       struct pg_err *err)
{
    if (q->rq.err.kind != PG_E_NONE) {
        pg_err_move(err, &q->rq.err);
        return pg_wrap(err, STAMPER_PROGRAM);
    }
    if (q->rq.exit_code != 0)
        return pg_fail(err, PG_E_INTERNAL, STAMPER_PROGRAM " could not look (exit status %d)",
                       q->rq.exit_code);
    return stamp_wire_get_answer(pg_buf_sl(&q->rq.output), nauthorities, a_r, err);
}

static int ask(void *context, const struct stamp_question *q, struct stamp_answer *a_r,
               struct pg_err *err)
{
    struct stamper *s = context;
    struct question asked;
    struct pg_buf out;
    int rc;

    if (s->missing[0] != '\0') {
        (void)pg_fail(err, PG_E_INTERNAL, STAMPER_PROGRAM " is not installed");
        return pg_detail(err, "looked for %s", s->missing);
    }
    pg_buf_init(&out, STAMP_WIRE_MAX);
    rc = stamp_wire_put(q, &out, err);
    if (rc == 0) {
        run(s, pg_buf_sl(&out), &asked);
        rc = read_answer(&asked, q->nauthorities, a_r, err);
        spawn_request_free(&asked.rq);
    }
    pg_buf_free(&out);
    return rc;
}

struct stamp stamper_stamp(struct stamper *s)
{
    return (struct stamp){.ask = ask, .context = s};
}
