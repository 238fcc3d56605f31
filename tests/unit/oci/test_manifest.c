/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that two readers could take for two things are taken for none. */
#include "harness/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "oci/manifest.h"
#include "oci/media.h"

#define HEX64   "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define SHA     "sha256:" HEX64
#define SHA512  "sha512:" HEX64 HEX64
#define A256    HEX64 HEX64 HEX64 HEX64
#define SCHEMA1 "application/vnd.docker.distribution.manifest.v1+prettyjws"

/* Documents are written with ' for ", and parsed with ". */
#define DESC(type, more) "{'mediaType':'" type "','digest':'" SHA "','size':7" more "}"
#define CONFIG           "'config':" DESC("application/vnd.oci.image.config.v1+json", "")
#define LAYER            DESC("application/vnd.oci.image.layer.v1.tar+gzip", "")
#define IMAGE(more)      "{'schemaVersion':2," CONFIG ",'layers':[" LAYER "]" more "}"
#define IMAGE_DESC       DESC(MEDIA_OCI_MANIFEST, "")
#define EMPTY_DESC(data) DESC("application/vnd.oci.empty.v1+json", ",'data':" data)
#define OF_TYPE(type)    ",'mediaType':'" type "'"
#define INDEX(more)      "{'schemaVersion':2,'manifests':[" IMAGE_DESC "]" more "}"
#define WITH_DESC(desc)  "{'schemaVersion':2," CONFIG ",'layers':[" desc "]}"
#define WITH_SIZE(size)  WITH_DESC("{'mediaType':'a/b','digest':'" SHA "','size':" size "}")

static struct pg_arena arena;
static struct manifest m;

static int set_up(void **state __attribute__((unused)))
{
    pg_arena_init(&arena, MANIFEST_ARENA_BYTES);
    return 0;
}

static int tear_down(void **state __attribute__((unused)))
{
    pg_arena_free(&arena);
    return 0;
}

static struct sl sl(const char *text)
{
    return (struct sl){text, strlen(text)};
}

/* Copies text, ' as "; returns its length. */
static size_t put_quoted(char *to, const char *text)
{
    size_t n = 0;

    for (; text[n] != '\0'; n++) {
        to[n] = text[n];
        if (to[n] == '\'')
            to[n] = '"';
    }
    return n;
}

static struct sl quoted(const char *text)
{
    char *p = pg_alloc(&arena, strlen(text) + 1);

    return (struct sl){p, put_quoted(p, text)};
}

static void parse(const char *document, const char *type)
{
    struct pg_err err = {0};

    if (manifest_parse(quoted(document), sl(type), &arena, &m, &err) < 0)
        fail_msg("%s as %s was refused: %s", document, type, err.msg);
}

static void refused_bytes(struct sl bytes, const char *type, const char *why)
{
    struct pg_err err = {0};

    if (manifest_parse(bytes, sl(type), &arena, &m, &err) == 0)
        fail_msg("%.*s as %s was taken", (int)(bytes.n < 2000 ? bytes.n : 2000), bytes.p, type);
    if (err.kind != PG_E_UPSTREAM_WRONG || strstr(err.msg, why) == NULL)
        fail_msg("%.*s: \"%s\" does not say \"%s\"", (int)(bytes.n < 2000 ? bytes.n : 2000),
                 bytes.p, err.msg, why);
    pg_err_clear(&err);
}

static void refused(const char *document, const char *type, const char *why)
{
    refused_bytes(quoted(document), type, why);
}

static void assert_sl(struct sl is, const char *wanted)
{
    if (!sl_eq(is, quoted(wanted)))
        fail_msg("\"%.*s\" is not \"%s\"", SL_ARG(is), wanted);
}

/* ---- what is taken -------------------------------------------------------------------------- */

TEST(an_image_points_at_its_config_and_its_layers)
{
    parse("{'schemaVersion':2,'mediaType':'" MEDIA_OCI_MANIFEST "'," CONFIG ",'layers':[" LAYER
          ",{'mediaType':'a/b','digest':'" SHA512 "','size':0,'urls':['https://evil.test/x']}]}",
          MEDIA_OCI_MANIFEST);
    assert_int_equal(m.kind, MANIFEST_IMAGE);
    assert_sl(m.media_type, MEDIA_OCI_MANIFEST);
    assert_true(m.has_config);
    assert_false(m.has_subject);
    assert_sl(m.config.media_type, "application/vnd.oci.image.config.v1+json");
    assert_int_equal(m.config.size, 7);
    assert_int_equal(m.config.digest.alg, PG_SHA256);
    assert_int_equal(m.config.digest.bytes[31], 0xef);
    assert_int_equal(m.nchildren, 2);
    assert_false(m.children[0].has_urls);
    assert_int_equal(m.children[1].digest.alg, PG_SHA512);
    assert_int_equal(m.children[1].size, 0);
    assert_true(m.children[1].has_urls);
    assert_int_equal(m.annotations.n, 0);
    assert_int_equal(m.artifact_type.n, 0);
}

TEST(an_index_points_at_its_manifests_with_the_platforms_they_claim)
{
    static const struct {
        const char *platform, *claim;
    } rows[] = {
        {"{'os':'linux','architecture':'amd64'}", "linux/amd64"},
        {"{'architecture':'arm','os':'linux','variant':'v7','os.version':'1'}", "linux/arm/v7"},
        {"{'os':'linux','architecture':'amd64','variant':''}", "linux/amd64"},
        /* no claim at all */
        {"{'os':'','architecture':''}", ""},
        {"{'os':'linux'}", ""},
        {"{'os':'linux','architecture':'arm/v7'}", ""},
        {"{'os':'linux','architecture':'a b'}", ""},
        {"{'os':'linux','architecture':'a" HEX64 "'}", ""},
        {"{}", ""},
        {"null", ""},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char document[1024];

        (void)snprintf(document, sizeof(document),
                       "{'mediaType':'" MEDIA_DOCKER_LIST "','manifests':[" IMAGE_DESC
                       ",{'mediaType':'a/b','digest':'" SHA512 "','size':1,'platform':%s}]}",
                       rows[i].platform);
        parse(document, MEDIA_DOCKER_LIST);
        assert_int_equal(m.kind, MANIFEST_INDEX);
        assert_false(m.has_config);
        assert_int_equal(m.nchildren, 2);
        assert_sl(m.children[0].media_type, MEDIA_OCI_MANIFEST);
        assert_int_equal(m.children[0].platform.n, 0);
        assert_int_equal(m.children[1].digest.alg, PG_SHA512);
        assert_sl(m.children[1].platform, rows[i].claim);
    }
}

TEST(an_artifact_has_a_subject_a_type_and_an_empty_config)
{
    parse("{'schemaVersion':2,'mediaType':'" MEDIA_OCI_MANIFEST "',"
          "'artifactType':'application/vnd.dev.sigstore.bundle+json;version=0.3',"
          "'config':" EMPTY_DESC("'e30='") ","
                                           "'layers':[" EMPTY_DESC("[7]") "],"
                                                                          "'subject':" IMAGE_DESC
                                                                          "}",
          MEDIA_OCI_MANIFEST);
    assert_int_equal(m.kind, MANIFEST_IMAGE);
    assert_sl(m.artifact_type, "application/vnd.dev.sigstore.bundle+json;version=0.3");
    assert_true(m.has_subject);
    assert_sl(m.subject.media_type, MEDIA_OCI_MANIFEST);
    assert_int_equal(m.subject.size, 7);
    assert_sl(m.config.media_type, "application/vnd.oci.empty.v1+json");

    parse(INDEX(",'subject':" DESC(MEDIA_OCI_INDEX, "") ",'artifactType':'a/b'"), MEDIA_OCI_INDEX);
    assert_true(m.has_subject);
    assert_sl(m.artifact_type, "a/b");
}

TEST(f04_what_is_small_is_taken)
{
    parse("{'schemaVersion':2," CONFIG ",'layers':[]}", MEDIA_OCI_MANIFEST);
    assert_int_equal(m.nchildren, 0);
    parse("{'schemaVersion':2," CONFIG ",'layers':null}", MEDIA_DOCKER_MANIFEST);
    assert_int_equal(m.nchildren, 0);
    parse("{'schemaVersion':2,'manifests':[]}", MEDIA_OCI_INDEX);
    assert_int_equal(m.nchildren, 0);
    parse("{" CONFIG ",'layers':[{'digest':'" SHA "','size':1}]}", MEDIA_OCI_MANIFEST);
    assert_int_equal(m.children[0].media_type.n, 0);
    parse(IMAGE(",'subject':null,'annotations':null,'artifactType':null,'mediaType':null,'x':[{}]"),
          MEDIA_OCI_MANIFEST);
    assert_false(m.has_subject);
    parse(IMAGE(",'data':1,'urls':2,'annotation':3"), MEDIA_OCI_MANIFEST);
    parse(WITH_DESC(DESC("a/b", ",'urls':[]")), MEDIA_OCI_MANIFEST);
    assert_false(m.children[0].has_urls);
}

TEST(the_type_is_the_documents_or_the_headers_or_told_by_the_members)
{
    static const struct {
        const char *document, *content_type;
        enum manifest_kind kind;
        const char *media_type;
    } rows[] = {
        {IMAGE(OF_TYPE(MEDIA_DOCKER_MANIFEST)), MEDIA_DOCKER_MANIFEST, MANIFEST_IMAGE,
         MEDIA_DOCKER_MANIFEST},
        {IMAGE(OF_TYPE(MEDIA_OCI_MANIFEST)), "", MANIFEST_IMAGE, MEDIA_OCI_MANIFEST},
        {IMAGE(OF_TYPE(MEDIA_DOCKER_MANIFEST)), "text/plain; charset=utf-8", MANIFEST_IMAGE,
         MEDIA_DOCKER_MANIFEST},
        {IMAGE(OF_TYPE(MEDIA_OCI_MANIFEST)), "application/octet-stream", MANIFEST_IMAGE,
         MEDIA_OCI_MANIFEST},
        {IMAGE(OF_TYPE(MEDIA_OCI_MANIFEST)), MEDIA_OCI_MANIFEST "; charset=utf-8", MANIFEST_IMAGE,
         MEDIA_OCI_MANIFEST},
        {IMAGE(OF_TYPE(MEDIA_OCI_MANIFEST)), "Application/vnd.OCI.image.manifest.v1+JSON",
         MANIFEST_IMAGE, MEDIA_OCI_MANIFEST},
        {IMAGE(""), MEDIA_DOCKER_MANIFEST, MANIFEST_IMAGE, MEDIA_DOCKER_MANIFEST},
        {IMAGE(""), "", MANIFEST_IMAGE, MEDIA_OCI_MANIFEST},
        {IMAGE(""), "application/json", MANIFEST_IMAGE, MEDIA_OCI_MANIFEST},
        {INDEX(""), "", MANIFEST_INDEX, MEDIA_OCI_INDEX},
        {INDEX(""), MEDIA_DOCKER_LIST, MANIFEST_INDEX, MEDIA_DOCKER_LIST},
        {INDEX(OF_TYPE(MEDIA_OCI_INDEX)), MEDIA_OCI_INDEX, MANIFEST_INDEX, MEDIA_OCI_INDEX},
        {"{'blobs':1}", "application/vnd.oci.artifact.manifest.v1+json", MANIFEST_OTHER,
         "application/vnd.oci.artifact.manifest.v1+json"},
        {"{'mediaType':'application/vnd.future+json','layers':'?','subject':1}", "", MANIFEST_OTHER,
         "application/vnd.future+json"},
        {"{'schemaVersion':1}", "application/vnd.future+json", MANIFEST_OTHER,
         "application/vnd.future+json"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        parse(rows[i].document, rows[i].content_type);
        assert_int_equal(m.kind, rows[i].kind);
        assert_sl(m.media_type, rows[i].media_type);
        if (m.kind == MANIFEST_OTHER)
            assert_true(m.nchildren == 0 && !m.has_subject && !m.has_config);
    }
}

TEST(annotations_are_the_text_as_it_came)
{
    static const struct {
        const char *member, *text;
    } rows[] = {
        {",'annotations':{}", "{}"},
        {",'annotations' :\n { 'a' : 'b}\\'c' } \n", "{ 'a' : 'b}\\'c' }"},
        {",'x':{'annotations':{'no':'no'},'y':['}',{}]},'annotations':{'a':'\\u00e9\\\\'}",
         "{'a':'\\u00e9\\\\'}"},
        {",'x':'annotations','y':'\\\\','annotations':{'annotations':'1'}", "{'annotations':'1'}"},
        {",'n':1e5 ,'t':true,'o':null\t,'annotations':{'a':'1'},'z':[[]]", "{'a':'1'}"},
        {",'annotations':null", ""},
        {",'x':{'annotations':{'no':'no'}}", ""},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char document[1024];

        (void)snprintf(document, sizeof(document), "%s%s}", "{'schemaVersion':2,'manifests':[]",
                       rows[i].member);
        parse(document, MEDIA_OCI_INDEX);
        assert_sl(m.annotations, rows[i].text);
    }
    refused(INDEX(",'annotations':[]"), "", "annotations is not an object");
    refused(INDEX(",'annotations':{'a':1}"), "", "annotations has a value that is not a string");
    refused(INDEX(",'annot\\u0061tions':{'a':'1'}"), "", "with escapes");
}

TEST(what_is_kept_outlives_the_bytes)
{
    struct sl bytes = quoted(IMAGE(OF_TYPE(MEDIA_OCI_MANIFEST) ",'annotations':{'a':'b'}"));
    char *copy = malloc(bytes.n);
    struct pg_err err = {0};

    assert_non_null(copy);
    memcpy(copy, bytes.p, bytes.n);
    assert_int_equal(manifest_parse((struct sl){copy, bytes.n}, SL(""), &arena, &m, &err), 0);
    free(copy);
    assert_sl(m.annotations, "{'a':'b'}"); /* the sanitizer is the other assert */
    assert_sl(m.media_type, MEDIA_OCI_MANIFEST);
    assert_sl(m.children[0].media_type, "application/vnd.oci.image.layer.v1.tar+gzip");
}

/* ---- what is refused ------------------------------------------------------------------------ */

TEST(f03_an_image_and_an_index_at_once)
{
    static const char *const types[] = {"",
                                        MEDIA_OCI_MANIFEST,
                                        MEDIA_OCI_INDEX,
                                        MEDIA_DOCKER_LIST,
                                        MEDIA_DOCKER_MANIFEST,
                                        "application/vnd.future+json"};

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        refused(IMAGE(",'manifests':[]"), types[i], "at once");
        refused(IMAGE(",'manifests':null"), types[i], "at once");
        refused(INDEX(",'layers':[]"), types[i], "at once");
        refused(INDEX("," CONFIG), types[i], "at once");
    }
}

TEST(f03_types_that_contradict_each_other)
{
    refused(IMAGE(OF_TYPE(MEDIA_OCI_MANIFEST)), MEDIA_OCI_INDEX, "but the Content-Type says");
    refused(IMAGE(OF_TYPE(MEDIA_OCI_MANIFEST)), MEDIA_DOCKER_MANIFEST, "but the Content-Type says");
    refused(IMAGE(OF_TYPE(MEDIA_OCI_MANIFEST)), "text/html", "but the Content-Type says");
    refused(IMAGE(OF_TYPE("application/vnd.future+json")), MEDIA_OCI_MANIFEST,
            "but the Content-Type says");
    refused(IMAGE(OF_TYPE(MEDIA_OCI_INDEX)), "", "its media type is that of an index");
    refused(IMAGE(""), MEDIA_OCI_INDEX, "its media type is that of an index");
    refused(IMAGE(""), MEDIA_DOCKER_LIST, "its media type is that of an index");
    refused(INDEX(OF_TYPE(MEDIA_DOCKER_MANIFEST)), "", "its media type is that of an image");
    refused(INDEX(""), MEDIA_OCI_MANIFEST, "its media type is that of an image");
}

TEST(f03_names_that_a_caseless_reader_takes_for_ours)
{
    refused(IMAGE(",'Manifests':[]"), "", "spelled almost like \"manifests\"");
    refused(IMAGE(",'LAYERS':[]"), "", "spelled almost like \"layers\"");
    refused(IMAGE(",'mediatype':'" MEDIA_OCI_INDEX "'"), "", "spelled almost like \"mediaType\"");
    refused(IMAGE(",'layer\xc5\xbf':[]"), "", "spelled almost like \"layers\"");
    refused(IMAGE(",'\xc5\xbfubject':1"), "", "spelled almost like \"subject\"");
    refused(IMAGE(",'FSLayers':[]"), "", "spelled almost like \"fsLayers\"");
    refused(WITH_DESC(DESC("a/b", ",'Digest':'x'")), "", "layers[0]: a member is spelled");
    refused(WITH_DESC(DESC("a/b", ",'\xc5\xbf"
                                  "ize':1")),
            "", "spelled almost like \"size\"");
    refused(WITH_DESC(DESC("a/b", ",'platform':{'OS':'x'}")), "", "spelled almost like \"os\"");
    parse(IMAGE(",'layer':[],'layerss':[],'\xc5\xbf':1"), "");
}

TEST(schema_1_is_refused_in_clear_words)
{
    refused("{'schemaVersion':1,'fsLayers':[]}", SCHEMA1, "schema 1");
    refused("{'schemaVersion':1,'fsLayers':[]}", "", "push the image again");
    refused("{'schemaVersion':1,'mediaType':'" SCHEMA1 "'}", "", "schema 1");
    refused("{'schemaVersion':1," CONFIG ",'layers':[]}", MEDIA_OCI_MANIFEST, "schema 1");
    refused(IMAGE(",'fsLayers':[]"), "", "schema 1");
    refused(IMAGE(""), SCHEMA1, "schema 1");
}

TEST(f02_what_is_not_one_strict_json_document)
{
    static const char *const rows[] = {
        "",
        " ",
        "{",
        "}",
        "x",
        "{}x",
        "{}{}",
        "{} []",
        "{'a':1,}",
        "{'a'}",
        "{,}",
        "{'a':1e999999999}",
        "{'a':NaN}",
        "{'a':Infinity}",
        "{'a':'\\ud800'}",
        "{'a':'\\u0000'}",
        "{'a':'\n'}",
        "{'a':'\xff'}",
        "{'a':'\xc0\xaf'}",
        "{'a':'\xed\xa0\x80'}",
        "{'a':01}",
        "{'a':+1}",
        "{'a':1 /* c */}",
        "{'a':tru}",
        "\xef\xbb\xbf{}",
        "{'layers':[],'layers':[]}",
        "{'mediaType':'a/b','mediaType':'a/b'}",
        "{'config':{'digest':1,'digest':1}}",
        "{'a\\u0062':1,'ab':1}",
        "{'a':{'x':1,'x':1}}",
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        refused(rows[i], "application/vnd.future+json", "manifest: ");
        refused(rows[i], "", "manifest: ");
    }
    refused(IMAGE("") "x", "", "manifest: ");
    refused(IMAGE("") IMAGE(""), "", "manifest: ");
    refused("\xef\xbb\xbf" IMAGE(""), "", "manifest: ");
    refused(IMAGE(",'layers':[]"), "", "manifest: ");
    refused_bytes(SL("{}\0"), "application/vnd.future+json", "manifest: ");
    refused_bytes(SL("{\"a\":\"\0\"}"), "application/vnd.future+json", "manifest: ");
    refused_bytes((struct sl){NULL, 0}, "", "manifest: ");
}

TEST(f02_wrong_types)
{
    static const struct {
        const char *document, *why;
    } rows[] = {
        {"[]", "not an object"},
        {"null", ""},
        {"1", ""},
        {"'x'", ""},
        {"{}", "neither a media type"},
        {"{'errors':[{'code':'DENIED'}]}", "neither a media type"},
        {"{'schemaVersion':2," CONFIG "}", "neither a media type"},
        {"{'schemaVersion':'2'," CONFIG ",'layers':[]}", "schemaVersion is not 2"},
        {"{'schemaVersion':2.0," CONFIG ",'layers':[]}", "schemaVersion is not 2"},
        {"{'schemaVersion':3," CONFIG ",'layers':[]}", "schemaVersion is not 2"},
        {"{'schemaVersion':null," CONFIG ",'layers':[]}", "schemaVersion is not 2"},
        {"{'schemaVersion':2," CONFIG ",'layers':{}}", "layers is absent or not an array"},
        {"{'schemaVersion':2," CONFIG ",'layers':''}", "layers is absent or not an array"},
        {"{'schemaVersion':2,'config':null,'layers':[]}", "config: not an object"},
        {"{'schemaVersion':2,'config':[],'layers':[]}", "config: not an object"},
        {"{'schemaVersion':2,'manifests':{}}", "manifests is absent or not an array"},
        {"{'schemaVersion':2,'manifests':[null]}", "manifests[0]: not an object"},
        {"{'schemaVersion':2,'manifests':['" SHA "']}", "manifests[0]: not an object"},
        {WITH_DESC(LAYER ",1"), "layers[1]: not an object"},
        {WITH_DESC("{'mediaType':1,'digest':'" SHA "','size':7}"), "mediaType is not a string"},
        {WITH_DESC(DESC("a\xc3\xa9/b", "")), "mediaType is not printable"},
        {WITH_DESC(DESC("a\\r\\nb", "")), "mediaType is not printable"},
        {WITH_DESC(DESC(A256, "")), "mediaType is longer than 255 bytes"},
        {WITH_DESC(DESC("a/b\x7f", "")), "mediaType is not printable"},
        {WITH_DESC(DESC("a/b", ",'urls':'x'")), "urls is not an array"},
        {WITH_DESC(DESC("a/b", ",'platform':'linux'")), "platform is not an object"},
        {WITH_DESC(DESC("a/b", ",'platform':{'os':1}")), "platform: os is not a string"},
        {IMAGE(",'artifactType':{}"), "artifactType is not a string"},
        {IMAGE(",'artifactType':'a\\nb'"), "artifactType is not printable"},
        {IMAGE(",'subject':'" SHA "'"), "subject: not an object"},
        {IMAGE(",'subject':{}"), "subject: digest is absent"},
        {IMAGE(",'mediaType':7"), "mediaType is not a string"},
        {IMAGE(OF_TYPE("a/b\\r\\nSet-Cookie: x")), "mediaType is not printable"},
        {IMAGE(OF_TYPE("image")), "mediaType is not a media type"},
        {IMAGE(OF_TYPE("a/b; c=d")), "mediaType is not a media type"},
        {IMAGE(OF_TYPE("a/b/c")), "mediaType is not a media type"},
        {IMAGE(OF_TYPE("/b")), "mediaType is not a media type"},
        {IMAGE(OF_TYPE("a/")), "mediaType is not a media type"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        refused(rows[i].document, "", rows[i].why);
    refused("{}", "a/" A256, "the Content-Type is not a media type");
    refused("{}", "a b", "the Content-Type is not a media type");
    refused("{}", "a/b\xc3\xa9", "the Content-Type is not a media type");
    refused("{'schemaVersion':2,'layers':[]}", MEDIA_OCI_MANIFEST, "config: not an object");
    refused("{'schemaVersion':2," CONFIG "}", MEDIA_OCI_MANIFEST, "layers is absent");
    refused("{'schemaVersion':2}", MEDIA_OCI_INDEX, "manifests is absent");
}

TEST(f02_sizes)
{
    static const char *const sizes[] = {
        WITH_SIZE("-1"),
        WITH_SIZE("-9223372036854775808"),
        WITH_SIZE("1.0"),
        WITH_SIZE("1e3"),
        WITH_SIZE("'7'"),
        WITH_SIZE("null"),
        WITH_SIZE("true"),
        WITH_SIZE("9007199254740992"),
        WITH_SIZE("9223372036854775807"),
        WITH_SIZE("9223372036854775808"),
        WITH_SIZE("18446744073709551616"),
        WITH_SIZE("1e400"),
        WITH_DESC("{'mediaType':'a/b','digest':'" SHA "'}"),
    };

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        refused(sizes[i], "", "manifest: ");
    parse(WITH_SIZE("9007199254740991"), "");
    assert_true(m.children[0].size == 9007199254740991U);
}

TEST(b03_digests)
{
#define WITH_DIGEST(digest) WITH_DESC("{'mediaType':'a/b','size':7,'digest':" digest "}")
    static const char *const digests[] = {
        WITH_DIGEST("''"),
        WITH_DIGEST("'sha256:'"),
        WITH_DIGEST("'" HEX64 "'"),
        WITH_DIGEST("'sha256:" HEX64 "0'"),
        WITH_DIGEST("'SHA256:" HEX64 "'"),
        WITH_DIGEST("'sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef'"),
        WITH_DIGEST("'sha512:" HEX64 "'"),
        WITH_DIGEST("'sha256:../../../../etc/passwd'"),
        WITH_DIGEST("'md5:d41d8cd98f00b204e9800998ecf8427e'"),
        WITH_DIGEST("null"),
        WITH_DIGEST("7"),
        WITH_DIGEST("['" SHA "']"),
        WITH_DESC("{'mediaType':'a/b','size':7}"),
    };

    for (size_t i = 0; i < sizeof(digests) / sizeof(digests[0]); i++)
        refused(digests[i], "", "layers[0]: digest");
}

/* ---- bounds --------------------------------------------------------------------------------- */

/* head, then n times part with commas between, then tail; ' for " */
static struct sl many(const char *head, const char *part, size_t nparts, const char *tail)
{
    char *text = malloc(strlen(head) + nparts * (strlen(part) + 1) + strlen(tail));
    size_t n;

    assert_non_null(text);
    n = put_quoted(text, head);
    for (size_t i = 0; i < nparts; i++) {
        if (i > 0)
            text[n++] = ',';
        n += put_quoted(text + n, part);
    }
    n += put_quoted(text + n, tail);
    return (struct sl){text, n};
}

static void refused_many(const char *head, const char *part, size_t n, const char *tail,
                         const char *why)
{
    struct sl doc = many(head, part, n, tail);

    refused_bytes(doc, "", why);
    free((void *)(uintptr_t)doc.p);
}

TEST(f02_children_are_counted)
{
    struct pg_err err = {0};
    struct sl doc =
        many("{'schemaVersion':2," CONFIG ",'layers':[", LAYER, MANIFEST_CHILDREN_MAX, "]}");

    assert_int_equal(manifest_parse(doc, SL(""), &arena, &m, &err), 0);
    free((void *)(uintptr_t)doc.p);
    assert_int_equal(m.nchildren, MANIFEST_CHILDREN_MAX);
    assert_false(arena.over);
    refused_many("{'schemaVersion':2," CONFIG ",'layers':[", LAYER, MANIFEST_CHILDREN_MAX + 1, "]}",
                 "more than 4096 entries");
}

TEST(f02_depth_members_and_bytes_are_bounded)
{
    struct sl big =
        many("{'a':'", "                                ", MANIFEST_BYTES_MAX / 32, "'}");

    refused_bytes(big, "", "larger than");
    free((void *)(uintptr_t)big.p);
    refused_many("{'a':", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", 1, "", "manifest: ");
    refused_many("{'a':[", "1", 1000000, "]}", "manifest: ");
    refused_many("{'a':[", "{}", 1000000, "]}", "manifest: ");
}

TEST(f02_a_hundred_thousand_brackets_cost_no_stack)
{
    size_t n = 100000;
    char *text = malloc(2 * n);

    assert_non_null(text);
    memset(text, '[', n);
    memset(text + n, ']', n);
    refused_bytes((struct sl){text, 2 * n}, "", "manifest: ");
    memset(text, '{', n);
    refused_bytes((struct sl){text, n}, "", "manifest: ");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(an_image_points_at_its_config_and_its_layers),
        RUN(an_index_points_at_its_manifests_with_the_platforms_they_claim),
        RUN(an_artifact_has_a_subject_a_type_and_an_empty_config),
        RUN(f04_what_is_small_is_taken),
        RUN(the_type_is_the_documents_or_the_headers_or_told_by_the_members),
        RUN(annotations_are_the_text_as_it_came),
        RUN(what_is_kept_outlives_the_bytes),
        RUN(f03_an_image_and_an_index_at_once),
        RUN(f03_types_that_contradict_each_other),
        RUN(f03_names_that_a_caseless_reader_takes_for_ours),
        RUN(schema_1_is_refused_in_clear_words),
        RUN(f02_what_is_not_one_strict_json_document),
        RUN(f02_wrong_types),
        RUN(f02_sizes),
        RUN(b03_digests),
        RUN(f02_children_are_counted),
        RUN(f02_depth_members_and_bytes_are_bounded),
        RUN(f02_a_hundred_thousand_brackets_cost_no_stack),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
