/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admit/survey.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fd.h"
#include "cache/blob.h"
#include "oci/manifest.h"
#include "oci/media.h"
#include "proxy/admit/own.h"

#define NO_TAG ((struct sl){NULL, 0})

/* ---- blobs --------------------------------------------------------------------------------- */

static struct pg_bytes *read_all(int fd, size_t size)
{
    char *text = malloc(size + 1);
    struct pg_bytes *bytes = NULL;

    PG_CHECK(text != NULL);
    if (pg_fd_pread(fd, text, size, 0) >= 0)
        bytes = pg_bytes_new((struct sl){text, size});
    free(text);
    return bytes;
}

/* The store is a server's: a file that is not as it should be is that one's to put aside. */
static enum evidence_outcome read_blob(const struct survey *s, const struct digest *d, size_t max,
                                       struct pg_bytes **bytes_r)
{
    char path[BLOB_PATH_MAX];
    struct stat st;
    struct digest is;
    _fd_ int fd = openat(s->store->blobs_fd, blob_path(d, path), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return EVIDENCE_ABSENT;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return EVIDENCE_FAILED;
    if ((uint64_t)st.st_size > max)
        return EVIDENCE_LARGE;
    *bytes_r = read_all(fd, (size_t)st.st_size);
    if (*bytes_r == NULL)
        return EVIDENCE_FAILED;
    is = digest_of(d->alg, pg_bytes_sl(*bytes_r));
    return digest_eq(&is, d) ? EVIDENCE_FOUND : EVIDENCE_FAILED;
}

/* ---- evidence ------------------------------------------------------------------------------ */

static void answer(const struct survey *s, struct sl repository, struct evidence *e,
                   const struct evidence_step *step)
{
    struct evidence_answer a = {.outcome = EVIDENCE_ABSENT,
                                .media_type = SL(""),
                                .trouble = "it cannot be read from the store"};
    struct sl tag = step->what == EVIDENCE_TAG ? sl_str(step->tag) : NO_TAG;
    struct pg_arena arena;

    pg_arena_init(&arena, OWN_ARENA_BYTES);
    if (step->what == EVIDENCE_BLOB) {
        a.outcome = read_blob(s, &step->digest, step->size_max, &a.bytes);
    } else if (step->what == EVIDENCE_REFERRERS) {
        a.bytes = own_referrers(s->store, repository, &step->digest, EVIDENCE_TRIED_MAX + 1);
        a.media_type = SL(MEDIA_OCI_INDEX);
        a.outcome = a.bytes != NULL ? EVIDENCE_FOUND : EVIDENCE_FAILED;
    } else {
        a.bytes = own_manifest(s->store, repository, tag, &step->digest, &arena, &a.media_type);
        a.outcome = a.bytes != NULL ? EVIDENCE_FOUND : EVIDENCE_ABSENT;
    }
    evidence_put(e, step->id, &a);
    pg_bytes_unref(a.bytes);
    pg_arena_free(&arena);
}

static struct evidence *gather(const struct survey *s, struct sl repository,
                               const struct digest *subject, const struct dossier_scope *scope)
{
    const struct policy_wants *w = &scope->wants;
    const struct evidence_wants wants = {.simple = w->simple && w->signatures,
                                         .envelope = w->simple && w->attestations,
                                         .bundle = w->bundle,
                                         .notation = w->notation};
    struct evidence *e =
        scope->as_evidence ? evidence_new_of(subject) : evidence_new(subject, &wants);
    struct evidence_step step;

    while (evidence_next(e, &step))
        answer(s, repository, e, &step);
    return e;
}

/* ---- the config ---------------------------------------------------------------------------- */

static struct pg_bytes *read_config(const struct survey *s, struct pg_bytes *manifest,
                                    struct sl type, struct content_input *in)
{
    struct pg_arena arena;
    struct manifest m;
    struct digest config;
    size_t size;
    struct pg_err ignored = {0};
    struct pg_bytes *bytes = NULL;
    bool is_wanted;

    pg_arena_init(&arena, MANIFEST_ARENA_BYTES);
    is_wanted = manifest_parse(pg_bytes_sl(manifest), type, &arena, &m, &ignored) == 0 &&
                content_plan(&m, &config, &size) > 0;
    if (is_wanted && read_blob(s, &config, CONTENT_CONFIG_MAX, &bytes) != EVIDENCE_FOUND) {
        pg_bytes_unref(bytes);
        bytes = NULL;
        in->trouble = "is not in the store";
        in->is_unknown = true;
    }
    pg_err_clear(&ignored);
    pg_arena_free(&arena);
    return bytes;
}

struct dossier *survey_take(const struct survey *s, struct sl repository,
                            const struct digest *subject, const struct dossier_scope *scope)
{
    struct evidence *e = gather(s, repository, subject, scope);
    struct dossier_input in = {.evidence = e,
                               .subject = *subject,
                               .repository = repository,
                               .media_type = SL(""),
                               .admission = s->admission,
                               .scope = *scope,
                               .content = {.config = {NULL, 0}},
                               .timestamps = s->stamp,
                               .now_s = pg_clock_wall_s(),
                               .now_ms = s->now_ms};
    struct pg_bytes *config = NULL;
    struct dossier *d;
    struct pg_arena arena;

    pg_arena_init(&arena, OWN_ARENA_BYTES);
    in.manifest = own_manifest(s->store, repository, NO_TAG, subject, &arena, &in.media_type);
    if (in.manifest != NULL && scope->wants.content)
        config = read_config(s, in.manifest, in.media_type, &in.content);
    if (config != NULL)
        in.content.config = pg_bytes_sl(config);
    d = dossier_new(&in);
    pg_bytes_unref(config);
    pg_bytes_unref(in.manifest);
    pg_arena_free(&arena);
    evidence_free(e);
    return d;
}
