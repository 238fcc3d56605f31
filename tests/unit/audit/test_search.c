/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/scratch.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "audit/search.h"
#include "audit/volume.h"
#include "base/fd.h"

static struct entry decision(void)
{
    struct entry e = {.kind = ENTRY_DECISION, .seq = 1, .when_ms = 1000};

    e.text[ENTRY_TEXT_CALLER] = SL("anonymous");
    e.text[ENTRY_TEXT_ADDRESS] = SL("192.0.2.1:4000");
    e.text[ENTRY_TEXT_REPOSITORY] = SL("docker.io/library/nginx");
    e.text[ENTRY_TEXT_REFERENCE] = SL("1.27");
    e.text[ENTRY_TEXT_DIGEST] = SL("sha256:aa");
    e.text[ENTRY_TEXT_VERDICT] = SL("deny");
    e.text[ENTRY_TEXT_RULE] = SL("signed");
    return e;
}

static bool matches(struct search_wanted w)
{
    struct entry e = decision();

    return search_matches(&w, &e);
}

TEST(what_is_not_asked_for_does_not_matter)
{
    assert_true(matches((struct search_wanted){0}));
}

TEST(time_is_from_and_before)
{
    assert_true(matches((struct search_wanted){.from_ms = 1000}));
    assert_false(matches((struct search_wanted){.from_ms = 1001}));
    assert_true(matches((struct search_wanted){.until_ms = 1001}));
    assert_false(matches((struct search_wanted){.until_ms = 1000}));
}

TEST(an_image_is_a_pattern_of_its_name_with_or_without_its_tag)
{
    assert_true(matches((struct search_wanted){.image = "docker.io/library/nginx"}));
    assert_true(matches((struct search_wanted){.image = "docker.io/*"}));
    assert_true(matches((struct search_wanted){.image = "*/nginx:1.*"}));
    assert_false(matches((struct search_wanted){.image = "*/nginx:2.*"}));
    assert_false(matches((struct search_wanted){.image = "nginx"}));
}

TEST(a_caller_is_a_name_or_an_address_without_its_port)
{
    assert_true(matches((struct search_wanted){.caller = SL("anonymous")}));
    assert_true(matches((struct search_wanted){.caller = SL("192.0.2.1")}));
    assert_true(matches((struct search_wanted){.caller = SL("192.0.2.1:4000")}));
    assert_false(matches((struct search_wanted){.caller = SL("192.0.2")}));
}

TEST(all_that_is_asked_for_must_hold)
{
    struct search_wanted w = {
        .digest = SL("sha256:aa"), .verdict = SL("deny"), .rule = SL("signed")};

    assert_true(matches(w));
    w.rule = SL("other");
    assert_false(matches(w));
    w.rule = SL("signed");
    w.verdict = SL("allow");
    assert_false(matches(w));
    assert_false(matches((struct search_wanted){.act = SL("purge")}));
}

/* The oldest go while others read: that is no failure, and nothing else is taken for it. */
TEST(a_segment_that_is_gone_is_no_failure)
{
    struct pg_buf bytes;
    struct pg_err err = {0};
    char name[VOLUME_NAME_MAX];
    _fd_ int fd = -1;

    scratch_make();
    fd = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    pg_buf_init(&bytes, 1024);
    assert_int_equal(volume_read_segment(fd, 1, &bytes, &err), 0);
    assert_int_equal(err.kind, PG_E_NONE);
    assert_int_equal(mkdirat(fd, volume_name(1, name), 0700), 0);
    assert_int_equal(volume_read_segment(fd, 1, &bytes, &err), -1);
    pg_err_clear(&err);
    pg_buf_free(&bytes);
    scratch_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(what_is_not_asked_for_does_not_matter),
        RUN(time_is_from_and_before),
        RUN(an_image_is_a_pattern_of_its_name_with_or_without_its_tag),
        RUN(a_caller_is_a_name_or_an_address_without_its_port),
        RUN(all_that_is_asked_for_must_hold),
        RUN(a_segment_that_is_gone_is_no_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
