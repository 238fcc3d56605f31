/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns mean what people believe that they mean, or are refused. */
#include "harness/test.h"

#include "policy/match.h"

static const char *host_of(void *context, struct sl host)
{
    (void)context;
    return sl_eq(host, SL("mirror.test")) ? "docker.io" : NULL;
}

TEST(N12_names_are_made_canonical)
{
    static const char *const rows[][2] = {
        {"nginx", "docker.io/library/nginx"},
        {"library/nginx", "docker.io/library/nginx"},
        {"docker.io/nginx", "docker.io/library/nginx"},
        {"docker.io/library/nginx", "docker.io/library/nginx"},
        {"index.docker.io/library/nginx", "docker.io/library/nginx"},
        {"registry-1.docker.io/nginx", "docker.io/library/nginx"},
        {"mirror.test/library/nginx", "docker.io/library/nginx"},
        {"mirror.test/nginx", "docker.io/library/nginx"},
        {"acme/*", "docker.io/acme/*"},
        {"nginx*", "docker.io/library/nginx*"},
        {"docker.io/**", "docker.io/**"},
        {"docker.io/*/*", "docker.io/*/*"},
        {"ghcr.io/acme/**", "ghcr.io/acme/**"},
        {"localhost:5000/a", "localhost:5000/a"},
        {"[::1]:5000/a", "[::1]:5000/a"},
        {"*.acme.example/a", "*.acme.example/a"},
        {"*/library/nginx", "*/library/nginx"},
        {"**", "**"},
        {"**/nginx", "**/nginx"},
    };
    struct pg_err err = {0};
    struct pg_arena arena;

    pg_arena_init(&arena, 65536);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct sl pattern;
        if (match_canonical(sl_str(rows[i][0]), host_of, NULL, &arena, &pattern, &err) < 0) {
            fail_msg("%s: %s", rows[i][0], err.msg);
        }
        if (!sl_eq(pattern, sl_str(rows[i][1]))) {
            fail_msg("%s became " SL_FMT, rows[i][0], SL_ARG(pattern));
        }
    }
    pg_arena_free(&arena);
}

TEST(what_would_match_nothing_is_refused)
{
    static const char *const rows[][2] = {
        {"", "1 to"},
        {"*", "write \"**\""},
        {"docker.io/*", "docker.io/**"},
        {"index.docker.io/*", "docker.io/**"},
        {"mirror.test/*", "docker.io/**"},
        {"ghcr.io", "ghcr.io/**"},
        {"ghcr.io*", "registry and no repository"},
        {"ghcr.io/Acme/x", "lower case"},
        {"GHCR.io/acme/x", "lower case"},
        {"nginx:1.2", "match.tags"},
        {"ghcr.io/a/b:v1", "match.tags"},
        {"ghcr.io/a@sha256:00", "no digest"},
        {"/nginx", "empty"},
        {"ghcr.io/a/", "empty"},
        {"ghcr.io//a", "empty"},
        {"ghcr.io/***", "three"},
        {"ghcr.io/a?", "only lower-case"},
        {"ghcr.io/{a,b}", "only lower-case"},
        {"acme*/x", "of which registry"},
        {"ghcr.io/*/*/*/*/*/*/*/*/*", "at most 8"},
    };
    struct pg_err err = {0};
    struct pg_arena arena;

    pg_arena_init(&arena, 65536);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct sl pattern;
        if (match_canonical(sl_str(rows[i][0]), host_of, NULL, &arena, &pattern, &err) == 0) {
            fail_msg("%s is taken", rows[i][0]);
        }
        if (strstr(err.msg, rows[i][1]) == NULL) {
            fail_msg("%s: %s", rows[i][0], err.msg);
        }
        pg_err_clear(&err);
    }
    pg_arena_free(&arena);
}

TEST(a_star_stays_within_one_part)
{
    static const struct {
        const char *pattern, *name;
        bool matches;
    } rows[] = {
        {"docker.io/library/nginx", "docker.io/library/nginx", true},
        {"docker.io/library/nginx", "docker.io/library/nginx2", false},
        {"docker.io/library/nginx", "docker.io/library/ngin", false},
        {"docker.io/library/*", "docker.io/library/nginx", true},
        {"docker.io/library/*", "docker.io/library/a/b", false},
        {"docker.io/library/*", "docker.io/libraryx/a", false},
        {"docker.io/**", "docker.io/library/a/b", true},
        {"docker.io/**", "docker.iox/library/a", false},
        {"ghcr.io/acme/**", "ghcr.io/acme", false},
        {"ghcr.io/acme/**", "ghcr.io/acmex/a", false},
        {"ghcr.io/*-prod/*", "ghcr.io/web-prod/app", true},
        {"ghcr.io/*-prod/*", "ghcr.io/a/b-prod/app", false},
        {"**/app", "ghcr.io/a/b/app", true},
        {"**/app", "ghcr.io/a/b/xapp", false},
        {"*/a/b", "x.test/a/b", true},
        {"**", "", true},
        {"*", "", true},
        {"a", "", false},
        {"", "", true},
        {"", "a", false},
        {"a*a", "a", false},
        {"a*a", "aa", true},
        {"*a*b*", "xxaxxbxx", true},
        {"*a*b*", "xxbxxaxx", false},
        {"v1.*", "v1.2.3", true},
        {"v1.*", "v12", false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        if (wildcard_matches(sl_str(rows[i].pattern), sl_str(rows[i].name)) != rows[i].matches) {
            fail_msg("%s and %s", rows[i].pattern, rows[i].name);
        }
    }
}

TEST(the_index_finds_what_comparing_one_by_one_finds)
{
    static const char *const patterns[] = {
        "**",       "a.test/**",  "a.test/x/*",   "a.test/x/y",  "*/x/y",
        "a.*/x/y",  "a.test/*/y", "a.test/x/y*",  "**/y",        "b.test/**",
        "a.test/x", "a.t**",      "a.test/x/y/z", "a.test/x/**", "a.test/x/y",
    };
    static const char *const names[] = {"a.test/x/y", "a.test/x", "b.test/y",     "c.test/x/y",
                                        "a.test/q/y", "",         "a.test/x/y/z", "a.testx/x/y"};
    enum { N = sizeof(patterns) / sizeof(*patterns) };
    struct match_index x;
    struct pg_arena arena;

    pg_arena_init(&arena, 65536);
    match_init(&x);
    for (uint32_t i = 0; i < N; i++) {
        match_add(&x, sl_str(patterns[i]), i, &arena);
        match_add(&x, sl_str(patterns[i]), i, &arena); /* each is found once */
    }
    for (size_t k = 0; k < sizeof(names) / sizeof(*names); k++) {
        const uint32_t *found;
        size_t n = match_find(&x, sl_str(names[k]), &arena, &found), at = 0;
        for (uint32_t i = 0; i < N; i++) {
            if (wildcard_matches(sl_str(patterns[i]), sl_str(names[k]))) {
                assert_true(at < n && found[at] == i);
                at++;
            }
        }
        assert_int_equal(at, n);
    }
    match_free(&x);
    pg_arena_free(&arena);
}

TEST(patterns_for_tags)
{
    struct pg_err err = {0};

    assert_int_equal(match_check_tag(SL("v1.*"), &err), 0);
    assert_int_equal(match_check_tag(SL("Release-*"), &err), 0);
    assert_int_equal(match_check_tag(SL(""), &err), -1);
    assert_int_equal(match_check_tag(SL("a/b"), &err), -1);
    assert_int_equal(match_check_tag(SL("sha256:00"), &err), -1);
    pg_err_clear(&err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(N12_names_are_made_canonical),
        RUN(what_would_match_nothing_is_refused),
        RUN(a_star_stays_within_one_part),
        RUN(the_index_finds_what_comparing_one_by_one_finds),
        RUN(patterns_for_tags),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
