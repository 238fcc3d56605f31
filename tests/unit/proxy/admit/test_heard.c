/* SPDX-License-Identifier: Apache-2.0 */
/* What sources said becomes facts, with what waivers and VEX settle of it. */
#include "unit/cache/shelf.h"

#include "policy/match.h"
#include "proxy/admit/heard.h"
#include "proxy/admit/result.h"
#include "proxy/admit/wish.h"

#define NOW_S INT64_C(1790000000) /* September 2026 */
#define WAIVERS                                                                                    \
    "waivers:\n"                                                                                   \
    "- {vulnerability: GHSA-1, package: openssl, images: [docker.io/library/nginx],\n"             \
    "   owner: a@b, reason: it is in front of it, expires: 2026-12-31}\n"

static struct shelf sh;
static struct pg_err err;
static struct pg_arena arena;
static struct facts facts;
static struct excuses *excuses;

static int set_up(void **state)
{
    (void)state;
    pg_arena_init(&arena, (size_t)64 << 20);
    shelf_begin(&sh);
    shelf_open(&sh);
    facts = (struct facts){.repository = SL("docker.io/library/nginx"),
                           .digest = digest_of(PG_SHA256, SL("image")),
                           .now_s = NOW_S};
    excuses = excuses_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    excuses_free(excuses);
    pg_err_clear(&err);
    shelf_end(&sh);
    pg_arena_free(&arena);
    return 0;
}

static int canonical(struct sl text, struct pg_arena *in, struct sl *pattern_r, struct pg_err *e)
{
    return match_canonical(text, NULL, NULL, in, pattern_r, e);
}

static const struct sl alias = SL("GHSA-1");
static const struct report_finding finding = {.id = SL("CVE-1"),
                                              .aliases = {&alias, 1},
                                              .package = SL("openssl"),
                                              .version = SL("3.0"),
                                              .purl = SL("pkg:deb/debian/openssl@3.0"),
                                              .fixed = SL("3.1"),
                                              .severity = SEVERITY_CRITICAL,
                                              .is_exploited = true};

static void put(const char *source, enum result_kind kind)
{
    const struct report r = {
        .scanner = {.name = SL("trivy"), .database_s = 77}, .findings = &finding, .nfindings = 1};
    const struct result_news news = {.kind = kind, .report = &r, .now_s = NOW_S - 60};

    assert_int_equal(result_put(sh.store, &facts.digest, sl_str(source), &news, &err), 0);
}

static void hear(const struct excuses *by)
{
    const struct heard_from from = {.store = sh.store, .excuses = by};

    heard_gather(&from, &arena, &facts);
}

TEST(all_sources_are_heard_in_the_words_of_policy)
{
    const struct result_news failed = {
        .kind = RESULT_SCANNER, .failed = SL("it died"), .now_s = NOW_S};

    hear(NULL);
    assert_true(facts.scans != NULL && facts.nscans == 0 && facts.scans_trouble == NULL);
    put("trivy", RESULT_SCANNER);
    assert_int_equal(result_put(sh.store, &facts.digest, SL("grype"), &failed, &err), 0);
    hear(NULL);
    assert_int_equal(facts.nscans, 2);
    assert_true(sl_eq(facts.scans[0].source, SL("grype")) && facts.scans[0].good_s == 0);
    assert_true(sl_eq(facts.scans[0].failed, SL("it died")) && facts.scans[0].failed_s == NOW_S);
    assert_true(sl_eq(facts.scans[1].source, SL("trivy")) && facts.scans[1].database_s == 77);
    assert_true(facts.scans[1].good_s == NOW_S - 60 && facts.scans[1].first_s == NOW_S - 60);
    assert_int_equal(facts.scans[1].nfindings, 1);
    const struct facts_finding *x = facts.scans[1].findings;
    assert_true(sl_eq(x->id, SL("CVE-1")) && x->severity == FACTS_CRITICAL && x->is_fixable);
    assert_true(x->is_exploited && x->settled_until_s == 0 && x->since_s == NOW_S - 60);
    assert_true(x->naliases == 1 && sl_eq(x->aliases[0], alias));
}

TEST(of_a_time_that_is_over_what_is_newer_counts_as_of_then)
{
    const struct heard_from from = {.store = sh.store, .is_over = true};

    put("trivy", RESULT_SCANNER);
    facts.now_s = NOW_S - 86400;
    heard_gather(&from, &arena, &facts);
    assert_int_equal(facts.scans[0].good_s, NOW_S - 86400);
    assert_int_equal(facts.scans[0].database_s, 77); /* it was older then, too */
    facts.now_s = NOW_S;
    heard_gather(&from, &arena, &facts);
    assert_int_equal(facts.scans[0].good_s, NOW_S - 60);
}

TEST(N09_a_pushed_report_gives_its_finding_no_other_name)
{
    assert_int_equal(excuses_add_waivers(excuses, "w", SL(WAIVERS), canonical, &err), 0);
    put("ci", RESULT_PUSHED);
    put("trivy", RESULT_SCANNER);
    hear(excuses);
    assert_int_equal(facts.nscans, 2);
    assert_int_equal(facts.scans[0].findings[0].naliases, 0);
    assert_int_equal(facts.scans[0].findings[0].settled_until_s, 0);
    assert_true(facts.scans[1].findings[0].settled_until_s > NOW_S);
}

TEST(a_waiver_is_for_its_images_and_until_its_end)
{
    assert_int_equal(excuses_add_waivers(excuses, "w", SL(WAIVERS), canonical, &err), 0);
    put("trivy", RESULT_SCANNER);
    facts.repository = SL("docker.io/library/other");
    hear(excuses);
    assert_int_equal(facts.scans[0].findings[0].settled_until_s, 0);
    facts.repository = SL("docker.io/library/nginx");
    facts.now_s = INT64_C(1798761600); /* 2027-01-01 */
    hear(excuses);
    assert_int_equal(facts.scans[0].findings[0].settled_until_s, 0);
    facts.now_s--;
    hear(excuses);
    assert_int_equal(facts.scans[0].findings[0].settled_until_s, INT64_C(1798761600));
}

TEST(vex_that_is_believed_settles_for_good)
{
    const struct sl vex =
        SL("{\"@context\":\"https://openvex.dev/ns/v0.2.0\",\"@id\":\"https://a.example/v\","
           "\"author\":\"a\",\"timestamp\":\"2026-01-01T00:00:00Z\",\"version\":1,\"statements\":[{"
           "\"vulnerability\":{\"name\":\"CVE-1\"},\"products\":[{\"@id\":"
           "\"pkg:deb/debian/openssl@3.0\"}],\"status\":\"not_affected\",\"justification\":"
           "\"vulnerable_code_not_present\"}]}");
    uint8_t before[32], after[32];

    excuses_revision(excuses, before);
    if (excuses_add_vex(excuses, "v", vex, &err) < 0) {
        fail_msg("%s", err.msg);
    }
    excuses_revision(excuses, after);
    assert_memory_not_equal(before, after, 32);
    put("trivy", RESULT_SCANNER);
    hear(excuses);
    assert_true(facts.scans[0].findings[0].settled_until_s == INT64_MAX);
}

#define STATEMENT                                                                                  \
    "{\"_type\":\"https://in-toto.io/Statement/v0.1\",\"predicateType\":\"https://"                \
    "cosign.sigstore.dev/attestation/vuln/v1\",\"subject\":[{\"name\":\"a\",\"digest\":{"          \
    "\"sha256\":\"%s\"}}],\"predicate\":{\"scanner\":{\"uri\":\"trivy\",\"result\":{"              \
    "\"SchemaVersion\":2,\"ArtifactName\":\"a\",\"Metadata\":{\"RepoDigests\":[\"a@sha256:%s\"]}," \
    "\"Results\":[{\"Target\":\"t\",\"Packages\":[{\"Name\":\"openssl\",\"Version\":\"3.0\"}],"    \
    "\"Vulnerabilities\":[{\"VulnerabilityID\":\"CVE-1\",\"PkgName\":\"openssl\","                 \
    "\"InstalledVersion\":\"3.0\",\"Severity\":\"HIGH\"}]}]}},\"metadata\":{"                      \
    "\"scanStartedOn\":\"2026-09-01T00:00:00Z\",\"scanFinishedOn\":\"2026-09-01T00:01:00Z\"}}}"

TEST(N09_a_signed_report_is_heard_while_its_signer_counts)
{
    char text[DIGEST_TEXT_MAX], statement[2000];
    const char *hex = strchr(digest_write(&facts.digest, text).p, ':') + 1;
    struct facts_signed by = {.kind = FACTS_ATTESTATION,
                              .key_id = SL("k"),
                              .predicate_type =
                                  SL("https://cosign.sigstore.dev/attestation/vuln/v1")};
    struct heard_from from = {.store = sh.store};

    (void)snprintf(statement, sizeof(statement), STATEMENT, hex, hex);
    by.statement = sl_str(statement);
    from.nattested = attested_read(&by, 1, &facts.digest, NOW_S, &arena, &from.attested);
    assert_int_equal(from.nattested, 1);
    heard_gather(&from, &arena, &facts);
    assert_int_equal(facts.nscans, 0); /* nobody says that it is signed */
    facts.is_signed = &by;
    facts.nsigned = 1;
    heard_gather(&from, &arena, &facts);
    assert_int_equal(facts.nscans, 1);
    if (facts.scans[0].good_s == 0)
        fail_msg("%.*s", (int)facts.scans[0].failed.n, facts.scans[0].failed.p);
    assert_true(facts.scans[0].by == &by && facts.scans[0].good_s == 1788220860);
    assert_true(facts.scans[0].nfindings == 1 && facts.scans[0].findings[0].severity == FACTS_HIGH);
    facts.digest = digest_of(PG_SHA256, SL("another")); /* what is signed is of another image */
    from.nattested = attested_read(&by, 1, &facts.digest, NOW_S, &arena, &from.attested);
    heard_gather(&from, &arena, &facts);
    assert_true(facts.nscans == 1 && facts.scans[0].good_s == 0 && facts.scans[0].failed_s > 0);
}

TEST(N09_of_signed_reports_the_newest_of_a_hand_is_read_and_too_many_hands_are_none)
{
    struct facts_signed by[2 * ATTESTED_MAX];
    char keys[2 * ATTESTED_MAX];
    const struct attested *read;
    size_t n = sizeof(by) / sizeof(by[0]);

    for (size_t i = 0; i < n; i++) { /* one a day, by one hand */
        keys[i] = (char)('a' + i);
        by[i] = (struct facts_signed){.kind = FACTS_ATTESTATION,
                                      .key_id = SL("k"),
                                      .signed_at_s = 1000 + (int64_t)((i + 5) % n),
                                      .predicate_type =
                                          SL("https://cosign.sigstore.dev/attestation/vuln/v1")};
    }
    assert_int_equal(attested_read(by, n, &facts.digest, NOW_S, &arena, &read), 1);
    assert_int_equal(read[0].by->signed_at_s, 1000 + (int64_t)n - 1);
    by[3].signed_at_s = 0; /* nobody knows which of these two is newer */
    assert_int_equal(attested_read(by, n, &facts.digest, NOW_S, &arena, &read), 2);
    for (size_t i = 0; i < n; i++)
        by[i].key_id = (struct sl){&keys[i], 1};
    assert_int_equal(attested_read(by, n, &facts.digest, NOW_S, &arena, &read), ATTESTED_MAX);
    for (size_t i = 0; i < ATTESTED_MAX; i++)
        assert_true(read[i].result.good_s == 0 && read[i].result.failed_s == NOW_S);
}

TEST(N11_wishes_are_shared_and_who_waits_comes_first)
{
    struct wish_list *l = wish_list_new();
    struct digest d = facts.digest;
    struct wish w;

    for (uint8_t i = 0; i < WISH_SHARE; i++) {
        d.bytes[0] = i;
        assert_true(wish_note(l, SL("docker.io/evil/app"), &d, true));
    }
    d.bytes[0] = WISH_SHARE;
    assert_false(wish_note(l, SL("docker.io/evil/app"), &d, true));
    assert_true(wish_note(l, SL("docker.io/library/nginx"), &d, false));
    assert_true(wish_note(l, SL("docker.io/library/nginx"), &d, false)); /* once */
    assert_int_equal(wish_count(l), WISH_SHARE + 1);
    for (int i = 0; i < 3; i++) {
        assert_true(wish_take(l, &w) && w.someone_waits);
    }
    assert_true(wish_take(l, &w) && !w.someone_waits); /* each fourth */
    assert_string_equal(w.repository, "docker.io/library/nginx");
    assert_true(digest_eq(&w.digest, &d));
    while (wish_take(l, &w)) {
    }
    assert_int_equal(wish_count(l), 0);
    assert_true(wish_note(l, SL("r"), &d, false) && wish_note(l, SL("r"), &d, true));
    assert_true(wish_take(l, &w) && w.someone_waits && !wish_take(l, &w));
    wish_list_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        T(all_sources_are_heard_in_the_words_of_policy),
        T(of_a_time_that_is_over_what_is_newer_counts_as_of_then),
        T(N09_a_pushed_report_gives_its_finding_no_other_name),
        T(a_waiver_is_for_its_images_and_until_its_end),
        T(vex_that_is_believed_settles_for_good),
        T(N09_a_signed_report_is_heard_while_its_signer_counts),
        T(N09_of_signed_reports_the_newest_of_a_hand_is_read_and_too_many_hands_are_none),
        T(N11_wishes_are_shared_and_who_waits_comes_first),
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
