/* SPDX-License-Identifier: Apache-2.0 */
/* The test is the registry: it answers what evidence wants, from bytes that it makes. */
#include "harness/test.h"

#include <stdio.h>

#include "base/buf.h"
#include "oci/manifest.h"
#include "signing/evidence.h"

#define IMAGE_TYPE    "application/vnd.oci.image.manifest.v1+json"
#define INDEX_TYPE    "application/vnd.oci.image.index.v1+json"
#define SIMPLE_TYPE   "application/vnd.dev.cosign.simplesigning.v1+json"
#define ENVELOPE_TYPE "application/vnd.dsse.envelope.v1+json"
#define BUNDLE_TYPE   "application/vnd.dev.sigstore.bundle.v0.3+json"
#define NOTATION_TYPE "application/vnd.cncf.notary.signature"
#define HEX           "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" /* of "abc" */
#define ANY_DIGEST    "sha256:" HEX

static const struct evidence_wants all = {true, true, true, true};
static struct evidence *e;
static struct digest subject;
static struct pg_buf text;

static void begin(const struct evidence_wants *wants)
{
    subject = digest_of(PG_SHA256, SL("abc"));
    e = evidence_new(&subject, wants);
    pg_buf_init(&text, (size_t)8 << 20);
}

static void end(void)
{
    evidence_free(e);
    pg_buf_free(&text);
}

static struct evidence_step next(enum evidence_what what)
{
    struct evidence_step step;

    if (!evidence_next(e, &step))
        fail_msg("nothing is wanted");
    assert_int_equal(step.what, what);
    return step;
}

static void nothing_more(void)
{
    struct evidence_step step;

    assert_false(evidence_next(e, &step));
}

static void say(unsigned id, enum evidence_outcome outcome)
{
    evidence_put(e, id, &(struct evidence_answer){.outcome = outcome, .trouble = "it rained"});
}

static void give_page(unsigned id, struct sl bytes, struct sl type, struct sl page)
{
    struct pg_bytes *held = pg_bytes_new(bytes);

    evidence_put(e, id,
                 &(struct evidence_answer){
                     .outcome = EVIDENCE_FOUND, .bytes = held, .media_type = type, .next = page});
    pg_bytes_unref(held);
}

static void give(unsigned id, struct sl bytes, struct sl type)
{
    give_page(id, bytes, type, (struct sl){NULL, 0});
}

static struct sl put_layers(const char *type, unsigned n, unsigned long long size)
{
    pg_buf_clear(&text);
    (void)pg_buf_printf(&text, "{\"schemaVersion\":2,\"mediaType\":\"" IMAGE_TYPE
                               "\",\"config\":{\"mediaType\":\"application/vnd.oci.empty.v1+json\","
                               "\"size\":2,\"digest\":\"" ANY_DIGEST "\"},\"layers\":[");
    for (unsigned i = 0; i < n; i++)
        (void)pg_buf_printf(&text,
                            "%s{\"mediaType\":\"%s\",\"size\":%llu,\"digest\":\"" ANY_DIGEST
                            "\",\"annotations\":{\"a\":\"%u\"}}",
                            i > 0 ? "," : "", type, size, i);
    (void)pg_buf_put(&text, SL("]}"));
    return pg_buf_sl(&text);
}

static struct sl put_referrer(const char *artifact, const char *layer, unsigned n,
                              const char *subject_hex)
{
    pg_buf_clear(&text);
    (void)pg_buf_printf(&text,
                        "{\"schemaVersion\":2,\"mediaType\":\"" IMAGE_TYPE
                        "\",\"artifactType\":\"%s\",\"config\":{\"mediaType\":"
                        "\"application/vnd.oci.empty.v1+json\",\"size\":2,\"digest\":\"" ANY_DIGEST
                        "\"},\"subject\":{\"mediaType\":\"" IMAGE_TYPE
                        "\",\"size\":3,\"digest\":\"sha256:%s\"},\"layers\":[",
                        artifact, subject_hex);
    for (unsigned i = 0; i < n; i++)
        (void)pg_buf_printf(&text,
                            "%s{\"mediaType\":\"%s\",\"size\":3,\"digest\":\"" ANY_DIGEST "\"}",
                            i > 0 ? "," : "", layer);
    (void)pg_buf_put(&text, SL("]}"));
    return pg_buf_sl(&text);
}

/* n descriptors of manifests with this digest; artifact NULL: they do not say what they are. */
static struct sl put_list(const char *artifact, unsigned n, const struct digest *digest)
{
    char name[DIGEST_TEXT_MAX];
    static char list[(size_t)1 << 20];
    size_t at;

    (void)digest_write(digest, name);
    at = (size_t)snprintf(list, sizeof(list),
                          "{\"schemaVersion\":2,\"mediaType\":\"" INDEX_TYPE "\",\"manifests\":[");
    for (unsigned i = 0; i < n; i++)
        at += (size_t)snprintf(
            list + at, sizeof(list) - at,
            "%s{\"mediaType\":\"" IMAGE_TYPE "\",\"size\":4000,\"digest\":\"%s\"%s%s%s}",
            i > 0 ? "," : "", name, artifact != NULL ? ",\"artifactType\":\"" : "",
            artifact != NULL ? artifact : "", artifact != NULL ? "\"" : "");
    at += (size_t)snprintf(list + at, sizeof(list) - at, "]}");
    return (struct sl){list, at};
}

static void refused(size_t i, enum verify_reason reason, const char *why)
{
    const struct evidence_item *item = evidence_at(e, i);

    assert_int_equal(item->refusal.reason, reason);
    if (strstr(item->refusal.err.msg, why) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", item->refusal.err.msg, why);
}

static void state_is(enum evidence_state state, const char *why)
{
    const char *trouble;

    assert_true(evidence_is_done(e));
    assert_int_equal(evidence_state(e, &trouble), state);
    if (why == NULL)
        assert_null(trouble);
    else if (strstr(trouble, why) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", trouble, why);
}

/* --- where it looks --- */

TEST(tags_and_referrers_are_wanted_at_once)
{
    struct evidence_step sig, att, referrers;

    begin(&all);
    sig = next(EVIDENCE_TAG);
    assert_string_equal(sig.tag, "sha256-" HEX ".sig");
    att = next(EVIDENCE_TAG);
    assert_string_equal(att.tag, "sha256-" HEX ".att");
    referrers = next(EVIDENCE_REFERRERS);
    assert_true(digest_eq(&referrers.digest, &subject) && referrers.next.p == NULL);
    nothing_more();
    assert_false(evidence_is_done(e));
    say(att.id, EVIDENCE_ABSENT);
    say(sig.id, EVIDENCE_ABSENT);
    give(referrers.id, put_list(NULL, 0, &subject), SL(INDEX_TYPE));
    nothing_more(); /* an empty list is an answer */
    state_is(EVIDENCE_COMPLETE, NULL);
    assert_int_equal(evidence_count(e), 0);
    end();
}

TEST(a_registry_that_lists_no_referrers_is_asked_for_the_tag)
{
    static const struct evidence_wants bundles = {.bundle = true};
    struct evidence_step step;

    begin(&bundles);
    say(next(EVIDENCE_REFERRERS).id, EVIDENCE_ABSENT);
    step = next(EVIDENCE_TAG);
    assert_string_equal(step.tag, "sha256-" HEX);
    say(step.id, EVIDENCE_ABSENT);
    nothing_more();
    state_is(EVIDENCE_COMPLETE, NULL);
    end();
}

TEST(what_could_not_be_fetched_is_not_absent)
{
    static const struct evidence_wants simple = {.simple = true};

    begin(&simple);
    say(next(EVIDENCE_TAG).id, EVIDENCE_FAILED);
    give(next(EVIDENCE_REFERRERS).id, put_list(NULL, 0, &subject), SL(INDEX_TYPE));
    state_is(EVIDENCE_TROUBLED, "it rained");
    end();
}

/* --- .sig and .att --- */

TEST(layers_of_a_sig_become_items_with_their_annotations)
{
    struct evidence_step blob;
    const struct evidence_item *item;

    begin(&all);
    give(next(EVIDENCE_TAG).id, put_layers(SIMPLE_TYPE, 2, 3), SL(IMAGE_TYPE));
    say(next(EVIDENCE_TAG).id, EVIDENCE_ABSENT);
    say(next(EVIDENCE_REFERRERS).id, EVIDENCE_ABSENT);
    blob = next(EVIDENCE_BLOB);
    assert_true(digest_eq(&blob.digest, &subject) && blob.size_max == 3);
    give(blob.id, SL("abc"), SL(""));
    assert_int_equal(evidence_count(e), 1);
    item = evidence_at(e, 0);
    assert_int_equal(item->refusal.reason, VERIFY_NONE);
    assert_int_equal(item->evidence.format, VERIFY_SIMPLE);
    assert_true(sl_eq(item->evidence.bytes, SL("abc")));
    assert_true(sl_eq(item->evidence.media_type, SL(SIMPLE_TYPE)));
    assert_string_equal(json_string_value(json_object_get(item->evidence.annotations, "a")), "0");
    assert_string_equal(item->where, "sha256-" HEX ".sig");
    end();
}

static const struct evidence_wants sig_only = {.simple = true};

static void give_sig(struct sl bytes, struct sl type)
{
    begin(&sig_only);
    give(next(EVIDENCE_TAG).id, bytes, type);
    give(next(EVIDENCE_REFERRERS).id, put_list(NULL, 0, &subject), SL(INDEX_TYPE));
}

static void give_layers(const char *type, unsigned n, unsigned long long size)
{
    begin(&sig_only);
    give(next(EVIDENCE_TAG).id, put_layers(type, n, size), SL(IMAGE_TYPE));
    give(next(EVIDENCE_REFERRERS).id, put_list(NULL, 0, &subject), SL(INDEX_TYPE));
}

TEST(F13_of_a_thousand_signatures_64_are_tried)
{
    give_layers(SIMPLE_TYPE, EVIDENCE_LAYERS_MAX, 3);
    for (unsigned i = 0; i < EVIDENCE_TRIED_MAX; i++)
        give(next(EVIDENCE_BLOB).id, SL("abc"), SL(""));
    nothing_more();
    assert_int_equal(evidence_count(e), EVIDENCE_TRIED_MAX);
    state_is(EVIDENCE_CUT, "of 1000");
    end();
}

TEST(F13_a_manifest_of_more_is_not_looked_at)
{
    give_layers(SIMPLE_TYPE, EVIDENCE_LAYERS_MAX + 1, 3);
    nothing_more();
    refused(0, VERIFY_TOO_LARGE, "1001 layers");
    end();
}

TEST(F13_a_gigabyte_is_refused_before_it_is_fetched)
{
    give_layers(SIMPLE_TYPE, 1, 1ULL << 30);
    nothing_more();
    refused(0, VERIFY_TOO_LARGE, "1073741824 bytes");
    state_is(EVIDENCE_COMPLETE, NULL);
    end();
}

TEST(F13_all_together_have_a_limit)
{
    static const struct evidence_wants atts = {.envelope = true};

    begin(&atts);
    give(next(EVIDENCE_TAG).id, put_layers(ENVELOPE_TYPE, 3, VERIFY_STATEMENT_MAX), SL(IMAGE_TYPE));
    say(next(EVIDENCE_BLOB).id, EVIDENCE_LARGE);
    say(next(EVIDENCE_BLOB).id, EVIDENCE_ABSENT);
    nothing_more();
    refused(0, VERIFY_TOO_LARGE, "more than 33554432 bytes");
    refused(1, VERIFY_MALFORMED, "is not there");
    state_is(EVIDENCE_CUT, "64 MiB");
    end();
}

TEST(a_layer_of_another_type_is_no_signature)
{
    give_layers("text/plain", 1, 3);
    nothing_more();
    refused(0, VERIFY_UNSUPPORTED, "text/plain");
    end();
}

TEST(N03_an_index_or_anything_else_under_the_tag_is_no_signature)
{
    static const struct sl wrong[] = {SL("not JSON"), SL("{}"), SL("[]"), SL("")};

    give_sig(put_list(NULL, 0, &subject), SL(INDEX_TYPE));
    nothing_more();
    refused(0, VERIFY_UNSUPPORTED, INDEX_TYPE);
    end();
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        give_sig(wrong[i], SL(IMAGE_TYPE));
        nothing_more();
        refused(0, VERIFY_MALFORMED, "no manifest");
        end();
    }
    give_layers(SIMPLE_TYPE, 0, 3);
    refused(0, VERIFY_MALFORMED, "no layers");
    end();
}

TEST(other_bytes_than_the_digest_says_are_refused)
{
    give_layers(SIMPLE_TYPE, 1, 3);
    give(next(EVIDENCE_BLOB).id, SL("abd"), SL(""));
    refused(0, VERIFY_MALFORMED, "other bytes");
    assert_null(evidence_at(e, 0)->evidence.bytes.p);
    end();
    give_layers(SIMPLE_TYPE, 1, 3);
    give(next(EVIDENCE_BLOB).id, SL("abcd"), SL(""));
    refused(0, VERIFY_TOO_LARGE, "more than 3 bytes");
    end();
}

/* --- referrers --- */

/* Answers a list with one referrer, and it; what is wanted then is the caller's. */
static void give_referrer(const struct evidence_wants *wants, const char *listed_as,
                          struct sl (*make)(void))
{
    struct digest digest;
    struct sl bytes;

    begin(wants);
    bytes = make();
    digest = digest_of(PG_SHA256, bytes);
    give(next(EVIDENCE_REFERRERS).id, put_list(listed_as, 1, &digest), SL(INDEX_TYPE));
    give(next(EVIDENCE_MANIFEST).id, bytes, SL(IMAGE_TYPE));
}

static struct sl make_bundle(void)
{
    return put_referrer(BUNDLE_TYPE, BUNDLE_TYPE, 1, HEX);
}

static struct sl make_bundle_of_two(void)
{
    return put_referrer(BUNDLE_TYPE, BUNDLE_TYPE, 2, HEX);
}

static struct sl make_stranger(void)
{
    return put_referrer(BUNDLE_TYPE, BUNDLE_TYPE, 1,
                        "00000000000000000000000000000000000000000000000000000000000000ff");
}

static struct sl make_notation(void)
{
    return put_referrer(NOTATION_TYPE, "application/jose+json", 1, HEX);
}

static struct sl make_image(void)
{
    return put_referrer(BUNDLE_TYPE, "application/vnd.oci.image.layer.v1.tar+gzip", 1, HEX);
}

static struct sl make_sbom(void)
{
    return put_referrer("application/spdx+json", "application/spdx+json", 1, HEX);
}

static const struct evidence_wants referrers = {.bundle = true, .notation = true};

TEST(a_bundle_is_found_whether_the_list_says_so_or_nothing)
{
    const char *listed[] = {BUNDLE_TYPE, NULL, "application/vnd.oci.empty.v1+json"};

    for (size_t i = 0; i < sizeof(listed) / sizeof(listed[0]); i++) {
        give_referrer(&referrers, listed[i], make_bundle);
        give(next(EVIDENCE_BLOB).id, SL("abc"), SL(""));
        nothing_more();
        assert_int_equal(evidence_at(e, 0)->evidence.format, VERIFY_BUNDLE);
        assert_string_equal(evidence_at(e, 0)->where, "referrer");
        state_is(EVIDENCE_COMPLETE, NULL);
        end();
    }
}

TEST(a_notation_signature_is_found)
{
    give_referrer(&referrers, NOTATION_TYPE, make_notation);
    give(next(EVIDENCE_BLOB).id, SL("abc"), SL(""));
    assert_int_equal(evidence_at(e, 0)->evidence.format, VERIFY_NOTATION);
    assert_true(sl_eq(evidence_at(e, 0)->evidence.media_type, SL("application/jose+json")));
    end();
}

TEST(N03_a_referrer_that_is_an_image_or_of_another_subject_is_refused)
{
    give_referrer(&referrers, BUNDLE_TYPE, make_image);
    nothing_more();
    refused(0, VERIFY_UNSUPPORTED, "tar+gzip");
    end();
    give_referrer(&referrers, BUNDLE_TYPE, make_stranger);
    nothing_more();
    refused(0, VERIFY_SUBJECT, "another manifest");
    end();
    give_referrer(&referrers, BUNDLE_TYPE, make_bundle_of_two);
    nothing_more();
    refused(0, VERIFY_MALFORMED, "2 layers");
    end();
}

TEST(what_nobody_asked_for_is_passed_by)
{
    static const struct evidence_wants bundles = {.bundle = true};

    begin(&bundles);
    give(next(EVIDENCE_REFERRERS).id, put_list(NOTATION_TYPE, 3, &subject), SL(INDEX_TYPE));
    nothing_more();
    state_is(EVIDENCE_COMPLETE, NULL);
    end();
    give_referrer(&bundles, NULL, make_sbom);
    nothing_more();
    assert_int_equal(evidence_count(e), 0);
    state_is(EVIDENCE_COMPLETE, NULL);
    end();
}

TEST(F13_of_2000_referrers_64_are_fetched)
{
    begin(&referrers);
    give(next(EVIDENCE_REFERRERS).id, put_list(BUNDLE_TYPE, 2000, &subject), SL(INDEX_TYPE));
    for (unsigned i = 0; i < EVIDENCE_TRIED_MAX; i++)
        say(next(EVIDENCE_MANIFEST).id, EVIDENCE_ABSENT);
    nothing_more();
    state_is(EVIDENCE_CUT, "64 referrers");
    end();
}

TEST(F13_a_list_that_never_ends_is_cut)
{
    unsigned pages = 0;
    struct evidence_step step;

    begin(&referrers);
    while (evidence_next(e, &step)) {
        assert_int_equal(step.what, EVIDENCE_REFERRERS);
        assert_true(pages == 0 ? step.next.p == NULL : sl_eq(step.next, SL("/again")));
        pages++;
        give_page(step.id, put_list(NULL, 0, &subject), SL(INDEX_TYPE), SL("/again"));
    }
    assert_int_equal(pages, EVIDENCE_PAGES_MAX);
    state_is(EVIDENCE_CUT, "16 pages");
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(tags_and_referrers_are_wanted_at_once),
        RUN(a_registry_that_lists_no_referrers_is_asked_for_the_tag),
        RUN(what_could_not_be_fetched_is_not_absent),
        RUN(layers_of_a_sig_become_items_with_their_annotations),
        RUN(F13_of_a_thousand_signatures_64_are_tried),
        RUN(F13_a_manifest_of_more_is_not_looked_at),
        RUN(F13_a_gigabyte_is_refused_before_it_is_fetched),
        RUN(F13_all_together_have_a_limit),
        RUN(a_layer_of_another_type_is_no_signature),
        RUN(N03_an_index_or_anything_else_under_the_tag_is_no_signature),
        RUN(other_bytes_than_the_digest_says_are_refused),
        RUN(a_bundle_is_found_whether_the_list_says_so_or_nothing),
        RUN(a_notation_signature_is_found),
        RUN(N03_a_referrer_that_is_an_image_or_of_another_subject_is_refused),
        RUN(what_nobody_asked_for_is_passed_by),
        RUN(F13_of_2000_referrers_64_are_fetched),
        RUN(F13_a_list_that_never_ends_is_cut),
    };

    pg_hash_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
