/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Content-Type, a newline, a document. What is taken as an image is never taken as an index under
 * any other Content-Type, and the annotations are a JSON object of their own.
 */
#include "oci/manifest.h"

#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "oci/media.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_desc(const struct manifest_desc *d)
{
    char text[DIGEST_TEXT_MAX];
    struct pg_err err = {0};
    struct digest again;

    PG_CHECK(d->size < (uint64_t)1 << 53);
    PG_CHECK(digest_parse(digest_write(&d->digest, text), &again, &err) == 0);
    PG_CHECK(digest_eq(&again, &d->digest));
    for (size_t i = 0; i < d->media_type.n; i++)
        PG_CHECK(d->media_type.p[i] >= 0x20 && d->media_type.p[i] <= 0x7e);
    for (size_t i = 0; i < d->platform.n; i++)
        PG_CHECK(d->platform.p[i] > 0x20 && d->platform.p[i] <= 0x7e);
}

static void check_annotations(struct sl text)
{
    struct pg_err err = {0};
    json_t *root = NULL;

    if (text.n == 0)
        return;
    PG_CHECK(pg_json_parse(text, PG_E_UPSTREAM_WRONG, &root, &err) == 0);
    PG_CHECK(json_is_object(root));
    json_decref(root);
}

static void check_kind(const struct manifest *m)
{
    PG_CHECK(m->media_type.n > 0 && memchr(m->media_type.p, '/', m->media_type.n) != NULL);
    for (size_t i = 0; i < m->media_type.n; i++)
        PG_CHECK(m->media_type.p[i] > 0x20 && m->media_type.p[i] <= 0x7e);
    PG_CHECK((m->kind == MANIFEST_IMAGE) == media_is_image(m->media_type));
    PG_CHECK((m->kind == MANIFEST_INDEX) == media_is_index(m->media_type));
    PG_CHECK(!media_is_schema1(m->media_type));
    PG_CHECK(m->has_config == (m->kind == MANIFEST_IMAGE));
    if (m->kind == MANIFEST_OTHER)
        PG_CHECK(m->nchildren == 0 && !m->has_subject && m->annotations.n == 0);
}

static void check_links(const struct manifest *m)
{
    PG_CHECK(m->nchildren <= MANIFEST_CHILDREN_MAX);
    PG_CHECK((m->children != NULL) == (m->nchildren > 0));
    if (m->has_config)
        check_desc(&m->config);
    if (m->has_subject)
        check_desc(&m->subject);
    for (size_t i = 0; i < m->nchildren; i++)
        check_desc(&m->children[i]);
    check_annotations(m->annotations);
}

static bool parse(struct sl bytes, struct sl type, struct pg_arena *arena, struct manifest *m_r)
{
    struct pg_err err = {0};
    int status = manifest_parse(bytes, type, arena, m_r, &err);

    PG_CHECK(status == 0 || err.kind == PG_E_UPSTREAM_WRONG);
    PG_CHECK(!arena->over);
    pg_err_clear(&err);
    return status == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl all = {(const char *)data, size};
    const char *newline = size > 0 ? memchr(all.p, '\n', size) : NULL;
    struct sl type = {"", 0}, bytes = all;
    struct pg_arena arena;
    struct manifest m = {0}, other = {0};

    if (newline != NULL) {
        type = (struct sl){all.p, (size_t)(newline - all.p)};
        bytes = (struct sl){newline + 1, size - type.n - 1};
    }
    pg_arena_init(&arena, MANIFEST_ARENA_BYTES);
    if (parse(bytes, type, &arena, &m)) {
        check_kind(&m);
        check_links(&m);
        if (m.kind == MANIFEST_IMAGE)
            PG_CHECK(!parse(bytes, SL(MEDIA_OCI_INDEX), &arena, &other));
        if (m.kind == MANIFEST_INDEX)
            PG_CHECK(!parse(bytes, SL(MEDIA_DOCKER_MANIFEST), &arena, &other));
    }
    pg_arena_free(&arena);
    return 0;
}
