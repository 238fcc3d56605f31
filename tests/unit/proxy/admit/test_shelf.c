/* SPDX-License-Identifier: Apache-2.0 */
/* Hints of the shelf: the last that came to a place are there, whatever came to other places. */
#include "harness/test.h"

#include "base/hash.h"
#include "proxy/admit/shelf.h"

#define REPOSITORY SL("docker.io/library/app")

static struct digest digest_with(uint8_t n)
{
    struct digest d = {.alg = PG_SHA256};

    d.bytes[0] = n;
    return d;
}

/* A manifest that names this; its dossier is not kept. */
static void note(struct shelf *s, uint8_t manifest, uint8_t blob)
{
    struct digest named = digest_with(blob);
    struct dossier d = {.repository = REPOSITORY,
                        .subject = digest_with(manifest),
                        .state = FACTS_FAILED,
                        .names = &named,
                        .nnames = 1};

    shelf_put(s, &d);
}

static bool is_witness(struct shelf *s, uint8_t manifest, uint8_t blob)
{
    struct digest named = digest_with(blob), is = digest_with(manifest), by;
    bool found = false;

    for (size_t i = 0; !found && shelf_witness(s, REPOSITORY, &named, i, &by); i++)
        found = digest_eq(&by, &is);
    return found;
}

TEST(who_named_a_blob_lately_is_not_lost_to_other_blobs)
{
    struct shelf *s = shelf_new(SHELF_HINTS);

    for (uint8_t i = 1; i <= 4; i++) {
        note(s, i, 200);
        note(s, (uint8_t)(i + 100), 201);
    }
    for (uint8_t i = 1; i <= 4; i++)
        assert_true(is_witness(s, i, 200));
    note(s, 5, 200);
    assert_false(is_witness(s, 1, 200)); /* the oldest */
    for (uint8_t i = 2; i <= 5; i++)
        assert_true(is_witness(s, i, 200));
    shelf_free(s);
}

TEST(who_was_admitted_is_told_first_however_many_others_name_it)
{
    struct shelf *s = shelf_new(SHELF_HINTS);
    struct digest named = digest_with(200), is = digest_with(1), by;
    struct dossier d = {.repository = REPOSITORY, .subject = is, .names = &named, .nnames = 1};

    note(s, 1, 200);
    shelf_note_admitted(s, &d);
    for (uint8_t i = 2; i < 100; i++)
        note(s, i, 200);
    assert_true(shelf_witness(s, REPOSITORY, &named, 0, &by));
    assert_true(digest_eq(&by, &is));
    shelf_free(s);
}

TEST(a_tag_that_was_asked_for_lately_is_not_lost_to_other_tags)
{
    struct shelf *s = shelf_new(SHELF_HINTS);
    struct digest one = digest_with(1), other = digest_with(2);
    const char *tags[] = {"v1", "v2", "v3", "v4"};
    char text[129];
    size_t n = 0;

    for (size_t i = 0; i < 4; i++) {
        shelf_note_tag(s, REPOSITORY, &one, sl_str(tags[i]));
        shelf_note_tag(s, REPOSITORY, &other, sl_str(tags[i]));
    }
    while (shelf_tag(s, REPOSITORY, &one, n, text))
        n++;
    assert_int_equal(n, 4);
    shelf_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(who_named_a_blob_lately_is_not_lost_to_other_blobs),
        RUN(who_was_admitted_is_told_first_however_many_others_name_it),
        RUN(a_tag_that_was_asked_for_lately_is_not_lost_to_other_tags),
    };

    pg_hash_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
