/* SPDX-License-Identifier: Apache-2.0 */
/* What leaves by what scans found, and that a new result decides the next request. */
#include "harness/scratch.h"

#include "harness/policy_world.h"

#include "base/clock.h"
#include "cache/overlay_int.h"
#include "cache/recover.h"
#include "proxy/admit/gate.h"
#include "proxy/admit/result.h"

#define REPO  SL("docker.io/library/app")
#define NOW_S INT64_C(1790000000)
#define IMAGE 1
#define INDEX 2
#define LAYER 10
#define RULE(scan)                                                                                 \
    "default: allow\nrules:\n- name: scanned\n  match: {repositories: [app]}\n  require: {scan: "  \
    "{max_severity: medium" scan "}}\n"

static struct store_config config;
static struct store *store;
static struct shelf *shelf;
static struct config_admission admission;
static struct overlay_batch *batches[8];
static size_t nbatches;
static struct pg_err err;
static struct pg_arena arena;
static const struct facts_content image = {.shape = FACTS_IMAGE}, listing = {.shape = FACTS_INDEX};

static int set_up(void **state)
{
    (void)state;
    pg_hash_setup();
    scratch_make();
    config = (struct store_config){.path = scratch_path("store"),
                                   .data_pool = pg_pool_new("data", 1),
                                   .slow_pool = pg_pool_new("slow", 1)};
    if (store_open(&config, &store, &err) < 0)
        fail_msg("%s", err.msg);
    recover_wait(store->recover);
    shelf = shelf_new(64);
    admission = (struct config_admission){.ntrusts = 0};
    pg_arena_init(&arena, (size_t)64 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    while (nbatches > 0)
        overlay_settle(store->overlay, batches[--nbatches]);
    shelf_free(shelf);
    policy_unref(admission.policy);
    store_close(store);
    pg_pool_free(config.data_pool);
    pg_pool_free(config.slow_pool);
    pg_arena_free(&arena);
    pg_err_clear(&err);
    scratch_remove();
    return 0;
}

static void use(const char *text)
{
    if (policy_load("p.yaml", sl_str(text), &world, &admission.policy, &err) < 0)
        fail_msg("%s", err.msg);
}

static struct digest digest(uint8_t n)
{
    struct digest d = {.alg = PG_SHA256, .bytes = {n, 1}};

    return d;
}

static void link_manifest(uint8_t n)
{
    struct overlay_batch *b = overlay_batch_new();
    const struct index_link l = {
        .kind = INDEX_LINK_MANIFEST, .landed = true, .first_seen_s = NOW_S - 86400};
    struct digest d = digest(n);

    overlay_add_link(b, REPO, &d, &l);
    assert_true(overlay_show(store->overlay, b));
    batches[nbatches++] = b;
}

static void know(uint8_t n, const struct facts_content *content, uint8_t names)
{
    const struct evidence_wants none = {.simple = false};
    const struct facts name = {.repository = REPO, .tag = SL("v1")};
    struct digest subject = digest(n);
    struct evidence *e = evidence_new(&subject, &none);
    const struct dossier_input in = {.evidence = e,
                                     .subject = subject,
                                     .repository = REPO,
                                     .admission = &admission,
                                     .scope.wants = policy_wants(admission.policy, &name),
                                     .now_ms = 1000000};
    struct dossier *d = dossier_new(&in);

    evidence_free(e);
    d->content = content;
    d->names = pg_new(&d->arena, struct digest);
    *d->names = digest(names);
    d->nnames = 1;
    d->is_index = content == &listing;
    link_manifest(n);
    shelf_put(shelf, d);
    shelf_note_admitted(shelf, d);
    dossier_unref(d);
}

static struct gate_question question(uint8_t n)
{
    return (struct gate_question){.store = store,
                                  .shelf = shelf,
                                  .admission = &admission,
                                  .repository = REPO,
                                  .digest = digest(n),
                                  .sha256 = digest(n),
                                  .manifest = SL("{}"),
                                  .now_s = NOW_S,
                                  .now_ms = 1000000,
                                  .ttl_ms = 300000};
}

static struct gate_result manifest_at(uint8_t n, int64_t now_s)
{
    struct gate_question q = question(n);
    struct gate_result r;

    q.now_s = now_s;
    q.tag = SL("v1");
    gate_manifest(&q, &arena, &r);
    return r;
}

static enum gate_answer manifest(uint8_t n)
{
    return manifest_at(n, NOW_S).answer;
}

static enum gate_answer blob(uint8_t n)
{
    struct gate_question q = question(n);
    struct gate_result r;

    gate_blob(&q, &arena, &r);
    return r.answer;
}

static void found_at(const char *source, enum severity severity, size_t n, int64_t now_s)
{
    const struct report_finding one = {.id = SL("CVE-1"), .package = SL("p"), .severity = severity};
    const struct report r = {.scanner.name = SL("trivy"), .findings = &one, .nfindings = n};
    const struct result_news news = {.report = &r, .now_s = now_s};
    struct digest d = digest(IMAGE);

    assert_int_equal(result_put(store, &d, sl_str(source), &news, &err), 0);
}

static void found(const char *source, enum severity severity, size_t n)
{
    found_at(source, severity, n, NOW_S - 100);
}

static void failed(const char *source)
{
    const struct result_news news = {.failed = SL("it died"), .now_s = NOW_S - 50};
    struct digest d = digest(IMAGE);

    assert_int_equal(result_put(store, &d, sl_str(source), &news, &err), 0);
}

TEST(a_new_result_decides_the_next_request)
{
    struct gate_result r;

    use(RULE(", grace: none"));
    know(IMAGE, &image, LAYER);
    r = manifest_at(IMAGE, NOW_S);
    assert_true(r.answer == GATE_PENDING && r.verdict.asks_scan);
    assert_int_equal(blob(LAYER), GATE_PENDING);
    found("trivy", SEVERITY_LOW, 1);
    assert_int_equal(manifest(IMAGE), GATE_ALLOWS);
    assert_int_equal(manifest(IMAGE), GATE_ALLOWS); /* by what is remembered */
    assert_int_equal(blob(LAYER), GATE_ALLOWS);
    found("trivy", SEVERITY_CRITICAL, 1);
    r = manifest_at(IMAGE, NOW_S);
    assert_true(r.answer == GATE_DENIES && sl_eq(r.verdict.rule, SL("scanned")));
    assert_false(r.verdict.asks_scan);
    assert_int_equal(blob(LAYER), GATE_DENIES);
    found("trivy", SEVERITY_CRITICAL, 0);
    assert_int_equal(manifest(IMAGE), GATE_ALLOWS);
    found("grype", SEVERITY_HIGH, 1); /* N09: another source finds more */
    assert_int_equal(manifest(IMAGE), GATE_DENIES);
}

TEST(F12_no_verdict_of_a_failing_scanner_is_remembered)
{
    use(RULE(", on_missing: serve"));
    know(IMAGE, &image, LAYER);
    assert_int_equal(manifest(IMAGE), GATE_ALLOWS);
    failed("trivy");
    assert_int_equal(manifest(IMAGE), GATE_DENIES);
    found("trivy", SEVERITY_LOW, 1);
    assert_int_equal(manifest(IMAGE), GATE_ALLOWS);
    failed("trivy"); /* what was found before still is so */
    assert_int_equal(manifest(IMAGE), GATE_ALLOWS);
}

TEST(what_is_remembered_ends_with_what_it_rests_on)
{
    use(RULE(", max_age: 1h"));
    know(IMAGE, &image, LAYER);
    found("trivy", SEVERITY_LOW, 1);
    assert_int_equal(manifest(IMAGE), GATE_ALLOWS);
    assert_int_equal(manifest_at(IMAGE, NOW_S - 100 + 3599).answer, GATE_ALLOWS);
    assert_int_equal(manifest_at(IMAGE, NOW_S - 100 + 3600).answer, GATE_PENDING);
}

TEST(N25_what_was_pulled_before_has_a_grace_that_is_told)
{
    struct gate_result r;

    use(RULE(", grace: 1h"));
    know(IMAGE, &image, LAYER);
    found_at("trivy", SEVERITY_LOW, 0, NOW_S - 7200);
    assert_int_equal(manifest_at(IMAGE, NOW_S - 7000).answer, GATE_ALLOWS);
    found_at("trivy", SEVERITY_CRITICAL, 1, NOW_S - 100);
    r = manifest_at(IMAGE, NOW_S);
    assert_true(r.answer == GATE_ALLOWS && r.verdict.observed.n > 0);
    r = manifest_at(IMAGE, NOW_S - 100 + 3600);
    assert_int_equal(r.answer, GATE_DENIES);
}

TEST(N01_an_index_is_decided_image_by_image)
{
    use(RULE(""));
    know(INDEX, &listing, IMAGE);
    know(IMAGE, &image, LAYER);
    assert_int_equal(manifest(INDEX), GATE_ALLOWS);
    assert_int_equal(manifest(IMAGE), GATE_PENDING);
    found("trivy", SEVERITY_CRITICAL, 1);
    assert_int_equal(manifest(IMAGE), GATE_DENIES);
    assert_int_equal(manifest(INDEX), GATE_ALLOWS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        T(a_new_result_decides_the_next_request),
        T(F12_no_verdict_of_a_failing_scanner_is_remembered),
        T(what_is_remembered_ends_with_what_it_rests_on),
        T(N25_what_was_pulled_before_has_a_grace_that_is_told),
        T(N01_an_index_is_decided_image_by_image),
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
