/* SPDX-License-Identifier: Apache-2.0 */
/* What clients of registries send as Accept, and what registries send as Content-Type. */
#include "harness/test.h"

#include "oci/media.h"

#define DOCKER SL(MEDIA_DOCKER_MANIFEST)
#define OCI    SL(MEDIA_OCI_MANIFEST)

TEST(a_type_has_no_parameters_and_no_spaces)
{
    assert_true(sl_eq(media_strip(SL(" text/plain ; charset=utf-8")), SL("text/plain")));
    assert_true(sl_eq(media_strip(SL(MEDIA_OCI_INDEX)), SL(MEDIA_OCI_INDEX)));
    assert_int_equal(media_strip(SL(" \t")).n, 0);
    assert_int_equal(media_strip(SL("")).n, 0);
    assert_int_equal(media_strip((struct sl){NULL, 0}).n, 0);
    assert_int_equal(media_strip(SL(";x=y")).n, 0);
}

TEST(kinds_are_told_apart)
{
    assert_true(media_is_index(SL(MEDIA_OCI_INDEX)));
    assert_true(media_is_index(SL(MEDIA_DOCKER_LIST)));
    assert_false(media_is_index(DOCKER));
    assert_true(media_is_image(OCI));
    assert_true(media_is_image(DOCKER));
    assert_false(media_is_image(SL(MEDIA_OCI_INDEX)));
    assert_true(media_is_schema1(SL("application/vnd.docker.distribution.manifest.v1+json")));
    assert_true(media_is_schema1(SL("application/vnd.docker.distribution.manifest.v1+prettyjws")));
    assert_false(media_is_schema1(DOCKER));
    assert_true(media_is_image(SL("Application/VND.oci.image.manifest.v1+JSON; charset=utf-8")));
    assert_false(media_is_image(SL(MEDIA_OCI_MANIFEST "x")));
    assert_false(media_is_image(SL("application/vnd.oci.image.manifest.v1")));
    assert_false(media_is_image(SL("application/vnd.oci.image.manifest.v1\vjson")));
}

TEST(a_generic_type_says_nothing)
{
    assert_true(media_is_generic(SL("")));
    assert_true(media_is_generic((struct sl){NULL, 0}));
    assert_true(media_is_generic(SL("text/plain; charset=utf-8")));
    assert_true(media_is_generic(SL("application/json")));
    assert_true(media_is_generic(SL("application/octet-stream")));
    assert_true(media_is_generic(SL("binary/octet-stream")));
    assert_false(media_is_generic(OCI));
    assert_false(media_is_generic(SL("text/html")));
}

TEST(upstream_is_asked_for_all_that_we_serve)
{
    struct sl ask = {media_accept_upstream, strlen(media_accept_upstream)};

    assert_true(media_accepts(ask, OCI));
    assert_true(media_accepts(ask, DOCKER));
    assert_true(media_accepts(ask, SL(MEDIA_OCI_INDEX)));
    assert_true(media_accepts(ask, SL(MEDIA_DOCKER_LIST)));
    assert_false(media_accepts(ask, SL("application/vnd.docker.distribution.manifest.v1+json")));
    assert_false(media_accepts(ask, SL("text/html")));
}

TEST(a_listed_type_is_accepted_and_no_other)
{
    assert_true(media_accepts(SL(MEDIA_DOCKER_MANIFEST "," MEDIA_OCI_MANIFEST), OCI));
    assert_true(media_accepts(SL("text/html ,\t" MEDIA_OCI_MANIFEST), OCI));
    assert_true(media_accepts(SL("APPLICATION/vnd.oci.image.MANIFEST.v1+json"), OCI));
    assert_true(media_accepts(SL(MEDIA_OCI_MANIFEST "; charset=utf-8"), OCI));
    assert_false(media_accepts(SL(MEDIA_DOCKER_MANIFEST), OCI));
    assert_false(media_accepts(SL(MEDIA_OCI_MANIFEST ".x"), OCI));
    assert_false(media_accepts(SL(MEDIA_OCI_MANIFEST " x"), OCI));
}

TEST(wildcards_accept)
{
    assert_true(media_accepts(SL("*/*"), OCI));
    assert_true(media_accepts(SL("text/html, */*;q=0.1"), OCI));
    assert_true(media_accepts(SL("application/*"), OCI));
    assert_true(media_accepts(SL("Application/*"), OCI));
    assert_false(media_accepts(SL("text/*"), OCI));
    assert_false(media_accepts(SL("app/*"), OCI));
    assert_false(media_accepts(SL("*"), OCI));
    assert_false(media_accepts(SL("*/json"), OCI));
    assert_false(media_accepts(SL("application/*x"), OCI));
}

TEST(a_weight_of_zero_refuses)
{
    assert_false(media_accepts(SL(MEDIA_OCI_MANIFEST ";q=0"), OCI));
    assert_false(media_accepts(SL(MEDIA_OCI_MANIFEST "; Q=0.000"), OCI));
    assert_true(media_accepts(SL(MEDIA_OCI_MANIFEST ";q=0.001"), OCI));
    assert_true(media_accepts(SL(MEDIA_OCI_MANIFEST ";q=1"), OCI));
    assert_true(media_accepts(SL(MEDIA_OCI_MANIFEST ";v=1;q=1.0"), OCI));
    assert_false(media_accepts(SL(MEDIA_OCI_MANIFEST ";v=1 ; q=0."), OCI));
}

TEST(the_most_specific_range_decides_whatever_the_order)
{
    assert_false(media_accepts(SL("*/*, " MEDIA_OCI_MANIFEST ";q=0"), OCI));
    assert_false(media_accepts(SL(MEDIA_OCI_MANIFEST ";q=0, */*"), OCI));
    assert_true(media_accepts(SL("*/*;q=0, " MEDIA_OCI_MANIFEST), OCI));
    assert_false(media_accepts(SL("application/*;q=0, */*"), OCI));
    assert_true(media_accepts(SL("*/*;q=0, application/*"), OCI));
    assert_true(media_accepts(SL(MEDIA_OCI_MANIFEST ";q=0, " MEDIA_OCI_MANIFEST), OCI));
    assert_true(media_accepts(SL(MEDIA_OCI_MANIFEST ", " MEDIA_OCI_MANIFEST ";q=0"), OCI));
}

TEST(what_cannot_be_read_says_nothing)
{
    assert_false(media_accepts(SL(""), OCI));
    assert_false(media_accepts((struct sl){NULL, 0}, OCI));
    assert_false(media_accepts(SL(","), OCI));
    assert_false(media_accepts(SL(",;,;q=1,"), OCI));
    assert_false(media_accepts(SL(MEDIA_OCI_MANIFEST ";q=2"), OCI));
    assert_false(media_accepts(SL(MEDIA_OCI_MANIFEST ";q="), OCI));
    assert_false(media_accepts(SL(MEDIA_OCI_MANIFEST ";q=-1"), OCI));
    assert_false(media_accepts(SL(MEDIA_OCI_MANIFEST ";q=0x"), OCI));
    assert_true(media_accepts(SL("x/y;q=z, */*"), OCI));
}

TEST(a_comma_in_quotes_does_not_end_an_element)
{
    assert_false(media_accepts(SL("text/html;x=\", */*,\""), OCI));
    assert_false(media_accepts(SL("text/html;x=\"\\\", */*,\""), OCI));
    assert_true(media_accepts(SL("text/html;x=\"a,b\\\\\", */*"), OCI));
    assert_false(media_accepts(SL("text/html;x=\"unfinished, */*"), OCI));
    assert_false(media_accepts(SL("*/*;x=\";q=1\";q=0"), OCI));
    assert_false(media_accepts(SL("text/html;x=\"\\"), OCI));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(a_type_has_no_parameters_and_no_spaces),
        RUN(kinds_are_told_apart),
        RUN(a_generic_type_says_nothing),
        RUN(upstream_is_asked_for_all_that_we_serve),
        RUN(a_listed_type_is_accepted_and_no_other),
        RUN(wildcards_accept),
        RUN(a_weight_of_zero_refuses),
        RUN(the_most_specific_range_decides_whatever_the_order),
        RUN(what_cannot_be_read_says_nothing),
        RUN(a_comma_in_quotes_does_not_end_an_element),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
