/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "sim/sched.h"
#include "sim/wrap.h"

#define PATH_BYTES 512
#define BASE_BYTES 160
#define DEPTH_MAX  8
#define FILES_MAX  4096
#define NAMES_MAX  4096
#define TORN_ZERO  4 /* one in so many torn files ends in zeros */

/* A file or directory; its bytes and mode as of its last sync. */
struct file {
    ino_t ino;
    bool is_dir, is_synced, seen;
    mode_t mode;
    size_t n;
    char *bytes;
    int64_t changed_ns;
    off_t timed_size;
};

/* A name in a directory, which may have another name by now. */
struct name {
    ino_t in, ino;
    char base[BASE_BYTES];
};

struct names {
    unsigned n;
    struct name name[NAMES_MAX];
};

static struct {
    char dir[128];
    ino_t root;
    unsigned nfiles;
    struct file files[FILES_MAX];
    struct names durable, now, after;
    uint64_t free_bytes;
} disk;

/* ---- what is known of a file ---- */

static struct file *file_of(ino_t ino)
{
    struct file *f;

    for (unsigned i = 0; i < disk.nfiles; i++)
        if (disk.files[i].ino == ino)
            return &disk.files[i];
    PG_CHECK(disk.nfiles < FILES_MAX);
    f = &disk.files[disk.nfiles++];
    *f = (struct file){.ino = ino, .timed_size = -1};
    return f;
}

static struct sl read_all(const char *path, size_t n)
{
    char *p = malloc(n > 0 ? n : 1);
    _fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);

    PG_CHECK(p != NULL && fd >= 0 && pg_fd_pread(fd, p, n, 0) == 0);
    return (struct sl){p, n};
}

static void keep_bytes(const char *path, const struct stat *st)
{
    struct file *f = file_of(st->st_ino);
    struct sl bytes = read_all(path, (size_t)st->st_size);

    free(f->bytes);
    f->bytes = (char *)(uintptr_t)bytes.p;
    f->n = bytes.n;
    f->mode = st->st_mode;
    f->is_synced = true;
}

/* ---- names ---- */

static void add_name(struct names *names, ino_t in, const char *base, ino_t ino)
{
    struct name *n = &names->name[names->n++];

    PG_CHECK(names->n < NAMES_MAX);
    PG_CHECK((size_t)snprintf(n->base, sizeof(n->base), "%s", base) < sizeof(n->base));
    n->in = in;
    n->ino = ino;
}

static struct name *find_name(struct names *names, const struct name *like)
{
    for (unsigned i = 0; i < names->n; i++)
        if (names->name[i].in == like->in && strcmp(names->name[i].base, like->base) == 0)
            return &names->name[i];
    return NULL;
}

static struct name *find_ino(struct names *names, ino_t ino)
{
    for (unsigned i = 0; i < names->n; i++)
        if (names->name[i].ino == ino)
            return &names->name[i];
    return NULL;
}

static void remove_name(struct names *names, struct name *n)
{
    *n = names->name[--names->n];
}

/* Where a name leads to, below `dir`; false: a directory on the way is lost. */
static bool path_of(struct names *names, const struct name *n, const char *dir,
                    char out[PATH_BYTES])
{
    const struct name *way[DEPTH_MAX];
    unsigned depth = 0;
    int at = snprintf(out, PATH_BYTES, "%s", dir);

    for (way[depth++] = n; way[depth - 1]->in != disk.root; depth++) {
        PG_CHECK(depth < DEPTH_MAX);
        way[depth] = find_ino(names, way[depth - 1]->in);
        if (way[depth] == NULL)
            return false;
    }
    while (depth > 0) {
        at += snprintf(out + at, PATH_BYTES - (size_t)at, "/%s", way[--depth]->base);
        PG_CHECK(at < PATH_BYTES);
    }
    return true;
}

/* What LMDB keeps, and what nobody needs: as it is. */
static bool is_left_alone(const char *name)
{
    return strcmp(name, "index") == 0 || strcmp(name, "quarantine") == 0 ||
           strcmp(name, "lock") == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* Of one directory, in order of their names: that of the directory is the kernel's affair. */
static void gather(struct names *names, const char *path, ino_t in)
{
    struct dirent **list = NULL;
    int n = scandir(path, &list, NULL, by_name);

    PG_CHECK(n >= 0);
    for (int i = 0; i < n; i++) {
        const char *base = list[i]->d_name;
        bool is_ours = strcmp(base, ".") != 0 && strcmp(base, "..") != 0 &&
                       !(in == disk.root && is_left_alone(base));

        if (is_ours) {
            add_name(names, in, base, list[i]->d_ino);
            file_of(list[i]->d_ino)->is_dir = list[i]->d_type == DT_DIR;
        }
        free(list[i]);
    }
    free(list);
}

/* A directory comes after the one that it is in. */
static void gather_all(struct names *names)
{
    char path[PATH_BYTES];

    names->n = 0;
    gather(names, disk.dir, disk.root);
    for (unsigned i = 0; i < names->n; i++)
        if (file_of(names->name[i].ino)->is_dir) {
            PG_CHECK(path_of(names, &names->name[i], disk.dir, path));
            gather(names, path, names->name[i].ino);
        }
}

/* ---- from process to process: the numbers of the files are the same ---- */

static FILE *open_note(const char *mode)
{
    char path[PATH_BYTES];

    (void)snprintf(path, sizeof(path), "%s.durable", disk.dir);
    return fopen(path, mode);
}

void disk_end(void)
{
    FILE *f = open_note("we");

    PG_CHECK(f != NULL);
    PG_CHECK(fwrite(&disk.durable, sizeof(disk.durable), 1, f) == 1);
    for (unsigned i = 0; i < disk.nfiles; i++) {
        const struct file *file = &disk.files[i];

        PG_CHECK(fwrite(file, sizeof(*file), 1, f) == 1);
        PG_CHECK(file->n == 0 || fwrite(file->bytes, file->n, 1, f) == 1);
    }
    PG_CHECK(fclose(f) == 0);
}

static bool read_note(void)
{
    FILE *f = open_note("re");
    char path[PATH_BYTES];
    struct file *file;

    if (f == NULL)
        return false;
    PG_CHECK(fread(&disk.durable, sizeof(disk.durable), 1, f) == 1);
    for (file = disk.files; fread(file, sizeof(*file), 1, f) == 1; file++) {
        PG_CHECK(++disk.nfiles < FILES_MAX);
        file->timed_size = -1; /* the clock begins anew */
        file->bytes = file->bytes != NULL ? malloc(file->n + 1) : NULL;
        PG_CHECK(file->n == 0 || fread(file->bytes, file->n, 1, f) == 1);
    }
    (void)fclose(f);
    (void)snprintf(path, sizeof(path), "%s.durable", disk.dir);
    PG_CHECK(unlink(path) == 0);
    return true;
}

void disk_begin(const char *dir)
{
    char path[PATH_BYTES];
    struct stat st;

    PG_CHECK((size_t)snprintf(disk.dir, sizeof(disk.dir), "%s", dir) < sizeof(disk.dir));
    PG_CHECK(lstat(dir, &st) == 0);
    disk.root = st.st_ino;
    disk.free_bytes = UINT64_C(1) << 40;
    if (read_note())
        return;
    gather_all(&disk.durable);
    for (unsigned i = 0; i < disk.durable.n; i++) {
        PG_CHECK(path_of(&disk.durable, &disk.durable.name[i], dir, path));
        PG_CHECK(lstat(path, &st) == 0);
        if (S_ISREG(st.st_mode))
            keep_bytes(path, &st);
    }
}

/* ---- syncing ---- */

static void sync_dir(const char *path, ino_t dir)
{
    disk.now.n = 0;
    gather(&disk.now, path, dir);
    for (unsigned i = 0; i < disk.durable.n;)
        if (disk.durable.name[i].in == dir)
            remove_name(&disk.durable, &disk.durable.name[i]);
        else
            i++;
    for (unsigned i = 0; i < disk.now.n; i++) {
        struct name *n = &disk.now.name[i], *old;

        if ((old = find_ino(&disk.durable, n->ino)) != NULL)
            remove_name(&disk.durable, old); /* a rename that is durable here is so there */
        add_name(&disk.durable, dir, n->base, n->ino);
    }
}

static int sync_fd(int fd)
{
    char path[64];
    struct stat st;

    PG_CHECK(__real_fstat(fd, &st) == 0);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (S_ISREG(st.st_mode))
        keep_bytes(path, &st);
    else
        sync_dir(path, st.st_ino);
    return 0;
}

int __wrap_fsync(int fd)
{
    if (!sched_is_on())
        return __real_fsync(fd);
    sched_point();
    return sync_fd(fd);
}

int __wrap_fdatasync(int fd)
{
    return __wrap_fsync(fd);
}

/* ---- after the crash ---- */

static bool coin(enum disk_crash how)
{
    return how == DISK_MIXED && sched_chance(2) == 0;
}

/* A name that is both durable and there is kept. Of the others each file has one side: where it
 * was, or where it is. */
static void choose_names(enum disk_crash how)
{
    struct names *after = &disk.after;

    after->n = 0;
    for (unsigned i = 0; i < disk.now.n; i++) {
        struct name *n = &disk.now.name[i], *was = find_name(&disk.durable, n);

        if ((was != NULL && was->ino == n->ino) || coin(how))
            add_name(after, n->in, n->base, n->ino);
    }
    for (unsigned i = 0; i < disk.durable.n; i++) {
        struct name *was = &disk.durable.name[i], *is = find_name(&disk.now, was);
        bool is_replaced = find_name(after, was) != NULL;
        bool has_moved = find_ino(after, was->ino) != NULL;
        bool is_gone = is == NULL && find_ino(&disk.now, was->ino) == NULL;

        if (!is_replaced && !has_moved && !(is_gone && coin(how)))
            add_name(after, was->in, was->base, was->ino);
    }
}

/* What was appended since the sync may be there in part. */
static struct sl torn(const struct file *f, struct sl now)
{
    size_t kept = f->is_synced ? f->n : 0, n;

    if (now.n <= kept || (f->bytes != NULL && memcmp(f->bytes, now.p, kept) != 0))
        return now;
    n = kept + (size_t)sched_chance(now.n - kept + 1);
    if (sched_chance(TORN_ZERO) == 0)
        memset((char *)(uintptr_t)now.p + kept, 0, n - kept);
    return (struct sl){now.p, n};
}

static struct sl bytes_after(const struct file *f, const struct name *now, enum disk_crash how)
{
    char path[PATH_BYTES];
    struct sl was = {f->bytes != NULL ? f->bytes : "", f->is_synced ? f->n : 0}, is;
    struct stat st;

    if (now == NULL || !coin(how))
        return was;
    PG_CHECK(path_of(&disk.now, now, disk.dir, path));
    PG_CHECK(lstat(path, &st) == 0);
    is = read_all(path, (size_t)st.st_size);
    return coin(how) ? torn(f, is) : is;
}

static void write_after(const char *to, const struct name *n, enum disk_crash how)
{
    const struct file *f = file_of(n->ino);
    char path[PATH_BYTES];
    struct sl bytes;
    _fd_ int fd = -1;

    if (f->is_dir || !path_of(&disk.after, n, to, path))
        return;
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    PG_CHECK(fd >= 0);
    bytes = bytes_after(f, find_ino(&disk.now, n->ino), how);
    PG_CHECK(pg_fd_write(fd, bytes.p, bytes.n) == 0);
    PG_CHECK(fchmod(fd, f->is_synced ? f->mode & 0777 : 0600) == 0);
}

/* Until nothing is new: a directory comes after the one that it is in. */
static void make_dirs(const char *to)
{
    char path[PATH_BYTES];
    bool is_new = true;

    while (is_new) {
        is_new = false;
        for (unsigned i = 0; i < disk.after.n; i++)
            if (file_of(disk.after.name[i].ino)->is_dir &&
                path_of(&disk.after, &disk.after.name[i], to, path) && mkdir(path, 0700) == 0)
                is_new = true;
    }
}

static void move(const char *to, const char *name)
{
    char from[256], path[256];

    (void)snprintf(from, sizeof(from), "%s/%s", disk.dir, name);
    (void)snprintf(path, sizeof(path), "%s/%s", to, name);
    PG_CHECK(rename(from, path) == 0 || errno == ENOENT);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

void disk_crash(enum disk_crash how)
{
    char to[160];

    if (how == DISK_KILLED) {
        disk_end();
        return;
    }
    gather_all(&disk.now);
    choose_names(how);
    (void)snprintf(to, sizeof(to), "%s.after", disk.dir);
    PG_CHECK(mkdir(to, 0700) == 0);
    make_dirs(to);
    for (unsigned i = 0; i < disk.after.n; i++)
        write_after(to, &disk.after.name[i], how);
    move(to, "index");
    move(to, "quarantine");
    PG_CHECK(nftw(disk.dir, remove_one, 32, FTW_DEPTH | FTW_PHYS) == 0);
    PG_CHECK(rename(to, disk.dir) == 0);
}

/* ---- times and space ---- */

static void give_times(struct stat *st)
{
    struct file *f = file_of(st->st_ino);

    if (f->timed_size != st->st_size) {
        f->timed_size = st->st_size;
        f->changed_ns = sched_wall_ns();
    }
    st->st_mtim = (struct timespec){f->changed_ns / 1000000000, f->changed_ns % 1000000000};
    st->st_ctim = st->st_mtim;
}

int __wrap_fstat(int fd, struct stat *st)
{
    int r = __real_fstat(fd, st);

    if (r == 0 && sched_is_on())
        give_times(st);
    return r;
}

int __wrap_fstatat(int at, const char *path, struct stat *st, int flags)
{
    int r = __real_fstatat(at, path, st, flags);

    if (r == 0 && sched_is_on())
        give_times(st);
    return r;
}

void disk_set_free(uint64_t nbytes)
{
    disk.free_bytes = nbytes;
}

int __wrap_fstatvfs(int fd, struct statvfs *fs)
{
    int r = __real_fstatvfs(fd, fs);

    if (r == 0 && sched_is_on()) {
        fs->f_frsize = 1;
        fs->f_bavail = disk.free_bytes;
    }
    return r;
}
