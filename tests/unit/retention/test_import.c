/* SPDX-License-Identifier: Apache-2.0 */
/* Lifecycle policies of Amazon ECR, by the cases of its documentation; Harbor's, as written. */
#include "harness/test.h"

#include "harness/retention_world.h"
#include "retention/import.h"

#define APP "1.dkr.ecr.eu-west-1.amazonaws.com/app"
#define ACT ",\"action\":{\"type\":\"expire\"}}"

static void refused(const char *text, const char *why)
{
    struct ruleset *r = NULL;
    struct pg_err err = {0};
    enum import_form form;

    if (import_load("f", sl_str(text), false, &r, &form, &err) == 0) {
        ruleset_free(r);
        fail_msg("taken:\n%s", text);
    }
    if (strstr(err.msg, why) == NULL) {
        fail_msg("%s\nis not: %s", err.msg, why);
    }
    pg_err_clear(&err);
}

/* Imported, printed, loaded again, and planned with. */
static void plan(const char *text)
{
    struct ruleset *r = NULL;
    struct pg_err err = {0};
    struct pg_buf out;
    enum import_form form;

    if (import_load("f", sl_str(text), false, &r, &form, &err) < 0) {
        fail_msg("%s", err.msg);
    }
    pg_buf_init(&out, RULESET_BYTES_MAX);
    ruleset_put_all(r, &out);
    (void)pg_buf_put(&out, (struct sl){"", 1});
    ruleset_free(r);
    world_plan(out.p);
    pg_buf_free(&out);
}

#define RULE(priority, selection)                                                                  \
    "{\"rulePriority\":" #priority ",\"selection\":{" selection "}" ACT
#define TAGGED(list)  "\"tagStatus\":\"tagged\",\"tagPatternList\":[" list "],"
#define DAYS_OF(n)    "\"countType\":\"sinceImagePushed\",\"countUnit\":\"days\",\"countNumber\":" #n
#define MORE_THAN(n)  "\"countType\":\"imageCountMoreThan\",\"countNumber\":" #n
#define POLICY(rules) "{\"rules\":[" rules "]}"

/* "all images older than 14 days" */
TEST(ecr_by_age)
{
    struct image *old = world_add(APP, "a", 15), *young = world_tagged(APP, "b", 14);

    plan(POLICY(RULE(1, "\"tagStatus\":\"any\"," DAYS_OF(14))));
    goes(old);
    stays(young);
}

/* "keep only one untagged image and expire all others": what has a tag is not its business. */
TEST(ecr_untagged_by_count)
{
    struct image *a = world_add(APP, "a", 3), *b = world_add(APP, "b", 2);
    struct image *c = world_tagged(APP, "c", 9);

    plan(POLICY(RULE(1, "\"tagStatus\":\"untagged\"," MORE_THAN(1))));
    goes(a);
    stays(b);
    stays(c);
}

/* Two patterns in one rule: images that have a tag for each of them. */
TEST(ecr_lists_are_all_of)
{
    struct image *both = world_tagged(APP, "alpha-1", 30), *one = world_tagged(APP, "alpha-2", 30);

    world_tag(both, "beta-1");
    plan(POLICY(RULE(1, TAGGED("\"alpha*\",\"beta*\"") DAYS_OF(5))));
    goes(both);
    stays(one);
}

/* A: prod and test, newest two; B: by priority. From the documentation's multi-rule case: image A
 * is expired by rule 1 or none, and counts for rule 2 all the same. */
TEST(ecr_an_image_is_expired_by_one_rule_at_most)
{
    struct image *a = world_tagged(APP, "beta-1", 40), *b = world_tagged(APP, "alpha-1", 30);
    struct image *c = world_tagged(APP, "alpha-2", 20);

    world_tag(a, "alpha-0");
    plan(POLICY(
        RULE(5, TAGGED("\"beta*\"") MORE_THAN(1)) "," RULE(9, TAGGED("\"alpha*\"") MORE_THAN(1))));
    stays(a); /* the one beta; rule 9 would expire it, and may not */
    because(a, PLAN_NOT_YET, "ecr-5");
    goes(b);
    because(b, PLAN_RULE, "ecr-9");
    stays(c);
}

/* What a rule of higher priority expires still counts for the one behind it. */
TEST(ecr_all_is_evaluated_before_anything_expires)
{
    struct image *newest = world_tagged(APP, "x-1", 1), *second = world_tagged(APP, "y-1", 2);
    struct image *third = world_tagged(APP, "y-2", 3);

    world_tag(newest, "dev-1");
    plan(POLICY(RULE(
        1,
        TAGGED(
            "\"dev*\"") "\"countType\":\"sinceImagePushed\",\"countUnit\":"
                        "\"days\",\"countNumber\":1") "," RULE(2,
                                                               "\"tagStatus\":\"any\"," MORE_THAN(
                                                                   2))));
    stays(newest); /* a day old, not more */
    stays(second); /* the second of all, dev-1 counted */
    goes(third);
}

TEST(ecr_children_stay_with_their_index)
{
    struct image *index = world_tagged(APP, "prod-1", 100), *child = world_add(APP, "child", 100);

    world_child(index, child);
    plan(POLICY(RULE(1, "\"tagStatus\":\"untagged\"," DAYS_OF(1))));
    stays(index);
    stays(child);
}

TEST(what_ecr_refuses_is_refused)
{
    refused("{\"rules\":[]}", "1 to 50 rules");
    refused("{\"rules\":[{}]}", "a rule needs rulePriority");
    refused(POLICY(RULE(0, "\"tagStatus\":\"any\"," DAYS_OF(1))), "rulePriority is 1 or more");
    refused(POLICY(RULE(1, "\"tagStatus\":\"any\"," DAYS_OF(0))), "does not take 0");
    refused(POLICY(RULE(1, "\"tagStatus\":\"any\"," DAYS_OF(40000))), "1 to 36500 days");
    refused(POLICY(RULE(1, "\"tagStatus\":\"any\"," DAYS_OF(-4))), "countNumber is negative");
    refused(POLICY(RULE(1, "\"tagStatus\":\"any\"," DAYS_OF(1.5))), "a number");
    refused(POLICY(RULE(1, "\"tagStatus\":\"any\"," DAYS_OF("1"))), "a number");
    refused(POLICY(RULE(1, "\"tagStatus\":\"all\"," DAYS_OF(1))), "tagged, untagged, any");
    refused(POLICY(RULE(1, "\"tagStatus\":\"tagged\"," DAYS_OF(1))), "needs tagPrefixList");
    refused(POLICY(RULE(1, "\"tagStatus\":\"any\",\"tagPrefixList\":[\"a\"]," DAYS_OF(1))),
            "\"tagged\" alone");
    refused(POLICY(RULE(1, "\"tagStatus\":\"tagged\",\"tagPrefixList\":[]," DAYS_OF(1))), "1 to");
    refused(POLICY(RULE(1, "\"tagStatus\":\"tagged\",\"tagPrefixList\":[\"a\"],\"tagPatternList\":"
                           "[\"b\"]," DAYS_OF(1))),
            "either tagPrefixList or");
    refused(POLICY(RULE(1, TAGGED("\"a*b*c*d*e*\"") DAYS_OF(1))), "at most 4 wildcards");
    refused(POLICY(RULE(1, TAGGED("\"a b\"") DAYS_OF(1))), "blank");
    refused(POLICY(RULE(1, "\"tagStatus\":\"any\",\"countType\":\"sinceImagePushed\","
                           "\"countNumber\":1")),
            "needs countUnit");
    refused(POLICY(RULE(1, "\"tagStatus\":\"any\",\"countUnit\":\"days\"," MORE_THAN(1))),
            "for sinceImagePushed alone");
    refused(POLICY(RULE(1, "\"tagStatus\":\"any\",\"countUnit\":\"hours\","
                           "\"countType\":\"sinceImagePushed\",\"countNumber\":1")),
            "countUnit must be one of: days");
    refused(POLICY(RULE(1, "\"tagStatus\":\"any\"," DAYS_OF(1)) "," RULE(
                1, "\"tagStatus\":\"untagged\"," DAYS_OF(1))),
            "rulePriority");
    refused(POLICY(RULE(1, "\"tagStatus\":\"any\"," DAYS_OF(1)) "," RULE(
                2, "\"tagStatus\":\"untagged\"," DAYS_OF(1))),
            "highest rulePriority");
    refused(POLICY(RULE(1, "\"tagStatus\":\"untagged\"," DAYS_OF(1)) "," RULE(
                2, "\"tagStatus\":\"untagged\"," DAYS_OF(2))),
            "only one rule");
    refused(POLICY(RULE(1, TAGGED("\"a*\"") DAYS_OF(1)) "," RULE(
                2, "\"tagStatus\":\"tagged\",\"tagPrefixList\":[\"a\"]," DAYS_OF(2))),
            "about the same tags");
    refused(POLICY(RULE(1, "\"tagStatus\":\"any\",\"x\":1," DAYS_OF(1))), "unknown key \"x\"");
    refused("{\"rules\":[{\"rulePriority\":1,\"selection\":{\"tagStatus\":\"any\"," DAYS_OF(
                1) "},\"action\":{\"type\":\"archive\"}}]}",
            "type must be one of: expire");
    refused("{\"rules\": [{rulePriority: 1}]}", "f:1:1:"); /* YAML, and no JSON */
    refused("{\"rules\": 1} x", "f:");
    refused("a: 1", "neither rules of ours");
}

TEST(harbor_retains_and_then_lets_go)
{
    struct image *prod = world_tagged("h.test/acme/app", "prod-1", 900);
    struct image *old = world_tagged("h.test/acme/app", "staging-1", 31);
    struct image *young = world_tagged("h.test/acme/app", "staging-2", 30);
    struct image *other = world_tagged("h.test/other/app", "staging-1", 31);
    struct image *bare = world_add("h.test/acme/app", "bare", 3);

    plan("retention_policy:\n"
         "  rules:\n"
         "    - {name: p, tag_select: {pattern: \"{prod,release}-*\"}, action: retain}\n"
         "    - {name: s, repository_select: {pattern: \"acme/**\"}, tag_select: {pattern: "
         "\"staging-*\"}, action: retain, retention_days: 30}\n"
         "    - {name: u, untagged_only: true, action: delete, retention_days: 2}\n"
         "garbage_collection: {schedule: \"0 2 * * *\", dry_run: false}\n");
    stays(prod);
    goes(old);
    stays(young);
    stays(other);
    goes(bare);
    assert_true(world.rules->has_schedule);
}

TEST(harbor_what_is_wrong_is_told)
{
    refused("retention_policy: 1", "must be a list");
    refused("retention_policy: [{action: keep}]", "retain, delete");
    refused("retention_policy: [{name: a}]", "needs action");
    refused("retention_policy: [{action: delete}]", "needs retention_days");
    refused("retention_policy: [{action: delete, retention_days: 0}]", "1 to 36500");
    refused("retention_policy: [{action: delete, retention_days: -1}]", "is negative");
    refused("retention_policy: [{action: retain, tag_select: {pattern: \"a?\"}}]", "?");
    refused("retention_policy: [{action: retain, tag_select: {pattern: \"{a\"}}]", "no }");
    refused("retention_policy: [{action: retain, tag_select: {pattern: \"{a}{b}\"}}]",
            "one pair of braces");
    refused("retention_policy: [{action: retain, tag_select: {patern: a}}]", "did you mean");
    refused("retention_policy: [{action: retain, untagged_only: true, tag_select: {pattern: a}}]",
            "can never match");
    refused("retention_policy: []\ngarbage_collection: {schedule: \"0 0 31 2 *\"}",
            "f:2:32: \"0 0 31 2 *\" never comes");
    refused("retention_policy: []\nwhatever: 1", "unknown key \"whatever\"");
}

#define CASE(name) cmocka_unit_test_teardown(name, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(ecr_by_age),
        CASE(ecr_untagged_by_count),
        CASE(ecr_lists_are_all_of),
        CASE(ecr_an_image_is_expired_by_one_rule_at_most),
        CASE(ecr_all_is_evaluated_before_anything_expires),
        CASE(ecr_children_stay_with_their_index),
        CASE(what_ecr_refuses_is_refused),
        CASE(harbor_retains_and_then_lets_go),
        CASE(harbor_what_is_wrong_is_told),
    };
    pg_hash_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
