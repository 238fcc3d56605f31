/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journey/authn.h"

int authn_who(const struct conn_request *q, struct authn_who *who_r, struct pg_err *err)
{
    (void)err;
    *who_r = (struct authn_who){.name = q->is_control ? SL("operator") : SL("anonymous")};
    return 0;
}
