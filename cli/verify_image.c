/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verify_image.h"

#include <stdlib.h>

#include "base/hash.h"
#include "cli/asker.h"
#include "cli/cached.h"
#include "cli/config.h"
#include "cli/exam.h"
#include "cli/input.h"
#include "cli/policies.h"
#include "cli/print.h"
#include "cli/show.h"
#include "cli/trusts.h"
#include "oci/ref.h"

struct verify {
    const struct command_args *args;
    struct exam exam;
    struct layout *layout; /* or */
    struct cached *cached;
    struct asker asker;
    struct trust *trust; /* without a policy */
    struct trusts *trusts;
    struct policy *policy;
    struct trust *list[POLICY_TRUSTS_MAX];
    char key_id[TRUST_ID_DIGITS + 1];
};

/* ---- what is asked ------------------------------------------------------------------------- */

static int refuse_args(const struct command_args *args)
{
    const struct command_signed *a = &args->signature;
    bool by_identity = a->identity != NULL || a->issuer != NULL;

    int nwanted = (a->key != NULL) + by_identity + (a->policy != NULL);

    if (a->layout == NULL && args->noperands != 1) {
        return print_failure("verify needs one IMAGE, as it is named behind the proxy, or --layout "
                             "DIR:TAG: an OCI image layout and what of it is looked at");
    }
    if (nwanted > 1 || (nwanted == 0 && a->layout != NULL)) {
        return print_failure("verify needs one of --key FILE, --identity NAME with --issuer URL, "
                             "and --policy FILE: who has to have signed");
    }
    if (by_identity && (a->identity == NULL || a->issuer == NULL)) {
        return print_failure("--identity and --issuer go together: a name means little without who "
                             "vouches for it");
    }
    if (by_identity && a->trusted_root == NULL) {
        return print_failure("--identity needs --trusted-root FILE: Sigstore's trusted_root.json, "
                             "which says whose certificates and logs are believed");
    }
    if (nwanted - (a->policy != NULL) == 0 && a->type != NULL) {
        return print_failure("--type goes with --key and --identity; a policy says itself what it "
                             "wants");
    }
    if (nwanted == 0 && a->trusted_root != NULL) {
        return print_failure("--trusted-root goes with --identity, --key and --policy; the "
                             "configuration says itself what its policy trusts");
    }
    if (a->layout != NULL && (args->noperands > 1 || (args->noperands == 1 && a->policy == NULL))) {
        return print_failure(
            "with --layout and --policy, IMAGE is the one name by which the policy "
            "knows the image");
    }
    return COMMAND_GOOD;
}

/* "DIR:TAG" or "DIR@DIGEST". */
static int open_layout(struct verify *v, struct pg_err *err)
{
    struct exam *x = &v->exam;
    const char *text = v->args->signature.layout;
    const char *at = strstr(text, "@sha256:"), *colon = strrchr(text, ':');
    const char *cut = at != NULL ? at : colon;

    if (cut == NULL || cut == text || cut[1] == '\0' || strchr(cut, '/') != NULL) {
        return pg_fail(err, PG_E_NAME_INVALID, "--layout is DIR:TAG or DIR@sha256:..., not %s",
                       text);
    }
    char *dir = sl_dup((struct sl){text, (size_t)(cut - text)});
    int rc = layout_open(dir, &v->layout, err);
    free(dir);
    if (rc < 0 || at != NULL) {
        return rc < 0 ? rc : digest_parse(sl_str(at + 1), &x->digest, err);
    }
    x->tag = sl_str(cut + 1);
    rc = layout_find(v->layout, x->tag, &x->digest, err);
    return rc != 0 ? (rc > 0 ? 0 : -1)
                   : pg_fail(err, PG_E_MANIFEST_UNKNOWN, "nothing in %.*s is tagged " SL_FMT,
                             (int)(cut - text), text, SL_ARG(x->tag));
}

/* ---- who is trusted ------------------------------------------------------------------------ */

static int add_key(struct verify *v, const char *file, struct pg_err *err)
{
    struct pg_buf text;

    pg_buf_init(&text, TRUST_FILE_MAX);
    int rc = input_read(file, &text, err);
    rc =
        rc < 0 ? rc : trust_add_key(v->trust, file, pg_buf_sl(&text), TRUST_ALWAYS, v->key_id, err);
    pg_buf_free(&text);
    return rc;
}

static int add_root(struct verify *v, const char *file, struct pg_err *err)
{
    struct pg_buf text;

    pg_buf_init(&text, TRUST_FILE_MAX);
    int rc = input_read(file, &text, err);
    rc = rc < 0 ? rc : trust_add_root(v->trust, file, pg_buf_sl(&text), err);
    pg_buf_free(&text);
    return rc;
}

static int trust_one(struct verify *v, struct pg_err *err)
{
    const struct command_signed *a = &v->args->signature;
    struct exam_wanted *w = &v->exam.wanted;

    v->trust = trust_new();
    v->list[0] = v->trust;
    v->exam.ntrusts = 1;
    if ((a->trusted_root != NULL && add_root(v, a->trusted_root, err) < 0) ||
        (a->key != NULL && add_key(v, a->key, err) < 0)) {
        return -1;
    }
    w->key_id = a->key != NULL ? sl_str(v->key_id) : (struct sl){NULL, 0};
    w->identity = sl_str(a->identity);
    w->issuer = sl_str(a->issuer);
    if (a->type != NULL && strcmp(a->type, "signature") != 0) {
        w->predicate_type = sl_str(a->type);
    }
    return 0;
}

/* "docker.io/library/app[:TAG]": as it would be asked for upstream. */
static int name_image(struct verify *v, const char *text, struct pg_err *err)
{
    struct exam *x = &v->exam;
    struct sl name = sl_str(text);
    const char *slash = strrchr(text, '/'), *colon = strrchr(text, ':');

    if (colon != NULL && slash != NULL && colon > slash) {
        x->tag = sl_str(colon + 1);
        name.n = (size_t)(colon - text);
        if (ref_check_tag(x->tag, err) < 0) {
            return -1;
        }
    }
    const char *first = memchr(name.p, '/', name.n);
    struct sl host = {name.p, first != NULL ? (size_t)(first - name.p) : 0};
    if (first == NULL || !ref_looks_like_host(host)) {
        return pg_fail(err, PG_E_NAME_INVALID,
                       "%s does not begin with a registry: docker.io/library/app is meant to be "
                       "written whole",
                       text);
    }
    x->repository = name;
    return ref_check_name((struct sl){first + 1, name.n - host.n - 1}, err);
}

static int take_configured(struct verify *v, const struct config *c, struct pg_err *err)
{
    if (c->admission.policy == NULL) {
        return pg_fail(err, PG_E_INTERNAL,
                       "the configuration has no policy: say who has to have signed, with --key, "
                       "--identity and --issuer, or --policy");
    }
    for (unsigned i = 0; i < c->admission.ntrusts; i++) {
        v->list[i] = c->admission.trusts[i];
        v->exam.ntrusts = i + 1;
    }
    v->exam.policy = c->admission.policy;
    return 0;
}

static int load_policy(struct verify *v, const struct config *c, struct pg_err *err)
{
    PG_CHECK(c != NULL);
    if (v->args->signature.policy == NULL) {
        return take_configured(v, c, err);
    }
    if (policies_load(c, v->args->signature.policy, &v->trusts, &v->policy, err) < 0) {
        return -1;
    }
    for (unsigned i = 0; i < trusts_count(v->trusts); i++) {
        v->list[i] = trusts_get(v->trusts, i);
        v->exam.ntrusts = i + 1;
    }
    v->exam.policy = v->policy;
    return 0;
}

/* The trusted root of the command line comes before that of the configuration. */
static void put_root(const struct command_args *args, struct config_trust *t)
{
    if (args->signature.trusted_root == NULL) {
        return;
    }
    for (size_t i = 0; i < t->nroots; i++) {
        free(t->roots[i]);
    }
    free(t->roots);
    t->roots = calloc(1, sizeof(*t->roots));
    PG_CHECK(t->roots != NULL);
    char *real = realpath(args->signature.trusted_root, NULL);
    t->roots[0] = real != NULL ? real : sl_dup(sl_str(args->signature.trusted_root));
    t->nroots = 1;
}

/* ---- the command --------------------------------------------------------------------------- */

static int print_answer(const struct verify *v)
{
    struct pg_buf out;

    pg_buf_init(&out, PRINT_BYTES_MAX);
    (v->args->json ? exam_print_json : exam_print_text)(&v->exam, &out);
    int rc = print_out(pg_buf_sl(&out));
    pg_buf_free(&out);
    return rc < 0 ? COMMAND_CANNOT : v->exam.is_good ? COMMAND_GOOD : COMMAND_FOUND;
}

/* ---- what is looked at --------------------------------------------------------------------- */

static int open_cached(struct verify *v, const struct config *c, struct pg_err *err)
{
    struct exam *x = &v->exam;

    if (cached_open(v->args, c, v->args->operands[0], &v->cached, err) < 0 ||
        cached_find(v->cached, &x->digest, err) < 0) {
        return pg_wrap(err, "%s", v->args->operands[0]);
    }
    x->source = cached_source(v->cached);
    x->repository = cached_repository(v->cached);
    x->tag = cached_tag(v->cached);
    return 0;
}

static int open_source(struct verify *v, const struct config *c, struct pg_err *err)
{
    if (v->args->signature.layout == NULL) {
        return open_cached(v, c, err);
    }
    if (open_layout(v, err) < 0 ||
        (v->args->noperands > 0 && name_image(v, v->args->operands[0], err) < 0)) {
        return -1;
    }
    v->exam.source = source_of_layout(v->layout);
    if (v->exam.repository.p == NULL) {
        v->exam.repository = SL("localhost/layout");
    }
    return 0;
}

static bool is_by_policy(const struct command_signed *a)
{
    return a->key == NULL && a->identity == NULL;
}

/* c: NULL for a layout without a policy. */
static int run(struct verify *v, const struct config *c)
{
    bool by_policy = is_by_policy(&v->args->signature);
    struct pg_err err = {0};
    int rc;

    if (asker_open(&v->asker, &err) < 0 ||
        (by_policy ? load_policy(v, c, &err) : trust_one(v, &err)) < 0 ||
        open_source(v, c, &err) < 0) {
        rc = print_failure("%s", err.msg);
        pg_err_clear(&err);
        return rc;
    }
    v->exam.trusts = v->list;
    v->exam.stamp = &v->asker.stamp;
    if (exam_run(&v->exam, &err) < 0) {
        rc = print_failure("%s", err.msg);
        pg_err_clear(&err);
        return rc;
    }
    return print_answer(v);
}

static void end(struct verify *v)
{
    exam_free(&v->exam);
    cached_close(v->cached);
    layout_close(v->layout);
    policy_unref(v->policy);
    trusts_free(v->trusts);
    trust_unref(v->trust);
    asker_close(&v->asker);
}

/* The configuration has the trust of a policy, other names of registries, and where the store and
 * the server are. */
static int run_configured(struct verify *v)
{
    struct config_load load;
    struct pg_err err = {0};
    int rc = config_load(v->args->config_file, &load, &err);

    if (rc != 0) {
        rc = show_refusal(rc, &load, &err);
    } else {
        put_root(v->args, &load.config.admission.trust);
        rc = run(v, &load.config);
    }
    end(v);
    config_load_free(&load);
    return rc;
}

int verify_image_run(const struct command_args *args)
{
    struct verify v = {.args = args};
    int rc = refuse_args(args);

    if (rc != COMMAND_GOOD) {
        return rc;
    }
    pg_hash_setup();
    exam_init(&v.exam);
    if (args->signature.layout == NULL || is_by_policy(&args->signature)) {
        return run_configured(&v);
    }
    rc = run(&v, NULL);
    end(&v);
    return rc;
}
