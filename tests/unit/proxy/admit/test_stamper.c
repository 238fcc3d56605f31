/* SPDX-License-Identifier: Apache-2.0 */
/* The real pullgate-tsa, and programs that are not it: whatever they do, there is one answer. */
#include "harness/test.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "proxy/admit/stamper.h"
#include "signing/stamp_wire.h"

static struct spawn *spawn;
static struct stamper *stamper;
static char script[64];

static void open_with(const char *program, unsigned time_ms)
{
    struct pg_err err = {0};
    const struct stamper_options o = {.program = program, .time_ms = time_ms};

    assert_int_equal(spawn_open(2, &spawn, &err), 0);
    assert_int_equal(stamper_open(spawn, &o, &stamper, &err), 0);
    spawn_start(spawn);
}

static void close_all(void)
{
    spawn_close(spawn);
    stamper_free(stamper);
}

/* A program of one line of shell. */
static void open_script(const char *line, unsigned time_ms)
{
    int fd;

    (void)snprintf(script, sizeof(script), "/tmp/pg-stamper-XXXXXX");
    fd = mkstemp(script);
    assert_true(fd >= 0);
    assert_true(dprintf(fd, "#!/bin/sh\n%s\n", line) > 0);
    assert_int_equal(fchmod(fd, 0755), 0);
    assert_int_equal(close(fd), 0);
    open_with(script, time_ms);
}

static const struct stamp_authority authority = {
    .certs = {SL("junk")}, .ncerts = 1, .until_s = INT64_MAX};
static const struct stamp_question question = {.token = SL("\x30\x00"),
                                               .is_response = true,
                                               .data = SL("abc"),
                                               .authorities = &authority,
                                               .nauthorities = 1};

static void asked(const struct stamp_question *q, enum pg_ekind kind, const char *why)
{
    struct stamp stamp = stamper_stamp(stamper);
    struct stamp_answer a;
    struct pg_err err = {0};

    assert_int_equal(stamp.ask(stamp.context, q, &a, &err), -1);
    if (strstr(err.msg, why) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.msg, why);
    assert_int_equal(err.kind, kind);
    pg_err_clear(&err);
}

TEST(the_program_itself_says_no_to_what_is_no_timestamp)
{
    open_with(PG_TSA, 0);
    assert_null(stamper_missing(stamper));
    asked(&question, PG_E_DENIED, "not an RFC 3161 response");
    asked(&question, PG_E_DENIED, "not an RFC 3161 response"); /* and again */
    close_all();
}

static size_t load(const char *path, char *out, size_t max)
{
    FILE *f = fopen(path, "rb");
    size_t n;

    assert_non_null(f);
    n = fread(out, 1, max, f);
    (void)fclose(f);
    return n;
}

/* The signature bytes that the fixture's timestamp is over. */
static size_t load_signature(unsigned char out[256])
{
    static char bundle[1 << 16];
    struct sl text = {bundle, load(PG_SOURCE "/tests/fixtures/signing/keyless/bundle-verify/"
                                             "ok-msg-tsa-only/bundle.sigstore.json",
                                   bundle, sizeof(bundle))};
    _json_ json_t *root = NULL;
    struct pg_err err = {0};
    struct sl b64;
    int n;

    assert_int_equal(pg_json_parse(text, PG_E_INTERNAL, &root, &err), 0);
    b64 = pg_json_str(json_object_get(root, "messageSignature"), "signature");
    assert_in_range(b64.n, 1, 256);
    n = EVP_DecodeBlock(out, (const unsigned char *)b64.p, (int)b64.n);
    for (size_t i = b64.n; i > 0 && b64.p[i - 1] == '='; i--)
        n--;
    assert_true(n > 0);
    return (size_t)n;
}

TEST(the_program_itself_finds_a_time)
{
    static char bytes[STAMP_WIRE_MAX];
    static struct stamp_wire w;
    unsigned char signature[256];
    struct stamp stamp;
    struct stamp_question q;
    struct stamp_answer a = {0};
    struct pg_err err = {0};
    struct sl wire = {
        bytes, load(PG_SOURCE "/tests/fuzz/tst/corpus/ok-msg-tsa-only", bytes, sizeof(bytes))};

    assert_int_equal(stamp_wire_get(wire, &w, &err), 0);
    q = (struct stamp_question){.token = w.token,
                                .is_response = true,
                                .data = {(char *)signature, load_signature(signature)},
                                .authorities = w.authorities,
                                .nauthorities = w.nauthorities};
    open_with(PG_TSA, 0);
    stamp = stamper_stamp(stamper);
    if (stamp.ask(stamp.context, &q, &a, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(a.time_s, 1768478420); /* 2026-01-15 12:00:20 UTC */
    q.data = SL("not what was signed");
    asked(&q, PG_E_DENIED, "over other bytes");
    close_all();
}

/* The test stands in another folder than the program. */
TEST(that_it_is_not_installed_is_said)
{
    open_with(NULL, 0);
    assert_non_null(strstr(stamper_missing(stamper), "libexec/pullgate/pullgate-tsa"));
    asked(&question, PG_E_INTERNAL, "not installed");
    close_all();
}

TEST(its_death_is_a_refusal)
{
    open_script("kill -9 $$", 0);
    asked(&question, PG_E_INTERNAL, "pullgate-tsa");
    close_all();
    (void)unlink(script);
    open_script("exit 3", 0);
    asked(&question, PG_E_INTERNAL, "exit status 3");
    close_all();
    (void)unlink(script);
}

TEST(its_silence_is_a_refusal)
{
    open_script("exec tail -f /dev/null", 200);
    asked(&question, PG_E_TIMEOUT, "pullgate-tsa");
    close_all();
    (void)unlink(script);
}

TEST(its_garbage_is_a_refusal)
{
    /* a time, but of an authority that was not asked about */
    static const char late[] = "printf 'pgtsa!\\000\\001\\000\\000\\000\\000\\001\\000\\000\\000"
                               "\\000\\000\\000\\000\\000\\000\\000\\000\\005'";
    static const char *const lines[] = {"echo yes",
                                        "exec cat",
                                        "true",
                                        "printf 'pgtsa!\\000\\001'",
                                        "exec head -c 100000 /dev/zero",
                                        "printf 'pgtsa-\\000\\001\\033[2J'",
                                        late};

    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        open_script(lines[i], 0);
        asked(&question, PG_E_INTERNAL, "pullgate-tsa");
        close_all();
        (void)unlink(script);
    }
}

TEST(a_token_that_is_too_large_is_not_even_asked_about)
{
    static char big[STAMP_TOKEN_MAX + 1];
    struct stamp_question q = question;

    open_with("/bin/false", 0);
    q.token = (struct sl){big, sizeof(big)};
    asked(&q, PG_E_DENIED, "at most");
    close_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(the_program_itself_says_no_to_what_is_no_timestamp),
        RUN(the_program_itself_finds_a_time),
        RUN(that_it_is_not_installed_is_said),
        RUN(its_death_is_a_refusal),
        RUN(its_silence_is_a_refusal),
        RUN(its_garbage_is_a_refusal),
        RUN(a_token_that_is_too_large_is_not_even_asked_about),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
