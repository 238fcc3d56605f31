/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journey/admit.h"

int admit_choose(const struct admit_candidate *candidates, size_t ncandidates, size_t *chosen_r,
                 struct admit_verdict *verdict_r, struct pg_err *err)
{
    (void)candidates;
    if (ncandidates == 0)
        return pg_fail(err, PG_E_DENIED, "there is nothing that may be served");
    *chosen_r = 0;
    *verdict_r = (struct admit_verdict){.allow = true, .rule = "none", .reason = "no rules"};
    return 0;
}
