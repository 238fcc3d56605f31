/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/asker.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"

int asker_open(struct asker *a, struct pg_err *err)
{
    static const struct stamper_options as_installed = {0};

    *a = (struct asker){0};
    if (spawn_open(1, &a->spawn, err) < 0) {
        return -1;
    }
    if (stamper_open(a->spawn, &as_installed, &a->stamper, err) < 0) {
        asker_close(a);
        return -1;
    }
    spawn_start(a->spawn);
    a->stamp = stamper_stamp(a->stamper);
    return 0;
}

void asker_close(struct asker *a)
{
    spawn_close(a->spawn);
    stamper_free(a->stamper);
}

int asker_read(const char *file, struct pg_buf *out, struct pg_err *err)
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
