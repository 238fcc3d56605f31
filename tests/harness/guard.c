/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard - preloaded into the server by tests/e2e/test_loops.py: says, on standard error, when a
 * serving loop's thread (pg-loop-N) does what it must never do: waits for a disk (fsync,
 * fdatasync), asks a resolver, or reads bytes of a blob that are not in the page cache.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/types.h>
#include <unistd.h>

#define PAGE 4096

static int is_loop(void)
{
    char name[16] = "";

    (void)pthread_getname_np(pthread_self(), name, sizeof(name));
    return strncmp(name, "pg-loop", 7) == 0;
}

static void say(const char *what)
{
    char line[128];
    int n = snprintf(line, sizeof(line), "guard: a loop %s\n", what);

    if (n > 0 && write(STDERR_FILENO, line, (size_t)n) < 0)
        abort();
}

static int is_blob(int fd)
{
    char link[64], path[512];
    ssize_t n;

    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof(path) - 1);
    if (n < 0)
        return 0;
    path[n] = '\0';
    return strstr(path, "/blobs/") != NULL;
}

/* Whether all of these bytes can be had without the disk. */
static int is_resident(int fd, off_t at, size_t n)
{
    off_t from = at / PAGE * PAGE;
    size_t len = n + (size_t)(at - from);
    unsigned char *pages = malloc(len / PAGE + 2);
    void *map = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, from);
    int all = 1;

    if (pages == NULL || map == MAP_FAILED || mincore(map, len, pages) < 0)
        abort();
    for (size_t i = 0; i < (len + PAGE - 1) / PAGE; i++)
        all &= pages[i] & 1;
    (void)munmap(map, len);
    free(pages);
    return all;
}

static void look(int fd, off_t at, size_t n)
{
    if (n > 0 && is_loop() && is_blob(fd))
        say(is_resident(fd, at, n) ? "reads warm bytes" : "READS COLD BYTES");
}

#define REAL(name) ((__typeof__(name) *)dlsym(RTLD_NEXT, #name))

int fsync(int fd)
{
    if (is_loop())
        say("CALLS fsync");
    return REAL(fsync)(fd);
}

int fdatasync(int fd)
{
    if (is_loop())
        say("CALLS fdatasync");
    return REAL(fdatasync)(fd);
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **res)
{
    if (is_loop())
        say("CALLS getaddrinfo");
    return REAL(getaddrinfo)(node, service, hints, res);
}

ssize_t pread(int fd, void *p, size_t n, off_t at)
{
    look(fd, at, n);
    return REAL(pread)(fd, p, n, at);
}

ssize_t sendfile(int out, int in, off_t *at, size_t n)
{
    if (at != NULL)
        look(in, *at, n);
    return REAL(sendfile)(out, in, at, n);
}
