/* SPDX-License-Identifier: Apache-2.0 */
/* A pull of a manifest, driven by hand: the test is the loop, the clock, the store and upstream. */
#include "harness/journey.h"

#include "oci/media.h"

#define REPO   "origin.test/app"
#define SHA(c) "sha256:" c c c c c c c c c c c c c c c c
#define DOC                                                                                        \
    "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_MANIFEST                                     \
    "\",\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"" SHA( \
        "abcd") "\",\"size\":2},\"layers\":[]}"
#define DOC2 DOC " "

static struct digest d;

static int open_house(void **state)
{
    (void)state;
    house_open();
    d = house_digest(DOC);
    return 0;
}

static int close_house(void **state)
{
    (void)state;
    house_close();
    return 0;
}

static void put(const char *tag, int64_t age_s)
{
    fake_store_put_manifest(&d, MEDIA_OCI_MANIFEST, DOC);
    fake_store_put_link(REPO, &d, INDEX_LINK_MANIFEST, 0);
    if (tag != NULL)
        fake_store_put_tag(REPO, tag, &d, fake_clock_wall_s_now - age_s);
}

static void assert_says(const struct conn *c, int status, const char *text)
{
    assert_int_equal(c->reply.status, status);
    if (strstr(c->reply.body, text) == NULL)
        print_error("%s\nis not in\n%s\n", text, c->reply.body);
    assert_non_null(strstr(c->reply.body, text));
}

static bool logged(const char *text)
{
    return strstr(fake_log_last(), text) != NULL;
}

TEST(a_fresh_tag_is_served_without_asking)
{
    char text[DIGEST_TEXT_MAX];
    struct conn *c;

    put("v1", 59);
    c = house_ask("GET", "/v2/app/manifests/v1", "");
    assert_int_equal(fake_fetch_asks, 0);
    assert_int_equal(c->reply.status, 200);
    assert_string_equal(c->reply.body, DOC);
    assert_string_equal(fake_conn_field(c, "Content-Type"), MEDIA_OCI_MANIFEST);
    assert_string_equal(fake_conn_field(c, "Docker-Content-Digest"), digest_write(&d, text).p);
    assert_string_equal(fake_conn_field(c, "Docker-Distribution-Api-Version"), "registry/2.0");
    assert_string_equal(fake_conn_field(c, "X-Content-Type-Options"), "nosniff");
    assert_string_equal(fake_conn_field(c, "Content-Encoding"), "");
    assert_string_equal(fake_conn_field(c, "OCI-Namespace"), "");
    house_read(c);
    assert_true(c->ok);
    assert_int_equal(fake_log_n, 1);
    assert_true(logged("cache=hit") && logged("status=200") && logged("repo=app"));
    assert_true(logged("verdict=allow"));
    /* a hit lands nothing; the pull is recorded, once */
    assert_int_equal(fake_store.landed_tags + fake_store.landed_links + fake_store.landed_manifests,
                     0);
    assert_int_equal(fake_store.manifest_gets, 1);
    assert_int_equal(fake_store.events, 1);
    assert_string_equal(fake_store_event, "127.0.0.1 " REPO " v1");
}

TEST(a_head_is_the_same_and_no_pull)
{
    struct conn *c;

    put("v1", 1);
    c = house_ask("HEAD", "/v2/app/manifests/v1", "");
    assert_int_equal(c->reply.status, 200);
    assert_int_equal(c->reply.content_length, strlen(DOC));
    house_read(c);
    assert_int_equal(fake_store.events, 0);
}

TEST(an_unknown_tag_is_fetched_and_landed)
{
    struct conn *c = house_ask("GET", "/v2/app/manifests/v1?ns=origin.test", "");

    assert_int_equal(fake_fetch_waiting()->kind, FETCH_MANIFEST);
    assert_string_equal(fake_fetch_waiting()->repo, "app");
    assert_string_equal(fake_fetch_waiting()->reference, "v1");
    fake_fetch_document(SL(DOC), MEDIA_OCI_MANIFEST, NULL);
    house_run();
    assert_int_equal(c->reply.status, 200);
    assert_string_equal(c->reply.body, DOC);
    assert_string_equal(fake_conn_field(c, "OCI-Namespace"), "origin.test");
    assert_true(fake_store_has_tag(REPO, "v1", &d));
    house_read(c);
    assert_true(logged("cache=miss") && logged("why=tag not known"));
}

TEST(an_expired_tag_that_did_not_move_is_confirmed_by_head)
{
    struct conn *c;

    put("v1", 61);
    c = house_ask("GET", "/v2/app/manifests/v1", "");
    assert_int_equal(fake_fetch_waiting()->kind, FETCH_MANIFEST_HEAD);
    fake_fetch_head(&d, -1);
    house_run();
    assert_int_equal(c->reply.status, 200);
    assert_int_equal(fake_fetch_asks, 1);
    assert_int_equal(fake_store.landed_tags, 1);
    house_read(c);
    assert_true(logged("cache=revalidated"));
}

TEST(an_expired_tag_that_moved_is_fetched)
{
    struct digest d2 = house_digest(DOC2);
    struct conn *c;

    put("v1", 61);
    c = house_ask("GET", "/v2/app/manifests/v1", "");
    fake_fetch_head(&d2, -1);
    house_run();
    assert_int_equal(fake_fetch_waiting()->kind, FETCH_MANIFEST);
    fake_fetch_document(SL(DOC2), MEDIA_OCI_MANIFEST, NULL);
    house_run();
    assert_string_equal(c->reply.body, DOC2);
    assert_true(fake_store_has_tag(REPO, "v1", &d2));
    house_read(c);
    assert_true(logged("cache=miss"));
}

TEST(E20_a_head_without_a_digest_or_refused_is_asked_again_by_get)
{
    put("v1", 61);
    (void)house_ask("GET", "/v2/app/manifests/v1", "");
    fake_fetch_head(NULL, 10);
    house_run();
    assert_int_equal(fake_fetch_waiting()->kind, FETCH_MANIFEST);
    fake_fetch_document(SL(DOC), MEDIA_OCI_MANIFEST, NULL);
    house_run();

    put("v2", 61);
    (void)house_ask("GET", "/v2/app/manifests/v2", "");
    fake_fetch_error(PG_E_UPSTREAM_WRONG, 0);
    house_run();
    assert_int_equal(fake_fetch_waiting()->kind, FETCH_MANIFEST);
}

TEST(upstream_dead_and_a_tag_known_is_stale_and_says_so)
{
    struct conn *c;

    put("v1", 600);
    c = house_ask("GET", "/v2/app/manifests/v1", "");
    fake_fetch_error(PG_E_UPSTREAM_DOWN, 7);
    house_run();
    assert_int_equal(c->reply.status, 200);
    assert_string_equal(fake_conn_field(c, "Age"), "600");
    assert_string_equal(fake_conn_field(c, "Cache-Status"),
                        "pullgate; fwd=stale; detail=upstream_down");
    house_read(c);
    assert_true(logged("cache=stale"));
    assert_int_equal(fake_store.landed_tags, 0);
}

/* Of 100 requests so many are left. */
static void set_budget(uint64_t left)
{
    fake_fetch_health.budget = (struct budget){.known = true,
                                               .limit = 100,
                                               .left = left,
                                               .window_s = 21600,
                                               .seen_ms = fake_clock_mono_ms_now};
}

TEST(E12_tags_are_confirmed_the_more_rarely_the_less_upstream_allows)
{
    static const struct {
        uint64_t left;
        int64_t age_s; /* tags.ttl is 60 s, tags.max_stale an hour */
        bool asks;
    } rows[] = {{50, 61, true},  {49, 119, false}, {49, 121, true}, {24, 479, false},
                {24, 481, true}, {9, 3599, false}, {9, 3601, true}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        unsigned asks = fake_fetch_asks;
        char tag[8];
        const char *path;
        struct conn *c;

        (void)snprintf(tag, sizeof(tag), "v%zu", i);
        put(tag, rows[i].age_s);
        set_budget(rows[i].left);
        path = house_tag_path("app", tag);
        c = house_ask("GET", path, "");
        assert_int_equal(fake_fetch_asks - asks, rows[i].asks ? 1 : 0);
        if (rows[i].asks)
            continue;
        assert_int_equal(c->reply.status, 200);
        assert_string_equal(fake_conn_field(c, "Cache-Status"),
                            "pullgate; fwd=stale; detail=budget");
    }
}

TEST(E12_the_reserve_is_for_those_who_would_have_to_wait)
{
    set_budget(0);
    (void)house_ask("GET", "/v2/app/manifests/v1", "");
    assert_int_equal(fake_fetch_waiting()->kind, FETCH_MANIFEST);
}

TEST(a_slow_upstream_does_not_hold_up_who_can_be_served_stale_and_is_still_heard)
{
    struct digest d2 = house_digest(DOC2);
    struct conn *c;

    put("v1", 600);
    c = house_ask("GET", "/v2/app/manifests/v1", "");
    house_wait_ms(1499);
    assert_int_equal(c->reply.status, 0);
    house_wait_ms(1);
    assert_int_equal(c->reply.status, 200);
    assert_string_equal(fake_conn_field(c, "Cache-Status"), "pullgate; fwd=stale; detail=slow");
    house_read(c);
    fake_fetch_head(&d2, -1);
    house_run();
    fake_fetch_document(SL(DOC2), MEDIA_OCI_MANIFEST, NULL);
    house_run();
    assert_true(fake_store_has_tag(REPO, "v1", &d2));
    c = house_ask("GET", "/v2/app/manifests/v1", "");
    assert_string_equal(c->reply.body, DOC2);
}

TEST(too_old_is_not_served_stale)
{
    struct conn *c;

    put("v1", 3600);
    c = house_ask("GET", "/v2/app/manifests/v1", "");
    fake_fetch_error(PG_E_UPSTREAM_DOWN, 99999);
    house_run();
    assert_says(c, 503, "UNAVAILABLE");
    assert_string_equal(fake_conn_field(c, "Retry-After"), "10"); /* E01, E12: capped */
}

TEST(a_clock_set_back_is_no_proof_of_freshness)
{
    put("v1", -1000);
    (void)house_ask("GET", "/v2/app/manifests/v1", "");
    assert_int_equal(fake_fetch_asks, 1);
}

TEST(an_answer_that_is_wrong_is_not_hidden_by_a_stale_one)
{
    struct conn *c;

    put("v1", 600);
    c = house_ask("GET", "/v2/app/manifests/v1", "");
    fake_fetch_head(NULL, -1);
    house_run();
    fake_fetch_document(SL("{\"schemaVersion\":2,\"schemaVersion\":2}"), MEDIA_OCI_MANIFEST, NULL);
    house_run();
    assert_int_equal(c->reply.status, 502);
    assert_string_equal(fake_conn_field(c, "Retry-After"), "");
    assert_int_equal(fake_store.landed_manifests, 0);
}

TEST(upstream_says_that_there_is_no_such_tag)
{
    struct conn *c;

    put("v1", 600);
    c = house_ask("GET", "/v2/app/manifests/v1", "");
    fake_fetch_error(PG_E_MANIFEST_UNKNOWN, 0);
    house_run();
    fake_fetch_error(PG_E_MANIFEST_UNKNOWN, 0); /* HEAD alone is not believed */
    house_run();
    assert_says(c, 404, "MANIFEST_UNKNOWN");
    assert_string_equal(fake_conn_field(c, "Content-Type"), "application/json");
    assert_int_equal(fake_store.tags_gone, 1);
    house_read(c);
    assert_int_equal(fake_store.events, 0);
    assert_int_equal(fake_log_n, 1);
}

/* What the upstream of these tests does with what it has deleted is for us to do. */
static void when_deleted(enum config_deleted what)
{
    house_loop.snapshot->config.upstreams[1].upstream_when_deleted = what;
}

TEST(E23_deleted_and_kept_is_served_for_as_long_as_it_is_here)
{
    static const enum config_deleted kept[] = {CONFIG_KEEP, CONFIG_KEEP_AND_FLAG};

    for (size_t i = 0; i < 2; i++) {
        bool flagged = kept[i] == CONFIG_KEEP_AND_FLAG;
        struct conn *c;

        when_deleted(kept[i]);
        put("v1", 86400); /* longer than tags.max_stale */
        c = house_ask("GET", "/v2/app/manifests/v1", "");
        fake_fetch_error(PG_E_MANIFEST_UNKNOWN, 0);
        house_run();
        fake_fetch_error(PG_E_MANIFEST_UNKNOWN, 0);
        house_run();
        assert_int_equal(c->reply.status, 200);
        assert_string_equal(c->reply.body, DOC);
        assert_string_equal(fake_conn_field(c, "Cache-Status"),
                            "pullgate; fwd=stale; detail=deleted");
        assert_int_equal(fake_conn_field(c, "Warning")[0] != '\0', flagged);
        assert_int_equal(fake_fetch_kept, flagged);
        assert_int_equal(fake_store.tags_gone, 0);
        assert_true(fake_store_has_tag(REPO, "v1", &d));
    }
}

TEST(E23_withdrawn_is_403_and_nothing_of_the_repository_is_served_by_itself)
{
    struct conn *c;

    put("v1", 61);
    fake_fetch_denies = true;
    c = house_ask("GET", "/v2/app/manifests/v1", "");
    fake_fetch_error(PG_E_MANIFEST_UNKNOWN, 0);
    house_run();
    fake_fetch_error(PG_E_MANIFEST_UNKNOWN, 0);
    house_run();
    assert_says(c, 403, "DENIED");
    assert_true(fake_store_access.withdrawn);
    assert_true(fake_store_has_tag(REPO, "v1", &d)); /* kept, if access should come back */

    c = house_ask("GET", house_path("app", "manifests", &d), "");
    assert_int_equal(c->reply.status, 0);
    fake_fetch_denies = false;
    fake_fetch_error(PG_E_UPSTREAM_DOWN, 0); /* nor when nobody can be asked */
    house_run();
    assert_says(c, 503, "UNAVAILABLE");
    fake_store_put_tag(REPO, "v1", &d, fake_clock_wall_s_now); /* nor while it is fresh */
    c = house_ask("GET", "/v2/app/manifests/v1", "");
    fake_fetch_error(PG_E_UPSTREAM_DOWN, 0);
    house_run();
    assert_says(c, 503, "UNAVAILABLE");

    c = house_ask("GET", house_path("app", "manifests", &d), "");
    fake_fetch_head(&d, -1);
    house_run();
    assert_int_equal(c->reply.status, 200);
    assert_false(fake_store_access.withdrawn);
}

/* Not by confirming what is here, and not with another of its manifests. */
TEST(N12_no_mirror_gives_back_what_upstream_has_withdrawn)
{
    struct digest other = house_digest("{}");
    struct conn *c;

    put("v1", 61);
    fake_store_access.withdrawn = true;
    c = house_ask("GET", house_path("app", "manifests", &d), "");
    fake_fetch_error(PG_E_MANIFEST_UNKNOWN, 0); /* HEAD, which is not believed */
    house_run();
    assert_int_equal(fake_fetch_waiting()->kind, FETCH_MANIFEST);
    assert_true(fake_fetch_waiting()->of_authority);
    fake_fetch_denies = true;
    fake_fetch_error(PG_E_MANIFEST_UNKNOWN, 0);
    house_run();
    assert_true(c->reply.status >= 400);
    (void)house_ask("GET", house_path("app", "manifests", &other), "");
    assert_true(fake_fetch_waiting()->of_authority);
    fake_fetch_error(PG_E_MANIFEST_UNKNOWN, 0);
    house_run();
    assert_true(fake_store_access.withdrawn);
}

/* Who lets everybody in says nothing of whom upstream lets in. */
TEST(N12_that_a_mirror_has_it_is_no_word_of_upstreams)
{
    struct conn *c = house_ask("GET", house_path("app", "manifests", &d), "");

    assert_false(fake_fetch_waiting()->of_authority);
    fake_fetch_is_mirror = true;
    fake_fetch_document(SL(DOC), MEDIA_OCI_MANIFEST, NULL);
    house_run();
    assert_int_equal(c->reply.status, 200);
    assert_int_equal(fake_store_access.at_s, 0);
}

TEST(E23_what_was_never_ours_is_unknown_and_withdraws_nothing)
{
    struct conn *c = house_ask("GET", "/v2/app/manifests/v1", "");

    fake_fetch_denies = true;
    fake_fetch_error(PG_E_MANIFEST_UNKNOWN, 0);
    house_run();
    assert_says(c, 404, "MANIFEST_UNKNOWN");
    assert_false(fake_store_access.withdrawn);
}

/* 403 in place of 404 would tell that somebody else has it. */
TEST(D01_that_another_repository_has_it_is_no_reason_to_say_withdrawn)
{
    struct conn *c;

    put(NULL, 0);
    fake_fetch_denies = true;
    c = house_ask("GET", house_path("other/app", "manifests", &d), "");
    fake_fetch_error(PG_E_MANIFEST_UNKNOWN, 0);
    house_run();
    fake_fetch_error(PG_E_MANIFEST_UNKNOWN, 0);
    house_run();
    assert_says(c, 404, "MANIFEST_UNKNOWN");
    assert_false(fake_store_access.withdrawn);
}

TEST(E23_withdrawn_and_kept_is_served)
{
    struct conn *c;

    when_deleted(CONFIG_KEEP);
    put("v1", 61);
    fake_fetch_denies = true;
    fake_store_access.withdrawn = true; /* from before it was kept */
    c = house_ask("GET", "/v2/app/manifests/v1", "");
    fake_fetch_error(PG_E_MANIFEST_UNKNOWN, 0);
    house_run();
    fake_fetch_error(PG_E_MANIFEST_UNKNOWN, 0);
    house_run();
    assert_int_equal(c->reply.status, 200);
    assert_string_equal(fake_conn_field(c, "Cache-Status"),
                        "pullgate; fwd=stale; detail=withdrawn");
    c = house_ask("GET", house_path("app", "manifests", &d), "");
    assert_int_equal(c->reply.status, 200);
}

/* A repository that is pulled by digest alone must not leak for ever. */
TEST(E23_by_digest_upstream_is_asked_once_a_week)
{
    static const struct {
        enum pg_ekind said; /* to GET; of HEAD the same. NONE: yes */
        bool denied;
        int status;
    } rows[] = {{PG_E_NONE, false, 200},
                {PG_E_UPSTREAM_DOWN, false, 200},
                {PG_E_MANIFEST_UNKNOWN, false, 404},
                {PG_E_MANIFEST_UNKNOWN, true, 403}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct conn *c;

        fake_store_reset();
        fake_fetch_denies = rows[i].denied;
        put(NULL, 0);
        house_wait_ms((uint64_t)(ACCESS_PROOF_S - 1) * 1000);
        c = house_ask("GET", house_path("app", "manifests", &d), "");
        assert_int_equal(c->reply.status, 200);
        house_read(c);
        house_wait_ms(1000);
        c = house_ask("GET", house_path("app", "manifests", &d), "");
        assert_int_equal(c->reply.status, 0);
        if (rows[i].said == PG_E_NONE)
            fake_fetch_head(&d, -1);
        else
            fake_fetch_error(rows[i].said, 0);
        house_run();
        if (rows[i].said == PG_E_MANIFEST_UNKNOWN) {
            fake_fetch_error(rows[i].said, 0);
            house_run();
        }
        assert_int_equal(c->reply.status, rows[i].status);
        assert_int_equal(fake_store_has_link(REPO, &d), rows[i].status != 404);
        assert_int_equal(fake_store_access.at_s,
                         rows[i].said == PG_E_NONE || rows[i].denied ? fake_clock_wall_s_now : 0);
        house_read(c);
    }
}

TEST(nothing_known_and_upstream_silent_is_504_at_the_deadline)
{
    struct conn *c = house_ask("GET", "/v2/app/manifests/v1", "");

    house_wait_ms(24999);
    assert_int_equal(c->reply.status, 0);
    house_wait_ms(1);
    assert_int_equal(c->reply.status, 504);
    assert_string_equal(fake_conn_field(c, "Retry-After"), "5");
}

TEST(by_digest_and_linked_never_asks)
{
    struct conn *c;

    put(NULL, 0);
    c = house_ask("GET", house_path("app", "manifests", &d), "");
    assert_int_equal(fake_fetch_asks, 0);
    assert_string_equal(c->reply.body, DOC);
    assert_string_equal(fake_conn_field(c, "Cache-Control"), "max-age=31536000, immutable");
}

TEST(D01_a_digest_known_from_elsewhere_is_asked_of_this_repository)
{
    struct conn *c;

    put(NULL, 0);
    c = house_ask("GET", house_path("other/app", "manifests", &d), "");
    assert_int_equal(c->reply.status, 0);
    assert_int_equal(fake_fetch_waiting()->kind, FETCH_MANIFEST_HEAD);
    assert_string_equal(fake_fetch_waiting()->repo, "other/app");
    fake_fetch_head(&d, -1);
    house_run();
    assert_string_equal(c->reply.body, DOC);
    assert_true(fake_store_has_link("origin.test/other/app", &d));

    c = house_ask("GET", house_path("third/app", "manifests", &d), "");
    fake_fetch_error(PG_E_MANIFEST_UNKNOWN, 0);
    house_run();
    fake_fetch_error(PG_E_MANIFEST_UNKNOWN, 0);
    house_run();
    assert_says(c, 404, "MANIFEST_UNKNOWN");
    assert_false(fake_store_has_link("origin.test/third/app", &d));
    assert_int_equal(fake_store.tags_gone, 0);
}

TEST(N07_what_another_upstream_gave_has_to_be_given_by_this_one)
{
    struct conn *c;

    put(NULL, 0); /* named here, by an index */
    fake_store_unshown = true;
    c = house_ask("GET", house_path("app", "manifests", &d), "");
    assert_int_equal(c->reply.status, 0);
    assert_int_equal(fake_fetch_waiting()->kind, FETCH_MANIFEST); /* a HEAD may lie */
    fake_fetch_error(PG_E_MANIFEST_UNKNOWN, 0);
    house_run();
    assert_says(c, 404, "MANIFEST_UNKNOWN");
    c = house_ask("GET", house_path("app", "manifests", &d), "");
    fake_fetch_document(SL(DOC), MEDIA_OCI_MANIFEST, NULL);
    house_run();
    assert_string_equal(c->reply.body, DOC);
}

TEST(D01_a_head_that_says_nothing_is_no_yes)
{
    struct conn *c;

    put(NULL, 0);
    c = house_ask("GET", house_path("other/app", "manifests", &d), "");
    fake_fetch_head(NULL, 10);
    house_run();
    assert_int_equal(c->reply.status, 0);
    assert_int_equal(fake_fetch_waiting()->kind, FETCH_MANIFEST);
    fake_fetch_error(PG_E_MANIFEST_UNKNOWN, 0);
    house_run();
    assert_says(c, 404, "MANIFEST_UNKNOWN");
    assert_false(fake_store_has_link("origin.test/other/app", &d));
}

TEST(a_link_as_a_layer_is_none_as_a_manifest)
{
    fake_store_put_manifest(&d, MEDIA_OCI_MANIFEST, DOC);
    fake_store_put_link(REPO, &d, INDEX_LINK_BLOB, 0);
    (void)house_ask("GET", house_path("app", "manifests", &d), "");
    assert_int_equal(fake_fetch_asks, 1);
}

TEST(by_sha512_too)
{
    struct digest d512 = digest_of(PG_SHA512, SL(DOC));
    char text[DIGEST_TEXT_MAX];
    struct conn *c = house_ask("GET", house_path("app", "manifests", &d512), "");

    assert_int_equal(fake_fetch_waiting()->kind, FETCH_MANIFEST);
    fake_fetch_document(SL(DOC), MEDIA_OCI_MANIFEST, NULL);
    house_run();
    assert_int_equal(c->reply.status, 200);
    assert_string_equal(fake_conn_field(c, "Docker-Content-Digest"), digest_write(&d512, text).p);
    assert_true(fake_store_has_link(REPO, &d512));
}

TEST(many_wait_for_one_question)
{
    struct conn *a = house_ask("GET", "/v2/app/manifests/v1", "");
    struct conn *b = house_ask("GET", "/v2/app/manifests/v1", "");

    assert_int_equal(fake_fetch_asks, 1);
    house_leave(a); /* who leaves harms nobody */
    assert_int_equal(a->done, 1);
    assert_false(a->ok);
    fake_fetch_document(SL(DOC), MEDIA_OCI_MANIFEST, NULL);
    house_run();
    assert_int_equal(b->reply.status, 200);
    assert_int_equal(fake_store.landed_manifests, 1);
}

TEST(a_client_that_leaves_is_logged_once_and_sent_nothing)
{
    struct conn *c = house_ask("GET", "/v2/app/manifests/v1", "");

    house_leave(c);
    assert_int_equal(c->reply.status, 0);
    assert_int_equal(fake_log_n, 1);
    assert_true(logged("status=499"));
}

TEST(accept_that_does_not_admit_the_type_is_404_and_says_which_it_is)
{
    struct conn *c;

    put("v1", 1);
    c = house_ask("GET", "/v2/app/manifests/v1",
                  "Accept: application/json\nAccept: " MEDIA_DOCKER_LIST);
    assert_says(c, 404, "MANIFEST_UNKNOWN");
    assert_says(c, 404, MEDIA_OCI_MANIFEST);
    c = house_ask("GET", "/v2/app/manifests/v1",
                  "Accept: application/json\nAccept: text/html, " MEDIA_OCI_MANIFEST);
    assert_int_equal(c->reply.status, 200);
    c = house_ask("GET", "/v2/app/manifests/v1", "Accept: */*");
    assert_int_equal(c->reply.status, 200);
}

TEST(A22_what_the_client_has_is_304)
{
    char text[DIGEST_TEXT_MAX], fields[300];
    struct conn *c;

    put("v1", 1);
    (void)snprintf(fields, sizeof(fields), "If-None-Match: \"x\"\nIf-None-Match: W/\"%s\", \"y\"",
                   digest_write(&d, text).p);
    c = house_ask("GET", "/v2/app/manifests/v1", fields);
    assert_int_equal(c->reply.status, 304);
    assert_int_equal(c->reply.nbody, 0);
    c = house_ask("GET", "/v2/app/manifests/v1", "If-None-Match: \"sha256:0000\"");
    assert_int_equal(c->reply.status, 200);
}

TEST(a_broken_store_is_503_and_not_404)
{
    struct conn *c;

    fake_store_fails = true;
    c = house_ask("GET", "/v2/app/manifests/v1", "");
    assert_int_equal(c->reply.status, 503);
    assert_int_equal(fake_fetch_asks, 0);
}

TEST(what_is_no_request_for_us_is_refused_with_a_reason)
{
    struct conn *c = house_ask("DELETE", "/v2/app/manifests/v1", "");

    assert_says(c, 405, "UNSUPPORTED");
    assert_string_equal(fake_conn_field(c, "Allow"), "GET, HEAD");
    c = house_ask("GET", "/v2/evil.test/app/manifests/v1", "");
    assert_says(c, 404, "NAME_UNKNOWN");
    c = house_ask("GET", "/v2/_catalog", "");
    assert_says(c, 405, "UNSUPPORTED");
    c = house_ask("GET", "/index.html", "");
    assert_int_equal(c->reply.status, 404);
    c = house_ask("GET", "/v2/", "");
    assert_says(c, 200, "{}");
    assert_string_equal(fake_conn_field(c, "Docker-Distribution-Api-Version"), "registry/2.0");
}

TEST(a_loop_that_stops_leaves_no_question_behind)
{
    (void)house_ask("GET", "/v2/app/manifests/v1", "");
    house_close(); /* the refresh is under way still: it is ended by service_detach() */
    assert_int_equal(fake_fetch_frees, 1);
    house_open();
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_house, close_house)

/* An index that is too large to be read at once. */
static void answer_with_large_index(void)
{
    static const char child[] =
        "{\"mediaType\":\"" MEDIA_OCI_MANIFEST "\",\"digest\":\"" SHA("abcd") "\",\"size\":2}";
    struct pg_buf b;

    pg_buf_init(&b, MANIFEST_BYTES_MAX);
    (void)pg_buf_printf(
        &b, "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"manifests\":[%s", child);
    while (b.n < ((size_t)90 << 10))
        (void)pg_buf_printf(&b, ",%s", child);
    assert_int_equal(pg_buf_put(&b, SL("]}")), 0);
    fake_fetch_document(pg_buf_sl(&b), MEDIA_OCI_INDEX, NULL);
    pg_buf_free(&b);
}

TEST(a_large_manifest_is_read_aside_and_holds_up_nobody)
{
    struct conn *large, *small;

    house_block_pool();
    put("small", 1);
    large = house_ask("GET", "/v2/app/manifests/large", "");
    answer_with_large_index();
    house_run();
    assert_int_equal(large->reply.status, 0);
    small = house_ask("GET", "/v2/app/manifests/small", "");
    assert_int_equal(small->reply.status, 200);
    assert_int_equal(fake_store.landed_manifests, 0);
    house_unblock_pool();
    house_run();
    assert_int_equal(large->reply.status, 200);
    assert_string_equal(fake_conn_field(large, "Content-Type"), MEDIA_OCI_INDEX);
    assert_int_equal(fake_store.landed_manifests, 1);
}

TEST(a_large_manifest_that_nobody_waits_for_any_more_is_let_go_of)
{
    struct conn *c;

    house_block_pool();
    c = house_ask("GET", "/v2/app/manifests/large", "");
    answer_with_large_index();
    house_run();
    house_leave(c);
    house_wait_ms(60000); /* and its refresh gives up, too */
    house_unblock_pool();
    house_run();
    assert_int_equal(fake_store.landed_manifests, 1); /* the next one finds it */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_fresh_tag_is_served_without_asking),
        CASE(a_head_is_the_same_and_no_pull),
        CASE(an_unknown_tag_is_fetched_and_landed),
        CASE(an_expired_tag_that_did_not_move_is_confirmed_by_head),
        CASE(an_expired_tag_that_moved_is_fetched),
        CASE(E20_a_head_without_a_digest_or_refused_is_asked_again_by_get),
        CASE(upstream_dead_and_a_tag_known_is_stale_and_says_so),
        CASE(E12_tags_are_confirmed_the_more_rarely_the_less_upstream_allows),
        CASE(E12_the_reserve_is_for_those_who_would_have_to_wait),
        CASE(a_slow_upstream_does_not_hold_up_who_can_be_served_stale_and_is_still_heard),
        CASE(too_old_is_not_served_stale),
        CASE(a_clock_set_back_is_no_proof_of_freshness),
        CASE(a_large_manifest_is_read_aside_and_holds_up_nobody),
        CASE(a_large_manifest_that_nobody_waits_for_any_more_is_let_go_of),
        CASE(an_answer_that_is_wrong_is_not_hidden_by_a_stale_one),
        CASE(upstream_says_that_there_is_no_such_tag),
        CASE(E23_deleted_and_kept_is_served_for_as_long_as_it_is_here),
        CASE(E23_withdrawn_is_403_and_nothing_of_the_repository_is_served_by_itself),
        CASE(N12_no_mirror_gives_back_what_upstream_has_withdrawn),
        CASE(N12_that_a_mirror_has_it_is_no_word_of_upstreams),
        CASE(E23_what_was_never_ours_is_unknown_and_withdraws_nothing),
        CASE(D01_that_another_repository_has_it_is_no_reason_to_say_withdrawn),
        CASE(E23_withdrawn_and_kept_is_served),
        CASE(E23_by_digest_upstream_is_asked_once_a_week),
        CASE(nothing_known_and_upstream_silent_is_504_at_the_deadline),
        CASE(by_digest_and_linked_never_asks),
        CASE(D01_a_digest_known_from_elsewhere_is_asked_of_this_repository),
        CASE(N07_what_another_upstream_gave_has_to_be_given_by_this_one),
        CASE(D01_a_head_that_says_nothing_is_no_yes),
        CASE(a_link_as_a_layer_is_none_as_a_manifest),
        CASE(by_sha512_too),
        CASE(many_wait_for_one_question),
        CASE(a_client_that_leaves_is_logged_once_and_sent_nothing),
        CASE(accept_that_does_not_admit_the_type_is_404_and_says_which_it_is),
        CASE(A22_what_the_client_has_is_304),
        CASE(a_broken_store_is_503_and_not_404),
        CASE(what_is_no_request_for_us_is_refused_with_a_reason),
        CASE(a_loop_that_stops_leaves_no_question_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
