/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "oci/manifest.h"
#include "oci/media.h"
#include "signing/about.h"
#include "signing/evidence_int.h"

#define SIMPLE_TYPE    "application/vnd.dev.cosign.simplesigning.v1+json"
#define ENVELOPE_TYPE  "application/vnd.dsse.envelope.v1+json"
#define BUNDLE_TYPE    "application/vnd.dev.sigstore.bundle"
#define REFERRED_SIG   "application/vnd.dev.cosign.artifact.sig.v1+json"
#define NOTATION_TYPE  "application/vnd.cncf.notary.signature"
#define JWS_TYPE       "application/jose+json"
#define COSE_TYPE      "application/cose"
#define EMPTY_TYPE     "application/vnd.oci.empty.v1+json"
#define DOCUMENT_ARENA MANIFEST_ARENA_BYTES

/* A document both as what it says and as what stands in its layers' annotations. */
struct document {
    struct manifest m;
    struct pg_arena arena;
    json_t *root; /* the evidence's */
};

static bool is_evidence(const struct evidence *e, struct sl type)
{
    return (e->wants.bundle && sl_starts(type, SL(BUNDLE_TYPE))) ||
           (e->wants.simple && sl_eq(type, SL(REFERRED_SIG))) ||
           (e->wants.notation && sl_eq(type, SL(NOTATION_TYPE)));
}

/* ---- reading ------------------------------------------------------------------------------- */

static size_t count_of(const json_t *root, const char *name)
{
    return json_array_size(json_object_get(root, name));
}

static bool read_document(struct evidence *e, const struct evidence_work *w, struct sl bytes,
                          struct sl media_type, struct document *d)
{
    struct pg_err err = {0};
    bool good = false;

    pg_arena_init(&d->arena, DOCUMENT_ARENA);
    d->root = NULL;
    if (pg_json_parse(bytes, PG_E_DENIED, &d->root, &err) == 0) {
        PG_CHECK(e->nroots < EVIDENCE_WORK_MAX);
        e->roots[e->nroots++] = d->root;
        if (count_of(d->root, "layers") > EVIDENCE_LAYERS_MAX)
            evidence_refuse(e, w, &w->step.digest, VERIFY_TOO_LARGE,
                            "it has %zu layers; one with more than %d is not looked at",
                            count_of(d->root, "layers"), EVIDENCE_LAYERS_MAX);
        else if (manifest_parse(bytes, media_type, &d->arena, &d->m, &err) == 0)
            good = true;
    }
    if (err.kind != PG_E_NONE)
        evidence_refuse(e, w, &w->step.digest, VERIFY_MALFORMED, "it is no manifest: %s", err.msg);
    pg_err_clear(&err);
    return good;
}

static const json_t *annotations_of(const struct document *d, size_t layer)
{
    const json_t *one = json_array_get(json_object_get(d->root, "layers"), layer);
    const json_t *annotations = json_object_get(one, "annotations");

    return json_is_object(annotations) ? annotations : NULL;
}

/* ---- layers -------------------------------------------------------------------------------- */

static size_t size_max_of(enum verify_format format)
{
    switch (format) {
    case VERIFY_SIMPLE:
        return VERIFY_SIGNED_MAX;
    case VERIFY_NOTATION:
        return VERIFY_NOTATION_MAX;
    case VERIFY_ENVELOPE:
    case VERIFY_BUNDLE:
        break;
    }
    return VERIFY_STATEMENT_MAX;
}

/* Wants a blob, unless its size alone says no. */
static struct evidence_work *want_blob(struct evidence *e, const struct evidence_work *w,
                                       const struct manifest_desc *desc, size_t size_max)
{
    struct evidence_work *blob;

    if (desc->size > size_max) {
        evidence_refuse(e, w, &desc->digest, VERIFY_TOO_LARGE,
                        "it is said to have %llu bytes; at most %zu are looked at",
                        (unsigned long long)desc->size, size_max);
        return NULL;
    }
    if (desc->size > EVIDENCE_BYTES_MAX - e->bytes) {
        evidence_cut(e, "there is more than %zu MiB of evidence", EVIDENCE_BYTES_MAX >> 20);
        return NULL;
    }
    blob = evidence_add(e, EVIDENCE_BLOB, w->came);
    if (blob == NULL)
        return NULL;
    e->bytes += (size_t)desc->size;
    blob->step.digest = desc->digest;
    blob->step.size_max = (size_t)desc->size;
    blob->format = w->format;
    blob->media_type = pg_copy(&e->arena, desc->media_type);
    return blob;
}

static void want_layer(struct evidence *e, const struct evidence_work *w, const struct document *d,
                       size_t layer, enum verify_format format)
{
    const struct manifest_desc *desc = &d->m.children[layer];
    struct evidence_work as = *w, *blob;

    as.format = format;
    blob = want_blob(e, &as, desc, size_max_of(format));
    if (blob != NULL)
        blob->annotations = annotations_of(d, layer);
}

/* Every layer of it is a signature, or an attestation. */
static void read_layers(struct evidence *e, const struct evidence_work *w, const struct document *d,
                        enum verify_format format)
{
    struct sl type = format == VERIFY_SIMPLE ? SL(SIMPLE_TYPE) : SL(ENVELOPE_TYPE);

    if (d->m.nchildren == 0)
        evidence_refuse(e, w, &w->step.digest, VERIFY_MALFORMED, "it has no layers");
    for (size_t i = 0; i < d->m.nchildren; i++) {
        const struct manifest_desc *desc = &d->m.children[i];

        if (e->nlayers[w->came]++ >= EVIDENCE_TRIED_MAX) {
            evidence_cut(e, "of %zu signatures or attestations, %d were looked at", d->m.nchildren,
                         EVIDENCE_TRIED_MAX);
            return;
        }
        if (sl_eq(desc->media_type, type))
            want_layer(e, w, d, i, format);
        else
            evidence_refuse(e, w, &desc->digest, VERIFY_UNSUPPORTED,
                            "it is a layer of type " SL_FMT ", not " SL_FMT,
                            SL_ARG(desc->media_type), SL_ARG(type));
    }
}

/* The one layer of a bundle or of a Notation signature. */
static void read_only_layer(struct evidence *e, const struct evidence_work *w,
                            const struct document *d, enum verify_format format)
{
    struct sl type;
    bool known;

    if (d->m.nchildren != 1) {
        evidence_refuse(e, w, &w->step.digest, VERIFY_MALFORMED,
                        "it has %zu layers; such a referrer has one", d->m.nchildren);
        return;
    }
    type = d->m.children[0].media_type;
    known = format == VERIFY_BUNDLE ? sl_starts(type, SL(BUNDLE_TYPE))
                                    : sl_eq(type, SL(JWS_TYPE)) || sl_eq(type, SL(COSE_TYPE));
    if (known)
        want_layer(e, w, d, 0, format);
    else
        evidence_refuse(e, w, &w->step.digest, VERIFY_UNSUPPORTED, "its layer is of type " SL_FMT,
                        SL_ARG(type));
}

/* ---- manifests ----------------------------------------------------------------------------- */

static void read_referrer(struct evidence *e, const struct evidence_work *w,
                          const struct document *d)
{
    struct sl type = d->m.artifact_type.n > 0 ? d->m.artifact_type
                     : d->m.has_config        ? d->m.config.media_type
                                              : (struct sl){"", 0};
    struct evidence_work as = *w;

    as.format = sl_eq(type, SL(NOTATION_TYPE))  ? VERIFY_NOTATION
                : sl_eq(type, SL(REFERRED_SIG)) ? VERIFY_SIMPLE
                                                : VERIFY_BUNDLE;
    if (!is_evidence(e, type))
        return;
    if (!d->m.has_subject || !digest_eq(&d->m.subject.digest, &e->subject)) {
        evidence_refuse(e, &as, &w->step.digest, VERIFY_SUBJECT,
                        "the list names it, but its subject is another manifest");
        return;
    }
    if (as.format == VERIFY_SIMPLE)
        read_layers(e, &as, d, VERIFY_SIMPLE);
    else
        read_only_layer(e, &as, d, as.format);
}

/* All that it has, each as what its type says. */
static void read_self(struct evidence *e, const struct evidence_work *w, const struct document *d)
{
    enum verify_format format;
    size_t size_max;

    if (d->m.nchildren > EVIDENCE_OF_MAX) {
        evidence_cut(e, "it has %zu layers; at most %d are looked at", d->m.nchildren,
                     EVIDENCE_OF_MAX);
        return;
    }
    for (size_t i = 0; i < d->m.nchildren; i++) {
        const struct manifest_desc *desc = &d->m.children[i];

        if (!about_format(desc->media_type, &format, &size_max)) {
            evidence_refuse(e, w, &desc->digest, VERIFY_UNSUPPORTED,
                            "a layer of type " SL_FMT " is no evidence", SL_ARG(desc->media_type));
            return;
        }
        want_layer(e, w, d, i, format);
    }
    if (d->m.has_config)
        (void)want_blob(e, w, &d->m.config, EVIDENCE_CONFIG_MAX);
}

void evidence_read_manifest(struct evidence *e, const struct evidence_work *w, struct sl bytes,
                            struct sl media_type)
{
    struct evidence_work as = *w;
    struct document d;

    as.format = w->came == EVIDENCE_ATT   ? VERIFY_ENVELOPE
                : w->came == EVIDENCE_SIG ? VERIFY_SIMPLE
                                          : VERIFY_BUNDLE;
    if (w->step.what == EVIDENCE_TAG)
        as.step.digest = digest_of(PG_SHA256, bytes);
    if (read_document(e, &as, bytes, media_type, &d)) {
        if (w->came == EVIDENCE_SELF && d.m.kind == MANIFEST_IMAGE)
            read_self(e, &as, &d);
        else if (d.m.kind != MANIFEST_IMAGE)
            evidence_refuse(e, &as, &as.step.digest, VERIFY_UNSUPPORTED,
                            "it is not the manifest of a signature but of type " SL_FMT,
                            SL_ARG(d.m.media_type));
        else if (w->came == EVIDENCE_REFERRER)
            read_referrer(e, &as, &d);
        else
            read_layers(e, &as, &d, as.format);
    }
    pg_arena_free(&d.arena);
}

/* ---- lists --------------------------------------------------------------------------------- */

/* An old registry says no artifactType; who keeps the tag for the list by hand, as cosign 2 does,
 * may write that of the config, which is empty. Then the manifest itself is asked. */
static bool may_be_evidence(const struct evidence *e, const struct document *d, size_t i)
{
    const json_t *one = json_array_get(json_object_get(d->root, "manifests"), i);
    struct sl type = pg_json_str(one, "artifactType");

    bool says_nothing = type.p == NULL || sl_eq(type, SL(EMPTY_TYPE));

    return media_is_image(d->m.children[i].media_type) && (says_nothing || is_evidence(e, type));
}

static void want_referrer(struct evidence *e, const struct manifest_desc *desc)
{
    struct evidence_work *w = evidence_add(e, EVIDENCE_MANIFEST, EVIDENCE_REFERRER);

    if (w == NULL)
        return;
    w->format = VERIFY_BUNDLE;
    w->step.digest = desc->digest;
    w->step.size_max = desc->size < MANIFEST_BYTES_MAX ? (size_t)desc->size : MANIFEST_BYTES_MAX;
}

void evidence_read_list(struct evidence *e, const struct evidence_work *w, struct sl bytes,
                        struct sl media_type)
{
    struct evidence_work as = *w;
    struct document d;

    as.format = VERIFY_BUNDLE;
    if (read_document(e, &as, bytes, media_type, &d)) {
        if (d.m.kind != MANIFEST_INDEX)
            evidence_refuse(e, &as, &as.step.digest, VERIFY_UNSUPPORTED,
                            "the list of referrers is no index but of type " SL_FMT,
                            SL_ARG(d.m.media_type));
        for (size_t i = 0; d.m.kind == MANIFEST_INDEX && i < d.m.nchildren; i++) {
            if (!may_be_evidence(e, &d, i))
                continue;
            if (e->nreferrers++ >= EVIDENCE_TRIED_MAX) {
                evidence_cut(e, "more than %d referrers may be evidence", EVIDENCE_TRIED_MAX);
                break;
            }
            want_referrer(e, &d.m.children[i]);
        }
    }
    pg_arena_free(&d.arena);
}
