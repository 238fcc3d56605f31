/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/lifecycle.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/wildcard.h"
#include "cli/lifecycle_sweep.h"
#include "cli/print.h"
#include "cli/retention.h"
#include "retention/plan.h"
#include "retention/tell.h"

#define PLAN_BYTES_MAX ((size_t)1 << 30)
#define RATE           20
#define RATE_MAX       10000
#define FEW            20

struct lifecycle {
    const struct command_args *args;
    int64_t now_s;
    long rate;
    struct ruleset *rules;
    struct registry *registry;
    struct foreign foreign;
    struct image *images; /* those of foreign, in its order */
    struct plan plan;
    bool begun, mute;      /* mute: standard output takes nothing */
    const char *collected; /* what became of its garbage collection */
};

/* ---- what the rules can be asked here ------------------------------------------------------ */

/* A registry that does not say when an image was pulled: what asks for it deletes nothing. */
static int check_rules(const struct lifecycle *l)
{
    for (size_t i = 0; i < l->rules->nrules && !l->foreign.is_harbor; i++) {
        const struct ruleset_rule *rule = &l->rules->rules[i];
        if (rule->deletes && rule->limits.count >= 0 && rule->limits.by == RULESET_BY_PULLED) {
            return print_failure("rule \"" SL_FMT "\" counts by the last pull, which %s does not "
                                 "tell; count by: seen or version",
                                 SL_ARG(rule->name), registry_host(l->registry));
        }
        if (rule->limits.pulled_s >= 0) {
            (void)print_failure("note: rule \"" SL_FMT "\" asks for the last pull, which %s does "
                                "not tell: here it %s",
                                SL_ARG(rule->name), registry_host(l->registry),
                                rule->deletes ? "deletes nothing" : "keeps all that it is about");
        }
    }
    return COMMAND_GOOD;
}

static struct ruleset_pin pin_of(const struct image *image, struct sl reason)
{
    return (struct ruleset_pin){.kind = RULESET_PIN_DIGEST,
                                .digest = image->digest,
                                .repo = image->repo,
                                .owner = SL("pullgate"),
                                .reason = reason,
                                .until_s = RULESET_NEVER};
}

/* One of its tags that the rule says nothing of; with the digest it would go, too. */
static const struct sl *other_tag(const struct ruleset_match *m, const struct image *image)
{
    for (size_t i = 0; i < image->ntags; i++) {
        bool is_meant = m->ntags == 0;
        for (size_t k = 0; k < m->ntags && !is_meant; k++) {
            is_meant = wildcard_matches(m->tags[k], image->tags[i]);
        }
        if (!is_meant) {
            return &image->tags[i];
        }
    }
    return NULL;
}

/* Pins of what must not go whatever the rules say; how many came to them. */
static size_t add_pins(struct lifecycle *l, bool is_first)
{
    struct ruleset *rules = l->rules;
    size_t n = l->foreign.n, before = rules->npins;
    struct ruleset_pin *pins = pg_alloc(&rules->arena, (before + n + 1) * sizeof(*pins));

    for (size_t i = 0; i < before; i++) {
        pins[i] = rules->pins[i];
    }
    for (size_t i = 0; i < n; i++) {
        const struct plan_row *row = &l->plan.rows[i];
        const char *trouble = is_first ? l->foreign.found[i].trouble : NULL;
        const struct sl *tag =
            row->goes && row->why == PLAN_RULE ? other_tag(&row->rule->match, &l->images[i]) : NULL;
        if (trouble != NULL) {
            pins[rules->npins++] = pin_of(&l->images[i], sl_str(trouble));
        } else if (tag != NULL) {
            pins[rules->npins++] = pin_of(&l->images[i], SL("a rule deletes it by another tag"));
        }
    }
    rules->pins = pins;
    return rules->npins - before;
}

static void make_plan(struct lifecycle *l)
{
    bool is_first = true;

    l->images = pg_alloc(&l->foreign.arena, (l->foreign.n + 1) * sizeof(*l->images));
    for (size_t i = 0; i < l->foreign.n; i++) {
        l->images[i] = l->foreign.found[i].image;
    }
    plan_make(l->rules, l->images, l->foreign.n, l->now_s, &l->plan);
    while (add_pins(l, is_first) > 0) { /* each is pinned once: it ends */
        plan_free(&l->plan);
        plan_make(l->rules, l->images, l->foreign.n, l->now_s, &l->plan);
        is_first = false;
    }
}

/* ---- what is said -------------------------------------------------------------------------- */

static int print_buf(const struct pg_buf *out)
{
    if (out->over) {
        return print_failure("the answer is longer than %zu MiB", out->max >> 20);
    }
    return print_out(pg_buf_sl(out)) < 0 ? COMMAND_CANNOT : COMMAND_GOOD;
}

static int print_plan(const struct lifecycle *l)
{
    struct pg_buf out;

    pg_buf_init(&out, PLAN_BYTES_MAX);
    if (l->args->json) {
        tell_json(&l->plan, l->now_s, &out);
    } else if (l->args->retention.csv) {
        tell_csv(&l->plan, &out);
    } else {
        tell_text(&l->plan, !l->args->retention.all, &out);
    }
    int rc = print_buf(&out);
    pg_buf_free(&out);
    return rc;
}

static void on_swept(void *owner, const struct image *image, enum lifecycle_sweep_outcome outcome,
                     const char *why)
{
    static const char *const words[] = {
        "removed", "a tag names it since the plan was made: it stays", "failed: "};
    struct lifecycle *l = owner;
    char digest[DIGEST_TEXT_MAX];
    struct pg_buf what, out;

    pg_buf_init(&what, PRINT_BYTES_MAX);
    pg_buf_init(&out, PRINT_BYTES_MAX);
    (void)pg_buf_printf(&what, "%s%s", words[outcome], why != NULL ? why : "");
    (void)digest_write(&image->digest, digest);
    if (l->args->json) {
        (void)pg_buf_put(&out, l->begun ? SL(",\n{\"repo\":") : SL("\n{\"repo\":"));
        (void)pg_buf_put_json(&out, image->repo);
        (void)pg_buf_printf(&out, ",\"digest\":\"%s\",\"outcome\":", digest);
        (void)pg_buf_put_json(&out, pg_buf_sl(&what));
        (void)pg_buf_put(&out, SL("}"));
    } else {
        print_put_safe(image->repo, &out);
        (void)pg_buf_printf(&out, "@%s: ", digest);
        print_put_safe(pg_buf_sl(&what), &out);
        (void)pg_buf_put(&out, SL("\n"));
    }
    l->begun = true;
    l->mute |= print_out(pg_buf_sl(&out)) < 0;
    pg_buf_free(&what);
    pg_buf_free(&out);
}

static int print_sum(const struct lifecycle *l, const struct lifecycle_sweep *s)
{
    struct pg_buf out;

    pg_buf_init(&out, PRINT_BYTES_MAX);
    if (l->args->json) {
        (void)pg_buf_printf(&out,
                            "],\"removed\":%" PRIu64 ",\"changed\":%" PRIu64 ",\"failed\":%" PRIu64
                            ",\"garbage_collection\":\"%s\"}\n",
                            s->removed, s->changed, s->failed, l->collected);
    } else {
        (void)pg_buf_printf(&out,
                            "%" PRIu64 " manifest%s removed; %" PRIu64
                            " changed since the plan was made, and stay; garbage collection: %s\n",
                            s->removed, print_s(s->removed), s->changed, l->collected);
    }
    int rc = print_buf(&out);
    pg_buf_free(&out);
    rc = l->mute ? COMMAND_CANNOT : rc;
    return rc == COMMAND_GOOD && s->failed > 0 ? COMMAND_FOUND : rc;
}

/* ---- doing it ------------------------------------------------------------------------------ */

static int check_share(const struct lifecycle *l)
{
    const struct plan *p = &l->plan;

    if (l->args->backup.force || p->ngo < FEW || p->ngo <= p->nrows / 2) {
        return COMMAND_GOOD;
    }
    return print_failure("%zu of %zu manifests would go: look at them with --dry-run, and say "
                         "--force",
                         p->ngo, p->nrows);
}

/* Of what has one that can be asked for: Harbor. */
static void collect(struct lifecycle *l, uint64_t removed)
{
    const struct registry_question q = {.method = "POST",
                                        .path = "/api/v2.0/system/gc/schedule",
                                        .is_own_api = true,
                                        .json = "{\"schedule\":{\"type\":\"Manual\"},"
                                                "\"parameters\":{\"delete_untagged\":false}}"};
    struct registry_answer a = {0};
    struct pg_err err = {0};

    l->collected = removed == 0 ? "nothing to do" : "the registry's own, when it runs";
    if (removed == 0 || !l->foreign.is_harbor) {
        return;
    }
    bool good = registry_ask(l->registry, &q, &a, &err) == 0 && a.status >= 200 && a.status <= 299;
    l->collected = good ? "asked for" : "refused: that needs a login of an administrator";
    pg_err_clear(&err);
    registry_answer_free(&a);
}

static int carry_out(struct lifecycle *l)
{
    struct lifecycle_sweep s = {
        .foreign = &l->foreign, .plan = &l->plan, .rate = l->rate, .tell = on_swept, .owner = l};

    if (l->args->json && print_out(SL("{\"images\":[")) < 0) {
        return COMMAND_CANNOT;
    }
    lifecycle_sweep_run(&s);
    collect(l, s.removed);
    return print_sum(l, &s);
}

static int run(struct lifecycle *l)
{
    const struct command_args *args = l->args;
    struct pg_err err = {0};

    if (registry_open(args->lifecycle.registry, args->ca, !args->change.dry_run, &l->registry,
                      &err) < 0 ||
        foreign_take(l->registry, sl_str(args->lifecycle.repo), l->now_s, &l->foreign, &err) < 0) {
        int rc = print_failure("%s%s%s", err.msg, err.detail != NULL ? ": " : "",
                               err.detail != NULL ? err.detail : "");
        pg_err_clear(&err);
        return rc;
    }
    int rc = check_rules(l);
    if (rc != COMMAND_GOOD) {
        return rc;
    }
    make_plan(l);
    if (args->change.dry_run) {
        rc = print_plan(l);
    } else {
        rc = check_share(l);
        rc = rc == COMMAND_GOOD ? carry_out(l) : rc;
    }
    plan_free(&l->plan);
    return rc;
}

static int read_rate(const struct command_args *args, long *rate_r)
{
    const char *text = args->retention.rate;
    char *end = NULL;

    *rate_r = RATE;
    if (text == NULL) {
        return COMMAND_GOOD;
    }
    *rate_r = strtol(text, &end, 10);
    if (end == text || *end != '\0' || *rate_r < 1 || *rate_r > RATE_MAX) {
        return print_failure("--rate %s is no number from 1 to %d", text, RATE_MAX);
    }
    return COMMAND_GOOD;
}

int lifecycle_run(const struct command_args *args)
{
    struct lifecycle l = {.args = args, .now_s = pg_clock_wall_s()};
    struct pg_err err = {0};

    if (args->lifecycle.registry == NULL || args->lifecycle.repo == NULL ||
        args->lifecycle.policy == NULL) {
        return print_failure("lifecycle needs --registry URL, --repo PATTERN and --policy FILE");
    }
    if (wildcard_check(sl_str(args->lifecycle.repo), &err) < 0) {
        int rc = print_failure("--repo: %s", err.msg);
        pg_err_clear(&err);
        return rc;
    }
    int rc = read_rate(args, &l.rate);
    rc = rc == COMMAND_GOOD ? retention_load(args->lifecycle.policy, &l.rules) : rc;
    if (rc == COMMAND_GOOD) {
        pg_hash_setup();
        rc = run(&l);
    }
    foreign_free(&l.foreign);
    registry_close(l.registry);
    ruleset_free(l.rules);
    return rc;
}
