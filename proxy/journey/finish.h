/* SPDX-License-Identifier: Apache-2.0 */
/*
 * finish - what remains of a request: exactly one log line, its counters, and for a manifest that
 * was pulled one record of the pull. Called once, when the journey has ended, whichever way.
 * Threads: the loop's.
 */
#pragma once

#include "proxy/journey/journey.h"

void finish_journey(struct journey *j);
