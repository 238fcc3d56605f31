/* SPDX-License-Identifier: Apache-2.0 */
/* A config.json of docker: what is taken of it is one login or the name of one helper. */
#include "proxy/upstream/docker_config.h"

#include <stdint.h>

#include "base/check.h"
#include "proxy/upstream/docker_credential.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_server(struct sl text, const char *server)
{
    struct docker_config c = {0};
    struct pg_err err = {0};
    int rc = docker_config_parse(text, server, &c, &err);

    PG_CHECK((rc < 0) == (err.kind == PG_E_UPSTREAM_DOWN) && err.detail == NULL);
    if (rc > 0 && c.helper[0] != '\0')
        PG_CHECK(docker_credential_is_name((struct sl){c.helper, strlen(c.helper)}));
    else
        PG_CHECK((rc > 0) == (c.secret.kind != SECRET_NONE));
    if (c.secret.kind != SECRET_NONE) {
        struct pg_buf header;

        PG_CHECK(strchr(c.secret.user, ':') == NULL && c.secret.text[0] != '\0');
        pg_buf_init(&header, SECRET_HEADER_MAX);
        secret_put_basic(&c.secret, &header);
        for (const char *p = header.p; *p != '\0'; p++)
            PG_CHECK(*p >= 0x20 && *p < 0x7f);
        secret_wipe(&header);
    }
    docker_config_clear(&c);
    pg_err_clear(&err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_server((struct sl){(const char *)data, size}, "quay.io");
    try_server((struct sl){(const char *)data, size}, docker_config_server("docker.io"));
    return 0;
}
