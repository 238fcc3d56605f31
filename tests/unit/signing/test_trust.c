/* SPDX-License-Identifier: Apache-2.0 */
/* What signatures are checked against, and what of it is refused with the place. */
#include "harness/test.h"

#include "base/buf.h"
#include "signing/trust_int.h"

#define KEY_BASE64                                                                                 \
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE2g144GGIWsNRu7I1YddJjWWYPbzLK7mx2b3WLpFbEbaWRGKaqzXwIkgF" \
    "jYMZbaIn6CtuLVmuUpxWKNs4qKfSNA=="
#define KEY_PEM "-----BEGIN PUBLIC KEY-----\n" KEY_BASE64 "\n-----END PUBLIC KEY-----\n"
#define TYPE    "\"mediaType\":\"application/vnd.dev.sigstore.trustedroot+json;version=0.1\""
#define LOG(valid)                                                                                 \
    "{\"baseUrl\":\"https://rekor.example:8443/x\",\"hashAlgorithm\":\"SHA2_256\","                \
    "\"logId\":{\"keyId\":\"H5hWjQvw/HUYD8XNHdTUmQK0R2Tlo4OJ+jlxyfU8j+Y=\"},"                      \
    "\"publicKey\":{\"keyDetails\":\"PKIX_ECDSA_P256_SHA_256\",\"rawBytes\":\"" KEY_BASE64 "\","   \
    "\"validFor\":" valid "}}"
#define ROOT(valid) "{" TYPE ",\"tlogs\":[" LOG(valid) "]}"

static char id[TRUST_ID_DIGITS + 1];

static int add_key(struct trust *t, const char *pem, int64_t until_s)
{
    struct pg_err err = {0};
    int status =
        trust_add_key(t, "k.pub", sl_str(pem), (struct trust_window){0, until_s}, id, &err);

    pg_err_clear(&err);
    return status;
}

TEST(a_key_twice_is_a_key_once)
{
    struct trust *t = trust_new();

    assert_int_equal(add_key(t, KEY_PEM, INT64_MAX), 0);
    assert_string_equal(id, "1f98568d0bf0fc75180fc5cd1dd4d49902b44764e5a38389fa3971c9f53c8fe6");
    assert_int_equal(add_key(t, "\n" KEY_PEM "\n", INT64_MAX), 0);
    assert_int_equal(t->nkeys, 1);
    assert_int_equal(add_key(t, KEY_PEM, 100), -1); /* for another time */
    assert_int_equal(t->nkeys, 1);
    trust_unref(t);
}

static void key_is_wrong(const char *pem, const char *says)
{
    struct trust *t = trust_new();
    struct pg_err err = {0};

    assert_int_equal(trust_add_key(t, "k.pub", sl_str(pem), TRUST_ALWAYS, id, &err), -1);
    assert_int_equal(err.kind, PG_E_DENIED);
    if (strstr(err.msg, says) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.msg, says);
    pg_err_clear(&err);
    trust_unref(t);
}

TEST(a_key_that_is_wrong_is_refused_with_its_place)
{
    key_is_wrong("", "k.pub:1:1: there is no public key");
    key_is_wrong("\n  hello", "k.pub:2:3: this is not PEM");
    key_is_wrong(KEY_PEM KEY_PEM, "k.pub:4:1: there is something behind the key");
    key_is_wrong("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nZm9v\n"
                 "-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n",
                 "k.pub:1:1: \"ENCRYPTED SIGSTORE PRIVATE KEY\" is not a public key");
    key_is_wrong("-----BEGIN PUBLIC KEY-----\nZm9v\n-----END PUBLIC KEY-----\n",
                 "k.pub:1:1: not a public key that can be used");
}

static void root_is_wrong(const char *json, const char *says)
{
    struct trust *t = trust_new();
    struct pg_err err = {0};

    assert_int_equal(trust_add_root(t, "root.json", sl_str(json), &err), -1);
    if (strstr(err.msg, says) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.msg, says);
    assert_false(trust_has_root(t));
    pg_err_clear(&err);
    trust_unref(t);
}

TEST(a_trusted_root_is_read)
{
    struct trust *t = trust_new();
    struct pg_err err = {0};
    struct sl json = SL(ROOT("{\"start\":\"2026-01-15T12:00:30Z\",\"end\":null}"));

    assert_int_equal(trust_add_root(t, "root.json", json, &err), 0);
    assert_true(trust_has_root(t));
    assert_int_equal(t->tlogs.n, 1);
    assert_true(sl_eq(t->tlogs.at[0].host, SL("rekor.example")));
    assert_int_equal(t->tlogs.at[0].window.from_s, 1768478430);
    assert_int_equal(t->tlogs.at[0].window.until_s, INT64_MAX);
    assert_memory_equal(t->tlogs.at[0].id, t->tlogs.at[0].key->sha256, 32);
    trust_unref(t);
}

TEST(a_trusted_root_that_is_wrong_is_refused_with_its_place)
{
    root_is_wrong("{", "root.json: JSON ends too early, at line 1, column 1");
    root_is_wrong("[]", "root.json: mediaType");
    root_is_wrong("{" TYPE "}", "neither a log nor");
    root_is_wrong("{" TYPE ",\"tlogs\":{}}", "tlogs is not a list");
    root_is_wrong("{" TYPE ",\"tlogs\":[1]}", "root.json: tlogs[0]: ");
    root_is_wrong(ROOT("{}"), "tlogs[0]: validFor.start is missing");
    root_is_wrong(ROOT("{\"start\":\"yesterday\"}"), "validFor.start is missing");
    root_is_wrong(ROOT("{\"start\":\"2026-01-15T12:00:30Z\",\"end\":\"x\"}"), "validFor.end");
    root_is_wrong(ROOT("{\"start\":\"2026-01-15T12:00:30Z\",\"end\":\"2026-01-15T12:00:29Z\"}"),
                  "ends before it starts");
    root_is_wrong("{" TYPE ",\"certificateAuthorities\":[{\"certChain\":{\"certificates\":[]},"
                  "\"validFor\":{\"start\":\"2026-01-15T12:00:30Z\"}}]}",
                  "certificateAuthorities[0]: certChain.certificates does not have 1 to 8");
    root_is_wrong("{" TYPE ",\"timestampAuthorities\":[{\"certChain\":{\"certificates\":["
                  "{\"rawBytes\":\"Zg==\"}]},\"validFor\":{\"start\":\"2026-01-15T12:00:30Z\"}}]}",
                  "timestampAuthorities[0]: certChain.certificates[0].rawBytes is not");
}

TEST(the_revision_is_of_all_that_was_put_in_in_any_order)
{
    struct trust *a = trust_new(), *b = trust_new(), *c = trust_new(), *none = trust_new();
    struct sl json = SL(ROOT("{\"start\":\"2026-01-15T12:00:30Z\"}"));
    uint8_t of_a[32], of_b[32], of_c[32], of_none[32];
    struct pg_err err = {0};

    assert_int_equal(add_key(a, KEY_PEM, INT64_MAX), 0);
    assert_int_equal(trust_add_root(a, "a", json, &err), 0);
    assert_int_equal(trust_add_root(b, "b", json, &err), 0);
    assert_int_equal(trust_add_root(b, "b", json, &err), 0); /* twice is once */
    assert_int_equal(add_key(b, KEY_PEM, INT64_MAX), 0);
    assert_int_equal(add_key(c, KEY_PEM, 100), 0);
    assert_int_equal(trust_add_root(c, "c", json, &err), 0);
    trust_revision(a, of_a);
    trust_revision(b, of_b);
    trust_revision(c, of_c);
    trust_revision(none, of_none);
    assert_memory_equal(of_a, of_b, 32);
    assert_memory_not_equal(of_a, of_c, 32);
    assert_memory_not_equal(of_a, of_none, 32);
    trust_unref(a);
    trust_unref(b);
    trust_unref(trust_ref(c));
    trust_unref(c);
    trust_unref(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(a_key_twice_is_a_key_once),
        RUN(a_key_that_is_wrong_is_refused_with_its_place),
        RUN(a_trusted_root_is_read),
        RUN(a_trusted_root_that_is_wrong_is_refused_with_its_place),
        RUN(the_revision_is_of_all_that_was_put_in_in_any_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
