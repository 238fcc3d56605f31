/* SPDX-License-Identifier: Apache-2.0 */
#include "signing/proof_int.h"

#include "signing/cert_int.h"
#include "signing/identity_int.h"
#include "signing/sct_int.h"

#define TIMES_MAX (2 * VERIFY_ENTRIES_MAX)

/* An Ed25519 signature has all of the message hashed with each key. */
#define HASHED_MAX ((size_t)256 << 20)

/* One proof being looked at. */
struct look {
    const struct proof *p;
    const struct trust *t;
    const struct verify_options *o;
    struct pg_arena *arena;
    X509 *leaf; /* NULL: a bare key */
    STACK_OF(X509) * helpers;
    struct key *leaf_key;
    const struct key *key;      /* that signed: the leaf's, or one of the trust */
    struct trust_window window; /* of the key of the trust */
    struct key_how how;
    int64_t times[TIMES_MAX];
    size_t ntimes;
    uint64_t logs, authorities; /* a bit for each that was seen */
};

static int read_helpers(struct look *l, struct verify_refusal *no)
{
    l->helpers = sk_X509_new_null();
    PG_CHECK(l->helpers != NULL);
    for (size_t i = 0; i < l->p->nhelpers; i++) {
        X509 *cert = trust_read_cert(l->p->helpers[i]);

        if (cert == NULL)
            return refuse(no, CERTIFICATE, "a certificate above the signer's cannot be read");
        PG_CHECK(sk_X509_push(l->helpers, cert) > 0);
        if (X509_NAME_cmp(X509_get_subject_name(cert), X509_get_issuer_name(cert)) == 0)
            return refuse(no, CERTIFICATE,
                          "the signature brings along a root certificate: only your trusted root "
                          "says what is trusted");
    }
    return 0;
}

static int read_cert(struct look *l, struct verify_refusal *no)
{
    struct pg_err err = {0};

    l->leaf = trust_read_cert(l->p->cert);
    if (l->leaf == NULL)
        return refuse(no, CERTIFICATE, "the certificate cannot be read");
    if (key_from_cert(l->leaf, &l->leaf_key, &err) < 0) {
        (void)refuse(no, CERTIFICATE, "the certificate's key: %s", err.msg);
        pg_err_clear(&err);
        return -1;
    }
    l->key = l->leaf_key;
    return read_helpers(l, no);
}

static int refuse_verdict(enum key_verdict v, struct verify_refusal *no)
{
    if (v == KEY_NEEDS_BYTES)
        return refuse(no, UNSUPPORTED,
                      "this kind of signature can only be checked with the manifest's bytes, and "
                      "only its digest is known");
    if (v == KEY_UNSUPPORTED)
        return refuse(no, UNSUPPORTED,
                      "the signature is not a pure Ed25519 one; if it is Ed25519ph, as cosign "
                      "makes it with such keys, it is not supported by this OpenSSL (3.2 is)");
    return refuse(no, SIGNATURE, "the signature does not match what is signed");
}

static int check_cert_signature(struct look *l, struct verify_refusal *no)
{
    struct key_message message = l->p->message;
    enum key_verdict v = key_verify(l->key, false, &message, l->p->signature, &l->how);

    return v == KEY_GOOD ? 0 : refuse_verdict(v, no);
}

/* By the key that it says it is by, as far as it says so. Nothing follows from that. */
static int refuse_hint(const struct look *l, struct verify_refusal *no)
{
    char says[2 * 32 + 1];

    for (size_t i = 0; i < 32; i++)
        (void)snprintf(says + 2 * i, 3, "%02x", (unsigned)(uint8_t)l->p->hint.p[i]);
    for (unsigned i = 0; i < l->t->nkeys; i++)
        if (strcmp(says, l->t->keys[i].key->id) == 0)
            return refuse(no, SIGNATURE,
                          "said to be signed by the trusted key %s, but the signature does not "
                          "match what is signed",
                          says);
    if (l->t->nkeys == 1)
        return refuse(no, KEY, "signed by the key %s, it says, but the trusted key is %s", says,
                      l->t->keys[0].key->id);
    return refuse(no, KEY, "signed by the key %s, it says, which is none of the %u trusted ones",
                  says, l->t->nkeys);
}

static int refuse_key(const struct look *l, struct verify_refusal *no)
{
    if (l->t->nkeys == 0)
        return refuse(no, KEY, "signed by a bare key, and no key is trusted here");
    if (l->p->hint.n == 32)
        return refuse_hint(l, no);
    if (l->t->nkeys == 1)
        return refuse(no, KEY, "not signed by the trusted key %s", l->t->keys[0].key->id);
    return refuse(no, KEY, "signed by none of the %u keys that are trusted", l->t->nkeys);
}

/* Which of the trust's keys it was. What the evidence says about that chooses nothing. */
static int find_key(struct look *l, struct verify_refusal *no)
{
    struct key_message message = l->p->message;
    enum key_verdict worst = KEY_BAD;
    size_t nhashed = 0;

    for (unsigned i = 0; i < l->t->nkeys; i++) {
        const struct trust_key *k = &l->t->keys[i];
        enum key_verdict v;

        nhashed += k->key->kind == KEY_ED25519 ? message.bytes.n : 0;
        if (nhashed > HASHED_MAX)
            return refuse(no, TOO_LARGE, "it has %zu bytes: too many for so many Ed25519 keys",
                          message.bytes.n);
        bool pss = k->padding == TRUST_PADS_AS_TOLD ? l->o->rsa_pss : k->padding == TRUST_PADS_PSS;

        v = key_verify(k->key, pss, &message, l->p->signature, &l->how);
        if (v == KEY_GOOD) {
            l->key = k->key;
            l->window = k->window;
            return 0;
        }
        if (v != KEY_BAD)
            worst = v;
    }
    if (worst != KEY_BAD)
        return refuse_verdict(worst, no);
    return refuse_key(l, no);
}

static int check_entries(struct look *l, struct verify_refusal *no)
{
    const struct proof *p = l->p;
    struct tlog_subject s = {.cert = p->by_cert ? p->cert : (struct sl){NULL, 0},
                             .key = l->key,
                             .how = l->how,
                             .message = &p->message,
                             .signature = p->signature,
                             .is_dsse = p->is_dsse,
                             .payload = p->payload,
                             .envelope = p->envelope};
    struct tlog_seen seen;

    _Static_assert(TRUST_LOGS_MAX <= 64 && STAMP_AUTHORITIES_MAX <= 64, "a bit for each");
    if (p->nentries > VERIFY_ENTRIES_MAX)
        return refuse(no, TOO_LARGE, "more than %d log entries", VERIFY_ENTRIES_MAX);
    for (size_t i = 0; i < p->nentries; i++) {
        if (tlog_verify(&p->entries[i], &s, l->t, l->arena, &seen, no) < 0)
            return -1;
        l->logs |= (uint64_t)1 << seen.log;
        if (seen.time_s != 0)
            l->times[l->ntimes++] = seen.time_s;
    }
    return 0;
}

static int check_stamp(struct look *l, struct sl token, struct verify_refusal *no)
{
    struct stamp_question q = {.token = token,
                               .is_response = true,
                               .data = l->p->stamped,
                               .authorities = l->t->tsas,
                               .nauthorities = l->t->ntsas};
    struct stamp_answer a = {0};
    struct pg_err err = {0};

    if (token.n > STAMP_TOKEN_MAX)
        return refuse(no, TOO_LARGE, "a timestamp is larger than %zu bytes", STAMP_TOKEN_MAX);
    if (token.n == 0)
        return refuse(no, TIMESTAMP, "a timestamp is empty");
    if (l->t->ntsas == 0)
        return refuse(no, TIMESTAMP, "no timestamp authority is trusted");
    if (l->o->timestamps == NULL)
        return refuse(no, HELPER, "there is nobody here to ask about timestamps");
    if (l->o->timestamps->ask(l->o->timestamps->context, &q, &a, &err) < 0) {
        if (err.kind == PG_E_DENIED)
            (void)refuse(no, TIMESTAMP, "the timestamp: %s", err.msg);
        else
            (void)refuse(no, HELPER, "the timestamp could not be looked at: %s", err.msg);
        pg_err_clear(&err);
        return -1;
    }
    if (a.authority >= l->t->ntsas)
        return refuse(no, HELPER, "who looked at the timestamp named nobody that is trusted");
    if (a.time_s < l->t->tsas[a.authority].from_s || a.time_s > l->t->tsas[a.authority].until_s)
        return refuse(no, TIMESTAMP,
                      "the timestamp is of a time that its authority is not trusted for");
    l->authorities |= (uint64_t)1 << a.authority;
    l->times[l->ntimes++] = a.time_s;
    return 0;
}

static int check_stamps(struct look *l, struct verify_refusal *no)
{
    if (l->p->nstamps > VERIFY_ENTRIES_MAX)
        return refuse(no, TOO_LARGE, "more than %d timestamps", VERIFY_ENTRIES_MAX);
    for (size_t i = 0; i < l->p->nstamps; i++)
        if (check_stamp(l, l->p->stamps[i], no) < 0)
            return -1;
    return 0;
}

/* The keys of the logs that were seen are trusted for all the times; a log that signs none, as
 * Rekor v2, is so by the timestamps alone. */
static int check_log_windows(const struct look *l, struct verify_refusal *no)
{
    for (unsigned i = 0; i < l->t->tlogs.n; i++) {
        const struct trust_log *log = &l->t->tlogs.at[i];

        if ((l->logs >> i & 1) == 0)
            continue;
        for (size_t k = 0; k < l->ntimes; k++)
            if (!trust_covers(log->window, l->times[k]))
                return refuse(no, TIME,
                              "signed at a time that the key of the log " SL_FMT
                              " is not trusted for",
                              SL_ARG(log->host));
    }
    return 0;
}

static int check_signer(struct look *l, struct verify_fact *fact, struct verify_refusal *no)
{
    struct cert_times times = {l->times, l->ntimes};
    X509 *issuer = NULL;
    int status;

    if (l->ntimes == 0)
        return refuse(no, TIME,
                      "nothing proves when it was signed: neither a log's promise nor a timestamp");
    if (cert_chain(l->t, l->leaf, l->helpers, times, &issuer, no) < 0)
        return -1;
    status = sct_verify(l->t, l->leaf, issuer, &fact->nscts, no);
    X509_free(issuer);
    if (status < 0)
        return -1;
    fact->signer = VERIFY_BY_IDENTITY;
    return identity_read(l->leaf, l->arena, &fact->identity, no);
}

static int check_key_window(const struct look *l, struct verify_fact *fact,
                            struct verify_refusal *no)
{
    struct trust_window w = l->window;

    if (l->ntimes == 0 && (w.from_s > 0 || w.until_s != INT64_MAX))
        return refuse(no, TIME,
                      "the key is trusted for a limited time, and nothing proves when it signed");
    for (size_t i = 0; i < l->ntimes; i++)
        if (!trust_covers(w, l->times[i]))
            return refuse(no, TIME, "the key is not trusted for the time that it signed at");
    fact->signer = VERIFY_BY_KEY;
    fact->key_id = pg_copy(l->arena, sl_str(l->key->id));
    return 0;
}

static int look_at(struct look *l, struct verify_fact *fact, struct verify_refusal *no)
{
    bool by_cert = l->p->by_cert;

    if (l->p->signature.n == 0)
        return refuse(no, SIGNATURE, "the signature is empty");
    if (by_cert && (read_cert(l, no) < 0 || check_cert_signature(l, no) < 0))
        return -1;
    if (!by_cert && find_key(l, no) < 0)
        return -1;
    if ((by_cert || l->t->has_root) &&
        (check_entries(l, no) < 0 || check_stamps(l, no) < 0 || check_log_windows(l, no) < 0))
        return -1;
    if ((by_cert ? check_signer(l, fact, no) : check_key_window(l, fact, no)) < 0)
        return -1;
    fact->nlogs = (unsigned)__builtin_popcountll(l->logs);
    fact->nstamps = (unsigned)__builtin_popcountll(l->authorities);
    fact->not_after_s = INT64_MAX;
    fact->signed_at_s = 0;
    for (size_t i = 0; i < l->ntimes; i++)
        if (l->times[i] > fact->signed_at_s)
            fact->signed_at_s = l->times[i];
    return 0;
}

int proof_verify(const struct proof *p, const struct verify_question *q, struct pg_arena *arena,
                 struct verify_fact *fact, struct verify_refusal *no)
{
    struct look l = {.p = p, .t = q->trust, .o = q->options, .arena = arena};
    int status = look_at(&l, fact, no);

    X509_free(l.leaf);
    sk_X509_pop_free(l.helpers, X509_free);
    key_free(l.leaf_key);
    return status;
}
