/* SPDX-License-Identifier: Apache-2.0 */
/* Keys come back as they were written, sort as they should, and never share a row. */
#include "harness/test.h"

#include "cache/key.h"

static struct digest digest(enum pg_hash_alg alg, uint8_t fill)
{
    struct digest d = {.alg = alg};

    memset(d.bytes, fill, pg_hash_bytes(alg));
    return d;
}

static int same(const struct digest *a, const struct digest *b)
{
    return a->alg == b->alg && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static int order(const struct key *a, const struct key *b)
{
    int c = memcmp(a->p, b->p, a->n < b->n ? a->n : b->n);

    return c != 0 ? c : (a->n > b->n) - (a->n < b->n);
}

TEST(every_key_comes_back)
{
    struct digest a = digest(PG_SHA256, 0xab), b = digest(PG_SHA512, 0xcd), d1, d2;
    struct key_repo repo = key_repo_of(SL("docker.io/library/nginx")), r;
    struct key k;
    struct sl text;
    uint8_t kind;
    int64_t when;
    uint64_t number;

    k = key_of_digest(&b);
    assert_int_equal(key_read_digest(key_sl(&k), &d1), 0);
    assert_true(same(&d1, &b));
    k = key_of_repo(&repo);
    assert_int_equal(key_read_repo(key_sl(&k), &r), 0);
    assert_memory_equal(&r, &repo, sizeof(r));
    k = key_of_link(&repo, &a);
    assert_int_equal(key_read_link(key_sl(&k), &r, &d1), 0);
    assert_true(same(&d1, &a));
    k = key_of_tag(&repo, SL("1.25-alpine"));
    assert_int_equal(key_read_tag(key_sl(&k), &r, &text), 0);
    assert_true(sl_eq(text, SL("1.25-alpine")));
    k = key_of_tagged(&repo, &b, SL("v1"));
    assert_int_equal(key_read_tagged(key_sl(&k), &r, &d1, &text), 0);
    assert_true(same(&d1, &b) && sl_eq(text, SL("v1")));
    k = key_of_tagged(&repo, &a, (struct sl){NULL, 0}); /* where a walk begins, and no row */
    assert_int_equal(key_read_tagged(key_sl(&k), &r, &d1, &text), -1);
    k = key_of_edge(&a, 3, &b);
    assert_int_equal(key_read_edge(key_sl(&k), &d1, &kind, &d2), 0);
    assert_true(same(&d1, &a) && kind == 3 && same(&d2, &b));
    k = key_of_memo(&b, SL("scan"));
    assert_int_equal(key_read_memo(key_sl(&k), &d1, &text), 0);
    assert_true(same(&d1, &b) && sl_eq(text, SL("scan")));
    k = key_of_event(1700000000, 7);
    assert_int_equal(key_read_event(key_sl(&k), &when, &number), 0);
    assert_true(when == 1700000000 && number == 7);
    k = key_of_name(SL("x"));
    assert_int_equal(key_read_name(key_sl(&k), &text), 0);
}

TEST(H07_the_longest_key_fits_lmdb)
{
    struct digest d = digest(PG_SHA512, 1);
    struct key_repo repo = key_repo_of(SL("a"));
    char longest[KEY_TAG_MAX];

    memset(longest, 'x', sizeof(longest));
    assert_true(key_of_edge(&d, 1, &d).n <= KEY_MAX);
    assert_true(key_of_link(&repo, &d).n <= KEY_MAX);
    assert_true(key_of_tag(&repo, (struct sl){longest, sizeof(longest)}).n <= KEY_MAX);
    assert_true(key_of_tagged(&repo, &d, (struct sl){longest, sizeof(longest)}).n <= KEY_MAX);
    assert_true(key_of_memo(&d, (struct sl){longest, KEY_KIND_MAX}).n <= KEY_MAX);
}

TEST(what_no_writer_makes_is_refused)
{
    struct digest a = digest(PG_SHA256, 1), d1, d2;
    struct key k = key_of_digest(&a);
    struct key_repo r;
    struct sl text;
    uint8_t kind;
    int64_t when;
    uint64_t number;

    for (size_t n = 0; n < k.n; n++)
        assert_int_equal(key_read_digest((struct sl){k.p, n}, &d1), -1);
    k.n++; /* a byte too many */
    assert_int_equal(key_read_digest(key_sl(&k), &d1), -1);
    k = key_of_digest(&a);
    k.p[0] = 0;
    assert_int_equal(key_read_digest(key_sl(&k), &d1), -1);
    k.p[0] = 2; /* says sha512, has half of it */
    assert_int_equal(key_read_digest(key_sl(&k), &d1), -1);
    k = key_of_edge(&a, 1, &a);
    for (size_t n = 0; n < k.n; n++)
        assert_int_equal(key_read_edge((struct sl){k.p, n}, &d1, &kind, &d2), -1);
    assert_int_equal(key_read_tag((struct sl){k.p, KEY_REPO}, &r, &text), -1);
    assert_int_equal(key_read_memo((struct sl){k.p, 33}, &d1, &text), -1);
    memset(k.p, 0xff, 16);
    assert_int_equal(key_read_event((struct sl){k.p, 16}, &when, &number), -1);
}

TEST(events_sort_by_time_and_then_by_number)
{
    struct key a = key_of_event(255, 9), b = key_of_event(256, 0), c = key_of_event(256, 1);
    struct key wrong = key_of_event(-5, 0);

    assert_true(order(&a, &b) < 0);
    assert_true(order(&b, &c) < 0);
    assert_true(order(&wrong, &a) < 0);
}

TEST(two_repositories_never_share_a_key)
{
    /* a name and a tag that concatenate to the same text */
    struct key_repo ab = key_repo_of(SL("x/a")), a = key_repo_of(SL("x/"));
    struct key one = key_of_tag(&ab, SL("b")), other = key_of_tag(&a, SL("ab"));

    assert_int_not_equal(order(&one, &other), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(every_key_comes_back),
        RUN(H07_the_longest_key_fits_lmdb),
        RUN(what_no_writer_makes_is_refused),
        RUN(events_sort_by_time_and_then_by_number),
        RUN(two_repositories_never_share_a_key),
    };

    pg_hash_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
