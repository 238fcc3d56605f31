/* SPDX-License-Identifier: Apache-2.0 */
/* N03: what is evidence about an image is known by its content. */
#include "harness/test.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "oci/manifest.h"
#include "signing/about.h"

#define FIXTURES PG_SOURCE "/tests/fixtures/signing/"
#define FILE_MAX ((size_t)1 << 20)

static char file[FILE_MAX];

static struct sl load(const char *folder, const char *name)
{
    char path[1024];
    FILE *f;
    size_t n;

    (void)snprintf(path, sizeof(path), FIXTURES "%s/%s", folder, name);
    f = fopen(path, "rb");
    if (f == NULL)
        fail_msg("%s is not there", path);
    n = fread(file, 1, sizeof(file), f);
    (void)fclose(f);
    return (struct sl){file, n};
}

static json_t *load_json(const char *folder, const char *name)
{
    struct pg_err err = {0};
    json_t *root = NULL;

    assert_int_equal(pg_json_parse(load(folder, name), PG_E_INTERNAL, &root, &err), 0);
    return root;
}

static struct digest parse(struct sl text)
{
    struct pg_err err = {0};
    struct digest d;

    assert_int_equal(digest_parse(text, &d, &err), 0);
    return d;
}

static json_t *load_blob(const char *folder, struct sl digest)
{
    char name[256];

    (void)snprintf(name, sizeof(name), "blobs/sha256/" SL_FMT, (int)digest.n - 7, digest.p + 7);
    return load_json(folder, name);
}

/* The first layer of what is no image: of the .sig, the .att or the referrer. */
static void find_layer(const char *folder, char type_r[128], char digest_r[128])
{
    _json_ json_t *index = load_json(folder, "index.json");
    const json_t *one;
    size_t i;

    json_array_foreach(json_object_get(index, "manifests"), i, one)
    {
        struct sl tag =
            pg_json_str(json_object_get(one, "annotations"), "org.opencontainers.image.ref.name");
        _json_ json_t *manifest = NULL;
        const json_t *layer;

        if (tag.p != NULL && sl_eq(tag, SL("v1")))
            continue;
        manifest = load_blob(folder, pg_json_str(one, "digest"));
        layer = json_array_get(json_object_get(manifest, "layers"), 0);
        if (layer == NULL ||
            sl_starts(pg_json_str(layer, "mediaType"), SL("application/vnd.oci.image.layer")))
            continue; /* of other images */
        (void)snprintf(type_r, 128, SL_FMT, SL_ARG(pg_json_str(layer, "mediaType")));
        (void)snprintf(digest_r, 128, SL_FMT, SL_ARG(pg_json_str(layer, "digest")));
        return;
    }
    fail_msg("%s has no layer", folder);
}

static struct digest image_of(const char *name)
{
    char path[256];

    (void)snprintf(path, sizeof(path), "%s.expect.json", name);
    _json_ json_t *expect = load_json("", path);
    return parse(pg_json_str(expect, "digest"));
}

static void looks(const char *name, const struct digest *image, const char *code)
{
    char type[128], digest[128], blob[256];
    struct verify_refusal no = {0};
    int is;

    find_layer(name, type, digest);
    (void)snprintf(blob, sizeof(blob), "blobs/sha256/%s", digest + 7);
    is = about_subject(sl_str(type), load(name, blob), image, &no);
    if (strcmp(is == 1 ? "good" : verify_reason_code(no.reason), code) != 0)
        fail_msg("%s: %s, not %s", name, is == 1 ? "good" : no.err.msg, code);
    pg_err_clear(&no.err);
}

TEST(N03_evidence_of_each_form_is_about_its_image_and_no_other)
{
    static const char *const names[] = {"oci/v2-sig-key",
                                        "oci/v2-sig-other-key_fail",
                                        "oci/v2-att-spdx",
                                        "oci/v3-bundle-key",
                                        "oci/v3-bundle-other-key_fail",
                                        "oci/v3-att-bundle-vuln",
                                        "keyless/oci/bundle-msg-rekor2",
                                        "keyless/oci/legacy-att-spdx"};
    struct digest other = digest_of(PG_SHA256, SL("another image"));

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        struct digest image = image_of(names[i]);

        looks(names[i], &image, "good"); /* whoever signed it */
        looks(names[i], &other, "subject");
    }
}

TEST(N03_what_is_not_what_it_says_is_no_evidence)
{
    struct digest image = image_of("oci/neg-sig-wrong-mediatype");

    looks("oci/neg-sig-wrong-mediatype", &image, "unsupported");
    image = image_of("oci/neg-bundle-not-json");
    looks("oci/neg-bundle-not-json", &image, "malformed");
    image = image_of("keyless/oci/legacy-sig-key-case_fail");
    looks("keyless/oci/legacy-sig-key-case_fail", &image, "malformed");
    image = image_of("oci/neg-sig-copied-from-other-image");
    looks("oci/neg-sig-copied-from-other-image", &image, "subject");
}

static void is_refused(const char *type, struct sl bytes, enum verify_reason reason)
{
    struct digest image = digest_of(PG_SHA256, SL("abc"));
    struct verify_refusal no = {0};

    assert_int_equal(about_subject(sl_str(type), bytes, &image, &no), 0);
    assert_int_equal(no.reason, reason);
    pg_err_clear(&no.err);
}

TEST(N03_the_layer_of_an_image_is_no_evidence)
{
    static char big[VERIFY_NOTATION_MAX + 1];

    is_refused("application/vnd.oci.image.layer.v1.tar+gzip", SL("\x1f\x8b"), VERIFY_UNSUPPORTED);
    is_refused("", SL("{}"), VERIFY_UNSUPPORTED);
    is_refused("application/vnd.dev.cosign.simplesigning.v1+json", SL("\x1f\x8b"),
               VERIFY_MALFORMED);
    is_refused("application/vnd.dsse.envelope.v1+json", SL("{}"), VERIFY_MALFORMED);
    is_refused("application/jose+json", SL("{}"), VERIFY_MALFORMED);
    is_refused("application/cose", SL("\xd2"), VERIFY_MALFORMED);
    is_refused("application/cose", (struct sl){big, sizeof(big)}, VERIFY_TOO_LARGE);
}

TEST(N03_a_notation_signature_is_about_its_target)
{
    struct sl jws = load("notation", "ok-jws-p384.jws");
    struct digest image = digest_of(PG_SHA256, SL("abc"));
    struct verify_refusal no = {0};
    const char *at;
    char named[DIGEST_TEXT_MAX] = "";

    assert_int_equal(about_subject(SL("application/jose+json"), jws, &image, &no), 0);
    assert_int_equal(no.reason, VERIFY_SUBJECT);
    at = strstr(no.err.msg, "sha256:");
    assert_non_null(at);
    memcpy(named, at, strlen("sha256:") + 64);
    pg_err_clear(&no.err);
    no = (struct verify_refusal){0};
    image = parse(sl_str(named));
    assert_int_equal(about_subject(SL("application/jose+json"), jws, &image, &no), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(N03_evidence_of_each_form_is_about_its_image_and_no_other),
        RUN(N03_what_is_not_what_it_says_is_no_evidence),
        RUN(N03_the_layer_of_an_image_is_no_evidence),
        RUN(N03_a_notation_signature_is_about_its_target),
    };

    pg_hash_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
