/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One folder in the layout of the Sigstore conformance suite, verified as a policy would have it:
 * one transparency log and, for certificates, one certificate log, unless policy.json says
 * otherwise.
 */
#pragma once

#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness/stamp_asker.h"
#include "signing/verify.h"

#define BUNDLE_CASE_TEXT 1200

/* Files that a folder may lack. */
struct bundle_case_defaults {
    const char *artifact, *root, *identity, *issuer;
};

/* NULL: there is no such file; else to be freed. */
static char *bundle_case_read(const char *folder, const char *name, size_t *n_r)
{
    char path[512];
    FILE *f;
    char *bytes;
    long n;

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    f = fopen(path, "rb");
    if (f == NULL)
        return NULL;
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    n = ftell(f);
    assert_true(n >= 0);
    rewind(f);
    bytes = calloc(1, (size_t)n + 1);
    assert_int_equal(fread(bytes, 1, (size_t)n, f), n);
    (void)fclose(f);
    *n_r = (size_t)n;
    return bytes;
}

static struct sl bundle_case_file(const char *folder, const char *name, const char *otherwise)
{
    size_t n = 0;
    char *bytes = bundle_case_read(folder, name, &n);

    if (bytes == NULL && otherwise != NULL)
        bytes = bundle_case_read("", otherwise, &n);
    return (struct sl){bytes, n};
}

static int bundle_case_number(const json_t *policy, const char *name, int otherwise)
{
    const json_t *value = json_object_get(policy, name);

    return json_is_integer(value) ? (int)json_integer_value(value) : otherwise;
}

/* What a policy would find missing; NULL: nothing. */
static __attribute__((unused)) const char *bundle_case_judge(const struct verify_fact *f,
                                                             bool by_key, struct sl identity,
                                                             struct sl issuer, const json_t *policy)
{
    const char *predicate = json_string_value(json_object_get(policy, "predicateType"));
    bool is_mail = identity.p != NULL && memchr(identity.p, '@', identity.n) != NULL &&
                   memmem(identity.p, identity.n, "://", 3) == NULL;

    if (by_key != (f->signer == VERIFY_BY_KEY))
        return "policy: signer";
    if (!by_key && (!sl_eq(f->identity.subject, identity) || !sl_eq(f->identity.issuer, issuer) ||
                    (f->identity.type == VERIFY_SAN_EMAIL) != is_mail))
        return "policy: identity";
    if ((int)f->nlogs < bundle_case_number(policy, "tlog", 1))
        return "policy: logs";
    if (!by_key && (int)f->nscts < bundle_case_number(policy, "sct", 1))
        return "policy: certificate logs";
    if (predicate != NULL && !sl_eq(f->predicate_type, sl_str(predicate)))
        return "policy: predicate";
    return NULL;
}

static __attribute__((unused)) struct trust *bundle_case_trust(struct sl root, struct sl key,
                                                               char *text)
{
    char id[TRUST_ID_DIGITS + 1];
    struct trust *t = trust_new();
    struct pg_err err = {0};

    if ((key.p != NULL && trust_add_key(t, "key.pub", key, TRUST_ALWAYS, id, &err) < 0) ||
        trust_add_root(t, "trusted_root.json", root, &err) < 0) {
        (void)snprintf(text, BUNDLE_CASE_TEXT, "%s", err.msg);
        pg_err_clear(&err);
        trust_unref(t);
        return NULL;
    }
    return t;
}

/* "ok", the code of the refusal, "trust", or what a policy would say; text says more. */
static __attribute__((unused)) const char *bundle_case_verify(struct sl bundle, struct sl artifact,
                                                              const struct trust *t, bool pss,
                                                              struct pg_arena *arena,
                                                              struct verify_fact *f_r, char *text)
{
    struct verify_subject s = {.digest = digest_of(PG_SHA256, artifact), .manifest = artifact};
    struct verify_evidence e = {.format = VERIFY_BUNDLE, .bytes = bundle};
    struct verify_options o = {.now_s = 1, .rsa_pss = pss, .timestamps = &stamp_asker};
    struct verify_question q = {&s, &e, t, &o};
    struct verify_refusal no = {0};
    const char *said;

    text[0] = '\0';
    if (verify_evidence(&q, arena, f_r, &no) == 1)
        return "ok";
    (void)snprintf(text, BUNDLE_CASE_TEXT, "%s", no.err.msg);
    said = verify_reason_code(no.reason);
    pg_err_clear(&no.err);
    return said;
}

/* Everything of one folder. */
static __attribute__((unused)) const char *
bundle_case_run(const char *folder, const struct bundle_case_defaults *d, char *text)
{
    struct sl bundle = bundle_case_file(folder, "bundle.sigstore.json", NULL);
    struct sl artifact = bundle_case_file(folder, "artifact", d->artifact);
    struct sl root = bundle_case_file(folder, "trusted_root.json", d->root);
    struct sl key = bundle_case_file(folder, "key.pub", NULL);
    struct sl identity = bundle_case_file(folder, "identity", NULL);
    struct sl issuer = bundle_case_file(folder, "issuer", NULL);
    struct sl rules = bundle_case_file(folder, "policy.json", NULL);
    json_t *policy = rules.p != NULL ? json_loadb(rules.p, rules.n, 0, NULL) : NULL;
    struct trust *t = bundle_case_trust(root, key, text);
    struct verify_fact f = {0};
    const char *said = "trust", *missing;
    struct pg_arena arena;

    assert_non_null(bundle.p);
    assert_non_null(artifact.p);
    pg_arena_init(&arena, VERIFY_ARENA_BYTES);
    if (t != NULL)
        said = bundle_case_verify(
            bundle, artifact, t, json_object_get(policy, "keyAlgorithm") != NULL, &arena, &f, text);
    if (strcmp(said, "ok") == 0) {
        missing = bundle_case_judge(&f, key.p != NULL,
                                    identity.p != NULL ? identity : sl_str(d->identity),
                                    issuer.p != NULL ? issuer : sl_str(d->issuer), policy);
        said = missing != NULL ? missing : said;
    }
    assert_false(arena.over);
    json_decref(f.annotations);
    json_decref(policy);
    pg_arena_free(&arena);
    trust_unref(t);
    for (struct sl *s =
             (struct sl[]){bundle, artifact, root, key, identity, issuer, rules, {NULL, 1}};
         s->p != NULL || s->n == 0; s++)
        free((char *)(uintptr_t)s->p);
    return said;
}
