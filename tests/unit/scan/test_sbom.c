/* SPDX-License-Identifier: Apache-2.0 */
/* The SBOMs of several tools have the same packages, and say which image they are about. */
#include "harness/scan_world.h"

static struct pg_arena arena;

static const struct sbom_package *package(const struct sbom *s, const char *name)
{
    for (size_t i = 0; i < s->npackages; i++) {
        if (sl_eq(s->packages[i].name, sl_str(name))) {
            return &s->packages[i];
        }
    }
    return NULL;
}

TEST(four_writers_name_the_same_packages_of_the_same_image)
{
    static const char *const files[] = {"debian12/syft.spdx.json", "debian12/syft.cdx.json",
                                        "debian12/trivy.sbom.spdx.json",
                                        "debian12/trivy.sbom.cdx.json"};
    const struct digest image = scan_world_digest(SCAN_DEBIAN);

    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
        struct sbom s = scan_world_sbom(files[i], &arena);
        assert_int_equal(s.npackages, 4);
        assert_int_equal(s.nof_system, 3);
        assert_true(s.has_digest && digest_eq(&s.digest, &image));
        assert_true(sl_eq(s.tool, i < 2 ? SL("syft") : SL("trivy")));
        assert_true(s.made_s > 1700000000);
        const struct sbom_package *p = package(&s, "libssl3");
        assert_non_null(p);
        assert_true(sl_eq(p->version, SL("3.0.8-1")) && p->is_of_system);
        assert_true(sl_starts(p->purl, SL("pkg:deb/debian/libssl3@3.0.8-1?")));
        assert_non_null(package(&s, "requests"));
        assert_false(package(&s, "requests")->is_of_system);
    }
}

TEST(licences_are_those_that_somebody_said)
{
    struct sbom s = scan_world_sbom("debian12/trivy.sbom.cdx.json", &arena);

    assert_int_equal(package(&s, "libssl3")->nlicenses, 0);
    assert_int_equal(package(&s, "requests")->nlicenses, 1);
    assert_true(sl_eq(package(&s, "requests")->licenses[0], SL("Apache-2.0")));
    s = scan_world_sbom("debian12/syft.spdx.json", &arena);
    assert_int_equal(package(&s, "zlib1g")->nlicenses, 0); /* NOASSERTION is no licence */
    assert_true(sl_eq(package(&s, "requests")->licenses[0], SL("LicenseRef-Apache-2.0")));
}

TEST(an_image_without_packages_has_none)
{
    assert_int_equal(scan_world_sbom("clean/syft.cdx.json", &arena).npackages, 0);
    assert_int_equal(scan_world_sbom("clean/trivy.sbom.cdx.json", &arena).npackages, 0);
}

static int read(const char *json, struct sbom *s, struct pg_err *err)
{
    return sbom_read(sl_str(json), &arena, s, err);
}

#define CDX(v, more) "{\"bomFormat\":\"CycloneDX\",\"specVersion\":\"" v "\"" more "}"
#define LIB(n, more)                                                                               \
    "{\"type\":\"library\",\"name\":\"" n "\",\"version\":\"1\",\"purl\":\"pkg:npm/" n "@1\"" more \
    "}"

TEST(components_within_components_are_packages)
{
    struct pg_err err = {0};
    struct sbom s;

    assert_int_equal(
        read(CDX("1.4",
                 ",\"components\":[" LIB(
                     "a", ",\"components\":[" LIB(
                              "b", ",\"components\":[" LIB("c", "") "]") "]") "," LIB("d", "") "]"),
             &s, &err),
        0);
    assert_int_equal(s.npackages, 4);
    assert_non_null(package(&s, "c"));
    assert_false(s.has_digest);
}

TEST(two_images_in_one_are_none)
{
    struct pg_err err = {0};
    struct sbom s;

    assert_int_equal(read("{\"spdxVersion\":\"SPDX-2.3\",\"packages\":["
                          "{\"name\":\"i\",\"versionInfo\":\"" SCAN_DEBIAN
                          "\",\"primaryPackagePurpose\":\"CONTAINER\"},"
                          "{\"name\":\"k\",\"versionInfo\":\"" SCAN_CLEAN
                          "\",\"primaryPackagePurpose\":\"CONTAINER\"}]}",
                          &s, &err),
                     0);
    assert_false(s.has_digest);
}

TEST(what_is_no_sbom_is_refused_with_what_is_wrong)
{
    static const struct {
        const char *json, *why;
    } wrong[] = {
        {"", "JSON is empty"},
        {"{\"spdxVersion\":\"SPDX-2.3\",\"pack", "ends too early"},
        {"[]", "neither SPDX"},
        {"{\"spdxVersion\":\"SPDX-3.0\"}", "not SPDX-3.0"},
        {"{\"spdxVersion\":\"SPDX-2.3\",\"packages\":{}}", "\"packages\" is not a list"},
        {"{\"spdxVersion\":\"SPDX-2.3\",\"packages\":[1]}", "a package is not an object"},
        {CDX("1.9", ""), "not 1.9"},
        {CDX("1.6", ",\"components\":[{\"type\":\"library\",\"version\":\"1\"}]"), "has no name"},
        {CDX("1.6", ",\"components\":[7]"), "not an object"},
        {CDX("1.6", ",\"components\":[{\"type\":\"library\",\"name\":1}]"), "\"name\" is not"},
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        struct pg_err err = {0};
        struct sbom s;
        assert_int_equal(read(wrong[i].json, &s, &err), -1);
        if (strstr(err.msg, wrong[i].why) == NULL) {
            fail_msg("\"%s\" does not say \"%s\"", err.msg, wrong[i].why);
        }
        pg_err_clear(&err);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(four_writers_name_the_same_packages_of_the_same_image),
        RUN(licences_are_those_that_somebody_said),
        RUN(an_image_without_packages_has_none),
        RUN(components_within_components_are_packages),
        RUN(two_images_in_one_are_none),
        RUN(what_is_no_sbom_is_refused_with_what_is_wrong),
    };

    pg_arena_init(&arena, SBOM_ARENA_BYTES);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pg_arena_free(&arena);
    return failed;
}
