/* SPDX-License-Identifier: Apache-2.0 */
/* What the linker sends to the simulation (tests.cmake has the same list), and where it would have
 * gone. */
#pragma once

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

#include "cache/index_int.h"

#define WRAP(type, name, ...)                                                                      \
    type __real_##name(__VA_ARGS__);                                                               \
    type __wrap_##name(__VA_ARGS__)

/* sched.c */
WRAP(int, clock_gettime, clockid_t id, struct timespec *t);
WRAP(void, pg_random_bytes, void *p, size_t n);
WRAP(int, sched_yield, void);
WRAP(int, pthread_create, pthread_t *id, const pthread_attr_t *attr, void *(*run)(void *),
     void *arg);
WRAP(int, pthread_join, pthread_t id, void **result);
WRAP(int, pthread_mutex_lock, pthread_mutex_t *mutex);
WRAP(int, pthread_mutex_unlock, pthread_mutex_t *mutex);
WRAP(int, pthread_cond_wait, pthread_cond_t *cond, pthread_mutex_t *mutex);
WRAP(int, pthread_cond_timedwait, pthread_cond_t *cond, pthread_mutex_t *mutex,
     const struct timespec *at);
WRAP(int, pthread_cond_signal, pthread_cond_t *cond);
WRAP(int, pthread_cond_broadcast, pthread_cond_t *cond);
WRAP(int, sem_init, sem_t *sem, int shared, unsigned value);
WRAP(int, sem_destroy, sem_t *sem);
WRAP(int, sem_post, sem_t *sem);
WRAP(int, sem_wait, sem_t *sem);
WRAP(int, sem_clockwait, sem_t *sem, clockid_t clock, const struct timespec *at);

/* disk.c */
WRAP(int, fsync, int fd);
WRAP(int, fdatasync, int fd);
WRAP(int, fstat, int fd, struct stat *st);
WRAP(int, fstatat, int at, const char *path, struct stat *st, int flags);
WRAP(int, fstatvfs, int fd, struct statvfs *fs);
WRAP(bool, pg_fault_fires, const char *point);
WRAP(int, index_check, const struct index_config *config, enum index_health *health_r,
     struct pg_err *err);

#undef WRAP
