/* SPDX-License-Identifier: Apache-2.0 */
#include "signing/trust_int.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "signing/trust_notation_int.h"
#include "signing/trust_root_int.h"

#define CERT_MAX ((size_t)64 << 10)

struct trust *trust_new(void)
{
    struct trust *t = calloc(1, sizeof(*t));

    PG_CHECK(t != NULL);
    pg_hash_setup();
    atomic_init(&t->refs, 1);
    pg_arena_init(&t->arena, TRUST_ARENA_MAX);
    return t;
}

struct trust *trust_ref(struct trust *t)
{
    unsigned before = atomic_fetch_add(&t->refs, 1);

    PG_CHECK(before > 0);
    return t;
}

static void free_logs(struct trust_logs *logs)
{
    for (unsigned i = 0; i < logs->n; i++)
        key_free(logs->at[i].key);
}

void trust_unref(struct trust *t)
{
    unsigned before;

    if (t == NULL)
        return;
    before = atomic_fetch_sub(&t->refs, 1);
    PG_CHECK(before > 0);
    if (before > 1)
        return;
    for (unsigned i = 0; i < t->nkeys; i++)
        key_free(t->keys[i].key);
    free_logs(&t->tlogs);
    free_logs(&t->ctlogs);
    for (unsigned i = 0; i < t->ncas; i++) {
        X509_STORE_free(t->cas[i].anchor);
        sk_X509_pop_free(t->cas[i].intermediates, X509_free);
    }
    trust_notation_free(t->notation);
    free(t->notes);
    pg_arena_free(&t->arena);
    free(t);
}

int trust_note(struct trust *t, struct sl kind, struct sl bytes, struct pg_err *err)
{
    struct pg_hash *h;
    uint64_t nkind = kind.n;

    if (t->nnotes == TRUST_FILES_MAX)
        return pg_fail(err, PG_E_DENIED, "more than %d keys and files", TRUST_FILES_MAX);
    t->notes = realloc(t->notes, (t->nnotes + 1) * sizeof(*t->notes));
    PG_CHECK(t->notes != NULL);
    h = pg_hash_new(PG_SHA256);
    pg_hash_update(h, &nkind, sizeof(nkind));
    pg_hash_update(h, kind.p, kind.n);
    pg_hash_update(h, bytes.p, bytes.n);
    pg_hash_final(h, t->notes[t->nnotes++]);
    pg_hash_free(h);
    return 0;
}

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, 32);
}

void trust_revision(const struct trust *t, uint8_t sha256_r[32])
{
    struct pg_hash *h = pg_hash_new(PG_SHA256);
    size_t bytes = t->nnotes * sizeof(*t->notes);
    uint8_t(*sorted)[32] = malloc(bytes + 1);

    PG_CHECK(sorted != NULL);
    if (bytes > 0) {
        memcpy(sorted, t->notes, bytes);
        qsort(sorted, t->nnotes, sizeof(*sorted), by_bytes);
    }
    for (unsigned i = 0; i < t->nnotes; i++)
        if (i == 0 || memcmp(sorted[i], sorted[i - 1], sizeof(*sorted)) != 0)
            pg_hash_update(h, sorted[i], sizeof(*sorted));
    pg_hash_final(h, sha256_r);
    pg_hash_free(h);
    free(sorted);
}

bool trust_has_root(const struct trust *t)
{
    return t->has_root;
}

int trust_blame(const char *file, struct sl text, struct sl at, struct pg_err *err)
{
    size_t end = (size_t)(at.p - text.p), column = 1, line = 1;

    PG_CHECK(end <= text.n);
    for (size_t i = 0; i < end; i++) {
        column = text.p[i] == '\n' ? 1 : column + 1;
        line += text.p[i] == '\n';
    }
    return pg_wrap(err, "%s:%zu:%zu", file, line, column);
}

X509 *trust_read_cert(struct sl der)
{
    const unsigned char *p = (const unsigned char *)der.p;
    X509 *cert = der.n > 0 && der.n <= CERT_MAX ? d2i_X509(NULL, &p, (long)der.n) : NULL;

    ERR_clear_error();
    if (cert != NULL && p != (const unsigned char *)der.p + der.n) {
        X509_free(cert);
        return NULL;
    }
    /* The first look reads its extensions, so that threads that share it later only read. */
    if (cert != NULL)
        (void)X509_get_extension_flags(cert);
    return cert;
}

/* NULL: it is not among them. */
static const struct trust_key *find_key(const struct trust *t, const struct key *k)
{
    for (unsigned i = 0; i < t->nkeys; i++)
        if (memcmp(t->keys[i].key->sha256, k->sha256, sizeof(k->sha256)) == 0)
            return &t->keys[i];
    return NULL;
}

int trust_add_key(struct trust *t, const char *file, struct sl pem, struct trust_window window,
                  char id_r[TRUST_ID_DIGITS + 1], struct pg_err *err)
{
    const struct trust_key *known;
    struct sl at = pem;
    struct key *k;
    char kind[64];
    int n;

    if (pem.n > TRUST_FILE_MAX)
        return pg_fail(err, PG_E_DENIED, "%s: larger than %zu bytes", file, TRUST_FILE_MAX);
    if (key_from_pem(&at, &k, err) < 0)
        return trust_blame(file, pem, at, err);
    memcpy(id_r, k->id, sizeof(k->id));
    known = find_key(t, k);
    if (known != NULL) {
        bool is_same =
            known->window.from_s == window.from_s && known->window.until_s == window.until_s;

        key_free(k);
        return is_same ? 0
                       : pg_fail(err, PG_E_DENIED,
                                 "%s: the key is trusted already, for another time", file);
    }
    n = snprintf(kind, sizeof(kind), "key %lld %lld", (long long)window.from_s,
                 (long long)window.until_s);
    if (t->nkeys == TRUST_KEYS_MAX ||
        trust_note(t, (struct sl){kind, (size_t)n}, k->spki, err) < 0) {
        key_free(k);
        return pg_fail(err, PG_E_DENIED, "%s: more than %d keys", file, TRUST_KEYS_MAX);
    }
    t->keys[t->nkeys++] = (struct trust_key){.key = k, .window = window};
    return 0;
}

int trust_pad_key(struct trust *t, const char id[TRUST_ID_DIGITS + 1], bool pss, struct pg_err *err)
{
    struct trust_key *k = NULL;

    for (unsigned i = 0; i < t->nkeys && k == NULL; i++)
        k = strcmp(t->keys[i].key->id, id) == 0 ? &t->keys[i] : NULL;
    PG_CHECK(k != NULL);
    if (pss && k->key->kind != KEY_RSA)
        return pg_fail(err, PG_E_DENIED, "the key is no RSA key: only those sign with PSS");
    if (k->padding == (pss ? TRUST_PADS_PKCS1 : TRUST_PADS_PSS))
        return pg_fail(err, PG_E_DENIED,
                       "the same key signs with PSS in one place and without in another");
    if (pss && k->padding != TRUST_PADS_PSS &&
        trust_note(t, SL("pss"), (struct sl){id, TRUST_ID_DIGITS}, err) < 0)
        return -1;
    k->padding = pss ? TRUST_PADS_PSS : TRUST_PADS_PKCS1;
    return 0;
}

int trust_add_root(struct trust *t, const char *file, struct sl json, struct pg_err *err)
{
    if (json.n > TRUST_FILE_MAX)
        return pg_fail(err, PG_E_DENIED, "%s: larger than %zu bytes", file, TRUST_FILE_MAX);
    if (trust_root_add(t, json, err) < 0 || trust_note(t, SL("trusted root"), json, err) < 0)
        return pg_wrap(err, "%s", file);
    t->has_root = true;
    return 0;
}

int trust_add_store(struct trust *t, struct sl type, struct sl name, const char *file,
                    struct sl bytes, struct pg_err *err)
{
    return trust_notation_add_store(t, type, name, file, bytes, err);
}

int trust_add_crl(struct trust *t, const char *file, struct sl bytes, struct pg_err *err)
{
    return trust_notation_add_crl(t, file, bytes, err);
}

int trust_set_notation(struct trust *t, const char *file, struct sl json, struct pg_err *err)
{
    return trust_notation_set(t, file, json, err);
}
