/* SPDX-License-Identifier: Apache-2.0 */
/* Programs named docker-credential-*: names, answers, and what they get to see of our environment.
 */
#include "harness/scratch.h"

#include <sys/stat.h>

#include "proxy/upstream/docker_credential.h"

TEST(names_are_words)
{
    static const char *const good[] = {"ecr-login", "docker-credential-gcr", "acr_env.2", "x"};
    static const char *const bad[] = {"",    "-x",  ".x",  "..",   "a/b",
                                      "a b", "a;b", "a$b", "a\nb", "\xc3\xa4"};
    char longest[66];

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(docker_credential_is_name((struct sl){good[i], strlen(good[i])}));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(docker_credential_is_name((struct sl){bad[i], strlen(bad[i])}));
    assert_false(docker_credential_is_name((struct sl){"a\0b", 3}));
    memset(longest, 'a', sizeof(longest));
    assert_true(docker_credential_is_name((struct sl){longest, 64}));
    assert_false(docker_credential_is_name((struct sl){longest, 65}));
}

static void assert_find(const char *name, const char *said)
{
    char path[DOCKER_CREDENTIAL_PATH_MAX] = "";
    struct pg_err err = {0};
    int rc = docker_credential_find(name, path, &err);

    if ((rc < 0) != (said != NULL) || (rc < 0 && strstr(err.msg, said) == NULL))
        fail_msg("%s: %s", name, rc < 0 ? err.msg : "found");
    if (rc < 0)
        assert_null(strstr(err.msg, "/tmp")); /* a client reads it */
    else
        assert_string_equal(path, name);
    pg_err_clear(&err);
}

TEST(a_program_that_others_could_write_is_not_run)
{
    char path[512];
    FILE *f;

    scratch_make();
    assert_true(snprintf(path, sizeof(path), "%s", scratch_path("helper")) > 0);
    assert_find(path, "is not there");
    f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, 0600), 0);
    assert_find(path, "is not an executable file");
    assert_int_equal(chmod(path, 0755), 0);
    assert_find(path, NULL);
    assert_int_equal(chmod(path, 0775), 0);
    assert_find(path, "can be written by others");
    assert_int_equal(chmod(path, 0757), 0);
    assert_find(path, "can be written by others");
    assert_int_equal(chmod(path, 0700), 0);
    if (geteuid() == 0 && chown(path, 12345, 12345) == 0)
        assert_find(path, "must belong to root or to the user that runs pullgate");
    assert_find(scratch, "is not an executable file"); /* a directory */
    assert_find("nobody-has-this", "is in none of /usr/libexec/pullgate, /usr/local/bin");
    assert_find("a/b", "must be an absolute path, or a name");
    assert_find("", "must be an absolute path, or a name");
    scratch_remove();
}

static const struct {
    const char *output;
    int exit_code;
    const char *user, *text; /* text NULL: user is what is said */
} answers[] = {
    {"{\"ServerURL\":\"x\",\"Username\":\"AWS\",\"Secret\":\"s\"}\n", 0, "AWS", "s"},
    {"{\"Username\":\"u\",\"Secret\":\"s\",\"Other\":[1]}", 0, "u", "s"},
    {"{\"Username\":\"<token>\",\"Secret\":\"s\"}", 0, "", "s"},
    {"{\"Username\":\"oauth2accesstoken\",\"Secret\":\"ya29.x\"}", 0, "oauth2accesstoken",
     "ya29.x"},
    {"{\"Username\":\"u\",\"Secret\":\"hunter2\"}", 1, "failed with exit code 1", NULL},
    {"hunter2", 1, "failed with exit code 1; run it by hand", NULL},
    {"credentials not found in native keychain\n", 1, "has no credentials for this registry", NULL},
    {"{}", 0, "has no credentials for this registry", NULL},
    {"{\"username\":\"u\",\"secret\":\"hunter2\"}", 0, "has no credentials for this registry",
     NULL},
    {"{\"Username\":\"u\"}", 0, "answers badly: the password or token is empty", NULL},
    {"{\"Secret\":\"hunter2\"}", 0, "answers badly: a password without a user", NULL},
    {"{\"Username\":\"u\",\"Secret\":\"hunter2\\u0000\"}", 0, "answers no proper JSON", NULL},
    {"{\"Username\":\"u\",\"Secret\":\"hunter2\"} x", 0, "answers no proper JSON", NULL},
    {"Secret: hunter2", 0, "answers no proper JSON", NULL},
    {"", 0, "answers no proper JSON", NULL},
};

TEST(answers_that_are_logins_and_others)
{
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct sl output = {answers[i].output, strlen(answers[i].output)};
        struct secret s = {0};
        struct pg_err err = {0};
        int rc = docker_credential_parse(output, answers[i].exit_code, &s, &err);

        if (answers[i].text != NULL) {
            assert_int_equal(rc, 0);
            assert_string_equal(s.user, answers[i].user);
            assert_string_equal(s.text, answers[i].text);
        } else {
            assert_int_equal(rc, -1);
            if (strstr(err.msg, answers[i].user) == NULL || strstr(err.msg, "hunter2") != NULL)
                fail_msg("%s: %s", answers[i].output, err.msg);
            assert_null(err.detail);
        }
        secret_clear(&s);
        pg_err_clear(&err);
    }
}

static bool passes(const char *patterns, const char *name)
{
    char **list = docker_credential_environment(patterns);
    bool found = false;

    for (char **v = list; *v != NULL; v++)
        found = found || (strncmp(*v, name, strlen(name)) == 0 && (*v)[strlen(name)] == '=');
    docker_credential_free_environment(list);
    return found;
}

TEST(variables_that_are_named_and_no_others)
{
    assert_int_equal(setenv("PGT_ONE", "1", 1), 0);      // NOLINT(concurrency-mt-unsafe)
    assert_int_equal(setenv("PGT_ONE_MORE", "1", 1), 0); // NOLINT(concurrency-mt-unsafe)
    assert_true(passes("PGT_ONE", "PGT_ONE"));
    assert_false(passes("PGT_ONE", "PGT_ONE_MORE"));
    assert_true(passes("HOME PGT_*  PATH", "PGT_ONE"));
    assert_true(passes("PGT_ONE*", "PGT_ONE_MORE"));
    assert_false(passes("PGT_ON", "PGT_ONE"));
    assert_false(passes("GT_*", "PGT_ONE"));
    assert_false(passes("", "PGT_ONE"));
    assert_false(passes(" ", "PGT_ONE"));
    assert_false(passes("HOME", "PATH"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(names_are_words),
        RUN(a_program_that_others_could_write_is_not_run),
        RUN(answers_that_are_logins_and_others),
        RUN(variables_that_are_named_and_no_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
