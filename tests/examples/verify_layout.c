/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The room signing/, used alone: is an image of an OCI layout signed by this key? Only signing, oci
 * and base are linked, with OpenSSL's libcrypto, jansson and xxHash.
 *
 *     verify_layout DIR TAG KEY.pub       says what it found; exit 0: signed, 1: not
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/json.h"
#include "signing/evidence.h"

static struct pg_bytes *load(const char *dir, const char *name)
{
    char path[1024], bytes[65536];
    size_t n = 0;
    FILE *f;

    (void)snprintf(path, sizeof(path), "%s%s%s", dir, dir[0] != '\0' ? "/" : "", name);
    f = fopen(path, "rb");
    if (f != NULL) {
        n = fread(bytes, 1, sizeof(bytes), f);
        (void)fclose(f);
    }
    return f != NULL ? pg_bytes_new((struct sl){bytes, n}) : NULL;
}

/* The blob, if its bytes are what its name says. */
static struct pg_bytes *load_blob(const char *dir, const struct digest *d)
{
    char text[DIGEST_TEXT_MAX], name[DIGEST_TEXT_MAX + 16];
    struct pg_bytes *bytes;
    struct digest is;

    (void)snprintf(name, sizeof(name), "blobs/sha256/%s", digest_write(d, text).p + 7);
    bytes = load(dir, name);
    if (bytes == NULL)
        return NULL;
    is = digest_of(PG_SHA256, pg_bytes_sl(bytes));
    if (digest_eq(&is, d))
        return bytes;
    pg_bytes_unref(bytes);
    return NULL;
}

static bool find_tag(const json_t *index, const char *tag, struct digest *d_r)
{
    struct pg_err err = {0};
    const json_t *m;
    size_t i;

    json_array_foreach(json_object_get(index, "manifests"), i, m)
    {
        struct sl name =
            pg_json_str(json_object_get(m, "annotations"), "org.opencontainers.image.ref.name");

        if (name.p != NULL && sl_eq(name, sl_str(tag)))
            return digest_parse(pg_json_str(m, "digest"), d_r, &err) == 0;
    }
    return false;
}

/* Fetches all that there is about the subject; a layout has no list of referrers. */
static void gather(struct evidence *e, const char *dir, const json_t *index)
{
    struct evidence_step step;

    while (evidence_next(e, &step)) {
        struct evidence_answer a = {.outcome = EVIDENCE_ABSENT, .media_type = SL("")};

        if (step.what != EVIDENCE_REFERRERS &&
            (step.what != EVIDENCE_TAG || find_tag(index, step.tag, &step.digest)))
            a.bytes = load_blob(dir, &step.digest);
        if (a.bytes != NULL)
            a.outcome = EVIDENCE_FOUND;
        evidence_put(e, step.id, &a);
        pg_bytes_unref(a.bytes);
    }
}

static bool is_signed(const struct evidence *e, const struct verify_subject *subject,
                      const struct trust *trust)
{
    struct verify_options options = {.now_s = time(NULL)};
    bool found = false;

    for (size_t i = 0; i < evidence_count(e); i++) {
        const struct evidence_item *item = evidence_at(e, i);
        struct verify_question q = {subject, &item->evidence, trust, &options};
        struct verify_refusal no = {0};
        struct verify_fact fact;
        struct pg_arena arena;

        pg_arena_init(&arena, VERIFY_ARENA_BYTES);
        if (item->refusal.reason != VERIFY_NONE) {
            printf("%s: %s\n", item->where, item->refusal.err.msg);
        } else if (verify_evidence(&q, &arena, &fact, &no) == 0) {
            printf("%s: %s\n", item->where, no.err.msg);
        } else {
            found = found || fact.kind == VERIFY_IS_SIGNATURE;
            printf("%s: signed by " SL_FMT "\n", item->where, SL_ARG(fact.key_id));
            json_decref(fact.annotations);
        }
        pg_err_clear(&no.err);
        pg_arena_free(&arena);
    }
    return found;
}

static bool verify(const char *dir, const char *tag, const struct trust *trust)
{
    struct evidence_wants wants = {.simple = true, .bundle = true};
    struct pg_bytes *text = load(dir, "index.json"), *manifest = NULL;
    struct verify_subject subject = {.media_type = SL("")};
    struct evidence *e = NULL;
    struct pg_err err = {0};
    json_t *index = NULL;
    bool is = false;

    if (text != NULL && pg_json_parse(pg_bytes_sl(text), PG_E_DENIED, &index, &err) == 0 &&
        find_tag(index, tag, &subject.digest))
        manifest = load_blob(dir, &subject.digest);
    if (manifest != NULL) {
        subject.manifest = pg_bytes_sl(manifest);
        e = evidence_new(&subject.digest, &wants);
        gather(e, dir, index);
        is = is_signed(e, &subject, trust);
    } else {
        printf("there is no %s in %s\n", tag, dir);
    }
    evidence_free(e);
    pg_bytes_unref(manifest);
    pg_bytes_unref(text);
    json_decref(index);
    pg_err_clear(&err);
    return is;
}

int main(int argc, char **argv)
{
    struct pg_bytes *pem = argc == 4 ? load("", argv[3]) : NULL;
    char id[TRUST_ID_DIGITS + 1];
    struct pg_err err = {0};
    struct trust *trust;
    bool is = false;

    if (pem == NULL) {
        (void)fprintf(stderr, "usage: verify_layout DIR TAG KEY.pub\n");
        return 2;
    }
    trust = trust_new();
    if (trust_add_key(trust, argv[3], pg_bytes_sl(pem), TRUST_ALWAYS, id, &err) == 0)
        is = verify(argv[1], argv[2], trust);
    else
        printf("%s\n", err.msg);
    pg_err_clear(&err);
    pg_bytes_unref(pem);
    trust_unref(trust);
    return is ? 0 : 1;
}
