/* SPDX-License-Identifier: Apache-2.0 */
#include "signing/notary_int.h"

#define BIT(header)      (1U << NOTARY_##header)
#define SCHEME_X509      SL("notary.x509")
#define SCHEME_AUTHORITY SL("notary.x509.signingAuthority")

static const struct notary_alg algs[] = {
    {"PS256", -37, KEY_RSA, 2048, KEY_SHA256, 256}, {"PS384", -38, KEY_RSA, 3072, KEY_SHA384, 384},
    {"PS512", -39, KEY_RSA, 4096, KEY_SHA512, 512}, {"ES256", -7, KEY_P256, 256, KEY_SHA256, 64},
    {"ES384", -35, KEY_P384, 384, KEY_SHA384, 96},  {"ES512", -36, KEY_P521, 521, KEY_SHA512, 132},
};
#define NALGS (sizeof(algs) / sizeof(algs[0]))

static const char *const header_names[NOTARY_HEADERS] = {
    [NOTARY_ALG] = "alg",
    [NOTARY_TYPE] = "cty",
    [NOTARY_CRIT] = "crit",
    [NOTARY_SCHEME] = "io.cncf.notary.signingScheme",
    [NOTARY_SIGNING_TIME] = "io.cncf.notary.signingTime",
    [NOTARY_AUTHENTIC_TIME] = "io.cncf.notary.authenticSigningTime",
    [NOTARY_EXPIRY] = "io.cncf.notary.expiry",
    [NOTARY_PLUGIN] = "io.cncf.notary.verificationPlugin",
    [NOTARY_PLUGIN_MIN] = "io.cncf.notary.verificationPluginMinVersion",
};

const char *notary_header_name(enum notary_header h)
{
    PG_CHECK(h < NOTARY_HEADERS);
    return header_names[h];
}

enum notary_header notary_header_of(struct sl name)
{
    for (unsigned h = NOTARY_SCHEME; h < NOTARY_HEADERS; h++)
        if (sl_eq(name, sl_str(header_names[h])))
            return (enum notary_header)h;
    return NOTARY_HEADERS;
}

const struct notary_alg *notary_alg_of(struct sl name, int cose)
{
    for (size_t i = 0; i < NALGS; i++)
        if (name.p != NULL ? sl_eq(name, sl_str(algs[i].name)) : algs[i].cose == cose)
            return &algs[i];
    return NULL;
}

const struct notary_alg *notary_alg_for(const struct key *k)
{
    for (size_t i = 0; i < NALGS; i++)
        if (algs[i].kind == k->kind && algs[i].bits == k->bits)
            return &algs[i];
    return NULL;
}

int notary_mark_critical(struct notary_envelope *e, struct sl name, struct verify_refusal *no)
{
    enum notary_header h = notary_header_of(name);
    struct sl shown = refuse_shown(name);

    if (h == NOTARY_HEADERS)
        return refuse(no, UNSUPPORTED,
                      "the signature has a critical header \"" SL_FMT "\", which is not known here",
                      SL_ARG(shown));
    if (e->critical & 1U << h)
        return refuse(no, MALFORMED, "\"crit\" names \"%s\" twice", header_names[h]);
    e->critical |= 1U << h;
    return 0;
}

int notary_add_cert(struct notary_envelope *e, struct sl der, struct verify_refusal *no)
{
    if (e->ncerts == NOTARY_CERTS_MAX)
        return refuse(no, TOO_LARGE, "the signature has more than %d certificates",
                      NOTARY_CERTS_MAX);
    if (der.n > NOTARY_CERT_MAX)
        return refuse(no, TOO_LARGE, "a certificate of the signature has more than %zu bytes",
                      NOTARY_CERT_MAX);
    e->certs[e->ncerts++] = der;
    return 0;
}

/* The first of these that has its bit set. */
static const char *name_of(unsigned bits)
{
    unsigned h = 0;

    while ((bits & 1U << h) == 0)
        h++;
    return notary_header_name((enum notary_header)h);
}

static int check_critical(const struct notary_envelope *e, struct verify_refusal *no)
{
    unsigned must_be =
        BIT(SCHEME) | BIT(AUTHENTIC_TIME) | BIT(EXPIRY) | BIT(PLUGIN) | BIT(PLUGIN_MIN);
    unsigned absent = e->critical & ~e->present, unmarked = e->present & must_be & ~e->critical;

    if (absent != 0)
        return refuse(no, MALFORMED, "\"crit\" names \"%s\", which is absent", name_of(absent));
    if (unmarked != 0)
        return refuse(no, MALFORMED, "\"%s\" is not in \"crit\", where it has to be",
                      name_of(unmarked));
    if (e->present & (BIT(PLUGIN) | BIT(PLUGIN_MIN)))
        return refuse(no, UNSUPPORTED,
                      "the signature wants a verification plugin; there are none here");
    return 0;
}

/* One scheme says when by itself, which is believed; the other does not, and may be stamped. */
static int check_scheme(const struct notary_envelope *e, struct verify_refusal *no)
{
    bool is_authority = sl_eq(e->scheme, SCHEME_AUTHORITY);
    unsigned wanted = is_authority ? BIT(AUTHENTIC_TIME) : BIT(SIGNING_TIME);
    unsigned unwanted = is_authority ? BIT(SIGNING_TIME) : BIT(AUTHENTIC_TIME);
    struct sl shown = refuse_shown(e->scheme);

    if (!is_authority && !sl_eq(e->scheme, SCHEME_X509))
        return refuse(no, UNSUPPORTED, "the signing scheme \"" SL_FMT "\" is not known",
                      SL_ARG(shown));
    if ((e->present & wanted) == 0)
        return refuse(no, MALFORMED, "\"%s\" is missing, which the scheme \"" SL_FMT "\" has",
                      name_of(wanted), SL_ARG(shown));
    if (e->present & unwanted)
        return refuse(no, MALFORMED, "\"%s\" is there, which the scheme \"" SL_FMT "\" has not",
                      name_of(unwanted), SL_ARG(shown));
    if (e->expiry_s <= (is_authority ? e->authentic_time_s : e->signing_time_s))
        return refuse(no, MALFORMED, "the signature ends before it was made");
    return 0;
}

int notary_check(const struct notary_envelope *e, struct verify_refusal *no)
{
    unsigned missing = (BIT(ALG) | BIT(TYPE) | BIT(CRIT) | BIT(SCHEME)) & ~e->present;
    struct sl shown = refuse_shown(e->content_type);

    if (missing != 0)
        return refuse(no, MALFORMED, "the signature has no header \"%s\"", name_of(missing));
    if (check_critical(e, no) < 0 || check_scheme(e, no) < 0)
        return -1;
    if (!sl_eq(e->content_type, SL(NOTARY_PAYLOAD)))
        return refuse(no, UNSUPPORTED,
                      "the signature is over \"" SL_FMT "\", not over a Notation payload",
                      SL_ARG(shown));
    if (e->ncerts == 0)
        return refuse(no, MALFORMED, "the signature has no certificates");
    if (e->stamp.p != NULL && e->stamp.n > STAMP_TOKEN_MAX)
        return refuse(no, TOO_LARGE, "the timestamp has more than %zu bytes", STAMP_TOKEN_MAX);
    return 0;
}
