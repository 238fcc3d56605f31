/* SPDX-License-Identifier: Apache-2.0 */
/* Verifying has an end: what was not looked at by then is said to be missing, never to be good. */
#include "harness/test.h"

#include "base/buf.h"
#include "base/hash.h"
#include "proxy/admit/dossier.h"

#define NLAYERS 3

static struct digest subject;

static void put(struct evidence *e, unsigned id, struct sl text)
{
    struct evidence_answer a = {.outcome = EVIDENCE_FOUND, .media_type = SL("")};

    a.bytes = pg_bytes_new(text);
    evidence_put(e, id, &a);
    pg_bytes_unref(a.bytes);
}

/* cosign's tag with payloads that nobody signed. */
static struct evidence *unsigned_payloads(void)
{
    const struct evidence_wants wants = {.simple = true};
    const struct digest payload = digest_of(PG_SHA256, SL("{}"));
    struct evidence *e = evidence_new(&subject, &wants);
    struct evidence_step step;
    char text[DIGEST_TEXT_MAX];
    struct pg_buf manifest;

    pg_buf_init(&manifest, 8192);
    (void)pg_buf_put(&manifest,
                     SL("{\"schemaVersion\":2,\"mediaType\":"
                        "\"application/vnd.oci.image.manifest.v1+json\",\"config\":{\"mediaType\":"
                        "\"application/vnd.oci.image.config.v1+json\",\"digest\":\""));
    (void)pg_buf_put(&manifest, digest_write(&payload, text));
    (void)pg_buf_put(&manifest, SL("\",\"size\":2},\"layers\":["));
    for (unsigned i = 0; i < NLAYERS; i++)
        (void)pg_buf_printf(
            &manifest,
            "%s{\"mediaType\":\"application/vnd.dev.cosign.simplesigning.v1+json\",\"digest\":"
            "\"%s\",\"size\":2,\"annotations\":{\"dev.cosignproject.cosign/signature\":\"AAA%u\"}}",
            i > 0 ? "," : "", text, i);
    (void)pg_buf_put(&manifest, SL("]}"));
    while (evidence_next(e, &step)) {
        struct evidence_answer absent = {.outcome = EVIDENCE_ABSENT};

        if (step.what == EVIDENCE_TAG && strstr(step.tag, ".sig") != NULL)
            put(e, step.id, pg_buf_sl(&manifest));
        else if (step.what == EVIDENCE_BLOB)
            put(e, step.id, SL("{}"));
        else
            evidence_put(e, step.id, &absent);
    }
    assert_true(evidence_is_done(e));
    assert_int_equal(evidence_count(e), NLAYERS);
    pg_buf_free(&manifest);
    return e;
}

static struct dossier *look(uint64_t until_ms)
{
    struct trust *trust = trust_new();
    const struct config_admission admission = {.trusts = &trust, .ntrusts = 1};
    struct evidence *e = unsigned_payloads();
    const struct dossier_input in = {
        .evidence = e,
        .subject = subject,
        .repository = SL("docker.io/library/app"),
        .media_type = SL(""),
        .admission = &admission,
        .scope = {.wants = {.governed = true, .signatures = true, .simple = true, .trusts = 1}},
        .now_s = 1000,
        .now_ms = 1000,
        .until_ms = until_ms};
    struct dossier *d = dossier_new(&in);

    evidence_free(e);
    trust_unref(trust);
    return d;
}

TEST(what_is_looked_at_in_time_is_refused_for_what_it_is)
{
    struct dossier *d = look(UINT64_MAX);

    assert_int_equal(d->state, FACTS_COMPLETE);
    assert_int_equal(d->nrefused, NLAYERS);
    dossier_unref(d);
    d = look(0);
    assert_int_equal(d->state, FACTS_COMPLETE);
    dossier_unref(d);
}

TEST(what_there_was_no_time_for_is_cut_and_says_so)
{
    struct dossier *d = look(1);

    assert_int_equal(d->state, FACTS_CUT);
    assert_int_equal(d->nsigned, 0);
    assert_int_equal(d->nrefused, 0);
    assert_string_equal(d->trouble, "verifying took too long: of 3 signatures or attestations, 0 "
                                    "were looked at");
    dossier_unref(d);
}

static int set_up(void **state)
{
    (void)state;
    pg_hash_setup();
    subject = digest_of(PG_SHA256, SL("image"));
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_looked_at_in_time_is_refused_for_what_it_is),
        cmocka_unit_test(what_there_was_no_time_for_is_cut_and_says_so),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
