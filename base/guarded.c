/* SPDX-License-Identifier: Apache-2.0 */
#include "base/guarded.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

int pg_guarded_open(const char *path, enum pg_guarded_mode forbidden, struct pg_err *err)
{
    bool secret = forbidden != PG_GUARDED_PUBLIC;
    struct stat st;
    _fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0) {
        int why = errno;

        (void)pg_fail(err, PG_E_STORE_IO, "cannot open %s: %s", path, strerror(why));
        errno = why;
        return -1;
    }
    errno = 0;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return pg_fail(err, PG_E_STORE_IO, "%s is not a regular file", path);
    if (st.st_uid != 0 && st.st_uid != geteuid())
        return pg_fail(err, PG_E_STORE_IO,
                       "%s belongs to uid %u; it must belong to root or to uid %u", path,
                       (unsigned)st.st_uid, (unsigned)geteuid());
    if ((st.st_mode & (mode_t)forbidden) != 0)
        return pg_fail(err, PG_E_STORE_IO, "%s can be %s by others (mode %04o); run: chmod %s %s",
                       path, secret ? "read or written" : "written", (unsigned)(st.st_mode & 07777),
                       secret ? "0600" : "go-w", path);
    return TAKE_FD(fd);
}

int pg_guarded_read(const char *path, enum pg_guarded_mode forbidden, struct pg_buf *out,
                    struct pg_err *err)
{
    char chunk[4096];
    size_t before = out->n;
    ssize_t n;
    _fd_ int fd = pg_guarded_open(path, forbidden, err);

    if (fd < 0)
        return -1;
    while ((n = read(fd, chunk, sizeof(chunk))) > 0 || (n < 0 && errno == EINTR)) {
        if (n > 0 && pg_buf_put(out, (struct sl){chunk, (size_t)n}) < 0)
            break;
    }
    explicit_bzero(chunk, sizeof(chunk));
    if (n < 0)
        return pg_fail(err, PG_E_STORE_IO, "cannot read %s: %s", path, strerror(errno));
    if (out->over)
        return pg_fail(err, PG_E_STORE_IO, "%s is too large", path);
    if (out->n == before)
        return pg_fail(err, PG_E_STORE_IO, "%s is empty", path);
    return 0;
}
