/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/markup.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/utf8.h"
#include "cli/command.h"
#include "cli/print.h"

void markup_begin(struct pg_buf *out, const char *title)
{
    (void)pg_buf_printf(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
        "'unsafe-inline'\">\n<title>%s</title>\n"
        "<style>body{font:14px sans-serif;margin:2em}table{border-collapse:collapse}"
        "td,th{border:1px solid #bbb;padding:.2em .5em;text-align:left;vertical-align:top;"
        "word-break:break-word}th{background:#eee}td.n{text-align:right;white-space:nowrap}"
        "</style></head><body>\n",
        title);
}

void markup_end(struct pg_buf *out)
{
    (void)pg_buf_put(out, SL("</body></html>\n"));
}

void markup_put(struct pg_buf *out, struct sl text)
{
    char escaped[PG_UTF8_ESCAPE_MAX];

    while (text.n > 0) {
        size_t n, taken = pg_utf8_escape(text, escaped, &n);
        switch (text.p[0]) {
        case '<':
            (void)pg_buf_put(out, SL("&lt;"));
            break;
        case '>':
            (void)pg_buf_put(out, SL("&gt;"));
            break;
        case '&':
            (void)pg_buf_put(out, SL("&amp;"));
            break;
        case '"':
            (void)pg_buf_put(out, SL("&quot;"));
            break;
        case '\'':
            (void)pg_buf_put(out, SL("&#39;"));
            break;
        default:
            (void)pg_buf_put(out, (struct sl){escaped, n});
        }
        text = (struct sl){text.p + taken, text.n - taken};
    }
}

int markup_write(const char *path, struct sl text)
{
    _fd_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int why = errno;

    if (fd >= 0 && pg_fd_write(fd, text.p, text.n) == 0) {
        return COMMAND_GOOD;
    }
    if (fd >= 0) {
        why = errno;
        (void)unlink(path);
    }
    return print_failure("cannot write %s: %s", path, strerrordesc_np(why));
}
