/* SPDX-License-Identifier: Apache-2.0 */
/* Lists kept for all loops: bounded, counted, and safe to read while they are replaced. */
#include "harness/test.h"

#include <pthread.h>

#include "proxy/journey/list_cache.h"
#include "proxy/journey/tag_list.h"

#define LISTS 64

static struct tag_list *make(const char *json)
{
    struct tag_list *l = tag_list_new();
    struct pg_err err = {0};

    assert_int_equal(tag_list_add(l, (struct sl){json, strlen(json)}, &err), 0);
    tag_list_sort(l);
    return l;
}

static void put(struct list_cache *c, const char *repo, const char *json)
{
    struct tag_list *l = make(json);

    list_cache_put(c, (struct sl){repo, strlen(repo)}, &l->listing, l->names.cap, 1);
    tag_list_unref(l);
}

TEST(the_longest_unused_goes_first)
{
    struct list_cache *c = list_cache_new(LISTS, 1 << 20);
    struct tag_list *l;
    char repo[32];
    uint64_t got_ms;

    for (unsigned i = 0; i < LISTS; i++) {
        (void)snprintf(repo, sizeof(repo), "r%u", i);
        put(c, repo, "{\"tags\":[\"v1\"]}");
    }
    listing_unref(list_cache_get(c, SL("r0"), &got_ms)); /* used */
    put(c, "one-more", "{\"tags\":[\"v1\"]}");
    assert_null(list_cache_get(c, SL("r1"), &got_ms));
    l = tag_list_of(list_cache_get(c, SL("r0"), &got_ms));
    assert_non_null(l);
    assert_int_equal(got_ms, 1);
    list_cache_drop(c, SL("r0"));
    assert_null(list_cache_get(c, SL("r0"), &got_ms));
    assert_int_equal(l->n, 1); /* still the reader's */
    tag_list_unref(l);
    list_cache_free(c);
}

TEST(what_is_too_large_is_not_kept)
{
    struct list_cache *c = list_cache_new(LISTS, 1000);
    struct tag_list *l = make("{\"tags\":[\"v1\"]}");
    uint64_t got_ms;

    list_cache_put(c, SL("a"), &l->listing, 500, 1);
    list_cache_put(c, SL("b"), &l->listing, 500, 1);
    assert_null(list_cache_get(c, SL("a"), &got_ms));
    list_cache_put(c, SL("c"), &l->listing, 1001, 1);
    assert_null(list_cache_get(c, SL("c"), &got_ms));
    tag_list_unref(l);
    list_cache_free(c);
}

static void is_there(struct list_cache *c, const char *key)
{
    uint64_t got_ms;
    struct listing *l = list_cache_get(c, (struct sl){key, strlen(key)}, &got_ms);

    assert_non_null(l);
    listing_unref(l);
}

TEST(lists_of_a_repository_or_of_an_upstream_are_dropped_and_no_others)
{
    static const char *const keys[] = {"r.io/a",  "r.io/a sha256:12", "r.io/a/b",
                                       "r.io/ab", "r.io.org/a",       "q.io/a"};
    struct list_cache *c = list_cache_new(10, 1 << 20);
    uint64_t got_ms;

    for (size_t i = 0; i < 6; i++)
        put(c, keys[i], "{\"tags\":[\"v1\"]}");
    list_cache_drop_of(c, SL("r.io/a"));
    assert_null(list_cache_get(c, SL("r.io/a"), &got_ms));
    assert_null(list_cache_get(c, SL("r.io/a sha256:12"), &got_ms));
    is_there(c, "r.io/ab");
    put(c, "r.io/a", "{\"tags\":[\"v1\"]}");
    list_cache_drop_of(c, SL("r.io"));
    for (size_t i = 0; i < 4; i++)
        assert_null(list_cache_get(c, (struct sl){keys[i], strlen(keys[i])}, &got_ms));
    is_there(c, "r.io.org/a");
    is_there(c, "q.io/a");
    list_cache_free(c);
}

static struct list_cache *shared;

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
        struct tag_list *l = tag_list_of(list_cache_get(shared, SL("a"), &got_ms));

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

    shared = list_cache_new(LISTS, 1 << 20);
    assert_int_equal(pthread_create(&writer, NULL, replace, NULL), 0);
    assert_int_equal(pthread_create(&reader, NULL, look, NULL), 0);
    assert_int_equal(pthread_join(writer, &wrong), 0);
    assert_int_equal(pthread_join(reader, &wrong), 0);
    assert_null(wrong);
    list_cache_free(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(the_longest_unused_goes_first),
        RUN(what_is_too_large_is_not_kept),
        RUN(lists_of_a_repository_or_of_an_upstream_are_dropped_and_no_others),
        RUN(a_list_is_read_while_it_is_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
