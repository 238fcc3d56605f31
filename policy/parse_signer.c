/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/parse_signer.h"

#define FORMAT(f)      (1u << (f))
#define SIGSTORE       (FORMAT(FACTS_SIMPLE) | FORMAT(FACTS_ENVELOPE) | FORMAT(FACTS_BUNDLE))
#define NAME_MAX_BYTES 64

/* Names of the extensions of Fulcio's certificates. */
static const struct {
    const char *key;
    unsigned extension;
} claims[] = {
    {"build_signer_uri", 9},
    {"build_signer_digest", 10},
    {"runner_environment", 11},
    {"source_repository_uri", 12},
    {"source_repository_digest", 13},
    {"source_repository_ref", 14},
    {"source_repository_identifier", 15},
    {"source_repository_owner_uri", 16},
    {"source_repository_owner_identifier", 17},
    {"build_config_uri", 18},
    {"build_config_digest", 19},
    {"build_trigger", 20},
    {"source_repository_visibility", 22},
    {"deployment_environment", 23},
};
#define NCLAIMS (sizeof(claims) / sizeof(*claims))

struct signer *parse_signer_new(struct parse *p, enum signer_kind kind)
{
    struct signer *s = pg_new(&p->policy->arena, struct signer);

    s->kind = kind;
    s->formats = kind == SIGNER_NOTATION ? FORMAT(FACTS_NOTATION) : SIGSTORE;
    s->tlog = s->sct = kind == SIGNER_KEYLESS;
    s->next = p->policy->signers;
    p->policy->signers = s;
    return s;
}

static struct sl keep(struct parse *p, struct sl s)
{
    return s.p != NULL ? pg_copy(&p->policy->arena, s) : s;
}

/* ---- what must have been signed ------------------------------------------------------------ */

static void add_claim(struct parse *p, struct signer *s, unsigned extension,
                      const struct pg_tree *t)
{
    struct signer_claim *c = pg_new(&p->policy->arena, struct signer_claim);

    *c = (struct signer_claim){.next = s->claims,
                               .extension = extension,
                               .key = keep(p, t->key),
                               .value = keep(p, t->text)};
    s->claims = c;
}

static int take_annotations(struct parse *p, const struct pg_tree *owner, struct signer *s)
{
    const struct pg_tree *map = pg_tree_get(owner, SL("annotations"));

    if (map == NULL) {
        return 0;
    }
    if (map->kind != PG_TREE_MAP || map->nchildren == 0) {
        return reading_bad(&p->in, map->at,
                           "annotations must be a mapping of names to texts, that the "
                           "signature has to contain");
    }
    for (const struct pg_tree *t = map->first; t != NULL; t = t->next) {
        if (t->kind != PG_TREE_SCALAR || pg_tree_is_null(t)) {
            return reading_bad(&p->in, t->at, "an annotation's value must be a text");
        }
        add_claim(p, s, 0, t);
    }
    return 0;
}

static int take_claims(struct parse *p, const struct pg_tree *owner, struct signer *s)
{
    const struct pg_tree *map = pg_tree_get(owner, SL("claims"));
    const char *words[NCLAIMS + 1] = {NULL};

    if (map == NULL) {
        return 0;
    }
    for (size_t i = 0; i < NCLAIMS; i++) {
        words[i] = claims[i].key;
    }
    if (reading_keys(&p->in, map, "claims", words) < 0) {
        return -1;
    }
    for (size_t i = 0; i < NCLAIMS; i++) {
        const struct pg_tree *t = pg_tree_get(map, sl_str(claims[i].key));
        struct sl text;
        if (t == NULL) {
            continue;
        }
        if (reading_text(&p->in, map, claims[i].key, &text) < 0) {
            return -1;
        }
        add_claim(p, s, claims[i].extension, t);
    }
    return 0;
}

/* ---- kinds --------------------------------------------------------------------------------- */

static int set_trust(struct parse *p, const struct pg_tree *at, struct signer *s, unsigned trust)
{
    if (trust >= POLICY_TRUSTS_MAX) {
        return reading_bad(&p->in, at->at, "more than %d different trusted roots and policies",
                           POLICY_TRUSTS_MAX);
    }
    s->trust = trust;
    return 0;
}

int parse_signer_key(struct parse *p, struct pg_tree_at at, const struct policy_pem *pem,
                     unsigned trust, struct signer *s)
{
    char id[65];

    if (p->source->key(p->source->context, pem, trust, id, p->in.err) < 0) {
        return reading_wrap(&p->in, at);
    }
    s->file = pem->text.p != NULL ? SL("given here") : keep(p, pem->file);
    s->key_id = pg_copy(&p->policy->arena, (struct sl){id, 64});
    s->trust = trust;
    return 0;
}

static int take_key(struct parse *p, const struct pg_tree *t, struct signer *s)
{
    static const char *const words[] = {"key", "tlog", "timestamp", "annotations", "rsa_pss", NULL};
    const struct pg_tree *key = pg_tree_get(t, SL("key"));
    bool rsa_pss = false;

    if (reading_keys(&p->in, t, "a key", words) < 0 ||
        reading_text(&p->in, t, "key", &s->file) < 0 ||
        reading_truth(&p->in, t, "rsa_pss", &rsa_pss) < 0 ||
        reading_truth(&p->in, t, "tlog", &s->tlog) < 0 ||
        reading_truth(&p->in, t, "timestamp", &s->timestamp) < 0 || take_annotations(p, t, s) < 0) {
        return -1;
    }
    bool is_text = memmem(s->file.p, s->file.n, "-----BEGIN", 10) != NULL;
    const struct policy_pem pem = {.file = is_text ? (struct sl){NULL, 0} : s->file,
                                   .text = is_text ? s->file : (struct sl){NULL, 0},
                                   .rsa_pss = rsa_pss};
    if ((s->tlog || s->timestamp) &&
        p->source->root(p->source->context, SL(""), &s->trust, p->in.err) < 0) {
        return reading_wrap(&p->in, key->at); /* nobody would vouch */
    }
    return parse_signer_key(p, key->at, &pem, 0, s);
}

static int take_word(struct parse *p, const struct pg_tree *t, const char *exact, const char *regex,
                     struct signer_word *w)
{
    const struct pg_tree *re = pg_tree_get(t, sl_str(regex));
    struct sl text;

    if (reading_text(&p->in, t, exact, &w->exact) < 0 ||
        reading_text(&p->in, t, regex, &text) < 0) {
        return -1;
    }
    if ((w->exact.p == NULL) == (text.p == NULL)) {
        return reading_bad(
            &p->in, re != NULL ? re->key_at : t->at,
            "keyless needs an issuer and a subject: one of %s and %s, not %s: without "
            "it anybody who can log in anywhere could sign",
            exact, regex, re != NULL ? "both" : "none");
    }
    w->exact = keep(p, w->exact);
    w->written = w->exact;
    if (re != NULL) {
        struct pattern *pattern = pg_new(&p->policy->arena, struct pattern);
        w->written = keep(p, text);
        if (pattern_compile(pattern, text, p->in.err) < 0) {
            return reading_wrap(&p->in, re->at);
        }
        w->pattern = pattern;
    }
    return 0;
}

static bool is_open(const struct signer_word *w)
{
    return w->pattern != NULL && w->pattern->is_open;
}

static int take_keyless(struct parse *p, const struct pg_tree *owner, struct signer *s)
{
    static const char *const words[] = {
        "issuer", "subject", "issuer_regex", "subject_regex", "trusted_root",
        "sct",    "tlog",    "timestamp",    "claims",        "annotations",
        NULL};
    static const char *const alone[] = {"keyless", NULL};
    const struct pg_tree *t = pg_tree_get(owner, SL("keyless"));
    struct sl root;
    unsigned trust;

    if (reading_keys(&p->in, owner, "an authority", alone) < 0 ||
        reading_keys(&p->in, t, "keyless", words) < 0 ||
        take_word(p, t, "issuer", "issuer_regex", &s->issuer) < 0 ||
        take_word(p, t, "subject", "subject_regex", &s->subject) < 0 ||
        reading_text(&p->in, t, "trusted_root", &root) < 0 ||
        reading_truth(&p->in, t, "sct", &s->sct) < 0 ||
        reading_truth(&p->in, t, "tlog", &s->tlog) < 0 ||
        reading_truth(&p->in, t, "timestamp", &s->timestamp) < 0 || take_claims(p, t, s) < 0 ||
        take_annotations(p, t, s) < 0) {
        return -1;
    }
    if (is_open(&s->issuer) && is_open(&s->subject)) {
        return reading_bad(&p->in, t->at,
                           "issuer_regex and subject_regex both match anything: anybody "
                           "could sign");
    }
    root = root.p != NULL ? root : SL("");
    if (p->source->root(p->source->context, root, &trust, p->in.err) < 0) {
        return reading_wrap(&p->in, t->at);
    }
    return set_trust(p, t, s, trust);
}

static int take_notation(struct parse *p, const struct pg_tree *owner, struct signer *s)
{
    static const char *const words[] = {"policy", "statement", "annotations", NULL};
    static const char *const alone[] = {"notation", NULL};
    const struct pg_tree *t = pg_tree_get(owner, SL("notation"));
    struct sl file;
    unsigned trust;

    if (reading_keys(&p->in, owner, "an authority", alone) < 0 ||
        reading_keys(&p->in, t, "notation", words) < 0 ||
        reading_text(&p->in, t, "policy", &file) < 0 ||
        reading_text(&p->in, t, "statement", &s->statement) < 0 || take_annotations(p, t, s) < 0) {
        return -1;
    }
    s->statement = keep(p, s->statement);
    file = file.p != NULL ? file : SL("");
    if (p->source->notation(p->source->context, file, &trust, p->in.err) < 0) {
        return reading_wrap(&p->in, t->at);
    }
    return set_trust(p, t, s, trust);
}

/* ---- one, and many ------------------------------------------------------------------------- */

static int take_inline(struct parse *p, const struct pg_tree *t, const struct signer **signer_r)
{
    static const struct {
        const char *word;
        enum signer_kind kind;
        int (*take)(struct parse *p, const struct pg_tree *t, struct signer *s);
    } kinds[] = {{"key", SIGNER_KEY, take_key},
                 {"keyless", SIGNER_KEYLESS, take_keyless},
                 {"notation", SIGNER_NOTATION, take_notation}};

    for (size_t i = 0; t->kind == PG_TREE_MAP && i < sizeof(kinds) / sizeof(*kinds); i++) {
        if (pg_tree_get(t, sl_str(kinds[i].word)) != NULL) {
            struct signer *s = parse_signer_new(p, kinds[i].kind);
            *signer_r = s;
            return kinds[i].take(p, t, s);
        }
    }
    return reading_bad(&p->in, t->at,
                       "an authority is one of {key: FILE}, {keyless: {issuer: URL, "
                       "subject: NAME}}, {notation: {}}, or the name of one under "
                       "authorities");
}

static const struct signer *find_named(struct parse *p, struct sl name)
{
    for (const struct signer *s = p->policy->signers; s != NULL; s = s->next) {
        if (s->name.n > 0 && sl_eq(s->name, name)) {
            return s;
        }
    }
    return NULL;
}

static int take_one(struct parse *p, const struct pg_tree *t, const struct signer **signer_r)
{
    if (t->kind != PG_TREE_SCALAR || pg_tree_is_null(t)) {
        return take_inline(p, t, signer_r);
    }
    *signer_r = find_named(p, t->text);
    if (*signer_r == NULL) {
        return reading_bad(&p->in, t->at,
                           "there is no authority \"%.*s\"; authorities: {%.*s: {key: "
                           "FILE}} defines it",
                           (int)(t->text.n < 100 ? t->text.n : 100), t->text.p,
                           (int)(t->text.n < 100 ? t->text.n : 100), t->text.p);
    }
    return 0;
}

int parse_signer_list(struct parse *p, const struct pg_tree *list, const struct signer ***signers_r,
                      size_t *nsigners_r)
{
    bool many = list->kind == PG_TREE_LIST;
    size_t n = 0;

    if (many && (list->nchildren == 0 || list->nchildren > RULE_SIGNERS_MAX)) {
        return reading_bad(&p->in, list->at, "a list of 1 to %d authorities must stand here",
                           RULE_SIGNERS_MAX);
    }
    size_t most = many ? list->nchildren : 1;
    const struct signer **signers =
        pg_alloc(&p->policy->arena, most * sizeof(const struct signer *));
    for (const struct pg_tree *t = many ? list->first : list; t != NULL;
         t = many ? t->next : NULL) {
        if (take_one(p, t, &signers[n]) < 0) {
            return -1;
        }
        for (size_t i = 0; i < n; i++) {
            if (signers[i] == signers[n] || signer_same(signers[i], signers[n])) {
                return reading_bad(&p->in, t->at, "the same authority stands in this list twice");
            }
        }
        n++;
    }
    *signers_r = signers;
    *nsigners_r = n;
    return 0;
}

static bool is_name(struct sl s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            (c == '\0' || strchr("._-", c) == NULL)) {
            return false;
        }
    }
    return s.n > 0 && s.n <= NAME_MAX_BYTES;
}

int parse_signer_authorities(struct parse *p, const struct pg_tree *map)
{
    if (map->kind != PG_TREE_MAP) {
        return reading_bad(&p->in, map->at,
                           "authorities must be a mapping of names to authorities, such "
                           "as {vendor: {key: /etc/pullgate/vendor.pub}}");
    }
    for (const struct pg_tree *t = map->first; t != NULL; t = t->next) {
        const struct signer *s;
        if (!is_name(t->key)) {
            return reading_bad(&p->in, t->key_at, "a name has 1 to %d letters, digits, . _ -",
                               NAME_MAX_BYTES);
        }
        if (take_inline(p, t, &s) < 0) {
            return -1;
        }
        p->policy->signers->name = keep(p, t->key); /* the newest */
    }
    return 0;
}
