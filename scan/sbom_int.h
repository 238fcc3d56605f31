/* SPDX-License-Identifier: Apache-2.0 */
/* What the readers of both formats have in common: an SBOM being filled. */
#pragma once

#include "scan/sbom.h"
#include "scan/value_int.h"

struct sbom_filling {
    struct sbom *sbom;
    struct pg_arena *arena;
    struct sbom_package *packages;
    size_t cap;
    bool is_unclear; /* it names several images */
    struct pg_err *err;
};

int sbom_spdx_read(struct sbom_filling *f, const json_t *root);
int sbom_cyclonedx_read(struct sbom_filling *f, const json_t *root);

/* Added, unless it is an image: then that is what the SBOM is about. */
int sbom_fill_package(struct sbom_filling *f, const struct sbom_package *one);
void sbom_fill_digest(struct sbom_filling *f, struct sl digest);
