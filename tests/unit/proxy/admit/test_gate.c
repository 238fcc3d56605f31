/* SPDX-License-Identifier: Apache-2.0 */
/* What may leave, by what is known, and what is asked for when too little is. */
#include "harness/scratch.h"

#include "harness/policy_world.h"

#include "base/clock.h"
#include "cache/index_int.h"
#include "cache/overlay_int.h"
#include "proxy/admit/gate.h"

#define REPO   SL("docker.io/library/app")
#define OTHER  SL("docker.io/library/other")
#define NOW_S  1000000
#define TTL_MS 300000
#define BLOBS  6 /* digests from here on are blobs */
#define KEYED                                                                                      \
    "default: allow\n"                                                                             \
    "rules:\n"                                                                                     \
    "- name: keys\n"                                                                               \
    "  match: {repositories: [\"docker.io/library/*\"]}\n"                                         \
    "  require: {signature: {any_of: [{key: a.pub}]}}\n"
#define TAGGED                                                                                     \
    "default: allow\n"                                                                             \
    "rules:\n"                                                                                     \
    "- name: keys\n"                                                                               \
    "  match: {repositories: [\"docker.io/library/*\"], tags: [\"v*\"]}\n"                         \
    "  require: {signature: {any_of: [{key: a.pub}]}}\n"

static struct store store;
static struct shelf *shelf;
static struct config_admission admission;
static struct overlay_batch *batches[32];
static size_t nbatches;
static struct pg_err err;
static struct pg_arena arena;
static struct facts_signed by_a, by_b;
static uint64_t now_ms;
static struct sl bytes;

static int setup(void **state)
{
    struct index_config c = {.path = NULL};

    (void)state;
    pg_hash_setup();
    scratch_make();
    c.path = scratch_path("index");
    store = (struct store){.overlay = overlay_new()};
    assert_int_equal(index_open(&c, &store.index, &err), 0);
    shelf = shelf_new(64);
    admission = (struct config_admission){.ntrusts = 0};
    pg_arena_init(&arena, (size_t)16 << 20);
    by_a = world_signed('a', FACTS_SIGNATURE, FACTS_BUNDLE);
    by_b = world_signed('b', FACTS_SIGNATURE, FACTS_BUNDLE);
    now_ms = 1000000;
    bytes = SL("{}");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    while (nbatches > 0)
        overlay_settle(store.overlay, batches[--nbatches]);
    shelf_free(shelf);
    policy_unref(admission.policy);
    overlay_free(store.overlay);
    index_close(store.index);
    pg_arena_free(&arena);
    pg_err_clear(&err);
    scratch_remove();
    return 0;
}

static void use(const char *text)
{
    assert_int_equal(policy_load("p.yaml", sl_str(text), &world, &admission.policy, &err), 0);
}

static struct digest digest(uint8_t n)
{
    struct digest d = {.alg = PG_SHA256, .bytes = {n}};

    return d;
}

static void show(struct overlay_batch *b)
{
    assert_true(overlay_show(store.overlay, b));
    batches[nbatches++] = b;
}

static void link_manifest(struct sl repo, uint8_t n)
{
    struct overlay_batch *b = overlay_batch_new();
    struct index_link l = {.kind = INDEX_LINK_MANIFEST, .landed = true};
    struct digest d = digest(n);

    overlay_add_link(b, repo, &d, &l);
    show(b);
}

static void tag_since(struct sl repo, const char *tag, uint8_t n, int64_t since_s)
{
    struct overlay_batch *b = overlay_batch_new();
    struct index_tag t = {digest(n), NOW_S, since_s};

    overlay_add_tag(b, repo, sl_str(tag), &t);
    show(b);
}

static void tag_manifest(struct sl repo, const char *tag, uint8_t n)
{
    tag_since(repo, tag, n, NOW_S);
}

/* Found as said: by whom it is signed (NULL: nobody), and what it names (0: nothing). */
static struct dossier *dossier(struct sl repo, uint8_t n, const struct facts_signed *by,
                               uint8_t names)
{
    struct digest subject = digest(n);
    const struct evidence_wants none = {.simple = false};
    struct evidence *e = evidence_new(&subject, &none);
    const struct facts name = {.repository = repo, .tag = SL("v1")};
    struct dossier_input in = {.evidence = e,
                               .subject = subject,
                               .repository = repo,
                               .admission = &admission,
                               .scope.wants = policy_wants(admission.policy, &name),
                               .now_ms = now_ms};
    struct dossier *d = dossier_new(&in);

    evidence_free(e);
    if (by != NULL) {
        struct facts_signed *one = pg_new(&d->arena, struct facts_signed);

        *one = *by;
        d->is_signed = one;
        d->nsigned = 1;
    }
    if (names != 0) {
        d->names = pg_new(&d->arena, struct digest);
        *d->names = digest(names);
        d->nnames = 1;
        d->is_index = names < BLOBS;
    }
    return d;
}

static void keep(struct dossier *d)
{
    shelf_put(shelf, d);
    dossier_unref(d);
}

static struct gate_question question(struct sl repo, uint8_t n)
{
    return (struct gate_question){.store = &store,
                                  .shelf = shelf,
                                  .admission = &admission,
                                  .repository = repo,
                                  .digest = digest(n),
                                  .sha256 = digest(n),
                                  .manifest = bytes,
                                  .now_s = NOW_S,
                                  .now_ms = now_ms,
                                  .ttl_ms = TTL_MS};
}

static struct gate_result manifest(struct sl repo, const char *tag, uint8_t n)
{
    struct gate_question q = question(repo, n);
    struct gate_result r;

    if (tag != NULL)
        q.tag = sl_str(tag);
    gate_manifest(&q, &arena, &r);
    return r;
}

static struct gate_result blob(struct sl repo, uint8_t n)
{
    struct gate_question q = question(repo, n);
    struct gate_result r;

    gate_blob(&q, &arena, &r);
    return r;
}

static void needs(struct gate_result r, uint8_t n)
{
    struct digest d = digest(n);

    assert_int_equal(r.answer, GATE_NEEDS);
    assert_true(digest_eq(&r.needs, &d));
}

/* ---- manifests ----------------------------------------------------------------------------- */

TEST(what_is_not_known_is_asked_for_and_then_decided)
{
    use(KEYED);
    needs(manifest(REPO, "v1", 1), 1);
    keep(dossier(REPO, 1, &by_a, 0));
    assert_int_equal(manifest(REPO, "v1", 1).answer, GATE_ALLOWS);
    assert_int_equal(manifest(REPO, NULL, 1).answer, GATE_ALLOWS);
    keep(dossier(REPO, 2, &by_b, 0));
    assert_int_equal(manifest(REPO, "v1", 2).answer, GATE_DENIES);
    assert_true(sl_eq(manifest(REPO, "v1", 2).verdict.rule, SL("keys")));
}

TEST(N04_facts_of_another_repository_or_revision_are_none)
{
    use(KEYED);
    keep(dossier(REPO, 1, &by_a, 0));
    needs(manifest(OTHER, "v1", 1), 1);
    admission.revision[0] = 1;
    needs(manifest(REPO, "v1", 1), 1);
}

TEST(N22_absence_is_short_and_facts_are_long)
{
    use(KEYED);
    keep(dossier(REPO, 1, NULL, 0));
    keep(dossier(REPO, 2, &by_a, 0));
    assert_int_equal(manifest(REPO, "v1", 1).answer, GATE_DENIES);
    now_ms += GATE_ABSENT_MS;
    needs(manifest(REPO, "v1", 1), 1);
    assert_int_equal(manifest(REPO, "v1", 2).answer, GATE_ALLOWS);
    now_ms += TTL_MS;
    needs(manifest(REPO, "v1", 2), 2);
}

TEST(N22_a_failed_look_is_no_absence_and_takes_nothing_away)
{
    struct gate_question q;
    struct gate_result r;
    struct dossier *failed;

    use(KEYED);
    failed = dossier(REPO, 1, NULL, 0);
    failed->state = FACTS_FAILED;
    failed->trouble = "upstream answers 500";
    shelf_put(shelf, failed);
    needs(manifest(REPO, "v1", 1), 1); /* it is not remembered */
    q = question(REPO, 1);
    q.tag = SL("v1");
    q.fresh[q.nfresh++] = failed;
    gate_manifest(&q, &arena, &r);
    assert_int_equal(r.answer, GATE_PENDING);
    keep(dossier(REPO, 1, &by_a, 0));
    q.now_ms += TTL_MS + 1;
    gate_manifest(&q, &arena, &r);
    assert_int_equal(r.answer, GATE_ALLOWS);
    dossier_unref(failed);
}

TEST(N02_by_digest_the_tags_that_name_it_count_also_before_their_commit)
{
    struct dossier *untagged;

    use(TAGGED);
    keep(dossier(REPO, 1, NULL, 0));
    untagged = dossier(REPO, 1, NULL, 0);
    untagged->scope.wants = (struct policy_wants){.tags = true};
    keep(untagged);
    assert_int_equal(manifest(REPO, NULL, 1).answer, GATE_ALLOWS); /* none names it */
    tag_manifest(REPO, "v1", 1);
    assert_int_equal(manifest(REPO, "v1", 1).answer, GATE_DENIES);
    assert_int_equal(manifest(REPO, NULL, 1).answer, GATE_DENIES);
    tag_manifest(REPO, "v1", 2); /* it moved on */
    assert_int_equal(manifest(REPO, NULL, 1).answer, GATE_ALLOWS);
}

TEST(N08_a_tag_that_came_back_is_as_young_as_a_new_one)
{
    use("default: allow\n"
        "rules:\n"
        "- name: settled\n"
        "  match: {repositories: [\"docker.io/library/*\"]}\n"
        "  require: {min_age: 3h}\n");
    keep(dossier(REPO, 1, NULL, 0));
    tag_since(REPO, "v1", 1, NOW_S - 86400);
    assert_int_equal(manifest(REPO, "v1", 1).answer, GATE_ALLOWS);
    tag_since(REPO, "v1", 2, NOW_S - 120);
    tag_since(REPO, "v1", 1, NOW_S - 60);
    assert_int_not_equal(manifest(REPO, "v1", 1).answer, GATE_ALLOWS);
}

TEST(D06_another_tag_and_N13_another_hash_are_no_way_around_a_tags_rule)
{
    struct gate_question q;
    struct gate_result r;
    struct dossier *untagged;

    use(TAGGED);
    keep(dossier(REPO, 1, NULL, 0));
    untagged = dossier(REPO, 1, NULL, 0);
    untagged->scope.wants = (struct policy_wants){.tags = true};
    keep(untagged);
    assert_int_equal(manifest(REPO, "other", 1).answer, GATE_ALLOWS);
    tag_manifest(REPO, "v1", 1);
    assert_int_equal(manifest(REPO, "v1", 1).answer, GATE_DENIES);
    assert_int_equal(manifest(REPO, "other", 1).answer, GATE_DENIES);
    q = question(REPO, 1);
    q.digest.alg = PG_SHA512;
    gate_manifest(&q, &arena, &r);
    assert_int_equal(r.answer, GATE_DENIES);
}

/* ---- through an index (N01) ---------------------------------------------------------------- */

TEST(N01_a_child_has_the_signatures_of_an_index_that_passes)
{
    use(KEYED);
    keep(dossier(REPO, 2, NULL, 0));
    assert_int_equal(manifest(REPO, NULL, 2).answer, GATE_DENIES);
    keep(dossier(REPO, 1, &by_a, 2));
    assert_int_equal(manifest(REPO, NULL, 2).answer,
                     GATE_DENIES); /* it is not of this repository */
    link_manifest(REPO, 1);
    assert_int_equal(manifest(REPO, NULL, 2).answer, GATE_ALLOWS);
    keep(dossier(REPO, 1, &by_b, 2)); /* the index does not pass any more */
    assert_int_equal(manifest(REPO, NULL, 2).answer, GATE_DENIES);
}

TEST(N01_a_parent_of_another_repository_helps_nobody)
{
    use(KEYED);
    keep(dossier(OTHER, 1, &by_a, 2));
    link_manifest(OTHER, 1);
    keep(dossier(REPO, 2, NULL, 0));
    assert_int_equal(manifest(REPO, NULL, 2).answer, GATE_DENIES);
}

TEST(N02_with_more_tags_than_are_looked_at_it_waits_and_says_why)
{
    struct index_txn *txn;
    const struct index_tag t = {digest(1), NOW_S, NOW_S};
    struct gate_question q;
    struct gate_result r;
    struct pg_buf told;
    char name[16];

    use(TAGGED);
    assert_int_equal(index_txn_begin(store.index, &txn, &err), 0);
    for (int i = 0; i <= GATE_TAGS_MAX; i++) {
        assert_true(snprintf(name, sizeof(name), "t%d", i) > 0);
        assert_int_equal(index_put_tag(txn, REPO, sl_str(name), &t, &err), 0);
    }
    assert_int_equal(index_txn_commit(txn, &err), 0);
    q = question(REPO, 1);
    pg_buf_init(&told, 10000);
    q.explained = &told;
    gate_manifest(&q, &arena, &r);
    assert_int_equal(r.answer, GATE_PENDING);
    assert_true(sl_eq(r.verdict.rule, SL("tags")));
    assert_non_null(memmem(told.p, told.n, "more tags", 9));
    pg_buf_free(&told);
}

/* ---- blobs --------------------------------------------------------------------------------- */

TEST(a_blob_leaves_with_a_manifest_that_names_it_and_passes)
{
    use(KEYED);
    assert_int_equal(blob(REPO, 9).answer, GATE_DENIES);
    keep(dossier(REPO, 1, &by_a, 9));
    assert_int_equal(blob(REPO, 9).answer, GATE_DENIES); /* not linked here */
    link_manifest(REPO, 1);
    assert_int_equal(blob(REPO, 9).answer, GATE_ALLOWS);
    assert_int_equal(blob(REPO, 8).answer, GATE_DENIES);
    assert_int_equal(blob(OTHER, 9).answer, GATE_DENIES);
    keep(dossier(REPO, 1, &by_b, 9));
    assert_int_equal(blob(REPO, 9).answer, GATE_DENIES);
}

/* What an index names is decided by itself; what an image has as a layer is no image. */
TEST(D05_an_index_gives_out_no_manifest_as_a_blob_nor_an_image_a_layer_as_a_child)
{
    struct dossier *image;

    use(KEYED);
    keep(dossier(REPO, 1, &by_a, 2));
    link_manifest(REPO, 1);
    assert_int_equal(blob(REPO, 2).answer, GATE_DENIES);
    image = dossier(REPO, 3, &by_a, 4);
    image->is_index = false;
    keep(image);
    link_manifest(REPO, 3);
    keep(dossier(REPO, 4, NULL, 0));
    assert_int_equal(blob(REPO, 4).answer, GATE_ALLOWS);
    assert_int_equal(manifest(REPO, NULL, 4).answer, GATE_DENIES);
}

/* A second image that has the layer, too, and does not pass, keeps nobody from the first. */
TEST(who_is_known_to_pass_is_asked_before_anything_is_looked_for)
{
    use(KEYED);
    keep(dossier(REPO, 1, &by_a, 9));
    link_manifest(REPO, 1);
    assert_int_equal(blob(REPO, 9).answer, GATE_ALLOWS);
    keep(dossier(REPO, 2, NULL, 9));
    link_manifest(REPO, 2);
    assert_int_equal(blob(REPO, 9).answer, GATE_ALLOWS);
    now_ms += GATE_ABSENT_MS; /* the second would have to be looked for again */
    assert_int_equal(blob(REPO, 9).answer, GATE_ALLOWS);
    keep(dossier(REPO, 1, &by_b, 9));
    needs(blob(REPO, 9), 2);
}

TEST(where_no_rule_wants_anything_nothing_is_looked_for)
{
    use(KEYED);
    assert_int_equal(blob(SL("ghcr.io/a/b"), 9).answer, GATE_ALLOWS);
    assert_int_equal(manifest(SL("ghcr.io/a/b"), "v1", 1).answer, GATE_ALLOWS);
    policy_unref(admission.policy);
    use("default: deny\nrules: []\n");
    assert_int_equal(blob(REPO, 9).answer, GATE_DENIES);
    assert_int_equal(manifest(REPO, "v1", 1).answer, GATE_DENIES);
}

/* ---- evidence (N03) ------------------------------------------------------------------------ */

/* It was found to be evidence about `about` (0: it was found not to be), and names a blob. */
static struct dossier *evidence(struct sl repo, uint8_t n, uint8_t about, uint8_t names)
{
    struct dossier *d = dossier(repo, n, NULL, names);

    d->scope = (struct dossier_scope){.as_evidence = true};
    d->is_evidence = about != 0;
    d->about = digest(about);
    return d;
}

TEST(N03_evidence_leaves_with_its_subject_also_when_that_is_denied)
{
    use(KEYED);
    keep(dossier(REPO, 1, &by_b, 0));
    assert_int_equal(manifest(REPO, "v1", 1).answer, GATE_DENIES);
    bytes = SL("{\"subject\": {}}");
    keep(evidence(REPO, 5, 1, 6));
    assert_true(manifest(REPO, NULL, 5).is_evidence);
    assert_true(blob(REPO, 6).is_evidence);
    assert_int_equal(blob(REPO, 7).answer, GATE_DENIES);
    keep(dossier(OTHER, 5, NULL, 6));
    keep(evidence(OTHER, 5, 0, 0));
    assert_int_equal(manifest(OTHER, NULL, 5).answer, GATE_DENIES);
    assert_int_equal(blob(OTHER, 6).answer, GATE_DENIES);
}

TEST(N03_under_a_signatures_tag_it_is_looked_at_and_a_disguise_is_decided_by_itself)
{
    char tag[80] = "sha256-0100000000000000000000000000000000000000000000000000000000000000.sig";
    struct gate_result r;

    use(KEYED);
    keep(dossier(REPO, 5, NULL, 0));
    r = manifest(REPO, tag, 5);
    needs(r, 5);
    assert_true(r.scope.as_evidence && r.scope.claim.about.bytes[0] == 1);
    struct dossier *no = evidence(REPO, 5, 0, 0);
    no->scope = r.scope;
    keep(no);
    assert_int_equal(manifest(REPO, tag, 5).answer, GATE_DENIES);
    tag[7] = '2'; /* another image's tag: it may be about that */
    needs(manifest(REPO, tag, 5), 5);
    tag[72] = 'x';
    assert_int_equal(manifest(REPO, tag, 5).answer, GATE_DENIES);
}

TEST(N03_evidence_does_not_open_what_a_rule_forbids_or_no_rule_opens)
{
    use("default: allow\n"
        "rules:\n"
        "- {name: no, match: {repositories: [\"docker.io/library/app\"]}, action: deny}\n"
        "- name: keys\n"
        "  match: {repositories: [\"docker.io/library/*\"]}\n"
        "  require: {signature: {any_of: [{key: a.pub}]}}\n");
    keep(dossier(REPO, 5, NULL, 6));
    keep(evidence(REPO, 5, 1, 6));
    assert_int_equal(manifest(REPO, NULL, 5).answer, GATE_DENIES);
    assert_int_equal(blob(REPO, 6).answer, GATE_DENIES);
    policy_unref(admission.policy);
    use("default: deny\nrules: []\n");
    assert_int_equal(manifest(REPO, NULL, 5).answer, GATE_DENIES);
    assert_int_equal(blob(REPO, 6).answer, GATE_DENIES);
}

/* ---- its price ----------------------------------------------------------------------------- */

TEST(a_warm_verdict_is_cheap)
{
    uint64_t began, us;

    use(KEYED);
    keep(dossier(REPO, 1, &by_a, 9));
    link_manifest(REPO, 1);
    began = pg_clock_mono_us();
    for (int i = 0; i < 2000; i++) {
        struct gate_question q = question(REPO, 1);
        struct pg_arena one;
        struct gate_result r;

        pg_arena_init(&one, 1 << 20);
        gate_manifest(&q, &one, &r);
        assert_int_equal(r.answer, GATE_ALLOWS);
        pg_arena_free(&one);
    }
    us = pg_clock_mono_us() - began;
    print_message("a warm verdict: %.1f us\n", (double)us / 2000);
    assert_true(us < UINT64_C(2000) * 1000); /* a machine that is busy, with sanitizers */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(what_is_not_known_is_asked_for_and_then_decided),
        T(N04_facts_of_another_repository_or_revision_are_none),
        T(N22_absence_is_short_and_facts_are_long),
        T(N22_a_failed_look_is_no_absence_and_takes_nothing_away),
        T(N02_by_digest_the_tags_that_name_it_count_also_before_their_commit),
        T(N08_a_tag_that_came_back_is_as_young_as_a_new_one),
        T(D06_another_tag_and_N13_another_hash_are_no_way_around_a_tags_rule),
        T(N01_a_child_has_the_signatures_of_an_index_that_passes),
        T(N01_a_parent_of_another_repository_helps_nobody),
        T(N02_with_more_tags_than_are_looked_at_it_waits_and_says_why),
        T(a_blob_leaves_with_a_manifest_that_names_it_and_passes),
        T(D05_an_index_gives_out_no_manifest_as_a_blob_nor_an_image_a_layer_as_a_child),
        T(who_is_known_to_pass_is_asked_before_anything_is_looked_for),
        T(where_no_rule_wants_anything_nothing_is_looked_for),
        T(N03_evidence_leaves_with_its_subject_also_when_that_is_denied),
        T(N03_under_a_signatures_tag_it_is_looked_at_and_a_disguise_is_decided_by_itself),
        T(N03_evidence_does_not_open_what_a_rule_forbids_or_no_rule_opens),
        T(a_warm_verdict_is_cheap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
