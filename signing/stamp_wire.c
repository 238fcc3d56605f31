/* SPDX-License-Identifier: Apache-2.0 */
#include "signing/stamp_wire.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#define QUESTION SL("pgtsa?\0\1")
#define GOOD     SL("pgtsa!\0\1")
#define REFUSED  SL("pgtsa-\0\1")

static const size_t hash_bytes[STAMP_WIRE_HASHES] = {32, 48, 64};

/* ---- writing ------------------------------------------------------------------------------- */

static void put_number(struct pg_buf *out, uint64_t n, unsigned nbytes)
{
    char bytes[sizeof(n)];

    for (unsigned i = 0; i < nbytes; i++)
        bytes[i] = (char)(n >> (8 * (nbytes - 1 - i)));
    (void)pg_buf_put(out, (struct sl){bytes, nbytes});
}

static void put_run(struct pg_buf *out, struct sl run)
{
    PG_CHECK(run.n <= UINT32_MAX);
    put_number(out, run.n, 4);
    (void)pg_buf_put(out, run);
}

static int put_digests(struct pg_buf *out, struct sl data, struct pg_err *err)
{
    const EVP_MD *const hashes[STAMP_WIRE_HASHES] = {EVP_sha256(), EVP_sha384(), EVP_sha512()};

    for (unsigned i = 0; i < STAMP_WIRE_HASHES; i++) {
        unsigned char bytes[EVP_MAX_MD_SIZE];
        unsigned n = 0;

        if (EVP_Digest(data.p, data.n, bytes, &n, hashes[i], NULL) != 1 || n != hash_bytes[i]) {
            ERR_clear_error();
            return pg_fail(err, PG_E_INTERNAL, "a digest could not be computed");
        }
        (void)pg_buf_put(out, (struct sl){(const char *)bytes, n});
    }
    return 0;
}

static void put_authority(struct pg_buf *out, const struct stamp_authority *a)
{
    PG_CHECK(a->ncerts > 0 && a->ncerts <= STAMP_CERTS_MAX);
    put_number(out, (uint64_t)a->from_s, 8);
    put_number(out, (uint64_t)a->until_s, 8);
    put_number(out, a->ncerts, 1);
    for (unsigned i = 0; i < a->ncerts; i++)
        put_run(out, a->certs[i]);
}

int stamp_wire_put(const struct stamp_question *q, struct pg_buf *out, struct pg_err *err)
{
    PG_CHECK(q->nauthorities <= STAMP_AUTHORITIES_MAX && out->n == 0);
    if (q->token.n == 0)
        return pg_fail(err, PG_E_DENIED, "the timestamp is empty");
    if (q->token.n > STAMP_TOKEN_MAX)
        return pg_fail(err, PG_E_DENIED, "the timestamp has %zu bytes; at most %zu are looked at",
                       q->token.n, STAMP_TOKEN_MAX);
    (void)pg_buf_put(out, QUESTION);
    put_number(out, q->is_response, 1);
    put_run(out, q->token);
    if (put_digests(out, q->data, err) < 0)
        return -1;
    put_number(out, q->nauthorities, 1);
    for (unsigned i = 0; i < q->nauthorities; i++)
        put_authority(out, &q->authorities[i]);
    if (out->over || out->n > STAMP_WIRE_MAX)
        return pg_fail(err, PG_E_INTERNAL, "the timestamp authorities' certificates are too large");
    return 0;
}

void stamp_wire_put_answer(const struct stamp_answer *a, struct pg_buf *out)
{
    PG_CHECK(out->n == 0);
    (void)pg_buf_put(out, GOOD);
    put_number(out, (uint64_t)a->time_s, 8);
    put_number(out, (uint64_t)a->accuracy_ms, 8);
    put_number(out, a->authority, 1);
    PG_CHECK(!out->over);
}

static bool is_printable(char c)
{
    return c >= ' ' && c <= '~';
}

void stamp_wire_put_refusal(struct sl text, struct pg_buf *out)
{
    size_t n = text.n < STAMP_WIRE_TEXT_MAX ? text.n : STAMP_WIRE_TEXT_MAX;

    PG_CHECK(out->n == 0);
    (void)pg_buf_put(out, REFUSED);
    for (size_t i = 0; i < n; i++)
        (void)pg_buf_put(out, is_printable(text.p[i]) ? (struct sl){text.p + i, 1} : SL("?"));
    PG_CHECK(!out->over);
}

/* ---- reading ------------------------------------------------------------------------------- */

struct reader {
    struct sl rest;
    bool bad;
};

static struct sl take(struct reader *r, size_t n)
{
    struct sl head = {r->rest.p, n};

    if (r->bad || r->rest.n < n) {
        r->bad = true;
        return (struct sl){NULL, 0};
    }
    r->rest = (struct sl){r->rest.p + n, r->rest.n - n};
    return head;
}

static uint64_t take_number(struct reader *r, unsigned nbytes)
{
    struct sl bytes = take(r, nbytes);
    uint64_t n = 0;

    for (size_t i = 0; i < bytes.n; i++)
        n = n << 8 | (unsigned char)bytes.p[i];
    return n;
}

/* Not empty. */
static struct sl take_run(struct reader *r, size_t max)
{
    size_t n = (size_t)take_number(r, 4);

    if (n == 0 || n > max)
        r->bad = true;
    return take(r, n);
}

static void take_authority(struct reader *r, struct stamp_authority *a)
{
    a->from_s = (int64_t)take_number(r, 8);
    a->until_s = (int64_t)take_number(r, 8);
    a->ncerts = (unsigned)take_number(r, 1);
    if (a->ncerts == 0 || a->ncerts > STAMP_CERTS_MAX) {
        r->bad = true;
        a->ncerts = 0;
    }
    for (unsigned i = 0; i < a->ncerts; i++)
        a->certs[i] = take_run(r, STAMP_WIRE_MAX);
}

int stamp_wire_get(struct sl bytes, struct stamp_wire *w_r, struct pg_err *err)
{
    struct reader r = {.rest = bytes, .bad = bytes.n > STAMP_WIRE_MAX};
    uint64_t is_response;

    *w_r = (struct stamp_wire){0};
    if (!sl_eq(take(&r, QUESTION.n), QUESTION))
        return pg_fail(err, PG_E_INTERNAL, "this is no question of this version of pullgate");
    is_response = take_number(&r, 1);
    r.bad = r.bad || is_response > 1;
    w_r->is_response = is_response == 1;
    w_r->token = take_run(&r, STAMP_TOKEN_MAX);
    for (unsigned i = 0; i < STAMP_WIRE_HASHES; i++)
        w_r->digests[i] = take(&r, hash_bytes[i]);
    w_r->nauthorities = (unsigned)take_number(&r, 1);
    if (w_r->nauthorities > STAMP_AUTHORITIES_MAX)
        r.bad = true;
    for (unsigned i = 0; i < w_r->nauthorities && !r.bad; i++)
        take_authority(&r, &w_r->authorities[i]);
    if (r.bad || r.rest.n > 0)
        return pg_fail(err, PG_E_INTERNAL, "the question about a timestamp is malformed");
    return 0;
}

/* Times of four digits' years, since they are printed and added to. */
#define TIME_MAX     INT64_C(253402300799)
#define ACCURACY_MAX INT64_C(86400000)

static int get_good(struct sl bytes, unsigned nauthorities, struct stamp_answer *a_r,
                    struct pg_err *err)
{
    struct reader r = {.rest = bytes};
    struct stamp_answer a = {.time_s = (int64_t)take_number(&r, 8),
                             .accuracy_ms = (int64_t)take_number(&r, 8),
                             .authority = (unsigned)take_number(&r, 1)};

    if (r.bad || r.rest.n > 0 || a.time_s <= 0 || a.time_s > TIME_MAX || a.accuracy_ms < 0 ||
        a.accuracy_ms > ACCURACY_MAX || a.authority >= nauthorities)
        return pg_fail(err, PG_E_INTERNAL, "pullgate-tsa said something that it cannot mean");
    *a_r = a;
    return 0;
}

int stamp_wire_get_answer(struct sl bytes, unsigned nauthorities, struct stamp_answer *a_r,
                          struct pg_err *err)
{
    struct sl text = {NULL, 0};

    if (sl_starts(bytes, GOOD))
        return get_good((struct sl){bytes.p + GOOD.n, bytes.n - GOOD.n}, nauthorities, a_r, err);
    if (sl_starts(bytes, REFUSED))
        text = (struct sl){bytes.p + REFUSED.n, bytes.n - REFUSED.n};
    for (size_t i = 0; i < text.n; i++)
        if (!is_printable(text.p[i]))
            text = (struct sl){NULL, 0};
    if (text.n == 0 || text.n > STAMP_WIRE_TEXT_MAX)
        return pg_fail(err, PG_E_INTERNAL, "pullgate-tsa said something that is no answer");
    return pg_fail(err, PG_E_DENIED, SL_FMT, SL_ARG(text));
}
