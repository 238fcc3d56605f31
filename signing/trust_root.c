/* SPDX-License-Identifier: Apache-2.0 */
#include "signing/trust_root_int.h"

#include "base/json.h"
#include "base/moment.h"
#include "signing/field_int.h"

/* {"start": ..., "end": ...}; the start has to be there. */
static int read_window(const json_t *of, struct trust_window *w_r, struct pg_err *err)
{
    const json_t *valid;
    struct sl start, end;
    int has_end;

    if (field_object(of, "validFor", &valid) <= 0 || field_text(valid, "start", &start) <= 0 ||
        !moment_parse(start, &w_r->from_s))
        return pg_fail(err, PG_E_DENIED, "validFor.start is missing, or not a time of RFC 3339");
    has_end = field_text(valid, "end", &end);
    w_r->until_s = INT64_MAX;
    if (has_end < 0 || (has_end > 0 && !moment_parse(end, &w_r->until_s)))
        return pg_fail(err, PG_E_DENIED, "validFor.end is not a time of RFC 3339");
    if (w_r->until_s < w_r->from_s)
        return pg_fail(err, PG_E_DENIED, "validFor ends before it starts");
    return 0;
}

static int read_key(const json_t *key, struct pg_arena *arena, struct key **key_r,
                    struct pg_err *err)
{
    struct sl details, der;

    if (field_text(key, "keyDetails", &details) <= 0)
        return pg_fail(err, PG_E_DENIED, "publicKey.keyDetails is missing");
    if (field_bytes(key, "rawBytes", arena, &der) <= 0)
        return pg_fail(err, PG_E_DENIED, "publicKey.rawBytes is missing, or not base64");
    if (sl_starts(details, SL("PKCS1_")))
        return key_from_pkcs1(der, key_r, err);
    return key_from_spki(der, key_r, err);
}

/* What stands before a port. An IPv6 address is in brackets, which stay. */
static struct sl without_port(struct sl host)
{
    const char *colon = memrchr(host.p, ':', host.n);

    if (colon != NULL && memchr(colon, ']', (size_t)(host.p + host.n - colon)) == NULL)
        host.n = (size_t)(colon - host.p);
    return host;
}

/* https://HOST[:PORT][/...]: HOST, by which a log signs its checkpoints. */
static int read_host(const json_t *log, struct pg_arena *arena, struct sl *host_r,
                     struct pg_err *err)
{
    struct sl url;
    const char *slash;

    if (field_get(log, "baseUrl") == NULL) { /* only tiles' logs are known by it */
        *host_r = SL("(without baseUrl)");
        return 0;
    }
    if (field_text(log, "baseUrl", &url) <= 0)
        return pg_fail(err, PG_E_DENIED, "baseUrl is not a text");
    if (sl_starts(url, SL("https://")))
        url = (struct sl){url.p + 8, url.n - 8};
    else if (sl_starts(url, SL("http://")))
        url = (struct sl){url.p + 7, url.n - 7};
    else
        return pg_fail(err, PG_E_DENIED, "baseUrl is neither https:// nor http://");
    slash = memchr(url.p, '/', url.n);
    if (slash != NULL)
        url.n = (size_t)(slash - url.p);
    url = without_port(url);
    if (url.n == 0)
        return pg_fail(err, PG_E_DENIED, "baseUrl has no host");
    *host_r = pg_copy(arena, url);
    return 0;
}

static int read_ids(const json_t *log, struct pg_arena *arena, struct trust_log *l,
                    struct pg_err *err)
{
    const json_t *named;
    struct sl id;
    int status = field_object(log, "logId", &named);

    if (status <= 0 || field_bytes(named, "keyId", arena, &id) <= 0 || id.n != sizeof(l->id))
        return pg_fail(err, PG_E_DENIED, "logId.keyId is missing, or not 32 bytes in base64");
    memcpy(l->id, id.p, sizeof(l->id));
    memcpy(l->hint, id.p, sizeof(l->hint));
    status = field_object(log, "checkpointKeyId", &named);
    if (status == 0)
        return 0;
    if (status < 0 || field_bytes(named, "keyId", arena, &id) <= 0 || id.n < sizeof(l->hint))
        return pg_fail(err, PG_E_DENIED, "checkpointKeyId.keyId is not base64 of 4 bytes or more");
    memcpy(l->hint, id.p, sizeof(l->hint));
    return 0;
}

static int add_log(struct trust_logs *logs, const json_t *log, struct pg_arena *arena,
                   struct pg_err *err)
{
    struct trust_log *l = &logs->at[logs->n];
    struct sl hash;
    const json_t *key;

    if (logs->n == TRUST_LOGS_MAX)
        return pg_fail(err, PG_E_DENIED, "more than %d logs", TRUST_LOGS_MAX);
    if (field_text(log, "hashAlgorithm", &hash) <= 0 || !sl_eq(hash, SL("SHA2_256")))
        return pg_fail(err, PG_E_DENIED, "hashAlgorithm is not SHA2_256");
    if (field_object(log, "publicKey", &key) <= 0)
        return pg_fail(err, PG_E_DENIED, "publicKey is missing");
    if (read_host(log, arena, &l->host, err) < 0 || read_ids(log, arena, l, err) < 0 ||
        read_window(key, &l->window, err) < 0 || read_key(key, arena, &l->key, err) < 0)
        return -1;
    logs->n++;
    return 0;
}

/* The certificates of certChain, in its order: as DER in the arena. */
static int read_chain(const json_t *authority, struct pg_arena *arena, struct sl *certs,
                      unsigned *n_r, struct pg_err *err)
{
    const json_t *chain, *list, *cert;
    size_t i;

    if (field_object(authority, "certChain", &chain) <= 0 ||
        field_array(chain, "certificates", &list) <= 0 || json_array_size(list) == 0 ||
        json_array_size(list) > TRUST_CHAIN_MAX)
        return pg_fail(err, PG_E_DENIED, "certChain.certificates does not have 1 to %d of them",
                       TRUST_CHAIN_MAX);
    json_array_foreach(list, i, cert)
    {
        X509 *parsed = NULL;

        if (field_bytes(cert, "rawBytes", arena, &certs[i]) > 0)
            parsed = trust_read_cert(certs[i]);
        if (parsed == NULL)
            return pg_fail(err, PG_E_DENIED,
                           "certChain.certificates[%zu].rawBytes is not a certificate", i);
        X509_free(parsed);
    }
    *n_r = (unsigned)json_array_size(list);
    return 0;
}

static int add_ca(struct trust *t, const json_t *authority, struct pg_err *err)
{
    struct trust_ca *ca = &t->cas[t->ncas];
    struct sl certs[TRUST_CHAIN_MAX];
    X509 *anchor;
    unsigned n;

    if (t->ncas == TRUST_CAS_MAX)
        return pg_fail(err, PG_E_DENIED, "more than %d authorities", TRUST_CAS_MAX);
    if (read_window(authority, &ca->window, err) < 0 ||
        read_chain(authority, &t->arena, certs, &n, err) < 0)
        return -1;
    t->ncas++;
    ca->anchor = X509_STORE_new();
    ca->intermediates = sk_X509_new_null();
    anchor = trust_read_cert(certs[n - 1]);
    PG_CHECK(ca->anchor != NULL && ca->intermediates != NULL && anchor != NULL);
    PG_CHECK(X509_STORE_add_cert(ca->anchor, anchor) == 1);
    X509_free(anchor);
    for (unsigned i = 0; i + 1 < n; i++)
        PG_CHECK(sk_X509_push(ca->intermediates, trust_read_cert(certs[i])) > 0);
    return 0;
}

static int add_tsa(struct trust *t, const json_t *authority, struct pg_err *err)
{
    struct stamp_authority *a = &t->tsas[t->ntsas];
    struct trust_window w = {0};

    _Static_assert(TRUST_CHAIN_MAX == STAMP_CERTS_MAX, "one limit");
    if (t->ntsas == STAMP_AUTHORITIES_MAX)
        return pg_fail(err, PG_E_DENIED, "more than %d authorities", STAMP_AUTHORITIES_MAX);
    if (read_window(authority, &w, err) < 0 ||
        read_chain(authority, &t->arena, a->certs, &a->ncerts, err) < 0)
        return -1;
    a->from_s = w.from_s;
    a->until_s = w.until_s;
    t->ntsas++;
    return 0;
}

static int add_tlog(struct trust *t, const json_t *log, struct pg_err *err)
{
    return add_log(&t->tlogs, log, &t->arena, err);
}

static int add_ctlog(struct trust *t, const json_t *log, struct pg_err *err)
{
    return add_log(&t->ctlogs, log, &t->arena, err);
}

typedef int add_fn(struct trust *t, const json_t *item, struct pg_err *err);

static int add_all(struct trust *t, const json_t *root, const char *name, add_fn *add,
                   struct pg_err *err)
{
    const json_t *list, *item;
    int has = field_array(root, name, &list);
    size_t i;

    if (has < 0)
        return pg_fail(err, PG_E_DENIED, "%s is not a list", name);
    if (has == 0)
        return 0;
    json_array_foreach(list, i, item)
    {
        if (add(t, item, err) < 0)
            return pg_wrap(err, "%s[%zu]", name, i);
    }
    return 0;
}

int trust_root_add(struct trust *t, struct sl json, struct pg_err *err)
{
    _json_ json_t *root = NULL;
    struct sl type;

    if (pg_json_parse(json, PG_E_DENIED, &root, err) < 0)
        return -1;
    if (field_text(root, "mediaType", &type) <= 0 ||
        (!sl_eq(type, SL("application/vnd.dev.sigstore.trustedroot+json;version=0.1")) &&
         !sl_eq(type, SL("application/vnd.dev.sigstore.trustedroot+json;version=0.2")) &&
         !sl_eq(type, SL("application/vnd.dev.sigstore.trustedroot.v0.2+json"))))
        return pg_fail(err, PG_E_DENIED,
                       "mediaType is not that of a Sigstore trusted root, version 0.1 or 0.2");
    if (add_all(t, root, "tlogs", add_tlog, err) < 0 ||
        add_all(t, root, "ctlogs", add_ctlog, err) < 0 ||
        add_all(t, root, "certificateAuthorities", add_ca, err) < 0 ||
        add_all(t, root, "timestampAuthorities", add_tsa, err) < 0)
        return -1;
    if (t->tlogs.n == 0 && t->ncas == 0 && t->ntsas == 0)
        return pg_fail(err, PG_E_DENIED, "it names neither a log nor an authority");
    return 0;
}
