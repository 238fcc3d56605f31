/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admit/own.h"

#include "base/buf.h"
#include "cache/subject.h"
#include "oci/media.h"

#define LIST_BYTES_MAX ((size_t)64 * 1024)

static struct pg_bytes *take(struct overlay_manifest *m)
{
    return m->held != NULL ? m->held : pg_bytes_new(m->bytes);
}

struct pg_bytes *own_manifest(struct store *s, struct sl repository, struct sl tag,
                              const struct digest *digest, struct pg_arena *arena,
                              struct sl *type_r)
{
    struct overlay_manifest m = {0};
    struct index_link link;
    struct index_tag named;
    struct pg_err ignored = {0};
    struct digest d = *digest;
    int found = 1;

    if (tag.p != NULL) {
        found = overlay_get_tag(s, repository, tag, &named, &ignored);
        d = found > 0 ? named.digest : d;
    }
    if (found > 0)
        found = overlay_get_link(s, repository, &d, &link, &ignored);
    if (found > 0)
        found = overlay_get_manifest(s, &d, arena, &m, &ignored);
    pg_err_clear(&ignored);
    if (found <= 0)
        return NULL;
    *type_r = m.media_type;
    return take(&m);
}

static void put_descriptor(struct store *s, struct sl repository, const struct digest *d,
                           struct pg_buf *b)
{
    struct sl type = {NULL, 0};
    char text[DIGEST_TEXT_MAX];
    struct pg_arena arena;
    struct pg_bytes *bytes;

    pg_arena_init(&arena, OWN_ARENA_BYTES);
    bytes = own_manifest(s, repository, (struct sl){NULL, 0}, d, &arena, &type);
    if (bytes != NULL) {
        (void)pg_buf_put(b, b->p[b->n - 1] == '[' ? SL("{\"mediaType\":") : SL(",{\"mediaType\":"));
        (void)pg_buf_put_json(b, type);
        (void)pg_buf_printf(b, ",\"digest\":\"" SL_FMT "\",\"size\":%zu}",
                            SL_ARG(digest_write(d, text)), bytes->n);
    }
    pg_bytes_unref(bytes);
    pg_arena_free(&arena);
}

struct pg_bytes *own_referrers(struct store *s, struct sl repository, const struct digest *subject,
                               size_t max)
{
    struct digest at, next;
    const struct digest *after = NULL;
    struct pg_err ignored = {0};
    struct pg_bytes *bytes = NULL;
    struct pg_buf b;

    pg_buf_init(&b, LIST_BYTES_MAX);
    (void)pg_buf_put(
        &b, SL("{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"manifests\":["));
    for (size_t i = 0; i < max; i++) {
        if (subject_next_referrer(s, subject, after, &next, &ignored) <= 0)
            break;
        put_descriptor(s, repository, &next, &b);
        at = next;
        after = &at;
    }
    pg_err_clear(&ignored);
    (void)pg_buf_put(&b, SL("]}"));
    if (!b.over)
        bytes = pg_bytes_new(pg_buf_sl(&b));
    pg_buf_free(&b);
    return bytes;
}
