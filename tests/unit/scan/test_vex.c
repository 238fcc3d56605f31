/* SPDX-License-Identifier: Apache-2.0 */
/* What OpenVEX says, of what, and when it says nothing. */
#include "harness/scan_world.h"

#include "base/hash.h"

static struct pg_arena arena;

#define DOC(statements)                                                                            \
    "{\"@context\":\"https://openvex.dev/ns/v0.2.0\",\"@id\":\"i\",\"author\":\"A\","              \
    "\"timestamp\":\"2026-01-01T00:00:00Z\",\"version\":1,\"statements\":[" statements "]}"
#define ONE(product, more)                                                                         \
    "{\"vulnerability\":{\"name\":\"CVE-1\"},\"products\":[" product "]" more "}"
#define FIXED ",\"status\":\"fixed\""
#define IMAGE                                                                                      \
    "{\"@id\":\"pkg:oci/"                                                                          \
    "app@sha256%3A6c92e9b24397fd54302543fa7d0ba90a68e39a441c03ac65f97c8d678d813ca6\"}"
#define PACKAGE  "{\"@id\":\"pkg:deb/debian/libssl3@3.0.8-1\"}"
#define AFFECTED ",\"status\":\"affected\""

static enum vex_status ask(struct sl json, const char *id, const char *purl, const char *digest)
{
    struct pg_err err = {0};
    struct purl p;
    struct digest d;
    struct vex v;

    if (vex_read(json, &arena, &v, &err) < 0) {
        fail_msg("%s", err.msg);
    }
    if (purl != NULL) {
        assert_int_equal(purl_parse(sl_str(purl), &arena, &p, &err), 0);
    }
    if (digest != NULL) {
        d = scan_world_digest(digest);
    }
    const struct vex_question q = {sl_str(id), NULL, purl != NULL ? &p : NULL,
                                   digest != NULL ? &d : NULL};
    const struct vex_statement *s = vex_find(&v, &q);
    enum vex_status said = s != NULL ? s->status : VEX_SILENT;
    vex_free(&v);
    return said;
}

#define SSL  "pkg:deb/debian/libssl3@3.0.8-1?arch=amd64&distro=debian-12.0"
#define ZLIB "pkg:deb/debian/zlib1g@1"

TEST(the_fixture_is_about_a_package_of_an_image)
{
    struct sl bytes = scan_world_file("debian12/openvex.json");

    assert_int_equal(ask(bytes, "CVE-2023-0464", SSL, SCAN_DEBIAN), VEX_NOT_AFFECTED);
    assert_int_equal(ask(bytes, "cve-2023-0464", SSL, NULL), VEX_NOT_AFFECTED);
    assert_int_equal(ask(bytes, "CVE-2023-0464", ZLIB, SCAN_DEBIAN), VEX_SILENT);
    assert_int_equal(ask(bytes, "CVE-2023-0465", SSL, SCAN_DEBIAN), VEX_SILENT);
    scan_world_free(bytes);
}

TEST(a_product_is_an_image_by_its_digest_alone)
{
    struct sl whole = SL(DOC(ONE(IMAGE, FIXED)));
    struct sl named = SL(DOC(ONE("{\"@id\":\"pkg:oci/app@1.2\"}", FIXED)));
    struct sl part =
        SL(DOC(ONE("{\"@id\":\"https://x/y\",\"hashes\":{\"sha-256\":"
                   "\"6c92e9b24397fd54302543fa7d0ba90a68e39a441c03ac65f97c8d678d813ca6\"},"
                   "\"subcomponents\":[" PACKAGE "]}",
                   FIXED)));

    assert_int_equal(ask(whole, "CVE-1", ZLIB, SCAN_DEBIAN), VEX_FIXED);
    assert_int_equal(ask(whole, "CVE-1", NULL, SCAN_DEBIAN), VEX_FIXED);
    assert_int_equal(ask(whole, "CVE-1", ZLIB, SCAN_CLEAN), VEX_SILENT);
    assert_int_equal(ask(whole, "CVE-1", ZLIB, NULL), VEX_SILENT);
    assert_int_equal(ask(named, "CVE-1", ZLIB, SCAN_DEBIAN), VEX_SILENT);
    assert_int_equal(ask(part, "CVE-1", SSL, SCAN_DEBIAN), VEX_FIXED);
    assert_int_equal(ask(part, "CVE-1", ZLIB, SCAN_DEBIAN), VEX_SILENT);
    assert_int_equal(ask(part, "CVE-1", SSL, SCAN_CLEAN), VEX_SILENT);
}

TEST(a_package_without_a_version_is_every_package_and_so_none)
{
    struct sl open = SL(DOC(ONE("{\"@id\":\"pkg:deb/debian/libssl3\"}", FIXED)));
    struct sl within =
        SL(DOC(ONE("{\"@id\":\"pkg:generic/app@1\",\"subcomponents\":[" PACKAGE "]}", FIXED)));

    assert_int_equal(ask(open, "CVE-1", SSL, SCAN_DEBIAN), VEX_SILENT);
    assert_int_equal(ask(within, "CVE-1", SSL, SCAN_DEBIAN), VEX_SILENT);
}

TEST(the_newest_statement_holds)
{
    struct sl json = SL(DOC(ONE(IMAGE, FIXED ",\"timestamp\":\"2026-03-01T00:00:00Z\"") "," ONE(
        IMAGE, AFFECTED ",\"timestamp\":\"2026-04-01T00:00:00Z\"") "," ONE(IMAGE, FIXED)));
    struct sl same = SL(DOC(ONE(IMAGE, FIXED) "," ONE(IMAGE, AFFECTED)));

    assert_int_equal(ask(json, "CVE-1", SSL, SCAN_DEBIAN), VEX_AFFECTED);
    assert_int_equal(ask(same, "CVE-1", SSL, SCAN_DEBIAN), VEX_AFFECTED);
}

TEST(what_is_wrong_is_told_and_nothing_of_it_is_believed)
{
    static const struct {
        const char *json, *why;
    } wrong[] = {
        {"{}", "not OpenVEX 0.2"},
        {"{\"@context\":\"https://openvex.dev/ns/v0.2.0\"}", "no author"},
        {"{\"@context\":\"https://openvex.dev/ns/v0.2.0\",\"author\":\"a\"}", "no timestamp"},
        {DOC(""), "0 statements"},
        {DOC("1"), "statement 1 is not an object"},
        {DOC(ONE(IMAGE, FIXED) "," ONE(IMAGE, "")), "statement 2 has no status"},
        {DOC(ONE("", FIXED)), "about no product"},
        {DOC(ONE(IMAGE, ",\"status\":\"not_affected\"")), "without a justification"},
        {DOC(ONE(IMAGE, ",\"status\":\"not_affected\",\"justification\":\"trust me\"")),
         "does not know"},
        {DOC(ONE(IMAGE, FIXED ",\"timestamp\":\"yesterday\"")), "timestamp"},
        {DOC(ONE("{\"@id\":\"pkg:\"}", FIXED)), "statement 1: \"pkg:\" is no package URL"},
        {DOC("{\"products\":[" IMAGE "],\"status\":\"fixed\"}"), "no vulnerability.name"},
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        struct pg_err err = {0};
        struct vex v;
        assert_int_equal(vex_read(sl_str(wrong[i].json), &arena, &v, &err), -1);
        if (strstr(err.msg, wrong[i].why) == NULL) {
            fail_msg("\"%s\" does not say \"%s\"", err.msg, wrong[i].why);
        }
        pg_err_clear(&err);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(the_fixture_is_about_a_package_of_an_image),
        RUN(a_product_is_an_image_by_its_digest_alone),
        RUN(a_package_without_a_version_is_every_package_and_so_none),
        RUN(the_newest_statement_holds),
        RUN(what_is_wrong_is_told_and_nothing_of_it_is_believed),
    };

    pg_hash_setup();
    pg_arena_init(&arena, VEX_ARENA_BYTES);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pg_arena_free(&arena);
    return failed;
}
