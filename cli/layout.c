/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "oci/manifest.h"

#define REF_NAME    "org.opencontainers.image.ref.name"
#define ENTRIES_MAX 4096
#define MARKER_MAX  ((size_t)4096)

struct layout {
    int dir;
    char *name;
    json_t *index;
};

/* ---- files --------------------------------------------------------------------------------- */

/* A regular file, and of no more than max bytes. 1, 0: there is none, -1. */
static int read_file(const struct layout *l, const char *name, size_t max,
                     struct pg_bytes **bytes_r, struct pg_err *err)
{
    struct stat st;
    _fd_ int fd = openat(l->dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0) {
        return errno == ENOENT ? 0
                               : pg_fail(err, PG_E_STORE_IO, "cannot open %s/%s: %s", l->name, name,
                                         strerror(errno));
    }
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        return pg_fail(err, PG_E_STORE_IO, "%s/%s is no file", l->name, name);
    }
    if ((uint64_t)st.st_size > max) {
        return pg_fail(err, PG_E_TOO_LARGE, "%s/%s has %lld bytes; at most %zu are read", l->name,
                       name, (long long)st.st_size, max);
    }
    struct sl bytes = {malloc((size_t)st.st_size + 1), (size_t)st.st_size};
    PG_CHECK(bytes.p != NULL);
    char *p = (char *)(uintptr_t)bytes.p;
    int rc = pg_fd_pread(fd, p, bytes.n, 0);
    if (rc < 0) {
        (void)pg_fail(err, PG_E_STORE_IO, "cannot read %s/%s: %s", l->name, name, strerror(errno));
    } else {
        *bytes_r = pg_bytes_new(bytes);
    }
    free(p);
    return rc < 0 ? -1 : 1;
}

int layout_read(const struct layout *l, const struct digest *digest, size_t max,
                struct pg_bytes **bytes_r, struct pg_err *err)
{
    char text[DIGEST_TEXT_MAX], name[DIGEST_TEXT_MAX + sizeof("blobs/")];
    size_t alg = strlen(digest_alg_name(digest->alg));

    (void)digest_write(digest, text);
    text[alg] = '/'; /* where the colon was */
    (void)snprintf(name, sizeof(name), "blobs/%s", text);
    return read_file(l, name, max, bytes_r, err);
}

static int read_json(const struct layout *l, const char *name, size_t max, json_t **root_r,
                     struct pg_err *err)
{
    struct pg_bytes *bytes = NULL;
    int rc = read_file(l, name, max, &bytes, err);

    if (rc == 0) {
        rc = pg_fail(err, PG_E_STORE_IO, "%s is no OCI layout: it has no %s", l->name, name);
    }
    if (rc > 0) {
        rc = pg_json_parse(pg_bytes_sl(bytes), PG_E_STORE_IO, root_r, err);
        rc = rc < 0 ? pg_wrap(err, "%s/%s", l->name, name) : 0;
        pg_bytes_unref(bytes);
    }
    return rc;
}

static int read_all(struct layout *l, struct pg_err *err)
{
    _json_ json_t *marker = NULL;

    if (l->dir < 0) {
        return pg_fail(err, PG_E_STORE_IO, "cannot open %s: %s", l->name, strerror(errno));
    }
    if (read_json(l, "oci-layout", MARKER_MAX, &marker, err) < 0 ||
        read_json(l, "index.json", MANIFEST_BYTES_MAX, &l->index, err) < 0) {
        return -1;
    }
    if (!sl_eq(pg_json_str(marker, "imageLayoutVersion"), SL("1.0.0"))) {
        return pg_fail(err, PG_E_STORE_IO, "%s is a layout of another version than 1.0.0", l->name);
    }
    if (json_array_size(json_object_get(l->index, "manifests")) > ENTRIES_MAX) {
        return pg_fail(err, PG_E_STORE_IO, "%s/index.json lists more than %d manifests", l->name,
                       ENTRIES_MAX);
    }
    return 0;
}

int layout_open(const char *dir, struct layout **layout_r, struct pg_err *err)
{
    struct layout *l = calloc(1, sizeof(*l));

    PG_CHECK(l != NULL);
    l->name = sl_dup(sl_str(dir));
    l->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (read_all(l, err) < 0) {
        layout_close(l);
        return -1;
    }
    *layout_r = l;
    return 0;
}

void layout_close(struct layout *l)
{
    if (l == NULL) {
        return;
    }
    pg_fd_close(&l->dir);
    json_decref(l->index);
    free(l->name);
    free(l);
}

/* ---- what it lists ------------------------------------------------------------------------- */

int layout_find(const struct layout *l, struct sl tag, struct digest *digest_r, struct pg_err *err)
{
    const json_t *one;
    size_t i;

    json_array_foreach(json_object_get(l->index, "manifests"), i, one)
    {
        if (!sl_eq(pg_json_str(json_object_get(one, "annotations"), REF_NAME), tag)) {
            continue;
        }
        if (digest_parse(pg_json_str(one, "digest"), digest_r, err) < 0) {
            return pg_wrap(err, "%s/index.json", l->name);
        }
        return 1;
    }
    return 0;
}

static bool is_about(const struct layout *l, const json_t *one, const struct digest *subject)
{
    struct pg_bytes *bytes = NULL;
    struct pg_err err = {0};
    _json_ json_t *root = NULL;
    struct digest digest, about;
    bool is = false;

    if (digest_parse(pg_json_str(one, "digest"), &digest, &err) == 0 &&
        layout_read(l, &digest, MANIFEST_BYTES_MAX, &bytes, &err) == 1 && bytes != NULL &&
        pg_json_parse(pg_bytes_sl(bytes), PG_E_STORE_IO, &root, &err) == 0 &&
        digest_parse(pg_json_str(json_object_get(root, "subject"), "digest"), &about, &err) == 0) {
        is = digest_eq(&about, subject);
    }
    pg_bytes_unref(bytes);
    pg_err_clear(&err);
    return is;
}

struct pg_bytes *layout_referrers(const struct layout *l, const struct digest *subject)
{
    _json_ json_t *list = json_array();
    size_t i;
    json_t *one;

    json_array_foreach(json_object_get(l->index, "manifests"), i, one)
    {
        if (is_about(l, one, subject)) {
            PG_CHECK(json_array_append(list, one) == 0);
        }
    }
    if (json_array_size(list) == 0) {
        return NULL;
    }
    _json_ json_t *index = json_pack("{s:i, s:s, s:O}", "schemaVersion", 2, "mediaType",
                                     "application/vnd.oci.image.index.v1+json", "manifests", list);
    char *text = json_dumps(index, JSON_COMPACT);
    PG_CHECK(text != NULL);
    struct pg_bytes *bytes = pg_bytes_new(sl_str(text));
    free(text);
    return bytes;
}
