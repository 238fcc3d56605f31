/* SPDX-License-Identifier: Apache-2.0 */
/* Logins from wherever they are kept, and what becomes of tokens while nobody answers. */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "fakes/fake_later.h"
#include "proxy/spawn.h"
#include "proxy/upstream/credential.h"

#define ROBOT  "cm9ib3Q6aHVudGVyMg==" /* robot:hunter2 */
#define OTHER  "cm9ib3Q6aHVudGVyMw==" /* robot:hunter3 */
#define MINUTE UINT64_C(60000)

static char said[PG_ERR_TEXT_MAX];

/* A registry that wants Basic with what `good` says, or a token. */
static void start(bool wants_basic)
{
    rig_start(&(struct rig_options){0});
    rig_py("token.__init__(); image = up.image('library/app', 'v1', [b'x' * 1000])");
    rig_py("sent = lambda s: [h.get('Authorization') for m, p, h in s.asked]");
    rig_py("good = '" ROBOT "'");
    if (wants_basic)
        rig_py("up.on('^/v2/', lambda x: x.headers.get('Authorization') != 'Basic ' + good and "
               "say(401, {'WWW-Authenticate': 'Basic realm=\"x\"'})(x))");
    else
        rig_py("up.on('^/v2/', token.guard); up.on('^/token', token.issue)");
}

/* Asks for the manifest; what went wrong is in `said`. */
static enum pg_ekind pull(void)
{
    struct rig_ask a;
    enum pg_ekind kind;

    rig_ask(&a, FETCH_MANIFEST_HEAD, "v1");
    rig_wait(&a);
    kind = a.ask->err.kind;
    assert_true(snprintf(said, sizeof(said), "%s", kind != PG_E_NONE ? a.ask->err.msg : "") >= 0);
    rig_free(&a);
    return kind;
}

static void assert_said(enum pg_ekind kind, const char *what)
{
    enum pg_ekind got = pull();

    if (got != kind || strstr(said, what) == NULL)
        fail_msg("%d, %s: not %s", (int)got, said, what);
}

static char helper_folder[64], helper_path[80];

static void put_at(const char *path, const char *text, unsigned mode)
{
    char new[520];
    FILE *f;

    assert_true(snprintf(new, sizeof(new), "%s.new", path) > 0);
    f = fopen(new, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(new, mode), 0);
    assert_int_equal(rename(new, path), 0);
}

static const char *put(const char *name, const char *text, unsigned mode)
{
    put_at(rig_path(name), text, mode);
    return rig_path(name);
}

/* A helper that notes what it was asked and says what is in the file `answer`. */
static const char *put_helper(const char *answer, const char *last)
{
    char text[2048], dir[512];

    assert_true(snprintf(dir, sizeof(dir), "%s", rig_path("")) > 0);
    assert_true(snprintf(text, sizeof(text),
                         "#!/bin/sh\ncat >> %sasked\necho \" $1\" >> %sasked\n%s\ncat %sanswer\n",
                         dir, dir, last, dir) > 0);
    put("answer", answer, 0600);
    put_at(helper_path, text, 0700);
    return helper_path;
}

static long times_asked(void)
{
    FILE *f = fopen(rig_path("asked"), "r");
    char line[256];
    long n = 0;

    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        char want[64];

        assert_true(snprintf(want, sizeof(want), "127.0.0.1:%s get\n", rig_py("up.port")) > 0);
        assert_string_equal(line, want);
        n++;
    }
    if (f != NULL)
        (void)fclose(f);
    return n;
}

static const char robot[] = "{\"ServerURL\":\"x\",\"Username\":\"robot\",\"Secret\":\"hunter2\"}";
static const char other[] = "{\"ServerURL\":\"x\",\"Username\":\"robot\",\"Secret\":\"hunter3\"}";

TEST(a_password_in_the_environment)
{
    start(true);
    assert_int_equal(setenv("PULLGATE_TEST_PW", "hunter2", 1), 0); // NOLINT
    rig_reload(&(struct rig_options){.username = "robot", .password_env = "PULLGATE_TEST_PW"});
    assert_said(PG_E_NONE, "");
    rig_stop();
}

/* Artifact Registry's: the file is the password, all of it. */
TEST(a_key_for_a_password)
{
    start(true);
    rig_py("good = base64.b64encode(b'_json_key:{\\n  \"a\": 1\\n}\\n').decode()");
    rig_reload(&(struct rig_options){.username = "_json_key", .password = "{\n  \"a\": 1\n}"});
    assert_said(PG_E_NONE, "");
    rig_stop();
}

/* Looked at each time; a change that makes no sense leaves what was. */
TEST(a_docker_config_that_changes)
{
    struct rig_options o = {0};
    char text[512];

    start(true);
    assert_true(snprintf(text, sizeof(text), "{\"auths\":{\"127.0.0.1:%s\":{\"auth\":\"%s\"}}}",
                         rig_py("up.port"), ROBOT) > 0);
    o.docker_config = put("config.json", text, 0600);
    rig_reload(&o);
    assert_said(PG_E_NONE, "");
    rig_py("good = '" OTHER "'");
    assert_said(PG_E_UPSTREAM_DOWN, "upstream refuses the configured credentials");
    *strstr(text, ROBOT) = '\0';
    assert_true(snprintf(text + strlen(text), 64, "%s\"}}}", OTHER) > 0);
    put("config.json", text, 0600);
    assert_said(PG_E_NONE, "");
    put("config.json", "{\"auths\":", 0600); /* half written */
    assert_said(PG_E_NONE, "");
    put("config.json", "{\"auths\":{}}", 0600);
    assert_said(PG_E_NONE, "");
    put("config.json", text, 0644);
    assert_said(PG_E_UPSTREAM_DOWN, "can be read or written by others");
    put("config.json", "{", 0600); /* what was before is forgotten */
    assert_said(PG_E_UPSTREAM_DOWN, "is not proper JSON");
    assert_int_equal(unlink(rig_path("config.json")), 0);
    assert_said(PG_E_UPSTREAM_DOWN, "No such file");
    put("config.json", text, 0600);
    assert_said(PG_E_NONE, "");
    rig_stop();
}

static void use_config(const char *entry)
{
    char text[512];

    assert_true(snprintf(text, sizeof(text), "{\"auths\":{\"127.0.0.1:%s\":{%s}}}",
                         rig_py("up.port"), entry) > 0);
    rig_reload(&(struct rig_options){.docker_config = put("config.json", text, 0600)});
}

TEST(an_identity_token_goes_by_post_and_by_get_where_there_is_none)
{
    static const int none[] = {400, 401, 404, 405};

    start(false);
    rig_py("up.on('^/token', token.issue, methods=('POST',))");
    use_config("\"identitytoken\":\"id&ent=ity\"");
    assert_said(PG_E_NONE, "");
    assert_string_equal(rig_py("up.forms"),
                        "['grant_type=refresh_token&client_id=pullgate&service=test&"
                        "scope=repository%3Alibrary%2Fapp%3Apull&refresh_token=id%26ent%3Dity']");
    assert_string_equal(rig_py("sent(up)"), "[None, None, 'Bearer token-1']");
    rig_stop();
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        start(false);
        rig_py("up.on('^/token', status(%d), methods=('POST',))", none[i]);
        use_config("\"auth\":\"MDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAwOg==\","
                   "\"identitytoken\":\"r\"");
        assert_said(PG_E_NONE, "");
        rig_py("token.good.clear()");
        assert_said(PG_E_NONE, "");
        assert_int_equal(rig_py_number("len(up.forms)"), 1); /* it is remembered */
        assert_string_equal(rig_py("[(m, h.get('Authorization')) for m, p, h in up.asked "
                                   "if '/token' in p][1]"),
                            "('GET', 'Basic "
                            "MDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAwOnI=')");
        rig_stop();
    }
}

TEST(an_identity_token_that_is_refused)
{
    start(false);
    rig_py("up.on('^/token', status(400), methods=('POST',)); up.on('^/token', status(401))");
    use_config("\"identitytoken\":\"r\"");
    assert_said(PG_E_UPSTREAM_DOWN, "upstream refuses the configured credentials");
    assert_string_equal(rig_py("[m for m, p, h in up.asked if '/token' in p]"), "['POST', 'GET']");
    rig_stop();
}

TEST(a_token_for_the_registry_itself)
{
    start(false);
    rig_py("token.good.add('mine')");
    use_config("\"registrytoken\":\"mine\"");
    assert_said(PG_E_NONE, "");
    assert_int_equal(rig_py_number("up.count('GET', '/token')"), 0);
    rig_py("token.good.clear()");
    assert_said(PG_E_UPSTREAM_DOWN, "upstream refuses the configured credentials");
    assert_int_equal(rig_py_number("up.count('GET', '/token')"), 0);
    rig_stop();
}

TEST(wrong_credentials_are_told_and_not_repeated)
{
    start(false);
    rig_py("up.on('^/token', status(401))");
    rig_reload(&(struct rig_options){.username = "robot", .password = "hunter2"});
    assert_said(PG_E_UPSTREAM_DOWN, "upstream refuses the configured credentials");
    assert_int_equal(rig_py_number("up.count('GET', '/token')"), 1);
    rig_stop();
}

TEST(a_helper_is_asked_once_for_all_who_wait)
{
    struct rig_ask a[10];

    start(true);
    rig_reload(&(struct rig_options){.helper = put_helper(robot, "")});
    for (int i = 0; i < 10; i++) {
        char tag[16];

        rig_py("up.manifest('library/app', 'v%d', image.body)", i);
        assert_true(snprintf(tag, sizeof(tag), "v%d", i) > 0);
        rig_ask(&a[i], FETCH_MANIFEST, tag);
    }
    for (int i = 0; i < 10; i++) {
        rig_wait(&a[i]);
        assert_int_equal(a[i].ask->err.kind, PG_E_NONE);
        rig_free(&a[i]);
    }
    assert_int_equal(times_asked(), 1);
    rig_stop();
}

/* What it said before is refused: ECR's passwords end after 12 h. */
TEST(a_helper_is_asked_again_after_a_401)
{
    start(true);
    rig_reload(&(struct rig_options){.helper = put_helper(robot, "")});
    assert_said(PG_E_NONE, "");
    rig_py("good = '" OTHER "'");
    put("answer", other, 0600);
    assert_said(PG_E_UPSTREAM_DOWN, "upstream refuses the configured credentials");
    assert_int_equal(times_asked(), 1); /* it was asked a moment ago */
    fake_later_by(11000);
    assert_said(PG_E_NONE, "");
    assert_int_equal(times_asked(), 2);
    rig_py("good = 'nothing'");
    fake_later_by(11000);
    assert_said(PG_E_UPSTREAM_DOWN, "upstream refuses the configured credentials");
    assert_said(PG_E_UPSTREAM_DOWN, "upstream refuses the configured credentials");
    assert_int_equal(times_asked(), 3);
    rig_stop();
}

TEST(a_helper_and_a_token_server)
{
    start(false);
    rig_reload(&(struct rig_options){.helper = put_helper(robot, "")});
    rig_py("up.on('^/token', lambda x: x.headers.get('Authorization') != 'Basic ' + good and "
           "status(401)(x))");
    assert_said(PG_E_NONE, "");
    rig_py("good = '" OTHER "'; token.good.clear()");
    put("answer", other, 0600);
    fake_later_by(11000);
    assert_said(PG_E_NONE, "");
    assert_int_equal(times_asked(), 2);
    rig_stop();
}

static const struct fault {
    const char *answer, *last, *said;
    unsigned mode;
} faults[] = {
    {robot, "exec sleep 60", "the credential helper: a helper program took more than", 0700},
    {"garbage hunter2", "", "the credential helper answers no proper JSON", 0700},
    {"", "", "the credential helper answers no proper JSON", 0700},
    {"[]", "", "the credential helper answers no proper JSON", 0700},
    {"{\"Username\":\"ro\\nbot\",\"Secret\":\"hunter2\"}", "",
     "answers badly: a line break or another control character", 0700},
    {"{\"Username\":\"ro:bot\",\"Secret\":\"hunter2\"}", "",
     "answers badly: a colon is in the user", 0700},
    {"{\"Username\":\"robot\",\"Secret\":\"\"}", "", "is empty", 0700},
    {"{\"Username\":\"\",\"Secret\":\"\"}", "", "has no credentials for this registry", 0700},
    {robot, "head -c 10000000 /dev/zero", "a helper program wrote more than 65536 bytes", 0700},
    {robot, "echo hunter2; echo hunter2 >&2; exit 1", "failed with exit code 1; run it by hand",
     0700},
    {robot, "echo credentials not found in native keychain; exit 1",
     "has no credentials for this registry", 0700},
    {robot, "kill -9 $$", "a helper program was ended by a signal", 0700},
    {robot, "", "is not an executable file", 0600},
    {robot, "", "can be written by others", 0722},
    {robot, NULL, "is not there", 0},
};

/* Each its own sentence; nobody is asked without the login; all is well once it is mended. */
TEST(helpers_that_do_not_help)
{
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        const struct fault *f = &faults[i];
        struct rig_options o = {.helper_ms = i == 0 ? 300 : 20000};

        start(true);
        o.helper = put_helper(f->answer, f->last != NULL ? f->last : "");
        if (f->last != NULL)
            assert_int_equal(chmod(o.helper, f->mode), 0);
        else
            assert_int_equal(unlink(o.helper), 0);
        rig_reload(&o);
        assert_said(PG_E_UPSTREAM_DOWN, f->said);
        assert_non_null(strstr(said, "credentials for upstream origin.test: "));
        assert_null(strstr(said, "hunter2"));
        assert_said(PG_E_UPSTREAM_DOWN, f->said); /* remembered; it is not run for each request */
        assert_in_range(times_asked(), 0, 1);
        assert_string_equal(rig_py("set(sent(up))"), "{None}");
        put_helper(robot, "");
        fake_later_by(11000);
        assert_said(PG_E_NONE, "");
        rig_stop();
    }
}

/* Nothing is lost while it fails: what it said last stays in use. */
TEST(a_helper_that_fails_later)
{
    start(true);
    rig_reload(&(struct rig_options){.helper = put_helper(robot, "")});
    assert_said(PG_E_NONE, "");
    put_helper(robot, "exit 1");
    fake_later_by(11 * MINUTE);
    assert_said(PG_E_NONE, "");
    assert_said(PG_E_NONE, "");
    rig_py("good = '" OTHER "'");
    fake_later_by(MINUTE);
    assert_said(PG_E_UPSTREAM_DOWN, "upstream refuses the configured credentials");
    put_helper(other, "");
    fake_later_by(MINUTE);
    assert_said(PG_E_NONE, "");
    rig_stop();
}

TEST(a_docker_config_that_names_a_helper)
{
    char text[512];

    start(true);
    assert_true(snprintf(text, sizeof(text), "{\"credHelpers\":{\"127.0.0.1:%s\":\"absent-%ld\"}}",
                         rig_py("up.port"), (long)getpid()) > 0);
    rig_reload(&(struct rig_options){.docker_config = put("config.json", text, 0600)});
    assert_said(PG_E_UPSTREAM_DOWN, "the credential helper is in none of");
    rig_stop();
}

TEST(a_token_is_renewed_before_it_ends_and_nobody_waits)
{
    start(false);
    assert_said(PG_E_NONE, "");
    fake_later_by(250000); /* of 300 s */
    rig_py("gate = Gate(); up.on('^/token', hold(gate))");
    assert_said(PG_E_NONE, ""); /* with the old one, while the next is asked for */
    rig_py("gate.wait_reached(); gate.open()");
    while (rig_py_number("token.issued") < 2) {
        assert_said(PG_E_NONE, "");
    }
    rig_stop();
}

TEST(E15_the_last_good_token_outlives_its_server)
{
    static const char *const down[] = {"status(500)", "say(200, {}, b'<html>')", "reset()"};

    for (size_t i = 0; i < sizeof(down) / sizeof(down[0]); i++) {
        start(false);
        assert_said(PG_E_NONE, "");
        rig_py("up.on('^/token', %s)", down[i]);
        fake_later_by(400000); /* it has ended by our reckoning */
        assert_said(PG_E_NONE, "");
        assert_said(PG_E_NONE, "");
        assert_in_range(rig_py_number("up.count('GET', '/token')"), 2, 4); /* not for each */
        rig_py("token.good.clear()");                                      /* refused */
        fake_later_by(MINUTE);
        assert_int_equal(pull(), PG_E_UPSTREAM_DOWN);
        rig_stop();
    }
}

/* The one that tests put there, over and over: no other is run. */
static void permit_helper(void)
{
    static char patterns[] = "PATH", host[] = "origin.test";
    struct config_upstream up = {.url_host = host, .upstream_credential_helper = helper_path};
    struct config config = {.helpers_environment = patterns, .upstreams = &up, .nupstreams = 1};
    struct pg_err err = {0};

    (void)snprintf(helper_folder, sizeof(helper_folder), "/tmp/pullgate-helper-XXXXXX");
    PG_CHECK(mkdtemp(helper_folder) != NULL);
    (void)snprintf(helper_path, sizeof(helper_path), "%s/helper", helper_folder);
    put_at(helper_path, "#!/bin/false\n", 0700);
    PG_CHECK(credential_permit(&config, rig_spawn, &err) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(a_password_in_the_environment),
        RUN(a_key_for_a_password),
        RUN(a_docker_config_that_changes),
        RUN(an_identity_token_goes_by_post_and_by_get_where_there_is_none),
        RUN(an_identity_token_that_is_refused),
        RUN(a_token_for_the_registry_itself),
        RUN(wrong_credentials_are_told_and_not_repeated),
        RUN(a_helper_is_asked_once_for_all_who_wait),
        RUN(a_helper_is_asked_again_after_a_401),
        RUN(a_helper_and_a_token_server),
        RUN(helpers_that_do_not_help),
        RUN(a_helper_that_fails_later),
        RUN(a_docker_config_that_names_a_helper),
        RUN(a_token_is_renewed_before_it_ends_and_nobody_waits),
        RUN(E15_the_last_good_token_outlives_its_server),
    };
    struct pg_err err = {0};
    int failed;

    if (spawn_open(4, &rig_spawn, &err) < 0)
        return 1;
    permit_helper();
    spawn_start(rig_spawn);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    rig_end();
    spawn_close(rig_spawn);
    (void)unlink(helper_path);
    (void)rmdir(helper_folder);
    return failed;
}
