/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/print.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/utf8.h"
#include "cli/command.h"

#define WRAP_COLUMNS 98

void print_put_safe(struct sl text, struct pg_buf *out)
{
    while (text.n > 0) {
        size_t plain = pg_utf8_plain(text);
        if (plain == 0 && (text.p[0] == '"' || text.p[0] == '\\')) {
            plain = 1;
        }
        if (plain > 0) {
            (void)pg_buf_put(out, (struct sl){text.p, plain});
        } else {
            char escaped[PG_UTF8_ESCAPE_MAX];
            size_t n = 0;
            plain = pg_utf8_escape(text, escaped, &n);
            (void)pg_buf_put(out, (struct sl){escaped, n});
        }
        text = (struct sl){text.p + plain, text.n - plain};
    }
}

void print_put_lines(struct sl text, struct pg_buf *out)
{
    while (text.n > 0) {
        const char *end = memchr(text.p, '\n', text.n);
        size_t n = end != NULL ? (size_t)(end - text.p) : text.n;
        print_put_safe((struct sl){text.p, n}, out);
        (void)pg_buf_put(out, SL("\n"));
        n += end != NULL ? 1 : 0;
        text = (struct sl){text.p + n, text.n - n};
    }
}

int print_out(struct sl text)
{
    if (fflush(stdout) != 0 || pg_fd_write(STDOUT_FILENO, text.p, text.n) < 0) {
        (void)print_failure("cannot write to standard output: %s", strerror(errno));
        return -1;
    }
    return 0;
}

void print_error(struct sl text)
{
    (void)fflush(stderr);
    int rc = pg_fd_write(STDERR_FILENO, text.p, text.n);
    (void)rc; /* there is no further place to complain */
}

int print_failure(const char *fmt, ...)
{
    struct pg_buf line;
    char *text = NULL;
    va_list args;

    va_start(args, fmt);
    int n = vasprintf(&text, fmt, args);
    va_end(args);
    PG_CHECK(n >= 0);
    pg_buf_init(&line, PRINT_BYTES_MAX);
    (void)pg_buf_put(&line, SL("pullgate: "));
    print_put_safe((struct sl){text, (size_t)n}, &line);
    (void)pg_buf_put(&line, SL("\n"));
    print_error(pg_buf_sl(&line));
    pg_buf_free(&line);
    free(text);
    return COMMAND_CANNOT;
}

int print_refusal(struct pg_err *err)
{
    struct pg_buf line;
    int rc = COMMAND_FOUND;

    if (err->kind == PG_E_STORE_IO) {
        rc = print_failure("%s", err->msg);
    } else {
        pg_buf_init(&line, PRINT_BYTES_MAX);
        print_put_safe(sl_str(err->msg), &line);
        (void)pg_buf_put(&line, SL("\n"));
        print_error(pg_buf_sl(&line));
        pg_buf_free(&line);
    }
    pg_err_clear(err);
    return rc;
}

void print_put_wrapped(struct pg_buf *out, const char *prefix, struct sl text)
{
    size_t room = WRAP_COLUMNS - strlen(prefix);

    while (text.n > 0) {
        const char *end = memchr(text.p, '\n', text.n);
        size_t n = end != NULL ? (size_t)(end - text.p) : text.n;
        if (n > room) {
            n = room;
            while (n > 0 && text.p[n] != ' ') {
                n--;
            }
            n = n > 0 ? n : room; /* a word longer than a line */
        }
        (void)pg_buf_printf(out, "%s" SL_FMT "\n", prefix, (int)n, text.p);
        n += n < text.n && (text.p[n] == ' ' || text.p[n] == '\n') ? 1 : 0;
        text = (struct sl){text.p + n, text.n - n};
    }
}

const char *print_s(uint64_t n)
{
    return n == 1 ? "" : "s";
}
