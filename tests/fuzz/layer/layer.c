/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A layer of cosign's: the first line is its annotations, as JSON, the rest its blob; as a
 * signature and as an attestation. And what stands in the blob alone, whoever signed it: nothing
 * but that payload may be read as one.
 */
#include <openssl/err.h>
#include <stdint.h>

#include "base/json.h"
#include "signing/payload_int.h"
#include "signing/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Of which no signature in the corpus is. */
static const char key[] = "-----BEGIN PUBLIC KEY-----\n"
                          "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEJE6krWqDCJsdXNvmn0GGtGoUvKgg\n"
                          "zQ6rIGhtQEqMjRQOFnBZYIbBWp/zVsAQlooBVgV12RUa8O/eFNap0OBENg==\n"
                          "-----END PUBLIC KEY-----\n";

static struct trust *trust_with_key(void)
{
    struct trust *t = trust_new();
    struct pg_err err = {0};
    char id[TRUST_ID_DIGITS + 1];

    PG_CHECK(trust_add_key(t, "key", sl_str(key), TRUST_ALWAYS, id, &err) == 0);
    return t;
}

static void verify(enum verify_format format, struct sl bytes, const json_t *annotations,
                   const struct trust *t)
{
    const struct verify_evidence e = {.format = format, .bytes = bytes, .annotations = annotations};
    const struct verify_options o = {.now_s = 1};
    struct verify_subject s = {.digest = digest_of(PG_SHA256, SL("abc"))};
    const struct verify_question q = {&s, &e, t, &o};
    struct verify_refusal no = {0};
    struct verify_fact fact = {0};
    struct pg_arena arena;

    pg_arena_init(&arena, VERIFY_ARENA_BYTES);
    PG_CHECK(verify_evidence(&q, &arena, &fact, &no) == 0); /* nobody can sign for this key */
    PG_CHECK(no.reason != VERIFY_NONE && no.err.kind == PG_E_DENIED && ERR_peek_error() == 0);
    pg_err_clear(&no.err);
    pg_arena_free(&arena);
}

static void read_payload(struct sl bytes)
{
    struct verify_refusal no = {0};
    struct payload p = {0};
    struct pg_arena arena;

    pg_arena_init(&arena, VERIFY_ARENA_BYTES);
    if (payload_read(bytes, &arena, &p, &no) == 0)
        PG_CHECK(p.reference.p != NULL &&
                 memmem(bytes.p, bytes.n, "cosign container image signature", 32) != NULL);
    else
        PG_CHECK(no.err.kind == PG_E_DENIED && p.annotations == NULL);
    json_decref(p.annotations);
    pg_err_clear(&no.err);
    pg_arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl all = {(const char *)data, size}, head, blob = {"", 0};
    const char *newline = size > 0 ? memchr(all.p, '\n', all.n) : NULL;
    static struct trust *t;
    struct pg_err err = {0};
    _json_ json_t *annotations = NULL;

    if (t == NULL) {
        pg_hash_setup();
        t = trust_with_key();
    }
    head = (struct sl){all.p, newline != NULL ? (size_t)(newline - all.p) : all.n};
    if (newline != NULL)
        blob = (struct sl){newline + 1, all.n - head.n - 1};
    if (pg_json_parse(head, PG_E_DENIED, &annotations, &err) < 0 || !json_is_object(annotations))
        pg_err_clear(&err);
    verify(VERIFY_SIMPLE, blob, json_is_object(annotations) ? annotations : NULL, t);
    verify(VERIFY_ENVELOPE, blob, json_is_object(annotations) ? annotations : NULL, t);
    read_payload(blob);
    return 0;
}
