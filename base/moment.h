/* SPDX-License-Identifier: Apache-2.0 */
/* moment - a date and time in the text of RFC 3339, strictly, as seconds since 1970; fractions are
 * cut off, a leap second is the one after it. Pure. */
#pragma once

#include <stdint.h>

#include "base/check.h"
#include "base/slice.h"

PG_MUST_USE bool moment_parse(struct sl text, int64_t *seconds_r);
