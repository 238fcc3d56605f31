/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report - what a scanner wrote, as facts; and whether it counts.
 *
 * Trivy JSON (schema 2), Grype JSON, SARIF 2.1.0, Harbor's vulnerability report 1.1 (alone, or as
 * its API wraps it), and the predicate of cosign's vulnerability attestation (alone, or in an
 * in-toto statement) with one of these in it.
 *
 * A scanner that ends well and found nothing has not shown that there is nothing. A report counts
 * if it can be read whole, is about the image that is asked about, and shows that it saw packages,
 * not fewer than the SBOM has. Otherwise the image is as good as not scanned, for the reason given.
 *
 * What the report left out at somebody's wish (VEX, rules to ignore) is in it all the same, marked
 * as suppressed: whoever wrote the report may have had an interest.
 *
 * Ownership:  all texts and lists live in the arena; the bytes may go.
 * Failure:    none: what is wrong is a reason, and a sentence for people.
 * Threads:    any. Pure: no file, no clock. It may take a second for the largest: not on a loop.
 */
#pragma once

#include "oci/digest.h"
#include "scan/alias.h"
#include "scan/sbom.h"
#include "scan/severity.h"

#define REPORT_BYTES_MAX    ((size_t)32 << 20)
#define REPORT_NODES_MAX    ((size_t)1000000) /* values in its JSON */
#define REPORT_FINDINGS_MAX ((size_t)50000)
#define REPORT_DIGESTS_MAX  16
#define REPORT_ARENA_BYTES  ((size_t)64 << 20)

enum report_format { REPORT_TRIVY, REPORT_GRYPE, REPORT_SARIF, REPORT_HARBOR };

enum report_reason {
#define X(name, code) REPORT_##name,
#include "scan/reason_table.h"
#undef X
};

enum report_fix { REPORT_FIX_UNKNOWN, REPORT_FIX_THERE, REPORT_FIX_NOT_YET, REPORT_FIX_NEVER };

struct report_finding {
    struct sl id;
    struct alias_list aliases; /* the scanner's database says so */
    struct sl package, version;
    struct sl purl;  /* as it was written; may be absent */
    struct sl fixed; /* "3.0.9-1", or several: "1.2, 2.0"; may be absent */
    struct sl raw;   /* severity, in its own word; may be absent */
    enum severity severity;
    enum report_fix fix;
    bool is_exploited;  /* known to be */
    bool is_suppressed; /* the report does not hold it against the image */
};

struct report_scanner {
    struct sl name, version;
    struct sl database; /* its version; may be absent */
    int64_t database_s; /* when it was made; 0: not said */
};

struct report {
    enum report_format format;
    bool in_predicate; /* it came as cosign's */
    struct report_scanner scanner;
    int64_t made_s; /* 0: not said */
    struct digest digests[REPORT_DIGESTS_MAX];
    size_t ndigests;
    struct digest config; /* what Docker calls the image's ID */
    bool has_config;
    struct sl system;      /* the distribution that it saw; may be absent */
    bool system_has_ended; /* which gets no more advisories: few findings mean little */
    bool tells_system;     /* a format that says which */
    bool from_sbom;        /* matched against an SBOM and not against an image */
    bool lists_packages;   /* also those without findings */
    const struct sbom_package *packages; /* that are listed; without licences */
    size_t nlisted;                      /* SBOM_PACKAGES_MAX at most */
    size_t npackages;                    /* as listed; else different ones with findings */
    const struct report_finding *findings;
    size_t nfindings;
    size_t counts[SEVERITY_N],
        suppressed[SEVERITY_N]; /* of findings; those in it are in no other */
    enum report_reason reason;
    struct sl why; /* a sentence; empty when GOOD */
};

/* What a report has to be to count. All may be absent. */
struct report_want {
    const struct digest *digest; /* of the manifest that it has to be about */
    const struct digest *config; /* or of that manifest's config: of a scan that was run here, of a
                                    folder that was made here; for nobody else's report */
    const struct sbom *sbom;     /* the packages that it has to have seen */
    bool is_static;              /* somebody says that there are none */
};

void report_read(struct sl bytes, const struct report_want *want, struct pg_arena *arena,
                 struct report *report_r);

/* What `trivy version --format json` and `grype db status --output json` say of their databases;
 * -1: there is none that can be used. */
PG_MUST_USE int report_trivy_database(struct sl bytes, struct pg_arena *arena,
                                      struct report_scanner *s_r, struct pg_err *err);
PG_MUST_USE int report_grype_database(struct sl bytes, struct pg_arena *arena,
                                      struct report_scanner *s_r, struct pg_err *err);

const char *report_reason_code(enum report_reason reason);
const char *report_format_name(enum report_format format);
