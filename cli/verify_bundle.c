/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verify_bundle.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "cli/asker.h"
#include "cli/input.h"
#include "cli/print.h"
#include "signing/verify.h"

#define ARTIFACT_MAX ((size_t)256 << 20)

struct look {
    const struct command_signed *asked;
    struct asker asker;
    struct trust *trust;
    struct pg_buf bundle, artifact;
    struct verify_subject subject;
    struct pg_arena arena;
};

static int refuse_args(const struct command_args *args)
{
    const struct command_signed *a = &args->signature;
    bool by_identity = a->identity != NULL || a->issuer != NULL;

    if (a->bundle == NULL || args->noperands != 1) {
        return print_failure("verify-bundle needs --bundle FILE and one FILE or DIGEST that it is "
                             "about");
    }
    if ((a->key != NULL) == by_identity ||
        (by_identity && (a->identity == NULL || a->issuer == NULL))) {
        return print_failure("verify-bundle needs --key FILE, or --certificate-identity NAME with "
                             "--certificate-oidc-issuer URL");
    }
    if (a->trusted_root == NULL) {
        return print_failure("verify-bundle needs --trusted-root FILE: none is built in, and none "
                             "is fetched");
    }
    return COMMAND_GOOD;
}

/* ---- what goes in -------------------------------------------------------------------------- */

/* What looks like a digest and is no file is one. */
static int read_subject(struct look *l, const char *text, struct pg_err *err)
{
    struct pg_err no_digest = {0};
    bool is_digest = digest_parse(sl_str(text), &l->subject.digest, &no_digest) == 0 &&
                     l->subject.digest.alg == PG_SHA256 && access(text, F_OK) != 0;

    pg_err_clear(&no_digest);
    if (is_digest) {
        return 0;
    }
    if (input_read(text, &l->artifact, err) < 0) {
        return -1;
    }
    l->subject.manifest = pg_buf_sl(&l->artifact);
    l->subject.digest = digest_of(PG_SHA256, l->subject.manifest);
    return 0;
}

static int read_trust(struct look *l, struct pg_err *err)
{
    char id[TRUST_ID_DIGITS + 1];
    struct pg_buf root, key;

    l->trust = trust_new();
    pg_buf_init(&root, TRUST_FILE_MAX);
    pg_buf_init(&key, TRUST_FILE_MAX);
    int rc = input_read(l->asked->trusted_root, &root, err);
    rc = rc < 0 ? rc : trust_add_root(l->trust, l->asked->trusted_root, pg_buf_sl(&root), err);
    if (rc == 0 && l->asked->key != NULL) {
        rc = input_read(l->asked->key, &key, err);
        rc = rc < 0
                 ? rc
                 : trust_add_key(l->trust, l->asked->key, pg_buf_sl(&key), TRUST_ALWAYS, id, err);
    }
    pg_buf_free(&root);
    pg_buf_free(&key);
    return rc;
}

/* ---- is it what was wanted? ---------------------------------------------------------------- */

/* NULL: it is. */
static const char *lacks(const struct command_signed *a, const struct verify_fact *f)
{
    if (f->nlogs == 0) {
        return "it is not in a transparency log";
    }
    if (a->key != NULL) {
        return f->signer == VERIFY_BY_KEY ? NULL
                                          : "it is signed with a certificate, not by the key";
    }
    if (f->signer != VERIFY_BY_IDENTITY) {
        return "it is signed by a bare key, not with a certificate";
    }
    if (!sl_eq(f->identity.issuer, sl_str(a->issuer))) {
        return "another issuer vouches for who signed it";
    }
    if (!sl_eq(f->identity.subject, sl_str(a->identity))) {
        return "it is signed by another identity";
    }
    return f->nscts == 0 ? "its certificate is not in a certificate log" : NULL;
}

static int say(const char *what, struct sl why)
{
    struct pg_buf out;

    pg_buf_init(&out, PRINT_BYTES_MAX);
    (void)pg_buf_put(&out, sl_str(what));
    print_put_safe(why, &out);
    (void)pg_buf_put(&out, SL("\n"));
    int rc = print_out(pg_buf_sl(&out));
    pg_buf_free(&out);
    return rc;
}

static int judge(struct look *l)
{
    const struct verify_evidence e = {.format = VERIFY_BUNDLE, .bytes = pg_buf_sl(&l->bundle)};
    const struct verify_options o = {.now_s = pg_clock_wall_s(), .timestamps = &l->asker.stamp};
    const struct verify_question q = {&l->subject, &e, l->trust, &o};
    struct verify_refusal no = {0};
    struct verify_fact fact = {0};

    if (verify_evidence(&q, &l->arena, &fact, &no) == 0) {
        (void)say("not verified: ", sl_str(no.err.msg));
        pg_err_clear(&no.err);
        return COMMAND_FOUND;
    }
    const char *why = lacks(l->asked, &fact);
    int rc = why != NULL ? say("not verified: ", sl_str(why)) : say("verified", SL(""));
    json_decref(fact.annotations);
    return rc < 0 ? COMMAND_CANNOT : why != NULL ? COMMAND_FOUND : COMMAND_GOOD;
}

int verify_bundle_run(const struct command_args *args)
{
    struct look l = {.asked = &args->signature};
    struct pg_err err = {0};
    int rc = refuse_args(args);

    if (rc != COMMAND_GOOD) {
        return rc;
    }
    pg_hash_setup();
    pg_arena_init(&l.arena, VERIFY_ARENA_BYTES);
    pg_buf_init(&l.bundle, VERIFY_STATEMENT_MAX);
    pg_buf_init(&l.artifact, ARTIFACT_MAX);
    if (asker_open(&l.asker, &err) < 0 || read_trust(&l, &err) < 0 ||
        input_read(l.asked->bundle, &l.bundle, &err) < 0 ||
        read_subject(&l, args->operands[0], &err) < 0) {
        rc = print_failure("%s", err.msg);
        pg_err_clear(&err);
    } else {
        rc = judge(&l);
    }
    trust_unref(l.trust);
    asker_close(&l.asker);
    pg_buf_free(&l.bundle);
    pg_buf_free(&l.artifact);
    pg_arena_free(&l.arena);
    return rc;
}
