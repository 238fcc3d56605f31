/* SPDX-License-Identifier: Apache-2.0 */
/* Digests are those of FIPS 180-4, however the bytes are cut. */
#include "harness/test.h"

#include <stdio.h>

#include "base/hash.h"

static const char abc_256[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
static const char abc_512[] = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                              "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";
static const char empty_256[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

static const char *hex(const uint8_t *p, size_t n)
{
    static char out[2 * PG_HASH_BYTES_MAX + 1];

    for (size_t i = 0; i < n; i++)
        (void)snprintf(out + 2 * i, 3, "%02x", p[i]);
    return out;
}

TEST(digests_are_those_of_the_standard)
{
    uint8_t out[PG_HASH_BYTES_MAX];

    pg_hash_setup();
    pg_hash_setup();
    pg_hash_once(PG_SHA256, SL("abc"), out);
    assert_string_equal(hex(out, pg_hash_bytes(PG_SHA256)), abc_256);
    pg_hash_once(PG_SHA512, SL("abc"), out);
    assert_string_equal(hex(out, pg_hash_bytes(PG_SHA512)), abc_512);
    pg_hash_once(PG_SHA256, (struct sl){NULL, 0}, out);
    assert_string_equal(hex(out, pg_hash_bytes(PG_SHA256)), empty_256);
}

TEST(how_the_bytes_are_cut_does_not_matter)
{
    uint8_t out[PG_HASH_BYTES_MAX];
    struct pg_hash *h, *other;

    pg_hash_setup();
    h = pg_hash_new(PG_SHA256);
    other = pg_hash_new(PG_SHA512); /* two streams at once */
    for (const char *p = "abc"; *p != '\0'; p++) {
        pg_hash_update(h, p, 1);
        pg_hash_update(h, p, 0);
        pg_hash_update(other, p, 1);
    }
    pg_hash_final(h, out);
    assert_string_equal(hex(out, 32), abc_256);
    pg_hash_final(other, out);
    assert_string_equal(hex(out, 64), abc_512);
    pg_hash_free(h);
    pg_hash_free(other);
}

TEST(a_stream_may_be_dropped_before_its_end)
{
    struct pg_hash *h;

    pg_hash_setup();
    h = pg_hash_new(PG_SHA512);
    pg_hash_update(h, "abc", 3);
    pg_hash_free(h);
    pg_hash_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(digests_are_those_of_the_standard),
        RUN(how_the_bytes_are_cut_does_not_matter),
        RUN(a_stream_may_be_dropped_before_its_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
