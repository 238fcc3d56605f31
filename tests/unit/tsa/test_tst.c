/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens of the fixtures: each gives its time, or is refused for the reason in its name. */
#include "harness/test.h"

#include <openssl/evp.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/json.h"
#include "tsa/tst.h"

#define FOLDER   PG_SOURCE "/tests/fixtures/signing/keyless/bundle-verify/"
#define FILE_MAX ((size_t)1 << 20)
#define JAN_15   INT64_C(1768478400) /* 2026-01-15 12:00:00 UTC */

static struct pg_arena arena;

static struct sl load(const char *which, const char *name)
{
    char path[512];
    char *bytes = pg_alloc(&arena, FILE_MAX);
    FILE *f;
    size_t n;

    (void)snprintf(path, sizeof(path), FOLDER "%s/%s", which, name);
    f = fopen(path, "rb");
    if (f == NULL)
        fail_msg("%s is not there", path);
    n = fread(bytes, 1, FILE_MAX, f);
    assert_true(n > 0 && n < FILE_MAX);
    assert_int_equal(fclose(f), 0);
    return (struct sl){bytes, n};
}

static json_t *load_json(const char *which, const char *name)
{
    json_t *root = NULL;
    struct pg_err err = {0};

    assert_int_equal(pg_json_parse(load(which, name), PG_E_INTERNAL, &root, &err), 0);
    return root;
}

static struct sl decode(struct sl b64)
{
    unsigned char *out = pg_alloc(&arena, b64.n + 4);
    int n = EVP_DecodeBlock(out, (const unsigned char *)b64.p, (int)b64.n);

    assert_true(n > 0);
    while (b64.n > 0 && b64.p[b64.n - 1] == '=') {
        n--;
        b64.n--;
    }
    return (struct sl){(char *)out, (size_t)n};
}

static int64_t read_date(struct sl text, int64_t absent)
{
    char copy[64] = "";
    struct tm tm = {0};

    if (text.p == NULL)
        return absent;
    assert_true(text.n < sizeof(copy));
    memcpy(copy, text.p, text.n);
    assert_non_null(strptime(copy, "%Y-%m-%dT%H:%M:%S", &tm));
    return (int64_t)timegm(&tm);
}

static unsigned read_authorities(const json_t *root, struct stamp_authority *authorities)
{
    const json_t *list = json_object_get(root, "timestampAuthorities"), *one, *cert;
    size_t i, k;

    json_array_foreach(list, i, one)
    {
        const json_t *valid = json_object_get(one, "validFor");
        struct stamp_authority *a = &authorities[i];

        a->from_s = read_date(pg_json_str(valid, "start"), 0);
        a->until_s = read_date(pg_json_str(valid, "end"), INT64_MAX);
        json_array_foreach(json_object_get(json_object_get(one, "certChain"), "certificates"), k,
                           cert)
        {
            a->certs[a->ncerts++] = decode(pg_json_str(cert, "rawBytes"));
        }
    }
    return (unsigned)json_array_size(list);
}

static const json_t *walk(const json_t *at, const char *a, const char *b, const char *c)
{
    at = json_object_get(at, a);
    at = b != NULL ? json_object_get(at, b) : at;
    return c != NULL ? json_object_get(at, c) : at;
}

struct asked {
    struct stamp_question q;
    struct stamp_authority authorities[STAMP_AUTHORITIES_MAX];
};

static void read_case(const char *name, struct asked *a)
{
    _json_ json_t *bundle = load_json(name, "bundle.sigstore.json");
    _json_ json_t *root = load_json(name, "trusted_root.json");
    const json_t *stamps =
        walk(bundle, "verificationMaterial", "timestampVerificationData", "rfc3161Timestamps");
    struct sl signature = pg_json_str(walk(bundle, "messageSignature", NULL, NULL), "signature");

    if (signature.p == NULL)
        signature =
            pg_json_str(json_array_get(walk(bundle, "dsseEnvelope", "signatures", NULL), 0), "sig");
    a->q.is_response = true;
    a->q.data = decode(signature);
    a->q.token = decode(pg_json_str(json_array_get(stamps, 0), "signedTimestamp"));
    a->q.authorities = a->authorities;
    a->q.nauthorities = read_authorities(root, a->authorities);
}

/* Over the wire, as it is asked. */
static int check(const struct stamp_question *q, struct stamp_answer *a_r, struct pg_err *err)
{
    struct stamp_wire w;
    struct pg_buf out;
    int rc;

    pg_buf_init(&out, STAMP_WIRE_MAX);
    rc = stamp_wire_put(q, &out, err);
    if (rc == 0)
        rc = stamp_wire_get(pg_buf_sl(&out), &w, err);
    if (rc == 0)
        rc = tst_check(&w, a_r, err);
    pg_buf_free(&out);
    return rc;
}

static void refused(const struct stamp_question *q, const char *name, const char *why)
{
    struct stamp_answer answer;
    struct pg_err err = {0};

    if (check(q, &answer, &err) == 0)
        fail_msg("%s passed", name);
    assert_int_equal(err.kind, PG_E_DENIED);
    if (strstr(err.msg, why) == NULL)
        fail_msg("%s: \"%s\" does not say \"%s\"", name, err.msg, why);
    pg_err_clear(&err);
}

/* The rest of tsa-* is wrong elsewhere: in what is signed, or in how many they are. */
static const struct {
    const char *name, *why; /* NULL: good */
} cases[] = {
    {"ok-msg-rekor1-tsa", NULL},
    {"ok-msg-tsa-only", NULL},
    {"ok-tsa-embedded-cert", NULL},
    {"ok-tsa-leaf-expired-now", NULL},
    {"ok-tsa-sha512-imprint", NULL},
    {"tsa-33_fail", NULL},
    {"tsa-after-leaf_fail", NULL},
    {"tsa-before-leaf_fail", NULL},
    {"tsa-digest-attr_fail", "signature"},
    {"tsa-eku-codesigning_fail", "not one for timestamps alone"},
    {"tsa-eku-not-critical_fail", "not one for timestamps alone"},
    {"tsa-ess-mismatch_fail", "what it says of its signer"},
    {"tsa-leaf-expired-at-gentime_fail", "not valid at the time"},
    {"tsa-leaf-is-ca_fail", "which must not"},
    {"tsa-no-ess_fail", "what it says of its signer"},
    {"tsa-other-bytes_fail", "over other bytes"},
    {"tsa-over-payload_fail", "over other bytes"},
    {"tsa-root-only-untrusted-mixed_fail", "no authority that is trusted"},
    {"tsa-sha1-imprint_fail", "none of SHA-256"},
    {"tsa-status-rejection_fail", "did not grant"},
    {"tsa-truncated_fail", "not one DER value"},
    {"tsa-untrusted-with-genuine-cert_fail", "no authority that is trusted"},
    {"tsa-untrusted_fail", "no authority that is trusted"},
    {"tsa-window_fail", "outside the time"},
};

TEST(each_fixture_gives_its_time_or_its_reason)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct asked a = {0};
        struct stamp_answer answer = {0};
        struct pg_err err = {0};

        read_case(cases[i].name, &a);
        if (cases[i].why != NULL) {
            refused(&a.q, cases[i].name, cases[i].why);
            continue;
        }
        if (check(&a.q, &answer, &err) < 0)
            fail_msg("%s: %s", cases[i].name, err.msg);
        assert_int_equal(answer.authority, 0);
        assert_in_range(answer.time_s, JAN_15 - 86400, JAN_15 + 86400);
    }
}

TEST(the_authority_among_several_is_named)
{
    struct asked good = {0}, bad = {0};
    struct stamp_answer answer = {0};
    struct pg_err err = {0};

    read_case("ok-msg-tsa-only", &good);
    read_case("tsa-untrusted_fail", &bad);
    good.authorities[1] = good.authorities[0];
    good.authorities[0] = (struct stamp_authority){
        .certs = {bad.authorities[0].certs[0]}, .ncerts = 1, .until_s = INT64_MAX};
    good.q.nauthorities = 2;
    assert_int_equal(check(&good.q, &answer, &err), 0);
    assert_int_equal(answer.authority, 1);
}

TEST(the_window_of_the_authority_is_inclusive_at_both_ends)
{
    struct asked a = {0};
    struct stamp_answer answer = {0};
    struct pg_err err = {0};

    read_case("ok-msg-tsa-only", &a);
    assert_int_equal(check(&a.q, &answer, &err), 0);
    a.authorities[0].from_s = a.authorities[0].until_s = answer.time_s;
    assert_int_equal(check(&a.q, &answer, &err), 0);
    a.authorities[0].from_s = answer.time_s + 1;
    a.authorities[0].until_s = INT64_MAX;
    refused(&a.q, "before its start", "outside the time");
    a.authorities[0].from_s = 0;
    a.authorities[0].until_s = answer.time_s - 1;
    refused(&a.q, "after its end", "outside the time");
}

/* Both are of one root; that which is not listed is in the token. */
TEST(CVE_2026_39984_the_listed_certificate_is_required)
{
    struct asked a = {0}, other = {0};

    read_case("ok-tsa-leaf-expired-now", &a);
    read_case("ok-msg-tsa-only", &other);
    assert_int_equal(a.authorities[0].ncerts, 1);
    assert_true(sl_eq(a.authorities[0].certs[0], other.authorities[0].certs[1]));
    a.authorities[0] = other.authorities[0];
    refused(&a.q, "another one listed", "another certificate than the authority's");
}

TEST(nobody_trusted_is_nobody)
{
    struct asked a = {0};

    read_case("ok-msg-tsa-only", &a);
    a.q.nauthorities = 0;
    refused(&a.q, "none", "no timestamp authority is trusted");
    a.q.nauthorities = 1;
    a.authorities[0].certs[0] = SL("junk");
    refused(&a.q, "junk", "cannot be read");
}

TEST(a_response_is_no_token_and_bytes_behind_it_are_refused)
{
    struct asked a = {0};
    char *longer;

    read_case("ok-msg-tsa-only", &a);
    a.q.is_response = false;
    refused(&a.q, "response", "not an RFC 3161 token");
    a.q.is_response = true;
    longer = pg_alloc(&arena, a.q.token.n + 1);
    memcpy(longer, a.q.token.p, a.q.token.n);
    a.q.token = (struct sl){longer, a.q.token.n + 1};
    refused(&a.q, "trailing", "not one DER value");
    a.q.token.n = 0;
    refused(&a.q, "empty", "empty");
}

/* The token alone, as Notation has it, out of a response. */
TEST(a_bare_token_is_looked_at_as_one)
{
    struct asked a = {0};
    struct stamp_answer answer = {0};
    struct pg_err err = {0};
    const size_t heads = 4 + 5; /* SEQUENCE of two bytes of length, PKIStatusInfo */

    read_case("ok-msg-tsa-only", &a);
    assert_memory_equal(a.q.token.p + 4, "\x30\x03\x02\x01\x00", 5);
    a.q.token = (struct sl){a.q.token.p + heads, a.q.token.n - heads};
    a.q.is_response = false;
    assert_int_equal(check(&a.q, &answer, &err), 0);
    a.q.is_response = true;
    refused(&a.q, "token", "not an RFC 3161 response");
}

/* Each byte of it matters, or is one that nothing depends on; none of them crashes. */
TEST(a_flipped_byte_never_gives_another_time)
{
    struct asked a = {0};
    struct stamp_answer was = {0};
    struct pg_err err = {0};
    char *bytes;

    read_case("ok-tsa-embedded-cert", &a);
    assert_int_equal(check(&a.q, &was, &err), 0);
    bytes = pg_alloc(&arena, a.q.token.n);
    memcpy(bytes, a.q.token.p, a.q.token.n);
    a.q.token.p = bytes;
    for (size_t i = 0; i < a.q.token.n; i += 3) {
        struct stamp_answer now = was;

        bytes[i] ^= 0x20;
        if (check(&a.q, &now, &err) == 0)
            assert_true(now.time_s == was.time_s && now.accuracy_ms == was.accuracy_ms);
        pg_err_clear(&err);
        bytes[i] ^= 0x20;
    }
}

static int set_up(void **state)
{
    (void)state;
    pg_arena_init(&arena, (size_t)256 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pg_arena_free(&arena);
    return 0;
}

#define RUN_WITH_FILES(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN_WITH_FILES(each_fixture_gives_its_time_or_its_reason),
        RUN_WITH_FILES(the_authority_among_several_is_named),
        RUN_WITH_FILES(the_window_of_the_authority_is_inclusive_at_both_ends),
        RUN_WITH_FILES(CVE_2026_39984_the_listed_certificate_is_required),
        RUN_WITH_FILES(nobody_trusted_is_nobody),
        RUN_WITH_FILES(a_response_is_no_token_and_bytes_behind_it_are_refused),
        RUN_WITH_FILES(a_bare_token_is_looked_at_as_one),
        RUN_WITH_FILES(a_flipped_byte_never_gives_another_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
