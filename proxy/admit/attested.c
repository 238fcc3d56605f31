/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admit/attested.h"

#include "policy/provenance.h"
#include "policy/scans.h"

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

size_t attested_read(const struct facts_signed *all, size_t n, const struct digest *subject,
                     int64_t now_s, struct pg_arena *arena, const struct attested **attested_r)
{
    const struct report_want want = {.digest = subject};
    const struct sl type = provenance_type(SL("vuln"));
    struct attested *read = pg_alloc(arena, ATTESTED_MAX * sizeof(*read));
    size_t nread = 0;

    for (size_t i = 0; i < n && nread < ATTESTED_MAX; i++) {
        struct report r;

        if (all[i].kind != FACTS_ATTESTATION || !sl_eq(all[i].predicate_type, type))
            continue;
        report_read(all[i].statement.p != NULL ? all[i].statement : SL(""), &want, arena, &r);
        read[nread].by = &all[i];
        take(&r, now_s, arena, &read[nread++]);
    }
    *attested_r = read;
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
