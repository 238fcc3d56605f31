/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any lines lead to a client or to none; and what a client puts to the left of what a trusted proxy
 * added changes nothing. The first byte of a line chooses which of the two headers it is.
 */
#include "proxy/http/forwarded.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LINES_MAX 8

static size_t split(struct sl bytes, struct conn_header lines[LINES_MAX])
{
    size_t n = 0;

    while (bytes.n > 0 && n < LINES_MAX) {
        const char *end = memchr(bytes.p, '\n', bytes.n);
        size_t len = end != NULL ? (size_t)(end - bytes.p) : bytes.n;

        if (len > 0) {
            lines[n].name = bytes.p[0] == 'F' ? SL("Forwarded") : SL("X-Forwarded-For");
            lines[n++].value = (struct sl){bytes.p + 1, len - 1};
        }
        bytes = (struct sl){bytes.p + len, bytes.n - len};
        if (end != NULL)
            bytes = (struct sl){bytes.p + 1, bytes.n - 1};
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pg_ip_net net = {.bits = 8};
    struct pg_ip_nets trusted = {.nets = &net, .n = 1};
    struct conn_header lines[LINES_MAX + 2];
    size_t n = split((struct sl){(const char *)data, size}, lines);
    struct pg_ip ip;
    uint16_t port;

    if (size > 16384)
        return 0;
    net.ip = (struct pg_ip){.b = {0xfd}};
    (void)forwarded_find(lines, n, &trusted, &ip, &port);
    for (size_t i = 0; i < n; i++)
        lines[i].name = SL("X-Forwarded-For"); /* what the proxy adds to */
    lines[n++] = (struct conn_header){SL("X-Forwarded-For"), SL("203.0.113.5:80, fd00::1")};
    PG_CHECK(forwarded_find(lines, n, &trusted, &ip, &port));
    PG_CHECK(port == 80 && ip.b[12] == 203 && ip.b[15] == 5);
    for (size_t i = 0; i < n; i++)
        lines[i].name = SL("forwarded");
    lines[n - 1].value = SL("for=203.0.113.5, for=\"[fd00::1]\"");
    PG_CHECK(forwarded_find(lines, n, &trusted, &ip, &port));
    PG_CHECK(port == 0 && ip.b[12] == 203 && ip.b[15] == 5);
    return 0;
}
