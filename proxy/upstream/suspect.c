/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/suspect_int.h"

static struct suspect *find(struct suspects *s, uint64_t origin, const struct digest *d)
{
    for (unsigned i = 0; i < SUSPECTS_MAX; i++) {
        struct suspect *one = &s->list[i];

        if (one->used && one->origin == origin && digest_eq(&one->digest, d))
            return one;
    }
    return NULL;
}

const struct suspect *suspect_find(struct suspects *s, uint64_t origin, const struct digest *d)
{
    return find(s, origin, d);
}

void suspect_note(struct suspects *s, uint64_t origin, const struct digest *d, unsigned sites,
                  unsigned all)
{
    struct suspect *one = find(s, origin, d);
    bool is_one = sites != 0 && (sites & (sites - 1)) == 0;

    if (one == NULL) {
        one = &s->list[s->next++ % SUSPECTS_MAX];
        *one = (struct suspect){.digest = *d, .origin = origin, .used = true};
    }
    if (is_one)
        one->wrong |= sites;
    if ((one->wrong & all) == all)
        one->wrong = 0;
}

void suspect_clear(struct suspects *s, uint64_t origin, const struct digest *d)
{
    struct suspect *one = find(s, origin, d);

    if (one != NULL)
        one->used = false;
}
