/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/input.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

int input_read(const char *file, struct pg_buf *out, struct pg_err *err)
{
    char chunk[16384];
    ssize_t n = -1;
    _fd_ int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    while (fd >= 0 && (n = read(fd, chunk, sizeof(chunk))) > 0) {
        if (pg_buf_put(out, (struct sl){chunk, (size_t)n}) < 0) {
            return pg_fail(err, PG_E_STORE_IO, "%s is larger than %zu KiB", file, out->max / 1024);
        }
    }
    return n == 0 ? 0 : pg_fail(err, PG_E_STORE_IO, "cannot read %s: %s", file, strerror(errno));
}
