/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/replay.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/hash.h"
#include "base/log.h"
#include "cache/overlay.h"
#include "cli/asker.h"
#include "cli/auditing.h"
#include "cli/config.h"
#include "cli/policies.h"
#include "cli/print.h"
#include "cli/replay_print.h"
#include "cli/show.h"
#include "cli/trusts.h"
#include "proxy/admit/gate.h"
#include "proxy/admit/own.h"
#include "proxy/admit/survey.h"

#define THREADS     1
#define GATE_BYTES  ((size_t)16 << 20)
#define ARENA_BYTES ((size_t)256 << 20)
#define KEY_BYTES   2048

/* An image by one name. */
struct replay_case {
    struct pg_map_node node;
    struct sl repository, tag;
    struct digest digest, sha256;
    bool is_manifest, is_gone;
    int64_t first_s; /* in the log: it was known then */
};

/* One of the two policies. */
struct side {
    const struct config_admission *admission; /* without a policy: all passes */
    struct shelf *shelf;
};

struct replayer {
    struct replay r;
    struct config_load load;
    struct config_admission new;
    struct trusts *trusts;
    struct trust *list[POLICY_TRUSTS_MAX];
    struct asker asker;
    struct counsel *counsel;
    struct pg_pool *data_pool, *slow_pool;
    struct store *store;
    struct side sides[2]; /* the new one, that in force */
    uint64_t now_ms;
};

enum { NEW, IN_FORCE };

/* ---- one decision -------------------------------------------------------------------------- */

/* What the gate lacks. False: there is too much. */
static bool provide(struct replayer *x, const struct side *side, struct gate_question *q,
                    const struct gate_result *r)
{
    const struct survey s = {x->store, side->admission, &x->asker.stamp, x->now_ms};

    if (r->document.p != NULL) {
        if (q->hearing.nasks == COUNSEL_ASKS_MAX) {
            return false;
        }
        q->hearing.asks[q->hearing.nasks++] =
            counsel_ask_now(x->counsel, side->admission->policy, r->document);
        return true;
    }
    if (q->nfresh == GATE_FRESH_MAX) {
        return false;
    }
    struct dossier *d = survey_take(&s, q->repository, &r->needs, &r->scope);
    shelf_put(side->shelf, d);
    q->fresh[q->nfresh++] = d;
    return true;
}

static void decide(struct replayer *x, const struct side *side, const struct replay_case *c,
                   int64_t when_s, struct pg_arena *arena, struct gate_result *r)
{
    struct gate_question q = {.store = x->store,
                              .shelf = side->shelf,
                              .admission = side->admission,
                              .repository = c->repository,
                              .tag = c->tag,
                              .digest = c->digest,
                              .sha256 = c->sha256,
                              .hearing = {.counsel = x->counsel},
                              .now_s = when_s,
                              .is_over = true,
                              .since_s = c->first_s,
                              .now_ms = x->now_ms,
                              .ttl_ms = UINT64_MAX};

    if (side->admission->policy == NULL) {
        *r = (struct gate_result){
            .answer = GATE_ALLOWS,
            .verdict = {.decision = POLICY_ALLOW, .rule = SL("none"), .reason = SL("no rules")}};
        return;
    }
    do {
        gate_manifest(&q, arena, r);
    } while (r->answer == GATE_NEEDS && provide(x, side, &q, r));
    if (r->answer == GATE_NEEDS) {
        *r = (struct gate_result){
            .answer = GATE_PENDING,
            .verdict = {.rule = SL("replay"), .reason = SL("too much has to be looked at")}};
    }
    while (q.nfresh > 0) {
        dossier_unref(q.fresh[--q.nfresh]);
    }
    while (q.hearing.nasks > 0) {
        counsel_leave(q.hearing.asks[--q.hearing.nasks]);
    }
}

static struct sl word_of(const struct gate_result *r)
{
    return r->answer == GATE_ALLOWS    ? SL("allow")
           : r->answer == GATE_PENDING ? SL("pending")
                                       : SL("deny");
}

/* Does the new policy want evidence for which nobody has looked yet? */
static bool is_unsure(const struct replayer *x, const struct replay_case *c)
{
    const struct facts name = {.repository = c->repository, .tag = c->tag, .digest = c->sha256};
    const struct config_admission *a = x->sides[IN_FORCE].admission;
    struct policy_wants had = {0}, wants = policy_wants(x->new.policy, &name);

    if (a->policy != NULL) {
        had = policy_wants(a->policy, &name);
    }
    return (wants.simple && wants.signatures && !(had.simple && had.signatures)) ||
           (wants.simple && wants.attestations && !(had.simple && had.attestations)) ||
           (wants.bundle && !had.bundle) || (wants.notation && !had.notation);
}

/* ---- what the log has ---------------------------------------------------------------------- */

static struct sl keep(struct replay *r, struct sl text)
{
    return text.p != NULL ? pg_copy(&r->arena, text) : text;
}

/* The parts with a byte between them that is in none of them. */
static struct sl key_of(char *out, const struct sl *parts, size_t n)
{
    size_t used = 0;

    for (size_t i = 0; i < n; i++) {
        size_t left = KEY_BYTES - used;
        size_t take = parts[i].n + 1 <= left ? parts[i].n : left - 1;
        if (take > 0) {
            memcpy(out + used, parts[i].p, take);
        }
        out[used + take] = '\n';
        used += take + 1;
        if (used >= KEY_BYTES) {
            break;
        }
    }
    return (struct sl){out, used};
}

/* True: it was not there. */
static bool add_once(struct replay *r, struct pg_map *set, struct sl key)
{
    if (pg_map_get(set, key) != NULL) {
        return false;
    }
    struct pg_map_node *node = pg_new(&r->arena, struct pg_map_node);
    pg_map_put(set, node, keep(r, key));
    return true;
}

static void look_up(struct replayer *x, struct replay_case *c)
{
    struct overlay_manifest m = {0};
    struct index_link link;
    struct pg_err ignored = {0};
    struct pg_arena arena;

    pg_arena_init(&arena, OWN_ARENA_BYTES);
    int found = overlay_get_link(x->store, c->repository, &c->digest, &link, &ignored);
    c->is_gone = found <= 0;
    if (found > 0 && link.kind == INDEX_LINK_MANIFEST) {
        c->is_gone = overlay_get_manifest(x->store, &c->digest, &arena, &m, &ignored) <= 0;
        c->is_manifest = !c->is_gone;
        c->sha256 = m.sha256;
        pg_bytes_unref(m.held);
    }
    pg_err_clear(&ignored);
    pg_arena_free(&arena);
}

/* NULL: it is no decision about an image, or there is no place for it. */
static struct replay_case *case_of(struct replayer *x, const struct entry *e)
{
    const struct sl *t = e->text;
    struct pg_err ignored = {0};
    struct digest digest;
    char bytes[KEY_BYTES];
    bool is_pull = e->kind == ENTRY_DECISION && t[ENTRY_TEXT_REPOSITORY].n > 0 &&
                   digest_parse(t[ENTRY_TEXT_DIGEST], &digest, &ignored) == 0;

    pg_err_clear(&ignored);
    if (!is_pull) {
        return NULL;
    }
    struct sl reference = t[ENTRY_TEXT_REFERENCE];
    bool by_tag = memchr(reference.p, ':', reference.n) == NULL;
    const struct sl parts[] = {t[ENTRY_TEXT_REPOSITORY], reference, t[ENTRY_TEXT_DIGEST]};
    struct sl key = key_of(bytes, parts, 3);
    struct pg_map_node *node = pg_map_get(&x->r.cases, key);

    if (node != NULL) {
        return pg_container_of(node, struct replay_case, node);
    }
    if (x->r.cases.n >= REPLAY_CASES_MAX) {
        x->r.is_over = true;
        return NULL;
    }
    struct replay_case *c = pg_new(&x->r.arena, struct replay_case);
    *c = (struct replay_case){.repository = keep(&x->r, t[ENTRY_TEXT_REPOSITORY]),
                              .tag = by_tag ? keep(&x->r, reference) : (struct sl){NULL, 0},
                              .digest = digest,
                              .first_s = e->when_ms / 1000};
    look_up(x, c);
    pg_map_put(&x->r.cases, &c->node, keep(&x->r, key));
    return c;
}

/* ---- changes ------------------------------------------------------------------------------- */

/* A name, or the address without its port. */
static struct sl caller_of(const struct entry *e)
{
    struct sl name = e->text[ENTRY_TEXT_CALLER], address = e->text[ENTRY_TEXT_ADDRESS];
    const char *colon = address.n > 0 ? memrchr(address.p, ':', address.n) : NULL;

    if (name.n > 0 && !sl_eq(name, SL("anonymous"))) {
        return name;
    }
    return colon != NULL ? (struct sl){address.p, (size_t)(colon - address.p)} : address;
}

static void add_caller(struct replay *r, struct replay_change *c, const struct entry *e)
{
    struct sl caller = caller_of(e);
    char bytes[KEY_BYTES], no[32];

    (void)snprintf(no, sizeof(no), "%zu", c->no);
    const struct sl parts[] = {caller, sl_str(no)};

    if (caller.n == 0) {
        return;
    }
    if (r->callers_seen.n >= REPLAY_CALLERS_MAX) {
        r->is_over = true;
        return;
    }
    r->changed_callers += add_once(r, &r->callers_seen, key_of(bytes, parts, 1));
    if (!add_once(r, &r->callers_seen, key_of(bytes, parts, 2))) {
        return;
    }
    if (c->ncallers < REPLAY_CALLERS_TOLD) {
        c->callers[c->ncallers] = keep(r, caller);
    }
    c->ncallers++;
}

/* All requests for the same image by the same name with the same outcome; NULL: there is no place.
 */
static struct replay_change *change_of(struct replayer *x, const struct replay_case *c,
                                       struct sl recorded, const struct gate_result *now)
{
    struct replay *r = &x->r;
    char bytes[KEY_BYTES], digest[DIGEST_TEXT_MAX];
    const struct sl parts[] = {c->repository, c->tag,       digest_write(&c->digest, digest),
                               recorded,      word_of(now), now->verdict.rule};
    struct sl key = key_of(bytes, parts, sizeof(parts) / sizeof(parts[0]));
    struct pg_map_node *node = pg_map_get(&r->changes, key);

    if (node != NULL) {
        return pg_container_of(node, struct replay_change, node);
    }
    if (r->nchanges >= REPLAY_CHANGES_MAX) {
        r->is_over = true;
        return NULL;
    }
    struct replay_change *one = pg_new(&r->arena, struct replay_change);
    *one = (struct replay_change){.no = r->nchanges,
                                  .repository = c->repository,
                                  .tag = c->tag,
                                  .digest = c->digest,
                                  .recorded = keep(r, recorded),
                                  .verdict = word_of(now),
                                  .rule = keep(r, now->verdict.rule),
                                  .reason = keep(r, now->verdict.reason),
                                  .remedy = keep(r, now->verdict.remedy),
                                  .is_unsure = now->answer != GATE_ALLOWS && is_unsure(x, c)};
    pg_map_put(&r->changes, &one->node, keep(r, key));
    *(r->last != NULL ? &r->last->next : &r->first) = one;
    r->last = one;
    r->nchanges++;
    return one;
}

static void note_change(struct replayer *x, const struct replay_case *c, const struct entry *e,
                        const struct gate_result *now)
{
    struct replay *r = &x->r;
    struct replay_change *one = change_of(x, c, e->text[ENTRY_TEXT_VERDICT], now);

    r->changed++;
    if (one == NULL) {
        return;
    }
    one->first_ms = one->requests == 0 ? e->when_ms : one->first_ms;
    one->last_ms = e->when_ms;
    one->requests++;
    add_caller(r, one, e);
}

static void count_image(struct replay *r, const struct replay_case *c, bool is_changed)
{
    char bytes[KEY_BYTES], digest[DIGEST_TEXT_MAX];
    const struct sl parts[] = {c->repository, digest_write(&c->digest, digest), SL("changed")};

    r->images += add_once(r, &r->images_seen, key_of(bytes, parts, 2));
    if (is_changed) {
        r->changed_images += add_once(r, &r->images_seen, key_of(bytes, parts, 3));
    }
}

static int on_entry(void *arg, const struct entry *e, struct pg_err *err)
{
    struct replayer *x = arg;
    struct replay_case *c = case_of(x, e);
    struct gate_result now, was;
    struct pg_arena arena;

    (void)err;
    if (c == NULL || (!c->is_manifest && !c->is_gone)) {
        return 0;
    }
    if (c->is_gone) {
        x->r.gone++;
        return 0;
    }
    x->r.requests++;
    pg_arena_init(&arena, GATE_BYTES);
    decide(x, &x->sides[NEW], c, e->when_ms / 1000, &arena, &now);
    bool differs = !sl_eq(word_of(&now), e->text[ENTRY_TEXT_VERDICT]);
    if (differs) {
        decide(x, &x->sides[IN_FORCE], c, e->when_ms / 1000, &arena, &was);
        if (was.answer == now.answer) {
            x->r.otherwise++;
            differs = false;
        } else {
            note_change(x, c, e, &now);
        }
    }
    count_image(&x->r, c, differs);
    pg_arena_free(&arena);
    return 0;
}

/* ---- the whole ----------------------------------------------------------------------------- */

static int load_new(struct replayer *x, struct pg_err *err)
{
    const char *file = x->r.args->signature.policy;

    if (policies_load(&x->load.config, file, &x->trusts, &x->new.policy, err) < 0) {
        return -1;
    }
    x->new.trusts = x->list;
    x->new.ntrusts = trusts_count(x->trusts);
    for (unsigned i = 0; i < x->new.ntrusts; i++) {
        x->list[i] = trusts_get(x->trusts, i);
    }
    x->new.excuses = trusts_excuses(x->trusts);
    policy_revision(x->new.policy, x->new.revision);
    return 0;
}

static int open_store(struct replayer *x, struct pg_err *err)
{
    const struct store_config sc = {.path = x->load.config.storage_path,
                                    .read_only = true,
                                    .data_pool = x->data_pool,
                                    .slow_pool = x->slow_pool};

    return store_open(&sc, &x->store, err);
}

static int answer(struct replayer *x)
{
    struct pg_buf out;

    pg_buf_init(&out, PRINT_BYTES_MAX);
    (x->r.args->json ? replay_print_json : replay_print_text)(&x->r, &out);
    int rc = out.over ? print_failure("there is more than is printed: ask for less time, with "
                                      "--since and --until, or for an --image")
             : print_out(pg_buf_sl(&out)) < 0 ? COMMAND_CANNOT
             : x->r.changed > 0               ? COMMAND_FOUND
                                              : COMMAND_GOOD;
    pg_buf_free(&out);
    return rc;
}

static int search(struct replayer *x)
{
    struct search_wanted wanted;
    struct search_found found = {0};
    struct pg_err err = {0};
    _fd_ int dir_fd = -1;
    int rc = auditing_wanted(x->r.args, &wanted);

    rc = rc == COMMAND_GOOD ? auditing_open(x->r.args, &dir_fd) : rc;
    if (rc != COMMAND_GOOD) {
        return rc;
    }
    x->r.from_ms = wanted.from_ms;
    if (search_run(dir_fd, &wanted, on_entry, x, &found, &err) < 0) {
        rc = print_failure("%s", err.msg);
        pg_err_clear(&err);
        return rc;
    }
    x->r.unreadable = found.unreadable;
    return answer(x);
}

static int run(struct replayer *x)
{
    struct pg_err err = {0};

    if (asker_open(&x->asker, &err) < 0) {
        int rc = print_failure("%s", err.msg);
        pg_err_clear(&err);
        return rc;
    }
    x->data_pool = pg_pool_new("pg-data", THREADS);
    x->slow_pool = pg_pool_new("pg-slow", THREADS);
    x->counsel = counsel_new(NULL);
    x->now_ms = pg_clock_mono_ms();
    int rc = load_new(x, &err) < 0 ? print_refusal(&err) : COMMAND_GOOD;
    if (rc == COMMAND_GOOD && open_store(x, &err) < 0) {
        rc = print_failure("%s", err.msg);
        pg_err_clear(&err);
    }
    if (rc == COMMAND_GOOD) {
        x->sides[NEW].admission = &x->new;
        x->sides[IN_FORCE].admission = &x->load.config.admission;
        x->sides[NEW].shelf = shelf_new(SHELF_HINTS);
        x->sides[IN_FORCE].shelf = shelf_new(SHELF_HINTS);
        rc = search(x);
    }
    return rc;
}

static void end(struct replayer *x)
{
    shelf_free(x->sides[NEW].shelf);
    shelf_free(x->sides[IN_FORCE].shelf);
    if (x->counsel != NULL) {
        counsel_free(x->counsel);
        store_close(x->store);
        pg_pool_free(x->data_pool);
        pg_pool_free(x->slow_pool);
        asker_close(&x->asker);
    }
    policy_unref(x->new.policy);
    trusts_free(x->trusts);
    pg_map_free(&x->r.cases);
    pg_map_free(&x->r.changes);
    pg_map_free(&x->r.images_seen);
    pg_map_free(&x->r.callers_seen);
    pg_arena_free(&x->r.arena);
}

int replay_run(const struct command_args *args)
{
    struct replayer x = {.r = {.args = args}};
    struct pg_err err = {0};

    if (args->signature.policy == NULL) {
        return print_failure("policy replay needs --policy FILE: the policy that is tried");
    }
    pg_hash_setup();
    pg_log_setup(PG_LOG_TEXT, PG_LOG_WARN);
    pg_arena_init(&x.r.arena, ARENA_BYTES);
    pg_map_init(&x.r.cases);
    pg_map_init(&x.r.changes);
    pg_map_init(&x.r.images_seen);
    pg_map_init(&x.r.callers_seen);
    int rc = config_load(args->config_file, &x.load, &err);
    rc = rc != 0 ? show_refusal(rc, &x.load, &err) : run(&x);
    end(&x);
    config_load_free(&x.load);
    return rc;
}
