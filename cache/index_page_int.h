/* SPDX-License-Identifier: Apache-2.0 */
/*
 * index_page - looks at the pages of a data.mdb by itself, before LMDB changes one of them.
 *
 * LMDB believes what stands in a page. A head or a row's length that is wrong makes it copy beyond
 * its memory once it writes there, which no reading of rows shows: where the free room of a page
 * ends is looked at by writers alone. So each page that is in use must be what it is taken for, its
 * rows inside of it and none over another; and no page may be in use twice, or in use and free.
 *
 * The format is that of LMDB 0.9 (data version 1), numbers as this machine has them.
 *
 * Failure:  the file may end while it is read: SIGBUS. Threads: for the child of index_check.
 */
#pragma once

#include <stdint.h>

/* Nobody else writes to the file. 0: sound as far as it came until then, -1: damaged. */
int index_page_check(int fd, uint64_t until_us);
