/* SPDX-License-Identifier: Apache-2.0 */
/* What is left of a report when waivers and VEX have been heard. */
#include "harness/scan_world.h"

#include "base/hash.h"

#define NOW ((int64_t)1795500000) /* 2026-11-24 */

static struct pg_arena arena;

static int canonical(struct sl text, struct pg_arena *a, struct sl *pattern_r, struct pg_err *err)
{
    (void)err;
    *pattern_r = pg_copy(a, text);
    return 0;
}

static const char yaml[] = "waivers:\n"
                           "- vulnerability: CVE-2023-32681\n"
                           "  package: requests\n"
                           "  images: [r/app]\n"
                           "  owner: o@x\n"
                           "  reason: no proxy is used\n"
                           "  expires: 2026-12-31\n";

static struct settle_result settle(const char *name, struct settle_by by, bool has_waivers,
                                   bool has_vex)
{
    const struct digest d = scan_world_digest(SCAN_DEBIAN);
    const struct report_want want = {.digest = &d};
    struct report r = scan_world_report(name, &want, &arena);
    struct sl bytes = scan_world_file("debian12/openvex.json");
    struct settle_result s;
    struct waiver_list list;
    struct pg_err err = {0};
    struct vex vex;

    assert_int_equal(r.reason, REPORT_GOOD);
    assert_int_equal(vex_read(bytes, &arena, &vex, &err), 0);
    assert_int_equal(waiver_read("w", sl_str(yaml), canonical, &arena, &list, &err), 0);
    by.digest = &d;
    by.waivers = has_waivers ? &list : NULL;
    by.vex[0] = &vex;
    by.nvex = has_vex;
    settle_report(&r, &by, &arena, &s);
    waiver_list_free(&list);
    vex_free(&vex);
    scan_world_free(bytes);
    return s;
}

#define OPEN(s, critical, high, medium)                                                            \
    assert_true((s).open[SEVERITY_CRITICAL] == (critical) && (s).open[SEVERITY_HIGH] == (high) &&  \
                (s).open[SEVERITY_MEDIUM] == (medium))

TEST(each_settles_its_own_and_the_rest_is_open)
{
    struct settle_by by = {.repository = SL("r/app"), .now_s = NOW, .aliases_count = true};
    struct settle_result s = settle("debian12/grype.json", by, false, false);

    OPEN(s, 1, 1, 1);
    s = settle("debian12/grype.json", by, true, true);
    OPEN(s, 1, 0, 0);
    assert_true(s.nexcused == 1 && s.nwaived == 1);
    s = settle("debian12/trivy.json", by, true, true);
    OPEN(s, 1, 0, 0);
    by.repository = SL("r/other");
    OPEN(settle("debian12/trivy.json", by, true, true), 1, 0, 1);
    by = (struct settle_by){.repository = SL("r/app"), .now_s = NOW + (int64_t)60 * 86400};
    OPEN(settle("debian12/trivy.json", by, true, false), 1, 1, 1);
}

TEST(N09_what_the_report_suppressed_is_open)
{
    struct settle_by by = {.repository = SL("r/app"), .now_s = NOW, .aliases_count = true};

    OPEN(settle("debian12/grype-with-openvex.json", by, false, false), 1, 1, 1);
}

TEST(N09_aliases_of_whom_nobody_trusts_settle_nothing)
{
    struct settle_by by = {.repository = SL("r/app"), .now_s = NOW};

    OPEN(settle("debian12/grype.json", by, true, false), 1, 1, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(each_settles_its_own_and_the_rest_is_open),
        RUN(N09_what_the_report_suppressed_is_open),
        RUN(N09_aliases_of_whom_nobody_trusts_settle_nothing),
    };

    pg_hash_setup();
    pg_arena_init(&arena, REPORT_ARENA_BYTES);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pg_arena_free(&arena);
    return failed;
}
