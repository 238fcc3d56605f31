/* SPDX-License-Identifier: Apache-2.0 */
/* All images that have it are found, page by page, and none that nobody has looked at is told
 * clean. */
#include "unit/cache/shelf.h"

#include "base/clock.h"
#include "cache/roster.h"
#include "proxy/admit/affected.h"
#include "proxy/admit/packages.h"

#define IMAGES 150

static struct shelf sh;
static struct pg_err err;
static struct pg_arena arena;

/* ---- a store of images --------------------------------------------------------------------- */

struct world {
    struct writer_op op;
    struct sl result; /* of the images that are not skipped */
    unsigned from, n, each, nevents;
};

static struct digest image_of(unsigned i)
{
    return digest_of(PG_SHA256, (struct sl){(const char *)&i, sizeof(i)});
}

static int put_one(struct index_txn *txn, const struct world *w, unsigned i, struct pg_err *e)
{
    static const char layers[] =
        "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"application/"
        "vnd.oci.image.config.v1+json\",\"size\":2,\"digest\":"
        "\"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\"},"
        "\"layers\":[{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\",\"size\":2,"
        "\"digest\":\"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\"}]}";
    struct digest d = image_of(i);
    const struct index_manifest m = {
        MANIFEST_IMAGE, d, SL("application/vnd.oci.image.manifest.v1+json"), sl_str(layers)};
    const struct index_link l = {.kind = INDEX_LINK_MANIFEST, .first_seen_s = 7, .landed = true};
    const struct index_memo memo = {INT64_MAX, w->result};

    if (index_put_manifest(txn, &d, &m, e) < 0 ||
        index_put_link(txn, SL("docker.io/team/app"), &d, &l, e) < 0)
        return -1;
    return i % w->each == 0 ? index_put_memo(txn, &d, SL("scan:trivy"), &memo, e) : 0;
}

static int put_world(struct writer_op *op, struct index_txn *txn, struct pg_err *e)
{
    const struct world *w = pg_container_of(op, struct world, op);

    for (unsigned i = w->from; i < w->from + w->n; i++)
        if (put_one(txn, w, i, e) < 0)
            return -1;
    for (unsigned i = 0; i < w->nevents; i++) {
        const struct index_event event = {.when_s = i,
                                          .caller = SL("10.0.0.1"),
                                          .repo = SL("docker.io/team/app"),
                                          .reference = SL("v1"),
                                          .digest = image_of(w->from + i % w->n)};

        if (index_put_event(txn, &event, e) < 0)
            return -1;
    }
    return 0;
}

static void put(struct world w)
{
    w.op = (struct writer_op){.apply = put_world};
    assert_int_equal(writer_do(sh.store->writer, &w.op, &err), 0);
}

/* The bytes of a result with n findings; the last of them is CVE-1 in zlib. */
static struct sl result_of(size_t n)
{
    struct report_finding *all = pg_alloc(&arena, n * sizeof(*all));
    struct digest d = digest_of(PG_SHA256, SL("the pattern"));
    struct report r = {.scanner = {SL("trivy"), SL("0.60"), SL("2"), 1000}, .npackages = 80};
    const struct result_news news = {.report = &r, .now_s = 10};
    struct scanned_row row;
    char *id;

    for (size_t i = 0; i < n; i++) {
        id = pg_alloc(&arena, 24);
        (void)snprintf(id, 24, "CVE-2024-%zu", 10000 + i);
        all[i] = (struct report_finding){.id = sl_str(id),
                                         .package = SL("libsomething-dev"),
                                         .version = SL("1:2.3.4-5+deb12u3"),
                                         .purl = SL("pkg:deb/debian/libsomething-dev@1%3A2.3.4-5"
                                                    "%2Bdeb12u3?arch=amd64&distro=debian-12.5"),
                                         .severity = SEVERITY_HIGH};
    }
    all[n - 1].id = SL("CVE-1");
    all[n - 1].package = SL("zlib");
    r.findings = all;
    r.nfindings = n;
    assert_int_equal(result_put(sh.store, &d, SL("trivy"), &news, &err), 0);
    _index_view_ struct index_view v = index_view_begin(sh.store->index);
    assert_int_equal(scanned_next(&v, &d, (struct sl){NULL, 0}, &row, &err), 1);
    return pg_copy(&arena, row.bytes);
}

static int set_up(void **state)
{
    (void)state;
    pg_arena_init(&arena, (size_t)1 << 30);
    shelf_begin(&sh);
    shelf_open(&sh);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pg_err_clear(&err);
    shelf_end(&sh);
    pg_arena_free(&arena);
    return 0;
}

static struct affected_page find(const char *name, const struct digest *after, size_t nmax)
{
    const struct affected_span span = {.after = after, .nmax = nmax};
    struct affected_question q;
    struct affected_page page;

    assert_int_equal(affected_parse(sl_str(name), &arena, &q, &err), 0);
    assert_int_equal(affected_find(sh.store, &q, &span, &arena, &page, &err), 0);
    return page;
}

/* ---- */

TEST(pages_together_have_each_image_once)
{
    struct affected_counts sum = {0};
    struct digest after;
    size_t n = 0;
    struct affected_page page = {.is_full = true};

    put((struct world){.result = result_of(3), .n = IMAGES, .each = 2});
    while (page.is_full) {
        page = find("cve-1", n > 0 ? &after : NULL, 7);
        assert_true(page.n <= 7);
        for (const struct affected_image *i = page.first; i != NULL; i = i->next) {
            assert_true(n == 0 || memcmp(after.bytes, i->digest.bytes, 32) < 0);
            after = i->digest;
            n++;
        }
        after = page.end;
        sum.scanned += page.counts.scanned;
        sum.unscanned += page.counts.unscanned;
    }
    assert_int_equal(n, IMAGES / 2);
    assert_int_equal(sum.scanned, IMAGES / 2);
    assert_int_equal(sum.unscanned, IMAGES / 2);
}

TEST(what_cannot_be_read_was_not_looked_at)
{
    struct sl bytes = result_of(3);
    struct affected_page page;

    put((struct world){.result = {bytes.p, bytes.n - 1}, .n = 1, .each = 1});
    page = find("CVE-1", NULL, 10);
    assert_true(page.n == 0 && page.counts.scanned == 0 && page.counts.unscanned == 1);
}

TEST(what_is_not_listed_may_be_it)
{
    struct sl bytes = result_of(9000); /* more than are kept, all of the same severity */
    struct affected_page page;

    put((struct world){.result = bytes, .n = 1, .each = 1});
    page = find("CVE-0", NULL, 10);
    assert_true(page.n == 0 && page.counts.scanned == 1 && page.counts.cut == 1);
    page = find("libsomething-dev", NULL, 10);
    assert_true(page.n == 1 && page.counts.cut == 0);
    assert_int_equal(page.first->nhits, AFFECTED_HITS_MAX);
    assert_true(page.first->nall > AFFECTED_HITS_MAX);
}

struct seen {
    size_t n;
    struct sl last;
};

static void see(void *arg, const struct sbom_package *p)
{
    struct seen *seen = arg;

    seen->n++;
    seen->last = p->name;
}

TEST(packages_are_kept_beside_the_result_and_cut_where_they_do_not_fit)
{
    size_t n = 10000;
    struct sbom_package *all = pg_alloc(&arena, n * sizeof(*all));
    struct digest d = image_of(0);
    struct seen seen = {0};
    struct affected_page page;
    struct sl bytes;
    bool is_cut = true;

    put((struct world){.result = result_of(1), .n = 1, .each = 1});
    for (size_t i = 0; i < n; i++)
        all[i] = (struct sbom_package){.name = SL("xz-utils"),
                                       .version = SL("5.6.0-0.2"),
                                       .purl = SL("pkg:deb/debian/xz-utils@5.6.0-0.2?arch=amd64")};
    assert_int_equal(
        packages_put(sh.store, &d, SL("trivy"), &(struct packages_seen){all, 2, false}, &err), 0);
    page = find("pkg:deb/debian/xz-utils", NULL, 10);
    assert_true(page.n == 1 && page.counts.cut == 0 && page.first->hits[0].id.n == 0);
    page = find("xz", NULL, 10);
    assert_true(page.n == 0 && page.counts.scanned == 1 && page.counts.cut == 0);
    assert_int_equal(
        packages_put(sh.store, &d, SL("trivy"), &(struct packages_seen){all, n, false}, &err), 0);
    page = find("xz", NULL, 10);
    assert_true(page.n == 0 && page.counts.cut == 1);
    page = find("CVE-2", NULL, 10); /* of findings all are kept */
    assert_true(page.n == 0 && page.counts.cut == 0);
    _index_view_ struct index_view v = index_view_begin(sh.store->index);
    assert_int_equal(scanned_packages(&v, &d, SL("trivy"), &bytes, &err), 1);
    assert_int_equal(packages_read(bytes, see, &seen, &is_cut), 0);
    assert_true(is_cut && seen.n > 5000 && seen.n < n && sl_eq(seen.last, SL("xz-utils")));
    for (size_t i = 0; i < 200; i++)
        assert_int_equal(packages_read((struct sl){bytes.p, i}, see, &seen, &is_cut), -1);
}

static void count_place(void *arg, const struct roster_place *p)
{
    *(size_t *)arg += sl_eq(p->repository, SL("docker.io/team/app")) && p->first_seen_s == 7;
}

static void count_pull(void *arg, const struct roster_pull *p)
{
    *(size_t *)arg += sl_eq(p->caller, SL("10.0.0.1")) && sl_eq(p->reference, SL("v1"));
}

TEST(places_and_pulls_are_all_told)
{
    size_t places = 0, pulls = 0;
    atomic_bool stop = true;

    put((struct world){.result = result_of(1), .n = IMAGES, .each = 1, .nevents = 1200});
    assert_int_equal(roster_places(sh.store, NULL, count_place, &places, &err), 0);
    assert_int_equal(roster_pulls(sh.store, NULL, count_pull, &pulls, &err), 0);
    assert_true(places == IMAGES && pulls == 1200);
    assert_int_equal(roster_pulls(sh.store, &stop, count_pull, &pulls, &err), 0);
    assert_int_equal(pulls, 1200);
}

TEST(questions_that_say_nothing_are_refused)
{
    static const char *const bad[] = {"", "a b", "a\tb", "zlib@", "pkg:", "pkg:deb", "pkg:deb/"};
    struct affected_question q;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(affected_parse(sl_str(bad[i]), &arena, &q, &err), -1);
        pg_err_clear(&err);
    }
    assert_int_equal(affected_parse(SL("@scope/name"), &arena, &q, &err), 0);
    assert_true(q.name.p == NULL);
    assert_int_equal(affected_parse(SL("@scope/name@1.2"), &arena, &q, &err), 0);
    assert_true(sl_eq(q.name, SL("@scope/name")) && sl_eq(q.version, SL("1.2")));
}

int main(void)
{
#undef RUN
#define RUN(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        RUN(pages_together_have_each_image_once),
        RUN(what_cannot_be_read_was_not_looked_at),
        RUN(what_is_not_listed_may_be_it),
        RUN(packages_are_kept_beside_the_result_and_cut_where_they_do_not_fit),
        RUN(places_and_pulls_are_all_told),
        RUN(questions_that_say_nothing_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
