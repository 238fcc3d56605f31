/* SPDX-License-Identifier: Apache-2.0 */
/* What a source found out is there for the next who asks, and after a restart; a failure takes
 * nothing away and is no result. */
#include "unit/cache/shelf.h"

#include "proxy/admit/result.h"

#define DAY_S 86400

static struct shelf sh;
static struct pg_err err;
static struct pg_arena arena;
static struct digest image;

static int set_up(void **state)
{
    (void)state;
    pg_arena_init(&arena, (size_t)64 << 20);
    shelf_begin(&sh);
    shelf_open(&sh);
    image = digest_of(PG_SHA256, SL("image"));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pg_err_clear(&err);
    shelf_end(&sh);
    pg_arena_free(&arena);
    return 0;
}

static const struct sl aliases[] = {SL("GHSA-1")};

static struct report_finding finding(const char *id, enum severity severity)
{
    return (struct report_finding){.id = sl_str(id),
                                   .aliases = {aliases, 1},
                                   .package = SL("openssl"),
                                   .version = SL("3.0.1"),
                                   .purl = SL("pkg:deb/debian/openssl@3.0.1"),
                                   .fixed = SL("3.0.9"),
                                   .severity = severity,
                                   .fix = REPORT_FIX_THERE,
                                   .is_exploited = severity == SEVERITY_LOW};
}

static int put(const char *source, const struct report_finding *findings, size_t n, int64_t now_s)
{
    struct report r = {.scanner = {SL("trivy"), SL("0.60"), SL("2"), 1000},
                       .npackages = 80,
                       .findings = findings,
                       .nfindings = n};
    const struct result_news news = {
        .kind = RESULT_PUSHED, .report = &r, .kept = image, .is_kept = true, .now_s = now_s};

    return result_put(sh.store, &image, sl_str(source), &news, &err);
}

static int put_failed(const char *source, const char *why, int64_t now_s)
{
    const struct result_news news = {
        .kind = RESULT_SCANNER, .failed = sl_str(why), .is_ours = true, .now_s = now_s};

    return result_put(sh.store, &image, sl_str(source), &news, &err);
}

/* Its texts are copied: they die with the view. */
static int find(const char *source, struct result *r)
{
    _index_view_ struct index_view v = index_view_begin(sh.store->index);
    struct sl after = {NULL, 0};
    int found;

    while ((found = result_next(&v, &image, after, &arena, r, &err)) > 0) {
        after = r->source = pg_copy(&arena, r->source);
        r->failed = pg_copy(&arena, r->failed);
        r->scanner = pg_copy(&arena, r->scanner);
        if (sl_eq(r->source, sl_str(source)))
            return 1;
    }
    return found;
}

static size_t count(void)
{
    _index_view_ struct index_view v = index_view_begin(sh.store->index);
    struct result r = {.source = {NULL, 0}};
    size_t n = 0;

    while (result_next(&v, &image, r.source, &arena, &r, &err) > 0)
        n++;
    return n;
}

TEST(what_was_put_is_found_whole_and_after_a_restart)
{
    struct report_finding all[] = {finding("CVE-1", SEVERITY_LOW),
                                   finding("CVE-2", SEVERITY_CRITICAL)};
    uint32_t before = scanned_revision(&image);
    struct result r;

    assert_int_equal(find("trivy", &r), 0);
    assert_int_equal(put("trivy", all, 2, DAY_S), 0);
    assert_true(scanned_revision(&image) != before);
    shelf_close(&sh);
    shelf_open(&sh);
    _index_view_ struct index_view v = index_view_begin(sh.store->index);
    assert_int_equal(result_next(&v, &image, (struct sl){NULL, 0}, &arena, &r, &err), 1);
    assert_true(sl_eq(r.source, SL("trivy")) && r.kind == RESULT_PUSHED && r.good_s == DAY_S);
    assert_true(sl_eq(r.scanner, SL("trivy")) && sl_eq(r.database, SL("2")));
    assert_true(r.database_s == 1000 && r.npackages == 80 && r.failed_s == 0);
    assert_true(r.is_kept && digest_eq(&r.kept, &image));
    assert_int_equal(r.nfindings, 2);
    assert_true(sl_eq(r.findings[0].id, SL("CVE-2"))); /* the worst first */
    assert_true(r.findings[0].severity == SEVERITY_CRITICAL && !r.findings[0].is_exploited);
    assert_true(r.findings[1].is_exploited && r.findings[1].fix == REPORT_FIX_THERE);
    assert_true(sl_eq(r.findings[1].package, SL("openssl")));
    assert_true(sl_eq(r.findings[1].version, SL("3.0.1")) &&
                sl_eq(r.findings[1].fixed, SL("3.0.9")) && r.findings[1].purl.n == 28);
    assert_true(r.findings[1].aliases.n == 1 && sl_eq(r.findings[1].aliases.names[0], aliases[0]));
    assert_int_equal(result_next(&v, &image, r.source, &arena, &r, &err), 0);
}

TEST(F12_a_failure_is_no_result_and_takes_none_away)
{
    struct report_finding one = finding("CVE-1", SEVERITY_HIGH);
    struct result r;

    assert_int_equal(put_failed("grype", "it died", 10), 0);
    assert_int_equal(find("grype", &r), 1);
    assert_true(r.good_s == 0 && r.nfindings == 0 && r.failed_s == 10 && r.is_ours);
    assert_true(sl_eq(r.failed, SL("it died")));
    assert_int_equal(put("grype", &one, 1, 20), 0);
    assert_int_equal(put_failed("grype", "it hung", 30), 0);
    assert_int_equal(find("grype", &r), 1);
    assert_true(r.good_s == 20 && r.nfindings == 1 && r.failed_s == 30);
    assert_int_equal(put("grype", &one, 1, 40), 0);
    assert_int_equal(find("grype", &r), 1);
    assert_true(r.good_s == 40 && r.failed_s == 0 && r.failed.n == 0);
}

TEST(N25_when_a_finding_was_first_seen_is_kept)
{
    struct report_finding all[] = {finding("CVE-1", SEVERITY_HIGH),
                                   finding("CVE-2", SEVERITY_HIGH)};
    struct result r;

    assert_int_equal(put("trivy", all, 1, 100), 0);
    assert_int_equal(put_failed("trivy", "it hung", 150), 0);
    assert_int_equal(put("trivy", all, 2, 200), 0);
    assert_int_equal(find("trivy", &r), 1);
    assert_true(r.nfindings == 2 && r.since_s[0] == 100 && r.since_s[1] == 200);
    assert_int_equal(put("trivy", all + 1, 1, 300), 0);
    assert_int_equal(put("trivy", all, 2, 400), 0);
    assert_int_equal(find("trivy", &r), 1);
    assert_true(r.first_s == 100 && r.since_s[0] == 400 && r.since_s[1] == 200); /* it came again */
}

TEST(each_source_stands_by_itself_and_their_number_is_bounded)
{
    struct report_finding one = finding("CVE-1", SEVERITY_HIGH);
    char name[8];
    struct result r;

    assert_int_equal(put("b", &one, 1, 10), 0);
    assert_int_equal(put("a", NULL, 0, 11), 0);
    assert_true(find("a", &r) == 1 && r.nfindings == 0 && find("b", &r) == 1 && r.nfindings == 1);
    for (int i = 2; i < SCANNED_SOURCES_MAX; i++) {
        (void)snprintf(name, sizeof(name), "s%d", i);
        assert_int_equal(put(name, NULL, 0, 12), 0);
    }
    assert_int_equal(put("more", NULL, 0, 13), -1);
    assert_int_equal(err.kind, PG_E_DENIED);
    assert_int_equal(put("a", &one, 1, 14), 0);
    assert_int_equal(count(), SCANNED_SOURCES_MAX);
}

TEST(what_does_not_fit_is_counted_and_never_lost)
{
    size_t n = 20000, nworst = 0;
    struct report_finding *all = calloc(n, sizeof(*all));
    char(*ids)[16] = calloc(n, sizeof(*ids));
    struct result r;

    for (size_t i = 0; i < n; i++) {
        bool bad = i % 10 == 0;
        (void)snprintf(ids[i], sizeof(ids[i]), "CVE-%zu", i);
        all[i] = finding(ids[i], bad ? SEVERITY_CRITICAL : SEVERITY_LOW);
        nworst += bad;
    }
    assert_int_equal(put("trivy", all, n, 10), 0);
    assert_int_equal(find("trivy", &r), 1);
    assert_true(r.nfindings > nworst && r.nfindings < n);
    assert_true(r.findings[nworst - 1].severity == SEVERITY_CRITICAL);
    assert_int_equal(r.nfindings + r.unlisted[SEVERITY_LOW], n);
    assert_int_equal(r.unlisted[SEVERITY_CRITICAL], 0);
    free(ids);
    free(all);
}

TEST(a_row_that_is_cut_anywhere_is_an_error)
{
    struct report_finding one = finding("CVE-1", SEVERITY_HIGH);
    _index_view_ struct index_view none = index_view_begin(sh.store->index);
    struct scanned_row row;
    struct result r;

    assert_int_equal(put("trivy", &one, 1, 10), 0);
    index_view_end(&none);
    none = index_view_begin(sh.store->index);
    assert_int_equal(scanned_next(&none, &image, (struct sl){NULL, 0}, &row, &err), 1);
    assert_int_equal(result_read(row.bytes, &arena, &r), 0);
    for (size_t i = 0; i < row.bytes.n; i++)
        assert_int_equal(result_read((struct sl){row.bytes.p, i}, &arena, &r), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_put_is_found_whole_and_after_a_restart, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(F12_a_failure_is_no_result_and_takes_none_away, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(N25_when_a_finding_was_first_seen_is_kept, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(each_source_stands_by_itself_and_their_number_is_bounded,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_does_not_fit_is_counted_and_never_lost, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_row_that_is_cut_anywhere_is_an_error, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
