/* SPDX-License-Identifier: Apache-2.0 */
#include "scan/severity.h"

#include "base/check.h"

static const char *const words[SEVERITY_N] = {"unknown", "negligible", "low",
                                              "medium",  "high",       "critical"};

enum severity severity_of_word(struct sl word)
{
    word = sl_trim(word);
    for (unsigned i = 0; i < SEVERITY_N; i++) {
        if (sl_eq_nocase(word, sl_str(words[i]))) {
            return (enum severity)i;
        }
    }
    if (sl_eq_nocase(word, SL("important"))) { /* Red Hat's words */
        return SEVERITY_HIGH;
    }
    return sl_eq_nocase(word, SL("moderate")) ? SEVERITY_MEDIUM : SEVERITY_UNKNOWN;
}

enum severity severity_of_score(double cvss_base)
{
    if (!(cvss_base > 0 && cvss_base <= 10)) {
        return SEVERITY_UNKNOWN;
    }
    return cvss_base >= 9   ? SEVERITY_CRITICAL
           : cvss_base >= 7 ? SEVERITY_HIGH
           : cvss_base >= 4 ? SEVERITY_MEDIUM
                            : SEVERITY_LOW;
}

const char *severity_word(enum severity s)
{
    PG_CHECK(s < SEVERITY_N);
    return words[s];
}
