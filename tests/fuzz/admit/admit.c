/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random evidence, from the documents that upstream sends to the gate's answer. The first eight
 * bytes say which document answers which question; the documents follow, with lines of %% between
 * them; the first is the manifest that is asked about. By a key that signed nothing, nothing
 * passes; by one that signed, only what somebody's document names; as evidence, only what names
 * another.
 */
#include "harness/policy_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cache/index_int.h"
#include "cache/overlay_int.h"
#include "proxy/admit/gate.h"
#include "signing/trust.h"

#define DOCUMENTS_MAX 8
#define CONTROLS      8
#define STEPS_MAX     1000
#define NOW_S         1700000000
#define BUILDER                                                                                    \
    "-----BEGIN PUBLIC KEY-----\\n"                                                                \
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEuVASLi9BHrxFoRNDkBF0R+MZofPt\\n"                          \
    "/FPVfkZ8zWl12I15GPOa7dEZo20fBOLSHzTeLqoTUOubebRrF7sbxcVtkg==\\n"                              \
    "-----END PUBLIC KEY-----\\n"
#define NOBODY                                                                                     \
    "-----BEGIN PUBLIC KEY-----\\n"                                                                \
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAENzxeGxxHDitZC+C84Yh9VT5LOpeS\\n"                          \
    "b0S7YvFytILcaJz6Q+JzNzTLiyjjLIBo9nPQkPOBd1k2wAUvJ15CAeBvQg==\\n"                              \
    "-----END PUBLIC KEY-----\\n"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct store store;
static struct config_admission by_builder, by_nobody;
static struct trust *trusts[2];

struct documents {
    const uint8_t *controls;
    struct pg_bytes *all[DOCUMENTS_MAX];
    unsigned n, steps;
};

/* ---- what is asked by ---------------------------------------------------------------------- */

static int add_key(void *context, const struct policy_pem *pem, unsigned trust, char id_r[65],
                   struct pg_err *err)
{
    (void)trust;
    return trust_add_key(context, "key", pem->text, TRUST_ALWAYS, id_r, err);
}

static void make(struct config_admission *a, unsigned i, const char *policy)
{
    struct policy_source source = world;
    struct pg_err err = {0};

    trusts[i] = trust_new();
    source.key = add_key;
    source.context = trusts[i];
    PG_CHECK(policy_load("p.yaml", sl_str(policy), &source, &a->policy, &err) == 0);
    a->trusts = &trusts[i];
    a->ntrusts = 1;
    a->revision[0] = (uint8_t)(i + 1);
}

#define POLICY(pem)                                                                                \
    "default: deny\n"                                                                              \
    "rules:\n"                                                                                     \
    "- name: keys\n"                                                                               \
    "  match: {repositories: [\"docker.io/library/*\"]}\n"                                         \
    "  require: {signature: {any_of: [{key: \"" pem "\"}]}}\n"

static void setup(void)
{
    static const char *const files[] = {"data.mdb", "lock.mdb"};
    char path[] = "/tmp/pullgate-fuzz-XXXXXX", file[64];
    struct index_config c = {.path = path};
    struct pg_err err = {0};

    if (store.index != NULL)
        return;
    pg_hash_setup();
    PG_CHECK(mkdtemp(path) != NULL);
    PG_CHECK(index_open(&c, &store.index, &err) == 0);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) { /* nothing is left behind */
        (void)snprintf(file, sizeof(file), "%s/%s", path, files[i]);
        PG_CHECK(unlink(file) == 0);
    }
    PG_CHECK(rmdir(path) == 0);
    store.overlay = overlay_new();
    make(&by_builder, 0, POLICY(BUILDER));
    make(&by_nobody, 1, POLICY(NOBODY));
}

/* ---- what upstream says -------------------------------------------------------------------- */

static void split(struct documents *docs, const uint8_t *data, size_t size)
{
    static const char between[] = "\n%%\n";
    struct sl rest = {(const char *)data + CONTROLS, size - CONTROLS};

    *docs = (struct documents){.controls = data};
    while (docs->n < DOCUMENTS_MAX) {
        const char *end = memmem(rest.p, rest.n, between, sizeof(between) - 1);
        struct sl one = end != NULL ? (struct sl){rest.p, (size_t)(end - rest.p)} : rest;

        docs->all[docs->n++] = pg_bytes_new(one);
        if (end == NULL)
            break;
        rest = (struct sl){end + sizeof(between) - 1, rest.n - one.n - (sizeof(between) - 1)};
    }
}

/* A manifest or a blob that is asked for by its digest is that, or it is not there. */
static struct pg_bytes *find(const struct documents *docs, const struct digest *d)
{
    for (unsigned i = 0; i < docs->n; i++) {
        struct digest one = digest_of(d->alg, pg_bytes_sl(docs->all[i]));

        if (digest_eq(&one, d))
            return docs->all[i];
    }
    return NULL;
}

static void answer(struct documents *docs, struct evidence *e, const struct evidence_step *step)
{
    unsigned control = docs->controls[docs->steps++ % CONTROLS] % (docs->n + 2);
    struct evidence_answer a = {.outcome = EVIDENCE_FOUND, .media_type = SL("")};

    if (step->what == EVIDENCE_TAG || step->what == EVIDENCE_REFERRERS)
        a.bytes = control < docs->n ? docs->all[control] : NULL;
    else
        a.bytes = find(docs, &step->digest);
    if (a.bytes == NULL) {
        a.outcome = control == docs->n + 1 ? EVIDENCE_FAILED : EVIDENCE_ABSENT;
        a.trouble = "upstream answers 500";
    }
    evidence_put(e, step->id, &a);
}

static struct dossier *look(struct documents *docs, const struct gate_question *q,
                            const struct gate_result *r)
{
    const struct policy_wants *w = &r->scope.wants;
    const struct evidence_wants wants = {.simple = w->simple && w->signatures,
                                         .envelope = w->simple && w->attestations,
                                         .bundle = w->bundle,
                                         .notation = w->notation};
    struct evidence *e =
        r->scope.as_evidence ? evidence_new_of(&r->needs) : evidence_new(&r->needs, &wants);
    struct dossier_input in = {.evidence = e,
                               .subject = r->needs,
                               .repository = q->repository,
                               .media_type = SL(""),
                               .manifest = find(docs, &r->needs),
                               .admission = q->admission,
                               .scope = r->scope,
                               .now_s = NOW_S,
                               .now_ms = q->now_ms};
    struct evidence_step step;
    struct dossier *d;

    while (evidence_next(e, &step)) {
        PG_CHECK(docs->steps < STEPS_MAX);
        answer(docs, e, &step);
    }
    d = dossier_new(&in);
    evidence_free(e);
    return d;
}

/* ---- what may come of it ------------------------------------------------------------------- */

static bool names(const struct documents *docs, const struct digest *d)
{
    char text[DIGEST_TEXT_MAX];
    struct sl hex = digest_write(d, text);

    hex = (struct sl){hex.p + 7, hex.n - 7};
    for (unsigned i = 0; i < docs->n; i++) {
        struct sl one = pg_bytes_sl(docs->all[i]);

        if (memmem(one.p, one.n, hex.p, hex.n) != NULL)
            return true;
    }
    return false;
}

static void ask(struct documents *docs, const struct config_admission *admission, bool is_nobody)
{
    struct digest d = digest_of(PG_SHA256, pg_bytes_sl(docs->all[0]));
    struct shelf *shelf = shelf_new(64);
    struct gate_question q = {.store = &store,
                              .shelf = shelf,
                              .admission = admission,
                              .repository = SL("docker.io/library/app"),
                              .digest = d,
                              .sha256 = d,
                              .manifest = pg_bytes_sl(docs->all[0]),
                              .now_s = NOW_S,
                              .now_ms = 1000,
                              .ttl_ms = 300000};
    struct gate_result r;
    struct pg_arena arena;

    pg_arena_init(&arena, (size_t)16 << 20);
    docs->steps = 0;
    for (;;) {
        gate_manifest(&q, &arena, &r);
        if (r.answer != GATE_NEEDS || q.nfresh == GATE_FRESH_MAX)
            break;
        q.fresh[q.nfresh] = look(docs, &q, &r);
        PG_CHECK(!is_nobody || q.fresh[q.nfresh]->nsigned == 0);
        PG_CHECK(q.fresh[q.nfresh]->nsigned == 0 || names(docs, &q.fresh[q.nfresh]->subject));
        PG_CHECK(!q.fresh[q.nfresh]->is_evidence || names(docs, &q.fresh[q.nfresh]->about));
        shelf_put(shelf, q.fresh[q.nfresh++]);
    }
    if (r.answer == GATE_ALLOWS)
        PG_CHECK(r.is_evidence || (!is_nobody && names(docs, &d)));
    while (q.nfresh > 0)
        dossier_unref(q.fresh[--q.nfresh]);
    pg_arena_free(&arena);
    shelf_free(shelf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct documents docs;

    if (size < CONTROLS)
        return 0;
    setup();
    split(&docs, data, size);
    ask(&docs, &by_builder, false);
    ask(&docs, &by_nobody, true);
    for (unsigned i = 0; i < docs.n; i++)
        pg_bytes_unref(docs.all[i]);
    return 0;
}
