/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/check.h"
#include "base/fd.h"
#include "cache/index_page_int.h"
#include "sim/disk.h"
#include "sim/sched.h"
#include "sim/wrap.h"

#define POINTS_MAX 256

static struct {
    unsigned one_in, npoints, nordered;
    struct disk_fault ordered[DISK_FAULTS_MAX];
    uint64_t fired;
    bool index_is_damaged;
    struct disk_point points[POINTS_MAX];
} faults;

void disk_set_faults(unsigned one_in)
{
    faults.one_in = one_in;
}

void disk_add_fault(const struct disk_fault *f)
{
    PG_CHECK(faults.nordered < DISK_FAULTS_MAX);
    faults.ordered[faults.nordered++] = *f;
}

void disk_damage_index(void)
{
    faults.index_is_damaged = true;
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
    for (unsigned i = 0; i < faults.nordered; i++) {
        const struct disk_fault *f = &faults.ordered[i];

        if (strcmp(f->point, p->name) == 0 &&
            (p->visits == f->nth || (f->all_after && p->visits > f->nth)))
            return f->error;
    }
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

/* What a crash or a power cut left is sound, page by page. */
static bool has_sound_pages(const char *path)
{
    _fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);

    return fd >= 0 && index_page_check(fd, UINT64_MAX) == 0;
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
    *health_r = stat(path, &st) < 0       ? INDEX_ABSENT
                : faults.index_is_damaged ? INDEX_DAMAGED
                                          : INDEX_SOUND;
    if (*health_r == INDEX_SOUND && !config->read_only && !has_sound_pages(path))
        PG_BUG("the index is damaged");
    faults.index_is_damaged = false;
    return 0;
}
