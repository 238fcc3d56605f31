/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Location: what is followed is https, names a host and nobody's credentials, and means the same
 * when it is read again.
 */
#include "proxy/upstream/redirect.h"

#include <stdint.h>

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *from = "https://registry.test/v2/app/blobs/sha256:00";
    struct sl location = {(const char *)data, size};
    struct url u = {0}, again = {0};
    struct pg_err err = {0};

    if (redirect_resolve(from, location, false, 0, &u, &err) < 0) {
        PG_CHECK(err.kind == PG_E_UPSTREAM_WRONG && u.text == NULL);
        pg_err_clear(&err);
        return 0;
    }
    PG_CHECK(u.https && u.port > 0 && u.port < 65536);
    PG_CHECK(strncmp(u.text, "https://", 8) == 0 && strchr(u.text, '#') == NULL);
    PG_CHECK(strncmp(u.text + 8, u.host, strlen(u.host)) == 0);
    for (const char *p = u.text; *p != '\0'; p++)
        PG_CHECK(*p > 0x20 && *p < 0x7f);
    if (strlen(u.text) <= URL_MAX) {
        PG_CHECK(url_parse(NULL, (struct sl){u.text, strlen(u.text)}, &again, &err) == 0);
        PG_CHECK(strcmp(u.text, again.text) == 0 && url_same_place(&u, &again));
    }
    url_free(&again);
    url_free(&u);
    return 0;
}
