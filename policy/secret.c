/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/secret.h"

#define VALUE_LOOKED_AT ((size_t)1 << 16)

enum alphabet { UPPER_DIGITS, WORD };

/* A beginning that its issuer made for finding it, and how many characters follow at least. */
static const struct form {
    const char *begins;
    unsigned n;
    enum alphabet of;
    const char *what;
} forms[] = {
    {"AKIA", 16, UPPER_DIGITS, "an access key of AWS"},
    {"ASIA", 16, UPPER_DIGITS, "an access key of AWS"},
    {"ghp_", 36, WORD, "a token of GitHub"},
    {"gho_", 36, WORD, "a token of GitHub"},
    {"ghu_", 36, WORD, "a token of GitHub"},
    {"ghs_", 36, WORD, "a token of GitHub"},
    {"ghr_", 36, WORD, "a token of GitHub"},
    {"github_pat_", 22, WORD, "a token of GitHub"},
    {"glpat-", 20, WORD, "a token of GitLab"},
    {"xoxb-", 20, WORD, "a token of Slack"},
    {"xoxp-", 20, WORD, "a token of Slack"},
    {"AIza", 35, WORD, "a key of Google"},
    {"npm_", 36, WORD, "a token of npm"},
    {"sk_live_", 20, WORD, "a key of Stripe"},
    {"dckr_pat_", 20, WORD, "a token of Docker Hub"},
    {"hvs.", 20, WORD, "a token of Vault"},
};

static bool is_of(enum alphabet a, char c)
{
    bool plain = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

    return plain || (a == WORD && ((c >= 'a' && c <= 'z') || c == '_' || c == '-'));
}

static bool has_form(const struct form *f, struct sl value)
{
    struct sl begins = sl_str(f->begins);

    for (size_t i = 0; i + begins.n + f->n <= value.n; i++) {
        if (value.p[i] != begins.p[0] || (i > 0 && is_of(WORD, value.p[i - 1])) ||
            memcmp(value.p + i, begins.p, begins.n) != 0) {
            continue;
        }
        size_t k = 0;
        while (k < f->n && is_of(f->of, value.p[i + begins.n + k])) {
            k++;
        }
        if (k == f->n) {
            return true;
        }
    }
    return false;
}

static bool has_private_key(struct sl value)
{
    const char *begin = memmem(value.p, value.n, "-----BEGIN ", 11);

    while (begin != NULL) {
        struct sl rest = {begin + 11, value.n - (size_t)(begin + 11 - value.p)};
        struct sl head = {rest.p, rest.n < 40 ? rest.n : 40};
        if (memmem(head.p, head.n, "PRIVATE KEY", 11) != NULL) {
            return true;
        }
        begin = memmem(rest.p, rest.n, "-----BEGIN ", 11);
    }
    return false;
}

/* https://user:password@host: a colon and then an @ before the next slash or space. */
static bool has_password_url(struct sl value)
{
    const char *at = memmem(value.p, value.n, "://", 3);

    while (at != NULL) {
        struct sl rest = {at + 3, value.n - (size_t)(at + 3 - value.p)};
        size_t n = 0, colon = 0;
        while (n < rest.n && strchr("/ @?#\"'", rest.p[n]) == NULL) {
            colon = rest.p[n] == ':' && colon == 0 ? n + 1 : colon;
            n++;
        }
        if (n < rest.n && rest.p[n] == '@' && colon > 0 && n > colon && rest.p[colon] != '$') {
            return true;
        }
        at = memmem(rest.p, rest.n, "://", 3);
    }
    return false;
}

static bool ends_so(struct sl name, const char *end)
{
    struct sl e = sl_str(end);

    return name.n >= e.n && sl_eq_nocase((struct sl){name.p + name.n - e.n, e.n}, e);
}

/* DB_PASSWORD=x; but not where the secret is (a path, another variable), or whether there is one.
 */
static bool is_named_so(struct sl name, struct sl value)
{
    static const char *const ends[] = {"password",   "passwd",      "secret",
                                       "secret_key", "api_key",     "apikey",
                                       "access_key", "private_key", "token"};
    static const char *const none[] = {"true", "false", "none", "null", "changeme"};

    if (value.n < 4 || value.p[0] == '/' || value.p[0] == '$' || value.p[0] == '<') {
        return false;
    }
    for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++) {
        if (sl_eq_nocase(value, sl_str(none[i]))) {
            return false;
        }
    }
    for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
        if (ends_so(name, ends[i])) {
            return true;
        }
    }
    return false;
}

static bool find_in(const char *where, const struct facts_pair *all, size_t n, bool by_name,
                    struct facts_secret *s)
{
    for (size_t i = 0; i < n && s->what == NULL; i++) {
        s->where = where;
        s->name = all[i].name;
        s->what = secret_look(all[i].name, all[i].value, by_name);
    }
    return s->what != NULL;
}

struct facts_secret secret_find(const struct facts_content *c)
{
    struct facts_secret s = {.is_looked_for = true};

    (void)(find_in("its variable", c->env, c->nenv, true, &s) ||
           find_in("its label", c->labels, c->nlabels, false, &s) ||
           find_in("its annotation", c->annotations, c->nannotations, false, &s));
    return s;
}

const char *secret_look(struct sl name, struct sl value, bool by_name)
{
    if (value.p == NULL || value.n == 0) {
        return NULL;
    }
    if (value.n > VALUE_LOOKED_AT) {
        return "more than is looked at";
    }
    if (has_private_key(value)) {
        return "a private key";
    }
    if (has_password_url(value)) {
        return "a URL with a password";
    }
    for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
        if (has_form(&forms[i], value)) {
            return forms[i].what;
        }
    }
    return by_name && is_named_so(name, value) ? "a secret, as its name says" : NULL;
}
