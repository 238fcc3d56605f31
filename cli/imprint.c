/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/imprint.h"

#include <string.h>
#include <sys/stat.h>

#include "base/hash.h"

void imprint_add(struct pg_hash *h, const char *path)
{
    struct stat st;

    pg_hash_update(h, path, strlen(path) + 1);
    if (stat(path, &st) < 0) {
        return;
    }
    const int64_t what[] = {
        (int64_t)st.st_dev,          (int64_t)st.st_ino,          (int64_t)st.st_size,
        (int64_t)st.st_mtim.tv_sec,  (int64_t)st.st_mtim.tv_nsec, (int64_t)st.st_ctim.tv_sec,
        (int64_t)st.st_ctim.tv_nsec, (int64_t)st.st_mode,         (int64_t)st.st_uid};
    pg_hash_update(h, what, sizeof(what));
}

void imprint_of(char *const *paths, size_t n, uint8_t imprint_r[IMPRINT_BYTES])
{
    struct pg_hash *h = pg_hash_new(PG_SHA256);

    for (size_t i = 0; i < n; i++) {
        imprint_add(h, paths[i]);
    }
    pg_hash_final(h, imprint_r);
    pg_hash_free(h);
}
