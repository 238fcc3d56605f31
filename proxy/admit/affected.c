/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admit/affected.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "cache/roster.h"
#include "oci/manifest.h"
#include "proxy/admit/packages.h"

#define STEP          64                /* manifests in one view */
#define SCRATCH_BYTES ((size_t)1 << 40) /* what one row holds bounds it */

/* ---- the question -------------------------------------------------------------------------- */

/* The longest part of a name that is written in one way only, but for case: what does not have it
 * need not be parsed. */
static struct sl longest_word(struct sl name)
{
    struct sl best = {name.p, 0};
    size_t from = 0;

    for (size_t i = 0; i <= name.n; i++)
        if (i == name.n || !isalnum((unsigned char)name.p[i])) {
            if (i - from > best.n)
                best = (struct sl){name.p + from, i - from};
            from = i + 1;
        }
    return best;
}

int affected_parse(struct sl text, struct pg_arena *arena, struct affected_question *q_r,
                   struct pg_err *err)
{
    const char *at;

    *q_r = (struct affected_question){.text = text};
    if (text.n == 0 || text.n > AFFECTED_TEXT_MAX)
        return pg_fail(err, PG_E_BAD_FRAMING,
                       "what is asked for has 1 to %d characters: CVE-2024-3094, PACKAGE, "
                       "PACKAGE@VERSION or pkg:TYPE/NAME@VERSION",
                       AFFECTED_TEXT_MAX);
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] <= ' ' || text.p[i] == 0x7f)
            return pg_fail(err, PG_E_BAD_FRAMING, "a name has no blanks and no controls");
    q_r->is_vulnerability = (text.n > 4 && strncasecmp(text.p, "CVE-", 4) == 0) ||
                            (text.n > 5 && strncasecmp(text.p, "GHSA-", 5) == 0);
    q_r->is_url = sl_starts(text, SL("pkg:"));
    if (q_r->is_url) {
        int rc = purl_parse(text, arena, &q_r->purl, err);

        q_r->word = longest_word(q_r->purl.name);
        return rc;
    }
    at = memrchr(text.p, '@', text.n);
    if (at != NULL && at > text.p) { /* "@scope/name" has one in front */
        q_r->name = (struct sl){text.p, (size_t)(at - text.p)};
        q_r->version = (struct sl){at + 1, text.n - q_r->name.n - 1};
        if (q_r->version.n == 0)
            return pg_fail(err, PG_E_BAD_FRAMING, "there is no version behind the @");
    }
    return 0;
}

static bool has_word(struct sl text, struct sl word)
{
    for (size_t i = 0; i + word.n <= text.n; i++)
        if (word.n == 0 ||
            ((text.p[i] | 0x20) == (word.p[0] | 0x20) && /* for letters and digits, quickly */
             strncasecmp(text.p + i, word.p, word.n) == 0))
            return true;
    return false;
}

static bool fits_url(const struct affected_question *q, struct sl purl, struct pg_arena *scratch)
{
    struct pg_err ignored = {0};
    struct purl found;
    bool is_same;

    if (purl.n == 0 || !has_word(purl, q->word))
        return false;
    is_same = purl_parse(purl, scratch, &found, &ignored) == 0 && purl_is_same(&q->purl, &found) &&
              (q->purl.version.n == 0 || purl_covers(&q->purl, &found));
    pg_err_clear(&ignored);
    return is_same;
}

static bool fits_package(const struct affected_question *q, const struct sbom_package *p,
                         struct pg_arena *scratch)
{
    if (q->is_url)
        return fits_url(q, p->purl, scratch);
    if (q->name.p != NULL && sl_eq_nocase(p->name, q->name) && sl_eq(p->version, q->version))
        return true;
    return sl_eq_nocase(p->name, q->text);
}

static bool fits(const struct affected_question *q, const struct report_finding *f,
                 struct pg_arena *scratch)
{
    const struct sbom_package p = {.name = f->package, .version = f->version, .purl = f->purl};

    return fits_package(q, &p, scratch) || (!q->is_url && alias_fits(q->text, f->id, &f->aliases));
}

/* ---- one image ----------------------------------------------------------------------------- */

struct search {
    struct store *store;
    const struct affected_question *question;
    struct pg_arena *arena; /* of what is told */
    struct affected_page *page;
    size_t nmax;
};

/* Of one image. */
struct tally {
    struct affected_hit hits[AFFECTED_HITS_MAX];
    size_t n;
    bool is_scanned, is_cut;
};

static struct sl keep(struct pg_arena *arena, struct sl s)
{
    return s.n > 0 ? pg_copy(arena, s) : SL("");
}

static void note(struct search *x, struct tally *t, const struct result *r, size_t i)
{
    const struct report_finding *f = &r->findings[i];

    if (t->n < AFFECTED_HITS_MAX)
        t->hits[t->n] = (struct affected_hit){.source = keep(x->arena, r->source),
                                              .id = keep(x->arena, f->id),
                                              .package = keep(x->arena, f->package),
                                              .version = keep(x->arena, f->version),
                                              .fixed = keep(x->arena, f->fixed),
                                              .severity = f->severity,
                                              .since_s = r->since_s[i],
                                              .is_exploited = f->is_exploited,
                                              .is_suppressed = f->is_suppressed};
    t->n++;
}

static void look_at(struct search *x, struct tally *t, const struct result *r,
                    struct pg_arena *scratch)
{
    t->is_scanned |= r->good_s > 0;
    for (size_t i = 0; i < r->nfindings; i++)
        if (fits(x->question, &r->findings[i], scratch))
            note(x, t, r, i);
    for (size_t i = 0; i < SEVERITY_N; i++)
        t->is_cut |= r->unlisted[i] > 0;
}

/* ---- packages in which nothing was found ---- */

struct seeing {
    struct search *search;
    struct tally *tally;
    struct sl source;
    struct pg_arena *scratch;
};

static bool is_told(const struct tally *t, struct sl source, const struct sbom_package *p)
{
    for (size_t i = 0; i < t->n && i < AFFECTED_HITS_MAX; i++)
        if (sl_eq(t->hits[i].source, source) && sl_eq(t->hits[i].package, p->name) &&
            sl_eq(t->hits[i].version, p->version))
            return true;
    return false;
}

static void on_package(void *arg, const struct sbom_package *p)
{
    const struct seeing *x = arg;
    struct pg_arena *arena = x->search->arena;
    struct tally *t = x->tally;

    if (!fits_package(x->search->question, p, x->scratch) || is_told(t, x->source, p))
        return;
    if (t->n < AFFECTED_HITS_MAX)
        t->hits[t->n] = (struct affected_hit){.source = keep(arena, x->source),
                                              .id = SL(""),
                                              .package = keep(arena, p->name),
                                              .version = keep(arena, p->version),
                                              .fixed = SL("")};
    t->n++;
}

static int look_at_packages(struct search *x, struct tally *t, struct index_view *v,
                            const struct digest *sha256, struct sl source, struct pg_err *err)
{
    struct pg_arena scratch;
    struct seeing s = {x, t, source, &scratch};
    bool is_cut = true;
    struct sl bytes;
    int found =
        x->question->is_vulnerability ? 0 : scanned_packages(v, sha256, source, &bytes, err);

    if (found <= 0)
        return found;
    pg_arena_init(&scratch, SCRATCH_BYTES);
    t->is_cut |= packages_read(bytes, on_package, &s, &is_cut) < 0 || is_cut;
    pg_arena_free(&scratch);
    return 0;
}

/* Of all sources; -1 is the index's. A row that cannot be read is as good as none. */
static int tally_up(struct search *x, struct index_view *v, const struct digest *sha256,
                    struct tally *t, struct pg_err *err)
{
    struct scanned_row row = {.source = {NULL, 0}};
    int found;

    while ((found = scanned_next(v, sha256, row.source, &row, err)) > 0) {
        struct pg_arena scratch;
        struct result r;

        pg_arena_init(&scratch, SCRATCH_BYTES);
        if (result_read(row.bytes, &scratch, &r) == 0) {
            r.source = row.source;
            look_at(x, t, &r, &scratch);
        }
        pg_arena_free(&scratch);
        if (look_at_packages(x, t, v, sha256, row.source, err) < 0)
            return -1;
    }
    return found;
}

/* One with layers that are file systems: signatures and SBOMs are no images, and nobody scans
 * them. */
static bool is_image(const struct index_manifest *m)
{
    struct pg_err ignored = {0};
    struct pg_arena arena;
    struct manifest doc;
    bool has_files = false;

    pg_arena_init(&arena, MANIFEST_ARENA_BYTES);
    if (manifest_parse(m->bytes, m->media_type, &arena, &doc, &ignored) == 0 &&
        doc.kind == MANIFEST_IMAGE && !doc.has_subject)
        for (size_t i = 0; i < doc.nchildren && !has_files; i++)
            has_files = doc.children[i].media_type.n > 0 &&
                        memmem(doc.children[i].media_type.p, doc.children[i].media_type.n, ".tar",
                               4) != NULL;
    pg_err_clear(&ignored);
    pg_arena_free(&arena);
    return has_files;
}

static void add(struct search *x, const struct roster_manifest *row, const struct tally *t)
{
    struct affected_image *one = pg_new(x->arena, struct affected_image);
    size_t n = t->n < AFFECTED_HITS_MAX ? t->n : AFFECTED_HITS_MAX;
    struct affected_hit *hits = pg_alloc(x->arena, n * sizeof(*hits));

    memcpy(hits, t->hits, n * sizeof(*hits));
    *one = (struct affected_image){.digest = row->digest,
                                   .sha256 = row->manifest.sha256,
                                   .hits = hits,
                                   .nhits = n,
                                   .nall = t->n,
                                   .counts = x->page->counts};
    *(x->page->last != NULL ? &x->page->last->next : &x->page->first) = one;
    x->page->last = one;
    x->page->n++;
}

static int look(struct search *x, struct index_view *v, const struct roster_manifest *row,
                struct pg_err *err)
{
    struct tally t = {.n = 0};

    if (row->is_damaged || row->manifest.kind == MANIFEST_INDEX)
        return 0;
    if (tally_up(x, v, &row->manifest.sha256, &t, err) < 0)
        return -1;
    if (t.is_scanned)
        x->page->counts.scanned++;
    else if (is_image(&row->manifest))
        x->page->counts.unscanned++;
    if (t.n > 0)
        add(x, row, &t);
    else if (t.is_cut)
        x->page->counts.cut++;
    return 0;
}

/* ---- all of them --------------------------------------------------------------------------- */

/* Some rows of one view. 1: there may be more; 0, -1. */
static int step(struct search *x, bool *begun, struct pg_err *err)
{
    struct affected_page *p = x->page;
    struct roster_manifest row;

    _index_view_ struct index_view v = index_view_begin(x->store->index);
    for (int i = 0; i < STEP; i++) {
        int found = roster_next_manifest(&v, *begun ? &p->end : NULL, &row, err);

        if (found <= 0)
            return found;
        *begun = true;
        p->end = row.digest;
        if (look(x, &v, &row, err) < 0)
            return -1;
        p->is_full = p->n >= x->nmax;
        if (p->is_full)
            return 0;
    }
    return 1;
}

int affected_find(struct store *s, const struct affected_question *q,
                  const struct affected_span *span, struct pg_arena *arena,
                  struct affected_page *page_r, struct pg_err *err)
{
    struct search x = {
        .store = s, .question = q, .arena = arena, .page = page_r, .nmax = span->nmax};
    bool begun = span->after != NULL;
    int more;

    PG_CHECK(span->nmax > 0);
    *page_r = (struct affected_page){.n = 0};
    if (begun)
        page_r->end = *span->after;
    do {
        if (span->stop != NULL && atomic_load(span->stop))
            return 0;
        more = step(&x, &begun, err);
    } while (more > 0);
    return more;
}
