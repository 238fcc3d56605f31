/* SPDX-License-Identifier: Apache-2.0 */
/* Whom a client asked is read from what it said, as the versions that were tried say it. */
#include "harness/test.h"

#include "cli/sighting.h"

#define PROXY  SL("cache.test:5000")
#define REASON "denied: the canary of pullgate is refused always: a client that"

TEST(podman_names_whom_it_tries_and_who_answers)
{
    struct sighting s =
        sighting_of_podman(SL("level=debug msg=\"Trying to access "
                              "\\\"cache.test:5000/docker.io/pullgate/canary\\\"\"\n"
                              "level=debug msg=\"Ping https://cache.test:5000/v2/ status 200\"\n"
                              "Error: reading manifest: " REASON "\n"),
                           PROXY);
    assert_true(s.is_refused);
    assert_false(s.is_elsewhere);

    s = sighting_of_podman(
        SL("level=debug msg=\"Trying to access "
           "\\\"cache.test:5000/docker.io/pullgate/canary\\\"\"\n"
           "level=debug msg=\"Trying to access \\\"docker.io/pullgate/canary\\\"\"\n"
           "Error: (Mirrors also failed: " REASON ")\n"),
        PROXY);
    assert_true(s.is_elsewhere);
    assert_false(s.is_answered);
    assert_string_equal(s.elsewhere, "docker.io");

    s = sighting_of_podman(SL("msg=\"Ping https://registry-1.docker.io/v2/ status 200\""), PROXY);
    assert_true(s.is_elsewhere && s.is_answered);
    s = sighting_of_podman(SL("msg=\"Ping https://registry-1.docker.io/v2/ err dial tcp\""), PROXY);
    assert_false(s.is_elsewhere);
}

TEST(ctr_names_each_host)
{
    struct sighting s = sighting_of_ctr(
        SL("msg=resolving host=\"cache.test:5000\"\n"
           "msg=\"do request\" host=\"cache.test:5000\" request.method=HEAD\n"
           "msg=\"fetch response received\" host=\"cache.test:5000\" response.status=\"403 "
           "Forbidden\"\n"),
        PROXY);
    assert_true(s.is_refused);
    assert_false(s.is_elsewhere);

    s = sighting_of_ctr(SL("msg=\"do request\" host=registry-1.docker.io request.method=HEAD\n"),
                        PROXY);
    assert_true(s.is_elsewhere);
    assert_false(s.is_answered);
    s = sighting_of_ctr(SL("msg=\"fetch response received\" host=registry-1.docker.io "
                           "response.status=\"403 No\"\n"),
                        PROXY);
    assert_true(s.is_answered);
    assert_false(s.is_refused); /* by another */
    assert_string_equal(s.elsewhere, "registry-1.docker.io");
}

TEST(docker_says_who_came_last)
{
    struct sighting s =
        sighting_of_docker(SL("Error response from daemon: pull access denied: " REASON "\n"));
    assert_true(s.is_refused);
    assert_false(s.is_elsewhere);

    s = sighting_of_docker(SL("Error response from daemon: manifest unknown: not here\n"));
    assert_true(s.is_elsewhere && s.is_answered);
    s = sighting_of_docker(
        SL("Error response from daemon: Get \"https://registry-1.docker.io/v2/\": "
           "dial tcp 192.0.2.1:443: connect: connection refused\n\n"));
    assert_true(s.is_elsewhere && !s.is_answered);
    s = sighting_of_docker(SL("Cannot connect to the Docker daemon at unix:///run/docker.sock\n"));
    assert_false(s.is_elsewhere || s.is_refused);
}

TEST(the_folder_of_hosts_is_that_of_kubernetes)
{
#define CRI1 "[plugins.\"io.containerd.grpc.v1.cri\".registry]\n"
#define CRI2 "[plugins.'io.containerd.cri.v1.images'.registry]\n"
    assert_true(sl_eq(sighting_config_path(SL(CRI1 "  config_path = \"/etc/certs.d\"\n")),
                      SL("/etc/certs.d")));
    assert_true(sl_eq(sighting_config_path(SL(CRI2 "  config_path = '/a:/b'\n")), SL("/a")));
    assert_non_null(sighting_config_path(SL(CRI2 "config_path = ''\n")).p);
    assert_int_equal(sighting_config_path(SL(CRI2 "config_path = ''\n")).n, 0);
    assert_null(
        sighting_config_path(SL("disabled_plugins = [\"cri\"]\n" CRI1 "config_path = \"\"\n")).p);
    assert_null(sighting_config_path(SL("[plugins.'io.containerd.transfer.v1.local']\n"
                                        "config_path = '/x'\n"))
                    .p);
    assert_int_equal(sighting_config_path(SL(CRI1 "config_path = \"/unended\n")).n, 0);
}

TEST(text_without_end_is_text)
{
    char proxy_only[] = "msg=\"do request\" host=\"";
    struct sighting s = sighting_of_ctr((struct sl){proxy_only, sizeof proxy_only - 1}, PROXY);

    assert_false(s.is_elsewhere);
    assert_true(sl_eq(sighting_last_line(SL("one\ntwo\n\n")), SL("two")));
    assert_int_equal(sighting_last_line(SL("\n\n")).n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(podman_names_whom_it_tries_and_who_answers),
        RUN(ctr_names_each_host),
        RUN(docker_says_who_came_last),
        RUN(the_folder_of_hosts_is_that_of_kubernetes),
        RUN(text_without_end_is_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
