/* SPDX-License-Identifier: Apache-2.0 */
/* N07: what an upstream shows of a blob, compared with ours. */
#include "harness/test.h"

#include <stdio.h>
#include <xxhash.h>

#include "base/hash.h"
#include "proxy/upstream/prover_int.h"

#define TEXT "0123456789abcdefghij"

static struct digest digest;

static struct proof_parts two_parts(void)
{
    return (struct proof_parts){
        .size = 20,
        .nparts = 2,
        .parts = {{4, 4, XXH3_64bits(&TEXT[4], 4)}, {16, 4, XXH3_64bits(&TEXT[16], 4)}}};
}

static struct prover *begin(const struct proof_parts *parts)
{
    digest = digest_of(PG_SHA256, SL(TEXT));
    return prover_new(&digest, parts);
}

/* One answer: its status and Content-Range ("" is none), and its body. The verdict: 1 the next
 * part, 0 proved, else minus the kind of error. */
static int answer(struct prover *p, int status, const char *range, const char *body)
{
    struct head head = {.status = status};
    struct pg_err err = {0};
    int verdict;

    if (range[0] != '\0')
        head.content_range = (struct sl){range, strlen(range)};
    verdict = prover_head(p, &head, &err);
    for (; verdict == 0 && *body != '\0'; body++) /* byte by byte */
        verdict = prover_data(p, (struct sl){body, 1}, &err);
    if (verdict == 0)
        verdict = prover_end(p, &err);
    if (verdict < 0)
        verdict = -(int)err.kind;
    pg_err_clear(&err);
    return verdict;
}

TEST(all_parts_have_to_be_equal)
{
    struct proof_parts parts = two_parts();
    struct prover *p = begin(&parts);

    assert_true(prover_from(p) == 4 && prover_until(p) == 8);
    assert_int_equal(answer(p, 206, "bytes 4-7/20", "4567"), 1);
    assert_true(prover_from(p) == 16 && prover_until(p) == 20);
    assert_int_equal(answer(p, 206, "bytes 16-19/20", "ghij"), 0);
    prover_free(p);
    p = begin(&parts);
    assert_int_equal(answer(p, 206, "bytes 4-7/20", "4567"), 1);
    assert_int_equal(answer(p, 206, "bytes 16-19/20", "ghiX"), -PG_E_BLOB_UNKNOWN);
    prover_free(p);
}

TEST(what_is_not_that_part_proves_nothing)
{
    static const struct {
        int status;
        const char *range, *body;
        enum pg_ekind kind;
    } rows[] = {
        {206, "bytes 4-7/20", "456", PG_E_BLOB_UNKNOWN},
        {206, "bytes 4-7/20", "45678", PG_E_BLOB_UNKNOWN},
        {206, "bytes 4-7/20", "", PG_E_BLOB_UNKNOWN},
        {206, "bytes 4-7/21", "4567", PG_E_BLOB_UNKNOWN},
        {206, "bytes 5-8/20", "4567", PG_E_UPSTREAM_WRONG},
        {206, "bytes 4-8/20", "4567", PG_E_UPSTREAM_WRONG},
        {206, "bytes 4-7/*", "4567", PG_E_UPSTREAM_WRONG},
        {206, "", "4567", PG_E_UPSTREAM_WRONG},
        {206, "garbage", "4567", PG_E_UPSTREAM_WRONG},
        {200, "", "4567", PG_E_BLOB_UNKNOWN},
        {200, "", TEXT "!", PG_E_BLOB_UNKNOWN},
        {200, "", "0123456789abcdefghiX", PG_E_BLOB_UNKNOWN},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct proof_parts parts = two_parts();
        struct prover *p = begin(&parts);

        assert_int_equal(answer(p, rows[i].status, rows[i].range, rows[i].body),
                         -(int)rows[i].kind);
        prover_free(p);
    }
}

TEST(the_whole_is_a_proof_by_its_digest)
{
    struct proof_parts parts = two_parts(), none = {.size = 20};
    struct prover *p = begin(&parts);

    assert_int_equal(answer(p, 200, "", TEXT), 0);
    prover_free(p);
    p = begin(&none); /* there is nothing to compare parts with */
    assert_true(prover_from(p) == 0 && prover_until(p) == 0);
    assert_int_equal(answer(p, 200, "", TEXT), 0);
    prover_free(p);
}

TEST(a_request_that_is_asked_again_begins_anew)
{
    struct proof_parts parts = two_parts();
    struct prover *p = begin(&parts);
    struct head head = {.status = 206, .content_range = SL("bytes 4-7/20")};
    struct pg_err err = {0};

    assert_int_equal(prover_head(p, &head, &err), 0);
    assert_int_equal(prover_data(p, SL("45"), &err), 0);
    prover_begin(p);
    assert_int_equal(answer(p, 206, "bytes 4-7/20", "4567"), 1);
    prover_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(all_parts_have_to_be_equal),
        RUN(what_is_not_that_part_proves_nothing),
        RUN(the_whole_is_a_proof_by_its_digest),
        RUN(a_request_that_is_asked_again_begins_anew),
    };
    pg_hash_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
