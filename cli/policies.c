/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/policies.h"

#include "base/hash.h"
#include "cli/config.h"
#include "cli/input.h"
#include "cli/print.h"
#include "cli/show.h"
#include "cli/trusts.h"
#include "policy/contrast.h"
#include "policy/convert.h"
#include "policy/explain.h"
#include "policy/lint.h"

static int print_policy(const char *file, const struct policy *p)
{
    struct pg_buf text, out;

    pg_buf_init(&text, PRINT_BYTES_MAX);
    pg_buf_init(&out, PRINT_BYTES_MAX);
    (void)pg_buf_printf(&out, "%s: good\n", file);
    explain_put_policy(p, &text);
    (void)pg_buf_put(&out, pg_buf_sl(&text));
    int rc = print_out(pg_buf_sl(&out));
    pg_buf_free(&text);
    pg_buf_free(&out);
    return rc < 0 ? COMMAND_CANNOT : COMMAND_GOOD;
}

int policies_load(const struct config *c, const char *file, struct trusts **t_r,
                  struct policy **p_r, struct pg_err *err)
{
    const char *slash = strrchr(file, '/');
    struct pg_buf text;

    if (trusts_new(c, t_r, err) < 0) {
        return -1;
    }
    const struct policy_source source = trusts_source(*t_r);

    trusts_base(*t_r, file);
    pg_buf_init(&text, POLICY_BYTES_MAX);
    int rc =
        trusts_read(*t_r, sl_str(slash != NULL ? slash + 1 : file), POLICY_BYTES_MAX, &text, err);
    rc = rc < 0 ? rc : policy_load(file, pg_buf_sl(&text), &source, p_r, err);
    pg_buf_free(&text);
    return rc;
}

static int check_with(const struct config *c, const char *const *files)
{
    struct trusts *t = NULL;
    struct policy *p = NULL;
    struct pg_err err = {0};
    int rc = policies_load(c, files[0], &t, &p, &err);

    rc = rc < 0 ? print_refusal(&err) : print_policy(files[0], p);
    policy_unref(p);
    trusts_free(t);
    return rc;
}

/* What was found is the answer: it goes to standard output. */
static int print_found(const struct pg_buf *found, size_t n, const char *none)
{
    struct pg_buf out;

    pg_buf_init(&out, PRINT_BYTES_MAX);
    print_put_lines(n > 0 ? pg_buf_sl(found) : sl_str(none), &out);
    int rc = print_out(pg_buf_sl(&out));
    pg_buf_free(&out);
    return rc < 0 ? COMMAND_CANNOT : n > 0 ? COMMAND_FOUND : COMMAND_GOOD;
}

static int lint_with(const struct config *c, const char *const *files)
{
    struct trusts *t = NULL;
    struct policy *p = NULL;
    struct pg_err err = {0};
    struct pg_buf found;
    int rc = policies_load(c, files[0], &t, &p, &err);

    pg_buf_init(&found, PRINT_BYTES_MAX);
    if (rc < 0) {
        rc = print_refusal(&err);
    } else {
        size_t n = lint_policy(files[0], p, &found);
        rc = print_found(&found, n, "nothing was found\n");
    }
    pg_buf_free(&found);
    policy_unref(p);
    trusts_free(t);
    return rc;
}

static int diff_with(const struct config *c, const char *const *files)
{
    struct trusts *t[2] = {NULL, NULL};
    struct policy *p[2] = {NULL, NULL};
    struct pg_err err = {0};
    struct pg_buf found;
    int rc = policies_load(c, files[0], &t[0], &p[0], &err);

    rc = rc < 0 ? rc : policies_load(c, files[1], &t[1], &p[1], &err);
    pg_buf_init(&found, PRINT_BYTES_MAX);
    if (rc < 0) {
        rc = print_refusal(&err);
    } else {
        size_t n = contrast_policies(p[0], p[1], &found);
        rc = print_found(&found, n, "both say the same\n");
    }
    pg_buf_free(&found);
    for (size_t i = 0; i < 2; i++) {
        policy_unref(p[i]);
        trusts_free(t[i]);
    }
    return rc;
}

static int with_config(const struct command_args *args,
                       int (*run)(const struct config *c, const char *const *files))
{
    struct config_load load;
    struct pg_err err = {0};

    pg_hash_setup();
    int rc = config_load(args->config_file, &load, &err);
    rc = rc != 0 ? show_refusal(rc, &load, &err) : run(&load.config, args->operands);
    config_load_free(&load);
    return rc;
}

int policies_check(const struct command_args *args)
{
    return args->noperands == 1 ? with_config(args, check_with)
                                : print_failure("policy check needs one FILE");
}

int policies_lint(const struct command_args *args)
{
    return args->noperands == 1 ? with_config(args, lint_with)
                                : print_failure("policy lint needs one FILE");
}

int policies_diff(const struct command_args *args)
{
    return args->noperands == 2 ? with_config(args, diff_with)
                                : print_failure("policy diff needs OLD and NEW");
}

static int import(const char *file, struct sl text)
{
    struct pg_err err = {0};
    struct pg_buf out;
    size_t ndropped;
    int rc;

    pg_buf_init(&out, POLICY_BYTES_MAX);
    if (convert_policies(file, text, &out, &ndropped, &err) < 0) {
        rc = print_refusal(&err);
    } else {
        rc = print_out(pg_buf_sl(&out)) < 0 ? COMMAND_CANNOT
             : ndropped > 0                 ? COMMAND_FOUND
                                            : COMMAND_GOOD;
    }
    pg_buf_free(&out);
    return rc;
}

int policies_import(const struct command_args *args)
{
    struct pg_err err = {0};
    struct pg_buf text;

    if (args->noperands != 1) {
        return print_failure("policy import needs one FILE");
    }
    pg_buf_init(&text, POLICY_BYTES_MAX);
    int rc = input_read(args->operands[0], &text, &err);
    rc = rc < 0 ? print_refusal(&err) : import(args->operands[0], pg_buf_sl(&text));
    pg_buf_free(&text);
    return rc;
}
