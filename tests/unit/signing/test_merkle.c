/* SPDX-License-Identifier: Apache-2.0 */
/* Proofs made here for trees of every small size, and what is not one. */
#include "harness/test.h"

#include "base/hash.h"
#include "signing/merkle_int.h"

#define LEAVES_MAX 40

/* The tree of RFC 6962, 2.1, as it is written there; the path of 2.1.1 with it. */
static void hash_of(uint8_t prefix, struct sl a, struct sl b, uint8_t out[32])
{
    struct pg_hash *h = pg_hash_new(PG_SHA256);

    pg_hash_update(h, &prefix, 1);
    pg_hash_update(h, a.p, a.n);
    pg_hash_update(h, b.p, b.n);
    pg_hash_final(h, out);
    pg_hash_free(h);
}

static struct sl leaf(int64_t i, char out[2])
{
    out[0] = 'L';
    out[1] = (char)i;
    return (struct sl){out, 2};
}

static int64_t half(int64_t n)
{
    int64_t k = 1;

    while (k * 2 < n)
        k *= 2;
    return k;
}

/* As deep as the tree. NOLINTBEGIN(misc-no-recursion) */
static void tree(int64_t from, int64_t n, uint8_t out[32])
{
    uint8_t left[32], right[32];
    char bytes[2];

    if (n == 1) {
        hash_of(0, leaf(from, bytes), SL(""), out);
        return;
    }
    tree(from, half(n), left);
    tree(from + half(n), n - half(n), right);
    hash_of(1, (struct sl){(char *)left, 32}, (struct sl){(char *)right, 32}, out);
}

static size_t path(int64_t index, int64_t from, int64_t n, uint8_t (*out)[32])
{
    int64_t k = half(n);
    size_t below;

    if (n == 1)
        return 0;
    if (index < k) {
        below = path(index, from, k, out);
        tree(from + k, n - k, out[below]);
    } else {
        below = path(index - k, from + k, n - k, out);
        tree(from, k, out[below]);
    }
    return below + 1;
}

/* NOLINTEND(misc-no-recursion) */

TEST(every_leaf_of_every_small_tree_is_proven)
{
    uint8_t root[32], hashes[MERKLE_HASHES_MAX + 1][32];
    char bytes[2];

    for (int64_t size = 1; size <= LEAVES_MAX; size++) {
        tree(0, size, root);
        for (int64_t i = 0; i < size; i++) {
            size_t n = path(i, 0, size, hashes);

            assert_true(merkle_proves(leaf(i, bytes), i, size, hashes, n, root));
            assert_false(merkle_proves(leaf(i + 1, bytes), i, size, hashes, n, root));
            assert_false(merkle_proves(leaf(i, bytes), i + 1, size, hashes, n, root));
            assert_false(merkle_proves(leaf(i, bytes), i, size, hashes, n + 1, root));
            assert_false(n > 0 && merkle_proves(leaf(i, bytes), i, size, hashes, n - 1, root));
        }
    }
}

TEST(what_is_outside_the_tree_is_not_in_it)
{
    const uint8_t none[1][32] = {{0}};
    uint8_t root[32];
    char bytes[2];

    tree(0, 1, root);
    assert_true(merkle_proves(leaf(0, bytes), 0, 1, none, 0, root));
    assert_false(merkle_proves(leaf(0, bytes), -1, 1, none, 0, root));
    assert_false(merkle_proves(leaf(0, bytes), 1, 1, none, 0, root));
    assert_false(merkle_proves(leaf(0, bytes), 0, 0, none, 0, root));
    assert_false(merkle_proves(leaf(0, bytes), 0, -1, none, 0, root));
    assert_false(merkle_proves(leaf(0, bytes), 0, INT64_MIN, none, 0, root));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(every_leaf_of_every_small_tree_is_proven),
        RUN(what_is_outside_the_tree_is_not_in_it),
    };

    pg_hash_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
