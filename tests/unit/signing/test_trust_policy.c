/* SPDX-License-Identifier: Apache-2.0 */
/* trustpolicy.oci.json: what is refused, and where; and which statement is about a repository. */
#include "harness/notary_maker.h"
#include "signing/trust_notation_int.h"

#define HEAD   "{\"version\":\"1.0\",\n\"trustPolicies\":["
#define STRICT "\"signatureVerification\":{\"level\":\"strict\"}"
#define STORES "\"trustStores\":[\"ca:a\"]"
#define ANYONE "\"trustedIdentities\":[\"*\"]"
#define SCOPES "\"registryScopes\":[\"r.example/a\"]"
#define REST   STRICT "," STORES "," ANYONE
#define ID     "x509.subject: C=US, ST=WA, O=m"
/* A statement on a line of its own, the third. */
#define ONE(members) HEAD "\n{" members "}]}"
#define IDS(list)                                                                                  \
    ONE("\"name\":\"n\"," SCOPES "," STRICT "," STORES ",\n\"trustedIdentities\":[" list "]")
#define SCOPED(list) ONE("\"name\":\"n\",\n\"registryScopes\":[" list "]," REST)
#define LEVEL(json)                                                                                \
    ONE("\"name\":\"n\"," SCOPES "," STORES "," ANYONE ",\n\"signatureVerification\":" json)

static struct maker_cert ca, tsa;

static struct trust *with_stores(void)
{
    struct trust *t = trust_new();

    maker_trust(t, "ca", "a", &ca);
    maker_trust(t, "ca", "b-1._B", &ca);
    maker_trust(t, "signingAuthority", "a", &ca);
    maker_trust(t, "tsa", "t", &tsa);
    return t;
}

/* says NULL: it is good. */
static const struct {
    const char *json, *says;
} policies[] = {
    {ONE("\"name\":\"n\"," SCOPES "," REST), NULL},
    {"", "p.json: JSON is empty"},
    {"{\"version\":\"1.0\",\n\"trustPolicies\":[,]}", "p.json: JSON is not valid at line 2"},
    {"[]", "p.json:1:1: an object is expected"},
    {"{\"trustPolicies\":[]}", "p.json:1:1: \"version\" is not \"1.0\""},
    {"{\"version\":\"1.1\",\"trustPolicies\":[]}", "\"version\" is not \"1.0\""},
    {"{\"version\":\"1.0\",\"trustPolicies\":[]}", "\"trustPolicies\" is missing or empty"},
    {"{\"version\":\"1.0\",\n\n   \"trustpolicies\":[]}",
     "p.json:3:20: \"trustpolicies\" is not known here; version, trustPolicies may stand here"},
    {HEAD "\n 17]}", "p.json:3:2: an object is expected"},
    {ONE("\"name\":\"n\"," SCOPES "," REST ",\n\"globalPolicy\":true"),
     "p.json:4:16: \"globalPolicy\" is not known here"},
    {ONE(SCOPES "," REST), "p.json:3:1: \"name\" is missing"},
    {HEAD "\n{\"name\":\"n\"," SCOPES "," REST "},\n  {\"name\":\"n\","
          "\"registryScopes\":[\"r.example/b\"]," REST "}]}",
     "p.json:4:3: there is a statement \"n\" already"},
    /* scopes */
    {SCOPED("\"*\""), NULL},
    {SCOPED("\"r.example:5000/a/b_c/d.e-f\",\"10.0.0.1/x\""), NULL},
    {ONE("\"name\":\"n\"," REST), "\"registryScopes\" is missing or empty"},
    {SCOPED(""), "\"registryScopes\" is missing or empty"},
    {SCOPED("\"r.example/a\",\"*\""), "p.json:3:1: the scope \"*\" stands alone"},
    {SCOPED("\"r.example/a\",\n \"r.example/a\""),
     "p.json:5:2: the statement \"n\" has this scope"},
    {SCOPED("\"r.example/*\""), "p.json:4:19: a scope is a whole repository"},
    {SCOPED("\"r.example/a:v1\""), "no tags"},
    {SCOPED("\"r.example/a@sha256\""), "no tags"},
    {SCOPED("\"https://r.example/a\""), "a whole repository"},
    {SCOPED("\"r.example\""), "a whole repository"},
    {SCOPED("\"r.example/\""), "a whole repository"},
    {SCOPED("\"/a\""), "a whole repository"},
    {SCOPED("\"\""), "a whole repository"},
    {SCOPED("\"r.example/A\""), "a whole repository"},
    {SCOPED("\"R.example/a\""), "a whole repository"},
    {SCOPED("\"r.example/a//b\""), "a whole repository"},
    {SCOPED("17"), "p.json:4:19: a text is expected"},
    {ONE("\"name\":\"n\",\"registryScopes\":\"*\"," REST), "a list of texts is expected"},
    {HEAD "\n{\"name\":\"n\"," SCOPES "," REST "},\n{\"name\":\"m\"," SCOPES "," REST "}]}",
     "the statement \"n\" has this scope already"},
    /* levels */
    {LEVEL("{\"level\":\"permissive\",\"verifyTimestamp\":\"always\"}"), NULL},
    {LEVEL("{\"level\":\"audit\",\"verifyTimestamp\":\"afterCertExpiry\"}"), NULL},
    {LEVEL("{\"level\":\"strict\",\"override\":{\"authenticity\":\"log\",\"expiry\":\"enforce\","
           "\"authenticTimestamp\":\"log\",\"revocation\":\"skip\"}}"),
     NULL},
    {ONE("\"name\":\"n\"," SCOPES "," STORES "," ANYONE), "\"signatureVerification\" is missing"},
    {LEVEL("\"strict\""), "p.json:4:25: an object is expected, with level"},
    {LEVEL("{}"), "\"level\" is missing"},
    {LEVEL("{\"level\":\"Strict\"}"), "p.json:4:34: strict, permissive, audit and skip"},
    {LEVEL("{\"level\":\"strict\",\"overrides\":{}}"), "\"overrides\" is not known"},
    {LEVEL("{\"level\":\"strict\",\"override\":{\"integrity\":\"log\"}}"), "\"integrity\" is not"},
    {LEVEL("{\"level\":\"strict\",\"override\":{\"expiry\":\"skip\"}}"),
     "\"enforce\" or \"log\" is expected"},
    {LEVEL("{\"level\":\"strict\",\"override\":{\"revocation\":\"off\"}}"),
     "\"enforce\" or \"log\" or \"skip\" is expected"},
    {LEVEL("{\"level\":\"strict\",\"override\":[]}"), "an object is expected, with authenticity"},
    {LEVEL("{\"level\":\"strict\",\"verifyTimestamp\":\"never\"}"), "afterCertExpiry"},
    {LEVEL("{\"level\":\"skip\"}"), "goes with neither trust stores nor identities"},
    {ONE("\"name\":\"n\"," SCOPES ",\"signatureVerification\":{\"level\":\"skip\"}"), NULL},
    {ONE("\"name\":\"n\"," SCOPES ",\"trustStores\":[],\"trustedIdentities\":[],"
         "\"signatureVerification\":{\"level\":\"skip\"}"),
     NULL},
    {ONE("\"name\":\"n\"," SCOPES ",\"signatureVerification\":{\"level\":\"skip\","
         "\"override\":{\"expiry\":\"log\"}}"),
     "nothing to override"},
    {ONE("\"name\":\"n\",\"registryScopes\":[\"*\"],\"signatureVerification\":{\"level\":"
         "\"skip\"}"),
     "not possible with the scope"},
    /* stores */
    {ONE("\"name\":\"n\"," SCOPES "," STRICT "," ANYONE
         ",\"trustStores\":[\"ca:b-1._B\",\"signingAuthority:a\",\"tsa:t\"]"),
     NULL},
    {ONE("\"name\":\"n\"," SCOPES "," STRICT "," ANYONE ",\n\"trustStores\":[\"ca:c\"]"),
     "p.json:4:16: there is no trust store \"ca:c\", or it is empty"},
    {ONE("\"name\":\"n\"," SCOPES "," STRICT "," ANYONE ",\"trustStores\":[\"CA:a\"]"), "\"CA:a\""},
    {ONE("\"name\":\"n\"," SCOPES "," STRICT "," ANYONE ",\"trustStores\":[\"a\"]"), "\"a\""},
    {ONE("\"name\":\"n\"," SCOPES "," STRICT "," ANYONE ",\"trustStores\":[\"ca:a\",\"ca:a\"]"),
     "is there twice"},
    {ONE("\"name\":\"n\"," SCOPES "," STRICT "," ANYONE ",\"trustStores\":[\"tsa:t\"]"),
     "neither a ca: nor a signingAuthority: store"},
    {ONE("\"name\":\"n\"," SCOPES "," STRICT "," ANYONE), "neither a ca: nor"},
    /* identities */
    {IDS("\"" ID "\""), NULL},
    {IDS("\"x509.subject:ST = WA,C=US,  O=a\\\\, b\\\\2c \\\\c3\\\\a9,CN=x=y\""), NULL},
    {IDS("\"" ID ", CN=a\",\"" ID ", CN=b\""), NULL},
    {IDS(""), "\"trustedIdentities\" is missing or empty"},
    {IDS("\"*\",\"" ID "\""), "p.json:4:22: \"*\" stands alone"},
    {IDS("\"" ID "\",\"*\""), "\"*\" stands alone"},
    {IDS("\"C=US, ST=WA, O=m\""), "\"x509.subject: C=..., ST=..., O=...\" is expected"},
    {IDS("\"x509.subject: \""), "NAME=VALUE"},
    {IDS("\"x509.subject: C=US, ST=WA\""), "O is missing"},
    {IDS("\"x509.subject: C=US, O=m\""), "ST is missing"},
    {IDS("\"x509.subject: ST=WA, O=m\""), "C is missing"},
    {IDS("\"" ID ", O=n\""), "O is there twice"},
    {IDS("\"" ID ", S=n\""), "ST is there twice"},
    {IDS("\"" ID "+CN=x\""), "has to be escaped"},
    {IDS("\"" ID ", CN=#0c0161\""), "hexadecimal"},
    {IDS("\"" ID ", CN=\""), "a value is empty"},
    {IDS("\"" ID ", CN=a\\\\\""), "nothing behind it"},
    {IDS("\"" ID ", CN=a\\\\00b\""), "nothing behind it"},
    {IDS("\"" ID ", CN=a\\\\zb\""), "nothing behind it"},
    {IDS("\"" ID ",\""), "NAME=VALUE"},
    {IDS("\"" ID ", emailAddress=a\""), "\"emailAddress\" is not known"},
    {IDS("\"" ID ", CN=a\",\"" ID "\""), "one is part of the other"},
    {IDS("\"" ID "\",\"" ID ", CN=a\""), "one is part of the other"},
};
#define NPOLICIES (sizeof(policies) / sizeof(policies[0]))

TEST(each_policy_loads_or_says_what_is_wrong_and_where)
{
    for (size_t i = 0; i < NPOLICIES; i++) {
        struct trust *t = with_stores();
        struct pg_err err = {0};
        int status = trust_set_notation(t, "p.json", sl_str(policies[i].json), &err);

        if ((status == 0) != (policies[i].says == NULL) ||
            (status < 0 && strstr(err.msg, policies[i].says) == NULL))
            fail_msg("%s\n%s, which does not say \"%s\"", policies[i].json,
                     err.msg != NULL ? err.msg : "loads", policies[i].says);
        assert_true(status == 0 || err.kind == PG_E_DENIED);
        pg_err_clear(&err);
        trust_unref(t);
    }
}

#define STATEMENT(name, scopes) "{\"name\":\"" name "\",\"registryScopes\":[" scopes "]," REST "}"

/* N17: whole names and nothing else. */
static const struct {
    const char *repository, *statement;
} selections[] = {
    {"r.example/a", "a"},    {"r.example/a/b", "ab"},    {"r.example/b", "a"},
    {"r.example/a/", "any"}, {"r.example/a/b/c", "any"}, {"r.example/A", "any"},
    {"R.example/a", "any"},  {"r.example:443/a", "any"}, {"r.example:5000/a", "port"},
    {"r.example", "any"},    {"xr.example/a", "any"},    {"docker.io/library/nginx", "hub"},
    {"nginx", "any"},        {"docker.io/nginx", "any"}, {"*", "any"},
};

TEST(N17_the_statement_with_the_whole_name_then_the_one_for_all)
{
    struct trust *t = with_stores();
    const struct trust_statement *s;

    assert_null(trust_notation_about(t, SL("r.example/a")));
    notation_case_policy(
        t,
        SL(HEAD
               STATEMENT("any", "\"*\"") "," STATEMENT("a", "\"r.example/a\",\"r.example/b\"") "," STATEMENT(
                   "ab",
                   "\"r.example/"
                   "a/b\"") "," STATEMENT("port",
                                          "\"r.example:5000/a\"") "," STATEMENT("hub",
                                                                                "\"docker.io/"
                                                                                "library/"
                                                                                "nginx\"") "]}"));
    for (size_t i = 0; i < sizeof(selections) / sizeof(selections[0]); i++) {
        s = trust_notation_about(t, sl_str(selections[i].repository));
        if (s == NULL || !sl_eq(s->name, sl_str(selections[i].statement)))
            fail_msg("%s: %s is expected", selections[i].repository, selections[i].statement);
    }
    assert_null(trust_notation_about(t, SL("")));
    trust_unref(t);

    t = with_stores();
    notation_case_policy(t, SL(HEAD STATEMENT("a", "\"r.example/a\"") "]}"));
    assert_null(trust_notation_about(t, SL("r.example/b")));
    assert_null(trust_notation_about(t, SL("*")));
    trust_unref(t);
}

TEST(there_is_one_policy)
{
    struct trust *t = with_stores();
    struct pg_err err = {0};

    notation_case_policy(t, SL(HEAD STATEMENT("a", "\"r.example/a\"") "]}"));
    assert_int_equal(trust_set_notation(t, "q.json", SL("{}"), &err), -1);
    assert_string_equal(err.msg, "q.json: there is a Notation trust policy already");
    pg_err_clear(&err);
    trust_unref(t);
}

static void store_is_wrong(const char *type, const char *name, struct sl bytes, const char *says)
{
    struct trust *t = trust_new();
    struct pg_err err = {0};

    assert_int_equal(trust_add_store(t, sl_str(type), sl_str(name), "s.crt", bytes, &err), -1);
    if (strstr(err.msg, says) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.msg, says);
    pg_err_clear(&err);
    trust_unref(t);
}

TEST(a_store_has_cas_and_what_signed_itself)
{
    struct maker_plan leaf_plan = {.name = "CN=leaf", .exts = MAKER_LEAF_EXTS};
    struct maker_plan mid_plan = {.name = "CN=mid", .exts = MAKER_CA_EXTS};
    struct maker_cert leaf = maker_cert(&leaf_plan, &ca), self = maker_cert(&leaf_plan, NULL);
    struct maker_cert mid = maker_cert(&mid_plan, &ca);
    struct sl der = maker_der(&leaf), mid_der = maker_der(&mid), self_der = maker_der(&self);
    struct trust *t = trust_new();

    store_is_wrong("ca", "a", der, "s.crt: a certificate is neither a CA's nor signed by itself");
    store_is_wrong("tsa", "a", mid_der, "s.crt: a certificate of a timestamp authority's store");
    store_is_wrong("tsa", "a", self_der, "s.crt: a certificate of a timestamp authority's store");
    store_is_wrong("ca", "a", SL("hello"), "s.crt:1:1: this is not PEM");
    store_is_wrong("ca", "a", SL("\n\n"), "s.crt: there is no certificate in it");
    store_is_wrong("ca", "a", SL(""), "s.crt: empty");
    store_is_wrong("ca", "a", SL("0\x03\x02\x01\x01"), "cannot be read");
    store_is_wrong("ca", "a", (struct sl){mid_der.p, mid_der.n - 1}, "neither PEM nor DER");
    store_is_wrong("ca", "..", mid_der, "the name of its trust store");
    store_is_wrong("ca", "a/b", mid_der, "the name of its trust store");
    store_is_wrong("x509", "a", mid_der, "\"x509\" is no type of trust store");
    maker_trust(t, "ca", "a", &mid);
    maker_trust(t, "ca", "a", &self);
    maker_trust(t, "ca", "a", &mid);
    assert_int_equal(t->notation->nstores, 1);
    assert_int_equal(t->notation->stores[0].ncerts, 2);
    trust_unref(t);
    free((char *)(uintptr_t)der.p);
    free((char *)(uintptr_t)mid_der.p);
    free((char *)(uintptr_t)self_der.p);
    maker_free(&leaf);
    maker_free(&self);
    maker_free(&mid);
}

TEST(what_was_loaded_is_in_the_revision)
{
    struct trust *t = trust_new();
    uint8_t before[32], after[32];

    trust_revision(t, before);
    maker_trust(t, "ca", "a", &ca);
    trust_revision(t, after);
    assert_memory_not_equal(before, after, 32);
    maker_trust(t, "ca", "b", &ca);
    trust_revision(t, before);
    assert_memory_not_equal(before, after, 32);
    notation_case_policy(t, SL(HEAD STATEMENT("a", "\"r.example/a\"") "]}"));
    trust_revision(t, after);
    assert_memory_not_equal(before, after, 32);
    trust_unref(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(each_policy_loads_or_says_what_is_wrong_and_where),
        RUN(N17_the_statement_with_the_whole_name_then_the_one_for_all),
        RUN(there_is_one_policy),
        RUN(a_store_has_cas_and_what_signed_itself),
        RUN(what_was_loaded_is_in_the_revision),
    };
    struct maker_plan ca_plan = {.name = "CN=ca", .exts = MAKER_CA_EXTS};
    struct maker_plan tsa_plan = {.name = "CN=tsa", .exts = MAKER_CA_EXTS};
    int status;

    ca = maker_cert(&ca_plan, NULL);
    tsa = maker_cert(&tsa_plan, NULL);
    status = cmocka_run_group_tests(tests, NULL, NULL);
    maker_free(&ca);
    maker_free(&tsa);
    return status;
}
