/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/made_root.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "base/hash.h"

#define CERTS_MAX 8
#define ALWAYS    "\"validFor\":{\"start\":\"1970-01-01T00:00:00Z\"}"

static BIO *open_text(struct sl pem)
{
    BIO *b = pem.n <= INT_MAX ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;

    PG_CHECK(b != NULL);
    return b;
}

static void put_base64(struct pg_buf *out, const uint8_t *p, size_t n)
{
    char *text = malloc(n / 3 * 4 + 5);

    PG_CHECK(text != NULL);
    int len = EVP_EncodeBlock((unsigned char *)text, p, (int)n);
    (void)pg_buf_put(out, (struct sl){text, (size_t)len});
    free(text);
}

static const char *details_of(EVP_PKEY *key)
{
    switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_EC:
        return EVP_PKEY_get_bits(key) == 256 ? "PKIX_ECDSA_P256_SHA_256" : NULL;
    case EVP_PKEY_ED25519:
        return "PKIX_ED25519";
    default:
        return NULL;
    }
}

void made_root_begin(struct made_root *r, struct pg_buf *out)
{
    *r = (struct made_root){.out = out};
    (void)pg_buf_put(out, SL("{\"mediaType\":\"application/vnd.dev.sigstore.trustedroot+json;"
                             "version=0.1\",\"tlogs\":["));
}

int made_root_log(struct made_root *r, struct sl pem, struct pg_err *err)
{
    BIO *bio = open_text(pem);
    EVP_PKEY *key = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
    const char *details = key != NULL ? details_of(key) : NULL;
    uint8_t id[32], *der = NULL;
    int n = details != NULL ? i2d_PUBKEY(key, &der) : -1;

    EVP_PKEY_free(key);
    BIO_free(bio);
    ERR_clear_error();
    if (n <= 0) {
        return pg_fail(err, PG_E_DENIED,
                       "the log's key is no public key in PEM form on P-256 or Ed25519");
    }
    pg_hash_once(PG_SHA256, (struct sl){(const char *)der, (size_t)n}, id);
    (void)pg_buf_printf(r->out,
                        "%s{\"baseUrl\":\"https://log.invalid\",\"hashAlgorithm\":\"SHA2_256\","
                        "\"publicKey\":{\"rawBytes\":\"",
                        r->nlogs++ > 0 ? "," : "");
    put_base64(r->out, der, (size_t)n);
    (void)pg_buf_printf(r->out, "\",\"keyDetails\":\"%s\"," ALWAYS "},\"logId\":{\"keyId\":\"",
                        details);
    put_base64(r->out, id, sizeof(id));
    (void)pg_buf_put(r->out, SL("\"}}"));
    OPENSSL_free(der);
    return 0;
}

static bool put_certificate(struct made_root *r, BIO *bio, unsigned no)
{
    X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    uint8_t *der = NULL;
    int n = x != NULL ? i2d_X509(x, &der) : -1;

    X509_free(x);
    if (n <= 0) {
        return false;
    }
    (void)pg_buf_printf(r->out, "%s{\"rawBytes\":\"", no > 0 ? "," : "");
    put_base64(r->out, der, (size_t)n);
    (void)pg_buf_put(r->out, SL("\"}"));
    OPENSSL_free(der);
    return true;
}

int made_root_ca(struct made_root *r, struct sl pem, struct pg_err *err)
{
    BIO *bio = open_text(pem);
    unsigned n = 0;

    PG_CHECK(!r->has_ca);
    r->has_ca = true;
    (void)pg_buf_put(r->out, SL("],\"certificateAuthorities\":[{\"uri\":\"https://ca.invalid\","
                                "\"certChain\":{\"certificates\":["));
    while (n <= CERTS_MAX && put_certificate(r, bio, n)) {
        n++;
    }
    bool ended = BIO_eof(bio) != 0;
    BIO_free(bio);
    ERR_clear_error();
    (void)pg_buf_put(r->out, SL("]}," ALWAYS "}"));
    if (n == 0 || n > CERTS_MAX || !ended) {
        return pg_fail(err, PG_E_DENIED,
                       "the CA is not 1 to %d certificates in PEM form, and nothing else",
                       CERTS_MAX);
    }
    return 0;
}

void made_root_end(struct made_root *r)
{
    (void)pg_buf_put(r->out, r->has_ca ? SL("]") : SL("],\"certificateAuthorities\":[]"));
    (void)pg_buf_put(r->out, SL(",\"ctlogs\":[],\"timestampAuthorities\":[]}"));
}
