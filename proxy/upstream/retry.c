/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/retry_int.h"

#include "base/check.h"
#include "base/random.h"

#define NTH_MAX 8

/* A blob that moves starts counting anew, so its attempts are for one place in it. */
static const struct {
    unsigned char question, blob;
    bool elsewhere;
} table[RETRY_CAUSES] = {
    [RETRY_FINE] = {0, 0, false},    [RETRY_UNKNOWN] = {0, 0, false}, /* unless it was a mirror that
                                                                         said so */
    [RETRY_REFUSED] = {0, 0, false}, [RETRY_ABSENT] = {1, 3, true},   [RETRY_GONE] = {0, 3, true},
    [RETRY_BROKEN] = {1, 3, true},   [RETRY_SILENT] = {1, 3, true},   [RETRY_SERVER] = {2, 2, true},
    [RETRY_LATER] = {0, 0, true},    [RETRY_TLS] = {0, 0, true},      [RETRY_WRONG] = {0, 0, true},
    [RETRY_OURS] = {0, 0, false},
};

unsigned retry_times(enum retry_cause cause, enum retry_of what)
{
    PG_CHECK(cause < RETRY_CAUSES);
    return what == RETRY_BLOB ? table[cause].blob : table[cause].question;
}

bool retry_elsewhere(enum retry_cause cause)
{
    PG_CHECK(cause < RETRY_CAUSES);
    return table[cause].elsewhere;
}

/* Questions 200, 800 ms; blobs 200, 400, 800; half to one and a half of it. */
uint64_t retry_wait_ms(enum retry_of what, unsigned nth)
{
    uint64_t ms;

    nth = nth > NTH_MAX ? NTH_MAX : nth;
    ms = what == RETRY_BLOB ? (uint64_t)100 << nth : (uint64_t)50 << (2 * nth);
    return ms / 2 + pg_random_u64() % ms;
}
