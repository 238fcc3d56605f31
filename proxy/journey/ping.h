/* SPDX-License-Identifier: Apache-2.0 */
/* ping - GET /v2/: yes, this is a registry. */
#pragma once

#include "proxy/journey/journey.h"

extern const struct rq_stage ping_first;
