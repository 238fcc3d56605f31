/* SPDX-License-Identifier: Apache-2.0 */
/*
 * make_store - adds blobs to a store that no server uses, far faster than pulling them would.
 *
 * usage: make_store STORE UPSTREAM FROM TO. Blob number i is 64 bytes of text; every ten of them
 * are the layers of a manifest, in one of many repositories. All have their files, rows, links,
 * edges and proofs. On standard output: the path of each manifest and its first layer.
 */
#include <endian.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/clock.h"
#include "cache/blob.h"
#include "cache/index_int.h"
#include "cache/proof.h"

#define LAYERS     10
#define OF_ONE     50 /* manifests of a repository */
#define COMMIT     2000
#define TEXT_BYTES 64
#define MEDIA      "application/vnd.oci.image.manifest.v1+json"

struct making {
    int blobs_fd;
    const char *upstream;
    struct index_txn *txn;
    int64_t now_s;
};

static void must(int r, struct pg_err *err)
{
    if (r >= 0)
        return;
    (void)fprintf(stderr, "make_store: %s (%s)\n", err->msg,
                  err->detail != NULL ? err->detail : "");
    exit(1);
}

static void write_file(const struct making *m, const struct digest *d, struct sl bytes)
{
    char path[BLOB_PATH_MAX], dir[BLOB_PATH_MAX];
    int fd;

    (void)blob_path(d, path);
    (void)snprintf(dir, sizeof(dir), "%.*s", (int)sizeof("sha256/ab") - 1, path);
    (void)mkdirat(m->blobs_fd, "sha256", 0700);
    (void)mkdirat(m->blobs_fd, dir, 0700);
    fd = openat(m->blobs_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0440);
    if (fd < 0 || write(fd, bytes.p, bytes.n) != (ssize_t)bytes.n || close(fd) < 0) {
        perror("make_store: a blob");
        exit(1);
    }
}

static struct digest add(struct making *m, struct sl repo, struct sl bytes,
                         enum index_link_kind kind)
{
    uint64_t sum = htole64(XXH3_64bits(bytes.p, bytes.n));
    struct digest d = digest_of(PG_SHA256, bytes);
    struct index_blob blob = {bytes.n, d, BLOB_CHUNK_BYTES, {(const char *)&sum, sizeof(sum)}};
    struct index_link link = {kind, m->now_s, bytes.n, true};
    struct index_manifest manifest = {MANIFEST_IMAGE, d, SL(MEDIA), bytes};
    struct pg_err err = {0};

    write_file(m, &d, bytes);
    must(index_put_blob(m->txn, &d, &blob, &err), &err);
    must(index_put_link(m->txn, repo, &d, &link, &err), &err);
    must(proof_put(m->txn, repo, &d, &err), &err);
    if (kind == INDEX_LINK_MANIFEST)
        must(index_put_manifest(m->txn, &d, &manifest, &err), &err);
    return d;
}

static void add_image(struct making *m, unsigned long no)
{
    char body[4096], layer[TEXT_BYTES + 1], text[DIGEST_TEXT_MAX], first[DIGEST_TEXT_MAX],
        repo[256];
    int n = snprintf(body, sizeof(body),
                     "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA "\",\"layers\":[");
    struct digest d, layers[LAYERS];
    struct sl name = {
        repo, (size_t)snprintf(repo, sizeof(repo), "%s/made/r%lu", m->upstream, no / OF_ONE)};

    for (unsigned i = 0; i < LAYERS; i++) {
        (void)snprintf(layer, sizeof(layer), "%064lu", no * LAYERS + i);
        d = layers[i] = add(m, name, (struct sl){layer, TEXT_BYTES}, INDEX_LINK_BLOB);
        (void)digest_write(&d, i == 0 ? first : text);
        n += snprintf(body + n, sizeof(body) - (size_t)n,
                      "%s{\"mediaType\":\"application/"
                      "vnd.oci.image.layer.v1.tar\",\"size\":%d,\"digest\":\"%s\"}",
                      i > 0 ? "," : "", TEXT_BYTES, i == 0 ? first : text);
    }
    n += snprintf(body + n, sizeof(body) - (size_t)n, "]}");
    d = add(m, name, (struct sl){body, (size_t)n}, INDEX_LINK_MANIFEST);
    for (unsigned i = 0; i < LAYERS; i++) {
        struct index_edge edge = {.parent = d, .child = layers[i], .kind = INDEX_EDGE_LAYER};
        struct pg_err err = {0};

        must(index_put_edge(m->txn, &edge, &err), &err);
    }
    (void)printf("/v2/made/r%lu/manifests/%s /v2/made/r%lu/blobs/%s\n", no / OF_ONE,
                 digest_write(&d, text).p, no / OF_ONE, first);
}

int main(int argc, char **argv)
{
    struct making m = {.now_s = pg_clock_wall_s()};
    struct index_config config = {0};
    struct index *index;
    struct pg_err err = {0};
    char path[4096];
    unsigned long from, to;

    if (argc != 5)
        return 2;
    pg_hash_setup();
    from = strtoul(argv[3], NULL, 10) / LAYERS;
    to = strtoul(argv[4], NULL, 10) / LAYERS;
    m.upstream = argv[2];
    (void)snprintf(path, sizeof(path), "%s/blobs", argv[1]);
    m.blobs_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    (void)snprintf(path, sizeof(path), "%s/index", argv[1]);
    config.path = path;
    must(index_open(&config, &index, &err), &err);
    for (unsigned long i = from; i < to; i++) {
        if ((i - from) % COMMIT == 0)
            must(index_txn_begin(index, &m.txn, &err), &err);
        add_image(&m, i);
        if ((i - from) % COMMIT == COMMIT - 1 || i + 1 == to)
            must(index_txn_commit(m.txn, &err), &err);
    }
    index_close(index);
    return 0;
}
