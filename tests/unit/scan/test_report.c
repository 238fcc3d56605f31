/* SPDX-License-Identifier: Apache-2.0 */
/* Reports that scanners wrote are the same facts in every format; and what does not count. */
#include "harness/scan_world.h"

static struct pg_arena arena;

static const struct report_finding *finding(const struct report *r, const char *package)
{
    for (size_t i = 0; i < r->nfindings; i++) {
        if (sl_eq(r->findings[i].package, sl_str(package))) {
            return &r->findings[i];
        }
    }
    fail_msg("nothing about %s", package);
    return NULL;
}

static struct report of(const char *name)
{
    const struct digest d = scan_world_digest(SCAN_DEBIAN);
    const struct report_want want = {.digest = &d};

    return scan_world_report(name, &want, &arena);
}

static enum report_reason reason_of(const char *json, const struct report_want *want)
{
    struct report r;

    report_read(sl_str(json), want, &arena, &r);
    assert_true((r.reason == REPORT_GOOD) == (r.why.n == 0));
    return r.reason;
}

/* ---- facts --------------------------------------------------------------------------------- */

TEST(every_format_says_the_same_of_the_same_image)
{
    static const char *const files[] = {
        "debian12/trivy.json",       "debian12/grype.json",  "debian12/trivy.sarif.json",
        "debian12/grype.sarif.json", "debian12/harbor.json", "debian12/trivy.cosign-vuln.json"};

    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
        struct report r = of(files[i]);
        if (r.reason != REPORT_GOOD) {
            fail_msg("%s: " SL_FMT, files[i], SL_ARG(r.why));
        }
        assert_int_equal(r.nfindings, 3);
        assert_int_equal(r.counts[SEVERITY_CRITICAL], 1);
        assert_int_equal(r.counts[SEVERITY_HIGH], 1);
        assert_int_equal(r.counts[SEVERITY_MEDIUM], 1);
        const struct report_finding *f = finding(&r, "libssl3");
        assert_true(sl_eq(f->id, SL("CVE-2023-0464")));
        assert_true(sl_eq(f->version, SL("3.0.8-1")) && sl_eq(f->fixed, SL("3.0.9-1")));
        assert_int_equal(f->fix, REPORT_FIX_THERE);
        assert_int_equal(f->severity, SEVERITY_HIGH);
        f = finding(&r, "zlib1g");
        assert_true(sl_eq(f->id, SL("CVE-2099-0001")) && f->fixed.n == 0);
        assert_true(sl_eq(f->version, SL("1:1.2.13.dfsg-1")));
        assert_int_equal(f->severity, SEVERITY_CRITICAL);
        assert_int_equal(r.ndigests, 1);
    }
}

TEST(what_trivy_and_grype_say_of_themselves)
{
    struct report t = of("debian12/trivy.json"), g = of("debian12/grype.json");

    assert_true(sl_eq(t.scanner.version, SL("0.70.0")) && t.made_s == 1795418249);
    assert_true(t.scanner.database_s == 0 && t.lists_packages && t.npackages == 4);
    assert_true(sl_eq(t.system, SL("debian")) && !t.system_has_ended);
    assert_true(sl_eq(g.scanner.database, SL("v6.1.9")) && g.scanner.database_s == 1795417662);
    assert_true(!g.lists_packages && g.npackages == 3);
    assert_true(of("debian12/trivy.cosign-vuln.json").in_predicate);
    assert_true(
        scan_world_report("clean/trivy.json", &(struct report_want){0}, &arena).system_has_ended);
}

TEST(the_database_is_told_by_the_program)
{
    struct sl bytes = scan_world_file("trivy-version.json");
    struct report_scanner s;
    struct pg_err err = {0};

    assert_int_equal(report_trivy_database(bytes, &arena, &s, &err), 0);
    assert_true(sl_eq(s.version, SL("0.70.0")) && s.database_s == 1795417661);
    scan_world_free(bytes);
    assert_int_equal(report_trivy_database(SL("{\"Version\":\"0.70.0\"}"), &arena, &s, &err), -1);
    assert_string_equal(err.msg, "it has no vulnerability database");
    pg_err_clear(&err);
    bytes = scan_world_file("grype-db-status.json");
    assert_int_equal(report_grype_database(bytes, &arena, &s, &err), 0);
    assert_true(sl_eq(s.database, SL("v6.1.9")) && s.database_s == 1795417662);
    scan_world_free(bytes);
    assert_int_equal(report_grype_database(SL("{\"built\":\"2026-01-01T00:00:00Z\",\"valid\":"
                                              "false}"),
                                           &arena, &s, &err),
                     -1);
    pg_err_clear(&err);
}

TEST(the_cve_behind_a_ghsa_is_its_alias)
{
    struct report r = of("debian12/grype.json");
    const struct report_finding *f = finding(&r, "requests");

    assert_true(sl_eq(f->id, SL("GHSA-j8r2-6x86-q33q")));
    assert_int_equal(f->aliases.n, 1);
    assert_true(alias_fits(SL("CVE-2023-32681"), f->id, &f->aliases));
    assert_int_equal(finding(&r, "libssl3")->aliases.n, 0);
}

TEST(an_advisory_is_no_alias)
{
    static const char json[] =
        "{\"SchemaVersion\":2,\"ArtifactName\":\"x\",\"Results\":[{\"Vulnerabilities\":[{"
        "\"VulnerabilityID\":\"CVE-1\",\"PkgName\":\"p\",\"VendorIDs\":[\"DSA-5417-1\","
        "\"GHSA-j8r2-6x86-q33q\",\"CVE-1\",\"CVE-2\\n\",7]}]}]}";
    struct report r;

    report_read(sl_str(json), &(struct report_want){0}, &arena, &r);
    assert_int_equal(r.reason, REPORT_GOOD);
    assert_int_equal(r.findings[0].aliases.n, 1);
    assert_true(sl_eq(r.findings[0].aliases.names[0], SL("GHSA-j8r2-6x86-q33q")));
    r = of("debian12/trivy.json");
    assert_int_equal(finding(&r, "libssl3")->aliases.n, 0);
}

TEST(N09_what_a_report_suppressed_is_in_it_all_the_same)
{
    struct report g = of("debian12/grype-with-openvex.json");
    struct report t =
        scan_world_report("debian12/trivy-with-openvex.json", &(struct report_want){0}, &arena);

    assert_true(finding(&g, "libssl3")->is_suppressed && finding(&t, "libssl3")->is_suppressed);
    assert_true(g.suppressed[SEVERITY_HIGH] == 1 && t.suppressed[SEVERITY_HIGH] == 1);
    assert_true(g.counts[SEVERITY_HIGH] == 0 && t.counts[SEVERITY_HIGH] == 0);
    assert_int_equal(g.nfindings, 3);
}

/* ---- whose it is --------------------------------------------------------------------------- */

TEST(a_report_on_another_image_does_not_count)
{
    struct report r = of("clean/trivy.json");

    assert_int_equal(r.reason, REPORT_OTHER_DIGEST);
    assert_non_null(strstr(r.why.p, "it is about " SCAN_CLEAN ", not " SCAN_DEBIAN));
    assert_int_equal(of("clean/grype.json").reason, REPORT_OTHER_DIGEST);
    assert_int_equal(of("clean/grype.sarif.json").reason, REPORT_NO_DIGEST);
}

TEST(a_config_counts_for_who_asks_for_it)
{
    const struct digest other = scan_world_digest(SCAN_CLEAN),
                        config = scan_world_digest(SCAN_DEBIAN_ID);
    struct report_want want = {.digest = &other, .config = &config};

    assert_int_equal(scan_world_report("debian12/trivy.json", &want, &arena).reason, REPORT_GOOD);
    want.config = NULL;
    assert_int_equal(scan_world_report("debian12/trivy.json", &want, &arena).reason,
                     REPORT_OTHER_DIGEST);
    want.config = &other;
    assert_int_equal(scan_world_report("debian12/trivy.json", &want, &arena).reason,
                     REPORT_OTHER_DIGEST);
}

#define PREDICATE(result)                                                                          \
    "{\"scanner\":{\"uri\":\"u\",\"version\":\"1\",\"db\":{\"uri\":\"\",\"version\":\"7\"},"       \
    "\"result\":" result "},\"metadata\":{\"scanFinishedOn\":\"2026-01-01T00:00:00Z\"}}"
#define STATEMENT(hex, result)                                                                     \
    "{\"_type\":\"https://in-toto.io/Statement/v1\",\"subject\":[{\"digest\":{\"sha256\":\"" hex   \
    "\"}}],\"predicate\":" PREDICATE(result) "}"
#define HEX_A "6c92e9b24397fd54302543fa7d0ba90a68e39a441c03ac65f97c8d678d813ca6"
#define HEX_B "9176531de02ce5dd90b11c881141396e5d9c173746c36adab73cfa880eead772"
#define HARBOR_OF(hex)                                                                             \
    "{\"scanner\":{\"name\":\"x\"},\"artifact\":{\"digest\":\"sha256:" hex "\"},"                  \
    "\"vulnerabilities\":[{\"id\":\"C\",\"package\":\"p\",\"severity\":\"Low\"}]}"

TEST(a_statement_and_the_report_in_it_are_about_one_image)
{
    const struct digest d = scan_world_digest(SCAN_DEBIAN);
    const struct report_want want = {.digest = &d};
    struct report r;

    report_read(SL(STATEMENT(HEX_A, HARBOR_OF(HEX_A))), &want, &arena, &r);
    assert_int_equal(r.reason, REPORT_GOOD);
    assert_true(r.in_predicate && sl_eq(r.scanner.database, SL("7")));
    assert_int_equal(r.made_s, 1767225600);
    assert_int_equal(reason_of(STATEMENT(HEX_B, HARBOR_OF(HEX_A)), &want), REPORT_OTHER_DIGEST);
    assert_int_equal(reason_of(STATEMENT(HEX_A, HARBOR_OF(HEX_B)), &want), REPORT_OTHER_DIGEST);
    assert_int_equal(reason_of(STATEMENT(HEX_B, HARBOR_OF(HEX_B)), &want), REPORT_OTHER_DIGEST);
    assert_int_equal(reason_of(STATEMENT(HEX_A, PREDICATE(HARBOR_OF(HEX_A))), &want),
                     REPORT_SCHEMA); /* one predicate, not one in another */
}

/* ---- what it saw --------------------------------------------------------------------------- */

TEST(exit_0_without_findings_is_no_clean_image)
{
    const struct report_want nothing = {0};

    assert_int_equal(scan_world_report("clean/trivy.json", &nothing, &arena).reason,
                     REPORT_NO_PACKAGES);
    assert_int_equal(scan_world_report("clean/grype.json", &nothing, &arena).reason,
                     REPORT_NO_PACKAGES);
    assert_int_equal(scan_world_report("clean/grype.sarif.json", &nothing, &arena).reason,
                     REPORT_NO_PACKAGES);
}

TEST(N26_an_image_that_is_static_by_somebodys_word_has_no_packages_to_show)
{
    const struct report_want is_static = {.is_static = true};
    const struct sbom sbom = scan_world_sbom("debian12/syft.spdx.json", &arena);
    const struct report_want lied = {.is_static = true, .sbom = &sbom};

    assert_int_equal(scan_world_report("clean/trivy.json", &is_static, &arena).reason, REPORT_GOOD);
    assert_int_equal(scan_world_report("clean/grype.json", &is_static, &arena).reason, REPORT_GOOD);
    assert_int_equal(reason_of("{\"SchemaVersion\":2,\"ArtifactName\":\"x\"", &is_static),
                     REPORT_UNREADABLE); /* a broken report stays broken */
    assert_int_equal(reason_of("{\"SchemaVersion\":2,\"ArtifactName\":\"x\"}", &lied),
                     REPORT_FEWER); /* the SBOM knows better than who said it */
}

TEST(trivy_on_another_tools_spdx_loses_the_critical_and_does_not_count)
{
    const struct report_want nothing = {0};
    const struct sbom sbom = scan_world_sbom("debian12/syft.spdx.json", &arena);
    const struct report_want compared = {.sbom = &sbom};
    const char *file = "debian12/trivy-from-syft.spdx.json";

    assert_int_equal(scan_world_report(file, &nothing, &arena).reason, REPORT_NO_SYSTEM);
    assert_int_equal(scan_world_report(file, &compared, &arena).reason, REPORT_NO_SYSTEM);
    assert_int_equal(of(file).reason, REPORT_NO_DIGEST);
}

TEST(fewer_packages_than_the_sbom_has_do_not_count)
{
    struct sbom sbom = scan_world_sbom("debian12/trivy.sbom.cdx.json", &arena);
    const struct report_want want = {.sbom = &sbom};

    assert_int_equal(scan_world_report("debian12/trivy.json", &want, &arena).reason, REPORT_GOOD);
    sbom.npackages++;
    struct report r = scan_world_report("debian12/trivy.json", &want, &arena);
    assert_int_equal(r.reason, REPORT_FEWER);
    assert_string_equal(r.why.p, "it shows 4 packages, the SBOM has 5");
}

TEST(an_sbom_of_the_same_family_shows_what_grype_saw)
{
    struct sbom sbom = scan_world_sbom("debian12/syft.cdx.json", &arena);
    const struct report_want want = {.sbom = &sbom};
    const char *clean = "{\"matches\":[],\"descriptor\":{\"name\":\"grype\"},"
                        "\"distro\":{\"name\":\"debian\"}}";

    assert_int_equal(reason_of(clean, &want), REPORT_GOOD);
    sbom.tool = SL("trivy");
    assert_int_equal(reason_of(clean, &want), REPORT_FEWER);
    sbom.tool = SL("syft");
    clean = "{\"matches\":[],\"descriptor\":{\"name\":\"grype\"},\"distro\":{\"name\":\"\"}}";
    assert_int_equal(reason_of(clean, &want), REPORT_NO_SYSTEM);
}

TEST(an_sbom_of_another_image_compares_nothing)
{
    const struct sbom sbom = scan_world_sbom("clean/syft.cdx.json", &arena);
    const struct digest d = scan_world_digest(SCAN_DEBIAN);
    const struct report_want want = {.sbom = &sbom}, both = {.sbom = &sbom, .digest = &d};

    assert_int_equal(scan_world_report("debian12/trivy.json", &want, &arena).reason,
                     REPORT_OTHER_SBOM);
    assert_int_equal(scan_world_report("debian12/trivy.json", &both, &arena).reason,
                     REPORT_OTHER_SBOM);
}

/* ---- what is wrong with it ----------------------------------------------------------------- */

TEST(F12_cut_anywhere_it_does_not_count)
{
    static const char *const files[] = {"debian12/trivy.json", "debian12/grype.json",
                                        "debian12/trivy.sarif.json", "debian12/harbor.json",
                                        "debian12/trivy.cosign-vuln.json"};
    const struct report_want want = {.is_static = true};

    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
        struct sl bytes = scan_world_file(files[i]);
        size_t whole = bytes.n;
        while (whole > 0 && bytes.p[whole - 1] != '}') {
            whole--;
        }
        for (size_t n = 0; n < whole; n += 1 + n / 50) {
            struct report r;
            report_read((struct sl){bytes.p, n}, &want, &arena, &r);
            assert_int_equal(r.reason, REPORT_UNREADABLE);
        }
        scan_world_free(bytes);
    }
}

TEST(what_is_not_read_here_is_told)
{
    static const struct {
        const char *json;
        enum report_reason reason;
    } wrong[] = {
        {"", REPORT_UNREADABLE},
        {"[]", REPORT_SCHEMA},
        {"{}", REPORT_SCHEMA},
        {"{\"a\":1,\"a\":2}", REPORT_UNREADABLE},
        {"{\"SchemaVersion\":3,\"ArtifactName\":\"x\"}", REPORT_SCHEMA},
        {"{\"matches\":[],\"descriptor\":{\"name\":\"other\"}}", REPORT_SCHEMA},
        {"{\"version\":\"2.0.0\",\"runs\":[]}", REPORT_SCHEMA},
        {"{\"version\":\"2.1.0\",\"runs\":[]}", REPORT_MALFORMED},
        {"{\"version\":\"2.1.0\",\"runs\":[{\"tool\":{}}]}", REPORT_MALFORMED},
        {"{\"SchemaVersion\":2,\"ArtifactName\":\"x\",\"Results\":{}}", REPORT_MALFORMED},
        {"{\"SchemaVersion\":2,\"ArtifactName\":\"x\",\"Results\":[{\"Vulnerabilities\":[{}]}]}",
         REPORT_MALFORMED},
        {"{\"SchemaVersion\":2,\"ArtifactName\":\"x\",\"Results\":[{\"Vulnerabilities\":[{"
         "\"VulnerabilityID\":\"CVE-1\"}]}]}",
         REPORT_MALFORMED},
        {"{\"matches\":[{}],\"descriptor\":{\"name\":\"grype\"}}", REPORT_MALFORMED},
        {"{\"matches\":[null],\"descriptor\":{\"name\":\"grype\"}}", REPORT_MALFORMED},
        {"{\"matches\":[],\"descriptor\":{\"name\":\"grype\",\"db\":{\"status\":{\"valid\":false}"
         "}}}",
         REPORT_DATABASE},
        {"{\"scanner\":{},\"vulnerabilities\":{}}", REPORT_MALFORMED},
        {"{\"scanner\":{},\"vulnerabilities\":[{\"id\":\"a b\",\"package\":\"p\"}]}",
         REPORT_MALFORMED},
    };
    const struct report_want want = {.is_static = true};

    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        if (reason_of(wrong[i].json, &want) != wrong[i].reason) {
            fail_msg("%s: %s", wrong[i].json, report_reason_code(reason_of(wrong[i].json, &want)));
        }
    }
}

TEST(sarif_of_another_tool_is_rated_by_score_and_then_by_level)
{
    static const char json[] =
        "{\"version\":\"2.1.0\",\"runs\":[{\"tool\":{\"driver\":{\"name\":\"other\",\"rules\":["
        "{\"id\":\"CVE-1\",\"properties\":{\"security-severity\":\"9.1\"}},"
        "{\"id\":\"CVE-2\",\"properties\":{\"security-severity\":5.0}}]}},\"results\":["
        "{\"ruleId\":\"CVE-1\",\"level\":\"note\"},{\"ruleIndex\":1,\"ruleId\":\"CVE-2\"},"
        "{\"ruleId\":\"CVE-3\",\"level\":\"error\"},{\"ruleId\":\"CVE-4\"},"
        "{\"ruleId\":\"CVE-5\",\"level\":\"none\"},"
        "{\"ruleId\":\"CVE-6\",\"level\":\"error\",\"suppressions\":[{\"kind\":\"external\"}]}]}]}";
    const struct report_want want = {.is_static = true};
    static const enum severity due[] = {SEVERITY_CRITICAL, SEVERITY_MEDIUM,  SEVERITY_HIGH,
                                        SEVERITY_MEDIUM,   SEVERITY_UNKNOWN, SEVERITY_HIGH};
    struct report r;

    report_read(sl_str(json), &want, &arena, &r);
    assert_int_equal(r.reason, REPORT_GOOD);
    assert_int_equal(r.nfindings, 6);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(r.findings[i].severity, due[i]);
    }
    assert_true(r.findings[5].is_suppressed && !r.findings[4].is_suppressed);
    assert_int_equal(r.npackages, 0);
}

TEST(harbors_own_api_wraps_the_report)
{
    struct report r;
    const struct report_want want = {0};

    report_read(
        SL("{\"application/vnd.security.vulnerability.report; version=1.1\":" HARBOR_OF(HEX_A) "}"),
        &want, &arena, &r);
    assert_int_equal(r.reason, REPORT_GOOD);
    assert_int_equal(r.counts[SEVERITY_LOW], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(every_format_says_the_same_of_the_same_image),
        RUN(what_trivy_and_grype_say_of_themselves),
        RUN(the_database_is_told_by_the_program),
        RUN(the_cve_behind_a_ghsa_is_its_alias),
        RUN(an_advisory_is_no_alias),
        RUN(N09_what_a_report_suppressed_is_in_it_all_the_same),
        RUN(a_report_on_another_image_does_not_count),
        RUN(a_config_counts_for_who_asks_for_it),
        RUN(a_statement_and_the_report_in_it_are_about_one_image),
        RUN(exit_0_without_findings_is_no_clean_image),
        RUN(N26_an_image_that_is_static_by_somebodys_word_has_no_packages_to_show),
        RUN(trivy_on_another_tools_spdx_loses_the_critical_and_does_not_count),
        RUN(fewer_packages_than_the_sbom_has_do_not_count),
        RUN(an_sbom_of_the_same_family_shows_what_grype_saw),
        RUN(an_sbom_of_another_image_compares_nothing),
        RUN(F12_cut_anywhere_it_does_not_count),
        RUN(what_is_not_read_here_is_told),
        RUN(sarif_of_another_tool_is_rated_by_score_and_then_by_level),
        RUN(harbors_own_api_wraps_the_report),
    };

    pg_arena_init(&arena, REPORT_ARENA_BYTES);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pg_arena_free(&arena);
    return failed;
}
