/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/prover_int.h"

#include <stdlib.h>
#include <xxhash.h>

#include "base/hash.h"
#include "oci/range.h"

struct prover {
    struct digest digest;
    struct proof_parts of;
    unsigned at;  /* the part that is asked for */
    bool whole;   /* this answer is all of it */
    uint64_t got; /* of this answer */
    XXH3_state_t *sum;
    struct pg_hash *hash; /* with whole */
};

struct prover *prover_new(const struct digest *d, const struct proof_parts *parts)
{
    struct prover *p = calloc(1, sizeof(*p));

    PG_CHECK(p != NULL);
    p->digest = *d;
    p->of = *parts;
    p->sum = XXH3_createState();
    PG_CHECK(p->sum != NULL);
    prover_begin(p);
    return p;
}

void prover_free(struct prover *p)
{
    if (p == NULL)
        return;
    (void)XXH3_freeState(p->sum);
    pg_hash_free(p->hash);
    free(p);
}

const struct digest *prover_digest(const struct prover *p)
{
    return &p->digest;
}

uint64_t prover_size(const struct prover *p)
{
    return p->of.size;
}

uint64_t prover_from(const struct prover *p)
{
    return p->of.nparts == 0 ? 0 : p->of.parts[p->at].from;
}

uint64_t prover_until(const struct prover *p)
{
    return p->of.nparts == 0 ? 0 : p->of.parts[p->at].from + p->of.parts[p->at].n;
}

void prover_begin(struct prover *p)
{
    p->got = 0;
    p->whole = false;
    pg_hash_free(p->hash);
    p->hash = NULL;
    (void)XXH3_64bits_reset(p->sum);
}

static int other(struct pg_err *err)
{
    return pg_fail(err, PG_E_BLOB_UNKNOWN, "upstream does not have this blob");
}

int prover_head(struct prover *p, const struct head *head, struct pg_err *err)
{
    struct range range;
    uint64_t total;

    if (head->status == 200) {
        p->whole = true;
        p->hash = pg_hash_new(p->digest.alg);
        return head->has_length && head->length != p->of.size ? other(err) : 0;
    }
    if (head->content_range.p == NULL ||
        range_parse_content(head->content_range, &range, &total) < 0 ||
        range.first != prover_from(p) || range.end != prover_until(p))
        return pg_fail(err, PG_E_UPSTREAM_WRONG, "upstream answers with another part");
    return total != p->of.size ? other(err) : 0;
}

int prover_data(struct prover *p, struct sl bytes, struct pg_err *err)
{
    uint64_t most = p->whole ? p->of.size : p->of.parts[p->at].n;

    if (bytes.n > most - p->got)
        return other(err);
    p->got += bytes.n;
    if (p->whole)
        pg_hash_update(p->hash, bytes.p, bytes.n);
    else
        (void)XXH3_64bits_update(p->sum, bytes.p, bytes.n);
    return 0;
}

static int end_whole(struct prover *p, struct pg_err *err)
{
    struct digest got = {.alg = p->digest.alg};

    pg_hash_final(p->hash, got.bytes);
    return digest_eq(&got, &p->digest) ? 0 : other(err);
}

int prover_end(struct prover *p, struct pg_err *err)
{
    const struct proof_part *part = &p->of.parts[p->at];

    if (p->whole)
        return end_whole(p, err);
    if (p->got != part->n || XXH3_64bits_digest(p->sum) != part->sum)
        return other(err);
    if (p->at + 1 == p->of.nparts)
        return 0;
    p->at++;
    prover_begin(p);
    return 1;
}
