/* SPDX-License-Identifier: Apache-2.0 */
/* landlock - what newer kernels offer, and the headers of Debian 12 do not have yet; for sandbox
 * and cage. */
#pragma once

#include <linux/landlock.h>
#include <stdint.h>

#define LANDLOCK_ABI_TRUNCATE  3
#define LANDLOCK_ABI_NET       4
#define LANDLOCK_ABI_IOCTL_DEV 5
#define LANDLOCK_ABI_SCOPED    6

#define LANDLOCK_FS_TRUNCATE  (UINT64_C(1) << 14)
#define LANDLOCK_FS_IOCTL_DEV (UINT64_C(1) << 15)
#define LANDLOCK_NET_TCP      (UINT64_C(3)) /* bind and connect */
#define LANDLOCK_SCOPE_SOCKET (UINT64_C(1) << 0)
#define LANDLOCK_SCOPE_SIGNAL (UINT64_C(1) << 1)

struct landlock_ruleset {
    uint64_t fs, net, scoped;
};
