/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admin/process.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

void process_open(struct process *p)
{
    p->statm_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    p->files_fd = open("/proc/self/fd", O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    p->started_s = (double)pg_clock_wall_ms() / 1000;
}

void process_close(struct process *p)
{
    pg_fd_close(&p->statm_fd);
    pg_fd_close(&p->files_fd);
}

static void head(struct pg_buf *out, const char *name, const char *type, const char *doc)
{
    pg_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, doc, name, type);
}

static double seconds(const struct timeval *t)
{
    return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

static unsigned long long take_number(const char **at)
{
    char *end;
    unsigned long long n = strtoull(*at, &end, 10);

    *at = end;
    return n;
}

/* "total resident ...", in pages. */
static void write_memory(const struct process *p, struct pg_buf *out)
{
    char text[128];
    const char *at = text;
    unsigned long long page = (unsigned long long)sysconf(_SC_PAGESIZE);
    ssize_t n = p->statm_fd >= 0 ? pread(p->statm_fd, text, sizeof(text) - 1, 0) : -1;

    if (n <= 0)
        return;
    text[n] = '\0';
    head(out, "process_virtual_memory_bytes", "gauge", "Size of the address space.");
    pg_buf_printf(out, "process_virtual_memory_bytes %llu\n", take_number(&at) * page);
    head(out, "process_resident_memory_bytes", "gauge", "Memory in RAM.");
    pg_buf_printf(out, "process_resident_memory_bytes %llu\n", take_number(&at) * page);
}

/* Since Linux 6.2 the size of /proc/self/fd is how many there are; before, it is 0. */
static void write_files(const struct process *p, struct pg_buf *out)
{
    struct rlimit limit;
    struct stat st;

    if (p->files_fd >= 0 && fstat(p->files_fd, &st) == 0 && st.st_size > 0) {
        head(out, "process_open_fds", "gauge", "File descriptors in use.");
        pg_buf_printf(out, "process_open_fds %lld\n", (long long)st.st_size);
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        head(out, "process_max_fds", "gauge", "File descriptors that may be in use.");
        pg_buf_printf(out, "process_max_fds %llu\n", (unsigned long long)limit.rlim_cur);
    }
}

void process_write(const struct process *p, const char *version, struct pg_buf *out)
{
    struct rusage use;

    head(out, "pullgate_build_info", "gauge", "1; the version is its label.");
    pg_buf_printf(out, "pullgate_build_info{version=\"%s\"} 1\n", version);
    head(out, "process_start_time_seconds", "gauge", "When the process started, Unix time.");
    pg_buf_printf(out, "process_start_time_seconds %.3f\n", p->started_s);
    if (getrusage(RUSAGE_SELF, &use) == 0) {
        head(out, "process_cpu_seconds_total", "counter", "CPU time, user and system.");
        pg_buf_printf(out, "process_cpu_seconds_total %.6f\n",
                      seconds(&use.ru_utime) + seconds(&use.ru_stime));
    }
    write_memory(p, out);
    write_files(p, out);
}
