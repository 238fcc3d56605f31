/* SPDX-License-Identifier: Apache-2.0 */
/* trust_root - trusted_root.json, v0.1 and v0.2, into a trust. On -1 the trust is half filled, and
 * thrown away by who makes it. Members that are not known are not looked at. */
#pragma once

#include "signing/trust_int.h"

PG_MUST_USE int trust_root_add(struct trust *t, struct sl json, struct pg_err *err);
