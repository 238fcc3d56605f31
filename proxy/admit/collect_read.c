/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/fd.h"
#include "cache/land.h"
#include "cache/overlay.h"
#include "oci/link.h"
#include "oci/manifest.h"
#include "oci/media.h"
#include "proxy/admit/collect_int.h"
#include "proxy/admit/own.h"

/* ---- what came from upstream --------------------------------------------------------------- */

static struct sl type_of(const struct fetch_answer *a)
{
    struct sl type = media_strip(a->content_type);

    return media_is_generic(type) ? SL("") : type;
}

/* As if a client had asked for it: it is served with its subject, and is here when upstream is not.
 * What cannot be read is not kept; evidence says what is wrong with it. */
static void land(struct collect *c, const struct collect_piece *p)
{
    const struct fetch_answer *a = &p->answer;
    bool is_tag = p->step.what == EVIDENCE_TAG;
    struct land_manifest l = {.repo = c->order.canonical,
                              .tag = is_tag ? sl_str(p->step.tag) : (struct sl){NULL, 0},
                              .digest = a->digest,
                              .sha256 = a->sha256,
                              .bytes = a->body,
                              .now_s = pg_clock_wall_s()};
    struct pg_arena arena;
    struct manifest m;
    struct pg_err ignored = {0};

    pg_arena_init(&arena, MANIFEST_ARENA_BYTES);
    if (manifest_parse(pg_bytes_sl(a->body), type_of(a), &arena, &m, &ignored) == 0) {
        l.parsed = &m;
        land_manifest(c->store, &l);
    }
    pg_err_clear(&ignored);
    pg_arena_free(&arena);
}

/* The query of the next page. False: there is more, and it cannot be asked for. */
static bool next_page(struct sl header, struct sl *query_r)
{
    struct sl target;
    const char *mark;

    *query_r = (struct sl){NULL, 0};
    if (header.p == NULL || link_next(header, &target) == 0)
        return true;
    mark = memchr(target.p, '?', target.n);
    if (mark == NULL)
        return false;
    *query_r = (struct sl){mark + 1, target.n - (size_t)(mark + 1 - target.p)};
    return query_r->n > 0 && query_r->n <= FETCH_QUERY_MAX && link_is_query(*query_r);
}

static void put_document(struct collect *c, struct collect_piece *p)
{
    const struct fetch_answer *a = &p->answer;
    struct evidence_answer put = {
        .outcome = EVIDENCE_FOUND, .bytes = a->body, .media_type = type_of(a)};

    if (p->step.what == EVIDENCE_REFERRERS) {
        if (!next_page(a->link, &put.next))
            put = (struct evidence_answer){.outcome = EVIDENCE_FAILED,
                                           .trouble = "the list has a malformed Link"};
    } else {
        land(c, p);
    }
    evidence_put(c->evidence, p->step.id, &put);
}

/* ---- blobs --------------------------------------------------------------------------------- */

static bool is_here(const struct collect_piece *p)
{
    return p->blob != NULL || p->is_verified;
}

static uint64_t size_of(const struct collect_piece *p)
{
    return p->blob != NULL ? p->blob->size : p->size;
}

/* Of one that is here. NULL: it could not be read. */
static struct pg_bytes *bytes_of(const struct collect_piece *p)
{
    size_t size = (size_t)size_of(p);
    char *text = malloc(size + 1);
    struct pg_bytes *bytes = NULL;

    PG_CHECK(text != NULL);
    if (pg_fd_pread(p->blob != NULL ? p->blob->fd : p->fd, text, size, 0) >= 0)
        bytes = pg_bytes_new((struct sl){text, size});
    free(text);
    return bytes;
}

static void put_blob(struct collect *c, struct collect_piece *p)
{
    struct evidence_answer put = {.outcome = EVIDENCE_FOUND, .media_type = SL("")};

    if (size_of(p) > p->step.size_max) {
        put.outcome = EVIDENCE_LARGE;
    } else {
        put.bytes = bytes_of(p);
        if (put.bytes == NULL) {
            put.outcome = EVIDENCE_FAILED;
            put.trouble = "it could not be read from the store";
        }
    }
    evidence_put(c->evidence, p->step.id, &put);
    pg_bytes_unref(put.bytes);
}

/* ---- what did not come --------------------------------------------------------------------- */

static bool is_unknown(enum pg_ekind kind)
{
    return kind == PG_E_MANIFEST_UNKNOWN || kind == PG_E_BLOB_UNKNOWN || kind == PG_E_NAME_UNKNOWN;
}

/* That a registry does not let us list referrers is how some say that they do not know the API; of
 * all else only a clear no is one. */
static bool is_absent(const struct collect_piece *p)
{
    bool is_first_list = p->step.what == EVIDENCE_REFERRERS && p->step.next.p == NULL;

    return is_unknown(p->err.kind) && (!p->denied || is_first_list);
}

static const char *why(struct collect *c, const struct collect_piece *p)
{
    const char *text = p->is_own            ? "it is not in the store any more"
                       : p->denied          ? "upstream does not let pullgate read it"
                       : p->err.msg != NULL ? p->err.msg
                                            : "upstream did not answer";

    return pg_copy(&c->names, sl_str(text)).p;
}

static struct sl own_tag(const struct collect_piece *p)
{
    return p->step.what == EVIDENCE_TAG ? sl_str(p->step.tag) : (struct sl){NULL, 0};
}

/* What is here may be old, and more may be there: that is a failure, with evidence. */
static void put_own(struct collect *c, struct collect_piece *p)
{
    struct evidence_answer put = {.outcome = EVIDENCE_FOUND, .media_type = SL("")};
    const char *trouble = why(c, p);
    struct pg_arena arena;

    pg_arena_init(&arena, OWN_ARENA_BYTES);
    if (p->step.what == EVIDENCE_REFERRERS && p->step.next.p == NULL) {
        put.bytes =
            own_referrers(c->store, c->order.canonical, &p->step.digest, EVIDENCE_TRIED_MAX);
        put.media_type = SL(MEDIA_OCI_INDEX);
    } else if (p->step.what == EVIDENCE_TAG || p->step.what == EVIDENCE_MANIFEST) {
        put.bytes = own_manifest(c->store, c->order.canonical, own_tag(p), &p->step.digest, &arena,
                                 &put.media_type);
    }
    if (put.bytes != NULL) {
        c->stale = p->is_own ? c->stale : trouble;
    } else {
        put.outcome = EVIDENCE_FAILED;
        put.trouble = trouble;
    }
    evidence_put(c->evidence, p->step.id, &put);
    pg_bytes_unref(put.bytes);
    pg_arena_free(&arena);
}

/* ---- the config ---------------------------------------------------------------------------- */

static struct pg_bytes *subject_bytes(struct collect *c, struct pg_arena *arena, struct sl *type_r)
{
    struct overlay_manifest m = {0};
    struct pg_err ignored = {0};
    int found = overlay_get_manifest(c->store, &c->order.subject, arena, &m, &ignored);

    pg_err_clear(&ignored);
    if (found <= 0)
        return NULL;
    *type_r = m.media_type;
    return m.held != NULL ? m.held : pg_bytes_new(m.bytes);
}

void collect_read_plan(struct collect *c)
{
    struct pg_arena arena;
    struct manifest m;
    struct pg_err ignored = {0};
    struct sl type = SL("");
    struct pg_bytes *bytes;

    c->config.wanted = false;
    pg_arena_init(&arena, MANIFEST_ARENA_BYTES + OVERLAY_INLINE_MAX * 2);
    bytes = subject_bytes(c, &arena, &type);
    if (bytes != NULL && manifest_parse(pg_bytes_sl(bytes), type, &arena, &m, &ignored) == 0)
        c->config.to_ask = content_plan(&m, &c->config.digest, &c->config.size) > 0;
    pg_err_clear(&ignored);
    pg_bytes_unref(bytes);
    pg_arena_free(&arena);
}

/* That upstream has none is a no about the image; all else is asked again. */
static void read_config(struct collect *c, struct collect_piece *p)
{
    bool is_absent_there = is_unknown(p->err.kind) && !p->denied;

    c->config.waiting = false;
    if (is_here(p) && size_of(p) <= CONTENT_CONFIG_MAX)
        c->config.bytes = bytes_of(p);
    if (c->config.bytes != NULL)
        return;
    c->config.is_unknown = !is_absent_there;
    c->config.trouble = is_absent_there ? "is not there: the registry does not have it"
                        : is_here(p)    ? "could not be read from the store"
                                        : "could not be fetched from the upstream";
}

void collect_read_piece(struct collect *c, struct collect_piece *p)
{
    const struct evidence_answer absent = {.outcome = EVIDENCE_ABSENT};

    if (p->step.id == COLLECT_CONFIG)
        read_config(c, p);
    else if (is_here(p))
        put_blob(c, p);
    else if (p->err.kind == PG_E_NONE && !p->is_own)
        put_document(c, p);
    else if (is_absent(p) && !p->is_own)
        evidence_put(c->evidence, p->step.id, &absent);
    else
        put_own(c, p);
}

/* ---- verifying ----------------------------------------------------------------------------- */

void collect_read_dossier(struct collect *c)
{
    struct dossier_input in = {.evidence = c->evidence,
                               .subject = c->order.subject,
                               .repository = c->order.canonical,
                               .media_type = SL(""),
                               .admission = &c->order.snapshot->config.admission,
                               .scope = c->order.scope,
                               .content = {.config = {NULL, 0},
                                           .trouble = c->config.trouble,
                                           .is_unknown = c->config.is_unknown},
                               .stale = c->stale,
                               .timestamps = c->stamp,
                               .now_s = pg_clock_wall_s(),
                               .now_ms = pg_clock_mono_ms(),
                               .until_ms = pg_clock_mono_ms() + COLLECT_VERIFY_MS};
    struct pg_arena arena;

    pg_arena_init(&arena, OVERLAY_INLINE_MAX * 2);
    if (c->config.bytes != NULL)
        in.content.config = pg_bytes_sl(c->config.bytes);
    in.manifest = subject_bytes(c, &arena, &in.media_type);
    c->dossier = dossier_new(&in);
    pg_bytes_unref(in.manifest);
    pg_arena_free(&arena);
}
