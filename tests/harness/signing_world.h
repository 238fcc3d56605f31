/* SPDX-License-Identifier: Apache-2.0 */
/* The trusted root of the fixtures, in a trust of its own; made once. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "signing/trust_int.h"

#define SIGNING_WORLD          PG_SOURCE "/tests/fixtures/signing/keyless/bundle-verify/ok-msg-rekor1/"
#define SIGNING_WORLD_FILE_MAX ((size_t)64 << 10)

static inline struct sl signing_world_file(const char *name)
{
    char path[512], *bytes = calloc(1, SIGNING_WORLD_FILE_MAX);
    size_t n;
    FILE *f;

    (void)snprintf(path, sizeof(path), SIGNING_WORLD "%s", name);
    f = fopen(path, "rb");
    PG_CHECK(f != NULL && bytes != NULL);
    n = fread(bytes, 1, SIGNING_WORLD_FILE_MAX, f);
    PG_CHECK(n > 0 && n < SIGNING_WORLD_FILE_MAX);
    (void)fclose(f);
    return (struct sl){bytes, n};
}

static inline struct trust *signing_world_trust(void)
{
    static struct trust *t; /* never freed: it is the process's */
    struct pg_err err = {0};
    struct sl root;

    if (t != NULL)
        return t;
    pg_hash_setup();
    t = trust_new();
    root = signing_world_file("trusted_root.json");
    PG_CHECK(trust_add_root(t, "trusted_root.json", root, &err) == 0);
    free((char *)(uintptr_t)root.p);
    return t;
}
