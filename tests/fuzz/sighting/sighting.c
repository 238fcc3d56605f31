/* SPDX-License-Identifier: Apache-2.0 */
/* What a client said: any bytes; a host that was asked is a host. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "cli/sighting.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct sighting s)
{
    struct sl host, elsewhere = {s.elsewhere, strlen(s.elsewhere)};
    uint16_t port;

    PG_CHECK(!s.is_answered || s.is_elsewhere);
    PG_CHECK(elsewhere.n == 0 || s.is_elsewhere);
    PG_CHECK(elsewhere.n == 0 || authority_parse(elsewhere, &host, &port) == 0);
    PG_CHECK(!sl_eq_nocase(elsewhere, SL("cache.test:5000")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl said = {(const char *)data, size};

    check(sighting_of_podman(said, SL("cache.test:5000")));
    check(sighting_of_ctr(said, SL("cache.test:5000")));
    check(sighting_of_docker(said));
    struct sl last = sighting_last_line(said), path = sighting_config_path(said);
    PG_CHECK(last.n <= size && path.n <= size);
    PG_CHECK(last.n == 0 || memchr(last.p, '\n', last.n) == NULL);
    PG_CHECK(path.n == 0 || memchr(path.p, '\n', path.n) == NULL);
    return 0;
}
