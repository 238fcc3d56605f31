/* SPDX-License-Identifier: Apache-2.0 */
#include "signing/merkle_int.h"

#include "base/hash.h"

static void hash_leaf(struct sl leaf, uint8_t out_r[32])
{
    struct pg_hash *h = pg_hash_new(PG_SHA256);

    pg_hash_update(h, "\0", 1);
    pg_hash_update(h, leaf.p, leaf.n);
    pg_hash_final(h, out_r);
    pg_hash_free(h);
}

static void hash_node(const uint8_t left[32], const uint8_t right[32], uint8_t out_r[32])
{
    uint8_t bytes[65] = {1};

    memcpy(bytes + 1, left, 32);
    memcpy(bytes + 33, right, 32);
    pg_hash_once(PG_SHA256, (struct sl){(const char *)bytes, sizeof(bytes)}, out_r);
}

bool merkle_proves(struct sl leaf, int64_t index, int64_t size, const uint8_t (*hashes)[32],
                   size_t nhashes, const uint8_t root[32])
{
    uint64_t node = (uint64_t)index, last = (uint64_t)size - 1;
    uint8_t r[32];

    if (index < 0 || size <= index || nhashes > MERKLE_HASHES_MAX)
        return false;
    hash_leaf(leaf, r);
    for (size_t i = 0; i < nhashes; i++) {
        if (last == 0)
            return false;
        if ((node & 1) != 0 || node == last) {
            hash_node(hashes[i], r, r);
            while ((node & 1) == 0 && node != 0) {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash_node(r, hashes[i], r);
        }
        node >>= 1;
        last >>= 1;
    }
    return last == 0 && memcmp(r, root, sizeof(r)) == 0;
}
