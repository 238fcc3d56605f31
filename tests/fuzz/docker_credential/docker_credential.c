/* SPDX-License-Identifier: Apache-2.0 */
/* What a credential helper writes: a login that can be sent, or a sentence that repeats nothing. */
#include "proxy/upstream/docker_credential.h"

#include <stdint.h>

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct secret s = {0};
    struct pg_err err = {0};
    int exit_code = size > 0 && data[0] == '!' ? 1 : 0;
    int rc = docker_credential_parse((struct sl){(const char *)data, size}, exit_code, &s, &err);

    PG_CHECK((rc < 0) == (err.kind == PG_E_UPSTREAM_DOWN) && err.detail == NULL);
    PG_CHECK((rc == 0) == (s.kind != SECRET_NONE));
    if (rc == 0) {
        PG_CHECK(strchr(s.user, ':') == NULL && s.text[0] != '\0');
        PG_CHECK(strlen(s.text) <= SECRET_TEXT_MAX && strlen(s.user) <= SECRET_TEXT_MAX);
    }
    secret_clear(&s);
    pg_err_clear(&err);
    return 0;
}
