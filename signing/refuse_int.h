/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refuse - how this room says no: a reason of reason_table.h and a sentence.
 *
 * Inside the room, a function that may refuse returns 0 or -1 and takes `struct verify_refusal *no`
 * last; on -1 and only then *no is filled, over whatever it held.
 *
 *     return refuse(no, SIGNATURE, "the signature of %s does not match", what);
 */
#pragma once

#include "signing/verify.h"

#define REFUSE_SHOWN_MAX 160

#define refuse(no, reason, ...)                                                                    \
    (refuse_at((no), VERIFY_##reason, __FILE__, __LINE__, __VA_ARGS__), -1)
void refuse_at(struct verify_refusal *no, enum verify_reason reason, const char *file, int line,
               const char *fmt, ...) PG_PRINTF(5, 6);

/* As much of a stranger's text as a sentence can hold. */
static inline struct sl refuse_shown(struct sl text)
{
    return (struct sl){text.p, text.n < REFUSE_SHOWN_MAX ? text.n : REFUSE_SHOWN_MAX};
}
