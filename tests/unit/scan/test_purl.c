/* SPDX-License-Identifier: Apache-2.0 */
/* Package URLs of several tools are one form, and are compared strictly. */
#include "harness/test.h"

#include "scan/purl.h"

static struct pg_arena arena;

static struct purl read(const char *text)
{
    struct pg_err err = {0};
    struct purl p;

    if (purl_parse(sl_str(text), &arena, &p, &err) < 0) {
        fail_msg("%s", err.msg);
    }
    return p;
}

static void assert_text(struct sl s, const char *text)
{
    if (!sl_eq(s, sl_str(text))) {
        fail_msg("\"" SL_FMT "\" is not \"%s\"", SL_ARG(s), text);
    }
}

static bool covers(const char *said, const char *found)
{
    struct purl a = read(said), b = read(found);

    return purl_covers(&a, &b);
}

TEST(the_parts_are_taken_apart_and_decoded)
{
    struct purl p = read("pkg:npm/%40angular/core@12.3.1?arch=x%2By&Distro=d#src/a");

    assert_text(p.type, "npm");
    assert_text(p.space, "@angular");
    assert_text(p.name, "core");
    assert_text(p.version, "12.3.1");
    assert_text(p.subpath, "src/a");
    assert_int_equal(p.nqualifiers, 2);
    assert_text(purl_qualifier_of(&p, "arch"), "x+y");
    assert_text(purl_qualifier_of(&p, "distro"), "d");
    p = read("pkg:golang/github.com/acme/app@v1.0.0");
    assert_text(p.space, "github.com/acme");
    p = read("pkg:npm/@scope/name"); /* as some write it: that @ begins no version */
    assert_text(p.space, "@scope");
    assert_text(p.name, "name");
    assert_int_equal(p.version.n, 0);
}

TEST(two_tools_write_the_same_package)
{
    assert_true(covers("pkg:deb/debian/zlib1g@1.2.13.dfsg-1?arch=amd64&distro=debian-12.0&epoch=1",
                       "pkg:deb/debian/zlib1g@1%3A1.2.13.dfsg-1?arch=amd64&distro=debian-12.0"));
    assert_true(covers("pkg:PyPI/Jinja_2@3", "pkg:pypi/jinja-2@3"));
    assert_true(covers("pkg:deb/Debian/Curl@1", "pkg:deb/debian/curl@1"));
    assert_false(covers("pkg:npm/Curl@1", "pkg:npm/curl@1"));
}

TEST(nothing_is_said_of_another_package)
{
    assert_true(covers("pkg:deb/debian/libssl3@3.0.8-1",
                       "pkg:deb/debian/libssl3@3.0.8-1?arch=amd64&distro=debian-12.0"));
    assert_false(covers("pkg:deb/debian/libssl3", "pkg:deb/debian/libssl3@3.0.8-1"));
    assert_false(covers("pkg:deb/debian/libssl3@3.0.8-1", "pkg:deb/debian/libssl3@3.0.8-10"));
    assert_false(covers("pkg:deb/ubuntu/libssl3@3.0.8-1", "pkg:deb/debian/libssl3@3.0.8-1"));
    assert_false(covers("pkg:deb/debian/libssl3@3.0.8-1?arch=arm64",
                        "pkg:deb/debian/libssl3@3.0.8-1?arch=amd64"));
    assert_false(
        covers("pkg:deb/debian/libssl3@3.0.8-1?epoch=1", "pkg:deb/debian/libssl3@3.0.8-1"));
    assert_false(covers("pkg:golang/a/b@1#x", "pkg:golang/a/b@1"));
    assert_false(covers("pkg:npm/a%2Fb@1", "pkg:npm/a/b@1"));
}

TEST(what_is_no_package_url_is_refused)
{
    static const char *const wrong[] = {
        "",
        "libssl3",
        "pkg:",
        "pkg:deb",
        "pkg:deb/",
        "pkg:/a@1",
        "pkg:d b/a@1",
        "pkg:1deb/a",
        "pkg:deb/a@%4",
        "pkg:deb/a@%zz",
        "pkg:a/%00b",
        "pkg:a/b?c",
        "pkg:a/b?=d",
        "pkg:a/b?c=d&c=e",
        "PKG:a/b",
        "pkg:a/%ff",
        "pkg:a/b\x1b[2J@1",
        "pkg:a/b@1?x=%0a",
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        struct pg_err err = {0};
        struct purl p;
        if (purl_parse(sl_str(wrong[i]), &arena, &p, &err) == 0) {
            fail_msg("\"%s\" was read", wrong[i]);
        }
        assert_int_equal(err.kind, PG_E_UPSTREAM_WRONG);
        pg_err_clear(&err);
    }
}

TEST(packages_of_a_distribution)
{
    struct purl deb = read("pkg:deb/debian/a@1"), pypi = read("pkg:pypi/a@1");

    assert_true(purl_is_of_system(&deb));
    assert_false(purl_is_of_system(&pypi));
    assert_false(purl_is_same(&deb, &pypi));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(the_parts_are_taken_apart_and_decoded),
        RUN(two_tools_write_the_same_package),
        RUN(nothing_is_said_of_another_package),
        RUN(what_is_no_package_url_is_refused),
        RUN(packages_of_a_distribution),
    };

    pg_arena_init(&arena, (size_t)1 << 20);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pg_arena_free(&arena);
    return failed;
}
