/* SPDX-License-Identifier: Apache-2.0 */
/* Who refers to a manifest, by the bytes of those who do. */
#include "unit/cache/shelf.h"

#include "cache/land.h"
#include "cache/subject.h"
#include "cache/work.h"

#define IMAGE "application/vnd.oci.image.manifest.v1+json"

static struct shelf sh;

static int open_shelf(void **state)
{
    (void)state;
    shelf_begin(&sh);
    shelf_open(&sh);
    return 0;
}

static int close_shelf(void **state)
{
    (void)state;
    shelf_end(&sh);
    return 0;
}

static struct digest land_text(const char *text, const char *type)
{
    struct sl bytes = {text, strlen(text)};
    struct land_manifest m = {.repo = SL("r"), .now_s = 1};
    struct pg_err err = {0};
    struct manifest parsed;
    struct pg_arena arena;

    pg_arena_init(&arena, MANIFEST_ARENA_BYTES);
    assert_int_equal(manifest_parse(bytes, (struct sl){type, strlen(type)}, &arena, &parsed, &err),
                     0);
    m.digest = m.sha256 = digest_of(PG_SHA256, bytes);
    m.bytes = pg_bytes_new(bytes);
    m.parsed = &parsed;
    land_manifest(sh.store, &m);
    pg_bytes_unref(m.bytes);
    pg_arena_free(&arena);
    work_wait(sh.store->work);
    return m.digest;
}

/* An image whose layers are many and whose subject is d; NULL: it has none. */
static struct digest land_image(unsigned number, const struct digest *subject, const char *type)
{
    char text[2048], digest[DIGEST_TEXT_MAX], member[400] = "";

    if (subject != NULL)
        (void)snprintf(member, sizeof(member),
                       ",\"subject\":{\"mediaType\":\"" IMAGE "\",\"digest\":\"%s\",\"size\":1}",
                       digest_write(subject, digest).p);
    (void)snprintf(text, sizeof(text),
                   "{\"schemaVersion\":2,\"mediaType\":\"%s\",\"config\":{\"mediaType\":\"c\","
                   "\"digest\":\"sha256:%064x\",\"size\":1},\"layers\":[{\"mediaType\":\"l\","
                   "\"digest\":\"sha256:%064x\",\"size\":1}]%s}",
                   type, number, number + 1000, member);
    return land_text(text, type);
}

static unsigned count(const struct digest *subject, const struct digest *wanted)
{
    struct digest d, *after = NULL;
    struct pg_err err = {0};
    unsigned n = 0, seen = 0;
    int found;

    while ((found = subject_next_referrer(sh.store, subject, after, &d, &err)) > 0) {
        after = &d;
        n++;
        seen += digest_eq(&d, wanted);
    }
    assert_int_equal(found, 0);
    assert_int_equal(seen, n > 0 ? 1 : 0);
    return n;
}

static int is_another(const struct digest *subject, const struct digest *d)
{
    struct pg_err err = {0};

    return subject_is_another(sh.store, subject, d, &err);
}

TEST(referrers_are_found_by_their_subject_alone)
{
    struct digest image = land_image(1, NULL, IMAGE), other = land_image(2, NULL, IMAGE);
    struct digest a, b, c, blob = digest_of(PG_SHA256, SL("not here"));

    assert_int_equal(count(&image, &image), 0);
    a = land_image(3, &image, IMAGE);
    b = land_image(4, &image, IMAGE);
    c = land_image(5, &other, IMAGE);
    assert_int_equal(count(&image, &a), 2);
    assert_int_equal(count(&image, &b), 2);
    assert_int_equal(count(&other, &c), 1);
    assert_int_equal(count(&a, &a), 0); /* nor is what it names with a layer or a config */
    assert_int_equal(count(&blob, &blob), 0);
}

TEST(what_has_another_subject_is_told_from_what_is_not_known)
{
    struct digest image = land_image(1, NULL, IMAGE), not_here = digest_of(PG_SHA256, SL("x"));
    struct digest signature = land_image(2, &image, IMAGE);
    struct digest odd = land_image(3, NULL, "application/vnd.odd.manifest+json");

    assert_int_equal(is_another(&image, &signature), 0);
    assert_int_equal(is_another(&signature, &signature), 1);
    assert_int_equal(is_another(&signature, &image), 1); /* it has none */
    assert_int_equal(is_another(&image, &not_here), 0);
    assert_int_equal(is_another(&image, &odd), 0); /* what it says is not read */
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, open_shelf, close_shelf)
    const struct CMUnitTest tests[] = {
        CASE(referrers_are_found_by_their_subject_alone),
        CASE(what_has_another_subject_is_told_from_what_is_not_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
