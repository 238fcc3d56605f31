/* SPDX-License-Identifier: Apache-2.0 */
#include "base/record.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/check.h"

struct mark {
    _Atomic(const char *) what;
    atomic_uint_least64_t id, when_ms;
};

static struct ring {
    char name[16];
    atomic_size_t n; /* marks made; the newest is at n - 1 */
    struct mark marks[RECORD_EACH];
} rings[RECORD_THREADS_MAX];

static atomic_uint nrings;
static _Thread_local struct ring *mine;
static _Thread_local bool is_out; /* there were no rings left */

static struct ring *take_ring(void)
{
    unsigned no = atomic_fetch_add(&nrings, 1);

    if (no >= RECORD_THREADS_MAX) {
        atomic_store(&nrings, RECORD_THREADS_MAX);
        is_out = true;
        return NULL;
    }
    mine = &rings[no];
    (void)prctl(PR_GET_NAME, mine->name);
    return mine;
}

void pg_record_mark(const char *what, uint64_t id, uint64_t when_ms)
{
    struct ring *r = mine;
    struct mark *m;
    size_t n;

    if (r == NULL && (is_out || (r = take_ring()) == NULL))
        return;
    n = atomic_load_explicit(&r->n, memory_order_relaxed);
    m = &r->marks[n % RECORD_EACH];
    atomic_store_explicit(&m->what, what, memory_order_relaxed);
    atomic_store_explicit(&m->id, id, memory_order_relaxed);
    atomic_store_explicit(&m->when_ms, when_ms, memory_order_relaxed);
    atomic_store_explicit(&r->n, n + 1, memory_order_release);
}

size_t pg_record_read(unsigned no, char name_r[16], struct pg_record marks_r[RECORD_EACH])
{
    const struct ring *r;
    size_t n, first;

    PG_CHECK(no < RECORD_THREADS_MAX);
    r = &rings[no];
    n = atomic_load_explicit(&r->n, memory_order_acquire);
    first = n > RECORD_EACH ? n - RECORD_EACH : 0;
    for (size_t i = first; i < n; i++) {
        const struct mark *m = &r->marks[i % RECORD_EACH];

        marks_r[i - first] = (struct pg_record){
            .what = atomic_load_explicit(&m->what, memory_order_relaxed),
            .id = atomic_load_explicit(&m->id, memory_order_relaxed),
            .when_ms = atomic_load_explicit(&m->when_ms, memory_order_relaxed),
        };
    }
    memcpy(name_r, r->name, sizeof(r->name));
    name_r[15] = '\0';
    return n - first;
}

void pg_record_dump(int fd)
{
    struct pg_record marks[RECORD_EACH] = {0};
    char name[16];

    for (unsigned no = 0; no < RECORD_THREADS_MAX; no++) {
        size_t n = pg_record_read(no, name, marks);

        for (size_t i = 0; i < n; i++)
            pg_check_print(fd, "  %s %" PRIu64 " ms: %s id=%" PRIu64 "\n", name, marks[i].when_ms,
                           marks[i].what, marks[i].id);
    }
}
