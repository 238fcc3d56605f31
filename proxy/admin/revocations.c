/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admin/revocations.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/news.h"
#include "cache/revoked.h"

static const char *const kinds[REVOKED_KINDS] = {[REVOKED_DIGEST] = "digest",
                                                 [REVOKED_KEY] = "key",
                                                 [REVOKED_IDENTITY] = "identity",
                                                 [REVOKED_REPOSITORY] = "repository"};

/* ---- what is meant ------------------------------------------------------------------------- */

static bool after(struct sl text, struct sl prefix, struct sl *rest_r)
{
    if (!sl_starts(text, prefix))
        return false;
    *rest_r = (struct sl){text.p + prefix.n, text.n - prefix.n};
    return true;
}

static bool is_hex(struct sl s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!(s.p[i] >= '0' && s.p[i] <= '9') && !(s.p[i] >= 'a' && s.p[i] <= 'f'))
            return false;
    return s.n == 64;
}

static int read_digest(struct job *j, struct revoked_entry *e)
{
    struct digest d;

    if (!sl_starts(e->what, SL("sha256:")))
        return pg_fail(&j->err, PG_E_DIGEST_INVALID,
                       "revoke the sha256 of it: that is always known, whatever it is named by");
    e->kind = REVOKED_DIGEST;
    return digest_parse(e->what, &d, &j->err);
}

/* A digest may stand behind a repository, as a client shows it; of that it is revoked wherever it
 * is. */
static int read_ref(struct job *j, struct revoked_entry *e)
{
    const struct catalog_scope *scope = &j->query.scope;

    if (scope->has_digest) {
        char text[DIGEST_TEXT_MAX];

        e->what = pg_copy(&j->arena, digest_write(&scope->digest, text));
        return read_digest(j, e);
    }
    if (scope->tag.p != NULL)
        return pg_fail(&j->err, PG_E_BAD_FRAMING,
                       "a tag moves: revoke the digest that it names, or write a rule for it");
    if (scope->repo.n == 0)
        return pg_fail(&j->err, PG_E_BAD_FRAMING,
                       "revoke sha256:DIGEST, key:ID, identity:NAME, or a repository");
    e->kind = REVOKED_REPOSITORY;
    e->what = scope->repo;
    return 0;
}

static int read_what(struct job *j, struct revoked_entry *e)
{
    struct sl what = j->query.what;

    e->reason = j->query.reason.p != NULL ? j->query.reason : SL("");
    e->by = SL("the control socket");
    e->when_s = pg_clock_wall_s();
    if (after(what, SL("key:"), &e->what)) {
        e->kind = REVOKED_KEY;
        return is_hex(e->what) ? 0
                               : pg_fail(&j->err, PG_E_BAD_FRAMING,
                                         "a key is named by the 64 hex digits that `pullgate "
                                         "verify` and `pullgate explain` show");
    }
    if (after(what, SL("identity:"), &e->what)) {
        e->kind = REVOKED_IDENTITY;
        return e->what.n > 0 ? 0 : pg_fail(&j->err, PG_E_BAD_FRAMING, "identity: needs a name");
    }
    if (what.p != NULL)
        return pg_fail(&j->err, PG_E_BAD_FRAMING, "what: key:ID or identity:NAME; else ref");
    return read_ref(j, e);
}

/* ---- answers ------------------------------------------------------------------------------- */

static void put(struct pg_buf *out, const struct revoked_entry *e)
{
    char when[PG_CLOCK_TEXT_MAX];

    (void)pg_buf_printf(out, "{\"kind\":\"%s\",\"what\":", kinds[e->kind]);
    (void)pg_buf_put_json(out, e->what);
    (void)pg_buf_put(out, SL(",\"reason\":"));
    (void)pg_buf_put_json(out, e->reason);
    (void)pg_buf_put(out, SL(",\"by\":"));
    (void)pg_buf_put_json(out, e->by);
    (void)pg_buf_printf(out, ",\"when\":\"%s\"}", pg_clock_rfc3339(e->when_s * 1000, when));
}

static void change(struct job *j, bool revoke)
{
    struct revoked_entry e = {.kind = REVOKED_DIGEST};

    if (read_what(j, &e) < 0)
        return;
    if (revoke && e.reason.n == 0) {
        (void)pg_fail(&j->err, PG_E_BAD_FRAMING, "say why: a revocation needs a reason");
        return;
    }
    if (revoked_change(j->config->store, &e, revoke, &j->err) < 0)
        return;
    pg_log_say(PG_LOG_WARN, PG_LOG_SECURITY, "%s " SL_FMT " is %s: " SL_FMT, kinds[e.kind],
               SL_ARG(e.what), revoke ? "revoked" : "not revoked any more", SL_ARG(e.reason));
    const struct pg_news_fact facts[] = {{"state", revoke ? SL("revoked") : SL("not revoked"), 0},
                                         {"kind", sl_str(kinds[e.kind]), 0},
                                         {"reason", e.reason, 0}};
    pg_news_say(PG_NEWS_REVOCATION, e.what, facts, 3);
    put(&j->body, &e);
    (void)pg_buf_put(&j->body, SL("\n"));
}

void revocations_revoke(struct job *j)
{
    change(j, true);
}

void revocations_unrevoke(struct job *j)
{
    change(j, false);
}

void revocations_list(struct job *j)
{
    const struct revoked_entry *all;
    struct pg_arena arena;
    size_t n;

    pg_arena_init(&arena, (size_t)256 << 20);
    n = revoked_list(j->config->store, &arena, &all);
    (void)pg_buf_put(&j->body, SL("{\"revocations\":["));
    for (size_t i = 0; i < n; i++) {
        (void)pg_buf_put(&j->body, i > 0 ? SL(",") : SL(""));
        put(&j->body, &all[i]);
    }
    (void)pg_buf_put(&j->body, SL("]}\n"));
    pg_arena_free(&arena);
    if (j->body.over)
        (void)pg_fail(&j->err, PG_E_TOO_LARGE, "more is revoked than one answer holds");
}
