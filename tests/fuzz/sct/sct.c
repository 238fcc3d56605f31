/* SPDX-License-Identifier: Apache-2.0 */
/* A list of SCTs, in place of that in the fixtures' certificate: the value of the extension. */
#include "signing/sct_int.h"

#include <openssl/x509v3.h>

#include "base/json.h"
#include "harness/signing_world.h"
#include "signing/b64_int.h"
#include "signing/cert_int.h"

#define SIGNED_AT 1768478430

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static X509 *leaf, *issuer;

static void load(void)
{
    const int64_t at = SIGNED_AT;
    struct sl json = signing_world_file("bundle.sigstore.json"), der;
    struct verify_refusal no = {0};
    struct pg_err err = {0};
    struct pg_arena arena;
    json_t *root, *cert;

    pg_arena_init(&arena, (size_t)1 << 20);
    PG_CHECK(pg_json_parse(json, PG_E_DENIED, &root, &err) == 0);
    cert = json_object_get(json_object_get(root, "verificationMaterial"), "certificate");
    PG_CHECK(b64_decode(B64_STANDARD, pg_json_str(cert, "rawBytes"), &arena, &der));
    leaf = trust_read_cert(der);
    PG_CHECK(leaf != NULL);
    PG_CHECK(cert_chain(signing_world_trust(), leaf, NULL, (struct cert_times){&at, 1}, &issuer,
                        &no) == 0);
    json_decref(root);
    pg_arena_free(&arena);
    free((char *)(uintptr_t)json.p);
}

static X509 *with_list(const uint8_t *data, size_t size)
{
    X509 *copy = X509_dup(leaf);
    int at = X509_get_ext_by_NID(copy, NID_ct_precert_scts, -1);
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    X509_EXTENSION *x;

    PG_CHECK(copy != NULL && at >= 0 && value != NULL);
    X509_EXTENSION_free(X509_delete_ext(copy, at));
    PG_CHECK(ASN1_OCTET_STRING_set(value, data, (int)size) == 1);
    x = X509_EXTENSION_create_by_NID(NULL, NID_ct_precert_scts, 0, value);
    PG_CHECK(x != NULL && X509_add_ext(copy, x, at) == 1);
    X509_EXTENSION_free(x);
    ASN1_OCTET_STRING_free(value);
    return copy;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct verify_refusal no = {0};
    unsigned nlogs = 0;
    X509 *cert;

    if (leaf == NULL)
        load();
    cert = with_list(data, size);
    if (sct_verify(signing_world_trust(), cert, issuer, &nlogs, &no) == 0)
        PG_CHECK(nlogs == 1);
    pg_err_clear(&no.err);
    X509_free(cert);
    return 0;
}
