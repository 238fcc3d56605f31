/* SPDX-License-Identifier: Apache-2.0 */
#include "fakes/fake_store.h"

#include <fcntl.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "cache/lost.h"
#include "cache/partial.h"
#include "proxy/admit/scanning.h"

struct row {
    bool used;
    char repo[300], tag[200];
    struct digest digest;
    int64_t validated_s;
    enum index_link_kind kind;
    uint64_t size;
    int64_t seen_s;
    char type[128], bytes[96 * 1024];
    size_t nbytes;
};

struct fake_store_counts fake_store;
char fake_store_event[512];
unsigned fake_store_blobs_open, fake_store_late;
bool fake_store_fails;
struct access fake_store_access;
bool fake_store_unshown;
static struct row tag_rows[FAKE_STORE_ROWS], link_rows[FAKE_STORE_ROWS],
    manifest_rows[FAKE_STORE_ROWS], blob_rows[FAKE_STORE_ROWS];
static struct {
    bool has;
    struct digest by, subject;
} subject_rows[FAKE_STORE_ROWS];
static unsigned nsubjects;

void fake_store_reset(void)
{
    PG_CHECK(fake_store_blobs_open == 0);
    memset(&fake_store, 0, sizeof(fake_store));
    memset(tag_rows, 0, sizeof(tag_rows));
    memset(link_rows, 0, sizeof(link_rows));
    memset(manifest_rows, 0, sizeof(manifest_rows));
    memset(blob_rows, 0, sizeof(blob_rows));
    memset(subject_rows, 0, sizeof(subject_rows));
    nsubjects = 0;
    fake_store_event[0] = '\0';
    fake_store_fails = false;
    fake_store_access = (struct access){0};
    fake_store_unshown = false;
    fake_store_late = 0;
}

static bool says(const char *text, struct sl s)
{
    return sl_eq((struct sl){text, strlen(text)}, s);
}

static void keep(char *to, size_t room, struct sl from)
{
    PG_CHECK(from.n < room);
    memcpy(to, from.p, from.n);
    to[from.n] = '\0';
}

static struct sl text(const char *s)
{
    return (struct sl){s, strlen(s)};
}

static struct row *find(struct row *rows, struct sl repo, struct sl tag, const struct digest *d)
{
    for (size_t i = 0; i < FAKE_STORE_ROWS; i++)
        if (rows[i].used && says(rows[i].repo, repo) && says(rows[i].tag, tag) &&
            (d == NULL || digest_eq(&rows[i].digest, d)))
            return &rows[i];
    return NULL;
}

static struct row *put(struct row *rows, struct sl repo, struct sl tag, const struct digest *d)
{
    struct row *r = find(rows, repo, tag, tag.n > 0 ? NULL : d);

    for (size_t i = 0; r == NULL && i < FAKE_STORE_ROWS; i++)
        if (!rows[i].used)
            r = &rows[i];
    PG_CHECK(r != NULL);
    r->used = true;
    keep(r->repo, sizeof(r->repo), repo);
    keep(r->tag, sizeof(r->tag), tag);
    r->digest = *d;
    return r;
}

void fake_store_put_tag(const char *repo, const char *tag, const struct digest *d,
                        int64_t validated_s)
{
    put(tag_rows, text(repo), text(tag), d)->validated_s = validated_s;
}

void fake_store_put_link(const char *repo, const struct digest *d, enum index_link_kind kind,
                         uint64_t size)
{
    struct row *r = put(link_rows, text(repo), SL(""), d);

    r->kind = kind;
    r->seen_s = pg_clock_wall_s();
    r->size = size;
}

static void put_manifest(const struct digest *d, struct sl type, struct sl bytes)
{
    struct row *r = put(manifest_rows, SL(""), SL(""), d);

    keep(r->type, sizeof(r->type), type);
    keep(r->bytes, sizeof(r->bytes), bytes);
    r->nbytes = bytes.n;
}

void fake_store_put_manifest(const struct digest *d, const char *type, const char *bytes)
{
    put_manifest(d, text(type), text(bytes));
}

void fake_store_put_subject(const struct digest *by, const struct digest *d)
{
    PG_CHECK(nsubjects < FAKE_STORE_ROWS);
    subject_rows[nsubjects].by = *by;
    if (d != NULL)
        subject_rows[nsubjects].subject = *d;
    subject_rows[nsubjects++].has = d != NULL;
}

void fake_store_put_blob(const struct digest *d, uint64_t size)
{
    put(blob_rows, SL(""), SL(""), d)->size = size;
}

bool fake_store_has_link(const char *repo, const struct digest *d)
{
    return find(link_rows, text(repo), SL(""), d) != NULL;
}

bool fake_store_has_tag(const char *repo, const char *tag, const struct digest *d)
{
    return find(tag_rows, text(repo), text(tag), d) != NULL;
}

static int broken(struct pg_err *err)
{
    return pg_fail(err, PG_E_STORE_IO, "the disk is broken");
}

int overlay_get_tag(struct store *s, struct sl repo, struct sl tag, struct index_tag *r,
                    struct pg_err *err)
{
    struct row *row = find(tag_rows, repo, tag, NULL);

    (void)s;
    fake_store.tag_gets++;
    if (fake_store_fails)
        return broken(err);
    if (row == NULL)
        return 0;
    *r = (struct index_tag){.digest = row->digest, .validated_s = row->validated_s};
    return 1;
}

int overlay_next_tag(struct store *s, struct sl repo, struct sl after, struct overlay_tag *r,
                     struct pg_err *err)
{
    struct row *first = NULL;
    char last[200];

    (void)s;
    if (fake_store_fails)
        return broken(err);
    keep(last, sizeof(last), after.p != NULL ? after : SL(""));
    for (size_t i = 0; i < FAKE_STORE_ROWS; i++) {
        struct row *row = &tag_rows[i];

        if (row->used && says(row->repo, repo) && strcmp(row->tag, last) > 0 &&
            (first == NULL || strcmp(row->tag, first->tag) < 0))
            first = row;
    }
    if (first == NULL)
        return 0;
    r->nname = strlen(first->tag);
    memcpy(r->name, first->tag, r->nname);
    r->tag = (struct index_tag){.digest = first->digest, .validated_s = first->validated_s};
    return 1;
}

int overlay_get_link(struct store *s, struct sl repo, const struct digest *d, struct index_link *r,
                     struct pg_err *err)
{
    struct row *row = find(link_rows, repo, SL(""), d);

    (void)s;
    fake_store.link_gets++;
    if (fake_store_fails)
        return broken(err);
    if (row == NULL)
        return 0;
    *r = (struct index_link){.kind = row->kind, .size = row->size, .first_seen_s = row->seen_s};
    return 1;
}

size_t overlay_manifests(struct store *s, enum manifest_kind kind, struct overlay_shown *all,
                         size_t max)
{
    (void)s, (void)kind, (void)all, (void)max;
    return 0; /* all of it is committed */
}

int overlay_get_manifest(struct store *s, const struct digest *d, struct pg_arena *arena,
                         struct overlay_manifest *r, struct pg_err *err)
{
    struct row *row = find(manifest_rows, SL(""), SL(""), d);

    (void)s;
    (void)err;
    fake_store.manifest_gets++;
    if (row == NULL)
        return 0;
    *r = (struct overlay_manifest){.media_type = pg_copy(arena, text(row->type)), .sha256 = *d};
    r->held = pg_bytes_new((struct sl){row->bytes, row->nbytes});
    r->bytes = pg_bytes_sl(r->held);
    return 1;
}

int subject_next_referrer(struct store *s, const struct digest *subject, const struct digest *after,
                          struct digest *r, struct pg_err *err)
{
    bool begun = after == NULL;

    (void)s;
    if (fake_store_fails)
        return broken(err);
    for (unsigned i = 0; i < nsubjects; i++) {
        if (begun && subject_rows[i].has && digest_eq(&subject_rows[i].subject, subject)) {
            *r = subject_rows[i].by;
            return 1;
        }
        begun = begun || digest_eq(&subject_rows[i].by, after);
    }
    return 0;
}

int subject_is_another(struct store *s, const struct digest *subject, const struct digest *d,
                       struct pg_err *err)
{
    (void)s;
    (void)err;
    for (unsigned i = 0; i < nsubjects; i++)
        if (digest_eq(&subject_rows[i].by, d))
            return !subject_rows[i].has || !digest_eq(&subject_rows[i].subject, subject);
    return 0;
}

void land_manifest(struct store *s, const struct land_manifest *m)
{
    (void)s;
    fake_store.landed_manifests++;
    put_manifest(&m->digest, m->parsed->media_type, pg_bytes_sl(m->bytes));
    put(link_rows, m->repo, SL(""), &m->digest)->kind = INDEX_LINK_MANIFEST;
    if (m->tag.n > 0)
        put(tag_rows, m->repo, m->tag, &m->digest)->validated_s = m->now_s;
}

void land_tag(struct store *s, struct sl repo, struct sl tag, const struct digest *d, int64_t now_s)
{
    (void)s;
    fake_store.landed_tags++;
    put(tag_rows, repo, tag, d)->validated_s = now_s;
}

void land_link(struct store *s, struct sl repo, const struct digest *d, enum index_link_kind kind,
               uint64_t size, int64_t now_s)
{
    struct row *r = put(link_rows, repo, SL(""), d);

    (void)s;
    (void)now_s;
    fake_store.landed_links++;
    r->kind = kind;
    r->size = size;
}

void lost_note(struct store *s, struct sl repo, const struct digest *d)
{
    (void)s;
    (void)repo;
    (void)d;
}

void lost_found(struct store *s, struct sl repo, const struct digest *d)
{
    lost_note(s, repo, d);
}

void land_tag_gone(struct store *s, struct sl repo, struct sl tag)
{
    struct row *r = find(tag_rows, repo, tag, NULL);

    (void)s;
    fake_store.tags_gone++;
    if (r != NULL)
        r->used = false;
}

void land_event(struct store *s, const struct land_event *e)
{
    (void)s;
    fake_store.events++;
    (void)snprintf(fake_store_event, sizeof(fake_store_event), SL_FMT " " SL_FMT " " SL_FMT,
                   SL_ARG(e->caller), SL_ARG(e->repo), SL_ARG(e->reference));
}

char fake_store_scope[1200];

static void note_scope(const struct catalog_scope *scope)
{
    (void)snprintf(fake_store_scope, sizeof(fake_store_scope), SL_FMT "|" SL_FMT "|" SL_FMT,
                   SL_ARG(scope->upstream), SL_ARG(scope->repo), SL_ARG(scope->tag));
}

/* One row, and one more page. */
int catalog_page(struct store *s, const struct catalog_question *q, catalog_each *each, void *arg,
                 struct pg_buf *next, struct pg_err *err)
{
    struct catalog_row row = {.repo = SL("docker.io/library/app"), .tag = SL("v1"), .bytes = 7};

    (void)s;
    note_scope(&q->scope);
    if (fake_store_fails)
        return broken(err);
    each(arg, &row);
    if (q->cursor.n == 0)
        (void)pg_buf_put(next, SL("c0"));
    return 0;
}

int purge_run(struct store *s, const struct purge_question *q, struct purge_result *r,
              struct pg_buf *next, struct pg_err *err)
{
    (void)s;
    (void)next;
    note_scope(&q->scope);
    if (fake_store_fails)
        return broken(err);
    *r = (struct purge_result){.tags = 1, .blobs = q->dry_run ? 3 : 2};
    return 0;
}

int blob_open(struct store *s, const struct digest *d, struct blob **blob_r, struct pg_err *err)
{
    struct row *row = find(blob_rows, SL(""), SL(""), d);

    (void)s;
    fake_store.blob_opens++;
    if (fake_store_fails)
        return broken(err);
    if (fake_store_late > 0) {
        fake_store_late--;
        return 0;
    }
    if (row == NULL)
        return 0;
    *blob_r = calloc(1, sizeof(**blob_r));
    PG_CHECK(*blob_r != NULL);
    (*blob_r)->size = row->size;
    (*blob_r)->digest = *d;
    fake_store_blobs_open++;
    return 1;
}

bool partial_is_done(struct store *s, const struct digest *d)
{
    (void)s;
    return find(blob_rows, SL(""), SL(""), d) != NULL;
}

void blob_close(struct blob *b)
{
    if (b != NULL)
        fake_store_blobs_open--;
    free(b);
}

void use_touch(struct use *u, const struct digest *d, int64_t now_s)
{
    (void)u;
    (void)d;
    (void)now_s;
    fake_store.touches++;
}

int access_look(struct store *s, struct sl repo, struct access *r, struct pg_err *err)
{
    (void)s;
    (void)repo;
    if (fake_store_fails)
        return broken(err);
    *r = fake_store_access;
    return 0;
}

void access_silent(struct store *s, struct sl repo)
{
    (void)s;
    (void)repo;
    fake_store_access.silent = true;
}

void access_note(struct store *s, struct sl repo, bool withdrawn, int64_t now_s)
{
    (void)s;
    (void)repo;
    fake_store_access = (struct access){.withdrawn = withdrawn, .at_s = now_s};
}

/* Nothing is scanned. */
void scanning_want(struct scanning *s, const struct digest *manifest, struct sl repository,
                   enum scanner_turn turn)
{
    (void)manifest;
    (void)repository;
    (void)turn;
    PG_CHECK(s == NULL);
}

void land_link_gone(struct store *s, struct sl repo, const struct digest *d)
{
    struct row *r = find(link_rows, repo, SL(""), d);

    (void)s;
    fake_store.links_gone++;
    if (r != NULL)
        r->used = false;
}

struct sl proof_upstream(struct sl repo)
{
    const char *slash = memchr(repo.p, '/', repo.n);

    return slash == NULL ? repo : (struct sl){repo.p, (size_t)(slash - repo.p)};
}

int proof_has(struct store *s, struct sl repo, const struct digest *d, struct pg_err *err)
{
    (void)s;
    (void)repo;
    (void)d;
    return fake_store_fails ? broken(err) : !fake_store_unshown;
}

int proof_pick(struct store *s, const struct digest *d, struct proof_parts *r, struct pg_err *err)
{
    const struct row *row = find(blob_rows, SL(""), SL(""), d);

    (void)s;
    (void)err;
    if (row == NULL)
        return 0;
    *r = (struct proof_parts){.size = row->size};
    return 1;
}

void land_past_asked(struct store *s, struct sl repo, struct sl tag, const struct digest *d,
                     bool is_there)
{
    (void)s;
    (void)repo;
    (void)tag;
    (void)d;
    (void)is_there;
}

void land_past_fixed(struct store *s, struct sl repo, struct sl tag, const struct digest *d)
{
    (void)s;
    (void)repo;
    (void)tag;
    (void)d;
}
