/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admit/companion.h"

#include "base/hash.h"
#include "base/json.h"
#include "oci/manifest.h"
#include "signing/about.h"

#define TAG_BEGINS   "sha256-"
#define HEX_DIGITS   64
#define EMPTY_BASE64 "e30=" /* {} */

/* ---- what a tag says ----------------------------------------------------------------------- */

struct companion_claim companion_claim_of(struct sl tag)
{
    struct companion_claim c = {.is_there = false};
    char text[DIGEST_TEXT_MAX];
    struct pg_err ignored = {0};
    size_t n = SL(TAG_BEGINS).n + HEX_DIGITS;
    struct sl rest;

    if (tag.p == NULL || tag.n < n || !sl_starts(tag, SL(TAG_BEGINS)))
        return c;
    rest = (struct sl){tag.p + n, tag.n - n};
    if (rest.n > 0 && !sl_eq(rest, SL(".sig")) && !sl_eq(rest, SL(".att")))
        return c;
    memcpy(text, tag.p, n);
    text[SL(TAG_BEGINS).n - 1] = ':';
    c.is_there = digest_parse((struct sl){text, n}, &c.about, &ignored) == 0;
    c.is_list = rest.n == 0;
    pg_err_clear(&ignored);
    return c;
}

bool companion_claims_are_same(const struct companion_claim *a, const struct companion_claim *b)
{
    return a->is_there == b->is_there &&
           (!a->is_there || (a->is_list == b->is_list && digest_eq(&a->about, &b->about)));
}

/* ---- bytes within the manifest ------------------------------------------------------------- */

static bool has_bytes(const json_t *descriptor)
{
    const json_t *data = json_object_get(descriptor, "data");

    return json_object_get(descriptor, "urls") != NULL ||
           (data != NULL &&
            !(json_is_string(data) && strcmp(json_string_value(data), EMPTY_BASE64) == 0));
}

static bool any_has_bytes(struct sl manifest)
{
    static const char *const lists[] = {"layers", "manifests", "blobs"};
    struct pg_err ignored = {0};
    _json_ json_t *root = NULL;
    bool has = pg_json_parse(manifest, PG_E_DENIED, &root, &ignored) < 0;

    pg_err_clear(&ignored);
    has = has || has_bytes(json_object_get(root, "config")) ||
          has_bytes(json_object_get(root, "subject"));
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        const json_t *list = json_object_get(root, lists[i]);

        for (size_t k = 0; k < json_array_size(list); k++)
            has = has || has_bytes(json_array_get(list, k));
    }
    return has;
}

/* ---- layers and config --------------------------------------------------------------------- */

static const struct evidence_item *find(const struct evidence *e, const struct manifest_desc *d)
{
    for (size_t i = 0; i < evidence_count(e); i++) {
        const struct evidence_item *item = evidence_at(e, i);

        if (item->refusal.reason == VERIFY_NONE && digest_eq(&item->digest, &d->digest) &&
            sl_eq(item->evidence.media_type, d->media_type))
            return item;
    }
    return NULL;
}

static bool is_about(const struct evidence *e, const struct manifest_desc *layer,
                     const struct digest *about)
{
    const struct evidence_item *item = find(e, layer);
    struct verify_refusal no = {0};
    bool is = item != NULL &&
              about_subject(item->evidence.media_type, item->evidence.bytes, about, &no) == 1;

    pg_err_clear(&no.err);
    return is;
}

static bool is_layer(const struct manifest *m, struct sl text)
{
    struct pg_err ignored = {0};
    struct digest d;
    bool is = false;

    if (digest_parse(text, &d, &ignored) == 0)
        for (size_t i = 0; i < m->nchildren && !is; i++)
            is = digest_eq(&m->children[i].digest, &d);
    pg_err_clear(&ignored);
    return is;
}

static bool config_fits(const struct evidence *e, const struct manifest *m)
{
    const struct digest empty = digest_of(PG_SHA256, SL("{}"));
    const struct evidence_item *item;
    struct pg_err ignored = {0};
    _json_ json_t *root = NULL;
    const json_t *layers;
    bool fits;

    if (!m->has_config || digest_eq(&m->config.digest, &empty))
        return true;
    item = find(e, &m->config);
    fits = item != NULL && pg_json_parse(item->evidence.bytes, PG_E_DENIED, &root, &ignored) == 0 &&
           json_is_object(root);
    pg_err_clear(&ignored);
    layers = json_object_get(json_object_get(root, "rootfs"), "diff_ids");
    fits = fits && json_array_size(layers) == m->nchildren;
    for (size_t i = 0; fits && i < json_array_size(layers); i++)
        fits = is_layer(m, sl_str(json_string_value(json_array_get(layers, i))));
    return fits;
}

static bool is_evidence(const struct evidence *e, const struct manifest *m,
                        const struct companion_claim *claim, struct digest *about_r)
{
    bool claims = claim->is_there && !claim->is_list;

    if (m->has_subject)
        *about_r = m->subject.digest;
    else if (claims)
        *about_r = claim->about;
    if ((!m->has_subject && !claims) || (claims && !digest_eq(about_r, &claim->about)) ||
        about_r->alg != PG_SHA256 || m->nchildren == 0)
        return false;
    for (size_t i = 0; i < m->nchildren; i++)
        if (!is_about(e, &m->children[i], about_r))
            return false;
    return config_fits(e, m);
}

static bool is_list(const struct manifest *m, const struct companion_claim *claim,
                    struct digest *about_r)
{
    bool is = claim->is_there && claim->is_list && claim->about.alg == PG_SHA256;

    for (size_t i = 0; i < m->nchildren; i++)
        is = is && m->children[i].platform.n == 0;
    *about_r = claim->about;
    return is;
}

bool companion_is(const struct evidence *evidence, struct sl manifest,
                  const struct companion_claim *claim, struct digest *about_r)
{
    struct pg_err ignored = {0};
    struct pg_arena arena;
    struct manifest m;
    bool is = false;

    pg_arena_init(&arena, MANIFEST_ARENA_BYTES);
    if (manifest_parse(manifest, SL(""), &arena, &m, &ignored) == 0 && !any_has_bytes(manifest)) {
        if (m.kind == MANIFEST_IMAGE)
            is = is_evidence(evidence, &m, claim, about_r);
        else if (m.kind == MANIFEST_INDEX)
            is = is_list(&m, claim, about_r);
    }
    pg_err_clear(&ignored);
    pg_arena_free(&arena);
    return is;
}
