/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/version.h"

#include <curl/curl.h>
#include <jansson.h>
#include <llhttp.h>
#include <lmdb.h>
#include <openssl/crypto.h>
#include <seccomp.h>
#include <stdio.h>
#include <uv.h>
#include <yaml.h>

#include "cli/print.h"

#define LLHTTP_NUMBER_(a, b, c) #a "." #b "." #c
#define LLHTTP_NUMBER(a, b, c)  LLHTTP_NUMBER_(a, b, c)

struct part {
    const char *name, *version;
};

int version_print(const struct command_args *args)
{
    const struct scmp_version *seccomp = seccomp_version();
    char lmdb[32], filter[32];
    struct pg_buf out;
    int major, minor, patch;

    (void)mdb_version(&major, &minor, &patch);
    (void)snprintf(lmdb, sizeof lmdb, "%d.%d.%d", major, minor, patch);
    (void)snprintf(filter, sizeof filter, "%u.%u.%u", seccomp->major, seccomp->minor,
                   seccomp->micro);
    const struct part parts[] = {
        {"curl", curl_version_info(CURLVERSION_NOW)->version},
        {"jansson", jansson_version_str()},
        {"llhttp", LLHTTP_NUMBER(LLHTTP_VERSION_MAJOR, LLHTTP_VERSION_MINOR, LLHTTP_VERSION_PATCH)},
        {"lmdb", lmdb},
        {"openssl", OpenSSL_version(OPENSSL_VERSION_STRING)},
        {"seccomp", filter},
        {"uv", uv_version_string()},
        {"yaml", yaml_get_version_string()},
    };

    pg_buf_init(&out, PRINT_BYTES_MAX);
    if (args->json) {
        (void)pg_buf_put(&out, SL("{\"version\":\"" VERSION_TEXT "\",\"libraries\":{"));
    } else {
        (void)pg_buf_put(&out, SL("pullgate " VERSION_TEXT "\n"));
    }
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (args->json) {
            (void)pg_buf_printf(&out, "%s\"%s\":\"%s\"", i > 0 ? "," : "", parts[i].name,
                                parts[i].version);
        } else {
            (void)pg_buf_printf(&out, "  %-8s %s\n", parts[i].name, parts[i].version);
        }
    }
    (void)pg_buf_put(&out, args->json ? SL("}}\n") : SL(""));
    int rc = print_out(pg_buf_sl(&out));
    pg_buf_free(&out);
    return rc < 0 ? COMMAND_CANNOT : COMMAND_GOOD;
}
