/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/media.h"

#define SCHEMA1        "application/vnd.docker.distribution.manifest.v1+json"
#define SCHEMA1_SIGNED "application/vnd.docker.distribution.manifest.v1+prettyjws"

const char media_accept_upstream[] =
    MEDIA_OCI_INDEX ", " MEDIA_OCI_MANIFEST ", " MEDIA_DOCKER_LIST ", " MEDIA_DOCKER_MANIFEST;

/* Takes what stands before the next `at` that is not in a quoted string, and that one, off *rest.
 */
static struct sl cut(struct sl *rest, char at)
{
    struct sl head = {rest->p, 0};
    bool quoted = false;
    size_t i = 0;

    for (; i < rest->n && (quoted || rest->p[i] != at); i++) {
        if (quoted && rest->p[i] == '\\' && i + 1 < rest->n)
            i++;
        else if (rest->p[i] == '"')
            quoted = !quoted;
    }
    head.n = i;
    if (i < rest->n)
        i++;
    *rest = (struct sl){rest->p + i, rest->n - i};
    return head;
}

struct sl media_strip(struct sl value)
{
    const char *end = value.n > 0 ? memchr(value.p, ';', value.n) : NULL;

    if (end != NULL)
        value.n = (size_t)(end - value.p);
    return sl_trim(value);
}

bool media_is_index(struct sl type)
{
    type = media_strip(type);
    return sl_eq_nocase(type, SL(MEDIA_OCI_INDEX)) || sl_eq_nocase(type, SL(MEDIA_DOCKER_LIST));
}

bool media_is_image(struct sl type)
{
    type = media_strip(type);
    return sl_eq_nocase(type, SL(MEDIA_OCI_MANIFEST)) ||
           sl_eq_nocase(type, SL(MEDIA_DOCKER_MANIFEST));
}

bool media_is_schema1(struct sl type)
{
    type = media_strip(type);
    return sl_eq_nocase(type, SL(SCHEMA1)) || sl_eq_nocase(type, SL(SCHEMA1_SIGNED));
}

bool media_is_generic(struct sl type)
{
    type = media_strip(type);
    return type.n == 0 || sl_eq_nocase(type, SL("text/plain")) ||
           sl_eq_nocase(type, SL("application/json")) ||
           sl_eq_nocase(type, SL("application/octet-stream")) ||
           sl_eq_nocase(type, SL("binary/octet-stream"));
}

enum match { MATCH_NO, MATCH_ANY, MATCH_GROUP, MATCH_TYPE };

/* How closely a media range of an Accept header names the type. */
static enum match match(struct sl range, struct sl type)
{
    const char *slash;
    size_t group;

    if (sl_eq_nocase(range, SL("*/*")))
        return MATCH_ANY;
    if (sl_eq_nocase(range, type))
        return MATCH_TYPE;
    slash = range.n > 0 ? memchr(range.p, '/', range.n) : NULL;
    if (slash == NULL)
        return MATCH_NO;
    group = (size_t)(slash - range.p) + 1;
    if (range.n == group + 1 && range.p[group] == '*' && type.n > group &&
        sl_eq_nocase((struct sl){range.p, group}, (struct sl){type.p, group}))
        return MATCH_GROUP;
    return MATCH_NO;
}

/* qvalue = "0" or "1" with up to any number of decimals; 1: above zero, 0: zero, -1: no qvalue. */
static int weight(struct sl q)
{
    bool some;

    if (q.n == 0 || (q.p[0] != '0' && q.p[0] != '1') || (q.n > 1 && q.p[1] != '.'))
        return -1;
    some = q.p[0] == '1';
    for (size_t i = 2; i < q.n; i++) {
        if (q.p[i] < '0' || q.p[i] > '9')
            return -1;
        some = some || q.p[i] > '0';
    }
    return some ? 1 : 0;
}

/* The weight of one element of the list: that of its q, 1 without one. */
static int element_weight(struct sl params)
{
    while (params.n > 0) {
        struct sl param = sl_trim(cut(&params, ';'));

        if (param.n >= 2 && (param.p[0] | 0x20) == 'q' && param.p[1] == '=')
            return weight((struct sl){param.p + 2, param.n - 2});
    }
    return 1;
}

/* RFC 9110: the most specific range that matches has precedence. An element that cannot be read
 * says nothing. */
bool media_accepts(struct sl accept, struct sl type)
{
    enum match best = MATCH_NO;
    bool may = false;

    type = media_strip(type);
    while (accept.n > 0) {
        struct sl params = cut(&accept, ',');
        struct sl range = sl_trim(cut(&params, ';'));
        enum match m = match(range, type);
        int w = element_weight(params);

        if (w < 0 || m < best || m == MATCH_NO)
            continue;
        may = (m == best && may) || w > 0;
        best = m;
    }
    return may;
}
