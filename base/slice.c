/* SPDX-License-Identifier: Apache-2.0 */
#include "base/slice.h"

#include <stdlib.h>

#include "base/check.h"

char *sl_dup(struct sl s)
{
    char *p = malloc(s.n + 1);

    PG_CHECK(p != NULL);
    if (s.n > 0)
        memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return p;
}
