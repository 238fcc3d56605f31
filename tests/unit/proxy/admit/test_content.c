/* SPDX-License-Identifier: Apache-2.0 */
/* What a config and a manifest say, and what is refused in them. */
#include "harness/test.h"

#include <stdio.h>

#include "base/hash.h"
#include "proxy/admit/content.h"

static struct pg_arena arena;

static const struct facts_content *content_of(const char *config, const char *more)
{
    char text[2000];
    struct manifest m;
    struct pg_err err = {0};
    struct content_input in = {.manifest = &m, .config = sl_str(config)};
    int n = snprintf(text, sizeof(text),
                     "{\"schemaVersion\":2,\"config\":{\"mediaType\":"
                     "\"application/vnd.oci.image.config.v1+json\",\"size\":%zu,\"digest\":"
                     "\"sha256:%064d\"},\"layers\":[]%s}",
                     strlen(config), 1, more);

    assert_true(n > 0 && (size_t)n < sizeof(text));
    if (manifest_parse(sl_str(text), SL("application/vnd.oci.image.manifest.v1+json"), &arena, &m,
                       &err) < 0)
        fail_msg("%s", err.msg);
    return content_read(&in, &arena);
}

static void is(struct sl s, const char *text)
{
    assert_non_null(s.p);
    assert_true(sl_eq(s, sl_str(text)));
}

TEST(all_that_it_says)
{
    const struct facts_content *c = content_of(
        "{\"os\":\"linux\",\"architecture\":\"arm\",\"variant\":\"v7\",\"config\":{\"Labels\":"
        "{\"a\":\"b\"},\"Env\":[\"X=1=2\",\"Y\"]}}",
        ",\"artifactType\":\"application/x\",\"annotations\":{\"n\":\"v\"}");

    assert_null(c->trouble);
    assert_int_equal(c->shape, FACTS_IMAGE);
    is(c->platform, "linux/arm/v7");
    assert_int_equal(c->nlabels, 1);
    is(c->labels[0].value, "b");
    assert_int_equal(c->nenv, 2);
    is(c->env[0].name, "X");
    is(c->env[0].value, "1=2");
    is(c->env[1].name, "Y");
    assert_int_equal(c->nannotations, 1);
    is(c->annotations[0].value, "v");
    assert_int_equal(c->ntypes, 2);
    is(c->types[0], "application/x");
}

/* Not on the loop, at each request. */
TEST(a_secret_was_looked_for)
{
    const struct facts_content *c =
        content_of("{\"config\":{\"Env\":[\"A=b\",\"DB_PASSWORD=hunter22\"]}}", "");

    assert_true(c->secret.is_looked_for);
    assert_non_null(c->secret.what);
    is(c->secret.name, "DB_PASSWORD");
    c = content_of("{\"config\":{\"Env\":[\"A=b\"]}}", "");
    assert_true(c->secret.is_looked_for);
    assert_null(c->secret.what);
}

TEST(a_config_may_say_nothing)
{
    static const char *const configs[] = {
        "{}", "{\"config\":null}", "{\"os\":\"linux\"}",
        "{\"config\":{\"Labels\":null,\"Env\":null,\"Cmd\":[\"x\"]}}"};

    for (size_t i = 0; i < sizeof(configs) / sizeof(*configs); i++) {
        const struct facts_content *c = content_of(configs[i], "");

        assert_null(c->trouble);
        assert_null(c->platform.p);
        assert_int_equal(c->nlabels + c->nenv + c->nannotations, 0);
    }
}

TEST(what_two_readers_would_read_differently_is_trouble)
{
    static const char *const configs[] = {"",
                                          "[]",
                                          "x",
                                          "{\"os\":1}",
                                          "{\"os\":\"a\",\"os\":\"b\"}",
                                          "{\"OS\":\"linux\"}",
                                          "{\"o\\u017f\":\"linux\"}",
                                          "{\"config\":[]}",
                                          "{\"Config\":{}}",
                                          "{\"config\":{\"labels\":{}}}",
                                          "{\"config\":{\"ENV\":[]}}",
                                          "{\"config\":{\"Labels\":[]}}",
                                          "{\"config\":{\"Labels\":{\"a\":1}}}",
                                          "{\"config\":{\"Env\":{}}}",
                                          "{\"config\":{\"Env\":[1]}}",
                                          "{\"os\":\"linux/amd64\",\"architecture\":\"x\"}"};

    for (size_t i = 0; i < sizeof(configs) / sizeof(*configs); i++) {
        const struct facts_content *c = content_of(configs[i], "");

        if (c->trouble == NULL || c->is_unknown)
            fail_msg("%s is read", configs[i]);
    }
}

TEST(what_is_not_here_is_unknown)
{
    struct content_input in = {.manifest = NULL};
    const struct facts_content *c = content_read(&in, &arena);

    assert_true(c->trouble != NULL && c->is_unknown);
}

TEST(what_has_to_be_fetched)
{
    struct manifest m = {.kind = MANIFEST_IMAGE, .has_config = true};
    struct digest d;
    size_t size = 0;

    m.config = (struct manifest_desc){
        .media_type = SL("application/vnd.docker.container.image.v1+json"), .size = 77};
    assert_int_equal(content_plan(&m, &d, &size), 1);
    assert_int_equal(size, 77);
    m.config.size = CONTENT_CONFIG_MAX + 1;
    assert_int_equal(content_plan(&m, &d, &size), 0);
    m.config.size = 1;
    m.config.media_type = SL("application/vnd.x");
    assert_int_equal(content_plan(&m, &d, &size), 0);
    m.kind = MANIFEST_INDEX;
    assert_int_equal(content_plan(&m, &d, &size), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(all_that_it_says),
        RUN(a_secret_was_looked_for),
        RUN(a_config_may_say_nothing),
        RUN(what_two_readers_would_read_differently_is_trouble),
        RUN(what_is_not_here_is_unknown),
        RUN(what_has_to_be_fetched),
    };

    pg_hash_setup();
    pg_arena_init(&arena, (size_t)256 << 20);
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    pg_arena_free(&arena);
    return rc;
}
