/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "sim/disk.h"
#include "sim/sched.h"
#include "sim/wrap.h"

#define POINTS_MAX 256

static struct {
    unsigned one_in, npoints;
    const char *point;
    uint64_t nth, fired;
    bool more;
    int error;
    struct disk_point points[POINTS_MAX];
} faults;

void disk_set_faults(unsigned one_in)
{
    faults.one_in = one_in;
}

void disk_set_fault(const char *point, uint64_t nth, bool more, int error)
{
    faults.point = point;
    faults.nth = nth;
    faults.more = more;
    faults.error = error;
}

uint64_t disk_faults(void)
{
    return faults.fired;
}

const struct disk_point *disk_points(unsigned *n_r)
{
    *n_r = faults.npoints;
    return faults.points;
}

void disk_forget_points(void)
{
    faults.npoints = 0;
}

static struct disk_point *point_of(const char *name)
{
    for (unsigned i = 0; i < faults.npoints; i++)
        if (strcmp(faults.points[i].name, name) == 0)
            return &faults.points[i];
    PG_CHECK(faults.npoints < POINTS_MAX);
    faults.points[faults.npoints] = (struct disk_point){.name = name};
    return &faults.points[faults.npoints++];
}

static int error_by_chance(void)
{
    static const int errors[] = {EIO, ENOSPC, EIO, EMFILE, ENOMEM};

    return errors[sched_chance(sizeof(errors) / sizeof(errors[0]))];
}

static int error_now(const struct disk_point *p)
{
    if (faults.point != NULL && strcmp(faults.point, p->name) == 0 &&
        (p->visits == faults.nth || (faults.more && p->visits > faults.nth)))
        return faults.error;
    return faults.one_in > 0 && sched_chance(faults.one_in) == 0 ? error_by_chance() : 0;
}

bool __wrap_pg_fault_fires(const char *point)
{
    struct disk_point *p;
    int error;

    if (!sched_is_on())
        return false;
    p = point_of(point);
    p->visits++;
    sched_point();
    error = error_now(p);
    if (error == 0)
        return false;
    p->fired++;
    faults.fired++;
    sched_say("fault: %s %s", point, strerrordesc_np(error));
    errno = error;
    return true;
}

/* The check in a child has tests of its own. */
int __wrap_index_check(const struct index_config *config, enum index_health *health_r,
                       struct pg_err *err)
{
    char path[512];
    struct stat st;

    if (!sched_is_on())
        return __real_index_check(config, health_r, err);
    (void)snprintf(path, sizeof(path), "%s/data.mdb", config->path);
    *health_r = stat(path, &st) == 0 ? INDEX_SOUND : INDEX_ABSENT;
    return 0;
}
