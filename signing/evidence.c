/* SPDX-License-Identifier: Apache-2.0 */
#include "signing/evidence.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "oci/manifest.h"
#include "signing/evidence_int.h"

#define ARENA_BYTES ((size_t)64 << 20)

static const char *const endings[] = {[EVIDENCE_SIG] = ".sig",
                                      [EVIDENCE_ATT] = ".att",
                                      [EVIDENCE_REFERRER] = "",
                                      [EVIDENCE_SELF] = ""};

/* ---- what went wrong ----------------------------------------------------------------------- */

__attribute__((format(printf, 3, 0))) static void
note(struct evidence *e, enum evidence_state state, const char *fmt, va_list args)
{
    if (state <= e->state)
        return;
    e->state = state;
    (void)vsnprintf(e->trouble, sizeof(e->trouble), fmt, args);
}

void evidence_cut(struct evidence *e, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    note(e, EVIDENCE_CUT, fmt, args);
    va_end(args);
}

static void troubled(struct evidence *e, const char *fmt, ...) PG_PRINTF(2, 3);
static void troubled(struct evidence *e, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    note(e, EVIDENCE_TROUBLED, fmt, args);
    va_end(args);
}

static void write_tag(const struct evidence *e, enum evidence_came came,
                      char out[EVIDENCE_TAG_DIGITS])
{
    char text[DIGEST_TEXT_MAX];
    struct sl hex = digest_write(&e->subject, text);

    hex = (struct sl){hex.p + SL("sha256:").n, hex.n - SL("sha256:").n};
    (void)snprintf(out, EVIDENCE_TAG_DIGITS, "sha256-" SL_FMT "%s", SL_ARG(hex), endings[came]);
}

const char *evidence_where(const struct evidence *e, enum evidence_came came,
                           char out[EVIDENCE_TAG_DIGITS])
{
    if (came == EVIDENCE_REFERRER)
        (void)snprintf(out, EVIDENCE_TAG_DIGITS, "referrer");
    else if (came == EVIDENCE_SELF)
        (void)snprintf(out, EVIDENCE_TAG_DIGITS, "itself");
    else
        write_tag(e, came, out);
    return out;
}

static struct evidence_item *add_item(struct evidence *e, const struct evidence_work *w,
                                      const struct digest *digest)
{
    struct evidence_item *item = pg_new(&e->arena, struct evidence_item);

    PG_CHECK(e->nitems < EVIDENCE_WORK_MAX);
    e->items[e->nitems++] = item;
    item->digest = *digest;
    item->format = w->format;
    (void)evidence_where(e, w->came, item->where);
    return item;
}

/* Beyond the places that there are, one refusal more tells nobody anything. */
void evidence_refuse(struct evidence *e, const struct evidence_work *w, const struct digest *digest,
                     enum verify_reason reason, const char *fmt, ...)
{
    char text[PG_ERR_TEXT_MAX];
    struct evidence_item *item;
    va_list args;

    if (e->nitems >= EVIDENCE_WORK_MAX / 2) {
        evidence_cut(e, "there is more of what is no evidence than is looked at");
        return;
    }
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    item = add_item(e, w, digest);
    item->refusal.reason = reason;
    (void)pg_fail(&item->refusal.err, PG_E_DENIED, "%s", text);
}

/* ---- work ---------------------------------------------------------------------------------- */

struct evidence_work *evidence_add(struct evidence *e, enum evidence_what what,
                                   enum evidence_came came)
{
    struct evidence_work *w = &e->work[e->nwork];

    if (e->nwork == EVIDENCE_WORK_MAX) {
        evidence_cut(e, "there is more to be fetched than is looked at");
        return NULL;
    }
    *w = (struct evidence_work){.came = came};
    w->step.id = e->nwork++;
    w->step.what = what;
    w->step.digest = e->subject;
    w->step.size_max = MANIFEST_BYTES_MAX;
    if (what == EVIDENCE_TAG)
        write_tag(e, came, w->step.tag);
    return w;
}

struct evidence *evidence_new(const struct digest *subject, const struct evidence_wants *wants)
{
    struct evidence *e = calloc(1, sizeof(*e));

    PG_CHECK(e != NULL && subject->alg == PG_SHA256);
    pg_arena_init(&e->arena, ARENA_BYTES);
    e->subject = *subject;
    e->wants = *wants;
    if (wants->simple)
        (void)evidence_add(e, EVIDENCE_TAG, EVIDENCE_SIG);
    if (wants->envelope)
        (void)evidence_add(e, EVIDENCE_TAG, EVIDENCE_ATT);
    if (wants->simple || wants->bundle || wants->notation)
        (void)evidence_add(e, EVIDENCE_REFERRERS, EVIDENCE_REFERRER);
    return e;
}

struct evidence *evidence_new_of(const struct digest *d)
{
    const struct evidence_wants none = {.simple = false};
    struct evidence *e = evidence_new(d, &none);

    (void)evidence_add(e, EVIDENCE_MANIFEST, EVIDENCE_SELF);
    return e;
}

void evidence_free(struct evidence *e)
{
    if (e == NULL)
        return;
    for (size_t i = 0; i < e->nitems; i++)
        pg_err_clear(&e->items[i]->refusal.err);
    for (size_t i = 0; i < e->nroots; i++)
        json_decref(e->roots[i]);
    for (size_t i = 0; i < e->nheld; i++)
        pg_bytes_unref(e->held[i]);
    pg_arena_free(&e->arena);
    free(e);
}

bool evidence_next(struct evidence *e, struct evidence_step *step_r)
{
    if (e->nout == e->nwork)
        return false;
    e->work[e->nout].is_out = true;
    *step_r = e->work[e->nout++].step;
    return true;
}

bool evidence_is_done(const struct evidence *e)
{
    return e->nanswered == e->nwork;
}

/* ---- answers ------------------------------------------------------------------------------- */

static const char *name_of(const struct evidence_work *w, char out[DIGEST_TEXT_MAX])
{
    if (w->step.what == EVIDENCE_TAG)
        return w->step.tag;
    if (w->step.what == EVIDENCE_REFERRERS)
        return "the list of referrers";
    (void)digest_write(&w->step.digest, out);
    return out;
}

static void put_blob(struct evidence *e, const struct evidence_work *w, struct pg_bytes *bytes)
{
    struct evidence_item *item = add_item(e, w, &w->step.digest);

    PG_CHECK(e->nheld < EVIDENCE_WORK_MAX);
    e->held[e->nheld++] = pg_bytes_ref(bytes);
    item->evidence = (struct verify_evidence){.format = w->format,
                                              .bytes = pg_bytes_sl(bytes),
                                              .media_type = w->media_type,
                                              .annotations = w->annotations};
}

static void put_found(struct evidence *e, const struct evidence_work *w,
                      const struct evidence_answer *a)
{
    struct sl bytes = pg_bytes_sl(a->bytes);
    bool is_named = w->step.what == EVIDENCE_MANIFEST || w->step.what == EVIDENCE_BLOB;
    char text[DIGEST_TEXT_MAX];

    if (bytes.n > w->step.size_max) {
        evidence_refuse(e, w, &w->step.digest, VERIFY_TOO_LARGE, "%s has more than %zu bytes",
                        name_of(w, text), w->step.size_max);
        return;
    }
    if (is_named) {
        struct digest is = digest_of(w->step.digest.alg, bytes);

        if (!digest_eq(&is, &w->step.digest)) {
            evidence_refuse(e, w, &w->step.digest, VERIFY_MALFORMED,
                            "what came for %s are other bytes", name_of(w, text));
            return;
        }
    }
    if (w->step.what == EVIDENCE_BLOB)
        put_blob(e, w, a->bytes);
    else if (w->came == EVIDENCE_REFERRER && w->step.what != EVIDENCE_MANIFEST)
        evidence_read_list(e, w, bytes, a->media_type);
    else
        evidence_read_manifest(e, w, bytes, a->media_type);
}

static void put_next_page(struct evidence *e, struct sl next)
{
    struct evidence_work *w;

    if (next.p == NULL)
        return;
    if (++e->npages >= EVIDENCE_PAGES_MAX || next.n > EVIDENCE_NEXT_MAX) {
        evidence_cut(e, "the list of referrers goes on after %u pages", e->npages);
        return;
    }
    w = evidence_add(e, EVIDENCE_REFERRERS, EVIDENCE_REFERRER);
    if (w != NULL)
        w->step.next = pg_copy(&e->arena, next);
}

/* What is not there is no evidence. Only a registry that lists no referrers may have them under a
 * tag instead; what another manifest names has to be there. */
static void put_absent(struct evidence *e, const struct evidence_work *w)
{
    char text[DIGEST_TEXT_MAX];

    if (w->step.what == EVIDENCE_REFERRERS && w->step.next.p == NULL)
        (void)evidence_add(e, EVIDENCE_TAG, EVIDENCE_REFERRER);
    else if (w->step.what != EVIDENCE_TAG)
        evidence_refuse(e, w, &w->step.digest, VERIFY_MALFORMED, "%s is not there",
                        name_of(w, text));
}

void evidence_put(struct evidence *e, unsigned id, const struct evidence_answer *a)
{
    struct evidence_work *w = &e->work[id];
    char text[DIGEST_TEXT_MAX];

    PG_CHECK(id < e->nwork && w->is_out && !w->is_answered);
    w->is_answered = true;
    e->nanswered++;
    switch (a->outcome) {
    case EVIDENCE_FOUND:
        PG_CHECK(a->bytes != NULL);
        put_found(e, w, a);
        if (w->step.what == EVIDENCE_REFERRERS)
            put_next_page(e, a->next);
        break;
    case EVIDENCE_ABSENT:
        put_absent(e, w);
        break;
    case EVIDENCE_LARGE:
        evidence_refuse(e, w, &w->step.digest, VERIFY_TOO_LARGE, "%s has more than %zu bytes",
                        name_of(w, text), w->step.size_max);
        break;
    case EVIDENCE_FAILED:
        troubled(e, "%s could not be fetched: %s", name_of(w, text),
                 a->trouble != NULL ? a->trouble : "it is not known why");
        break;
    }
}

size_t evidence_count(const struct evidence *e)
{
    return e->nitems;
}

const struct evidence_item *evidence_at(const struct evidence *e, size_t i)
{
    PG_CHECK(i < e->nitems);
    return e->items[i];
}

enum evidence_state evidence_state(const struct evidence *e, const char **trouble_r)
{
    *trouble_r = e->state == EVIDENCE_COMPLETE ? NULL : e->trouble;
    return e->state;
}
