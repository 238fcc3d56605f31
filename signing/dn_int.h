/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dn - a distinguished name: attributes with their values, no attribute twice, as Notation compares
 * them: one is in another when each of its attributes is there with the same bytes.
 *
 *     C=US, ST=WA, O=wabbit-networks, CN=release
 *
 * Text is that of RFC 4514, with blanks around the parts allowed. Known are C, ST (or S), L, O, OU,
 * CN, STREET, SERIALNUMBER, POSTALCODE, DC and UID.
 *
 * Ownership:  values are in the arena.
 * Threads:    pure.
 */
#pragma once

#include <openssl/x509.h>

#include "base/arena.h"
#include "base/err.h"

#define DN_MAX 16

struct dn {
    int nids[DN_MAX];
    struct sl values[DN_MAX];
    unsigned n;
};

/* DENIED with what is wrong. */
PG_MUST_USE int dn_parse(struct sl text, struct pg_arena *arena, struct dn *dn_r,
                         struct pg_err *err);
/* false: an attribute is there twice, or two in one, or a value is not a text. Attributes that are
 * not known are kept: they count for nothing but being there. */
PG_MUST_USE bool dn_of(const X509_NAME *name, struct pg_arena *arena, struct dn *dn_r);
bool dn_has(const struct dn *dn, int nid);
bool dn_is_in(const struct dn *part, const struct dn *whole);
/* RFC 4514, most specific first. */
struct sl dn_write(const X509_NAME *name, struct pg_arena *arena);
