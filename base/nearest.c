/* SPDX-License-Identifier: Apache-2.0 */
#include "base/nearest.h"

#include <string.h>

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Rows of the usual table, three of them kept: this one, the last, and the one before. */
static size_t distance(struct sl a, struct sl b)
{
    size_t rows[3][PG_NEAREST_WORD_MAX + 1];

    for (size_t j = 0; j <= b.n; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= a.n; i++) {
        size_t *now = rows[i % 3], *last = rows[(i - 1) % 3], *before = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            size_t changed = last[j - 1] + (a.p[i - 1] == b.p[j - 1] ? 0 : 1);
            now[j] = least(changed, least(last[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1]) {
                now[j] = least(now[j], before[j - 2] + 1);
            }
        }
    }
    return rows[a.n % 3][b.n];
}

const char *pg_nearest_of(struct sl word, const char *const *words, size_t nwords)
{
    const char *best = NULL;
    size_t best_distance = 0;

    if (word.n == 0 || word.n > PG_NEAREST_WORD_MAX) {
        return NULL;
    }
    for (size_t i = 0; i < nwords; i++) {
        struct sl other = {words[i], strlen(words[i])};
        size_t d = other.n <= PG_NEAREST_WORD_MAX ? distance(word, other) : PG_NEAREST_WORD_MAX;
        if (best == NULL || d < best_distance) {
            best = words[i];
            best_distance = d;
        }
    }
    return best_distance <= (word.n < 6 ? 1 : word.n / 3) ? best : NULL;
}
