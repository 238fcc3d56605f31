/* SPDX-License-Identifier: Apache-2.0 */
/* Which login a config.json has for a registry. */
#include "harness/test.h"

#include <stdio.h>

#include "proxy/upstream/docker_config.h"

#define HUB  "https://index.docker.io/v1/"
#define ZERO "00000000-0000-0000-0000-000000000000"

/* "L robot hunter2", "R  token", "B  token", "helper name", "nothing", "bad: why". */
static void describe(const char *text, const char *server, char out[256])
{
    static const char kinds[] = {
        [SECRET_LOGIN] = 'L', [SECRET_REFRESH] = 'R', [SECRET_BEARER] = 'B'};
    struct docker_config c = {0};
    struct pg_err err = {0};
    int rc = docker_config_parse((struct sl){text, strlen(text)}, server, &c, &err), n;

    if (rc < 0) {
        assert_int_equal(err.kind, PG_E_UPSTREAM_DOWN);
        assert_null(strstr(err.msg, "hunter2"));
        assert_null(err.detail);
        n = snprintf(out, 256, "bad: %s", strstr(err.msg, ": ") + 2);
    } else if (rc == 0) {
        n = snprintf(out, 256, "nothing");
    } else if (c.helper[0] != '\0') {
        n = snprintf(out, 256, "helper %s", c.helper);
    } else {
        n = snprintf(out, 256, "%c %s %s", kinds[c.secret.kind], c.secret.user, c.secret.text);
    }
    assert_true(n > 0 && n < 256);
    docker_config_clear(&c);
    pg_err_clear(&err);
}

#define ROBOT   "{\"auth\":\"cm9ib3Q6aHVudGVyMg==\"}"
#define AUTH(s) "{\"auths\":{\"quay.io\":{\"auth\":\"" s "\"}}}"

static const struct {
    const char *server, *text, *want;
} rows[] = {
    {"quay.io", "{\"auths\":{\"quay.io\":" ROBOT "}}", "L robot hunter2"},
    {"quay.io", "{\"auths\":{\"https://quay.io\":" ROBOT "}}", "L robot hunter2"},
    {"quay.io", "{\"auths\":{\"https://Quay.IO/v1/\":" ROBOT "}}", "L robot hunter2"},
    {"quay.io", "{\"auths\":{\"http://quay.io/v2\":" ROBOT "}}", "L robot hunter2"},
    {"r.test:5000", "{\"auths\":{\"r.test:5000\":" ROBOT "}}", "L robot hunter2"},
    /* not for this registry, or not for all of it */
    {"quay.io", "{\"auths\":{\"quay.io:443\":" ROBOT "}}", "nothing"},
    {"quay.io", "{\"auths\":{\"quay.io/team\":" ROBOT "}}", "nothing"},
    {"quay.io", "{\"auths\":{\"https://quay.io/v1/x\":" ROBOT "}}", "nothing"},
    {"quay.io", "{\"auths\":{\"evil.test/quay.io\":" ROBOT "}}", "nothing"},
    {"quay.io", "{\"auths\":{\"xquay.io\":" ROBOT "}}", "nothing"},
    {"quay.io", "{\"auths\":{\"\":" ROBOT ",\"://\":" ROBOT "}}", "nothing"},
    {"quay.io", "{\"auths\":{\"" HUB "\":" ROBOT "}}", "nothing"},
    /* Docker Hub has several names */
    {HUB, "{\"auths\":{\"" HUB "\":" ROBOT "}}", "L robot hunter2"},
    {HUB, "{\"auths\":{\"docker.io\":" ROBOT "}}", "L robot hunter2"},
    {HUB, "{\"auths\":{\"registry-1.docker.io\":" ROBOT "}}", "L robot hunter2"},
    {HUB,
     "{\"auths\":{\"docker.io\":{\"password\":\"p\",\"username\":\"u\"},\"" HUB "\":" ROBOT "}}",
     "L robot hunter2"},
    /* the forms of an entry */
    {"quay.io", "{\"auths\":{\"quay.io\":{\"username\":\"u\",\"password\":\"p\"}}}", "L u p"},
    {"quay.io", "{\"auths\":{\"quay.io\":{\"auth\":\"cm9ib3Q6\",\"identitytoken\":\"t\"}}}",
     "R  t"},
    {"quay.io", "{\"auths\":{\"quay.io\":{\"identitytoken\":\"t\",\"registrytoken\":\"b\"}}}",
     "B  b"},
    {"quay.io",
     "{\"auths\":{\"quay.io\":{\"auth\":\"MDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAwOg==\","
     "\"identitytoken\":\"t\"}}}",
     "R " ZERO " t"},
    {"quay.io", "{\"auths\":{\"quay.io\":{\"username\":\"" ZERO "\",\"password\":\"t\"}}}",
     "R " ZERO " t"},
    {"quay.io",
     "{\"auths\":{\"quay.io\":{\"username\":\"_json_key\",\"password\":\"{\\\"a\\\":1}\"}}}",
     "L _json_key {\"a\":1}"},
    {"quay.io", "{\"auths\":{\"quay.io\":{\"username\":\"u\",\"password\":\"a:b\"}}}", "L u a:b"},
    {"quay.io", AUTH("dTphOmI="), "L u a:b"},
    {"quay.io", AUTH("dTpwAAAA"), "L u p"}, /* NULs at its end, as docker allows */
    {"quay.io", "{\"auths\":{\"quay.io\":{}}}", "nothing"},
    {"quay.io", "{\"auths\":{\"quay.io\":{\"auth\":\"\"}}}", "nothing"},
    {"quay.io", "{\"auths\":{\"quay.io\":{\"auth\":5}}}", "nothing"},
    /* helpers go first, as with docker */
    {"quay.io", "{\"credHelpers\":{\"quay.io\":\"ecr-login\"},\"auths\":{\"quay.io\":" ROBOT "}}",
     "helper ecr-login"},
    {"quay.io", "{\"credsStore\":\"pass\",\"auths\":{\"quay.io\":" ROBOT "}}", "helper pass"},
    {"quay.io", "{\"credsStore\":\"pass\",\"credHelpers\":{\"quay.io\":\"gcr\"}}", "helper gcr"},
    {"quay.io", "{\"credsStore\":\"\",\"auths\":{\"quay.io\":" ROBOT "}}", "L robot hunter2"},
    {HUB, "{\"credHelpers\":{\"docker.io\":\"x\"}}", "helper x"},
    {"quay.io", "{\"credHelpers\":{\"other.test\":\"x\"}}", "nothing"},
    /* what is wrong */
    {"quay.io", "", "bad: the file is not proper JSON"},
    {"quay.io", "{\"auths\":{\"quay.io\":{\"auth\":\"hunter2", "bad: the file is not proper JSON"},
    {"quay.io", "{\"auths\":{},\"auths\":{}}", "bad: the file is not proper JSON"},
    {"quay.io", "[]", "bad: the file is not a JSON object"},
    {"quay.io", "{}", "nothing"},
    {"quay.io", "{\"auths\":5,\"credHelpers\":[],\"credsStore\":7}", "nothing"},
    {"quay.io", "{\"auths\":{\"quay.io\":\"hunter2\"}}",
     "bad: the entry in auths is not an object"},
    {"quay.io", AUTH("hunter2"), "bad: auth is not user:password in base64"},
    {"quay.io", AUTH("===="), "bad: auth is not user:password in base64"},
    {"quay.io", AUTH("dXA="), "bad: auth is not user:password in base64"}, /* no colon */
    {"quay.io", AUTH("OnA="), "bad: a password without a user"},
    {"quay.io", AUTH("dTo="), "bad: the password or token is empty"},
    {"quay.io", AUTH("dTpwCnA="), "L u p\np"}, /* a key has several lines */
    {"quay.io", AUTH("dQpwOnA="), "bad: a line break or another control character is in the user"},
    {"quay.io", "{\"auths\":{\"quay.io\":{\"registrytoken\":\"hunter2 x\"}}}",
     "bad: a character that no header can hold is in the token"},
    {"quay.io", "{\"credsStore\":\"../hunter2\"}",
     "bad: credHelpers or credsStore has no proper name of a helper"},
    {"quay.io", "{\"credsStore\":\"/bin/sh\"}",
     "bad: credHelpers or credsStore has no proper name of a helper"},
};

TEST(a_config_json)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char got[256];

        describe(rows[i].text, rows[i].server, got);
        if (strcmp(got, rows[i].want) != 0)
            fail_msg("%s for %s: %s, not %s", rows[i].text, rows[i].server, got, rows[i].want);
    }
}

TEST(one_that_is_too_large)
{
    static char text[DOCKER_CONFIG_BYTES_MAX + 2];
    char got[256];

    memset(text, ' ', sizeof(text) - 1);
    describe(text, "quay.io", got);
    assert_string_equal(got, "bad: the file is too large");
}

TEST(servers_have_dockers_names)
{
    assert_string_equal(docker_config_server("registry-1.docker.io"), HUB);
    assert_string_equal(docker_config_server("index.docker.io"), HUB);
    assert_string_equal(docker_config_server("quay.io"), "quay.io");
    assert_string_equal(docker_config_server("r.test:5000"), "r.test:5000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(a_config_json),
        RUN(one_that_is_too_large),
        RUN(servers_have_dockers_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
