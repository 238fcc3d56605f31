/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admit/view.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "cache/blob.h"
#include "oci/manifest.h"

#define INDEX_MAX 2048

static const char *const algorithms[] = {"blobs/sha256", "blobs/sha512"};
static const char layout[] = "{\"imageLayoutVersion\":\"1.0.0\"}\n";

/* ---- the folder ---------------------------------------------------------------------------- */

static int make_dir(int fd, const char *path, struct pg_err *err)
{
    if (mkdirat(fd, path, 0700) < 0 && errno != EEXIST) {
        (void)pg_fail(err, PG_E_STORE_IO, "a folder for scans cannot be made");
        return pg_detail(err, "%s: errno %d", path, errno);
    }
    return 0;
}

static int write_file(int fd, const char *name, struct sl bytes, struct pg_err *err)
{
    _fd_ int file = openat(fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (file < 0 || pg_fd_write(file, bytes.p, bytes.n) < 0) {
        (void)pg_fail(err, PG_E_STORE_IO, "a file for a scan cannot be written");
        return pg_detail(err, "%s: errno %d", name, errno);
    }
    return 0;
}

int view_open(const char *folder, int *fd_r, struct pg_err *err)
{
    if (make_dir(AT_FDCWD, folder, err) < 0) {
        return -1;
    }
    _fd_ int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        (void)pg_fail(err, PG_E_STORE_IO, "the folder for scans cannot be opened");
        return pg_detail(err, "%s: errno %d", folder, errno);
    }
    if (make_dir(fd, "blobs", err) < 0 || make_dir(fd, algorithms[0], err) < 0 ||
        make_dir(fd, algorithms[1], err) < 0 ||
        write_file(fd, "oci-layout", (struct sl){layout, sizeof(layout) - 1}, err) < 0) {
        return -1;
    }
    *fd_r = TAKE_FD(fd);
    return 0;
}

static void clear_dir(int view_fd, const char *path)
{
    int fd = openat(view_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *e;

    if (dir == NULL) {
        pg_fd_close(&fd);
        return;
    }
    while ((e = readdir(dir)) != NULL) {
        if (e->d_name[0] != '.') {
            (void)unlinkat(fd, e->d_name, 0);
        }
    }
    (void)closedir(dir);
}

void view_clear(int view_fd)
{
    (void)unlinkat(view_fd, "index.json", 0);
    for (size_t i = 0; i < sizeof(algorithms) / sizeof(*algorithms); i++) {
        clear_dir(view_fd, algorithms[i]);
    }
}

/* ---- an image in it ------------------------------------------------------------------------ */

static int missing(const struct digest *d, struct pg_err *err)
{
    char text[DIGEST_TEXT_MAX];

    return pg_fail(err, PG_E_BLOB_UNKNOWN, "%s is not in the store", digest_write(d, text).p);
}

static int link_blob(int view_fd, int blobs_fd, const struct digest *d, struct pg_err *err)
{
    char from[BLOB_PATH_MAX], text[DIGEST_TEXT_MAX], to[DIGEST_TEXT_MAX + 8];
    struct sl name = digest_write(d, text);
    const char *hex = strchr(name.p, ':') + 1;

    (void)snprintf(to, sizeof(to), "blobs/%s/%s", digest_alg_name(d->alg), hex);
    if (linkat(blobs_fd, blob_path(d, from), view_fd, to, 0) == 0 || errno == EEXIST) {
        return 0; /* two layers may be one blob */
    }
    if (errno == ENOENT) {
        return missing(d, err);
    }
    (void)pg_fail(err, PG_E_STORE_IO, "a blob cannot be linked into the folder for scans");
    return pg_detail(err, "%s: errno %d%s", to, errno,
                     errno == EXDEV ? ": it has to be on the filesystem of the store" : "");
}

static int read_manifest(int blobs_fd, const struct digest *d, struct pg_buf *out,
                         struct pg_err *err)
{
    char path[BLOB_PATH_MAX], chunk[16384];
    ssize_t n;
    _fd_ int fd = openat(blobs_fd, blob_path(d, path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0) {
        return missing(d, err);
    }
    while ((n = read(fd, chunk, sizeof(chunk))) > 0) {
        if (pg_buf_put(out, (struct sl){chunk, (size_t)n}) < 0) {
            return pg_fail(err, PG_E_UPSTREAM_WRONG, "it is too large for a manifest");
        }
    }
    const struct digest read_r = digest_of(d->alg, pg_buf_sl(out));
    if (n < 0 || !digest_eq(&read_r, d)) {
        return pg_fail(err, PG_E_STORE_IO, "the manifest cannot be read as it was written");
    }
    return 0;
}

static int write_index(int view_fd, const struct digest *d, const struct manifest *m, size_t size,
                       struct pg_err *err)
{
    char text[DIGEST_TEXT_MAX];
    struct pg_buf out;

    pg_buf_init(&out, INDEX_MAX);
    (void)pg_buf_put(&out, SL("{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":"));
    (void)pg_buf_put_json(&out, m->media_type);
    (void)pg_buf_printf(&out, ",\"digest\":\"%s\",\"size\":%zu}]}\n", digest_write(d, text).p,
                        size);
    int rc = out.over ? pg_fail(err, PG_E_UPSTREAM_WRONG, "its media type is too long")
                      : write_file(view_fd, "index.json", pg_buf_sl(&out), err);
    pg_buf_free(&out);
    return rc;
}

static int link_all(int view_fd, int blobs_fd, const struct manifest *m, struct view_image *image,
                    struct pg_err *err)
{
    if (m->has_config) {
        image->config = m->config.digest;
        image->has_config = true;
        image->bytes += m->config.size;
        if (link_blob(view_fd, blobs_fd, &m->config.digest, err) < 0) {
            return -1;
        }
    }
    for (size_t i = 0; i < m->nchildren; i++) {
        image->bytes += m->children[i].size;
        if (link_blob(view_fd, blobs_fd, &m->children[i].digest, err) < 0) {
            return -1;
        }
    }
    image->nlayers = m->nchildren;
    return 0;
}

static int show(int view_fd, int blobs_fd, const struct digest *d, struct pg_buf *bytes,
                struct view_image *image_r, struct pg_err *err)
{
    struct view_image image = {0};
    struct pg_arena arena;
    struct manifest m;

    if (read_manifest(blobs_fd, d, bytes, err) < 0) {
        return -1;
    }
    pg_arena_init(&arena, MANIFEST_ARENA_BYTES);
    int rc = manifest_parse(pg_buf_sl(bytes), SL(""), &arena, &m, err);
    if (rc == 0 && m.kind != MANIFEST_IMAGE) {
        rc = pg_fail(err, PG_E_UPSTREAM_WRONG, "it is not an image: nothing in it can be scanned");
    }
    if (rc == 0 && (link_blob(view_fd, blobs_fd, d, err) < 0 ||
                    link_all(view_fd, blobs_fd, &m, &image, err) < 0 ||
                    write_index(view_fd, d, &m, bytes->n, err) < 0)) {
        rc = -1;
    }
    pg_arena_free(&arena);
    if (rc == 0) {
        *image_r = image;
    }
    return rc;
}

int view_show(int view_fd, int blobs_fd, const struct digest *manifest, struct view_image *image_r,
              struct pg_err *err)
{
    struct pg_buf bytes;

    view_clear(view_fd);
    pg_buf_init(&bytes, MANIFEST_BYTES_MAX);
    int rc = show(view_fd, blobs_fd, manifest, &bytes, image_r, err);
    pg_buf_free(&bytes);
    if (rc < 0) {
        view_clear(view_fd);
    }
    return rc;
}
