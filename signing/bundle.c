/* SPDX-License-Identifier: Apache-2.0 */
#include "signing/bundle_int.h"

#include "base/json.h"
#include "signing/bundle_entry_int.h"
#include "signing/envelope_int.h"
#include "signing/field_int.h"
#include "signing/statement_int.h"

static const struct {
    struct sl type;
    unsigned version;
} versions[] = {
    {SL("application/vnd.dev.sigstore.bundle+json;version=0.1"), 1},
    {SL("application/vnd.dev.sigstore.bundle+json;version=0.2"), 2},
    {SL("application/vnd.dev.sigstore.bundle+json;version=0.3"), 3},
    {SL("application/vnd.dev.sigstore.bundle.v0.3+json"), 3},
};

static int read_version(const json_t *root, unsigned *version_r, struct verify_refusal *no)
{
    struct sl type;

    if (field_text(root, "mediaType", &type) <= 0)
        return refuse(no, MALFORMED, "the bundle has no mediaType");
    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        if (sl_eq(type, versions[i].type)) {
            *version_r = versions[i].version;
            return 0;
        }
    }
    return refuse(no, UNSUPPORTED,
                  "the bundle is \"" SL_FMT "\"; versions 0.1, 0.2 and 0.3 are supported",
                  SL_ARG(refuse_shown(type)));
}

/* {"rawBytes": base64} */
static bool read_raw(const json_t *object, struct pg_arena *arena, struct sl *der_r)
{
    static const char *const names[] = {"rawBytes", NULL};

    return field_known(object, names) && field_bytes(object, "rawBytes", arena, der_r) > 0;
}

static int read_chain(const json_t *chain, struct pg_arena *arena, struct proof *p,
                      struct verify_refusal *no)
{
    static const char *const names[] = {"certificates", NULL};
    const json_t *list;
    size_t n;

    if (!field_known(chain, names) || field_array(chain, "certificates", &list) <= 0 ||
        json_array_size(list) == 0)
        return refuse(no, MALFORMED, "the bundle's certificate chain is empty or wrong");
    n = json_array_size(list);
    if (n > PROOF_HELPERS_MAX + 1)
        return refuse(no, TOO_LARGE, "the bundle's certificate chain has more than %d certificates",
                      PROOF_HELPERS_MAX + 1);
    for (size_t i = 0; i < n; i++)
        if (!read_raw(json_array_get(list, i), arena, i == 0 ? &p->cert : &p->helpers[i - 1]))
            return refuse(no, MALFORMED, "certificate %zu of the bundle's chain is not base64", i);
    p->nhelpers = n - 1;
    return 0;
}

static int read_signer(const json_t *material, unsigned version, struct pg_arena *arena,
                       struct proof *p, struct verify_refusal *no)
{
    static const char *const key_names[] = {"hint", NULL};
    const json_t *cert, *chain, *key;
    int has_cert = field_object(material, "certificate", &cert);
    int has_chain = field_object(material, "x509CertificateChain", &chain);
    int has_key = field_object(material, "publicKey", &key);
    struct sl hint;

    if (has_cert < 0 || has_chain < 0 || has_key < 0 || has_cert + has_chain + has_key != 1)
        return refuse(no, MALFORMED,
                      "the bundle does not have exactly one of certificate, "
                      "x509CertificateChain and publicKey");
    p->by_cert = has_key == 0;
    if (has_key > 0 && (!field_known(key, key_names) || field_text(key, "hint", &hint) < 0))
        return refuse(no, MALFORMED, "the bundle's publicKey is wrong");
    if (has_key > 0 && field_bytes(key, "hint", arena, &p->hint) < 0)
        p->hint = (struct sl){NULL, 0}; /* it may be any text */
    if (has_chain > 0 && version >= 3)
        return refuse(no, MALFORMED,
                      "a bundle of version 0.3 has one certificate, not x509CertificateChain");
    if (has_chain > 0)
        return read_chain(chain, arena, p, no);
    if (has_cert > 0 && !read_raw(cert, arena, &p->cert))
        return refuse(no, MALFORMED, "the bundle's certificate is missing, or not base64");
    return 0;
}

static int read_entries(const json_t *material, unsigned version, struct pg_arena *arena,
                        struct proof *p, struct verify_refusal *no)
{
    const json_t *list;
    int has = field_array(material, "tlogEntries", &list);
    struct tlog_entry *entries;

    if (has < 0)
        return refuse(no, MALFORMED, "tlogEntries is not a list");
    if (has == 0)
        return 0;
    if (json_array_size(list) > VERIFY_ENTRIES_MAX)
        return refuse(no, TOO_LARGE, "the bundle has more than %d log entries", VERIFY_ENTRIES_MAX);
    entries = pg_alloc(arena, VERIFY_ENTRIES_MAX * sizeof(*entries));
    for (size_t i = 0; i < json_array_size(list); i++)
        if (bundle_entry_read(json_array_get(list, i), version, arena, &entries[i], no) < 0)
            return -1;
    p->entries = entries;
    p->nentries = json_array_size(list);
    return 0;
}

static int read_stamps(const json_t *material, struct pg_arena *arena, struct proof *p,
                       struct verify_refusal *no)
{
    static const char *const names[] = {"rfc3161Timestamps", NULL};
    static const char *const stamp_names[] = {"signedTimestamp", NULL};
    const json_t *data, *list;
    int has = field_object(material, "timestampVerificationData", &data);
    struct sl *stamps;

    if (has == 0)
        return 0;
    if (has < 0 || !field_known(data, names) ||
        (has = field_array(data, "rfc3161Timestamps", &list)) < 0)
        return refuse(no, MALFORMED, "timestampVerificationData is wrong");
    if (has == 0)
        return 0;
    if (json_array_size(list) > VERIFY_ENTRIES_MAX)
        return refuse(no, TOO_LARGE, "the bundle has more than %d timestamps", VERIFY_ENTRIES_MAX);
    stamps = pg_alloc(arena, VERIFY_ENTRIES_MAX * sizeof(*stamps));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *stamp = json_array_get(list, i);

        if (!field_known(stamp, stamp_names) ||
            field_bytes(stamp, "signedTimestamp", arena, &stamps[i]) <= 0)
            return refuse(no, MALFORMED, "a timestamp is missing, or not base64");
    }
    p->stamps = stamps;
    p->nstamps = json_array_size(list);
    return 0;
}

static int read_material(const json_t *root, struct pg_arena *arena, struct bundle *b,
                         struct verify_refusal *no)
{
    static const char *const names[] = {"certificate", "x509CertificateChain",      "publicKey",
                                        "tlogEntries", "timestampVerificationData", NULL};
    const json_t *material;

    if (field_object(root, "verificationMaterial", &material) <= 0 || !field_known(material, names))
        return refuse(no, MALFORMED,
                      "the bundle has no verificationMaterial, or one with members it has not");
    if (read_signer(material, b->version, arena, &b->proof, no) < 0 ||
        read_entries(material, b->version, arena, &b->proof, no) < 0)
        return -1;
    return read_stamps(material, arena, &b->proof, no);
}

static int read_message(const json_t *message, struct pg_arena *arena, struct bundle *b,
                        struct verify_refusal *no)
{
    static const char *const names[] = {"messageDigest", "signature", NULL};
    static const char *const digest_names[] = {"algorithm", "digest", NULL};
    const json_t *digest;
    struct sl algorithm, value;
    int has;

    if (!field_known(message, names) || (has = field_object(message, "messageDigest", &digest)) < 0)
        return refuse(no, MALFORMED, "messageSignature is wrong");
    if (field_bytes(message, "signature", arena, &b->proof.signature) <= 0)
        return refuse(no, MALFORMED, "the signature is missing, or not base64");
    if (has == 0)
        return 0;
    if (!field_known(digest, digest_names) || field_text(digest, "algorithm", &algorithm) <= 0 ||
        field_bytes(digest, "digest", arena, &value) <= 0)
        return refuse(no, MALFORMED, "messageSignature.messageDigest is wrong");
    if (sl_eq(algorithm, SL("SHA2_256")) && value.n != 32)
        return refuse(no, MALFORMED, "messageSignature.messageDigest is not 32 bytes");
    if (sl_eq(algorithm, SL("SHA2_256")) || sl_eq(algorithm, SL("SHA2_384")) ||
        sl_eq(algorithm, SL("SHA2_512")))
        b->message_digest = value;
    else
        return refuse(no, UNSUPPORTED, "the digest algorithm \"" SL_FMT "\" is not supported",
                      SL_ARG(refuse_shown(algorithm)));
    return 0;
}

static int read_content(const json_t *root, struct pg_arena *arena, struct bundle *b,
                        struct verify_refusal *no)
{
    const json_t *message, *dsse;
    int has_message = field_object(root, "messageSignature", &message);
    int has_dsse = field_object(root, "dsseEnvelope", &dsse);
    struct envelope e;

    if (has_message < 0 || has_dsse < 0 || has_message + has_dsse != 1)
        return refuse(no, MALFORMED,
                      "the bundle does not have exactly one of messageSignature and dsseEnvelope");
    if (has_message > 0)
        return read_message(message, arena, b, no);
    if (envelope_read(dsse, SL(ENVELOPE_IN_TOTO), arena, &e, no) < 0)
        return -1;
    b->proof.is_dsse = true;
    b->proof.payload = b->statement = e.payload;
    b->proof.signature = e.signature;
    b->proof.message = key_message_of(e.encoded);
    return 0;
}

static int read_root(const json_t *root, struct pg_arena *arena, struct bundle *b,
                     struct verify_refusal *no)
{
    static const char *const names[] = {"mediaType", "verificationMaterial", "messageSignature",
                                        "dsseEnvelope", NULL};

    if (!json_is_object(root))
        return refuse(no, MALFORMED, "the bundle is not a JSON object");
    if (read_version(root, &b->version, no) < 0)
        return -1;
    if (!field_known(root, names))
        return refuse(no, MALFORMED, "the bundle has members that a bundle has not");
    if (read_content(root, arena, b, no) < 0 || read_material(root, arena, b, no) < 0)
        return -1;
    b->proof.stamped = b->proof.signature;
    return 0;
}

/* Texts of the proof that point into the tree would not outlive it. */
static void keep_texts(struct bundle *b, struct pg_arena *arena)
{
    struct tlog_entry *entries = pg_alloc(arena, (b->proof.nentries + 1) * sizeof(*entries));

    for (size_t i = 0; i < b->proof.nentries; i++) {
        entries[i] = b->proof.entries[i];
        entries[i].kind = pg_copy(arena, entries[i].kind);
        entries[i].version = pg_copy(arena, entries[i].version);
        if (entries[i].proof.checkpoint.p != NULL)
            entries[i].proof.checkpoint = pg_copy(arena, entries[i].proof.checkpoint);
    }
    b->proof.entries = entries;
}

int bundle_read(struct sl json, struct pg_arena *arena, struct bundle *b_r,
                struct verify_refusal *no)
{
    struct bundle b = {0};
    struct pg_err err = {0};
    _json_ json_t *root = NULL;

    if (json.n > VERIFY_STATEMENT_MAX)
        return refuse(no, TOO_LARGE, "the bundle is larger than %zu bytes", VERIFY_STATEMENT_MAX);
    if (pg_json_parse(json, PG_E_DENIED, &root, &err) < 0) {
        (void)refuse(no, MALFORMED, "the bundle is not valid: %s", err.msg);
        pg_err_clear(&err);
        return -1;
    }
    if (read_root(root, arena, &b, no) < 0)
        return -1;
    if (!b.proof.is_dsse && json.n > VERIFY_SIGNED_MAX)
        return refuse(no, TOO_LARGE, "the bundle is larger than %zu bytes", VERIFY_SIGNED_MAX);
    keep_texts(&b, arena);
    *b_r = b;
    return 0;
}

/* The manifest is what is signed. What the bundle says about it first tells of a mistake. */
static int check_message(struct bundle *b, const struct verify_subject *s,
                         struct verify_refusal *no)
{
    char text[DIGEST_TEXT_MAX], other_text[DIGEST_TEXT_MAX];
    struct digest other = {.alg = PG_SHA256};

    if (s->manifest.p != NULL) {
        struct digest is = digest_of(PG_SHA256, s->manifest);

        PG_CHECK(digest_eq(&is, &s->digest));
    }
    b->proof.message.bytes = s->manifest;
    memcpy(b->proof.message.sha256, s->digest.bytes, sizeof(b->proof.message.sha256));
    if (b->message_digest.n != 32)
        return 0;
    memcpy(other.bytes, b->message_digest.p, 32);
    if (digest_eq(&other, &s->digest))
        return 0;
    return refuse(no, SUBJECT, "the signature is over " SL_FMT ", this image is " SL_FMT,
                  SL_ARG(digest_write(&other, other_text)), SL_ARG(digest_write(&s->digest, text)));
}

/* Of another length than 32, it is of the digest that was signed. */
static int check_long_digest(const struct bundle *b, const struct verify_subject *s,
                             struct verify_refusal *no)
{
    uint8_t value[PG_HASH_BYTES_MAX];
    enum key_digest digest = b->message_digest.n == 48 ? KEY_SHA384 : KEY_SHA512;
    size_t n;

    if (b->message_digest.p == NULL || b->message_digest.n == 32 || s->manifest.p == NULL)
        return 0;
    n = key_digest_of(digest, s->manifest, value);
    if (!sl_eq(b->message_digest, (struct sl){(const char *)value, n}))
        return refuse(no, SUBJECT, "the signature is over another digest than this image's");
    return 0;
}

int bundle_verify(const struct verify_question *q, struct pg_arena *arena, struct verify_fact *fact,
                  struct verify_refusal *no)
{
    const struct verify_subject *s = q->subject;
    struct bundle b;
    struct statement st;

    if (bundle_read(q->evidence->bytes, arena, &b, no) < 0)
        return -1;
    if (!b.proof.is_dsse && (check_message(&b, s, no) < 0 || check_long_digest(&b, s, no) < 0))
        return -1;
    if (proof_verify(&b.proof, q, arena, fact, no) < 0)
        return -1;
    if (!b.proof.is_dsse) {
        fact->kind = VERIFY_IS_SIGNATURE;
        return 0;
    }
    if (statement_read(b.statement, &s->digest, arena, &st, no) < 0)
        return -1;
    statement_tell(&st, b.statement, fact);
    return 0;
}
