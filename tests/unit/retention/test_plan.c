/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"

#include "harness/retention_world.h"

#define APP "ghcr.io/acme/app"

#define RULES(rest) "retention:\n  rules:\n" rest
#define CI7                                                                                        \
    "    - {name: ci, match: {repositories: [\"**\"], tags: [\"ci-*\"]}, delete: "                 \
    "{not_pulled_for: 7d}}\n"
#define ALL1 "    - {name: all, match: {repositories: [\"**\"]}, delete: {not_pulled_for: 1d}}\n"
#define PROD                                                                                       \
    "    - {name: prod, match: {repositories: [\"**\"], tags: [\"prod-*\"]}, keep: forever}\n"

TEST(keep_beats_delete_whatever_the_order)
{
    struct image *prod = world_tagged(APP, "prod-1", 400), *ci = world_tagged(APP, "ci-1", 8);
    struct image *fresh = world_tagged(APP, "ci-2", 6), *other = world_tagged(APP, "x", 400);

    world_tag(prod, "ci-0");
    world_plan(RULES(CI7 PROD));
    stays(prod);
    because(prod, PLAN_RULE, "prod");
    goes(ci);
    because(ci, PLAN_RULE, "ci");
    stays(fresh);
    because(fresh, PLAN_NOT_YET, "ci");
    stays(other);
    assert_int_equal(world_row(other)->why, PLAN_UNNAMED);
}

TEST(a_digest_that_was_pulled_yesterday_is_no_garbage)
{
    struct image *unused = world_add(APP, "a", 30), *pulled = world_add(APP, "b", 30);
    struct image *young = world_add(APP, "c", 1);

    pulled->pulled_s = WORLD_NOW_S - DAYS;
    world_plan(RULES("    []\n"));
    goes(unused);
    assert_int_equal(world_row(unused)->why, PLAN_UNTAGGED);
    stays(pulled);
    stays(young);
}

TEST(the_pull_of_a_platform_is_its_indexs)
{
    struct image *index = world_tagged(APP, "ci-1", 30), *child = world_add(APP, "child", 30);
    struct image *idle = world_tagged(APP, "ci-2", 30), *sibling = world_add(APP, "sibling", 30);

    world_child(index, child);
    world_child(index, sibling);
    child->pulled_s = WORLD_NOW_S - DAYS;
    world_plan(RULES(CI7));
    stays(index);
    stays(child);
    stays(sibling);
    assert_int_equal(world_row(sibling)->why, PLAN_CHILD);
    goes(idle);
}

TEST(children_and_signatures_go_with_theirs)
{
    struct image *index = world_tagged(APP, "ci-1", 30), *child = world_add(APP, "child", 30);
    struct image *sig = world_add(APP, "sig", 1), *sbom = world_add(APP, "sbom", 30);
    struct image *kept = world_tagged(APP, "prod-1", 300), *kept_sig = world_add(APP, "s2", 300);
    char tag[80];

    world_child(index, child);
    sig->has_subject = true;
    sig->subject = index->digest;
    sbom->has_subject = true; /* of the signature's child: two steps away */
    sbom->subject = child->digest;
    kept_sig->has_subject = false;
    char digest[DIGEST_TEXT_MAX];
    (void)digest_write(&kept->digest, digest);
    (void)snprintf(tag, sizeof(tag), "sha256-%s.sig", digest + 7);
    world_tag(kept_sig, tag);
    world_plan(RULES(CI7 PROD "    - {name: sigs, match: {repositories: [\"**\"], tags: "
                              "[\"sha256-*\"]}, delete: {not_pulled_for: 1d}}\n"));
    goes(index);
    goes(child);
    assert_int_equal(world_row(child)->why, PLAN_CHILD);
    goes(sig);
    assert_int_equal(world_row(sig)->why, PLAN_REFERRER);
    goes(sbom);
    stays(kept);
    stays(kept_sig);
    assert_ptr_equal(world_row(kept_sig)->other, kept);
}

TEST(tags_in_a_circle_hold_nobody)
{
    struct image *a = world_add(APP, "a", 30), *b = world_add(APP, "b", 30);
    char tags[2][80], digest[DIGEST_TEXT_MAX];

    (void)digest_write(&a->digest, digest);
    (void)snprintf(tags[0], sizeof(tags[0]), "sha256-%s.sig", digest + 7);
    (void)digest_write(&b->digest, digest);
    (void)snprintf(tags[1], sizeof(tags[1]), "sha256-%s.sig", digest + 7);
    world_tag(b, tags[0]);
    world_tag(a, tags[1]);
    world_plan(RULES(ALL1));
    goes(a);
    goes(b);
}

TEST(what_a_kept_image_is_built_on_stays)
{
    struct image *root = world_tagged("docker.io/library/debian", "ci-12", 300);
    struct image *base = world_tagged("ghcr.io/acme/base", "ci-1", 300);
    struct image *app = world_tagged(APP, "prod-1", 300), *idle = world_tagged(APP, "ci-1x", 300);
    struct image *told = world_tagged(APP, "prod-2", 300), *named = world_tagged(APP, "ci-b", 300);
    struct image *by_name = world_tagged(APP, "prod-3", 300);
    struct image *redis = world_tagged("docker.io/library/redis", "ci-7", 300);

    world_layer(root, "l0", 100);
    world_layer(base, "l0", 100);
    world_layer(base, "l1", 50);
    world_layer(app, "l0", 100);
    world_layer(app, "l1", 50);
    world_layer(app, "l2", 10);
    world_layer(idle, "m0", 10);
    world_layer(told, "m7", 10);
    char digest[DIGEST_TEXT_MAX];
    (void)digest_write(&named->digest, digest);
    world_note(told, "org.opencontainers.image.base.digest", digest);
    world_note(by_name, "org.opencontainers.image.base.name", "redis:ci-7");
    world_plan(RULES(CI7 PROD));
    stays(app);
    stays(base);
    assert_int_equal(world_row(base)->why, PLAN_BASE);
    assert_ptr_equal(world_row(base)->other, app);
    stays(root);
    assert_ptr_equal(world_row(root)->other, base);
    stays(named);
    stays(redis);
    goes(idle);
}

TEST(a_rule_may_give_up_bases_and_last_copies)
{
    struct image *base = world_tagged("ghcr.io/acme/base", "ci-1", 300);
    struct image *app = world_tagged(APP, "prod-1", 300), *last = world_tagged(APP, "ci-2", 300);

    world_layer(base, "l0", 100);
    world_layer(app, "l0", 100);
    world_layer(app, "l1", 1);
    last->is_last_copy = true;
    world_plan(RULES(CI7 PROD));
    stays(last);
    assert_int_equal(world_row(last)->why, PLAN_LAST_COPY);
    plan_free(&world.plan);
    ruleset_free(world.rules);
    world_plan(RULES(PROD "    - {name: ci, match: {repositories: [\"**\"], tags: [\"ci-*\"]}, "
                          "delete: {not_pulled_for: 7d}, bases: delete, last_copy: delete}\n"));
    goes(base);
    goes(last);
    stays(app);
    assert_int_equal(world.plan.freed, 2); /* the layer is the app's, too */
}

TEST(shared_layers_are_counted_once)
{
    struct image *a = world_tagged(APP, "ci-1", 30), *b = world_tagged("ghcr.io/b", "ci-2", 30);
    struct image *kept = world_tagged(APP, "prod-1", 30);

    world_layer(a, "shared", 1000);
    world_layer(a, "both", 100);
    world_layer(b, "shared", 1000);
    world_layer(b, "both", 100);
    world_layer(b, "own", 10);
    world_layer(kept, "shared", 1000);
    world_plan(RULES(CI7 PROD));
    goes(a);
    goes(b);
    assert_int_equal(world.plan.stored, 1000 + 100 + 10 + 3);
    assert_int_equal(world.plan.freed, 100 + 10 + 2);
    assert_int_equal(world_row(a)->frees + world_row(b)->frees, world.plan.freed);
    assert_int_equal(world_row(kept)->frees, 0);
}

TEST(counts_are_of_each_repository)
{
    struct image *old[2], *new[2];
    const char *const repos[] = {APP, "ghcr.io/acme/other"};

    for (size_t i = 0; i < 2; i++) {
        old[i] = world_tagged(repos[i], "v1.9.0", 10);
        new[i] = world_tagged(repos[i], "v1.10.0", 20);
    }
    world_plan(RULES("    - {name: n, match: {repositories: [\"**\"]}, delete: {beyond_newest: 1, "
                     "by: version}}\n"));
    for (size_t i = 0; i < 2; i++) {
        goes(old[i]);
        stays(new[i]);
    }
}

TEST(G16_times_that_are_not_known_or_wrong_delete_nothing)
{
    struct image *unknown = world_tagged(APP, "ci-1", 30), *future = world_tagged(APP, "ci-2", 30);
    struct image *claimed = world_tagged(APP, "ci-3", 3);

    unknown->first_seen_s = 0;
    future->first_seen_s = WORLD_NOW_S + 4000 * DAYS;
    claimed->pushed_s = 1; /* 1970: what a reproducible build says */
    world_plan(RULES("    - {name: ci, match: {repositories: [\"**\"]}, delete: {seen_over: 1d, "
                     "pushed_over: 7d}}\n"));
    stays(unknown);
    stays(future);
    stays(claimed);
}

TEST(pins_hold_until_they_end)
{
    struct image *a = world_tagged(APP, "ci-1", 300), *b = world_tagged(APP, "ci-2", 300);
    struct image *c = world_tagged("ghcr.io/x/y", "ci-3", 300), *sig = world_add(APP, "sig", 300);
    const char *rules = RULES(
        CI7) "  pins:\n"
             "    - {tag: \"ghcr.io/acme/app:ci-1\", owner: o, reason: r, until: never}\n"
             "    - {tag: \"ghcr.io/acme/app:ci-2\", owner: o, reason: r, until: 2020-01-01}\n"
             "    - {pattern: \"ghcr.io/x/**\", owner: o, reason: r, until: 2099-01-01}\n";

    sig->has_subject = true;
    sig->subject = a->digest;
    world_plan(rules);
    stays(a);
    assert_int_equal(world_row(a)->why, PLAN_PIN);
    stays(sig);
    goes(b);
    stays(c);
}

TEST(a_pin_holds_on_its_last_day)
{
    struct image *a = world_tagged(APP, "ci-1", 300);
    const time_t day = (time_t)WORLD_NOW_S;
    struct tm tm;
    char rules[1024], date[16];

    assert_non_null(gmtime_r(&day, &tm));
    assert_true(strftime(date, sizeof(date), "%Y-%m-%d", &tm) > 0);
    (void)snprintf(rules, sizeof(rules),
                   RULES(CI7) "  pins: [{tag: \"%s:ci-1\", owner: o, reason: r, until: %s}]\n", APP,
                   date);
    world_plan(rules);
    stays(a);
}

#define MIB (UINT64_C(1) << 20)

static struct image *large(const char *repo, const char *tag, int64_t age)
{
    struct image *image = world_tagged(repo, tag, age);

    image->size = 100 * MIB;
    return image;
}

TEST(above_a_quota_the_longest_unused_goes_first)
{
    struct image *prod = large(APP, "prod-1", 400), *old = large(APP, "x", 40);
    struct image *older = large(APP, "y", 50), *fresh = large(APP, "z", 4);
    struct image *other = large("quay.io/b/c", "w", 400), *unknown = large(APP, "u", 500);
    struct image *sig = world_add(APP, "sig", 300);

    sig->has_subject = true;
    sig->subject = older->digest;
    unknown->first_seen_s = 0;
    world_plan("retention:\n  quotas: [{repositories: [\"ghcr.io/acme/**\"], high: 320MiB}]\n"
               "  rules:\n" PROD);
    stays(prod);
    because(prod, PLAN_RULE, "prod");
    stays(fresh);
    stays(other);
    stays(unknown);
    goes(old);
    goes(older);
    goes(sig);
    assert_int_equal(world_row(older)->why, PLAN_QUOTA);
    assert_int_equal(world.plan.freed, 200 * MIB + 1);
}

TEST(a_quota_is_no_more_than_what_it_wants)
{
    struct image *old = large(APP, "x", 40), *older = large(APP, "y", 50);
    struct image *fresh = large(APP, "z", 4);
    const char *rules = "retention:\n  untagged: keep\n  rules: []\n"
                        "  quotas: [{repositories: [\"**\"], high: 299MiB, low: 200MiB}]\n";

    world_plan(rules);
    goes(older);
    stays(old);
    stays(fresh);
}

TEST(an_index_stays_with_its_pinned_image)
{
    struct image *index = world_tagged(APP, "ci-1", 300), *child = world_add(APP, "child", 300);
    char digest[DIGEST_TEXT_MAX], rules[1024];

    world_child(index, child);
    (void)snprintf(rules, sizeof(rules),
                   RULES(CI7) "  pins: [{digest: \"%s\", owner: o, reason: r, until: never}]\n",
                   digest_write(&child->digest, digest).p);
    world_plan(rules);
    stays(child);
    stays(index); /* for with it the image would go */
    assert_int_equal(world_row(index)->why, PLAN_PARENT);
}

TEST(first_match_has_an_image_to_itself)
{
    struct image *prod = world_tagged(APP, "prod-1", 50), *x = world_tagged(APP, "x", 50);
    struct image *y = world_tagged(APP, "y", 1);

    world_plan("retention:\n  order: first_match\n  untagged: keep\n  rules:\n"
               "    - {name: prod, match: {repositories: [\"**\"], tags: [\"prod-*\"]}, delete: "
               "{beyond_newest: 1}}\n"
               "    - {name: any, match: {repositories: [\"**\"]}, delete: {beyond_newest: 1}}\n");
    stays(prod);
    because(prod, PLAN_NOT_YET, "prod");
    goes(x);
    stays(y);
}

TEST(as_of_a_later_day_more_goes)
{
    struct image *a = world_tagged(APP, "ci-1", 1);

    world_plan_as_of(RULES(CI7), WORLD_NOW_S + 6 * DAYS);
    stays(a);
    plan_free(&world.plan);
    ruleset_free(world.rules);
    world_plan_as_of(RULES(CI7), WORLD_NOW_S + 6 * DAYS + 1);
    goes(a);
}

TEST(nothing_at_all_is_a_plan)
{
    world_plan(RULES(CI7));
    assert_int_equal(world.plan.nrows, 0);
    assert_int_equal(world.plan.freed, 0);
}

#define CASE(name) cmocka_unit_test_teardown(name, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(keep_beats_delete_whatever_the_order),
        CASE(a_digest_that_was_pulled_yesterday_is_no_garbage),
        CASE(the_pull_of_a_platform_is_its_indexs),
        CASE(children_and_signatures_go_with_theirs),
        CASE(tags_in_a_circle_hold_nobody),
        CASE(what_a_kept_image_is_built_on_stays),
        CASE(a_rule_may_give_up_bases_and_last_copies),
        CASE(shared_layers_are_counted_once),
        CASE(counts_are_of_each_repository),
        CASE(G16_times_that_are_not_known_or_wrong_delete_nothing),
        CASE(pins_hold_until_they_end),
        CASE(a_pin_holds_on_its_last_day),
        CASE(above_a_quota_the_longest_unused_goes_first),
        CASE(a_quota_is_no_more_than_what_it_wants),
        CASE(an_index_stays_with_its_pinned_image),
        CASE(first_match_has_an_image_to_itself),
        CASE(as_of_a_later_day_more_goes),
        CASE(nothing_at_all_is_a_plan),
    };
    pg_hash_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
