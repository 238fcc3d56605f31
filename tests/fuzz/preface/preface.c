/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes are a PROXY header or are refused, the same in pieces of any size; not a byte behind it
 * is taken, and it has an end.
 */
#include "proxy/http/preface.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    int verdict;
    size_t taken;
    struct preface p;
};

static struct outcome feed(struct sl bytes, size_t step)
{
    struct outcome o = {0};

    while (o.verdict == 0 && o.taken < bytes.n) {
        size_t left = bytes.n - o.taken, n = left < step ? left : step;
        struct pg_err err = {0};
        size_t takes =
            preface_takes((struct sl){bytes.p, o.taken}, (struct sl){bytes.p + o.taken, n});

        PG_CHECK(takes > 0 && takes <= n);
        o.taken += takes;
        o.verdict = preface_feed((struct sl){bytes.p, o.taken}, &o.p, &err);
        PG_CHECK((o.verdict < 0) == (err.kind == PG_E_BAD_FRAMING));
        pg_err_clear(&err);
    }
    PG_CHECK(o.taken <= PREFACE_MAX);
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl bytes = {(const char *)data, size};
    struct outcome whole, bytewise, threes;

    if (size > (size_t)2 * PREFACE_MAX)
        return 0;
    whole = feed(bytes, SIZE_MAX);
    bytewise = feed(bytes, 1);
    threes = feed(bytes, 3);
    PG_CHECK(whole.verdict == bytewise.verdict && whole.verdict == threes.verdict);
    if (whole.verdict == 1) {
        char text[PG_IP_TEXT_MAX];

        PG_CHECK(whole.taken == bytewise.taken && whole.taken == threes.taken);
        PG_CHECK(whole.p.has_address == bytewise.p.has_address);
        PG_CHECK(memcmp(whole.p.ip.b, bytewise.p.ip.b, sizeof(whole.p.ip.b)) == 0);
        pg_ip_text(&whole.p.ip, whole.p.port, text);
        PG_CHECK(text[0] != '\0');
    }
    return 0;
}
