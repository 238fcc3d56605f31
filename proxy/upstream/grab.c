/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/grab.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "proxy/upstream/errand.h"

#define FILE_URL "file:"

struct grab {
    CURLM *multi;
    CURL *easy;
    int stop_fd;
    struct pg_buf *out;
};

/* libcurl wants it with a pointer to what it may change. */
static size_t on_bytes(char *p, size_t size, size_t n, void *owner) // NOLINT
{
    const struct grab *g = owner;

    return pg_buf_put(g->out, (struct sl){p, size * n}) < 0 ? 0 : size * n;
}

static void set_up(struct grab *g, const char *url, const char *ca_file)
{
    curl_easy_setopt(g->easy, CURLOPT_URL, url);
    errand_set_up(g->easy, ca_file);
    curl_easy_setopt(g->easy, CURLOPT_TIMEOUT_MS, (long)GRAB_MS);
    curl_easy_setopt(g->easy, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(g->easy, CURLOPT_WRITEDATA, g);
}

static int perform(struct grab *g, const char *url, struct pg_err *err)
{
    CURLcode rc;
    bool is_over;
    long status = 0;

    PG_CHECK(curl_multi_add_handle(g->multi, g->easy) == CURLM_OK);
    is_over = errand_run(g->multi, g->easy, g->stop_fd, &rc);
    curl_easy_getinfo(g->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_multi_remove_handle(g->multi, g->easy);
    if (!is_over)
        return pg_fail(err, PG_E_CANCELED, "told to stop");
    if (g->out->over)
        return pg_fail(err, PG_E_UPSTREAM_WRONG, "%s is too large", url);
    if (rc != CURLE_OK)
        return pg_fail(err, PG_E_UPSTREAM_DOWN, "%s does not come: %s", url,
                       curl_easy_strerror(rc));
    return status == 200 ? 0
                         : pg_fail(err, PG_E_UPSTREAM_DOWN, "%s is answered with %ld", url, status);
}

static int read_file(const char *path, struct pg_buf *out, struct pg_err *err)
{
    _fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    char bytes[16384];
    struct stat st;
    ssize_t n;

    if (fd < 0 || fstat(fd, &st) < 0)
        return pg_fail(err, PG_E_UPSTREAM_DOWN, "cannot read %s: %s", path, strerrordesc_np(errno));
    if (!S_ISREG(st.st_mode))
        return pg_fail(err, PG_E_UPSTREAM_DOWN, "%s is not a regular file", path);
    while ((n = read(fd, bytes, sizeof(bytes))) > 0)
        if (pg_buf_put(out, (struct sl){bytes, (size_t)n}) < 0)
            return pg_fail(err, PG_E_UPSTREAM_WRONG, "%s is too large", path);
    return n == 0 ? 0
                  : pg_fail(err, PG_E_UPSTREAM_DOWN, "cannot read %s: %s", path,
                            strerrordesc_np(errno));
}

int grab_url(const char *url, const char *ca_file, int stop_fd, struct pg_buf *out,
             struct pg_err *err)
{
    struct grab g = {.stop_fd = stop_fd, .out = out};
    int rc;

    pg_buf_clear(out);
    if (strncmp(url, FILE_URL, strlen(FILE_URL)) == 0)
        return read_file(url + strlen(FILE_URL), out, err);
    g.multi = curl_multi_init();
    g.easy = curl_easy_init();
    PG_CHECK(g.multi != NULL && g.easy != NULL);
    set_up(&g, url, ca_file);
    rc = perform(&g, url, err);
    curl_easy_cleanup(g.easy);
    curl_multi_cleanup(g.multi);
    return rc;
}
