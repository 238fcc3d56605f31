/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the readers of the formats have in common: a report being filled. Each reader gets the root
 * of JSON that is its own, and says -1 with what is wrong, which makes the report MALFORMED.
 */
#pragma once

#include "scan/report.h"
#include "scan/value_int.h"

struct report_filling {
    struct report *report;
    struct pg_arena *arena;
    struct report_finding *findings;
    size_t cap;
    struct sbom_package *packages; /* of the report */
    size_t packages_cap;
    struct pg_err *err;
};

bool report_trivy_is(const json_t *root);
bool report_grype_is(const json_t *root);
bool report_sarif_is(const json_t *root);
bool report_harbor_is(const json_t *root);
int report_trivy_read(struct report_filling *f, const json_t *root);
int report_grype_read(struct report_filling *f, const json_t *root);
int report_sarif_read(struct report_filling *f, const json_t *root);
int report_harbor_read(struct report_filling *f, const json_t *root);

/* Counted, checked and added: id and package must be there. */
int report_fill_finding(struct report_filling *f, const struct report_finding *one);
/* "host/name@sha256:...", or the digest alone; what is none is none. */
void report_fill_digest(struct report_filling *f, struct sl reference);
void report_fill_config(struct report_filling *f, struct sl digest);
