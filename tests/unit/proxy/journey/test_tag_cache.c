/* SPDX-License-Identifier: Apache-2.0 */
/* Lists kept for all loops: bounded, counted, and safe to read while they are replaced. */
#include "harness/test.h"

#include <pthread.h>

#include "proxy/journey/tag_cache.h"

static struct tag_list *make(const char *json)
{
    struct tag_list *l = tag_list_new();
    struct pg_err err = {0};

    assert_int_equal(tag_list_add(l, (struct sl){json, strlen(json)}, &err), 0);
    tag_list_sort(l);
    return l;
}

static void put(struct tag_cache *c, const char *repo, const char *json)
{
    struct tag_list *l = make(json);

    tag_cache_put(c, (struct sl){repo, strlen(repo)}, l, 1);
    tag_list_unref(l);
}

TEST(the_longest_unused_goes_first)
{
    struct tag_cache *c = tag_cache_new();
    struct tag_list *l;
    char repo[32];
    uint64_t got_ms;

    for (unsigned i = 0; i < TAG_CACHE_LISTS; i++) {
        (void)snprintf(repo, sizeof(repo), "r%u", i);
        put(c, repo, "{\"tags\":[\"v1\"]}");
    }
    tag_list_unref(tag_cache_get(c, SL("r0"), &got_ms)); /* used */
    put(c, "one-more", "{\"tags\":[\"v1\"]}");
    assert_null(tag_cache_get(c, SL("r1"), &got_ms));
    l = tag_cache_get(c, SL("r0"), &got_ms);
    assert_non_null(l);
    assert_int_equal(got_ms, 1);
    tag_cache_drop(c, SL("r0"));
    assert_null(tag_cache_get(c, SL("r0"), &got_ms));
    assert_int_equal(l->n, 1); /* still the reader's */
    tag_list_unref(l);
    tag_cache_free(c);
}

static struct tag_cache *shared;

static void *replace(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < 2000; i++)
        put(shared, i % 2 ? "a" : "b", "{\"tags\":[\"v2\",\"v1\"]}");
    return NULL;
}

static void *look(void *arg)
{
    uint64_t got_ms;

    (void)arg;
    for (unsigned i = 0; i < 2000; i++) {
        struct tag_list *l = tag_cache_get(shared, SL("a"), &got_ms);

        if (l != NULL && l->n != 2)
            return l;
        tag_list_unref(l);
    }
    return NULL;
}

TEST(a_list_is_read_while_it_is_replaced)
{
    pthread_t writer, reader;
    void *wrong;

    shared = tag_cache_new();
    assert_int_equal(pthread_create(&writer, NULL, replace, NULL), 0);
    assert_int_equal(pthread_create(&reader, NULL, look, NULL), 0);
    assert_int_equal(pthread_join(writer, &wrong), 0);
    assert_int_equal(pthread_join(reader, &wrong), 0);
    assert_null(wrong);
    tag_cache_free(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(the_longest_unused_goes_first),
        RUN(a_list_is_read_while_it_is_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
