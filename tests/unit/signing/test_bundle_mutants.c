/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Good bundles with one thing about them changed: a member that is gone or of another type, a byte
 * that is another. None is accepted, but where what was changed is nothing that counts.
 */
#include "harness/test.h"

#include <openssl/evp.h>

#include "base/json.h"
#include "harness/bundle_case.h"

#define FOLDER PG_SOURCE "/tests/fixtures/signing/keyless/bundle-verify"

/* One good case. */
struct good {
    struct sl bundle, artifact;
    struct trust *trust;
    bool pss;
    struct verify_fact fact; /* counts and kinds alone */
};

static struct pg_arena arena;
static char text[BUNDLE_CASE_TEXT];

static const char *verify(const struct good *g, struct sl bundle, struct verify_fact *f_r)
{
    const char *said = bundle_case_verify(bundle, g->artifact, g->trust, g->pss, &arena, f_r, text);

    if (strcmp(said, "ok") == 0) {
        json_decref(f_r->annotations);
        f_r->annotations = NULL;
    }
    return said;
}

static void load(const char *folder, struct good *g_r)
{
    struct sl root = bundle_case_file(folder, "trusted_root.json", NULL);
    struct sl key = bundle_case_file(folder, "key.pub", NULL);

    *g_r = (struct good){.bundle = bundle_case_file(folder, "bundle.sigstore.json", NULL),
                         .artifact = bundle_case_file(folder, "artifact", NULL),
                         .trust = bundle_case_trust(root, key, text),
                         .pss = strstr(folder, "rsapss") != NULL};
    assert_non_null(g_r->trust);
    free((char *)(uintptr_t)root.p);
    free((char *)(uintptr_t)key.p);
    pg_arena_init(&arena, VERIFY_ARENA_BYTES);
}

static void unload(struct good *g)
{
    trust_unref(g->trust);
    free((char *)(uintptr_t)g->bundle.p);
    free((char *)(uintptr_t)g->artifact.p);
    pg_arena_free(&arena);
}

/* Nothing is better than it was, and it is signed by the same. */
static bool is_no_better(const struct verify_fact *f, const struct verify_fact *than)
{
    return f->signed_at_s <= than->signed_at_s && f->nlogs <= than->nlogs &&
           f->nscts <= than->nscts && f->nstamps <= than->nstamps && f->kind == than->kind &&
           f->signer == than->signer && sl_eq(f->key_id, than->key_id) &&
           sl_eq(f->identity.subject, than->identity.subject) &&
           sl_eq(f->statement, than->statement);
}

/* What a bundle may lack or say otherwise: hints; whole proofs, when it is counted as less. */
static bool may_change(const char *name)
{
    static const char *const names[] = {"hint",
                                        "publicKey",
                                        "keyid",
                                        "messageDigest",
                                        "tlogEntries",
                                        "integratedTime",
                                        "timestampVerificationData",
                                        "rfc3161Timestamps",
                                        "inclusionPromise",
                                        "algorithm"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static void try_tree(const struct good *g, const json_t *root, const char *name, const char *how)
{
    char *bytes = json_dumps(root, JSON_COMPACT | JSON_ENCODE_ANY);
    struct verify_fact f = {0};

    assert_non_null(bytes);
    if (strcmp(verify(g, sl_str(bytes), &f), "ok") == 0 &&
        (!may_change(name) || !is_no_better(&f, &g->fact)))
        fail_msg("accepted with %s %s", name, how);
    free(bytes);
}

/* A tree as deep as a bundle is. NOLINTBEGIN(misc-no-recursion) */
static void mutate(const struct good *g, const json_t *root, json_t *at);

/* The member or element is replaced by each of some values, then put back. */
static void replace_value(const struct good *g, const json_t *root, json_t *in, const char *key,
                          size_t index)
{
    json_t *was = json_incref(key != NULL ? json_object_get(in, key) : json_array_get(in, index));
    json_t *others[] = {json_null(),     json_true(),  json_integer(1), json_string("AAAA"),
                        json_string(""), json_array(), json_object()};

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (!json_equal(others[i], was)) {
            if (key != NULL)
                json_object_set(in, key, others[i]);
            else
                json_array_set(in, index, others[i]);
            try_tree(g, root, key != NULL ? key : "element", "changed");
        }
        json_decref(others[i]);
    }
    if (key != NULL)
        json_object_set_new(in, key, was);
    else
        json_array_set_new(in, index, was);
}

static void mutate_object(const struct good *g, const json_t *root, json_t *at)
{
    const char *key;
    json_t *copy = json_copy(at), *value;

    json_object_set_new(at, "more", json_true());
    try_tree(g, root, "more", "added");
    json_object_del(at, "more");
    json_object_foreach(copy, key, value)
    {
        json_object_del(at, key);
        try_tree(g, root, key, "gone");
        json_object_set(at, key, value);
        replace_value(g, root, at, key, 0);
        mutate(g, root, value);
    }
    json_decref(copy);
}

/* Removing an entry or a timestamp is told by the name of the list, so lists of one are emptied. */
static void mutate(const struct good *g, const json_t *root, json_t *at)
{
    if (json_is_object(at))
        mutate_object(g, root, at);
    for (size_t i = 0; json_is_array(at) && i < json_array_size(at); i++) {
        replace_value(g, root, at, NULL, i);
        mutate(g, root, json_array_get(at, i));
    }
}

/* NOLINTEND(misc-no-recursion) */

static void mutate_all_of(const char *name)
{
    struct pg_err err = {0};
    char folder[512];
    json_t *root;
    struct good g;

    (void)snprintf(folder, sizeof(folder), FOLDER "/%s", name);
    load(folder, &g);
    if (strcmp(verify(&g, g.bundle, &g.fact), "ok") == 0) {
        assert_int_equal(pg_json_parse(g.bundle, PG_E_DENIED, &root, &err), 0);
        mutate(&g, root, root);
        json_decref(root);
    } else {
        print_message("%s is not accepted here: %s\n", name, text);
    }
    unload(&g);
}

static const char *const names[] = {
    "ok-key-ed25519-nolog",  "ok-key-rekor1",     "ok-key-rekor2",         "ok-msg-rekor1",
    "ok-msg-rekor1-setonly", "ok-msg-rekor1-tsa", "ok-msg-rekor2",         "ok-msg-tsa-only",
    "ok-dsse-rekor1",        "ok-dsse-rekor2",    "ok-dsse-rekor1-intoto", "ok-dsse-multi-subject"};
#define NNAMES (sizeof(names) / sizeof(names[0]))

TEST(no_member_can_be_missing_added_or_of_another_type)
{
    for (size_t i = 0; i < NNAMES; i++)
        mutate_all_of(names[i]);
}

static json_t *tree_of(const char *name)
{
    char folder[512];
    struct sl bytes;
    json_t *root;

    (void)snprintf(folder, sizeof(folder), FOLDER "/%s", name);
    bytes = bundle_case_file(folder, "bundle.sigstore.json", NULL);
    root = json_loadb(bytes.p, bytes.n, 0, NULL);
    assert_non_null(root);
    free((char *)(uintptr_t)bytes.p);
    return root;
}

/* The part of the other bundle takes the place of this one's, if both have it and it differs. */
static void mix(const struct good *g, json_t *root, const json_t *other, const char *part)
{
    bool is_material = json_object_get(root, part) == NULL;
    json_t *in = is_material ? json_object_get(root, "verificationMaterial") : root;
    json_t *from =
        json_object_get(is_material ? json_object_get(other, "verificationMaterial") : other, part);
    json_t *was = json_incref(json_object_get(in, part));

    if (was != NULL && from != NULL && !json_equal(was, from)) {
        json_object_set(in, part, from);
        try_tree(g, root, part, "of another");
        json_object_set(in, part, was);
    }
    json_decref(was);
}

/* All are about one image, and good. */
TEST(parts_of_two_good_bundles_do_not_make_one)
{
    static const char *const parts[] = {"certificate",  "publicKey",
                                        "tlogEntries",  "messageSignature",
                                        "dsseEnvelope", "timestampVerificationData"};

    for (size_t i = 0; i < NNAMES; i++) {
        json_t *root = tree_of(names[i]);
        char folder[512];
        struct good g;

        (void)snprintf(folder, sizeof(folder), FOLDER "/%s", names[i]);
        load(folder, &g);
        assert_string_equal(verify(&g, g.bundle, &g.fact), "ok");
        for (size_t k = 0; k < NNAMES; k++) {
            json_t *other = tree_of(names[k]);

            for (size_t p = 0; p < sizeof(parts) / sizeof(parts[0]); p++)
                mix(&g, root, other, parts[p]);
            json_decref(other);
        }
        json_decref(root);
        unload(&g);
    }
}

static bool is_within(struct sl bundle, struct sl opening, size_t at)
{
    const char *start = memmem(bundle.p, bundle.n, opening.p, opening.n);
    const char *end = start != NULL ? strchr(start + opening.n, '"') : NULL;

    return start != NULL && bundle.p + at >= start + opening.n && bundle.p + at < end;
}

/* A hint, or what a timestamp's container has that is not signed and says nothing: its version. */
static bool may_flip(struct sl bundle, size_t at)
{
    return is_within(bundle, SL("\"hint\": \""), at) ||
           is_within(bundle, SL("\"signedTimestamp\": \""), at);
}

static void flip_bytes_of(const char *name, size_t step)
{
    static const char flips[] = {0x01, 0x20, 0x02, 0x40};
    struct verify_fact f;
    char folder[512], *bytes;
    struct good g;

    (void)snprintf(folder, sizeof(folder), FOLDER "/%s", name);
    load(folder, &g);
    assert_string_equal(verify(&g, g.bundle, &g.fact), "ok");
    bytes = (char *)(uintptr_t)g.bundle.p;
    for (size_t i = 0; i < g.bundle.n; i += step) {
        char flip = flips[i % sizeof(flips)];

        bytes[i] = (char)(bytes[i] ^ flip);
        if (strcmp(verify(&g, g.bundle, &f), "ok") == 0 &&
            (!may_flip(g.bundle, i) || !is_no_better(&f, &g.fact)))
            fail_msg("%s: accepted with byte %zu xor %#x", name, i, (unsigned)flip);
        bytes[i] = (char)(bytes[i] ^ flip);
        if (i % 256 == 0) {
            pg_arena_free(&arena);
            pg_arena_init(&arena, VERIFY_ARENA_BYTES);
            (void)verify(&g, g.bundle, &g.fact);
        }
    }
    unload(&g);
}

TEST(no_byte_can_be_another)
{
    flip_bytes_of("ok-key-ed25519-nolog", 1);
    flip_bytes_of("ok-key-rekor1", 1);
    flip_bytes_of("ok-key-rekor2", 5);
    flip_bytes_of("ok-msg-tsa-only", 11);
    flip_bytes_of("ok-msg-rekor1", 5);
    flip_bytes_of("ok-dsse-rekor2", 23);
}

TEST(nothing_can_be_cut_off)
{
    struct verify_fact f;
    struct good g;

    load(FOLDER "/ok-key-rekor1", &g);
    for (size_t n = 0; n < g.bundle.n; n++) {
        struct sl cut = {g.bundle.p, n};

        if (strcmp(verify(&g, cut, &f), "ok") == 0)
            fail_msg("accepted with %zu bytes", n);
    }
    unload(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(no_member_can_be_missing_added_or_of_another_type),
        RUN(parts_of_two_good_bundles_do_not_make_one),
        RUN(no_byte_can_be_another),
        RUN(nothing_can_be_cut_off),
    };

    pg_hash_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
