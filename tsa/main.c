/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pullgate-tsa - reads one question about an RFC 3161 timestamp, looks, writes the answer, ends.
 * It is started by pullgate for each question; signing/stamp_wire.h has what is said. Exit status 0
 * with an answer, 1 when it could not look.
 */
#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "tsa/cell.h"
#include "tsa/tst.h"

/* One more than there may be, to see that there are more. */
static char question[STAMP_WIRE_MAX + 1];
static struct stamp_wire wire;

static int read_all(struct sl *bytes_r, struct pg_err *err)
{
    size_t n = 0;

    while (n < sizeof(question)) {
        ssize_t got = read(STDIN_FILENO, question + n, sizeof(question) - n);

        if (got == 0) {
            *bytes_r = (struct sl){question, n};
            return 0;
        }
        if (got < 0 && errno != EINTR)
            return pg_fail(err, PG_E_INTERNAL, "the question cannot be read: %s", strerror(errno));
        n += got > 0 ? (size_t)got : 0;
    }
    return pg_fail(err, PG_E_INTERNAL, "the question is longer than there is one");
}

static int answer(struct pg_buf *out, struct pg_err *err)
{
    struct stamp_answer a;
    struct sl bytes = {NULL, 0};

    if (cell_close(err) < 0 || read_all(&bytes, err) < 0 || stamp_wire_get(bytes, &wire, err) < 0)
        return -1;
    if (tst_check(&wire, &a, err) == 0)
        stamp_wire_put_answer(&a, out);
    else
        stamp_wire_put_refusal(sl_str(err->msg), out);
    return 0;
}

static void say(const char *text)
{
    if (pg_fd_write(STDERR_FILENO, text, strlen(text)) < 0)
        _exit(1);
}

/* _exit(): what is left to be done at an end wants calls that were given up. */
int main(int argc, char **argv)
{
    struct pg_err err = {0};
    struct pg_buf out;

    (void)argv;
    pg_buf_init(&out, STAMP_WIRE_ANSWER_MAX);
    if (argc > 1 || isatty(STDIN_FILENO)) {
        say("pullgate-tsa is run by pullgate, which asks it on its standard input; it takes no "
            "arguments\n");
        return 2;
    }
    if (setenv("TZ", "UTC0", 1) != 0)
        return 1;
    tzset(); /* else libc reads /etc/localtime when it first meets a date */
    if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) == 1 && answer(&out, &err) == 0)
        _exit(pg_fd_write(STDOUT_FILENO, out.p, out.n) == 0 ? 0 : 1);
    say(err.msg != NULL ? err.msg : "OpenSSL cannot be used");
    say("\n");
    _exit(1);
}
