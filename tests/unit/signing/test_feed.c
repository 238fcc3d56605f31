/* SPDX-License-Identifier: Apache-2.0 */
/* What a feed says is believed if its key signed it, and then all of it or nothing. */
#include "harness/test.h"

#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/buf.h"
#include "base/hash.h"
#include "signing/feed.h"

#define HEX64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define GOOD                                                                                       \
    "{\"epoch\":1,\"serial\":42,\"expires\":\"2026-12-01T00:00:00Z\",\"entries\":["                \
    "{\"digest\":\"sha256:" HEX64 "\",\"reason\":\"steals\"},{\"layer\":\"sha256:" HEX64 "\"},"    \
    "{\"key\":\"" HEX64 "\"},{\"identity\":\"ci@a.test\"},"                                        \
    "{\"repository\":\"docker.io/library/evil\"}]}"

static EVP_PKEY *key, *other;
static struct pg_buf pem;
static struct pg_arena arena;
static struct pg_err err;
static struct feed feed;

static void put_b64(struct pg_buf *out, const void *bytes, size_t n)
{
    char *text = malloc(4 * (n + 2) / 3 + 4);

    assert_non_null(text);
    int len = EVP_EncodeBlock((unsigned char *)text, bytes, (int)n);
    (void)pg_buf_put(out, (struct sl){text, (size_t)len});
    free(text);
}

static void sign(EVP_PKEY *with, const char *type, const char *payload, struct pg_buf *out)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned char sig[128];
    size_t n = sizeof(sig);
    struct pg_buf pae;

    pg_buf_init(&pae, 65536);
    (void)pg_buf_printf(&pae, "DSSEv1 %zu %s %zu %s", strlen(type), type, strlen(payload), payload);
    assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, with), 1);
    assert_int_equal(EVP_DigestSign(ctx, sig, &n, (unsigned char *)pae.p, pae.n), 1);
    EVP_MD_CTX_free(ctx);
    pg_buf_free(&pae);
    pg_buf_clear(out);
    (void)pg_buf_printf(out, "{\"payloadType\":\"%s\",\"payload\":\"", type);
    put_b64(out, payload, strlen(payload));
    (void)pg_buf_put(out, SL("\",\"signatures\":[{\"sig\":\""));
    put_b64(out, sig, n);
    (void)pg_buf_put(out, SL("\"}]}"));
}

static int read_signed(EVP_PKEY *with, const char *type, const char *payload)
{
    struct pg_buf envelope;
    int rc;

    pg_buf_init(&envelope, FEED_BYTES_MAX);
    sign(with, type, payload, &envelope);
    pg_err_clear(&err);
    rc = feed_read(pg_buf_sl(&envelope), pg_buf_sl(&pem), "feed.pub", &arena, &feed, &err);
    pg_buf_free(&envelope);
    return rc;
}

TEST(what_its_key_signed_is_read)
{
    if (read_signed(key, FEED_TYPE, GOOD) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(feed.epoch, 1);
    assert_int_equal(feed.serial, 42);
    assert_int_equal(feed.expires_s, 1796083200);
    assert_int_equal(feed.n, 5);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(feed.entries[i].kind, i);
    assert_true(sl_eq(feed.entries[0].reason, SL("steals")));
    assert_true(sl_eq(feed.entries[4].what, SL("docker.io/library/evil")));
}

TEST(N18_what_another_key_signed_is_refused_whatever_it_says)
{
    assert_int_equal(read_signed(other, FEED_TYPE, GOOD), -1);
    assert_int_equal(err.kind, PG_E_DENIED);
    assert_int_equal(read_signed(other, FEED_TYPE, "nonsense"), -1);
    assert_int_equal(err.kind, PG_E_DENIED); /* it was not looked at */
}

TEST(an_envelope_of_something_else_is_no_feed)
{
    assert_int_equal(read_signed(key, "application/vnd.in-toto+json", GOOD), -1);
    assert_int_equal(err.kind, PG_E_UPSTREAM_WRONG);
}

TEST(one_wrong_entry_refuses_all)
{
    static const char *const entries[] = {
        "{}",
        "1",
        "{\"reason\":\"x\"}",
        "{\"digest\":\"sha256:00\"}",
        "{\"digest\":\"sha512:" HEX64 HEX64 "\"}",
        "{\"digest\":\"sha256:" HEX64 "\",\"key\":\"" HEX64 "\"}",
        "{\"digest\":\"sha256:" HEX64 "\",\"undo\":true}",
        "{\"digest\":\"sha256:" HEX64 "\",\"reason\":\"a\\nb\"}",
        "{\"digest\":\"sha256:" HEX64 "\",\"reason\":1}",
        "{\"key\":\"AA\"}",
        "{\"identity\":\"\"}",
        "{\"repository\":\"nginx\"}",
        "{\"repository\":\"library/nginx\"}",
        "{\"repository\":\"docker.io/nginx\"}",
        "{\"repository\":\"docker.io/library/Nginx\"}",
    };

    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        char text[1024];

        (void)snprintf(text, sizeof(text),
                       "{\"epoch\":1,\"serial\":2,\"expires\":\"2026-12-01T00:00:00Z\","
                       "\"entries\":[{\"identity\":\"a\"},%s]}",
                       entries[i]);
        if (read_signed(key, FEED_TYPE, text) == 0)
            fail_msg("%s was taken", entries[i]);
        if (strstr(err.msg, "entry 2") == NULL)
            fail_msg("%s: %s", entries[i], err.msg);
    }
}

TEST(what_is_not_said_is_not_guessed)
{
    static const char *const texts[] = {
        "",
        "[]",
        "{\"serial\":1,\"expires\":\"2026-12-01T00:00:00Z\",\"entries\":[]}",
        "{\"epoch\":1,\"expires\":\"2026-12-01T00:00:00Z\",\"entries\":[]}",
        "{\"epoch\":1,\"serial\":1,\"entries\":[]}",
        "{\"epoch\":1,\"serial\":1,\"expires\":\"tomorrow\",\"entries\":[]}",
        "{\"epoch\":1,\"serial\":1,\"expires\":\"2026-12-01T00:00:00Z\"}",
        "{\"epoch\":-1,\"serial\":1,\"expires\":\"2026-12-01T00:00:00Z\",\"entries\":[]}",
        "{\"epoch\":1,\"serial\":1,\"expires\":\"2026-12-01T00:00:00Z\",\"entries\":[],\"x\":1}"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (read_signed(key, FEED_TYPE, texts[i]) == 0 || err.kind != PG_E_UPSTREAM_WRONG)
            fail_msg("%s was taken", texts[i]);
}

static int set_up(void **state)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;

    (void)state;
    pg_hash_setup();
    pg_arena_init(&arena, FEED_ARENA_BYTES);
    key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    other = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    assert_true(key != NULL && other != NULL && PEM_write_bio_PUBKEY(bio, key) == 1);
    long n = BIO_get_mem_data(bio, &text);
    pg_buf_init(&pem, 4096);
    (void)pg_buf_put(&pem, (struct sl){text, (size_t)n});
    BIO_free(bio);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pg_err_clear(&err);
    pg_arena_free(&arena);
    pg_buf_free(&pem);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(what_its_key_signed_is_read),
        RUN(N18_what_another_key_signed_is_refused_whatever_it_says),
        RUN(an_envelope_of_something_else_is_no_feed),
        RUN(one_wrong_entry_refuses_all),
        RUN(what_is_not_said_is_not_guessed),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
