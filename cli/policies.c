/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/policies.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hash.h"
#include "cli/config.h"
#include "cli/print.h"
#include "cli/show.h"
#include "cli/trusts.h"
#include "policy/convert.h"
#include "policy/explain.h"

/* An answer that is no failure of ours: "pullgate: ..." is not put before it. */
static int refuse(struct pg_err *err)
{
    struct pg_buf out;

    pg_buf_init(&out, PRINT_BYTES_MAX);
    print_put_safe(sl_str(err->msg), &out);
    (void)pg_buf_put(&out, SL("\n"));
    print_error(pg_buf_sl(&out));
    pg_buf_free(&out);
    bool is_file = err->kind == PG_E_STORE_IO;
    pg_err_clear(err);
    return is_file ? COMMAND_CANNOT : COMMAND_FOUND;
}

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

static int check_with(const struct config *c, const char *file)
{
    struct trusts *t = NULL;
    struct policy *p = NULL;
    struct pg_err err = {0};
    struct pg_buf text;

    if (trusts_new(c, &t, &err) < 0) {
        return refuse(&err);
    }
    const struct policy_source source = trusts_source(t);
    const char *slash = strrchr(file, '/');

    trusts_base(t, file);
    pg_buf_init(&text, POLICY_BYTES_MAX);
    int rc =
        trusts_read(t, sl_str(slash != NULL ? slash + 1 : file), POLICY_BYTES_MAX, &text, &err);
    rc = rc < 0 ? rc : policy_load(file, pg_buf_sl(&text), &source, &p, &err);
    rc = rc < 0 ? refuse(&err) : print_policy(file, p);
    pg_buf_free(&text);
    policy_unref(p);
    trusts_free(t);
    return rc;
}

int policies_check(const struct command_args *args)
{
    struct config_load load;
    struct pg_err err = {0};

    if (args->noperands != 1) {
        return print_failure("policy check needs one FILE");
    }
    pg_hash_setup();
    int rc = config_load(args->config_file, &load, &err);
    rc = rc != 0 ? show_refusal(rc, &load, &err) : check_with(&load.config, args->operands[0]);
    config_load_free(&load);
    return rc;
}

/* It decides nothing yet: whoever may read it may have it converted. */
static int read_input(const char *file, struct pg_buf *out)
{
    char chunk[16384];
    ssize_t n;
    _fd_ int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    while (fd >= 0 && (n = read(fd, chunk, sizeof(chunk))) != 0) {
        if (n < 0) {
            return print_failure("cannot read %s: %s", file, strerror(errno));
        }
        if (pg_buf_put(out, (struct sl){chunk, (size_t)n}) < 0) {
            return print_failure("%s is larger than %zu KiB", file, POLICY_BYTES_MAX / 1024);
        }
    }
    return fd < 0 ? print_failure("cannot open %s: %s", file, strerror(errno)) : COMMAND_GOOD;
}

static int import(const char *file, struct sl text)
{
    struct pg_err err = {0};
    struct pg_buf out;
    size_t ndropped;
    int rc;

    pg_buf_init(&out, POLICY_BYTES_MAX);
    if (convert_policies(file, text, &out, &ndropped, &err) < 0) {
        rc = refuse(&err);
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
    struct pg_buf text;

    if (args->noperands != 1) {
        return print_failure("policy import needs one FILE");
    }
    pg_buf_init(&text, POLICY_BYTES_MAX);
    int rc = read_input(args->operands[0], &text);
    rc = rc != COMMAND_GOOD ? rc : import(args->operands[0], pg_buf_sl(&text));
    pg_buf_free(&text);
    return rc;
}
