/* SPDX-License-Identifier: Apache-2.0 */
/* One way to write a digest; everything else is refused, and the refusal says why (B03). */
#include "harness/test.h"

#include "oci/digest.h"

#define HEX64 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define HEX128                                                                                     \
    "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877e" \
    "ec2f63b931bd47417a81a538327af927da3e"

static void refused(struct sl text, const char *why)
{
    struct pg_err err = {0};
    struct digest d;

    memset(&d, 0x5a, sizeof(d));
    assert_int_equal(digest_parse(text, &d, &err), -1);
    assert_int_equal(err.kind, PG_E_DIGEST_INVALID);
    assert_int_equal(pg_err_http(err.kind), 400);
    if (strstr(err.msg, why) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.msg, why);
    for (size_t i = 0; i < sizeof(d); i++) /* outputs are written on success only */
        assert_int_equal(((const uint8_t *)&d)[i], 0x5a);
    pg_err_clear(&err);
}

static struct digest parsed(struct sl text)
{
    struct pg_err err = {0};
    struct digest d;

    assert_int_equal(digest_parse(text, &d, &err), 0);
    return d;
}

TEST(what_is_valid_comes_back_as_it_was)
{
    static const struct sl texts[] = {SL("sha256:" HEX64), SL("sha512:" HEX128)};

    for (size_t i = 0; i < 2; i++) {
        char out[DIGEST_TEXT_MAX];
        struct digest d = parsed(texts[i]);
        struct sl back = digest_write(&d, out);

        assert_true(sl_eq(back, texts[i]));
        assert_int_equal(out[back.n], '\0');
        assert_true(digest_looks_like(texts[i]));
    }
}

/* Each of its 64 characters may be any of 256 bytes. */
TEST(every_character_is_read_and_checked)
{
    char text[] = "sha256:" HEX64;

    for (size_t at = 0; at < 64; at++) {
        for (unsigned c = 0; c < 256; c++) {
            static const char digits[] = "0123456789abcdef";
            const char *digit = c != 0 ? strchr(digits, (int)c) : NULL;
            struct pg_err err = {0};
            struct digest d = {0};
            char was = text[7 + at];
            int r;

            text[7 + at] = (char)c;
            r = digest_parse((struct sl){text, sizeof(text) - 1}, &d, &err);
            text[7 + at] = was;
            assert_int_equal(r, digit != NULL ? 0 : -1);
            if (digit != NULL)
                assert_int_equal(d.bytes[at / 2] >> (at % 2 == 0 ? 4 : 0) & 15, digit - digits);
            pg_err_clear(&err);
        }
    }
}

TEST(the_digest_of_nothing_is_the_known_one)
{
    struct digest small = digest_of(PG_SHA256, SL("")), large = digest_of(PG_SHA512, SL(""));
    struct digest p_small = parsed(SL("sha256:" HEX64)), p_large = parsed(SL("sha512:" HEX128));

    assert_true(digest_eq(&small, &p_small));
    assert_true(digest_eq(&large, &p_large));
    assert_int_equal(digest_bytes(&small), 32);
    assert_int_equal(digest_bytes(&large), 64);
    assert_string_equal(digest_alg_name(small.alg), "sha256");
    assert_string_equal(digest_alg_name(large.alg), "sha512");
}

TEST(unused_bytes_are_zero_and_the_algorithm_counts)
{
    struct digest a = parsed(SL("sha256:" HEX64)), b = a;

    for (size_t i = 32; i < PG_HASH_BYTES_MAX; i++)
        assert_int_equal(a.bytes[i], 0);
    assert_true(digest_eq(&a, &b));
    b.bytes[31] ^= 1;
    assert_false(digest_eq(&a, &b));
    b = a;
    b.alg = PG_SHA512;
    assert_false(digest_eq(&a, &b));
}

TEST(B03_what_is_no_digest_is_refused)
{
    refused((struct sl){NULL, 0}, "no algorithm");
    refused(SL(""), "no algorithm");
    refused(SL("latest"), "no algorithm");
    refused(SL(HEX64), "no algorithm");
    refused(SL(":"), "algorithm");
    refused(SL(":" HEX64), "algorithm");
    refused(SL("sha256:"), "0 characters");
    refused(SL("sha256:" HEX64 "0"), "65 characters");
    refused((struct sl){"sha256:" HEX64, 7 + 63}, "63 characters");
    refused(SL("sha512:" HEX64), "64 characters");
    refused(SL("sha256:" HEX128), "128 characters");
    refused(SL("SHA256:" HEX64), "algorithm");
    refused(SL("Sha256:" HEX64), "algorithm");
    refused(SL("sha25:" HEX64), "algorithm");
    refused(SL("sha2566:" HEX64), "algorithm");
    refused(SL("sha384:" HEX64 HEX64), "algorithm");
    refused(SL("md5:d41d8cd98f00b204e9800998ecf8427e"), "algorithm");
    refused(SL("multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8"), "algorithm");
    refused(SL("sha256+b64u:LCa0a2j_xo_5m0U8HTBBNBNCLXBkg7-g-YpeiGJm564"), "algorithm");
    refused(SL("sha256:../../../etc/passwd"), "characters");
    refused(SL("sha256:sha256:" HEX64), "characters");
    refused(SL(" sha256:" HEX64), "algorithm");
    refused(SL("sha256:" HEX64 " "), "65 characters");
    refused(SL("sha256: " HEX64), "65 characters");
    refused(SL("sha256\0:" HEX64), "algorithm");
}

/* Each byte that is not one of sixteen, at the first and at the last place. */
TEST(B03_only_lower_case_hexadecimal_digits_count)
{
    char text[] = "sha256:" HEX64;
    const size_t n = sizeof(text) - 1;

    for (int c = 0; c < 256; c++) {
        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))
            continue;
        for (size_t i = 0; i < 2; i++) {
            size_t at = i == 0 ? 7 : n - 1;
            char before = text[at];

            text[at] = (char)(signed char)c;
            refused((struct sl){text, n}, i == 0 ? "at 0" : "at 63");
            text[at] = before;
        }
    }
}

TEST(a_tag_does_not_look_like_a_digest)
{
    assert_false(digest_looks_like(SL("latest")));
    assert_false(digest_looks_like(SL("")));
    assert_false(digest_looks_like((struct sl){NULL, 0}));
    assert_true(digest_looks_like(SL("md5:")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(what_is_valid_comes_back_as_it_was),
        RUN(every_character_is_read_and_checked),
        RUN(the_digest_of_nothing_is_the_known_one),
        RUN(unused_bytes_are_zero_and_the_algorithm_counts),
        RUN(B03_what_is_no_digest_is_refused),
        RUN(B03_only_lower_case_hexadecimal_digits_count),
        RUN(a_tag_does_not_look_like_a_digest),
    };

    pg_hash_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
