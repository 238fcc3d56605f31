/* SPDX-License-Identifier: Apache-2.0 */
/* A value means what it says, and what is written reads back to the same value. */
#include "harness/test.h"

#include <stdlib.h>

#include "cli/option.h"

static struct pg_buf why;

static const struct option *global(const char *section, const char *name)
{
    for (size_t i = 0; i < OPTION_NGLOBAL; i++) {
        if (strcmp(option_global[i].section, section) == 0 &&
            strcmp(option_global[i].name, name) == 0) {
            return &option_global[i];
        }
    }
    fail_msg("no option %s.%s", section, name);
    return NULL;
}

static int parse(const struct option *o, const char *text, struct config *c)
{
    pg_buf_clear(&why);
    int rc = option_parse(o, (struct sl){text, strlen(text)}, c, &why);
    (void)pg_buf_put(&why, (struct sl){"", 1});
    return rc;
}

#define assert_refused(o, text, said)                                                              \
    do {                                                                                           \
        struct config c_ = {0};                                                                    \
        assert_int_equal(parse((o), (text), &c_), -1);                                             \
        assert_string_equal(why.p, said);                                                          \
    } while (0)

TEST(sizes)
{
    const struct option *o = global("storage", "reserve");
    struct config c = {0};
    static const struct {
        const char *text;
        uint64_t value;
    } good[] = {
        {"0", 0},
        {"512", 512},
        {"512B", 512},
        {"1KiB", 1024},
        {"3MiB", 3 << 20},
        {"1GiB", 1 << 30},
        {"1048576TiB", UINT64_C(1) << 60},
    };

    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(parse(o, good[i].text, &c), 0);
        assert_true(c.storage_reserve == good[i].value);
    }
    assert_refused(o, "1GB",
                   "\"1GB\" is not a size; write a number with B, KiB, MiB, GiB or TiB, such as "
                   "100GiB");
    for (size_t i = 0; i < 7; i++) {
        static const char *const bad[] = {"", "GiB", "-1", "1.5GiB", "1 GiB", "0x10", "1gib"};
        assert_int_equal(parse(o, bad[i], &c), -1);
    }
    assert_refused(o, "1048577TiB", "1048577TiB is more than the most, 1048576TiB");
    assert_refused(o, "99999999999999999999",
                   "99999999999999999999 is more than the most, "
                   "1048576TiB");
    assert_refused(o, "18446744073709551615TiB",
                   "18446744073709551615TiB is more than the most, "
                   "1048576TiB");
    assert_refused(global("storage", "max_size"), "1KiB", "1KiB is less than the least, 16MiB");
}

TEST(times)
{
    const struct option *o = global("tags", "max_stale");
    struct config c = {0};
    static const struct {
        const char *text;
        uint64_t value;
    } good[] = {
        {"0", 0},         {"15ms", 15},    {"60s", 60000},
        {"90m", 5400000}, {"2h", 7200000}, {"7d", 604800000},
    };

    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(parse(o, good[i].text, &c), 0);
        assert_true(c.tags_max_stale == good[i].value);
    }
    assert_refused(o, "60",
                   "\"60\" is not a time; write a number with ms, s, m, h or d, such as 60s");
    assert_refused(o, "1w",
                   "\"1w\" is not a time; write a number with ms, s, m, h or d, such as 60s");
    assert_refused(global("limits", "head_timeout"), "99ms", "99ms is less than the least, 100ms");
    assert_refused(global("limits", "head_timeout"), "1h", "1h is more than the most, 10m");
}

TEST(words_and_texts)
{
    struct config c = {0};

    assert_int_equal(parse(global("log", "level"), "warn", &c), 0);
    assert_int_equal(c.log_level, PG_LOG_WARN);
    assert_int_equal(parse(global("log", "format"), "json", &c), 0);
    assert_int_equal(c.log_format, PG_LOG_JSON);
    assert_refused(global("log", "level"), "loud", "\"loud\" is none of debug, info, warn, error");
    assert_refused(global("log", "format"), "xml", "\"xml\" is neither text nor json");
    assert_refused(global("top", "threads"), "two",
                   "\"two\" is not a number; write digits alone, such as 16");
    assert_refused(global("top", "threads"), "65", "65 is more than the most, 64");
    assert_refused(global("storage", "path"), "data",
                   "\"data\" is not an absolute path; it must begin with /");
    assert_refused(global("storage", "path"), "/a\nb",
                   "the value has a line break or another control character");
}

static void reads_back(const struct option *o, const char *text)
{
    struct config a = {0}, b = {0};
    struct pg_buf first, second;

    pg_buf_init(&first, 4096);
    pg_buf_init(&second, 4096);
    assert_int_equal(parse(o, text, &a), 0);
    option_put(o, &a, &first);
    if (o->type == OPTION_STRING || o->type == OPTION_PATH) {
        assert_true(first.n > 0); /* quoted or not: the config test reads it back */
    } else {
        assert_int_equal(option_parse(o, pg_buf_sl(&first), &b, &why), 0);
        option_put(o, &b, &second);
        assert_true(sl_eq(pg_buf_sl(&first), pg_buf_sl(&second)));
    }
    pg_buf_free(&first);
    pg_buf_free(&second);
    config_free(&a);
    config_free(&b);
}

TEST(what_is_written_reads_back)
{
    for (size_t i = 0; i < OPTION_NGLOBAL; i++) {
        reads_back(&option_global[i], option_global[i].initial);
    }
    reads_back(global("tags", "ttl"), "61s");
    reads_back(global("tags", "ttl"), "90061001ms");
    reads_back(global("storage", "reserve"), "1025KiB");
    reads_back(global("storage", "reserve"), "1023");
}

TEST(texts_are_quoted_where_yaml_could_read_them_otherwise)
{
    static const struct {
        const char *text, *written;
    } cases[] = {
        {"/var/lib/pullgate", "/var/lib/pullgate"},
        {"127.0.0.1:5000", "127.0.0.1:5000"},
        {"[::1]:5000", "\"[::1]:5000\""},
        {"", "\"\""},
        {"null", "\"null\""},
        {"a:", "\"a:\""},
        {"- a", "\"- a\""},
        {"a #b", "\"a #b\""},
        {"~", "\"~\""},
        {"\"", "\"\\\"\""},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pg_buf_clear(&why);
        option_put_text((struct sl){cases[i].text, strlen(cases[i].text)}, &why);
        (void)pg_buf_put(&why, (struct sl){"", 1});
        assert_string_equal(why.p, cases[i].written);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(sizes),
        RUN(times),
        RUN(words_and_texts),
        RUN(what_is_written_reads_back),
        RUN(texts_are_quoted_where_yaml_could_read_them_otherwise),
    };

    pg_buf_init(&why, 4096);
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    pg_buf_free(&why);
    return rc;
}
