/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journey/authz.h"

int authz_may(const struct authn_who *who, enum route_authz tag, struct pg_err *err)
{
    (void)who;
    switch (tag) {
    case ROUTE_AUTHZ_NONE:
    case ROUTE_AUTHZ_PULL:
    case ROUTE_AUTHZ_LIST:
        return 0;
    }
    return pg_fail(err, PG_E_DENIED, "this operation is not allowed");
}
