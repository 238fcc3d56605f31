/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/volume.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

#define DIGITS 8
#define SUFFIX ".log"

const char *volume_name(uint32_t number, char out[VOLUME_NAME_MAX])
{
    (void)snprintf(out, VOLUME_NAME_MAX, "%08" PRIu32 SUFFIX, number);
    return out;
}

/* 0: not the name of a segment. */
static uint32_t number_of(const char *name)
{
    uint32_t number = 0;

    if (strlen(name) != DIGITS + strlen(SUFFIX) || strcmp(name + DIGITS, SUFFIX) != 0)
        return 0;
    for (size_t i = 0; i < DIGITS; i++) {
        if (name[i] < '0' || name[i] > '9')
            return 0;
        number = number * 10 + (uint32_t)(name[i] - '0');
    }
    return number;
}

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static void add(struct volume_list *l, uint32_t number)
{
    if ((l->n & (l->n - 1)) == 0) { /* full: 0, 1, 2, 4, ... */
        size_t room = l->n == 0 ? 1 : 2 * l->n;

        l->numbers = realloc(l->numbers, room * sizeof(*l->numbers));
        PG_CHECK(l->numbers != NULL);
    }
    l->numbers[l->n++] = number;
}

int volume_list(int dir_fd, struct volume_list *list_r, struct pg_err *err)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    struct volume_list l = {0};
    const struct dirent *e;

    if (dir == NULL) {
        (void)pg_fail(err, PG_E_STORE_IO, "the directory of the audit log cannot be read: %s",
                      strerrordesc_np(errno));
        pg_fd_close(&fd);
        return -1;
    }
    while ((e = readdir(dir)) != NULL) { // NOLINT(concurrency-mt-unsafe): the stream is ours
        uint32_t number = number_of(e->d_name);

        if (number > 0)
            add(&l, number);
    }
    (void)closedir(dir);
    if (l.n > 0)
        qsort(l.numbers, l.n, sizeof(*l.numbers), ascending);
    *list_r = l;
    return 0;
}

void volume_list_free(struct volume_list *list)
{
    free(list->numbers);
    *list = (struct volume_list){0};
}

static int fail(const char *name, struct pg_err *err)
{
    return pg_fail(err, PG_E_STORE_IO, "%s of the audit log cannot be read: %s", name,
                   strerrordesc_np(errno));
}

int volume_read(int dir_fd, const char *name, struct pg_buf *out, struct pg_err *err)
{
    _fd_ int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    char chunk[16384];
    ssize_t n;

    pg_buf_clear(out);
    if (fd < 0 || fstat(fd, &st) < 0)
        return fail(name, err);
    if (!S_ISREG(st.st_mode))
        return pg_fail(err, PG_E_STORE_IO, "%s of the audit log is not a regular file", name);
    while ((n = read(fd, chunk, sizeof(chunk))) > 0 || (n < 0 && errno == EINTR))
        if (n > 0 && pg_buf_put(out, (struct sl){chunk, (size_t)n}) < 0)
            return pg_fail(err, PG_E_STORE_IO, "%s of the audit log is too large", name);
    return n < 0 ? fail(name, err) : 0;
}

int volume_read_segment(int dir_fd, uint32_t number, struct pg_buf *out, struct pg_err *err)
{
    char name[VOLUME_NAME_MAX];

    if (volume_read(dir_fd, volume_name(number, name), out, err) == 0)
        return 1;
    if (faccessat(dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT)
        return -1;
    pg_err_clear(err);
    pg_buf_clear(out);
    return 0;
}
