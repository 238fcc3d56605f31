/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints, signed here. */
#include "harness/test.h"

#include "base/buf.h"
#include "signing/b64_int.h"
#include "signing/note_int.h"

#define ROOT  "r2czYGFbPFxhNRjOLf2kHtAnEm9cVY+5AkQimA52wPU="
#define TILES "log.example\n12\n" ROOT "\n"
#define DASH  "\xe2\x80\x94 "

static struct pg_arena arena;
static EVP_PKEY *pkey;
static struct trust_log the_log = {.host = {"log.example", 11}, .hint = {1, 2, 3, 4}};

/* The line of a signature over body. */
static struct sl line(const char *name, const uint8_t hint[4], struct sl body)
{
    unsigned char bytes[256];
    size_t n = sizeof(bytes) - 4;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    struct pg_buf out;
    struct sl text;

    memcpy(bytes, hint, 4);
    assert_int_equal(EVP_DigestSignInit(ctx, NULL, NULL, NULL, pkey), 1);
    assert_int_equal(EVP_DigestSign(ctx, bytes + 4, &n, (const uint8_t *)body.p, body.n), 1);
    EVP_MD_CTX_free(ctx);
    text = b64_encode((struct sl){(const char *)bytes, n + 4}, &arena);
    pg_buf_init(&out, 4096);
    (void)pg_buf_printf(&out, DASH "%s " SL_FMT "\n", name, SL_ARG(text));
    text = pg_copy(&arena, pg_buf_sl(&out));
    pg_buf_free(&out);
    return text;
}

static struct sl good_line(struct sl body)
{
    return line("log.example", the_log.hint, body);
}

static bool is_taken(bool is_tiles, struct sl body, struct sl lines, struct note *n_r)
{
    struct verify_refusal no = {0};
    struct pg_buf text;
    int status;

    pg_buf_init(&text, 1 << 20);
    (void)pg_buf_put(&text, body);
    (void)pg_buf_put(&text, SL("\n"));
    (void)pg_buf_put(&text, lines);
    status = note_verify(pg_buf_sl(&text), &the_log, is_tiles, n_r, &no);
    assert_true(status == 0 || no.reason == VERIFY_LOG);
    pg_err_clear(&no.err);
    pg_buf_free(&text);
    return status == 0;
}

static bool tiles(struct sl body)
{
    struct note n;

    return is_taken(true, body, good_line(body), &n);
}

TEST(a_checkpoint_is_read)
{
    struct note n;

    assert_true(is_taken(true, SL(TILES), good_line(SL(TILES)), &n));
    assert_int_equal(n.size, 12);
    assert_int_equal(n.root[0], 0xaf);
    assert_true(tiles(SL(TILES "more\n")));
}

TEST(the_origin_is_the_logs)
{
    struct sl old = SL("log.example - 123\n12\n" ROOT "\n");
    struct sl other = SL("host-7 - 123\n12\n" ROOT "\n");
    struct note n;

    assert_true(is_taken(false, old, good_line(old), &n));
    assert_false(is_taken(true, old, good_line(old), &n));
    assert_false(is_taken(false, SL(TILES), good_line(SL(TILES)), &n));
    /* an old log may call itself what it likes, as long as it signs by that name */
    assert_true(is_taken(false, other, line("host-7", the_log.hint, other), &n));
    assert_false(is_taken(false, other, good_line(other), &n));
    assert_false(tiles(SL("log.example.evil\n12\n" ROOT "\n")));
    assert_false(tiles(SL("\n12\n" ROOT "\n")));
}

TEST(sizes_and_hashes_have_one_form)
{
    assert_false(tiles(SL("log.example\n012\n" ROOT "\n")));
    assert_false(tiles(SL("log.example\n0\n" ROOT "\n")));
    assert_false(tiles(SL("log.example\n-1\n" ROOT "\n")));
    assert_false(tiles(SL("log.example\n 12\n" ROOT "\n")));
    assert_false(tiles(SL("log.example\n9223372036854775807\n" ROOT "\n")));
    assert_true(tiles(SL("log.example\n4611686018427387904\n" ROOT "\n")));
    assert_false(tiles(SL("log.example\n12\nAAAA\n")));
    assert_false(tiles(SL("log.example\n12\n")));
    assert_false(tiles(SL("log.example\n12\r\n" ROOT "\n")));
}

static bool with_lines(struct sl a, struct sl b)
{
    struct pg_buf both;
    struct note n;
    bool taken;

    pg_buf_init(&both, 4096);
    (void)pg_buf_put(&both, a);
    (void)pg_buf_put(&both, b);
    taken = is_taken(true, SL(TILES), pg_buf_sl(&both), &n);
    pg_buf_free(&both);
    return taken;
}

TEST(signatures_of_others_are_passed_over)
{
    static const uint8_t other_hint[4] = {9, 9, 9, 9};
    struct sl good = good_line(SL(TILES));

    assert_true(with_lines(good, line("witness", other_hint, SL("x"))));
    assert_true(with_lines(line("witness", other_hint, SL("x")), good));
    assert_true(with_lines(good, good));
    assert_true(with_lines(line("log.example", other_hint, SL("x")), good));
    assert_true(with_lines(line("witness", the_log.hint, SL("x")), good));
    assert_false(with_lines(line("witness", other_hint, SL(TILES)), SL("")));
    assert_false(with_lines(SL(""), SL("")));
}

TEST(one_that_says_it_is_the_logs_has_to_be)
{
    struct sl good = good_line(SL(TILES)), wrong = good_line(SL("log.example\n13\n" ROOT "\n"));

    assert_false(with_lines(good, wrong));
    assert_false(with_lines(wrong, good));
    assert_false(with_lines(wrong, SL("")));
}

TEST(lines_that_are_none_refuse_the_whole)
{
    struct sl good = good_line(SL(TILES));

    assert_false(with_lines(good, SL("x\n")));
    assert_false(with_lines(good, SL("\n")));
    assert_false(with_lines(good, SL("- log.example AAAAAAAA\n")));
    assert_false(with_lines(good, SL(DASH "log.example\n")));
    assert_false(with_lines(good, SL(DASH " AAAAAAAA\n")));
    assert_false(with_lines(good, SL(DASH "a AAAA\n")));
    assert_false(with_lines(good, SL(DASH "a AAAAAAA\n")));
    assert_false(with_lines(good, SL(DASH "a AAAAAAAA"))); /* no newline */
}

TEST(there_is_an_end_to_signatures)
{
    static const uint8_t other_hint[4] = {9, 9, 9, 9};
    struct sl other = line("witness", other_hint, SL("x"));
    struct pg_buf many;
    struct note n;

    pg_buf_init(&many, 1 << 20);
    (void)pg_buf_put(&many, good_line(SL(TILES)));
    for (int i = 1; i < NOTE_SIGNATURES_MAX; i++)
        (void)pg_buf_put(&many, other);
    assert_true(is_taken(true, SL(TILES), pg_buf_sl(&many), &n));
    (void)pg_buf_put(&many, other);
    assert_false(is_taken(true, SL(TILES), pg_buf_sl(&many), &n));
    pg_buf_free(&many);
}

static int setup(void **state)
{
    struct pg_err err = {0};
    unsigned char *der = NULL;
    int n;

    (void)state;
    pg_hash_setup();
    pg_arena_init(&arena, 1 << 20);
    pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    n = i2d_PUBKEY(pkey, &der);
    assert_int_equal(key_from_spki((struct sl){(char *)der, (size_t)n}, &the_log.key, &err), 0);
    OPENSSL_free(der);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    key_free(the_log.key);
    EVP_PKEY_free(pkey);
    pg_arena_free(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(a_checkpoint_is_read),
        RUN(the_origin_is_the_logs),
        RUN(sizes_and_hashes_have_one_form),
        RUN(signatures_of_others_are_passed_over),
        RUN(one_that_says_it_is_the_logs_has_to_be),
        RUN(lines_that_are_none_refuse_the_whole),
        RUN(there_is_an_end_to_signatures),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
