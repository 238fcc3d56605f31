/* SPDX-License-Identifier: Apache-2.0 */
#include "base/size.h"

static const char *const units[] = {"B", "KiB", "MiB", "GiB",
                                    "TiB"}; /* each 1024 of the one before */
#define NUNITS (sizeof(units) / sizeof(*units))

bool pg_size_read(struct sl text, uint64_t *bytes_r)
{
    uint64_t value = 0;
    size_t n = 0;

    while (n < text.n && text.p[n] >= '0' && text.p[n] <= '9') {
        value = value * 10 + (uint64_t)(text.p[n++] - '0');
        if (value > PG_SIZE_MAX)
            return false;
    }
    for (unsigned i = 0; n > 0 && i < NUNITS; i++) {
        if (sl_eq((struct sl){text.p + n, text.n - n}, sl_str(units[i]))) {
            *bytes_r = value << (10 * i);
            return value <= PG_SIZE_MAX >> (10 * i);
        }
    }
    return false;
}

void pg_size_put(struct pg_buf *out, uint64_t bytes)
{
    double value = (double)bytes;
    size_t i = 0;

    while (value >= 1024 && i + 1 < NUNITS) {
        value /= 1024;
        i++;
    }
    (void)pg_buf_printf(out, i > 0 ? "%.1f %s" : "%.0f %s", value, units[i]);
}
