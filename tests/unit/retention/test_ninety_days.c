/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ninety days of a registry that grows to 10,000 images, run twice: everything kept, and by rules,
 * whose plan is carried out each night. Repositories stand on a few base images that are renewed
 * each month; CI builds all day, and most builds share the layers of the one before; some builds
 * become staging, a few of those production. Clusters pull what is in production by digest.
 */
#include "harness/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/list.h"
#include "retention/plan.h"

#define START_S     INT64_C(1795000000)
#define DAY_S       INT64_C(86400)
#define NDAYS       90
#define PER_DAY     110 /* builds */
#define IMAGES_MAX  10400
#define REPOS       25
#define BASES       5
#define LAYERS      7
#define WINDOW_DAYS 7
#define MIB         UINT64_C(1048576)
#define NAMES_BYTES 40

static const char rules_text[] =
    "retention:\n"
    "  untagged: 48h\n"
    "  rules:\n"
    "    - {name: production, match: {repositories: [\"**\"], tags: [\"prod-*\"]}, keep: forever}\n"
    "    - {name: staging, match: {repositories: [\"**\"], tags: [\"staging-*\"]}, delete: "
    "{not_pulled_for: 30d}}\n"
    "    - {name: builds, match: {repositories: [\"**\"], tags: [\"ci-*\"]}, delete: "
    "{not_pulled_for: 7d}}\n"
    "    - {name: bases, match: {repositories: [\"docker.io/**\"]}, delete: {not_pulled_for: "
    "14d}}\n";

struct made {
    struct image image;
    struct sl tags[3];
    char names[3][NAMES_BYTES];
    struct image_blob blobs[LAYERS + 1];
    struct digest chain[LAYERS];
    bool is_gone;
};

static struct made *made;
static size_t nmade;
static uint64_t dice;
static char repos[REPOS + BASES][NAMES_BYTES];
static size_t current_base[BASES], last_build[REPOS];

static unsigned roll(unsigned n)
{
    dice = dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(dice >> 33) % n;
}

static struct digest numbered(const char *what, uint64_t n)
{
    char text[64];
    int len = snprintf(text, sizeof(text), "%s %llu", what, (unsigned long long)n);

    return digest_of(PG_SHA256, (struct sl){text, (size_t)len});
}

static void add_layer(struct made *m, struct image_blob layer)
{
    m->blobs[m->image.nblobs++] = layer;
    m->chain[m->image.nchain++] = layer.digest;
}

static struct image_blob new_layer(uint64_t size)
{
    static uint64_t n;

    return (struct image_blob){numbered("layer", n++), size, true};
}

static void add_tag(struct made *m, const char *kind, size_t n)
{
    int len = snprintf(m->names[m->image.ntags], NAMES_BYTES, "%s-%zu", kind, n);

    m->tags[m->image.ntags] = (struct sl){m->names[m->image.ntags], (size_t)len};
    m->image.ntags++;
}

static struct made *add(const char *repo, int64_t now_s)
{
    struct made *m = &made[nmade];

    assert_true(nmade < IMAGES_MAX);
    m->image = (struct image){.repo = sl_str(repo),
                              .digest = numbered("image", nmade),
                              .first_seen_s = now_s,
                              .pulled_s = now_s,
                              .size = 2000,
                              .tags = m->tags,
                              .blobs = m->blobs,
                              .chain = m->chain};
    nmade++;
    return m;
}

static void add_base(size_t b, int64_t now_s, size_t day)
{
    struct made *m = add(repos[REPOS + b], now_s);

    add_layer(m, new_layer((20 + roll(60)) * MIB));
    add_tag(m, "12", day);
    current_base[b] = nmade - 1;
}

/* The base's layers, what the last build of its repository installed or new of it, and the program.
 */
static void add_build(int64_t now_s)
{
    size_t repo = roll(REPOS);
    const struct made *before = last_build[repo] != 0 ? &made[last_build[repo]] : NULL;
    const struct made *base = &made[current_base[repo % BASES]];
    struct made *m = add(repos[repo], now_s);
    bool shares = before != NULL && roll(10) < 7 && digest_eq(&before->chain[0], &base->chain[0]);

    add_layer(m, base->blobs[0]);
    add_layer(m, shares ? before->blobs[1] : new_layer((30 + roll(100)) * MIB));
    add_layer(m, new_layer((1 + roll(40)) * MIB));
    m->blobs[m->image.nblobs++] = new_layer(5000); /* its configuration */
    add_tag(m, "ci", nmade);
    if (roll(20) == 0) {
        add_tag(m, "staging", nmade);
        if (roll(4) == 0) {
            add_tag(m, "prod", nmade);
            m->image.ntags = 3;
        }
    }
    last_build[repo] = nmade - 1;
}

/* Clusters: the last builds of production and staging, by digest, and now and then an old build. */
static void pull(int64_t now_s)
{
    for (size_t i = nmade > 600 ? nmade - 600 : 0; i < nmade; i++) {
        if (!made[i].is_gone && made[i].image.ntags > 1 && roll(3) == 0) {
            made[i].image.pulled_s = now_s;
        }
    }
    for (size_t i = 0; i < 5 && nmade > 100; i++) {
        struct made *m = &made[roll((unsigned)nmade)];
        m->image.pulled_s = m->is_gone ? m->image.pulled_s : now_s;
    }
}

/* ---- the store ----------------------------------------------------------------------------- */

static struct image *records;
static size_t *which;

static size_t take_records(bool all)
{
    size_t n = 0;

    for (size_t i = 0; i < nmade; i++) {
        if (all || !made[i].is_gone) {
            which[n] = i;
            records[n++] = made[i].image;
        }
    }
    return n;
}

struct held {
    struct pg_map_node node;
    struct digest digest;
};

struct holding {
    struct pg_map map;
    struct held *held;
    size_t n;
};

/* The bytes of its layers that nobody had before. */
static uint64_t hold(struct holding *h, const struct image *image)
{
    uint64_t fresh = 0;

    for (size_t b = 0; b < image->nblobs; b++) {
        struct sl key = {(const char *)image->blobs[b].digest.bytes, 32};
        if (pg_map_get(&h->map, key) == NULL) {
            struct held *held = &h->held[h->n++];
            held->digest = image->blobs[b].digest;
            pg_map_put(&h->map, &held->node, (struct sl){(const char *)held->digest.bytes, 32});
            fresh += image->blobs[b].size;
        }
    }
    return fresh;
}

/* What is freed is what goes and nothing that stays has: no more, no less. */
static void check_layers(const struct plan *p)
{
    struct holding h = {.held = calloc(p->nrows * (LAYERS + 1) + 1, sizeof(struct held))};
    uint64_t freed = p->ngo * 2000;

    pg_map_init(&h.map);
    for (size_t i = 0; i < p->nrows; i++) {
        (void)(p->rows[i].goes ? 0 : hold(&h, p->rows[i].image));
    }
    for (size_t i = 0; i < p->nrows; i++) {
        freed += p->rows[i].goes ? hold(&h, p->rows[i].image) : 0;
    }
    assert_int_equal(p->freed, freed);
    pg_map_free(&h.map);
    free(h.held);
}

static void carry_out(const struct ruleset *rules, int64_t now_s)
{
    struct plan p;
    size_t n = take_records(false);

    plan_make(rules, records, n, now_s, &p);
    for (size_t i = 0; i < n; i++) {
        const struct plan_row *row = &p.rows[i];
        if (!row->goes) {
            continue;
        }
        assert_true(now_s - row->image->pulled_s > WINDOW_DAYS * DAY_S);
        assert_true(row->image->ntags < 3); /* nothing of production */
        made[which[i]].is_gone = true;
    }
    check_layers(&p);
    plan_free(&p);
}

static uint64_t stored(bool all)
{
    static const char none[] = "retention: {untagged: keep, rules: []}";
    struct ruleset *r = NULL;
    struct pg_err err = {0};
    struct plan p;

    assert_int_equal(ruleset_load("f", sl_str(none), &r, &err), 0);
    plan_make(r, records, take_records(all), START_S, &p);
    uint64_t bytes = p.stored;
    assert_int_equal(p.ngo, 0);
    plan_free(&p);
    ruleset_free(r);
    return bytes;
}

/* What an image of production is built on is there, too. */
static void check_bases(void)
{
    struct graph g;
    size_t n = take_records(false), nprod = 0;

    graph_make(records, n, &g);
    for (size_t i = 0; i < n; i++) {
        if (records[i].ntags == 3) {
            assert_non_null(g.nodes[i].bases);
            nprod++;
        }
    }
    assert_true(nprod > 20);
    graph_free(&g);
}

TEST(ninety_days_by_rules_take_60_percent_less_than_keeping_all)
{
    struct ruleset *rules = NULL;
    struct pg_err err = {0};

    assert_int_equal(ruleset_load("f", sl_str(rules_text), &rules, &err), 0);
    for (size_t i = 0; i < REPOS + BASES; i++) {
        (void)snprintf(repos[i], NAMES_BYTES,
                       i < REPOS ? "ghcr.io/acme/app%zu" : "docker.io/library/base%zu", i);
    }
    for (size_t day = 0; day < NDAYS; day++) {
        int64_t now_s = START_S + (int64_t)day * DAY_S;
        for (size_t b = 0; b < BASES && day % 30 == 0; b++) {
            add_base(b, now_s, day);
        }
        for (size_t i = 0; i < PER_DAY; i++) {
            add_build(now_s + (int64_t)i * 700);
        }
        pull(now_s + DAY_S - 2);
        carry_out(rules, now_s + DAY_S - 1);
    }
    assert_true(nmade >= 9900);
    check_bases();
    uint64_t all = stored(true), kept = stored(false);
    print_message("%zu images, %llu GiB; by rules %zu images, %llu GiB: %llu %% less\n", nmade,
                  (unsigned long long)(all >> 30), take_records(false),
                  (unsigned long long)(kept >> 30), (unsigned long long)(100 - 100 * kept / all));
    assert_true(kept <= all * 4 / 10);
    ruleset_free(rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(ninety_days_by_rules_take_60_percent_less_than_keeping_all),
    };

    pg_hash_setup();
    dice = 7;
    made = calloc(IMAGES_MAX, sizeof(*made));
    records = calloc(IMAGES_MAX, sizeof(*records));
    which = calloc(IMAGES_MAX, sizeof(*which));
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(made);
    free(records);
    free(which);
    return failed;
}
