/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk - a directory on tmpfs, of which is known what a loss of power would leave.
 *
 * fsync() and fdatasync() of the store come here. Of a file that was synced its bytes are durable
 * as they were then; of a directory, its names. All else may be as it is, as it was, or in
 * between:
 *
 *     DISK_KILLED    the process died: everything is as it is, and no more durable than before
 *     DISK_STRICT    only what was synced is there
 *     DISK_MIXED     chance decides for each name and each file; of bytes that were appended a part
 *                    may be there, or zeros in their place. A rename is there or is not, never half
 *
 * The index is LMDB's and not ours: it is as its last commit left it, since no point of the
 * scheduler is inside of a commit. What stands in quarantine/ is kept.
 *
 * Times of files are those of the simulated clock; the free space is what the test says. Each fault
 * point may fail, by chance or by number, and is a point of the scheduler.
 *
 * Failure:  of the real disk: PG_CHECK. Threads: those of the scheduler.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum disk_crash { DISK_KILLED, DISK_STRICT, DISK_MIXED };

/* What the last process noted is durable; or, without such a note, all that is below the directory.
 */
void disk_begin(const char *dir);

/* The process ends by itself: notes beside the directory what is durable of it. */
void disk_end(void);

/* Makes the directory what it is after a crash. Nothing may work on it any more. */
void disk_crash(enum disk_crash how);

void disk_set_free(uint64_t nbytes);
void disk_damage_index(void); /* the next to look at it finds it damaged */

/* One in so many points fails, from now on; 0: none. */
void disk_set_faults(unsigned one_in);
/* The nth visit of a point fails, and, if all_after, those after it. */
struct disk_fault {
    const char *point;
    uint64_t nth;
    bool all_after;
    int error;
};
#define DISK_FAULTS_MAX 2
void disk_add_fault(const struct disk_fault *f);
uint64_t disk_faults(void); /* how many have failed */

/* Every point that was visited, and how often: for tests that want to have been everywhere. */
struct disk_point {
    const char *name;
    uint64_t visits, fired;
};
const struct disk_point *disk_points(unsigned *n_r);
