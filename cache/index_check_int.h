/* SPDX-License-Identifier: Apache-2.0 */
/*
 * index_check - reads an index that may be damaged, in a child of the process, which may die of it.
 *
 * It looks at every page it reaches in INDEX_CHECK_MS (index_page_int.h; not where nothing will be
 * written, since another may write then), at the free list, at each row's checksum, the small
 * tables first, and makes one change that it takes back. What the time does not suffice for is left
 * to the checksums later.
 */
#pragma once

#include "cache/index_int.h"

#define INDEX_CHECK_FINE    0
#define INDEX_CHECK_DAMAGED 10
#define INDEX_CHECK_NEWER   11
#define INDEX_CHECK_DENIED  12

/* An exit status, if it comes back at all. */
int index_check_child(const struct index_config *config);
