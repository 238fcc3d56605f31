/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/trials.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/hash.h"
#include "cli/config.h"
#include "cli/input.h"
#include "cli/policies.h"
#include "cli/print.h"
#include "cli/show.h"
#include "cli/trusts.h"
#include "policy/trial.h"

#define SUFFIX      ".test.yaml"
#define PATH_BYTES  4096
#define ARENA_BYTES ((size_t)64 << 20)

struct trials {
    const struct config *config;
    struct pg_buf out;
    struct trial_count count;
    unsigned nfiles;
};

/* Tests that cannot be run found nothing. */
static int tell(struct pg_err *err)
{
    (void)print_refusal(err);
    return COMMAND_CANNOT;
}

/* Of the policy, as the file of tests names it. */
static int join(const char *file, struct sl name, char path[PATH_BYTES])
{
    const char *slash = strrchr(file, '/');
    int folder = slash != NULL && name.p[0] != '/' ? (int)(slash + 1 - file) : 0;
    int n = snprintf(path, PATH_BYTES, "%.*s" SL_FMT, folder, file, SL_ARG(name));

    return n > 0 && n < PATH_BYTES ? 0
                                   : print_failure("%s: the path of its policy is too long", file);
}

static int run_with(struct trials *t, const char *file, const struct pg_tree *root,
                    const char *path)
{
    struct pg_err err = {0};
    struct trusts *trusts = NULL;
    struct policy *p = NULL;
    int rc = policies_load(t->config, path, &trusts, &p, &err);

    rc = rc < 0 ? rc : trial_run(file, root, p, &t->out, &t->count, &err);
    policy_unref(p);
    trusts_free(trusts);
    return rc < 0 ? tell(&err) : COMMAND_GOOD;
}

static int run_text(struct trials *t, const char *file, struct sl text, struct pg_arena *arena)
{
    struct pg_tree *root = NULL;
    struct pg_tree_fault fault;
    struct pg_err err = {0};
    struct sl policy = {NULL, 0};
    char path[PATH_BYTES];

    if (pg_tree_read(arena, text, &root, &fault) < 0) {
        return print_failure("%s:%u:%u: %s", file, fault.at.line, fault.at.col, fault.what);
    }
    if (root == NULL) {
        return print_failure("%s: the file is empty; it has policy: and tests:", file);
    }
    if (trial_policy(file, root, &policy, &err) < 0) {
        return tell(&err);
    }
    int rc = join(file, policy, path);
    return rc != 0 ? rc : run_with(t, file, root, path);
}

static int run_file(struct trials *t, const char *file)
{
    struct pg_arena arena;
    struct pg_err err = {0};
    struct pg_buf text;

    pg_buf_init(&text, PG_TREE_BYTES_MAX);
    pg_arena_init(&arena, ARENA_BYTES);
    int rc = input_read(file, &text, &err);
    rc = rc < 0 ? tell(&err) : run_text(t, file, pg_buf_sl(&text), &arena);
    pg_arena_free(&arena);
    pg_buf_free(&text);
    t->nfiles++;
    return rc;
}

static int is_test(const struct dirent *e)
{
    size_t n = strlen(e->d_name), suffix = strlen(SUFFIX);

    return n > suffix && strcmp(e->d_name + n - suffix, SUFFIX) == 0;
}

static int run_folder(struct trials *t, const char *folder)
{
    struct dirent **names = NULL;
    char path[PATH_BYTES];
    int n = scandir(folder, &names, is_test, alphasort), rc = COMMAND_GOOD;

    if (n <= 0) {
        free(names);
        return n < 0 ? print_failure("cannot read %s: %s", folder, strerror(errno))
                     : print_failure("%s has no files named *" SUFFIX, folder);
    }
    for (int i = 0; i < n; i++) {
        int length = snprintf(path, sizeof(path), "%s/%s", folder, names[i]->d_name);
        if (rc == COMMAND_GOOD) {
            rc = length > 0 && (size_t)length < sizeof(path)
                     ? run_file(t, path)
                     : print_failure("%s: a name in it is too long", folder);
        }
        free(names[i]);
    }
    free(names);
    return rc;
}

static int run_all(struct trials *t, const struct command_args *args)
{
    int rc = COMMAND_GOOD;

    for (size_t i = 0; i < args->noperands && rc == COMMAND_GOOD; i++) {
        struct stat st;
        bool is_folder = stat(args->operands[i], &st) == 0 && S_ISDIR(st.st_mode);
        rc = is_folder ? run_folder(t, args->operands[i]) : run_file(t, args->operands[i]);
    }
    return rc;
}

static int print_all(struct trials *t, int rc)
{
    struct pg_buf safe;

    pg_buf_init(&safe, PRINT_BYTES_MAX);
    print_put_lines(pg_buf_sl(&t->out), &safe);
    (void)pg_buf_printf(&safe, "%u passed, %u failed, in %u file%s\n", t->count.passed,
                        t->count.failed, t->nfiles, print_s(t->nfiles));
    int printed = print_out(pg_buf_sl(&safe));
    pg_buf_free(&safe);
    return rc != COMMAND_GOOD    ? rc
           : printed < 0         ? COMMAND_CANNOT
           : t->count.failed > 0 ? COMMAND_FOUND
                                 : COMMAND_GOOD;
}

int trials_run(const struct command_args *args)
{
    struct config_load load;
    struct pg_err err = {0};
    struct trials t = {.nfiles = 0};

    if (args->noperands == 0) {
        return print_failure("policy test needs a DIR with files *" SUFFIX ", or such a FILE");
    }
    pg_hash_setup();
    pg_buf_init(&t.out, PRINT_BYTES_MAX);
    int rc = config_load(args->config_file, &load, &err);
    if (rc != 0) {
        rc = show_refusal(rc, &load, &err);
    } else {
        t.config = &load.config;
        rc = print_all(&t, run_all(&t, args));
    }
    config_load_free(&load);
    pg_buf_free(&t.out);
    return rc;
}
