/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admit/attested.h"

#include "policy/provenance.h"
#include "policy/scans.h"
#include "policy/signer.h"

/* When it says that it was made, else when it was signed; with neither it is of no age that a
 * policy could want. */
static int64_t time_of(const struct report *r, const struct facts_signed *by)
{
    return r->made_s > 0 ? r->made_s : by->signed_at_s > 0 ? by->signed_at_s : 1;
}

static void take(const struct report *r, int64_t now_s, struct pg_arena *arena, struct attested *a)
{
    int64_t *since_s = pg_alloc(arena, r->nfindings * sizeof(*since_s) + 1);

    a->result = (struct result){.source = SCANS_ATTESTED, .kind = RESULT_PUSHED};
    if (r->reason != REPORT_GOOD) {
        a->result.failed_s = now_s;
        a->result.failed = r->why;
        return;
    }
    a->result.good_s = a->result.first_s = time_of(r, a->by);
    a->result.scanner = r->scanner.name;
    a->result.database = r->scanner.database;
    a->result.database_s = r->scanner.database_s;
    a->result.npackages = r->npackages;
    a->result.findings = r->findings;
    a->result.nfindings = r->nfindings;
    a->result.since_s = since_s;
    for (size_t i = 0; i < r->nfindings; i++)
        since_s[i] = a->result.good_s;
}

/* The newer one of the same hand says what the older one did, if it is known which that is. */
static bool replaces(const struct facts_signed *a, const struct facts_signed *b)
{
    return a->trust == b->trust && signer_one_hand(a, b) && a->signed_at_s > 0 &&
           b->signed_at_s > 0 && a->signed_at_s >= b->signed_at_s;
}

/* Those to read, at most ATTESTED_MAX; SIZE_MAX: there are more. */
static size_t choose(const struct facts_signed *all, size_t n, const struct facts_signed **chosen)
{
    const struct sl type = provenance_type(SL("vuln"));
    size_t nchosen = 0;

    for (size_t i = 0; i < n; i++) {
        size_t at = 0;

        if (all[i].kind != FACTS_ATTESTATION || !sl_eq(all[i].predicate_type, type))
            continue;
        while (at < nchosen && !replaces(&all[i], chosen[at]) && !replaces(chosen[at], &all[i]))
            at++;
        if (at == ATTESTED_MAX)
            return SIZE_MAX;
        if (at == nchosen)
            chosen[nchosen++] = &all[i];
        else if (replaces(&all[i], chosen[at]))
            chosen[at] = &all[i];
    }
    return nchosen;
}

/* The one that matters may be among those that are not read: then none is good. */
static size_t refuse_all(const struct facts_signed *all, size_t n, int64_t now_s,
                         struct attested *read)
{
    const struct sl type = provenance_type(SL("vuln"));
    size_t nread = 0;

    for (size_t i = 0; i < n && nread < ATTESTED_MAX; i++) {
        if (all[i].kind != FACTS_ATTESTATION || !sl_eq(all[i].predicate_type, type))
            continue;
        read[nread++] = (struct attested){
            .by = &all[i],
            .result = {.source = SCANS_ATTESTED,
                       .kind = RESULT_PUSHED,
                       .failed_s = now_s,
                       .failed = SL("there are more signed reports than are looked at")}};
    }
    return nread;
}

size_t attested_read(const struct facts_signed *all, size_t n, const struct digest *subject,
                     int64_t now_s, struct pg_arena *arena, const struct attested **attested_r)
{
    const struct report_want want = {.digest = subject};
    const struct facts_signed *chosen[ATTESTED_MAX];
    struct attested *read = pg_alloc(arena, ATTESTED_MAX * sizeof(*read));
    size_t nread = choose(all, n, chosen);

    *attested_r = read;
    if (nread == SIZE_MAX)
        return refuse_all(all, n, now_s, read);
    for (size_t i = 0; i < nread; i++) {
        struct sl statement = chosen[i]->statement;
        struct report r;

        report_read(statement.p != NULL ? statement : SL(""), &want, arena, &r);
        read[i].by = chosen[i];
        take(&r, now_s, arena, &read[i]);
    }
    return nread;
}

const struct facts_signed *attested_by(const struct attested *a, const struct facts *f)
{
    for (size_t i = 0; i < f->nsigned; i++) {
        const struct facts_signed *one = &f->is_signed[i];

        if (one->kind == FACTS_ATTESTATION && !one->inherited && one->trust == a->by->trust &&
            digest_eq(&one->evidence, &a->by->evidence) && sl_eq(one->key_id, a->by->key_id))
            return one;
    }
    return NULL;
}
