/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every reason why a report does not count, on one page. X(name, code): the code is for programs,
 * the sentence is made where it happens. Included several times; no guard.
 */
X(GOOD, "good")
X(TOO_LARGE, "too_large")       /* in bytes, values, findings or memory */
X(UNREADABLE, "unreadable")     /* cut short, or no JSON */
X(SCHEMA, "unknown_schema")     /* none that is read here */
X(MALFORMED, "malformed")       /* a schema that is read, not kept to */
X(NO_DIGEST, "no_digest")       /* it names no image */
X(OTHER_DIGEST, "other_digest") /* it names others */
X(DATABASE, "bad_database")     /* the scanner itself says that its database is not valid */
X(NO_PACKAGES, "no_packages")   /* nothing shows that it saw any */
X(FEWER, "fewer_packages")      /* than the SBOM has */
X(NO_SYSTEM, "no_system")       /* packages of a distribution, and it saw no distribution */
X(OTHER_SBOM, "other_sbom")     /* the SBOM that it was to be compared with is another image's */
