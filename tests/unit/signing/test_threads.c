/* SPDX-License-Identifier: Apache-2.0 */
/* One trust, used by several threads at a time, each with bundles of its own. */
#include "harness/test.h"

#include <pthread.h>

#include "harness/bundle_case.h"

#define FOLDER  PG_SOURCE "/tests/fixtures/signing/keyless/bundle-verify/"
#define THREADS 4
#define ROUNDS  10

static struct trust *trust;
static struct sl artifact, bundles[3];

static void *verify(void *unused)
{
    struct verify_subject s = {.digest = digest_of(PG_SHA256, artifact), .manifest = artifact};
    struct verify_options o = {.now_s = 1};
    unsigned long good = 0;

    (void)unused;
    for (unsigned i = 0; i < ROUNDS * 3; i++) {
        struct verify_evidence e = {.format = VERIFY_BUNDLE, .bytes = bundles[i % 3]};
        struct verify_question q = {&s, &e, trust, &o};
        struct verify_refusal no = {0};
        struct verify_fact f;
        struct pg_arena arena;

        pg_arena_init(&arena, VERIFY_ARENA_BYTES);
        if (verify_evidence(&q, &arena, &f, &no) == 1) {
            good++;
            json_decref(f.annotations);
        }
        pg_err_clear(&no.err);
        pg_arena_free(&arena);
    }
    return (void *)good; /* NOLINT(performance-no-int-to-ptr) */
}

TEST(threads_share_a_trust)
{
    pthread_t threads[THREADS];
    void *good;

    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, verify, NULL), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &good);
        assert_int_equal((unsigned long)good, ROUNDS * 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {RUN(threads_share_a_trust)};
    struct sl root = bundle_case_file(FOLDER "ok-msg-rekor1", "trusted_root.json", NULL), key = {0};
    char text[BUNDLE_CASE_TEXT];
    int failed;

    pg_hash_setup();
    trust = bundle_case_trust(root, key, text);
    artifact = bundle_case_file(FOLDER "ok-msg-rekor1", "artifact", NULL);
    bundles[0] = bundle_case_file(FOLDER "ok-msg-rekor1", "bundle.sigstore.json", NULL);
    bundles[1] = bundle_case_file(FOLDER "ok-dsse-rekor1", "bundle.sigstore.json", NULL);
    bundles[2] = bundle_case_file(FOLDER "cert-untrusted-ca_fail", "bundle.sigstore.json", NULL);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    trust_unref(trust);
    free((char *)(uintptr_t)root.p);
    free((char *)(uintptr_t)artifact.p);
    for (int i = 0; i < 3; i++)
        free((char *)(uintptr_t)bundles[i].p);
    return failed;
}
