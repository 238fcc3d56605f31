/* SPDX-License-Identifier: Apache-2.0 */
/* fake_log - lines are kept for the test: "request id=1 status=200 ..." */
#pragma once

#include "base/log.h"

#define FAKE_LOG_LINES 64

extern char fake_log_lines[FAKE_LOG_LINES][PG_LOG_LINE_MAX];
extern unsigned fake_log_n; /* all levels; the oldest are overwritten */

void fake_log_reset(void);
const char *fake_log_last(void); /* "" when there is none */
