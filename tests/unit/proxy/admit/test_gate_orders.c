/* SPDX-License-Identifier: Apache-2.0 */
/* N04: what was asked before changes no verdict. The same requests are asked in ten thousand orders
 * of a gate that has everything on its shelf, and each of one that knows nothing yet. */
#include "harness/scratch.h"

#include "harness/policy_world.h"

#include "cache/index_int.h"
#include "cache/overlay_int.h"
#include "proxy/admit/gate.h"

#define ORDERS    10000
#define REQUESTS  6
#define WORLDS    20 /* with other tags, in turn under each policy */
#define MOVES     50 /* so many orders between two moves of the tags */
#define MANIFESTS 6  /* number 1 to 6 */
#define INDEX     5  /* names 1 and 2 */
#define BLOB      0x40
#define DAY_S     INT64_C(86400)
#define NOW_S     (100 * DAY_S)
#define TTL_MS    300000

static const struct sl repos[] = {SL("docker.io/library/app"), SL("docker.io/library/other"),
                                  SL("docker.io/free/app")};
static const char *const tags[] = {"v1", "v2", "dev"};
static const char *const policies[] = {
    "default: deny\n"
    "rules:\n"
    "- name: keys\n"
    "  match: {repositories: [\"docker.io/library/*\"]}\n"
    "  require: {signature: {any_of: [{key: a.pub}]}}\n",
    "default: allow\n"
    "rules:\n"
    "- name: releases\n"
    "  match: {repositories: [\"docker.io/library/*\"], tags: [\"v*\"]}\n"
    "  require: {signature: {any_of: [{key: a.pub}]}}\n"
    "- name: dev\n"
    "  match: {repositories: [\"docker.io/library/other\"], tags: [dev]}\n"
    "  require: {signature: {any_of: [{key: b.pub}]}}\n"
    "- name: watched\n"
    "  match: {repositories: [\"docker.io/library/app\"]}\n"
    "  require: {signature: {any_of: [{key: b.pub}]}}\n"
    "  mode: observe\n",
    "default: allow\n"
    "rules:\n"
    "- name: keys\n"
    "  match: {repositories: [\"docker.io/library/*\"]}\n"
    "  require: {signature: {any_of: [{key: a.pub}, {key: b.pub}]}}\n"
    "- name: settled\n"
    "  match: {repositories: [\"docker.io/library/app\"]}\n"
    "  require: {min_age: 3d}\n",
};

static struct store store;
static struct config_admission admission;
static struct facts_signed signatures[MANIFESTS + 1];
static struct pg_err err;
static uint64_t luck = 42;

static unsigned pick(unsigned n)
{
    luck ^= luck << 13;
    luck ^= luck >> 7;
    luck ^= luck << 17;
    return (unsigned)(luck >> 33) % n;
}

static struct digest digest(unsigned n)
{
    struct digest d = {.alg = PG_SHA256, .bytes = {(uint8_t)n}};

    return d;
}

/* ---- the world ----------------------------------------------------------------------------- */

static int setup(void **unused)
{
    struct index_config c = {.path = NULL};

    (void)unused;
    pg_hash_setup();
    scratch_make();
    c.path = scratch_path("index");
    store = (struct store){.overlay = overlay_new()};
    return index_open(&c, &store.index, &err);
}

static int teardown(void **unused)
{
    (void)unused;
    overlay_free(store.overlay);
    index_close(store.index);
    pg_err_clear(&err);
    scratch_remove();
    return 0;
}

static void put_edge(struct index_txn *txn, unsigned parent, unsigned child,
                     enum index_edge_kind kind)
{
    struct index_edge e = {.parent = digest(parent), .child = digest(child), .kind = kind};

    assert_int_equal(index_put_edge(txn, &e, &err), 0);
}

/* A tag that comes back is as young as one that is new. */
static void move_tags(void)
{
    struct index_txn *txn;

    assert_int_equal(index_txn_begin(store.index, &txn, &err), 0);
    for (unsigned i = 0; i < 9; i++) {
        int64_t since_s = NOW_S + (int64_t)pick(10) * DAY_S - 4 * DAY_S;
        struct index_tag t = {digest(1 + pick(MANIFESTS)), since_s, since_s};

        assert_true(index_del_tag(txn, repos[i / 3], sl_str(tags[i % 3]), &err) >= 0);
        assert_int_equal(index_put_tag(txn, repos[i / 3], sl_str(tags[i % 3]), &t, &err), 0);
    }
    assert_int_equal(index_txn_commit(txn, &err), 0);
}

/* Who signed what, and since when it is known: at random. */
static void make_world(void)
{
    struct index_link link = {.kind = INDEX_LINK_MANIFEST, .landed = true};
    struct index_txn *txn;

    assert_int_equal(index_txn_begin(store.index, &txn, &err), 0);
    for (unsigned n = 1; n <= MANIFESTS; n++) {
        signatures[n] = world_signed("abc"[pick(3)], FACTS_SIGNATURE, FACTS_BUNDLE);
        if (pick(3) == 0)
            signatures[n].not_after_s = NOW_S + pick(10) * DAY_S;
        put_edge(txn, n, n == INDEX ? 1 : BLOB + n,
                 n == INDEX ? INDEX_EDGE_CHILD : INDEX_EDGE_LAYER);
        put_edge(txn, n, n == INDEX ? 2 : BLOB, n == INDEX ? INDEX_EDGE_CHILD : INDEX_EDGE_LAYER);
        for (unsigned r = 0; r < 3; r++) {
            struct digest d = digest(n);

            link.first_seen_s = NOW_S - pick(6) * DAY_S;
            assert_true(index_put_link(txn, repos[r], &d, &link, &err) >= 0);
        }
    }
    assert_int_equal(index_txn_commit(txn, &err), 0);
}

/* What looking for it finds. */
static struct dossier *look(struct sl repo, const struct gate_result *r, uint64_t now_ms)
{
    const struct evidence_wants none = {.simple = false};
    struct evidence *e = evidence_new(&r->needs, &none);
    unsigned n = r->needs.bytes[0];
    struct dossier_input in = {.evidence = e,
                               .subject = r->needs,
                               .repository = repo,
                               .media_type = SL(""),
                               .admission = &admission,
                               .scope = r->scope,
                               .now_ms = now_ms};
    struct dossier *d = dossier_new(&in);

    evidence_free(e);
    if (r->scope.wants.signatures) {
        d->is_signed = &signatures[n];
        d->nsigned = 1;
    }
    d->is_index = n == INDEX;
    d->names = pg_alloc(&d->arena, 2 * sizeof(*d->names));
    d->names[0] = digest(n == INDEX ? 1 : BLOB + n);
    d->names[1] = digest(n == INDEX ? 2 : BLOB);
    d->nnames = 2;
    return d;
}

/* ---- asking -------------------------------------------------------------------------------- */

struct request {
    struct sl repo;
    const char *tag;
    unsigned digest;
    int64_t now_s;
    uint64_t now_ms;
};

static struct request random_request(uint64_t now_ms)
{
    struct request q = {
        .repo = repos[pick(3)], .now_s = NOW_S + pick(12) * DAY_S, .now_ms = now_ms};
    struct index_tag tag;

    if (pick(3) == 0) {
        q.tag = tags[pick(3)];
        assert_int_equal(overlay_get_tag(&store, q.repo, sl_str(q.tag), &tag, &err), 1);
        q.digest = tag.digest.bytes[0];
    } else {
        q.digest = pick(2) == 0 ? 1 + pick(MANIFESTS) : BLOB + pick(MANIFESTS + 1);
    }
    return q;
}

static void ask(const struct request *a, struct shelf *shelf, struct pg_arena *arena,
                struct gate_result *r)
{
    struct gate_question q = {.store = &store,
                              .shelf = shelf,
                              .admission = &admission,
                              .repository = a->repo,
                              .tag = sl_str(a->tag),
                              .digest = digest(a->digest),
                              .sha256 = digest(a->digest),
                              .manifest = SL("{}"),
                              .now_s = a->now_s,
                              .now_ms = a->now_ms,
                              .ttl_ms = TTL_MS};

    for (;;) {
        (a->digest >= BLOB ? gate_blob : gate_manifest)(&q, arena, r);
        if (r->answer != GATE_NEEDS)
            break;
        assert_true(q.nfresh < GATE_FRESH_MAX);
        q.fresh[q.nfresh] = look(a->repo, r, a->now_ms);
        shelf_put(shelf, q.fresh[q.nfresh++]);
    }
    while (q.nfresh > 0)
        dossier_unref(q.fresh[--q.nfresh]);
}

/* By which of its manifests a blob leaves is a matter of order; whether it does is not. */
static bool differ(const struct request *a, const struct gate_result *warm,
                   const struct gate_result *cold)
{
    return warm->answer != cold->answer ||
           (a->digest < BLOB && (!sl_eq(warm->verdict.rule, cold->verdict.rule) ||
                                 !sl_eq(warm->verdict.observed, cold->verdict.observed) ||
                                 warm->verdict.not_after_s != cold->verdict.not_after_s));
}

static void compare(const struct request *a, struct shelf *shelf, struct pg_arena *arena)
{
    struct shelf *nothing = shelf_new(64);
    struct gate_result warm, cold;

    ask(a, shelf, arena, &warm);
    ask(a, nothing, arena, &cold);
    if (differ(a, &warm, &cold))
        fail_msg(SL_FMT " %s %02x at day %d: warm %d by " SL_FMT ", cold %d by " SL_FMT,
                 SL_ARG(a->repo), a->tag != NULL ? a->tag : "by digest", a->digest,
                 (int)(a->now_s / DAY_S), (int)warm.answer, SL_ARG(warm.verdict.rule),
                 (int)cold.answer, SL_ARG(cold.verdict.rule));
    shelf_free(nothing);
}

/* The last ones are compared: what came before is their order. */
static void run_order(struct shelf *shelf, uint64_t *now_ms)
{
    struct gate_result ignored;
    struct pg_arena arena;

    pg_arena_init(&arena, (size_t)64 << 20);
    for (unsigned i = 1; i <= REQUESTS; i++) {
        struct request q;

        *now_ms += pick(50) == 0 ? pick(2 * TTL_MS) : pick(100);
        q = random_request(*now_ms);
        if (i < REQUESTS / 2)
            ask(&q, shelf, &arena, &ignored);
        else
            compare(&q, shelf, &arena);
    }
    pg_arena_free(&arena);
}

TEST(N04_warm_is_cold_in_ten_thousand_orders)
{
    for (unsigned w = 0; w < WORLDS; w++) {
        struct shelf *shelf = shelf_new(64);
        uint64_t now_ms = 1000000;

        make_world();
        assert_int_equal(
            policy_load("p.yaml", sl_str(policies[w % 3]), &world, &admission.policy, &err), 0);
        for (unsigned i = 0; i < ORDERS / WORLDS; i++) {
            if (i % MOVES == 0)
                move_tags();
            run_order(shelf, &now_ms);
        }
        shelf_free(shelf);
        policy_unref(admission.policy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(N04_warm_is_cold_in_ten_thousand_orders, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
