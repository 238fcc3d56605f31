/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "sim/sched.h"

#define MANIFEST_MAX 4096

struct world_object world[WORLD_OBJECTS];
struct world_model *model;

static uint64_t mixed(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

struct sl world_repo(unsigned repo)
{
    return repo == 0 ? SL("docker.io/library/app") : SL("quay.io/team/tool");
}

struct sl world_tag(unsigned tag)
{
    return tag == 0 ? SL("latest") : SL("v1");
}

bool world_is_manifest(unsigned object)
{
    return object >= WORLD_BLOBS;
}

struct sl world_text(unsigned object, char out[DIGEST_TEXT_MAX])
{
    return digest_write(&world[object].digest, out);
}

/* Small ones, some of several writes, and now and then one of two chunks. */
static size_t size_of(uint64_t seed, unsigned i)
{
    uint64_t r = mixed(seed * 31 + i);

    if (i < 3)
        return 1 + r % 200;
    if (i < 6)
        return 1 + r % 9000;
    if (i == WORLD_BLOBS - 1 && seed % 4 == 0)
        return 262144 + r % 40000;
    return 10000 + r % 60000;
}

static void make_blob(uint64_t seed, unsigned i)
{
    size_t n = size_of(seed, i);
    char *p = malloc(n + sizeof(uint64_t));

    PG_CHECK(p != NULL);
    for (size_t at = 0; at < n; at += sizeof(uint64_t)) {
        uint64_t v = mixed(seed * 1000003 + (uint64_t)i * 10007 + at + 1);

        memcpy(p + at, &v, sizeof(v));
    }
    world[i].bytes = (struct sl){p, n};
    world[i].digest = digest_of(PG_SHA256, world[i].bytes);
}

static int put_named(char *to, size_t room, const char *media, unsigned object)
{
    char text[DIGEST_TEXT_MAX];

    return snprintf(to, room, "{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%zu}", media,
                    world_text(object, text).p, world[object].bytes.n);
}

static void make_image(uint64_t seed, unsigned i)
{
    struct world_object *o = &world[i];
    char *p = malloc(MANIFEST_MAX);
    int n;

    PG_CHECK(p != NULL);
    o->nnamed = 2 + (unsigned)(mixed(seed + i) % 2);
    for (unsigned k = 0; k < o->nnamed; k++)
        o->named[k] =
            (unsigned)((mixed(seed * 7 + (uint64_t)i * 3) + (uint64_t)k * 2) % WORLD_BLOBS);
    n = snprintf(p, MANIFEST_MAX,
                 "{\"schemaVersion\":2,\"mediaType\":"
                 "\"application/vnd.oci.image.manifest.v1+json\",\"config\":");
    n += put_named(p + n, MANIFEST_MAX - (size_t)n, "application/vnd.oci.image.config.v1+json",
                   o->named[0]);
    n += snprintf(p + n, MANIFEST_MAX - (size_t)n, ",\"layers\":[");
    for (unsigned k = 1; k < o->nnamed; k++) {
        n += snprintf(p + n, MANIFEST_MAX - (size_t)n, "%s", k > 1 ? "," : "");
        n += put_named(p + n, MANIFEST_MAX - (size_t)n, "application/vnd.oci.image.layer.v1.tar",
                       o->named[k]);
    }
    n += snprintf(p + n, MANIFEST_MAX - (size_t)n, "],\"annotations\":{\"image\":\"%u\"}}", i);
    o->bytes = (struct sl){p, (size_t)n};
    o->digest = digest_of(PG_SHA256, o->bytes);
}

static void make_index(unsigned i)
{
    struct world_object *o = &world[i];
    char *p = malloc(MANIFEST_MAX);
    int n;

    PG_CHECK(p != NULL);
    o->nnamed = 2;
    o->named[0] = WORLD_BLOBS;
    o->named[1] = WORLD_BLOBS + 1;
    n = snprintf(p, MANIFEST_MAX,
                 "{\"schemaVersion\":2,\"mediaType\":"
                 "\"application/vnd.oci.image.index.v1+json\",\"manifests\":[");
    n += put_named(p + n, MANIFEST_MAX - (size_t)n, "application/vnd.oci.image.manifest.v1+json",
                   o->named[0]);
    n += snprintf(p + n, MANIFEST_MAX - (size_t)n, ",");
    n += put_named(p + n, MANIFEST_MAX - (size_t)n, "application/vnd.oci.image.manifest.v1+json",
                   o->named[1]);
    n += snprintf(p + n, MANIFEST_MAX - (size_t)n, "]}");
    o->bytes = (struct sl){p, (size_t)n};
    o->digest = digest_of(PG_SHA256, o->bytes);
}

void world_make(uint64_t seed)
{
    for (unsigned i = 0; i < WORLD_BLOBS; i++)
        make_blob(seed, i);
    for (unsigned i = WORLD_BLOBS; i < WORLD_OBJECTS - 1; i++)
        make_image(seed, i);
    make_index(WORLD_OBJECTS - 1);
}

/* ---- facts ---- */

static struct world_fact absent(void)
{
    return (struct world_fact){UINT32_C(1) << WORLD_ABSENT, WORLD_ABSENT};
}

void world_forget_all(void)
{
    for (unsigned r = 0; r < WORLD_REPOS; r++) {
        for (unsigned i = 0; i < WORLD_OBJECTS; i++)
            model->links[r][i] = absent();
        for (unsigned t = 0; t < WORLD_TAGS; t++)
            model->tags[r][t] = absent();
    }
    for (unsigned i = 0; i < WORLD_OBJECTS; i++)
        model->stored[i] = false;
}

void world_write(struct world_fact *f, int value)
{
    f->may |= UINT32_C(1) << value;
    f->last = value;
}

void world_may_be(struct world_fact *f, int value)
{
    f->may |= UINT32_C(1) << value;
    f->last = WORLD_UNKNOWN;
}

void world_look(struct world_fact *f, int value, const char *what)
{
    if ((f->may >> value & 1) == 1)
        return;
    sched_say("%s is %d, and may only be one of %x (last written: %d)", what, value, f->may,
              f->last);
    PG_BUG("the store knows what it cannot, or does not know what it must");
}

void world_settle(struct world_fact *f, int value)
{
    *f = (struct world_fact){UINT32_C(1) << value, value};
}

static void doubt(struct world_fact *f)
{
    if (!world_is_surely(f, f->last))
        f->last = WORLD_UNKNOWN;
}

void world_doubt(void)
{
    for (unsigned r = 0; r < WORLD_REPOS; r++) {
        for (unsigned i = 0; i < WORLD_OBJECTS; i++)
            doubt(&model->links[r][i]);
        for (unsigned t = 0; t < WORLD_TAGS; t++)
            doubt(&model->tags[r][t]);
    }
}

bool world_is_surely(const struct world_fact *f, int value)
{
    return value != WORLD_UNKNOWN && f->may == UINT32_C(1) << value;
}
