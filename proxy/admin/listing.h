/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listing - what is in the store and what a purge or rules took out of it, as JSON: the bodies of
 * jobs. docs/api/ has the schemas. Threads: the pool's.
 */
#pragma once

#include "proxy/admin/job.h"

void listing_tags(struct job *j);
void listing_manifests(struct job *j);
void listing_blobs(struct job *j);
void listing_affected(struct job *j); /* exposure.h */
void listing_purge(struct job *j);
void listing_gc(struct job *j);        /* a run of retention begins */
void listing_retention(struct job *j); /* what it does, and did */
void listing_plan(struct job *j);      /* what it would do now, in JSON; in CSV; as text */
void listing_plan_csv(struct job *j);
void listing_plan_text(struct job *j);
