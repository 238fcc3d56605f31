/* SPDX-License-Identifier: Apache-2.0 */
/*
 * severity - how bad a finding is: five words that are in order, and "unknown", which is in none.
 *
 * Each source has words of its own ("IMPORTANT", "moderate", "Negligible"); they are kept beside
 * what is made of them here. Pure. Threads: any.
 */
#pragma once

#include "base/slice.h"

enum severity {
    SEVERITY_UNKNOWN,
    SEVERITY_NEGLIGIBLE,
    SEVERITY_LOW,
    SEVERITY_MEDIUM,
    SEVERITY_HIGH,
    SEVERITY_CRITICAL,
    SEVERITY_N,
};

enum severity severity_of_word(struct sl word);    /* UNKNOWN: a word that nobody knows, or none */
enum severity severity_of_score(double cvss_base); /* by CVSS v3; 0 and what is none: UNKNOWN */
const char *severity_word(enum severity s);        /* "critical" */
