/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/credential.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

#define TEXT_MAX 8192 /* user, colon, password */

static int refuse(struct pg_err *err, const char *file, const char *why)
{
    pg_fail(err, PG_E_UPSTREAM_DOWN, "the credentials for this upstream cannot be read");
    return pg_detail(err, "%s: %s", file, why);
}

/* The first line of the file, into text behind its first n bytes. */
static int read_line(const char *file, char *text, size_t *n, struct pg_err *err)
{
    _fd_ int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;
    ssize_t got;

    if (fd < 0 || fstat(fd, &st) < 0)
        return refuse(err, file, strerror(errno));
    if (!S_ISREG(st.st_mode) || (st.st_mode & 077) != 0)
        return refuse(err, file, "it must be a regular file of mode 0600");
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return refuse(err, file, "it must belong to root or to the user that runs pullgate");
    got = read(fd, text + *n, TEXT_MAX - *n);
    if (got < 0)
        return refuse(err, file, strerror(errno));
    for (ssize_t i = 0; i < got && text[*n] != '\n' && text[*n] != '\r'; i++) {
        if (text[*n] == '\0')
            return refuse(err, file, "it has a zero byte in it");
        ++*n;
    }
    if (*n == TEXT_MAX)
        return refuse(err, file, "its first line is too long");
    return 0;
}

int credential_basic(const struct config_upstream *upstream, struct pg_buf *header,
                     struct pg_err *err)
{
    const char *user = upstream->upstream_username, *file = upstream->upstream_password_file;
    char text[TEXT_MAX + 1];
    unsigned char coded[TEXT_MAX / 3 * 4 + 8];
    size_t n;
    int result = 1;

    if (user == NULL || user[0] == '\0')
        return 0;
    n = strlen(user);
    if (n > TEXT_MAX / 2 || strchr(user, ':') != NULL)
        return refuse(err, "username", "it is too long, or has a colon in it");
    memcpy(text, user, n);
    text[n++] = ':';
    if (file != NULL && file[0] != '\0' && read_line(file, text, &n, err) < 0)
        result = -1;
    else if (EVP_EncodeBlock(coded, (const unsigned char *)text, (int)n) < 0 ||
             pg_buf_printf(header, "Authorization: Basic %s", (const char *)coded) < 0)
        result = refuse(err, file, "it is too long");
    OPENSSL_cleanse(text, sizeof(text));
    OPENSSL_cleanse(coded, sizeof(coded));
    return result;
}

void credential_wipe(struct pg_buf *header)
{
    if (header->p != NULL)
        OPENSSL_cleanse(header->p, header->cap);
    pg_buf_free(header);
}
