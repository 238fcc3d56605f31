/* SPDX-License-Identifier: Apache-2.0 */
/* parse_demand - what stands under `require` besides signatures becomes demands. As parse.h. */
#pragma once

#include "policy/parse.h"

/* The keys of `require` that are read here. */
#define PARSE_DEMANDS                                                                              \
    "platforms", "artifact_types", "labels", "secrets", "base_images", "tags", "min_age",          \
        "on_young", "scan"

PG_MUST_USE int parse_demand_read(struct parse *p, const struct pg_tree *require, struct rule *r);
