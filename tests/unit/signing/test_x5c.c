/* SPDX-License-Identifier: Apache-2.0 */
/* Which chains a Notation signature may have: made on the spot, one thing wrong with each. */
#include "harness/notary_maker.h"

#define POLICY                                                                                     \
    "{\"version\":\"1.0\",\"trustPolicies\":[{\"name\":\"made\",\"registryScopes\":[\"*\"],"       \
    "\"signatureVerification\":{\"level\":\"strict\",\"override\":{\"revocation\":\"skip\"}},"     \
    "\"trustStores\":[\"ca:made\"],\"trustedIdentities\":[\"x509.subject: C=US, ST=WA, O=m\"]}]}"
#define GUARDED                                                                                    \
    "{\"alg\":\"ES256\",\"crit\":[\"io.cncf.notary.signingScheme\"],"                              \
    "\"cty\":\"application/vnd.cncf.notary.payload.v1+json\","                                     \
    "\"io.cncf.notary.signingScheme\":\"notary.x509\","                                            \
    "\"io.cncf.notary.signingTime\":\"2026-01-15T12:00:00Z\"}"
#define PAYLOAD                                                                                    \
    "{\"targetArtifact\":{\"mediaType\":\"a/b\",\"size\":2,\"digest\":\"sha256:"                   \
    "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\"}}"
#define LEAF "C=US/ST=WA/O=m/CN=leaf"
#define ROOT "C=US/O=m/CN=root"
#define MID  "C=US/O=m/CN=mid"

/* Of a chain of leaf, middle and root, what differs from a good one. */
static const struct plan {
    const char *what;
    struct maker_plan leaf, mid, root;
    enum verify_reason reason;
    const char *says;
} plans[] = {
    {"a good one",
     {.name = LEAF, .exts = MAKER_LEAF_EXTS},
     {.name = MID, .exts = MAKER_CA_EXTS},
     {.name = ROOT, .exts = MAKER_CA_EXTS},
     0,
     NULL},
    {"no extended key usage",
     {.name = LEAF, .exts = {{"keyUsage", "critical,digitalSignature"}}},
     {0},
     {0},
     0,
     0},
    {"one that says it is no CA",
     {.name = LEAF,
      .exts = {{"keyUsage", "critical,digitalSignature,nonRepudiation"},
               {"basicConstraints", "CA:FALSE"},
               {"1.2.3.4", "critical,DER:0500"}}},
     {0},
     {0},
     0,
     NULL},
    {"no key usage",
     {.name = LEAF, .exts = {{"extendedKeyUsage", "codeSigning"}}},
     {0},
     {0},
     VERIFY_CERTIFICATE,
     "no key usage"},
    {"key usage not critical",
     {.name = LEAF, .exts = {{"keyUsage", "digitalSignature"}}},
     {0},
     {0},
     VERIFY_CERTIFICATE,
     "not critical"},
    {"key agreement",
     {.name = LEAF, .exts = {{"keyUsage", "critical,digitalSignature,keyAgreement"}}},
     {0},
     {0},
     VERIFY_CERTIFICATE,
     "digitalSignature alone"},
    {"decipher only",
     {.name = LEAF, .exts = {{"keyUsage", "critical,digitalSignature,keyAgreement,decipherOnly"}}},
     {0},
     {0},
     VERIFY_CERTIFICATE,
     "digitalSignature alone"},
    {"a leaf that signs certificates",
     {.name = LEAF, .exts = {{"keyUsage", "critical,digitalSignature,keyCertSign"}}},
     {0},
     {0},
     VERIFY_CERTIFICATE,
     "digitalSignature alone"},
    {"any usage",
     {.name = LEAF,
      .exts = {{"keyUsage", "critical,digitalSignature"},
               {"extendedKeyUsage", "codeSigning,anyExtendedKeyUsage"}}},
     {0},
     {0},
     VERIFY_CERTIFICATE,
     "codeSigning alone"},
    {"clients",
     {.name = LEAF,
      .exts = {{"keyUsage", "critical,digitalSignature"},
               {"extendedKeyUsage", "codeSigning,clientAuth"}}},
     {0},
     {0},
     VERIFY_CERTIFICATE,
     "codeSigning alone"},
    {"mail alone",
     {.name = LEAF,
      .exts = {{"keyUsage", "critical,digitalSignature"}, {"extendedKeyUsage", "emailProtection"}}},
     {0},
     {0},
     VERIFY_CERTIFICATE,
     "codeSigning alone"},
    {"an unknown usage alone",
     {.name = LEAF,
      .exts = {{"keyUsage", "critical,digitalSignature"}, {"extendedKeyUsage", "1.2.3.4"}}},
     {0},
     {0},
     VERIFY_CERTIFICATE,
     "codeSigning alone"},
    {"a leaf that is a CA",
     {.name = LEAF,
      .exts = {{"keyUsage", "critical,digitalSignature"},
               {"basicConstraints", "critical,CA:TRUE"}}},
     {0},
     {0},
     VERIFY_CERTIFICATE,
     "a CA signs no images"},
    {"a CA that is none",
     {0},
     {.name = MID, .exts = {{"keyUsage", "critical,keyCertSign"}}},
     {0},
     VERIFY_CERTIFICATE,
     "not a CA's"},
    {"a CA that says it is none",
     {0},
     {.name = MID,
      .exts = {{"basicConstraints", "critical,CA:FALSE"}, {"keyUsage", "critical,keyCertSign"}}},
     {0},
     VERIFY_CERTIFICATE,
     "not a CA's"},
    {"constraints not critical",
     {0},
     {.name = MID, .exts = {{"basicConstraints", "CA:TRUE"}, {"keyUsage", "critical,keyCertSign"}}},
     {0},
     VERIFY_CERTIFICATE,
     "no critical basicConstraints"},
    {"a CA that may not sign",
     {0},
     {.name = MID,
      .exts = {{"basicConstraints", "critical,CA:TRUE"}, {"keyUsage", "critical,cRLSign"}}},
     {0},
     VERIFY_CERTIFICATE,
     "keyCertSign"},
    {"a CA without usage",
     {0},
     {.name = MID, .exts = {{"basicConstraints", "critical,CA:TRUE"}}},
     {0},
     VERIFY_CERTIFICATE,
     "keyCertSign"},
    {"a path that is too long",
     {0},
     {0},
     {.name = ROOT,
      .exts = {{"basicConstraints", "critical,CA:TRUE,pathlen:0"},
               {"keyUsage", "critical,keyCertSign"}}},
     VERIFY_CERTIFICATE,
     "pathLenConstraint"},
    {"paths that are just long enough",
     {0},
     {.name = MID,
      .exts = {{"basicConstraints", "critical,CA:TRUE,pathlen:0"},
               {"keyUsage", "critical,keyCertSign"}}},
     {.name = ROOT,
      .exts = {{"basicConstraints", "critical,CA:TRUE,pathlen:1"},
               {"keyUsage", "critical,keyCertSign"}}},
     0,
     NULL},
    {"a name that is not permitted",
     {.name = LEAF,
      .exts = {{"keyUsage", "critical,digitalSignature"}, {"subjectAltName", "DNS:evil.example"}}},
     {.name = MID,
      .exts = {{"basicConstraints", "critical,CA:TRUE"},
               {"keyUsage", "critical,keyCertSign"},
               {"nameConstraints", "critical,permitted;DNS:good.example"}}},
     {0},
     VERIFY_CERTIFICATE,
     "constrains names"},
    {"SHA-1",
     {.name = LEAF, .exts = MAKER_LEAF_EXTS, .md = (const EVP_MD *)1},
     {0},
     {0},
     VERIFY_CERTIFICATE,
     "algorithm that is not supported"},
    {"expired above",
     {0},
     {.name = MID, .exts = MAKER_CA_EXTS, .until_s = MAKER_NOW - 1},
     {0},
     VERIFY_TIME,
     "CN=mid"},
    {"valid to the last second",
     {.name = LEAF, .exts = MAKER_LEAF_EXTS, .until_s = MAKER_NOW},
     {0},
     {0},
     0,
     NULL},
    {"not yet valid",
     {.name = LEAF, .exts = MAKER_LEAF_EXTS, .from_s = MAKER_NOW + 1},
     {0},
     {0},
     VERIFY_TIME,
     "CN=leaf"},
    {"another organization",
     {.name = "C=US/ST=WA/O=n/CN=leaf", .exts = MAKER_LEAF_EXTS},
     {0},
     {0},
     VERIFY_IDENTITY,
     "CN=leaf,O=n"},
    {"more than was asked for",
     {.name = "C=US/ST=WA/L=x/O=m/OU=y/CN=leaf", .exts = MAKER_LEAF_EXTS},
     {0},
     {0},
     0,
     NULL},
    {"an organization in another case",
     {.name = "C=US/ST=WA/O=M/CN=leaf", .exts = MAKER_LEAF_EXTS},
     {0},
     {0},
     VERIFY_IDENTITY,
     "O=M"},
    {"two organizations",
     {.name = "C=US/ST=WA/O=n/O=m/CN=leaf", .exts = MAKER_LEAF_EXTS},
     {0},
     {0},
     VERIFY_IDENTITY,
     "twice"},
    {"two attributes in one",
     {.name = "C=US/ST=WA/O=m/+CN=leaf", .exts = MAKER_LEAF_EXTS},
     {0},
     {0},
     VERIFY_IDENTITY,
     "twice"},
    {"a name that looks like the one wanted",
     {.name = "CN=leaf, C=US, ST=WA, O=m", .exts = MAKER_LEAF_EXTS},
     {0},
     {0},
     VERIFY_IDENTITY,
     "signed by"},
};
#define NPLANS (sizeof(plans) / sizeof(plans[0]))

static struct pg_buf jws;

static enum verify_reason verify_made(const struct trust *t, const struct maker_cert *const *chain,
                                      char *text)
{
    struct maker_jws j = {GUARDED, PAYLOAD, NULL, chain};
    struct notation_case c = {.trust = t,
                              .media_type = NOTATION_CASE_JWS,
                              .manifest = SL("{}"),
                              .manifest_type = SL("a/b"),
                              .repository = NOTATION_CASE_REPO,
                              .now_s = MAKER_NOW};
    enum verify_reason reason;
    struct pg_arena arena;

    maker_jws(&j, &jws);
    c.envelope = pg_buf_sl(&jws);
    pg_arena_init(&arena, VERIFY_ARENA_BYTES);
    reason = notation_case_verify(&c, &arena, NULL, text);
    pg_arena_free(&arena);
    return reason;
}

static struct maker_cert make(const struct maker_plan *plan, const struct maker_plan *good,
                              const struct maker_cert *issuer)
{
    struct maker_plan p = plan->name != NULL ? *plan : *good;

    if (p.md != NULL)
        p.md = EVP_sha1();
    return maker_cert(&p, issuer);
}

static void expect(const char *what, enum verify_reason got, enum verify_reason wanted,
                   const char *text, const char *says)
{
    if (got != wanted)
        fail_msg("%s: reason %d, not %d: %s", what, got, wanted, text);
    if (says != NULL && strstr(text, says) == NULL)
        fail_msg("%s: \"%s\" does not say \"%s\"", what, text, says);
}

TEST(each_chain_has_its_verdict)
{
    for (size_t i = 0; i < NPLANS; i++) {
        struct maker_cert root = make(&plans[i].root, &plans[0].root, NULL);
        struct maker_cert mid = make(&plans[i].mid, &plans[0].mid, &root);
        struct maker_cert leaf = make(&plans[i].leaf, &plans[0].leaf, &mid);
        const struct maker_cert *chain[] = {&leaf, &mid, &root, NULL};
        char text[PG_ERR_TEXT_MAX] = "";
        struct trust *t = trust_new();

        maker_trust(t, "ca", "made", &root);
        notation_case_policy(t, SL(POLICY));
        expect(plans[i].what, verify_made(t, chain, text), plans[i].reason, text, plans[i].says);
        trust_unref(t);
        maker_free(&leaf);
        maker_free(&mid);
        maker_free(&root);
    }
}

/* Three good certificates, and who is trusted. */
struct three {
    struct maker_cert leaf, mid, root;
};

static struct three make_three(void)
{
    struct three c;

    c.root = maker_cert(&plans[0].root, NULL);
    c.mid = maker_cert(&plans[0].mid, &c.root);
    c.leaf = maker_cert(&plans[0].leaf, &c.mid);
    return c;
}

static void free_three(struct three *c)
{
    maker_free(&c->leaf);
    maker_free(&c->mid);
    maker_free(&c->root);
}

static void trusting(const struct maker_cert *anchor, const struct maker_cert *const *chain,
                     enum verify_reason reason, const char *says)
{
    char text[PG_ERR_TEXT_MAX] = "";
    struct trust *t = trust_new();

    maker_trust(t, "ca", "made", anchor);
    notation_case_policy(t, SL(POLICY));
    expect("trusting", verify_made(t, chain, text), reason, text, says);
    trust_unref(t);
}

TEST(a_ca_in_the_middle_may_be_the_one_that_is_trusted)
{
    struct three c = make_three();

    trusting(&c.mid, (const struct maker_cert *[]){&c.leaf, &c.mid, &c.root, NULL}, VERIFY_NONE,
             NULL);
    free_three(&c);
}

TEST(a_ca_of_the_same_name_is_another)
{
    struct three real = make_three(), fake = make_three();

    trusting(&real.root, (const struct maker_cert *[]){&fake.leaf, &fake.mid, &fake.root, NULL},
             VERIFY_CERTIFICATE, "in a ca: trust store");
    trusting(&real.root, (const struct maker_cert *[]){&fake.leaf, &fake.mid, &real.root, NULL},
             VERIFY_CERTIFICATE, "not signed by the next one");
    trusting(&real.root,
             (const struct maker_cert *[]){&fake.leaf, &fake.mid, &fake.root, &real.root, NULL},
             VERIFY_CERTIFICATE, "not signed by the next one");
    trusting(&real.root,
             (const struct maker_cert *[]){&fake.leaf, &fake.mid, &real.root, &fake.root, NULL},
             VERIFY_CERTIFICATE, "not signed by the next one");
    free_three(&real);
    free_three(&fake);
}

/* A leaf of the same CA is not a CA, whatever it signs. */
TEST(who_has_a_leaf_cannot_make_another)
{
    struct three c = make_three();
    struct maker_cert under = maker_cert(&plans[0].leaf, &c.leaf);

    trusting(&c.root, (const struct maker_cert *[]){&under, &c.leaf, &c.mid, &c.root, NULL},
             VERIFY_CERTIFICATE, "not a CA's");
    maker_free(&under);
    free_three(&c);
}

TEST(chains_are_short)
{
    struct three c = make_three();
    const struct maker_cert *nine[] = {&c.leaf, &c.mid, &c.mid, &c.mid,  &c.mid,
                                       &c.mid,  &c.mid, &c.mid, &c.root, NULL};

    trusting(&c.root, nine, VERIFY_TOO_LARGE, "more than 8 certificates");
    free_three(&c);
}

static void with_key(EVP_PKEY *key, enum verify_reason reason, const char *says)
{
    struct maker_plan plan = {.name = LEAF, .exts = MAKER_LEAF_EXTS, .key = key};
    struct three c = make_three();
    struct maker_cert leaf = maker_cert(&plan, &c.mid);

    trusting(&c.root, (const struct maker_cert *[]){&leaf, &c.mid, &c.root, NULL}, reason, says);
    maker_free(&leaf);
    free_three(&c);
}

TEST(a_key_signs_in_one_way_alone)
{
    with_key(EVP_RSA_gen(1024), VERIFY_CERTIFICATE, "a key of a kind that is not supported");
    with_key(EVP_RSA_gen(2048), VERIFY_SIGNATURE, "says that it is ES256, but");
    with_key(EVP_RSA_gen(2560), VERIFY_CERTIFICATE, "not of a kind that signs");
    with_key(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), VERIFY_CERTIFICATE,
             "not of a kind that signs");
    with_key(EVP_EC_gen("secp256k1"), VERIFY_CERTIFICATE, "a key of a kind that is not supported");
    with_key(EVP_EC_gen("P-384"), VERIFY_SIGNATURE, "says that it is ES256, but");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(each_chain_has_its_verdict),
        RUN(a_ca_in_the_middle_may_be_the_one_that_is_trusted),
        RUN(a_ca_of_the_same_name_is_another),
        RUN(who_has_a_leaf_cannot_make_another),
        RUN(chains_are_short),
        RUN(a_key_signs_in_one_way_alone),
    };
    int status;

    pg_buf_init(&jws, VERIFY_NOTATION_MAX);
    status = cmocka_run_group_tests(tests, NULL, NULL);
    pg_buf_free(&jws);
    return status;
}
