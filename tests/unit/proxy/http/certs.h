/* SPDX-License-Identifier: Apache-2.0 */
/* certs - a certificate for localhost with its key, and another key, in files made for one test. */
#pragma once

#include "harness/test.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/pullgate-tls-XXXXXX";
static char cert_file[64], key_file[64], other_key_file[64];

static inline EVP_PKEY *make_key(const char *file)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    FILE *f = fopen(file, "w");

    assert_non_null(key);
    assert_non_null(f);
    assert_int_equal(fchmod(fileno(f), 0600), 0);
    assert_int_equal(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
    assert_int_equal(fclose(f), 0);
    return key;
}

static inline void make_certificate(EVP_PKEY *key, const char *file)
{
    X509 *x = X509_new();
    X509_NAME *name = X509_get_subject_name(x);
    FILE *f = fopen(file, "w");

    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(x), 1), 1);
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(x), -60));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(x), 3600));
    assert_int_equal(X509_set_pubkey(x, key), 1);
    assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                                (const unsigned char *)"localhost", -1, -1, 0),
                     1);
    assert_int_equal(X509_set_issuer_name(x, name), 1);
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    assert_non_null(f);
    assert_int_equal(PEM_write_X509(f, x), 1);
    assert_int_equal(fclose(f), 0);
    X509_free(x);
}

static inline int make_files(void **state)
{
    EVP_PKEY *key, *other;

    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(cert_file, sizeof(cert_file), "%s/cert.pem", folder);
    (void)snprintf(key_file, sizeof(key_file), "%s/key.pem", folder);
    (void)snprintf(other_key_file, sizeof(other_key_file), "%s/other.pem", folder);
    key = make_key(key_file);
    other = make_key(other_key_file);
    make_certificate(key, cert_file);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
    return 0;
}

static inline int remove_files(void **state)
{
    (void)state;
    (void)unlink(cert_file);
    (void)unlink(key_file);
    (void)unlink(other_key_file);
    (void)rmdir(folder);
    return 0;
}
