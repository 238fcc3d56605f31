/* SPDX-License-Identifier: Apache-2.0 */
/*
 * revocations - what was taken back, and taking it back, as JSON: the bodies of jobs. docs/api/ has
 * the schema. Over the control socket alone. Threads: the pool's.
 */
#pragma once

#include "proxy/admin/job.h"

void revocations_list(struct job *j);
void revocations_revoke(struct job *j);
void revocations_unrevoke(struct job *j);
