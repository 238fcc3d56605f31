/* SPDX-License-Identifier: Apache-2.0 */
/*
 * der - one element after the other of strict DER: tags of one byte, lengths definite and as short
 * as they can be, nothing beyond what is there. For the little that is read by hand; certificates
 * are OpenSSL's to parse.
 *
 * Threads:    pure; slices into the same bytes.
 */
#pragma once

#include <stdbool.h>

#include "base/check.h"
#include "base/slice.h"

#define DER_BIT_STRING   0x03
#define DER_OCTET_STRING 0x04
#define DER_OID          0x06
#define DER_UTF8         0x0c
#define DER_SEQUENCE     0x30
#define DER_EXPLICIT_0   0xa0

/* Takes the next element off *in, if it has this tag. On false, *in is untouched. */
PG_MUST_USE bool der_take(struct sl *in, unsigned tag, struct sl *body_r);
/* in is this one element and nothing behind it. */
PG_MUST_USE bool der_only(struct sl in, unsigned tag, struct sl *body_r);
