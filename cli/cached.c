/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cached.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/fd.h"
#include "cache/blob.h"
#include "cache/subject.h"
#include "cli/control.h"
#include "cli/print.h"
#include "oci/media.h"
#include "oci/ref.h"
#include "proxy/admit/own.h"
#include "proxy/journey/target.h"

#define THREADS    1
#define WAIT_MS    300000L
#define COMMIT_MS  2000 /* until what the server has just landed is in the index */
#define LOOK_MS    5
#define STALE      "fwd=stale; detail="
#define EXPLAIN    "Pullgate-Explain: json"
#define ANEW       "Cache-Control: no-cache" /* what it remembers may be older than a signature */
#define ARENA_MAX  ((size_t)1 << 20)
#define NOTE_MAX   PG_ERR_TEXT_MAX
#define NO_TAG     ((struct sl){NULL, 0})
#define TAG_UNLESS "latest"

struct cached {
    const struct config *config;
    struct pg_arena arena;
    struct target target;
    struct sl tag; /* {NULL, 0}: by digest */
    struct digest digest;
    struct control control;
    struct control_answer answer; /* to what was asked last */
    bool is_running;
    bool is_judged; /* there is a policy: the image is taken out of the store, not pulled */
    struct pg_pool *data_pool, *slow_pool;
    struct store *store; /* NULL: there is none that could be opened, as no_store says */
    struct pg_err no_store;
    struct pg_arena read; /* of what was read last */
    char note[NOTE_MAX];
};

/* ---- what is named ------------------------------------------------------------------------- */

static int read_name(struct cached *c, const char *image, struct pg_err *err)
{
    struct route want = {.op = ROUTE_MANIFEST};
    const char *slash = strrchr(image, '/'), *at = strchr(image, '@');
    const char *colon = strchr(slash != NULL ? slash : image, ':');
    const char *end = at != NULL && (colon == NULL || at < colon) ? at : colon;

    want.name = (struct sl){image, end != NULL ? (size_t)(end - image) : strlen(image)};
    if (at != NULL) {
        if (digest_parse(sl_str(at + 1), &c->digest, err) < 0) {
            return -1;
        }
    } else {
        c->tag = end != NULL ? sl_str(end + 1) : SL(TAG_UNLESS);
        if (ref_check_tag(c->tag, err) < 0) {
            return -1;
        }
    }
    return target_find(c->config, &want, NO_TAG, &c->arena, &c->target, err);
}

/* ---- the server ---------------------------------------------------------------------------- */

/* "/v2/REPOSITORY/WHAT/REFERENCE". False: nobody answers. */
static bool ask(struct cached *c, const char *what, struct sl reference, const char *header)
{
    struct control_question q = {.method = "GET", .header = header, .wait_ms = WAIT_MS};
    struct pg_buf path;

    control_answer_free(&c->answer);
    pg_buf_init(&path, PRINT_BYTES_MAX);
    (void)pg_buf_printf(&path, "/v2/" SL_FMT "/%s/" SL_FMT, SL_ARG(c->target.canonical), what,
                        SL_ARG(reference));
    (void)pg_buf_put(&path, (struct sl){"", 1});
    q.path = path.p;
    bool answered = control_try(&c->control, &q, &c->answer);
    pg_buf_free(&path);
    return answered;
}

static const char *said(struct cached *c)
{
    struct pg_buf b;

    pg_buf_init(&b, NOTE_MAX);
    control_put_error(&c->answer, &b);
    const char *text = pg_copy(&c->read, pg_buf_sl(&b)).p;
    pg_buf_free(&b);
    return text;
}

/* ---- the store ----------------------------------------------------------------------------- */

static void open_store(struct cached *c)
{
    const struct store_config sc = {.path = c->config->storage_path,
                                    .read_only = true,
                                    .data_pool = c->data_pool,
                                    .slow_pool = c->slow_pool};

    if (store_open(&sc, &c->store, &c->no_store) < 0) {
        c->store = NULL;
    }
}

static struct pg_bytes *own(struct cached *c, struct sl tag, const struct digest *d,
                            struct sl *type_r)
{
    return c->store != NULL ? own_manifest(c->store, c->target.canonical, tag, d, &c->read, type_r)
                            : NULL;
}

/* What the server has landed is committed with what others have, a moment later. */
static struct pg_bytes *own_soon(struct cached *c, struct sl tag, const struct digest *d,
                                 struct sl *type_r)
{
    const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
    struct pg_bytes *bytes = own(c, tag, d, type_r);

    for (unsigned i = 0; bytes == NULL && c->is_running && i < COMMIT_MS / LOOK_MS; i++) {
        (void)nanosleep(&pause, NULL);
        bytes = own(c, tag, d, type_r);
    }
    return bytes;
}

/* 1, 0: it is not there, -1. */
static int own_blob(const struct cached *c, const struct evidence_step *step,
                    struct pg_bytes **bytes_r, struct pg_err *err)
{
    char path[BLOB_PATH_MAX];
    struct stat st;
    _fd_ int fd = c->store != NULL ? openat(c->store->blobs_fd, blob_path(&step->digest, path),
                                            O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
                                   : -1;

    if (fd < 0) {
        return 0;
    }
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        return pg_fail(err, PG_E_STORE_IO, "%s is no file", path);
    }
    if ((uint64_t)st.st_size > step->size_max) {
        return pg_fail(err, PG_E_TOO_LARGE, "it has %lld bytes; at most %zu are read",
                       (long long)st.st_size, step->size_max);
    }
    char *text = malloc((size_t)st.st_size + 1);
    PG_CHECK(text != NULL);
    int rc = pg_fd_pread(fd, text, (size_t)st.st_size, 0);
    if (rc < 0) {
        (void)pg_fail(err, PG_E_STORE_IO, "cannot read %s: %s", path, strerror(errno));
    } else {
        *bytes_r = pg_bytes_new((struct sl){text, (size_t)st.st_size});
    }
    free(text);
    return rc < 0 ? -1 : 1;
}

static bool is_image(const struct cached *c, const struct evidence_step *step)
{
    return step->what == EVIDENCE_MANIFEST && digest_eq(&step->digest, &c->digest);
}

static bool has_referrers(const struct cached *c, const struct digest *subject)
{
    struct digest first;
    struct pg_err ignored = {0};
    bool has =
        c->store != NULL && subject_next_referrer(c->store, subject, NULL, &first, &ignored) > 0;

    pg_err_clear(&ignored);
    return has;
}

/* 1, 0: it is not there, -1. */
static int fetch_own(struct cached *c, const struct evidence_step *step,
                     struct evidence_answer *a_r, struct pg_err *err)
{
    bool is_tag = step->what == EVIDENCE_TAG;

    if (step->what == EVIDENCE_BLOB) {
        return own_blob(c, step, &a_r->bytes, err);
    }
    if (is_image(c, step)) {
        a_r->bytes = own_soon(c, NO_TAG, &step->digest, &a_r->media_type);
    } else if (step->what != EVIDENCE_REFERRERS) {
        a_r->bytes = own(c, is_tag ? sl_str(step->tag) : NO_TAG, &step->digest, &a_r->media_type);
    } else if (has_referrers(c, &step->digest)) {
        a_r->bytes =
            own_referrers(c->store, c->target.canonical, &step->digest, EVIDENCE_TRIED_MAX + 1);
        a_r->media_type = SL(MEDIA_OCI_INDEX);
    }
    return a_r->bytes != NULL;
}

/* ---- as a source --------------------------------------------------------------------------- */

static void note(struct cached *c, const char *text)
{
    if (c->note[0] == '\0') {
        (void)snprintf(c->note, sizeof(c->note), "%s", text);
    }
}

/* 1, 0: it is said that there is none, -1: nothing is said, as *why_r has it. */
static int fetch_asked(struct cached *c, const struct evidence_step *step,
                       struct evidence_answer *a_r, const char **why_r)
{
    static const char *const what[] = {[EVIDENCE_TAG] = "manifests",
                                       [EVIDENCE_MANIFEST] = "manifests",
                                       [EVIDENCE_REFERRERS] = "referrers",
                                       [EVIDENCE_BLOB] = "blobs"};
    char text[DIGEST_TEXT_MAX];
    struct sl reference =
        step->what == EVIDENCE_TAG ? sl_str(step->tag) : digest_write(&step->digest, text);

    if (!ask(c, what[step->what], reference, ANEW)) {
        *why_r = "the server did not answer";
        return -1;
    }
    if (c->answer.status == 404) {
        return 0;
    }
    if (c->answer.status != 200) {
        *why_r = said(c);
        return -1;
    }
    if (strstr(c->answer.cache, STALE) != NULL) {
        note(c, "upstream does not answer, so that some of it is from the store and may be old");
    }
    a_r->bytes = pg_bytes_new(pg_buf_sl(&c->answer.body));
    a_r->media_type = step->what == EVIDENCE_BLOB ? SL("") : sl_str(c->answer.type);
    return 1;
}

static int fetch(void *owner, const struct evidence_step *step, struct evidence_answer *a_r,
                 struct pg_err *err)
{
    struct cached *c = owner;
    const char *why = NULL;

    pg_arena_free(&c->read);
    pg_arena_init(&c->read, ARENA_MAX);
    bool is_asked = c->is_running && !(c->is_judged && is_image(c, step));
    int rc = is_asked ? fetch_asked(c, step, a_r, &why) : -1;
    if (rc < 0) {
        rc = fetch_own(c, step, a_r, err);
        if (rc > 0 && is_asked) {
            note(c, why);
        }
        /* where a list is missing there may be the tag that has it */
        if (rc == 0 && (c->is_running || step->what != EVIDENCE_REFERRERS)) {
            return pg_fail(err, PG_E_UPSTREAM_DOWN, "%s",
                           why != NULL ? why
                                       : "it is not in the store, and upstream was not asked");
        }
    }
    if (rc > 0 && a_r->bytes->n > step->size_max) {
        size_t n = a_r->bytes->n;
        pg_bytes_unref(a_r->bytes);
        a_r->bytes = NULL;
        return pg_fail(err, PG_E_TOO_LARGE, "it has %zu bytes; at most %zu are read", n,
                       step->size_max);
    }
    return rc;
}

static const char *stale(void *owner)
{
    const struct cached *c = owner;

    return c->note[0] != '\0' ? c->note : NULL;
}

struct source cached_source(struct cached *c)
{
    return (struct source){fetch, stale, c};
}

/* ---- the image ----------------------------------------------------------------------------- */

/* What is asked to be explained is fetched, with all evidence that policy wants, and nothing of it
 * leaves. */
static int ask_for_image(struct cached *c, struct pg_err *err)
{
    char text[DIGEST_TEXT_MAX];
    struct sl reference = c->tag.p != NULL ? c->tag : digest_write(&c->digest, text);

    if (!ask(c, "manifests", reference, EXPLAIN)) {
        c->is_running = false;
        return 0;
    }
    if (c->answer.status == 404) {
        return pg_fail(err, PG_E_MANIFEST_UNKNOWN, "%s", said(c));
    }
    if (c->answer.status == 200 && c->answer.digest[0] != '\0') {
        c->is_judged = strcmp(c->answer.type, "application/json") == 0;
        return digest_parse(sl_str(c->answer.digest), &c->digest, err) < 0 ? -1 : 1;
    }
    note(c, said(c));
    return 0;
}

static int find_own(struct cached *c, struct pg_err *err)
{
    struct sl type;
    struct pg_bytes *bytes = own_soon(c, c->tag, &c->digest, &type);

    if (bytes != NULL) {
        c->digest = c->tag.p != NULL ? digest_of(PG_SHA256, pg_bytes_sl(bytes)) : c->digest;
        pg_bytes_unref(bytes);
        return 0;
    }
    if (c->is_running) {
        return pg_fail(err, PG_E_UPSTREAM_DOWN, "%s", c->note);
    }
    if (c->store == NULL) {
        return pg_fail(err, PG_E_STORE_IO,
                       "no server answers at %s, and there is no store to look at: %s",
                       c->control.socket, c->no_store.msg);
    }
    return pg_fail(err, PG_E_MANIFEST_UNKNOWN,
                   "it is not in the store %s, and no server answers at %s that would fetch it: "
                   "start pullgate serve, or ask as its user",
                   c->config->storage_path, c->control.socket);
}

int cached_find(struct cached *c, struct digest *digest_r, struct pg_err *err)
{
    int rc = ask_for_image(c, err);

    if (rc == 0 && !c->is_running) {
        note(c, "no server answers: what the store has was looked at, and upstream was not asked");
    }
    rc = rc == 0 ? find_own(c, err) : rc;
    *digest_r = c->digest;
    return rc < 0 ? -1 : 0;
}

/* ---- its life ------------------------------------------------------------------------------ */

int cached_open(const struct command_args *args, const struct config *config, const char *image,
                struct cached **c_r, struct pg_err *err)
{
    struct cached *c = calloc(1, sizeof(*c));

    PG_CHECK(c != NULL);
    *c_r = c;
    c->config = config;
    c->is_running = true; /* until it does not answer */
    pg_arena_init(&c->arena, ARENA_MAX);
    pg_arena_init(&c->read, ARENA_MAX);
    control_answer_init(&c->answer);
    if (read_name(c, image, err) < 0) {
        return -1;
    }
    if (control_open(args, CONTROL_CHANGE, &c->control) != COMMAND_GOOD) {
        return pg_fail(err, PG_E_INTERNAL, "it is not known where the control socket is");
    }
    c->data_pool = pg_pool_new("pg-data", THREADS);
    c->slow_pool = pg_pool_new("pg-slow", THREADS);
    open_store(c);
    return 0;
}

void cached_close(struct cached *c)
{
    if (c == NULL) {
        return;
    }
    store_close(c->store);
    if (c->data_pool != NULL) {
        pg_pool_free(c->data_pool);
        pg_pool_free(c->slow_pool);
    }
    pg_err_clear(&c->no_store);
    control_answer_free(&c->answer);
    control_close(&c->control);
    pg_arena_free(&c->read);
    pg_arena_free(&c->arena);
    free(c);
}

struct sl cached_repository(const struct cached *c)
{
    return c->target.canonical;
}

struct sl cached_tag(const struct cached *c)
{
    return c->tag;
}
