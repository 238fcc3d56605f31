/* SPDX-License-Identifier: Apache-2.0 */
/* authz - may they: asked of every request with its route's tag, before anything is looked up.
 * Today everybody may pull and list. Pure; any thread. */
#pragma once

#include "oci/route.h"
#include "proxy/journey/authn.h"

/* DENIED, or UNAUTHORIZED when credentials could help. */
PG_MUST_USE int authz_may(const struct authn_who *who, enum route_authz tag, struct pg_err *err);
