/* SPDX-License-Identifier: Apache-2.0 */
/* The clock goes as it does, but it is so much later by all that counts milliseconds. What counts
 * microseconds waits by the kernel's clock and is left alone. Any thread. */
#pragma once

#include <stdint.h>

void fake_later_by(uint64_t ms); /* added to what was said before */
