/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layout - an OCI image layout as the place where evidence is fetched, for verify_layout.c: files
 * are read, blobs checked, and what evidence_next() wants is answered. Files above 64 KiB are cut,
 * and are then not what their names say.
 *
 * Ownership:  layout_close(). Failure: what cannot be read is not there.
 */
#pragma once

#include <stdio.h>

#include "base/json.h"
#include "signing/evidence.h"

struct layout {
    struct pg_bytes *manifest;
    struct evidence *evidence;
};

static inline struct pg_bytes *layout_read(const char *dir, const char *name)
{
    char path[1024], bytes[65536];
    size_t n = 0;
    FILE *f;

    (void)snprintf(path, sizeof(path), "%s%s%s", dir, dir[0] != '\0' ? "/" : "", name);
    f = fopen(path, "rb");
    if (f != NULL) {
        n = fread(bytes, 1, sizeof(bytes), f);
        (void)fclose(f);
    }
    return f != NULL ? pg_bytes_new((struct sl){bytes, n}) : NULL;
}

/* The blob, if its bytes are what its name says. */
static inline struct pg_bytes *layout_blob(const char *dir, const struct digest *d)
{
    char text[DIGEST_TEXT_MAX], name[DIGEST_TEXT_MAX + 16];
    struct pg_bytes *bytes;
    struct digest is;

    (void)snprintf(name, sizeof(name), "blobs/sha256/%s", digest_write(d, text).p + 7);
    bytes = layout_read(dir, name);
    if (bytes == NULL)
        return NULL;
    is = digest_of(PG_SHA256, pg_bytes_sl(bytes));
    if (digest_eq(&is, d))
        return bytes;
    pg_bytes_unref(bytes);
    return NULL;
}

static inline bool layout_tag(const json_t *index, const char *tag, struct digest *d_r)
{
    struct pg_err err = {0};
    const json_t *m;
    size_t i;

    json_array_foreach(json_object_get(index, "manifests"), i, m)
    {
        struct sl name =
            pg_json_str(json_object_get(m, "annotations"), "org.opencontainers.image.ref.name");

        if (name.p != NULL && sl_eq(name, sl_str(tag)))
            return digest_parse(pg_json_str(m, "digest"), d_r, &err) == 0;
    }
    return false;
}

/* Fetches all that there is about the subject; a layout has no list of referrers. */
static inline void layout_gather(struct evidence *e, const char *dir, const json_t *index)
{
    struct evidence_step step;

    while (evidence_next(e, &step)) {
        struct evidence_answer a = {.outcome = EVIDENCE_ABSENT, .media_type = SL("")};

        if (step.what != EVIDENCE_REFERRERS &&
            (step.what != EVIDENCE_TAG || layout_tag(index, step.tag, &step.digest)))
            a.bytes = layout_blob(dir, &step.digest);
        if (a.bytes != NULL)
            a.outcome = EVIDENCE_FOUND;
        evidence_put(e, step.id, &a);
        pg_bytes_unref(a.bytes);
    }
}

/* The image and all that is there about it; false: there is no such image. */
static inline bool layout_open(struct layout *l, const char *dir, const char *tag)
{
    struct evidence_wants wants = {.simple = true, .bundle = true};
    struct pg_bytes *text = layout_read(dir, "index.json");
    struct pg_err err = {0};
    json_t *index = NULL;
    struct digest d;

    *l = (struct layout){NULL, NULL};
    if (text != NULL && pg_json_parse(pg_bytes_sl(text), PG_E_DENIED, &index, &err) == 0 &&
        layout_tag(index, tag, &d))
        l->manifest = layout_blob(dir, &d);
    if (l->manifest != NULL) {
        l->evidence = evidence_new(&d, &wants);
        layout_gather(l->evidence, dir, index);
    }
    json_decref(index);
    pg_bytes_unref(text);
    pg_err_clear(&err);
    return l->manifest != NULL;
}

static inline void layout_close(struct layout *l)
{
    evidence_free(l->evidence);
    pg_bytes_unref(l->manifest);
}
