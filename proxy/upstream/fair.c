/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/fair_int.h"

#include "base/check.h"
#include "base/random.h"

#define PRIME 0x100000001b3ULL

void fair_init(struct fair *f)
{
    *f = (struct fair){.seed = pg_random_u64()};
}

static uint64_t mix(uint64_t hash, struct sl s)
{
    for (size_t i = 0; i < s.n; i++) {
        hash = (hash ^ (unsigned char)s.p[i]) * PRIME;
    }
    return hash ^ (hash >> 29);
}

struct fair_party fair_party(const struct fair *f, struct sl caller, struct sl repo)
{
    uint64_t whose = mix(f->seed, caller);

    return (struct fair_party){.caller = (unsigned)(whose % FAIR_SLOTS),
                               .repo = (unsigned)(mix(whose * PRIME + 1, repo) % FAIR_SLOTS)};
}

bool fair_is_before(const struct fair *f, const struct fair_party *a, const struct fair_party *b)
{
    const struct fair_slot *ca = &f->slots[a->caller], *cb = &f->slots[b->caller];
    const struct fair_slot *ra = &f->slots[a->repo], *rb = &f->slots[b->repo];

    if (ca->running != cb->running)
        return ca->running < cb->running;
    if (a->caller != b->caller && ca->served != cb->served)
        return ca->served < cb->served;
    if (ra->running != rb->running)
        return ra->running < rb->running;
    return ra->served < rb->served;
}

void fair_begin(struct fair *f, const struct fair_party *p)
{
    f->turns++;
    f->slots[p->caller].running++;
    f->slots[p->repo].running++;
    f->slots[p->caller].served = f->slots[p->repo].served = f->turns;
}

void fair_end(struct fair *f, const struct fair_party *p)
{
    PG_CHECK(f->slots[p->caller].running > 0 && f->slots[p->repo].running > 0);
    f->slots[p->caller].running--;
    f->slots[p->repo].running--;
}
