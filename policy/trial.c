/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/trial.h"

#include <stdio.h>
#include <time.h>

#include "policy/parse.h"
#include "policy/provenance.h"
#include "policy/trial_scan_int.h"

#define NOW_S       INT64_C(1800000000) /* when a test does not say */
#define ITEMS_MAX   200
#define ARENA_BYTES ((size_t)1 << 20)
#define IMAGE_TYPE  "application/vnd.oci.image.config.v1+json"

/* One test, as it is read. */
struct trial {
    struct parse parse;
    const struct policy *policy;
    const struct pg_tree *map;
    struct pg_arena *arena;
    struct facts facts;
    struct facts_content content;
    bool says_content;
};

static const char *const decisions[] = {
    [POLICY_DENY] = "deny", [POLICY_ALLOW] = "allow", [POLICY_PENDING] = "pending"};

static struct sl kept(struct trial *t, struct sl s)
{
    return s.p != NULL ? pg_copy(t->arena, s) : s;
}

/* ---- lists and mappings of texts ----------------------------------------------------------- */

static int take_texts(struct trial *t, const char *key, const struct sl **all_r, size_t *n_r)
{
    const struct pg_tree *item;
    size_t n = 0;

    if (parse_list(&t->parse, t->map, key, &item, n_r) < 0) {
        return -1;
    }
    struct sl *all = pg_alloc(t->arena, *n_r * sizeof(*all) + 1);
    for (; item != NULL; item = item->next) {
        all[n++] = kept(t, item->text);
    }
    *all_r = all;
    return 0;
}

static int take_pairs(struct trial *t, const char *key, const struct facts_pair **all_r,
                      size_t *n_r)
{
    const struct pg_tree *map = pg_tree_get(t->map, sl_str(key));

    if (map == NULL) {
        return 0;
    }
    if (map->kind != PG_TREE_MAP || map->nchildren > ITEMS_MAX) {
        return reading_bad(&t->parse.in, map->at,
                           "%s must be a mapping of at most %d names to texts", key, ITEMS_MAX);
    }
    struct facts_pair *all = pg_alloc(t->arena, map->nchildren * sizeof(*all) + 1);
    for (const struct pg_tree *c = map->first; c != NULL; c = c->next) {
        if (c->kind != PG_TREE_SCALAR) {
            return reading_bad(&t->parse.in, c->at, "%s: a value must be a text", key);
        }
        all[(*n_r)++] = (struct facts_pair){kept(t, c->key), kept(t, c->text)};
    }
    *all_r = all;
    t->says_content = true;
    return 0;
}

static int take_word(struct trial *t, const char *key, const char *const *words, unsigned *word_r)
{
    struct sl text;

    if (reading_text(&t->parse.in, t->map, key, &text) < 0) {
        return -1;
    }
    for (unsigned i = 0; text.p != NULL && words[i] != NULL; i++) {
        if (sl_eq(text, sl_str(words[i]))) {
            *word_r = i;
            return 1;
        }
    }
    return text.p == NULL ? 0
                          : reading_bad(&t->parse.in, pg_tree_get(t->map, sl_str(key))->at,
                                        "%s cannot be \"%.*s\"; see docs/policy.md", key,
                                        (int)(text.n < 100 ? text.n : 100), text.p);
}

/* ---- its name ------------------------------------------------------------------------------ */

static int take_image(struct trial *t)
{
    struct sl image, name;
    const char *at, *slash, *colon;

    if (reading_text(&t->parse.in, t->map, "image", &image) < 0) {
        return -1;
    }
    if (image.p == NULL) {
        return reading_bad(&t->parse.in, t->map->at, "a test needs an image, such as nginx:1.25");
    }
    name = image;
    at = memchr(name.p, '@', name.n);
    if (at != NULL) {
        struct sl digest = {at + 1, name.n - (size_t)(at + 1 - name.p)};
        name.n = (size_t)(at - name.p);
        if (digest_parse(digest, &t->facts.digest, t->parse.in.err) < 0) {
            return reading_wrap(&t->parse.in, pg_tree_get(t->map, SL("image"))->at);
        }
    }
    slash = memrchr(name.p, '/', name.n);
    colon = memrchr(name.p, ':', name.n);
    if (colon != NULL && (slash == NULL || colon > slash)) {
        t->facts.tag = kept(t, (struct sl){colon + 1, name.n - (size_t)(colon + 1 - name.p)});
        name.n = (size_t)(colon - name.p);
    }
    if (at != NULL) {
        t->facts.tag = (struct sl){NULL, 0}; /* the digest counts */
    }
    if (match_canonical(name, NULL, NULL, t->arena, &t->facts.repository, t->parse.in.err) < 0) {
        return reading_wrap(&t->parse.in, pg_tree_get(t->map, SL("image"))->at);
    }
    return 0;
}

static int take_times(struct trial *t)
{
    struct sl now;
    char text[32] = "";
    struct tm tm = {0};
    int64_t age_s = 0;

    t->facts.now_s = NOW_S;
    if (reading_text(&t->parse.in, t->map, "now", &now) < 0 ||
        reading_age(&t->parse.in, t->map, "age", &age_s) < 0) {
        return -1;
    }
    if (now.p != NULL) {
        memcpy(text, now.p, now.n < sizeof(text) - 1 ? now.n : 0);
        const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
        if (end == NULL || *end != '\0') {
            return reading_bad(&t->parse.in, pg_tree_get(t->map, SL("now"))->at,
                               "now must be a time such as 2026-01-31T12:00:00Z");
        }
        t->facts.now_s = (int64_t)timegm(&tm);
    }
    t->facts.since_s = age_s > 0 ? t->facts.now_s - age_s : 0;
    return 0;
}

/* ---- who signed ---------------------------------------------------------------------------- */

static const struct signer *find_signer(const struct trial *t, struct sl name)
{
    for (const struct signer *s = t->policy->signers; s != NULL; s = s->next) {
        if (s->name.n > 0 && sl_eq(s->name, name)) {
            return s;
        }
    }
    return NULL;
}

/* Workflows are known by a URI, people by an address. */
static bool is_uri(struct sl subject)
{
    return subject.n > 0 && memmem(subject.p, subject.n, "://", 3) != NULL;
}

/* As that authority would have signed it, with all that may be wanted besides. */
static int sign_as(struct trial *t, const struct pg_tree *by, enum facts_kind kind,
                   struct facts_signed *f)
{
    const struct signer *s = by->kind == PG_TREE_SCALAR ? find_signer(t, by->text) : NULL;
    unsigned format = FACTS_SIMPLE;

    if (s == NULL) {
        return reading_bad(&t->parse.in, by->at,
                           "there is no authority of that name in the policy's authorities");
    }
    if ((s->issuer.pattern != NULL || s->subject.pattern != NULL) || s->claims != NULL) {
        return reading_bad(&t->parse.in, by->at,
                           "an authority with patterns or claims cannot be made to sign in a test");
    }
    while (format < FACTS_NOTATION && (s->formats & 1u << format) == 0) {
        format++;
    }
    *f = (struct facts_signed){
        .kind = kind,
        .format = (enum facts_format)format,
        .signer = s->kind == SIGNER_KEY       ? FACTS_BY_KEY
                  : s->kind == SIGNER_KEYLESS ? FACTS_BY_IDENTITY
                                              : FACTS_BY_CHAIN,
        .trust = s->trust,
        .key_id = s->key_id,
        .san = s->kind != SIGNER_KEYLESS  ? FACTS_SAN_NONE
               : is_uri(s->subject.exact) ? FACTS_SAN_URI
                                          : FACTS_SAN_EMAIL,
        .issuer = s->issuer.exact,
        .subject = s->subject.exact,
        .notation = s->statement,
        .reference = t->facts.repository,
        .signed_at_s = t->facts.now_s - 60,
        .not_after_s = INT64_MAX,
        .nlogs = 1,
        .nscts = 1,
        .nstamps = 1,
    };
    return 0;
}

static int take_attested(struct trial *t, const struct pg_tree *item, struct facts_signed *f)
{
    static const char *const words[] = {"by", "type", "statement", NULL};
    const struct pg_tree *by;
    struct sl type, statement;

    if (reading_keys(&t->parse.in, item, "what was attested", words) < 0 ||
        reading_text(&t->parse.in, item, "type", &type) < 0 ||
        reading_text(&t->parse.in, item, "statement", &statement) < 0) {
        return -1;
    }
    by = pg_tree_get(item, SL("by"));
    if (by == NULL || type.p == NULL) {
        return reading_bad(&t->parse.in, item->at, "what was attested needs by and type");
    }
    if (sign_as(t, by, FACTS_ATTESTATION, f) < 0) {
        return -1;
    }
    f->predicate_type = kept(t, provenance_type(type));
    f->statement = kept(t, statement);
    return 0;
}

static int take_signed(struct trial *t)
{
    const struct pg_tree *lists[] = {pg_tree_get(t->map, SL("signed")),
                                     pg_tree_get(t->map, SL("attested"))};
    size_t n = 0;

    for (size_t i = 0; i < 2; i++) {
        if (lists[i] != NULL &&
            (lists[i]->kind != PG_TREE_LIST || lists[i]->nchildren > ITEMS_MAX)) {
            return reading_bad(&t->parse.in, lists[i]->at, "%s must be a list of at most %d",
                               i == 0 ? "signed" : "attested", ITEMS_MAX);
        }
        n += lists[i] != NULL ? lists[i]->nchildren : 0;
    }
    struct facts_signed *all = pg_alloc(t->arena, n * sizeof(*all) + 1);
    t->facts.is_signed = all;
    for (size_t i = 0; i < 2; i++) {
        for (const struct pg_tree *c = lists[i] != NULL ? lists[i]->first : NULL; c != NULL;
             c = c->next) {
            struct facts_signed *f = &all[t->facts.nsigned++];
            if ((i == 0 ? sign_as(t, c, FACTS_SIGNATURE, f) : take_attested(t, c, f)) < 0) {
                return -1;
            }
        }
    }
    return 0;
}

/* ---- what it says -------------------------------------------------------------------------- */

static int take_content(struct trial *t)
{
    static const char *const shapes[] = {[FACTS_OTHER] = "other",
                                         [FACTS_INDEX] = "index",
                                         [FACTS_IMAGE] = "image",
                                         [FACTS_ARTIFACT] = "artifact",
                                         NULL};
    static const struct sl image = SL(IMAGE_TYPE);
    struct facts_content *c = &t->content;
    unsigned shape = FACTS_IMAGE;
    int says = take_word(t, "shape", shapes, &shape);

    if (says < 0 || reading_text(&t->parse.in, t->map, "platform", &c->platform) < 0 ||
        take_texts(t, "types", &c->types, &c->ntypes) < 0 ||
        take_pairs(t, "labels", &c->labels, &c->nlabels) < 0 ||
        take_pairs(t, "env", &c->env, &c->nenv) < 0 ||
        take_pairs(t, "annotations", &c->annotations, &c->nannotations) < 0) {
        return -1;
    }
    c->shape = (enum facts_shape)shape;
    c->platform = kept(t, c->platform);
    if (says > 0 || c->platform.p != NULL || c->ntypes > 0 || t->says_content ||
        pg_tree_get(t->map, SL("scan")) != NULL) {
        t->facts.content = c;
    }
    if (c->ntypes == 0 && c->shape == FACTS_IMAGE) {
        c->types = &image;
        c->ntypes = 1;
    }
    return 0;
}

/* What OPA would say: a test is of the rules. */
static int take_opa(struct trial *t)
{
    static const char *const words[] = {"allow", "deny", "fail", NULL};
    static const struct facts_opinion opinions[] = {
        {.said = FACTS_SAID_YES, .revision = SL("")},
        {.said = FACTS_SAID_NO, .revision = SL("")},
        {.said = FACTS_SAID_NOTHING, .trouble = "the test says so", .revision = SL("")},
    };
    unsigned said = 0;
    int has = take_word(t, "opa", words, &said);

    t->facts.opinion = &opinions[said];
    return has < 0 ? -1 : 0;
}

static int take_facts(struct trial *t)
{
    static const char *const words[] = {
        "name", "image",  "known_tags", "now",      "age",      "shape",   "platform",    "labels",
        "env",  "types",  "signed",     "attested", "evidence", "revoked", "annotations", "expect",
        "rule", "reason", "opa",        "scan",     "here",     NULL};
    static const char *const states[] = {"complete", "cut", "failed", NULL};
    unsigned state = 0;
    struct sl revoked;

    if (reading_keys(&t->parse.in, t->map, "a test", words) < 0 || take_image(t) < 0 ||
        take_texts(t, "known_tags", &t->facts.known_tags, &t->facts.nknown_tags) < 0 ||
        take_times(t) < 0 || take_content(t) < 0 || take_signed(t) < 0 ||
        take_word(t, "evidence", states, &state) < 0 ||
        trial_scan_read(&t->parse.in, t->map, t->arena, &t->facts) < 0 ||
        reading_text(&t->parse.in, t->map, "revoked", &revoked) < 0) {
        return -1;
    }
    t->facts.state = (enum facts_state)state;
    if (take_opa(t) < 0) {
        return -1;
    }
    t->facts.revoked = revoked.p != NULL ? kept(t, revoked).p : NULL;
    return 0;
}

/* ---- running ------------------------------------------------------------------------------- */

static bool says(struct sl text, struct sl part)
{
    return part.p == NULL || memmem(text.p, text.n, part.p, part.n) != NULL;
}

/* 1 it is as expected; 0 not. */
static int compare(struct trial *t, struct pg_buf *out)
{
    static const char *const words[] = {"deny", "allow", "pending", NULL};
    struct policy_verdict v;
    struct sl name, rule, reason;
    unsigned expect = 0;
    int has = take_word(t, "expect", words, &expect);

    if (has < 0 || reading_text(&t->parse.in, t->map, "name", &name) < 0 ||
        reading_text(&t->parse.in, t->map, "rule", &rule) < 0 ||
        reading_text(&t->parse.in, t->map, "reason", &reason) < 0) {
        return -1;
    }
    if (has == 0) {
        return reading_bad(&t->parse.in, t->map->at, "a test needs expect: allow, deny or pending");
    }
    policy_decide(t->policy, &t->facts, t->arena, &v);
    if (v.decision == (enum policy_decision)expect && (rule.p == NULL || sl_eq(rule, v.rule)) &&
        says(v.reason, reason)) {
        return 1;
    }
    (void)pg_buf_printf(out, "%s:%u:%u: " SL_FMT ": expected is %s", t->parse.in.file,
                        t->map->at.line, t->map->at.col,
                        SL_ARG(name.p != NULL ? name : SL("a test")), words[expect]);
    if (rule.p != NULL) {
        (void)pg_buf_printf(out, " by rule " SL_FMT, SL_ARG(rule));
    }
    if (reason.p != NULL) {
        (void)pg_buf_printf(out, " (\"" SL_FMT "\")", SL_ARG(reason));
    }
    (void)pg_buf_printf(out, "; it is %s by rule " SL_FMT ": " SL_FMT "\n", decisions[v.decision],
                        SL_ARG(v.rule), SL_ARG(v.reason));
    return 0;
}

static int run_one(const char *file, const struct pg_tree *map, const struct policy *p,
                   struct pg_buf *out, struct pg_err *err)
{
    struct pg_arena arena;
    struct trial t = {.parse = {.in = {.file = file, .err = err}}, .policy = p, .map = map};

    pg_arena_init(&arena, ARENA_BYTES);
    t.arena = &arena;
    int rc = take_facts(&t) < 0 ? -1 : compare(&t, out);
    pg_arena_free(&arena);
    return rc;
}

int trial_policy(const char *file, const struct pg_tree *root, struct sl *policy_r,
                 struct pg_err *err)
{
    static const char *const words[] = {"policy", "tests", NULL};
    struct parse p = {.in = {.file = file, .err = err}};

    if (reading_keys(&p.in, root, "the tests", words) < 0 ||
        reading_text(&p.in, root, "policy", policy_r) < 0) {
        return -1;
    }
    return policy_r->p != NULL
               ? 0
               : reading_bad(&p.in, root->at, "the tests need policy: FILE, relative to this file");
}

int trial_run(const char *file, const struct pg_tree *root, const struct policy *p,
              struct pg_buf *out, struct trial_count *count, struct pg_err *err)
{
    struct parse parse = {.in = {.file = file, .err = err}};
    const struct pg_tree *tests = pg_tree_get(root, SL("tests"));

    if (tests == NULL || tests->kind != PG_TREE_LIST || tests->nchildren == 0 ||
        tests->nchildren > TRIAL_TESTS_MAX) {
        return reading_bad(&parse.in, tests != NULL ? tests->at : root->at,
                           "tests must be a list of 1 to %d tests", TRIAL_TESTS_MAX);
    }
    for (const struct pg_tree *t = tests->first; t != NULL; t = t->next) {
        int rc = run_one(file, t, p, out, err);
        if (rc < 0) {
            return -1;
        }
        count->passed += rc == 1;
        count->failed += rc == 0;
    }
    return 0;
}
