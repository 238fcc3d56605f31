/* SPDX-License-Identifier: Apache-2.0 */
/* Reports as large as they may be are read; larger ones are told to be so. */
#include "harness/test.h"

#include "base/buf.h"
#include "scan/report.h"

#define HEAD                                                                                       \
    "{\"SchemaVersion\":2,\"ArtifactName\":\"x\",\"Results\":[{\"Packages\":[{}],"                 \
    "\"Vulnerabilities\":["
#define TAIL "]}]}"

static struct pg_buf bytes;

static void make(size_t nfindings, size_t description)
{
    pg_buf_clear(&bytes);
    assert_int_equal(pg_buf_put(&bytes, SL(HEAD)), 0);
    for (size_t i = 0; i < nfindings; i++) {
        assert_int_equal(pg_buf_printf(&bytes,
                                       "%s{\"VulnerabilityID\":\"CVE-2026-%zu\",\"PkgName\":\"p\","
                                       "\"InstalledVersion\":\"1\",\"Severity\":\"HIGH\","
                                       "\"Description\":\"%0*d\"}",
                                       i > 0 ? "," : "", i, (int)description, 0),
                         0);
    }
    assert_int_equal(pg_buf_put(&bytes, SL(TAIL)), 0);
}

static struct report read(void)
{
    const struct report_want want = {0};
    struct pg_arena arena;
    struct report r;
    static char why[256];

    pg_arena_init(&arena, REPORT_ARENA_BYTES);
    report_read(pg_buf_sl(&bytes), &want, &arena, &r);
    assert_true(r.why.n < sizeof(why));
    memcpy(why, r.why.p, r.why.n);
    why[r.why.n] = '\0';
    r.why = sl_str(why);
    r.findings = NULL;
    pg_arena_free(&arena);
    return r;
}

TEST(thirty_thousand_findings_are_read)
{
    make(30000, 900);
    assert_true(bytes.n > (size_t)28 << 20);
    struct report r = read();
    assert_int_equal(r.reason, REPORT_GOOD);
    assert_int_equal(r.counts[SEVERITY_HIGH], 30000);
}

TEST(F12_more_than_it_may_have_is_too_large)
{
    make(1, 0);
    assert_int_equal(read().reason, REPORT_GOOD);
    make(33, (size_t)1 << 20);
    struct report r = read();
    assert_int_equal(r.reason, REPORT_TOO_LARGE);
    assert_string_equal(r.why.p, "it is larger than 32 MiB");
    make(REPORT_FINDINGS_MAX + 1, 0);
    r = read();
    assert_int_equal(r.reason, REPORT_TOO_LARGE);
    assert_string_equal(r.why.p, "it has more than 50000 findings");
}

TEST(F12_a_million_values_are_refused_before_they_cost_anything)
{
    pg_buf_clear(&bytes);
    assert_int_equal(pg_buf_put(&bytes, SL("{\"SchemaVersion\":2,\"ArtifactName\":\"x\",\"a\":[1")),
                     0);
    for (size_t i = 0; i < REPORT_NODES_MAX; i++) {
        assert_int_equal(pg_buf_put(&bytes, SL(",1")), 0);
    }
    assert_int_equal(pg_buf_put(&bytes, SL("]}")), 0);
    struct report r = read();
    assert_int_equal(r.reason, REPORT_UNREADABLE);
    assert_string_equal(r.why.p, "JSON has more than 1000000 values");
}

/* Results that break rules, and each rule looked at for each result, would take an hour. */
TEST(F12_many_results_of_many_rules_take_a_second)
{
    pg_buf_clear(&bytes);
    assert_int_equal(pg_buf_printf(&bytes,
                                   "{\"version\":\"2.1.0\",\"runs\":[{\"tool\":{\"driver\":{"
                                   "\"rules\":[{\"id\":\"CVE-0\",\"help\":{\"text\":\"%0*d\\n"
                                   "Package: p\\nSeverity: HIGH\"}}",
                                   4 << 20, 0),
                     0);
    for (size_t i = 1; i < 30000; i++) {
        assert_int_equal(pg_buf_printf(&bytes, ",{\"id\":\"CVE-%zu\"}", i), 0);
    }
    assert_int_equal(pg_buf_put(&bytes, SL("]}},\"results\":[{\"ruleIndex\":0,\"ruleId\":\"x\"}")),
                     0);
    for (size_t i = 0; i < 30000; i++) {
        assert_int_equal(pg_buf_put(&bytes, i % 2 == 0 ? SL(",{\"ruleId\":\"CVE-29999\"}")
                                                       : SL(",{\"ruleId\":\"CVE-0\"}")),
                         0);
    }
    assert_int_equal(pg_buf_put(&bytes, SL("]}]}")), 0);
    struct report r = read();
    assert_int_equal(r.reason, REPORT_GOOD);
    assert_int_equal(r.counts[SEVERITY_HIGH], 15001);
    assert_int_equal(r.counts[SEVERITY_MEDIUM], 15000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(thirty_thousand_findings_are_read),
        RUN(F12_more_than_it_may_have_is_too_large),
        RUN(F12_a_million_values_are_refused_before_they_cost_anything),
        RUN(F12_many_results_of_many_rules_take_a_second),
    };

    pg_buf_init(&bytes, (size_t)64 << 20);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pg_buf_free(&bytes);
    return failed;
}
