/* SPDX-License-Identifier: Apache-2.0 */
/* A process that fills and drops blobs is killed again and again, at no chosen moment, on one and
 * the same store. After each time fsck finds nothing, no byte is nobody's, and what had landed for
 * sure is there. */
#include "shelf.h"

#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "base/random.h"

#define ROUNDS     40
#define LONGEST_US 150000
#define BLOBS      64 /* different ones: they come and go */
#define AT_WORK    "at-work"
#define NOTE       "/note" /* beside the store: what the process knew to have landed */

static struct shelf sh;

/* Shared with the process that is killed; a byte for each blob: landed, or it may have left. */
struct note {
    _Atomic unsigned char landed[BLOBS];
};

static struct note *open_note(const char *dir)
{
    char path[128];
    struct note *note;
    int fd;

    (void)snprintf(path, sizeof(path), "%s" NOTE, dir);
    fd = open(path, O_RDWR | O_CREAT, 0600);
    PG_CHECK(fd >= 0 && ftruncate(fd, sizeof(*note)) == 0);
    note = mmap(NULL, sizeof(*note), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    PG_CHECK(note != MAP_FAILED);
    (void)close(fd);
    return note;
}

static struct sl bytes_of(unsigned i)
{
    return shelf_bytes(1000 + (size_t)i * 9000, i);
}

static void fill_one(struct note *note, unsigned i)
{
    struct sl bytes = bytes_of(i);
    struct digest d = digest_of(PG_SHA256, bytes);
    struct shelf_fill sf;

    shelf_start(&sh, &sf, &d, bytes.n);
    PG_CHECK(sf.fill->have <= bytes.n);
    (void)shelf_write(&sf, (struct sl){bytes.p + sf.fill->have, bytes.n - sf.fill->have}, 20000);
    PG_CHECK(shelf_finish(&sf));
    atomic_store(&note->landed[i], 1);
    shelf_free(bytes);
}

static void drop_one(struct note *note, unsigned i)
{
    struct sl bytes = bytes_of(i);
    struct digest d = digest_of(PG_SHA256, bytes);

    atomic_store(&note->landed[i], 0);
    shelf_drop(&sh, &d, i % 2 ? PUBLISH_EVICTED : PUBLISH_DAMAGED);
    shelf_free(bytes);
}

/* Until the alarm ends the process, as a signal that cannot be caught would. */
static int work(const char *dir)
{
    struct itimerval when = {
        .it_value = {.tv_usec = (suseconds_t)(1000 + pg_random_u64() % LONGEST_US)}};
    struct note *note = open_note(dir);

    shelf_begin(&sh);
    (void)rmdir(sh.dir);
    (void)snprintf(sh.dir, sizeof(sh.dir), "%s/store", dir);
    PG_CHECK(setitimer(ITIMER_REAL, &when, NULL) == 0);
    shelf_open(&sh);
    for (;;) {
        unsigned i = (unsigned)(pg_random_u64() % BLOBS);

        if (atomic_load(&note->landed[i]) == 0)
            fill_one(note, i);
        else if (pg_random_u64() % 2 == 0)
            drop_one(note, i);
    }
}

static void let_it_be_killed(char *dir)
{
    char *argv[] = {(char[]){"test_crash"}, (char[]){AT_WORK}, dir, NULL};
    pid_t pid;
    int status;

    assert_int_equal(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGALRM)
        fail_msg("the process ended by itself: %d", status);
}

static void look(const struct note *note)
{
    shelf_open(&sh);
    shelf_is_sound(&sh);
    for (unsigned i = 0; i < BLOBS; i++) {
        struct sl bytes = bytes_of(i);
        struct digest d = digest_of(PG_SHA256, bytes);

        if (atomic_load(&note->landed[i]) == 1)
            assert_true(shelf_can_open(&sh, &d));
        shelf_free(bytes);
    }
    shelf_close(&sh);
}

TEST(no_moment_is_a_bad_one_to_die) /* G01, G02, G05 as far as a process can die */
{
    char dir[48];
    struct note *note;

    shelf_begin(&sh);
    PG_CHECK((size_t)snprintf(dir, sizeof(dir), "%s", sh.dir) < sizeof(dir));
    note = open_note(dir);
    (void)snprintf(sh.dir, sizeof(sh.dir), "%s/store", dir);
    for (unsigned i = 0; i < ROUNDS; i++) {
        let_it_be_killed(dir);
        look(note);
    }
    (void)munmap(note, sizeof(*note));
    (void)snprintf(sh.dir, sizeof(sh.dir), "%s", dir);
    shelf_end(&sh);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {RUN(no_moment_is_a_bad_one_to_die)};

    if (argc == 3 && strcmp(argv[1], AT_WORK) == 0)
        return work(argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
