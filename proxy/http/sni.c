/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/http/sni.h"

static size_t number16(const char *p)
{
    return (size_t)(unsigned char)p[0] << 8 | (unsigned char)p[1];
}

/* A list with one entry, which is a host name: nobody sends more, and OpenSSL refuses it. */
int sni_parse(struct sl extension, struct sl *name_r)
{
    struct sl name;

    if (extension.n < 5 || number16(extension.p) != extension.n - 2 || extension.p[2] != 0 ||
        number16(extension.p + 3) != extension.n - 5)
        return -1;
    name = (struct sl){extension.p + 5, extension.n - 5};
    if (name.n > 0 && name.p[name.n - 1] == '.')
        name.n--;
    if (name.n == 0 || name.n > SNI_NAME_MAX)
        return -1;
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] <= ' ' || name.p[i] > '~')
            return -1;
    }
    *name_r = name;
    return 0;
}
