/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/redirect.h"

int redirect_resolve(const char *from, struct sl location, bool may_http, unsigned hops,
                     struct url *url_r, struct pg_err *err)
{
    struct url url = {0};

    if (hops >= REDIRECT_HOPS_MAX)
        return pg_fail(err, PG_E_UPSTREAM_WRONG, "upstream redirects more than %d times",
                       REDIRECT_HOPS_MAX);
    if (location.n == 0)
        return pg_fail(err, PG_E_UPSTREAM_WRONG, "upstream redirects to nowhere");
    if (url_parse(from, location, &url, err) < 0)
        return pg_wrap(err, "redirect");
    if (!url.https && !may_http) {
        url_free(&url);
        return pg_fail(err, PG_E_UPSTREAM_WRONG, "upstream redirects to a URL that is not https");
    }
    *url_r = url;
    return 0;
}
