/* SPDX-License-Identifier: Apache-2.0 */
/* One method and one target lead to one operation, or to one refusal; nothing is cleaned. */
#include "harness/test.h"

#include <stdio.h>

#include "oci/ref.h"
#include "oci/route.h"

#define HEX64  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define SHA    "sha256:" HEX64
#define SHA512 "sha512:" HEX64 HEX64
#define A63    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A128   A63 "a" A63 "a"

static struct pg_arena arena;
static struct route r;

static int set_up(void **state __attribute__((unused)))
{
    pg_arena_init(&arena, (size_t)64 * 1024);
    memset(&r, 0, sizeof(r));
    return 0;
}

static int tear_down(void **state __attribute__((unused)))
{
    pg_arena_free(&arena);
    return 0;
}

static struct sl sl(const char *text)
{
    return (struct sl){text, strlen(text)};
}

static void get(const char *target)
{
    struct pg_err err = {0};

    if (route_parse(SL("GET"), sl(target), &arena, &r, &err) < 0)
        fail_msg("%s was refused: %s", target, err.msg);
}

static void refused(const char *method, struct sl target, enum pg_ekind kind)
{
    struct pg_err err = {0};

    if (route_parse(sl(method), target, &arena, &r, &err) == 0)
        fail_msg("%s %.*s was taken", method, SL_ARG(target));
    if (err.kind != kind)
        fail_msg("%s %.*s: %s (%d, not %d)", method, SL_ARG(target), err.msg, (int)err.kind,
                 (int)kind);
    pg_err_clear(&err);
}

static void assert_sl(struct sl is, const char *wanted)
{
    if (!sl_eq(is, sl(wanted)))
        fail_msg("\"%.*s\" is not \"%s\"", SL_ARG(is), wanted);
}

TEST(the_table_of_endpoints)
{
    static const struct {
        const char *target;
        enum route_op op;
        enum route_authz authz;
        const char *name, *reference;
        bool by_digest;
    } rows[] = {
        {"/v2/", ROUTE_PING, ROUTE_AUTHZ_NONE, "", "", false},
        {"/v2", ROUTE_PING, ROUTE_AUTHZ_NONE, "", "", false},
        {"/v2?a=b", ROUTE_PING, ROUTE_AUTHZ_NONE, "", "", false},
        {"/v2/nginx/manifests/latest", ROUTE_MANIFEST, ROUTE_AUTHZ_PULL, "nginx", "latest", false},
        {"/v2/a/b/manifests/" SHA, ROUTE_MANIFEST, ROUTE_AUTHZ_PULL, "a/b", SHA, true},
        {"/v2/a/b/manifests/" SHA512, ROUTE_MANIFEST, ROUTE_AUTHZ_PULL, "a/b", SHA512, true},
        {"/v2/a/blobs/" SHA, ROUTE_BLOB, ROUTE_AUTHZ_PULL, "a", SHA, true},
        {"/v2/a/blobs/" SHA512, ROUTE_BLOB, ROUTE_AUTHZ_PULL, "a", SHA512, true},
        {"/v2/a/tags/list", ROUTE_TAGS, ROUTE_AUTHZ_LIST, "a", "", false},
        {"/v2/a/referrers/" SHA, ROUTE_REFERRERS, ROUTE_AUTHZ_PULL, "a", SHA, true},
        {"/v2/_catalog", ROUTE_CATALOG, ROUTE_AUTHZ_LIST, "", "", false},
        {"/v2/_catalog?n=5", ROUTE_CATALOG, ROUTE_AUTHZ_LIST, "", "", false},
        /* as addressed: with an upstream host in front */
        {"/v2/docker.io/library/nginx/manifests/1", ROUTE_MANIFEST, ROUTE_AUTHZ_PULL,
         "docker.io/library/nginx", "1", false},
        {"/v2/localhost:5000/a/manifests/1", ROUTE_MANIFEST, ROUTE_AUTHZ_PULL, "localhost:5000/a",
         "1", false},
        {"/v2/[::1]:5000/a/manifests/1", ROUTE_MANIFEST, ROUTE_AUTHZ_PULL, "[::1]:5000/a", "1",
         false},
        {"/v2/a_b.c/d/manifests/1", ROUTE_MANIFEST, ROUTE_AUTHZ_PULL, "a_b.c/d", "1", false},
        /* B04: names that contain the words of the API, from the right end */
        {"/v2/manifests/manifests/manifests", ROUTE_MANIFEST, ROUTE_AUTHZ_PULL, "manifests",
         "manifests", false},
        {"/v2/blobs/blobs/blobs/" SHA, ROUTE_BLOB, ROUTE_AUTHZ_PULL, "blobs/blobs", SHA, true},
        {"/v2/a/tags/list/tags/list", ROUTE_TAGS, ROUTE_AUTHZ_LIST, "a/tags/list", "", false},
        {"/v2/a/tags/list/manifests/list", ROUTE_MANIFEST, ROUTE_AUTHZ_PULL, "a/tags/list", "list",
         false},
        {"/v2/v2/v2/manifests/v2", ROUTE_MANIFEST, ROUTE_AUTHZ_PULL, "v2/v2", "v2", false},
        {"/v2/a/blobs/uploads/manifests/x", ROUTE_MANIFEST, ROUTE_AUTHZ_PULL, "a/blobs/uploads",
         "x", false},
        {"/v2/a/manifests/_catalog", ROUTE_MANIFEST, ROUTE_AUTHZ_PULL, "a", "_catalog", false},
        {"/v2/a/manifests/referrers/" SHA, ROUTE_REFERRERS, ROUTE_AUTHZ_PULL, "a/manifests", SHA,
         true},
        /* not below /v2 */
        {"/", ROUTE_OTHER, ROUTE_AUTHZ_NONE, "", "", false},
        {"/v1/", ROUTE_OTHER, ROUTE_AUTHZ_NONE, "", "", false},
        {"/v22/a/tags/list", ROUTE_OTHER, ROUTE_AUTHZ_NONE, "", "", false},
        {"/V2/", ROUTE_OTHER, ROUTE_AUTHZ_NONE, "", "", false},
        {"//v2/", ROUTE_OTHER, ROUTE_AUTHZ_NONE, "", "", false},
        {"/./v2/", ROUTE_OTHER, ROUTE_AUTHZ_NONE, "", "", false},
        {"/v2%2f", ROUTE_OTHER, ROUTE_AUTHZ_NONE, "", "", false},
        {"v2/", ROUTE_OTHER, ROUTE_AUTHZ_NONE, "", "", false},
        {"*", ROUTE_OTHER, ROUTE_AUTHZ_NONE, "", "", false},
        {"", ROUTE_OTHER, ROUTE_AUTHZ_NONE, "", "", false},
        {"/metrics?%zz", ROUTE_OTHER, ROUTE_AUTHZ_NONE, "", "", false},
        {"/%2F%2F..%2F..%2Fetc%2Fpasswd", ROUTE_OTHER, ROUTE_AUTHZ_NONE, "", "", false},
        {"/ui/%2F%2F..%2F..%2Fetc%2Fpasswd", ROUTE_OTHER, ROUTE_AUTHZ_NONE, "", "", false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        get(rows[i].target);
        if (r.op != rows[i].op || r.authz != rows[i].authz || r.by_digest != rows[i].by_digest)
            fail_msg("%s: op %d, authz %d", rows[i].target, (int)r.op, (int)r.authz);
        assert_sl(r.name, rows[i].name);
        assert_sl(r.reference, rows[i].reference);
        assert_false(r.is_head);
    }
}

TEST(a_digest_is_parsed_once_and_here)
{
    get("/v2/a/blobs/" SHA512);
    assert_int_equal(r.digest.alg, PG_SHA512);
    assert_int_equal(r.digest.bytes[0], 0x01);
    assert_int_equal(r.digest.bytes[63], 0xef);
    get("/v2/a/manifests/latest");
    assert_int_equal(r.digest.bytes[0], 0);
}

TEST(head_is_told_from_get)
{
    struct pg_err err = {0};

    assert_int_equal(route_parse(SL("HEAD"), SL("/v2/a/manifests/1"), &arena, &r, &err), 0);
    assert_true(r.is_head);
}

TEST(d07_every_method_that_writes_is_told_that_this_is_a_proxy)
{
    static const char *const methods[] = {"POST",    "PUT",   "PATCH", "DELETE", "OPTIONS", "TRACE",
                                          "CONNECT", "PURGE", "get",   "GETS",   "G",       ""};
    static const char *const targets[] = {"/v2/",
                                          "/v2/a/blobs/uploads/",
                                          "/v2/a/blobs/uploads/?mount=x&from=y",
                                          "/v2/a/blobs/uploads/some-uuid",
                                          "/v2/a/blobs/sha256:0123",
                                          "/v2/a/manifests/latest",
                                          "/v2/a/manifests/sha256:0123",
                                          "/v2/A//%2f",
                                          "/",
                                          "*"};

    for (size_t m = 0; m < sizeof(methods) / sizeof(methods[0]); m++) {
        for (size_t t = 0; t < sizeof(targets) / sizeof(targets[0]); t++) {
            struct pg_err err = {0};

            assert_int_equal(route_parse(sl(methods[m]), sl(targets[t]), &arena, &r, &err), -1);
            assert_int_equal(err.kind, PG_E_UNSUPPORTED);
            assert_non_null(strstr(err.msg, "read-only proxy"));
            pg_err_clear(&err);
        }
    }
    assert_int_equal(pg_err_http(PG_E_UNSUPPORTED), 405);
}

TEST(b01_hostile_paths_are_refused_and_never_cleaned)
{
    static const char *const rows[] = {
        "/v2/../etc/manifests/x",
        "/v2/./a/manifests/x",
        "/v2/a/../b/manifests/x",
        "/v2/a/manifests/..",
        "/v2/a/manifests/.",
        "/v2/..%2f..%2fetc/manifests/x",
        "/v2/%2e%2e/manifests/x",
        "/v2/a%2fb/manifests/x",
        "/v2/a%252fb/manifests/x",
        "/v2/a%00b/manifests/x",
        "/v2/a\\b/manifests/x",
        "/v2/a/manifests/x\\y",
        "/v2/a/manifests/%6catest",
        "/v2/a/manifests/sha256%3A0123",
        "/v2/lib//ok/manifests/x",
        "/v2//a/manifests/x",
        "/v2//",
        "/v2/a/manifests/",
        "/v2/a/manifests/x/",
        "/v2/a/tags/list/",
        "/v2/_catalog/",
        "/v2/a;b/manifests/x",
        "/v2/Upper/manifests/x",
        "/v2/caf\xc3\xa9/manifests/x",
        "/v2/\xef\xbd\x81/tags/list",
        "/v2/a\xc0\xaf/manifests/x",
        "/v2/a b/manifests/x",
        "/v2/a\tb/manifests/x",
        "/v2/a\r\nb/manifests/x",
        "/v2/-a/manifests/x",
        "/v2/_catalog/manifests/x",
        "/v2/u@h.io/a/manifests/x",
        "/v2/h.io:0/a/manifests/x",
        "/v2/H.io:5000/a/manifests/x",
        "/v2/h.io/A/manifests/x",
        "/v2/h:5000/manifests/x",
        "/v2/a:b/c:d/tags/list",
    };
    struct pg_err err = {0};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        refused("GET", sl(rows[i]), PG_E_NAME_INVALID);
    refused("GET", SL("/v2/a\0b/manifests/x"), PG_E_NAME_INVALID);
    assert_int_equal(route_parse(SL("GET"), SL("/v2/h:0/a/tags/list"), &arena, &r, &err), -1);
    assert_non_null(strstr(err.msg, "port"));
    pg_err_clear(&err);
    refused("GET", SL("/v2/" A128 A128 "/manifests/x"), PG_E_NAME_INVALID);
    get("/v2/" A128 A63 A63 "a/manifests/x"); /* 255 bytes */
}

TEST(b02_no_path_below_v2_reaches_outside)
{
    refused("GET", SL("/v2/%2F%2F..%2F..%2Fetc%2Fpasswd"), PG_E_NAME_INVALID);
    refused("GET", SL("/v2/../../etc/passwd"), PG_E_NAME_INVALID);
    refused("GET", SL("/v2/..\\..\\etc\\passwd"), PG_E_NAME_INVALID);
}

TEST(b03_r9_a_malformed_digest_is_the_clients_fault)
{
    static const char *const digests[] = {
        "sha256:baddigeststring",
        "sha256:",
        ":",
        "sha256:" HEX64 "0",
        "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde",
        "sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef",
        "SHA256:" HEX64,
        "sha512:" HEX64,
        "md5:d41d8cd98f00b204e9800998ecf8427e",
        "multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8",
        "sha256:sha256:" HEX64,
        "sha256:" HEX64 ";x",
    };

    for (size_t i = 0; i < sizeof(digests) / sizeof(digests[0]); i++) {
        static const char *const nouns[] = {"manifests", "blobs", "referrers"};

        for (size_t k = 0; k < 3; k++) {
            char target[256];

            (void)snprintf(target, sizeof(target), "/v2/a/%s/%s", nouns[k], digests[i]);
            refused("GET", sl(target), PG_E_DIGEST_INVALID);
            refused("HEAD", sl(target), PG_E_DIGEST_INVALID);
        }
    }
    assert_int_equal(pg_err_http(PG_E_DIGEST_INVALID), 400);
    refused("GET", SL("/v2/a/blobs/latest"), PG_E_DIGEST_INVALID);
    refused("GET", SL("/v2/a/blobs/" HEX64), PG_E_DIGEST_INVALID);
    refused("GET", SL("/v2/a/referrers/latest"), PG_E_DIGEST_INVALID);
    refused("GET", SL("/v2/a/blobs/sha256:../x"), PG_E_NAME_UNKNOWN); /* no digest: a longer path */
}

TEST(a_reference_that_is_no_tag_names_no_manifest)
{
    static const char *const rows[] = {"/v2/a/manifests/.INVALID_MANIFEST_NAME",
                                       "/v2/a/manifests/-a",
                                       "/v2/a/manifests/.a",
                                       "/v2/a/manifests/a+b",
                                       "/v2/a/manifests/caf\xc3\xa9",
                                       "/v2/a/manifests/" A128 "a"};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        refused("GET", sl(rows[i]), PG_E_MANIFEST_UNKNOWN);
    get("/v2/a/manifests/" A128);
}

TEST(an_unknown_endpoint_is_not_found)
{
    static const char *const rows[] = {"/v2/a",
                                       "/v2/a/b",
                                       "/v2/a/tags",
                                       "/v2/a/tags/latest",
                                       "/v2/tags/list",
                                       "/v2/manifests/latest",
                                       "/v2/blobs/sha256:0123",
                                       "/v2/a/blobs/uploads/some-uuid",
                                       "/v2/token",
                                       "/v2/a/Manifests/x",
                                       "/v2/manifests"};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        refused("GET", sl(rows[i]), PG_E_NAME_UNKNOWN);
    assert_int_equal(pg_err_http(PG_E_NAME_UNKNOWN), 404);
}

TEST(b06_ns_is_one_host_or_nothing)
{
    static const char *const hostile[] = {
        "/v2/a/manifests/1?ns=",
        "/v2/a/manifests/1?ns",
        "/v2/a/manifests/1?ns=evil.test/path",
        "/v2/a/manifests/1?ns=user@evil.test",
        "/v2/a/manifests/1?ns=https://evil.test",
        "/v2/a/manifests/1?ns=evil.test%2fpath",
        "/v2/a/manifests/1?ns=evil.test%00",
        "/v2/a/manifests/1?ns=evil.test%0d%0aX:y",
        "/v2/a/manifests/1?ns=Docker.IO",
        "/v2/a/manifests/1?ns=evil.test:0",
        "/v2/a/manifests/1?ns=docker.io.",
        "/v2/a/manifests/1?ns=2130706433",
        "/v2/a/manifests/1?ns=a?ns=b",
    };
    struct pg_err err = {0};

    get("/v2/a/manifests/1?ns=docker.io");
    assert_sl(r.ns, "docker.io");
    get("/v2/a/manifests/1?ns=localhost%3A5000");
    assert_sl(r.ns, "localhost:5000");
    get("/v2/a/manifests/1?ns=169.254.169.254"); /* a host; whether it is ours is not for here */
    assert_sl(r.ns, "169.254.169.254");
    get("/v2/?ns=ghcr.io");
    assert_sl(r.ns, "ghcr.io");
    get("/v2/a/manifests/1");
    assert_null(r.ns.p);
    for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++)
        refused("GET", sl(hostile[i]), PG_E_NAME_INVALID);
    refused("GET", SL("/v2/a/manifests/1?ns=a&ns=a"), PG_E_BAD_FRAMING);
    refused("GET", SL("/v2/a/manifests/1?ns=a&x=y&%6es=b"), PG_E_BAD_FRAMING);
    assert_int_equal(route_parse(SL("GET"), SL("/v2/?ns=a/b"), &arena, &r, &err), -1);
    assert_non_null(strstr(err.msg, "ns: "));
    pg_err_clear(&err);
}

TEST(b09_paging_is_clamped_or_refused)
{
    static const struct {
        const char *target;
        uint64_t n;
    } good[] = {
        {"/v2/a/tags/list?n=0", 0},
        {"/v2/a/tags/list?n=007", 7},
        {"/v2/a/tags/list?n=10000", 10000},
        {"/v2/a/tags/list?n=10001", ROUTE_PAGE_MAX},
        {"/v2/a/tags/list?n=1000000000", ROUTE_PAGE_MAX},
        {"/v2/a/tags/list?n=9223372036854775808", ROUTE_PAGE_MAX},
        {"/v2/a/tags/list?n=18446744073709551617", ROUTE_PAGE_MAX},
        {"/v2/a/tags/list?n=99999999999999999999999999999999999999", ROUTE_PAGE_MAX},
    };
    static const char *const bad[] = {
        "/v2/a/tags/list?n=-1",
        "/v2/a/tags/list?n=abc",
        "/v2/a/tags/list?n=1e9",
        "/v2/a/tags/list?n=",
        "/v2/a/tags/list?n",
        "/v2/a/tags/list?n=%31%00",
        "/v2/a/tags/list?n=+1",
        "/v2/a/tags/list?n=0x10",
        "/v2/a/tags/list?n=1&n=1",
        "/v2/a/tags/list?n=1.0",
        "/v2/a/tags/list?last=%",
        "/v2/a/tags/list?last=%0",
        "/v2/a/tags/list?last=%zz",
        "/v2/a/tags/list?last=%4g",
        "/v2/a/tags/list?last=%4G",
        "/v2/a/tags/list?%zz=1",
        "/v2/a/tags/list?last=a&last=b",
    };

    get("/v2/a/tags/list");
    assert_false(r.has_n);
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        get(good[i].target);
        assert_true(r.has_n);
        assert_int_equal(r.n, good[i].n);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        refused("GET", sl(bad[i]), PG_E_BAD_FRAMING);
}

TEST(b09_last_is_a_tag)
{
    get("/v2/a/tags/list?n=5&last=v1%2E2");
    assert_sl(r.last, "v1.2");
    assert_int_equal(r.n, 5);
    get("/v2/a/tags/list?last=");
    assert_non_null(r.last.p);
    assert_int_equal(r.last.n, 0);
    refused("GET", SL("/v2/a/tags/list?last=a%0d%0aSet-Cookie:x"), PG_E_NAME_INVALID);
    refused("GET", SL("/v2/a/tags/list?last=a\r\nb"), PG_E_NAME_INVALID);
    refused("GET", SL("/v2/a/tags/list?last=" A128 "a"), PG_E_NAME_INVALID);
    refused("GET", SL("/v2/a/tags/list?last=../../x"), PG_E_NAME_INVALID);
}

TEST(artifact_types_are_decoded_and_a_plus_is_a_plus)
{
    get("/v2/a/referrers/" SHA "?artifactType=application/vnd.cncf.notary.signature");
    assert_sl(r.artifact_type, "application/vnd.cncf.notary.signature");
    get("/v2/a/referrers/" SHA "?artifactType=application%2Fspdx%2Bjson");
    assert_sl(r.artifact_type, "application/spdx+json");
    get("/v2/a/referrers/" SHA "?artifactType=application/spdx+json");
    assert_sl(r.artifact_type, "application/spdx+json");
    get("/v2/a/referrers/" SHA "?artifactType=a/b%3Bversion%3D0.3");
    assert_sl(r.artifact_type, "a/b;version=0.3");
    refused("GET", SL("/v2/a/referrers/" SHA "?artifactType=a%0ab"), PG_E_BAD_FRAMING);
    refused("GET", SL("/v2/a/referrers/" SHA "?artifactType=%80"), PG_E_BAD_FRAMING);
    refused("GET", SL("/v2/a/referrers/" SHA "?artifactType=%7f"), PG_E_BAD_FRAMING);
    refused("GET", SL("/v2/a/referrers/" SHA "?artifactType=" A128 A128), PG_E_BAD_FRAMING);
}

TEST(parameters_that_we_do_not_know_change_nothing)
{
    get("/v2/a/manifests/1?&&x&=&y=%41&NS=evil&digest=z&nsx=1&");
    assert_sl(r.reference, "1");
    assert_null(r.ns.p);
}

TEST(a_target_is_bounded_and_so_is_what_it_takes)
{
    static char target[ROUTE_TARGET_MAX + 1];
    struct pg_err err = {0};
    struct sl start = SL("/v2/a/tags/list?x="), pair = SL("%41&");
    size_t n = start.n;

    memset(target, 'a', sizeof(target));
    memcpy(target, start.p, start.n);
    assert_int_equal(
        route_parse(SL("GET"), (struct sl){target, ROUTE_TARGET_MAX}, &arena, &r, &err), 0);
    refused("GET", (struct sl){target, ROUTE_TARGET_MAX + 1}, PG_E_URI_TOO_LONG);
    for (; n + pair.n <= ROUTE_TARGET_MAX; n += pair.n)
        memcpy(target + n, pair.p, pair.n);
    refused("GET", (struct sl){target, n}, PG_E_BAD_FRAMING);
    assert_in_range(arena.used, 0, 4096);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(the_table_of_endpoints),
        RUN(a_digest_is_parsed_once_and_here),
        RUN(head_is_told_from_get),
        RUN(d07_every_method_that_writes_is_told_that_this_is_a_proxy),
        RUN(b01_hostile_paths_are_refused_and_never_cleaned),
        RUN(b02_no_path_below_v2_reaches_outside),
        RUN(b03_r9_a_malformed_digest_is_the_clients_fault),
        RUN(a_reference_that_is_no_tag_names_no_manifest),
        RUN(an_unknown_endpoint_is_not_found),
        RUN(b06_ns_is_one_host_or_nothing),
        RUN(b09_paging_is_clamped_or_refused),
        RUN(b09_last_is_a_tag),
        RUN(artifact_types_are_decoded_and_a_plus_is_a_plus),
        RUN(parameters_that_we_do_not_know_change_nothing),
        RUN(a_target_is_bounded_and_so_is_what_it_takes),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
