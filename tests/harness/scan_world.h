/* SPDX-License-Identifier: Apache-2.0 */
/* Reports and SBOMs of tests/fixtures/scan, as bytes; the images that they are about. */
#pragma once

#include "harness/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "scan/settle.h"

#define SCAN_FIXTURES  PG_SOURCE "/tests/fixtures/scan/"
#define SCAN_DEBIAN    "sha256:6c92e9b24397fd54302543fa7d0ba90a68e39a441c03ac65f97c8d678d813ca6"
#define SCAN_DEBIAN_ID "sha256:17acec6b2cce1360de8d5464ee76e2f2a51f8127422366dd00132f9713012d87"
#define SCAN_CLEAN     "sha256:9176531de02ce5dd90b11c881141396e5d9c173746c36adab73cfa880eead772"

/* To be freed. */
static __attribute__((unused)) struct sl scan_world_file(const char *name)
{
    char path[512];

    (void)snprintf(path, sizeof(path), "%s%s", SCAN_FIXTURES, name);
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        fail_msg("no fixture %s", path);
    }
    char *bytes = calloc(1, (size_t)1 << 20);
    assert_non_null(bytes);
    size_t n = fread(bytes, 1, ((size_t)1 << 20) - 1, f);
    (void)fclose(f);
    return (struct sl){bytes, n};
}

static __attribute__((unused)) void scan_world_free(struct sl bytes)
{
    free((void *)(uintptr_t)bytes.p);
}

static __attribute__((unused)) struct digest scan_world_digest(const char *text)
{
    struct pg_err err = {0};
    struct digest d;

    assert_int_equal(digest_parse(sl_str(text), &d, &err), 0);
    return d;
}

static __attribute__((unused)) struct sbom scan_world_sbom(const char *name, struct pg_arena *arena)
{
    struct sl bytes = scan_world_file(name);
    struct pg_err err = {0};
    struct sbom sbom;

    if (sbom_read(bytes, arena, &sbom, &err) < 0) {
        fail_msg("%s: %s", name, err.msg);
    }
    scan_world_free(bytes);
    return sbom;
}

static __attribute__((unused)) struct report
scan_world_report(const char *name, const struct report_want *want, struct pg_arena *arena)
{
    struct sl bytes = scan_world_file(name);
    struct report r;

    report_read(bytes, want, arena, &r);
    scan_world_free(bytes);
    return r;
}
