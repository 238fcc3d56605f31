/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scanner - images of the store, scanned by Trivy or Grype: one at a time, by a helper program
 * that is shown the image as a folder and writes its report.
 *
 *     asker                     pg-scan (a thread)                       helper
 *     scanner_submit(s, job) -> waits its turn
 *                               view_show: a folder of hard links
 *                               spawn --------------------------------> reads it; report on stdout
 *                               report_read: does it count?
 *                               the report becomes a file
 *     job->done(job) <--------- for all who asked about this digest
 *
 * In turn: images that somebody waits for, then those seen for the first time, then those that are
 * scanned again; but each fourth scan is of a later kind if one waits, of the two by turns, so that
 * no flood starves them. No repository has more than a quarter of the places.
 *
 * A scan begins with a look at the scanner's database: what fails there is no image's fault, and
 * what fails after it is.
 *
 * The helper is as hostile as the image that it reads: what it says is a report, and no more. It is
 * caged as proxy/spawn.h says: it reads the view and writes its temporary folder and that of its
 * database; no network, no file of the store. What it leaves in its temporary folder is counted
 * while it runs, and cleared after it. Where the kernel cannot do that, nothing is scanned, unless
 * the operator has switched cages off.
 *
 * Ownership:  a job is embedded in the asker's object, and is the scanner's until done().
 * Failure:    every job is done once; how is in job->outcome. OURS is no fault of the image: no
 *             program, no database, no folder, too many waiting. IMAGE is: too slow, killed, an
 *             exit status, a report that does not count, or it is no image. Neither is "clean".
 * Threads:    open: main, before spawn_start(); start: after it. submit: any. done() comes where
 *             `home` is drained.
 */
#pragma once

#include "proxy/spawn.h"
#include "scan/report.h"

#define SCANNER_WAITING_MAX   256
#define SCANNER_SHARE_MAX     (SCANNER_WAITING_MAX / 4) /* of one repository */
#define SCANNER_REPO_MAX      512
#define SCANNER_TIME_MS       600000
#define SCANNER_SCRATCH_BYTES ((uint64_t)8 << 30)
#define SCANNER_LOOK_MS       250                  /* how often its temporary files are counted */
#define SCANNER_MEMORY_BYTES  ((uint64_t)16 << 30) /* of addresses: Go takes many, and uses few */

enum scanner_kind { SCANNER_TRIVY, SCANNER_GRYPE };
enum scanner_turn { SCANNER_AWAITED, SCANNER_FIRST, SCANNER_AGAIN, SCANNER_TURNS };
enum scanner_outcome { SCANNER_GOOD, SCANNER_OURS, SCANNER_IMAGE };

struct scanner;
struct scanner_job;

/* What came of a scan, in the scanner's thread: the report if it counts, else NULL, and job->err
 * says why. Before done(). */
typedef void scanner_heard_fn(void *owner, const struct scanner_job *job,
                              const struct report *report);

struct scanner_options {
    enum scanner_kind kind;
    const char *program;     /* an absolute path */
    const char *folder;      /* on the filesystem of the store, ours alone: views and reports */
    const char *database;    /* the folder of the scanner's database */
    unsigned time_ms;        /* 0: ten minutes */
    uint64_t scratch_bytes;  /* of temporary files; 0: SCANNER_SCRATCH_BYTES */
    uint64_t reserve_bytes;  /* that stay free on the filesystem */
    int64_t keep_s;          /* a report that nobody made anew for so long goes; 0: it stays */
    bool is_free;            /* no cage: the operator wants none */
    scanner_heard_fn *heard; /* NULL: nobody wants to */
    void *owner;             /* of heard */
};

struct scanner_job {
    struct pg_mail mail; /* these two are the scanner's */
    struct pg_list link;
    /* set by the asker */
    struct digest digest; /* of an image's manifest, not of an index's */
    char repository[SCANNER_REPO_MAX];
    enum scanner_turn turn;
    bool is_static; /* see report_want */
    void (*done)(struct scanner_job *job);
    struct pg_mailbox *home;
    struct scanner *scanner; /* set by submit */
    /* valid from done() on */
    enum scanner_outcome outcome;
    enum report_reason reason; /* of a report that was read, if it does not count */
    struct pg_err err;         /* unless GOOD; the asker's to clear */
    const struct sbom *sbom;   /* during heard() alone: what was seen; NULL: it is not told */
    size_t counts[SEVERITY_N]; /* of a GOOD report, with what it suppressed */
    int64_t database_s;        /* when the scanner's database was made */
    uint64_t began_ms;         /* monotonic: when its turn came; 0: it never did */
};

/* Permits what will be run. -1: the program is not there, or others could change it. */
PG_MUST_USE int scanner_open(struct spawn *spawn, const struct scanner_options *o,
                             struct scanner **s_r, struct pg_err *err);
/* Begins the thread. blobs_fd: of the store, which must outlive the scanner. -1: the folder, or
 * another process is at work in it. */
PG_MUST_USE int scanner_start(struct scanner *s, int blobs_fd, struct pg_err *err);
void scanner_submit(struct scanner *s, struct scanner_job *job);
void scanner_hurry(struct scanner *s, const struct digest *d); /* somebody waits for it now */

/* What waits is done with CANCELED, what runs is killed; then the thread ends, and s is gone.
 * Before spawn_close(). NULL is allowed; so is one that was not started. */
void scanner_close(struct scanner *s);

/* Where the report on an image is, once it was GOOD; in the folder that was given. Returns out. */
#define SCANNER_PATH_MAX 192
const char *scanner_report_path(const struct digest *d, char out[SCANNER_PATH_MAX]);
