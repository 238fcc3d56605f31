/* SPDX-License-Identifier: Apache-2.0 */
/*
 * volume - the segments of an audit log, as files: <directory>/<8 digits>.log, 1, 2, ... A new one
 * is begun when one is VOLUME_BYTES long. They are read whole, since they are bounded.
 *
 * Ownership:  the list: volume_list_free(). Bytes: a pg_buf's.
 * Failure:    STORE_IO with the file's name.
 * Threads:    any.
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define VOLUME_BYTES      ((size_t)16 << 20)
#define VOLUME_READ_MAX   ((size_t)80 << 20) /* with the longest group behind VOLUME_BYTES */
#define VOLUME_NAME_MAX   32
#define VOLUME_NUMBER_MAX 99999999

struct volume_list {
    uint32_t *numbers; /* ascending */
    size_t n;
};

const char *volume_name(uint32_t number, char out[VOLUME_NAME_MAX]);
PG_MUST_USE int volume_list(int dir_fd, struct volume_list *list_r, struct pg_err *err);
void volume_list_free(struct volume_list *list);

/* A file of the directory, in place of what out had; out has VOLUME_READ_MAX as its maximum. */
PG_MUST_USE int volume_read(int dir_fd, const char *name, struct pg_buf *out, struct pg_err *err);
/* The same of a segment. 1, or 0: it is gone, since it is old. */
PG_MUST_USE int volume_read_segment(int dir_fd, uint32_t number, struct pg_buf *out,
                                    struct pg_err *err);
