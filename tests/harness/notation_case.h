/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An envelope of a Notation signature out of a file, verified with the trust store and a trust
 * policy of the fixtures.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "harness/test.h"
#include "signing/verify.h"

#define NOTATION_CASE_NOW  INT64_C(1790000000) /* September 2026 */
#define NOTATION_CASE_REPO SL("registry.fixture.test/acme/app")
#define NOTATION_CASE_JWS  SL("application/jose+json")
#define NOTATION_CASE_COSE SL("application/cose")

/* To be freed. */
static inline struct sl notation_case_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    char *bytes;
    long n;

    if (f == NULL)
        fail_msg("%s is not there", path);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    n = ftell(f);
    rewind(f);
    bytes = malloc((size_t)n + 1);
    assert_int_equal(fread(bytes, 1, (size_t)n, f), n);
    (void)fclose(f);
    return (struct sl){bytes, (size_t)n};
}

static inline void notation_case_store(struct trust *t, const char *type, const char *name,
                                       const char *path)
{
    struct sl bytes = notation_case_file(path);
    struct pg_err err = {0};

    if (trust_add_store(t, sl_str(type), sl_str(name), path, bytes, &err) < 0)
        fail_msg("%s", err.msg);
    free((char *)(uintptr_t)bytes.p);
}

static inline void notation_case_policy(struct trust *t, struct sl json)
{
    struct pg_err err = {0};

    if (trust_set_notation(t, "trustpolicy.json", json, &err) < 0)
        fail_msg("%s", err.msg);
}

struct notation_case {
    const struct trust *trust;
    struct sl envelope, media_type;
    struct sl manifest, manifest_type;
    struct sl repository;
    int64_t now_s;
    const struct stamp *stamp;
};

/* NONE: it is accepted, and *fact_r (NULL is allowed) is filled, whose slices are in the arena. A
 * refusal's sentence is in text_r, which may be NULL. */
static inline enum verify_reason notation_case_verify(const struct notation_case *c,
                                                      struct pg_arena *arena,
                                                      struct verify_fact *fact_r,
                                                      char text_r[PG_ERR_TEXT_MAX])
{
    struct verify_subject s = {digest_of(PG_SHA256, c->manifest), c->manifest, c->manifest_type};
    struct verify_evidence e = {VERIFY_NOTATION, c->envelope, c->media_type, NULL};
    struct verify_options o = {
        .now_s = c->now_s, .repository = c->repository, .timestamps = c->stamp};
    struct verify_question q = {&s, &e, c->trust, &o};
    struct verify_refusal no = {0};
    struct verify_fact fact = {0};
    enum verify_reason reason = VERIFY_NONE;

    if (verify_evidence(&q, arena, &fact, &no) == 0) {
        assert_int_not_equal(no.reason, VERIFY_NONE);
        assert_int_equal(no.err.kind, PG_E_DENIED);
        reason = no.reason;
        if (text_r != NULL)
            (void)snprintf(text_r, PG_ERR_TEXT_MAX, "%s", no.err.msg);
        pg_err_clear(&no.err);
        return reason;
    }
    assert_int_equal(no.reason, VERIFY_NONE);
    assert_null(no.err.msg);
    if (fact_r != NULL)
        *fact_r = fact;
    else
        json_decref(fact.annotations);
    return reason;
}
