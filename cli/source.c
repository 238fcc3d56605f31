/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/source.h"

static int fetch_from_layout(void *owner, const struct evidence_step *step,
                             struct evidence_answer *a_r, struct pg_err *err)
{
    const struct layout *l = owner;
    struct digest digest = step->digest;

    if (step->what == EVIDENCE_REFERRERS) {
        a_r->bytes = layout_referrers(l, &step->digest);
        return a_r->bytes != NULL;
    }
    if (step->what == EVIDENCE_TAG) {
        int rc = layout_find(l, sl_str(step->tag), &digest, err);
        if (rc <= 0) {
            return rc;
        }
    }
    return layout_read(l, &digest, step->size_max, &a_r->bytes, err);
}

struct source source_of_layout(struct layout *l)
{
    return (struct source){.fetch = fetch_from_layout, .owner = l};
}
