/* SPDX-License-Identifier: Apache-2.0 */
#include "signing/dn_int.h"

#include <openssl/err.h>
#include <openssl/objects.h>

#define VALUE_MAX 1024

static const struct {
    struct sl name;
    int nid;
} attributes[] = {
    {SL("C"), NID_countryName},
    {SL("ST"), NID_stateOrProvinceName},
    {SL("S"), NID_stateOrProvinceName},
    {SL("L"), NID_localityName},
    {SL("O"), NID_organizationName},
    {SL("OU"), NID_organizationalUnitName},
    {SL("CN"), NID_commonName},
    {SL("STREET"), NID_streetAddress},
    {SL("SERIALNUMBER"), NID_serialNumber},
    {SL("POSTALCODE"), NID_postalCode},
    {SL("DC"), NID_domainComponent},
    {SL("UID"), NID_userId},
};
#define NATTRIBUTES (sizeof(attributes) / sizeof(attributes[0]))

static int nid_of(struct sl name)
{
    for (size_t i = 0; i < NATTRIBUTES; i++)
        if (sl_eq_nocase(attributes[i].name, name))
            return attributes[i].nid;
    return NID_undef;
}

static bool is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        return (c | 0x20) - 'a' + 10;
    return -1;
}

/* Behind a backslash: a special character, or two hexadecimal digits. How many bytes; 0: neither.
 */
static size_t unescape(struct sl in, char *out)
{
    int high, low;

    if (in.n == 0)
        return 0;
    if (is_one_of(in.p[0], " \"#+,;<=>\\")) {
        *out = in.p[0];
        return 1;
    }
    high = hex_digit(in.p[0]);
    low = in.n > 1 ? hex_digit(in.p[1]) : -1;
    if (high < 0 || low < 0 || (high | low) == 0)
        return 0;
    *out = (char)(high << 4 | low);
    return 2;
}

static struct sl skip_blanks(struct sl s)
{
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = (struct sl){s.p + 1, s.n - 1};
    return s;
}

/* Takes a value off *in, up to a comma or the end. Blanks that are not escaped are cut off at its
 * end. */
static int take_value(struct sl *in, struct pg_arena *arena, struct sl *value_r, struct pg_err *err)
{
    char *out = pg_alloc(arena, in->n + 1);
    size_t n = 0, kept = 0, i = 0;

    if (in->n > 0 && in->p[0] == '#')
        return pg_fail(err, PG_E_DENIED, "values in hexadecimal (#...) are not supported");
    while (i < in->n && in->p[i] != ',') {
        char c = in->p[i++];

        if (c == '\\') {
            size_t taken = unescape((struct sl){in->p + i, in->n - i}, &out[n]);

            if (taken == 0)
                return pg_fail(err, PG_E_DENIED, "a backslash with nothing behind it to escape");
            i += taken;
            kept = ++n;
            continue;
        }
        if (c == '\0' || is_one_of(c, "\"+;<>"))
            return pg_fail(err, PG_E_DENIED,
                           "a character has to be escaped with a backslash: one of \" + ; < >");
        out[n++] = c;
        if (c != ' ')
            kept = n;
    }
    if (kept == 0 || kept > VALUE_MAX)
        return pg_fail(err, PG_E_DENIED, "a value is empty, or longer than %d bytes", VALUE_MAX);
    *value_r = (struct sl){out, kept};
    *in = (struct sl){in->p + i, in->n - i};
    return 0;
}

static int add(struct dn *dn, int nid, struct sl value, struct pg_err *err)
{
    if (dn_has(dn, nid))
        return pg_fail(err, PG_E_DENIED, "%s is there twice", OBJ_nid2sn(nid));
    if (dn->n == DN_MAX)
        return pg_fail(err, PG_E_DENIED, "more than %d attributes", DN_MAX);
    dn->nids[dn->n] = nid;
    dn->values[dn->n++] = value;
    return 0;
}

int dn_parse(struct sl text, struct pg_arena *arena, struct dn *dn_r, struct pg_err *err)
{
    struct dn dn = {.n = 0};
    struct sl in = skip_blanks(text);

    for (;;) {
        const char *equals = in.n > 0 ? memchr(in.p, '=', in.n) : NULL;
        struct sl name = {in.p, equals != NULL ? (size_t)(equals - in.p) : in.n}, value = {0};
        int nid = nid_of(sl_trim(name));

        if (equals == NULL)
            return pg_fail(err, PG_E_DENIED, "NAME=VALUE, NAME=VALUE ... is expected");
        if (nid == NID_undef)
            return pg_fail(err, PG_E_DENIED,
                           "the attribute \"" SL_FMT
                           "\" is not known: C, ST, L, O, OU, CN, STREET, "
                           "SERIALNUMBER, POSTALCODE, DC and UID are",
                           (int)(name.n < 64 ? name.n : 64), name.p);
        in = skip_blanks((struct sl){equals + 1, in.n - name.n - 1});
        if (take_value(&in, arena, &value, err) < 0 || add(&dn, nid, value, err) < 0)
            return -1;
        if (in.n == 0)
            break;
        in = skip_blanks((struct sl){in.p + 1, in.n - 1}); /* the comma */
    }
    *dn_r = dn;
    return 0;
}

static bool read_value(const ASN1_STRING *from, struct pg_arena *arena, struct sl *value_r)
{
    unsigned char *utf8 = NULL;
    int n = ASN1_STRING_to_UTF8(&utf8, from);

    ERR_clear_error();
    if (n < 0)
        return false;
    *value_r = pg_copy(arena, (struct sl){(const char *)utf8, (size_t)n});
    OPENSSL_free(utf8);
    return n > 0 && n <= VALUE_MAX && memchr(value_r->p, '\0', (size_t)n) == NULL;
}

bool dn_of(const X509_NAME *name, struct pg_arena *arena, struct dn *dn_r)
{
    int n = X509_NAME_entry_count(name), set = -1;
    struct dn dn = {.n = 0};

    if (n > DN_MAX)
        return false;
    for (int i = 0; i < n; i++) {
        const X509_NAME_ENTRY *e = X509_NAME_get_entry(name, i);
        int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(e));
        struct sl value;

        if (X509_NAME_ENTRY_set(e) == set)
            return false;
        set = X509_NAME_ENTRY_set(e);
        if (nid == NID_undef) /* of no name that could be asked for */
            continue;
        if (dn_has(&dn, nid) || !read_value(X509_NAME_ENTRY_get_data(e), arena, &value))
            return false;
        dn.nids[dn.n] = nid;
        dn.values[dn.n++] = value;
    }
    *dn_r = dn;
    return true;
}

bool dn_has(const struct dn *dn, int nid)
{
    for (unsigned i = 0; i < dn->n; i++)
        if (dn->nids[i] == nid)
            return true;
    return false;
}

static bool has_value(const struct dn *dn, int nid, struct sl value)
{
    for (unsigned i = 0; i < dn->n; i++)
        if (dn->nids[i] == nid && sl_eq(dn->values[i], value))
            return true;
    return false;
}

bool dn_is_in(const struct dn *part, const struct dn *whole)
{
    for (unsigned i = 0; i < part->n; i++)
        if (!has_value(whole, part->nids[i], part->values[i]))
            return false;
    return true;
}

struct sl dn_write(const X509_NAME *name, struct pg_arena *arena)
{
    BIO *bio = BIO_new(BIO_s_mem());
    struct sl text = SL("");
    char *p;
    long n;

    PG_CHECK(bio != NULL);
    if (X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0) {
        n = BIO_get_mem_data(bio, &p);
        text = pg_copy(arena, (struct sl){p, n > 0 ? (size_t)n : 0});
    }
    BIO_free(bio);
    ERR_clear_error();
    return text;
}
