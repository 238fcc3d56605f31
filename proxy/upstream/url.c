/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/url.h"

#include <curl/curl.h>
#include <stdlib.h>

#define HOST_MAX  253
#define LABEL_MAX 63

/* What libcurl gives belongs to it: a copy of ours, or NULL. */
static char *part(CURLU *u, CURLUPart what, unsigned flags)
{
    char *given = NULL, *copy;

    if (curl_url_get(u, what, &given, flags) != CURLUE_OK)
        return NULL;
    copy = strdup(given);
    curl_free(given);
    PG_CHECK(copy != NULL);
    return copy;
}

static bool is_plain(struct sl text)
{
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] <= 0x20 || text.p[i] >= 0x7f)
            return false;
    }
    return text.n > 0 && text.n <= URL_MAX;
}

/* In place. Letters, digits and hyphens in labels of 1 to 63; libcurl has already turned every way
 * to write an IPv4 address into the dotted one. An IPv6 literal without a zone. */
static bool host_is_plain(char *host)
{
    size_t label = 0;
    bool literal = host[0] == '[';

    if (strlen(host) > HOST_MAX || host[0] == '\0' || host[0] == '.')
        return false;
    for (char *p = host; *p != '\0'; p++) {
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
        if (literal ? strchr("[]:.0123456789abcdef", *p) == NULL
                    : strchr("-._0123456789abcdefghijklmnopqrstuvwxyz", *p) == NULL)
            return false;
        label = *p == '.' ? 0 : label + 1;
        if (!literal && (label > LABEL_MAX || (*p == '.' && (p[1] == '.' || p[1] == '\0'))))
            return false;
    }
    return true;
}

static int take_apart(CURLU *u, struct url *url, struct pg_err *err)
{
    char *scheme = part(u, CURLUPART_SCHEME, 0),
         *port = part(u, CURLUPART_PORT, CURLU_DEFAULT_PORT);
    char *zone = part(u, CURLUPART_ZONEID, 0), *end = NULL;
    int result = 0;

    url->host = part(u, CURLUPART_HOST, 0);
    url->https = scheme != NULL && strcmp(scheme, "https") == 0;
    url->port = port == NULL ? 0 : (unsigned)strtoul(port, &end, 10);
    if (scheme == NULL || (!url->https && strcmp(scheme, "http") != 0))
        result = pg_fail(err, PG_E_UPSTREAM_WRONG, "upstream named a URL that is not https");
    else if (url->host == NULL || !host_is_plain(url->host) || url->port == 0 || zone != NULL)
        result = pg_fail(err, PG_E_UPSTREAM_WRONG, "upstream named a URL without a proper host");
    free(scheme);
    free(port);
    free(zone);
    if (result < 0)
        return -1;
    if (curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0) != CURLUE_OK ||
        curl_url_set(u, CURLUPART_HOST, url->host, 0) != CURLUE_OK ||
        (url->text = part(u, CURLUPART_URL, 0)) == NULL)
        return pg_fail(err, PG_E_UPSTREAM_WRONG, "upstream named a malformed URL");
    return 0;
}

/* Who connects reads the text again. A host that was written with percent signs is another one
 * then:
 * "%3127.1" is "127.1" the first time, and 127.0.0.1 the second. */
static bool reads_the_same(const struct url *url)
{
    CURLU *u = curl_url();
    char *host = NULL;
    bool same;

    PG_CHECK(u != NULL);
    if (curl_url_set(u, CURLUPART_URL, url->text, CURLU_DISALLOW_USER) == CURLUE_OK)
        host = part(u, CURLUPART_HOST, 0);
    same = host != NULL && strcmp(host, url->host) == 0;
    free(host);
    curl_url_cleanup(u);
    return same;
}

int url_parse(const char *base, struct sl text, struct url *url_r, struct pg_err *err)
{
    char copy[URL_MAX + 1];
    struct url url = {0};
    CURLU *u;
    CURLUcode code = CURLUE_OK;
    int result = -1;

    if (!is_plain(text))
        return pg_fail(err, PG_E_UPSTREAM_WRONG, "upstream named a URL of no proper form");
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    u = curl_url();
    PG_CHECK(u != NULL);
    if (base != NULL)
        code = curl_url_set(u, CURLUPART_URL, base, CURLU_DISALLOW_USER);
    if (code == CURLUE_OK)
        code = curl_url_set(u, CURLUPART_URL, copy, CURLU_DISALLOW_USER);
    if (code != CURLUE_OK)
        pg_fail(err, PG_E_UPSTREAM_WRONG, "upstream named a malformed URL");
    else
        result = take_apart(u, &url, err);
    curl_url_cleanup(u);
    if (result == 0 && !reads_the_same(&url))
        result = pg_fail(err, PG_E_UPSTREAM_WRONG, "upstream named a URL without a proper host");
    if (result < 0) {
        url_free(&url);
        return -1;
    }
    *url_r = url;
    return 0;
}

void url_free(struct url *u)
{
    free(u->text);
    free(u->host);
    *u = (struct url){0};
}

bool url_same_place(const struct url *a, const struct url *b)
{
    return a->port == b->port && strcmp(a->host, b->host) == 0;
}
