/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exposure - what is exposed to a vulnerability: which images have it, where they are from, who
 * pulled them and when, what fixes it, and whether they would be served now. The body of a job;
 * docs/api/affected.schema.json. Threads: the pool's.
 *
 * Whether it would be served is asked of policy as at a pull by digest, with what the store has of
 * its evidence: upstream and OPA are not asked. What cannot be known so is null, with the reason.
 */
#pragma once

#include "proxy/admin/job.h"

void exposure_list(struct job *j);
