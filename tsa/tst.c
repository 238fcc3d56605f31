/* SPDX-License-Identifier: Apache-2.0 */
#include "tsa/tst.h"

#include <openssl/err.h>
#include <openssl/pkcs7.h>
#include <openssl/ts.h>
#include <openssl/x509v3.h>
#include <stdint.h>

#include "tsa/signer.h"
#include "tsa/strict.h"

static void free_response(TS_RESP **p)
{
    TS_RESP_free(*p);
}

static void free_container(PKCS7 **p)
{
    PKCS7_free(*p);
}

static void free_info(TS_TST_INFO **p)
{
    TS_TST_INFO_free(*p);
}

#define _response_  __attribute__((cleanup(free_response)))
#define _container_ __attribute__((cleanup(free_container)))
#define _info_      __attribute__((cleanup(free_info)))

/* ---- the container ------------------------------------------------------------------------- */

static int refuse(struct pg_err *err, const char *why)
{
    return pg_fail(err, PG_E_DENIED, "%s", why);
}

/* Somewhere in OpenSSL's queue: what is further up says only that it could not go on. */
static bool has_failed_with(int reason)
{
    for (unsigned long code = ERR_get_error(); code != 0; code = ERR_get_error())
        if (ERR_GET_LIB(code) == ERR_LIB_TS && ERR_GET_REASON(code) == reason)
            return true;
    return false;
}

static int take_granted(const struct stamp_wire *w, PKCS7 **p7_r, struct pg_err *err)
{
    const unsigned char *p = (const unsigned char *)w->token.p, *end = p + w->token.n;
    _response_ TS_RESP *response = d2i_TS_RESP(NULL, &p, (long)w->token.n);
    int64_t status;

    if (response == NULL && has_failed_with(TS_R_TOKEN_PRESENT))
        return refuse(err, "the authority did not grant the timestamp");
    if (response == NULL || p != end)
        return refuse(err, "the timestamp is not an RFC 3161 response");
    if (ASN1_INTEGER_get_int64(
            &status, TS_STATUS_INFO_get0_status(TS_RESP_get_status_info(response))) != 1 ||
        (status != TS_STATUS_GRANTED && status != TS_STATUS_GRANTED_WITH_MODS))
        return refuse(err, "the authority did not grant the timestamp");
    if (TS_RESP_get_token(response) == NULL)
        return refuse(err, "the response has no timestamp in it");
    *p7_r = PKCS7_dup(TS_RESP_get_token(response));
    return *p7_r != NULL ? 0 : refuse(err, "the timestamp cannot be read");
}

static int take_container(const struct stamp_wire *w, PKCS7 **p7_r, struct pg_err *err)
{
    const unsigned char *p = (const unsigned char *)w->token.p, *end = p + w->token.n;

    if (!strict_is_der(w->token))
        return refuse(err, "the timestamp is not one DER value");
    if (w->is_response)
        return take_granted(w, p7_r, err);
    *p7_r = d2i_PKCS7(NULL, &p, (long)w->token.n);
    if (*p7_r != NULL && p == end)
        return 0;
    PKCS7_free(*p7_r);
    *p7_r = NULL;
    return refuse(err, "the timestamp is not an RFC 3161 token");
}

static bool is_strong(int hash)
{
    return hash == NID_sha256 || hash == NID_sha384 || hash == NID_sha512;
}

/* One signer, of a digest that holds, over a TSTInfo that stands in it as one DER value. */
static int check_container(PKCS7 *p7, struct pg_err *err)
{
    STACK_OF(PKCS7_SIGNER_INFO) *signers = NULL;
    const PKCS7_SIGNER_INFO *signer;
    const PKCS7 *inner;
    struct sl text;

    PG_CHECK(p7 != NULL);
    if (!PKCS7_type_is_signed(p7) || p7->d.sign == NULL || PKCS7_get_detached(p7))
        return refuse(err, "the timestamp is not signed data");
    inner = p7->d.sign->contents;
    if (inner == NULL || OBJ_obj2nid(inner->type) != NID_id_smime_ct_TSTInfo ||
        inner->d.other == NULL || inner->d.other->type != V_ASN1_OCTET_STRING)
        return refuse(err, "what is signed is not a timestamp");
    text = (struct sl){(const char *)ASN1_STRING_get0_data(inner->d.other->value.octet_string),
                       (size_t)ASN1_STRING_length(inner->d.other->value.octet_string)};
    if (!strict_is_der(text))
        return refuse(err, "what is signed is not one DER value");
    signers = PKCS7_get_signer_info(p7);
    if (signers == NULL || sk_PKCS7_SIGNER_INFO_num(signers) != 1)
        return refuse(err, "the timestamp does not have exactly one signer");
    signer = sk_PKCS7_SIGNER_INFO_value(signers, 0);
    if (signer->digest_alg == NULL || !is_strong(OBJ_obj2nid(signer->digest_alg->algorithm)))
        return refuse(err, "the timestamp is signed with a weak digest");
    return 0;
}

/* ---- what it says -------------------------------------------------------------------------- */

static int check_imprint(const struct stamp_wire *w, TS_TST_INFO *info, struct pg_err *err)
{
    static const int nids[STAMP_WIRE_HASHES] = {NID_sha256, NID_sha384, NID_sha512};
    TS_MSG_IMPRINT *imprint = TS_TST_INFO_get_msg_imprint(info);
    const ASN1_OBJECT *hash = NULL;
    const ASN1_OCTET_STRING *bytes;
    int parameter = V_ASN1_UNDEF;

    if (imprint == NULL)
        return refuse(err, "the timestamp is about nothing");
    X509_ALGOR_get0(&hash, &parameter, NULL, TS_MSG_IMPRINT_get_algo(imprint));
    bytes = TS_MSG_IMPRINT_get_msg(imprint);
    for (unsigned i = 0; i < STAMP_WIRE_HASHES; i++) {
        struct sl is = {(const char *)ASN1_STRING_get0_data(bytes),
                        (size_t)ASN1_STRING_length(bytes)};

        if (OBJ_obj2nid(hash) != nids[i])
            continue;
        if (parameter != V_ASN1_UNDEF && parameter != V_ASN1_NULL)
            return refuse(err, "the timestamp's digest has parameters");
        if (!sl_eq(is, w->digests[i]))
            return refuse(err, "the timestamp is over other bytes than these");
        return 0;
    }
    return refuse(err, "the timestamp's digest is none of SHA-256, SHA-384 and SHA-512");
}

static int check_extensions(TS_TST_INFO *info, struct pg_err *err)
{
    for (int i = 0; i < TS_TST_INFO_get_ext_count(info); i++)
        if (X509_EXTENSION_get_critical(TS_TST_INFO_get_ext(info, i)))
            return refuse(err, "the timestamp has a critical extension that is not known");
    return 0;
}

static int read_time(const TS_TST_INFO *info, int64_t *time_s_r, struct pg_err *err)
{
    const ASN1_GENERALIZEDTIME *at = TS_TST_INFO_get_time(info);
    struct tm tm;

    if (at == NULL || ASN1_STRING_length(at) < 1 ||
        ASN1_STRING_get0_data(at)[ASN1_STRING_length(at) - 1] != 'Z' ||
        ASN1_TIME_to_tm(at, &tm) != 1)
        return refuse(err, "the timestamp's time cannot be read");
    *time_s_r = (int64_t)timegm(&tm);
    return *time_s_r > 0 ? 0 : refuse(err, "the timestamp's time is before 1970");
}

/* What is absent is 0. */
static bool read_part(const ASN1_INTEGER *part, int64_t max, int64_t *n_r)
{
    *n_r = 0;
    return part == NULL || (ASN1_INTEGER_get_int64(n_r, part) == 1 && *n_r >= 0 && *n_r <= max);
}

#define ACCURACY_MAX_S 86399
#define PART_MAX       999

static int read_accuracy(TS_TST_INFO *info, int64_t *ms_r, struct pg_err *err)
{
    TS_ACCURACY *accuracy = TS_TST_INFO_get_accuracy(info);
    int64_t s = 0, ms = 0, us = 0;

    if (accuracy != NULL && (!read_part(TS_ACCURACY_get_seconds(accuracy), ACCURACY_MAX_S, &s) ||
                             !read_part(TS_ACCURACY_get_millis(accuracy), PART_MAX, &ms) ||
                             !read_part(TS_ACCURACY_get_micros(accuracy), PART_MAX, &us)))
        return refuse(err, "the timestamp's accuracy cannot be meant");
    *ms_r = s * 1000 + ms + (us > 0);
    return 0;
}

static int read_info(const struct stamp_wire *w, TS_TST_INFO *info, struct stamp_answer *a_r,
                     struct pg_err *err)
{
    if (TS_TST_INFO_get_version(info) != 1)
        return refuse(err, "the timestamp is of a version that is not known");
    if (check_imprint(w, info, err) < 0 || check_extensions(info, err) < 0 ||
        read_time(info, &a_r->time_s, err) < 0)
        return -1;
    return read_accuracy(info, &a_r->accuracy_ms, err);
}

/* ---- whose it is --------------------------------------------------------------------------- */

/* The first authority that it is of. What is told of the others is what the one says whose chain
 * got furthest. */
static int find_authority(const struct stamp_wire *w, PKCS7 *p7, struct stamp_answer *a_r,
                          struct pg_err *err)
{
    enum signer_got best = SIGNER_STRANGER;

    (void)refuse(err, "no timestamp authority is trusted");
    for (unsigned i = 0; i < w->nauthorities; i++) {
        struct pg_err why = {0};
        enum signer_got got = signer_check(p7, &w->authorities[i], a_r->time_s, &why);

        if (got == SIGNER_GOOD) {
            a_r->authority = i;
            pg_err_clear(err);
            return 0;
        }
        if (i == 0 || got > best) {
            pg_err_clear(err);
            pg_err_move(err, &why);
            best = got;
        }
        pg_err_clear(&why);
    }
    return -1;
}

static int check(const struct stamp_wire *w, struct stamp_answer *a, struct pg_err *err)
{
    _container_ PKCS7 *p7 = NULL;
    _info_ TS_TST_INFO *info = NULL;

    if (take_container(w, &p7, err) < 0 || check_container(p7, err) < 0)
        return -1;
    info = PKCS7_to_TS_TST_INFO(p7);
    if (info == NULL)
        return refuse(err, "what is signed is not a timestamp");
    if (read_info(w, info, a, err) < 0)
        return -1;
    return find_authority(w, p7, a, err);
}

int tst_check(const struct stamp_wire *w, struct stamp_answer *a_r, struct pg_err *err)
{
    struct stamp_answer a = {0};
    int rc;

    ERR_clear_error();
    rc = check(w, &a, err);
    ERR_clear_error();
    if (rc == 0)
        *a_r = a;
    return rc;
}
