/* SPDX-License-Identifier: Apache-2.0 */
#include "signing/refuse_int.h"

#include <stdarg.h>
#include <stdio.h>

void refuse_at(struct verify_refusal *no, enum verify_reason reason, const char *file, int line,
               const char *fmt, ...)
{
    char text[PG_ERR_TEXT_MAX];
    va_list args;

    PG_CHECK(reason != VERIFY_NONE);
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    no->reason = reason;
    (void)pg_fail_at(&no->err, PG_E_DENIED, file, line, "%s", text);
}
