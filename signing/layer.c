/* SPDX-License-Identifier: Apache-2.0 */
#include "signing/layer_int.h"

#include "base/json.h"
#include "signing/annotation_int.h"
#include "signing/envelope_int.h"
#include "signing/payload_int.h"
#include "signing/statement_int.h"

static int check_size(struct sl bytes, size_t max, struct verify_refusal *no)
{
    return bytes.n <= max
               ? 0
               : refuse(no, TOO_LARGE, "it has %zu bytes; at most %zu are looked at", bytes.n, max);
}

static int refuse_subject(const struct digest *other, const struct digest *image,
                          struct verify_refusal *no)
{
    char text[DIGEST_TEXT_MAX], other_text[DIGEST_TEXT_MAX];

    return refuse(no, SUBJECT, "the signature is over " SL_FMT ", this image is " SL_FMT,
                  SL_ARG(digest_write(other, other_text)), SL_ARG(digest_write(image, text)));
}

/* What is signed is read only once it is known by whom. */
int layer_verify_simple(const struct verify_question *q, struct pg_arena *arena,
                        struct verify_fact *fact, struct verify_refusal *no)
{
    const struct verify_evidence *e = q->evidence;
    struct payload payload;
    struct proof p = {0};

    if (check_size(e->bytes, VERIFY_SIGNED_MAX, no) < 0 ||
        annotation_read(e->annotations, arena, &p, no) < 0)
        return -1;
    if (p.signature.p == NULL)
        return refuse(no, MALFORMED, "the layer has no annotation with a signature");
    p.message = key_message_of(e->bytes);
    p.stamped = p.signature;
    if (proof_verify(&p, q, arena, fact, no) < 0 || payload_read(e->bytes, arena, &payload, no) < 0)
        return -1;
    if (!digest_eq(&payload.digest, &q->subject->digest)) {
        json_decref(payload.annotations);
        return refuse_subject(&payload.digest, &q->subject->digest, no);
    }
    fact->kind = VERIFY_IS_SIGNATURE;
    fact->reference = payload.reference;
    fact->annotations = payload.annotations;
    return 0;
}

static int read_envelope(struct sl bytes, struct pg_arena *arena, struct envelope *e_r,
                         struct verify_refusal *no)
{
    struct pg_err err = {0};
    _json_ json_t *root = NULL;

    if (pg_json_parse(bytes, PG_E_DENIED, &root, &err) < 0) {
        (void)refuse(no, MALFORMED, "the envelope is not valid: %s", err.msg);
        pg_err_clear(&err);
        return -1;
    }
    return envelope_read(root, SL(ENVELOPE_IN_TOTO), arena, e_r, no);
}

/* What the annotations say of the predicate's type is nobody's word. */
int layer_verify_envelope(const struct verify_question *q, struct pg_arena *arena,
                          struct verify_fact *fact, struct verify_refusal *no)
{
    const struct verify_evidence *e = q->evidence;
    struct envelope envelope;
    struct statement statement;
    struct proof p = {0};

    if (check_size(e->bytes, VERIFY_STATEMENT_MAX, no) < 0 ||
        annotation_read(e->annotations, arena, &p, no) < 0 ||
        read_envelope(e->bytes, arena, &envelope, no) < 0)
        return -1;
    if (p.signature.n > 0)
        return refuse(no, MALFORMED,
                      "an attestation has its signature in its envelope, not in an annotation");
    p.signature = envelope.signature;
    p.message = key_message_of(envelope.encoded);
    p.is_dsse = true;
    p.payload = envelope.payload;
    p.envelope = p.stamped = e->bytes; /* cosign has the whole of it timestamped */
    if (proof_verify(&p, q, arena, fact, no) < 0 ||
        statement_read(envelope.payload, &q->subject->digest, arena, &statement, no) < 0)
        return -1;
    statement_tell(&statement, envelope.payload, fact);
    return 0;
}
