/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journey/witness.h"

#include "audit/trail.h"
#include "proxy/journey/journey.h"

/* Texts that are made for one entry. */
struct texts {
    char digest[DIGEST_TEXT_MAX], policy[ENTRY_HEX_MAX], trust[ENTRY_HEX_MAX];
};

static bool has_policy(const struct journey *j)
{
    return j->snapshot->config.admission.policy != NULL;
}

static void say_policy(const struct journey *j, struct entry *e, struct texts *t)
{
    const struct config_admission *a = &j->snapshot->config.admission;
    uint8_t revision[32];

    if (a->policy == NULL)
        return;
    policy_revision(a->policy, revision);
    e->text[ENTRY_TEXT_POLICY] = entry_hex(revision, sizeof(revision), t->policy);
    e->text[ENTRY_TEXT_TRUST] = entry_hex(a->revision, sizeof(a->revision), t->trust);
}

static void say(const struct journey *j, const struct digest *d, struct entry *e, struct texts *t)
{
    const char *who = j->http->subject;

    *e = (struct entry){.kind = ENTRY_DECISION};
    e->number[ENTRY_NUMBER_REQUEST] = j->http->id;
    e->text[ENTRY_TEXT_CALLER] = who != NULL ? sl_str(who) : j->who.name;
    e->text[ENTRY_TEXT_ADDRESS] = sl_str(j->http->peer);
    e->text[ENTRY_TEXT_METHOD] = j->http->method;
    e->text[ENTRY_TEXT_REPOSITORY] = j->target.canonical;
    e->text[ENTRY_TEXT_REFERENCE] = j->want.reference;
    if (d != NULL)
        e->text[ENTRY_TEXT_DIGEST] = digest_write(d, t->digest);
    e->text[ENTRY_TEXT_VERDICT] = j->verdict.word != NULL ? sl_str(j->verdict.word) : SL("allow");
    e->text[ENTRY_TEXT_RULE] = sl_str(j->verdict.rule);
    e->text[ENTRY_TEXT_REASON] = sl_str(j->verdict.reason);
    e->text[ENTRY_TEXT_OBSERVED] = sl_str(j->verdict.observed);
    say_policy(j, e, t);
}

int witness_allowed(struct journey *j, const struct digest *d)
{
    struct trail *trail = j->home->trail;
    struct entry e;
    struct texts t;

    if (trail == NULL)
        return 0;
    say(j, d, &e, &t);
    if (!has_policy(j) || !j->snapshot->config.audit_required) {
        trail_note(trail, &e);
        return 0;
    }
    if (!trail_is_well(trail))
        return pg_fail(&j->rq.err, PG_E_STORE_IO,
                       "it may be served, but the audit log cannot be written: see the log of "
                       "pullgate");
    return trail_append(trail, &e, &j->rq.err);
}

/* As it was named, where nothing was found yet. */
static const struct digest *digest_of_denied(const struct journey *j)
{
    bool is_named = j->want.op == ROUTE_BLOB || (j->want.op == ROUTE_MANIFEST && j->want.by_digest);

    return j->told.has_digest ? &j->told.digest : is_named ? &j->want.digest : NULL;
}

/* What the operator asks to have explained is no pull. */
void witness_end(const struct journey *j)
{
    const char *word = j->verdict.word;
    struct entry e;
    struct texts t;

    if (j->home->trail == NULL || word == NULL || strcmp(word, "allow") == 0 ||
        admit_is_explained(j))
        return;
    say(j, digest_of_denied(j), &e, &t);
    trail_note(j->home->trail, &e);
}
