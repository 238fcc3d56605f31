/* SPDX-License-Identifier: Apache-2.0 */
/* fake_clock - the test is the time. */
#pragma once

#include <stdint.h>

extern uint64_t fake_clock_mono_ms_now;
extern int64_t fake_clock_wall_s_now;
