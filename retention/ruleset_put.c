/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/reading.h"
#include "retention/quota.h"
#include "retention/ruleset.h"

static const char *const by_words[] = {"seen", "pulled", "pushed", "version"};

/* JSON's strings are YAML's, too. */
static void put_texts(struct pg_buf *out, const char *key, const struct sl *texts, size_t n)
{
    if (n == 0) {
        return;
    }
    (void)pg_buf_printf(out, "        %s: [", key);
    for (size_t i = 0; i < n; i++) {
        (void)pg_buf_put(out, i > 0 ? SL(", ") : SL(""));
        (void)pg_buf_put_json(out, texts[i]);
    }
    (void)pg_buf_put(out, SL("]\n"));
}

static void put_pairs(struct pg_buf *out, const char *key, const struct image_pair *pairs, size_t n)
{
    if (n == 0) {
        return;
    }
    (void)pg_buf_printf(out, "        %s: {", key);
    for (size_t i = 0; i < n; i++) {
        (void)pg_buf_put(out, i > 0 ? SL(", ") : SL(""));
        (void)pg_buf_put_json(out, pairs[i].key);
        (void)pg_buf_put(out, SL(": "));
        (void)pg_buf_put_json(out, pairs[i].value);
    }
    (void)pg_buf_put(out, SL("}\n"));
}

static void put_text(struct pg_buf *out, const char *before, struct sl text)
{
    if (text.p != NULL) {
        (void)pg_buf_put(out, sl_str(before));
        (void)pg_buf_put_json(out, text);
        (void)pg_buf_put(out, SL("\n"));
    }
}

static void put_age(struct pg_buf *out, const char **comma, const char *key, int64_t age_s)
{
    char text[READING_AGE_TEXT];

    if (age_s >= 0) {
        (void)pg_buf_printf(out, "%s%s: %s", *comma, key, reading_age_text(age_s, text));
        *comma = ", ";
    }
}

static void put_limits(struct pg_buf *out, const struct ruleset_rule *rule)
{
    const struct ruleset_limits *l = &rule->limits;
    const char *comma = "";

    (void)pg_buf_put(out, SL("{"));
    put_age(out, &comma, rule->deletes ? "not_pulled_for" : "pulled_within", l->pulled_s);
    put_age(out, &comma, rule->deletes ? "seen_over" : "seen_within", l->seen_s);
    put_age(out, &comma, "pushed_over", l->pushed_s);
    if (l->count >= 0) {
        (void)pg_buf_printf(out, "%s%s: %" PRId64, comma,
                            rule->deletes ? "beyond_newest" : "newest", l->count);
        if (l->by != RULESET_BY_SEEN) {
            (void)pg_buf_printf(out, ", by: %s", by_words[l->by]);
        }
    }
    (void)pg_buf_put(out, SL("}"));
}

static void put_rule(struct pg_buf *out, const struct ruleset_rule *rule)
{
    const struct ruleset_match *m = &rule->match;

    put_text(out, "    - name: ", rule->name);
    put_text(out, "      description: ", rule->description);
    (void)pg_buf_put(out, SL("      match:\n"));
    put_texts(out, "repositories", m->repositories, m->nrepositories);
    put_texts(out, "tags", m->tags, m->ntags);
    put_texts(out, "all_tags", m->all_tags, m->nall_tags);
    put_text(out, "        versions: ", m->versions_text);
    if (m->untagged) {
        (void)pg_buf_put(out, SL("        untagged: true\n"));
    }
    put_pairs(out, "labels", m->labels, m->nlabels);
    put_pairs(out, "annotations", m->annotations, m->nannotations);
    put_text(out, "        promoted: ", m->promoted);
    (void)pg_buf_put(out, rule->deletes ? SL("      delete: ") : SL("      keep: "));
    if (rule->forever) {
        (void)pg_buf_put(out, SL("forever"));
    } else {
        put_limits(out, rule);
    }
    (void)pg_buf_put(out, SL("\n"));
    if (rule->last_copy_too) {
        (void)pg_buf_put(out, SL("      last_copy: delete\n"));
    }
    if (rule->bases_too) {
        (void)pg_buf_put(out, SL("      bases: delete\n"));
    }
}

static void put_pin(struct pg_buf *out, const struct ruleset_pin *pin)
{
    static const char *const keys[] = {"digest", "tag", "pattern"};
    char digest[DIGEST_TEXT_MAX], date[PG_ERR_TEXT_MAX] = "never";
    struct pg_buf what;

    pg_buf_init(&what, RULESET_BYTES_MAX);
    (void)pg_buf_put(&what, pin->repo);
    if (pin->kind == RULESET_PIN_DIGEST) {
        (void)pg_buf_printf(&what, "%s" SL_FMT, pin->repo.n > 0 ? "@" : "",
                            SL_ARG(digest_write(&pin->digest, digest)));
    } else if (pin->tag.n > 0) {
        (void)pg_buf_printf(&what, ":" SL_FMT, SL_ARG(pin->tag));
    }
    (void)pg_buf_printf(out, "    - %s: ", keys[pin->kind]);
    (void)pg_buf_put_json(out, pg_buf_sl(&what));
    pg_buf_free(&what);
    (void)pg_buf_put(out, SL("\n"));
    put_text(out, "      owner: ", pin->owner);
    put_text(out, "      reason: ", pin->reason);
    if (pin->until_s != RULESET_NEVER) {
        time_t when = (time_t)pin->until_s;
        struct tm tm;
        PG_CHECK(gmtime_r(&when, &tm) != NULL);
        (void)strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", &tm);
    }
    (void)pg_buf_printf(out, "      until: %s\n", date);
}

static void put_windows(struct pg_buf *out, const struct ruleset *r)
{
    char age[READING_AGE_TEXT];

    (void)pg_buf_put(out, r->nwindows > 0 ? SL("  windows:\n") : SL(""));
    for (size_t i = 0; i < r->nwindows; i++) {
        put_text(out, "    - from: ", r->windows[i].from_text);
        (void)pg_buf_printf(out, "      for: %s\n", reading_age_text(r->windows[i].for_s, age));
    }
}

void ruleset_put_all(const struct ruleset *r, struct pg_buf *out)
{
    char age[READING_AGE_TEXT];

    (void)pg_buf_put(out, r->remark);
    (void)pg_buf_printf(out, "retention:\n  order: %s\n  untagged: %s\n",
                        r->order == RULESET_FIRST_MATCH ? "first_match" : "keep_wins",
                        r->untagged_s == RULESET_NEVER ? "keep"
                                                       : reading_age_text(r->untagged_s, age));
    put_text(out, "  schedule: ", r->schedule_text);
    put_windows(out, r);
    quota_put(r, out);
    (void)pg_buf_put(out, r->nrules > 0 ? SL("  rules:\n") : SL("  rules: []\n"));
    for (size_t i = 0; i < r->nrules; i++) {
        put_rule(out, &r->rules[i]);
    }
    if (r->npins > 0) {
        (void)pg_buf_put(out, SL("  pins:\n"));
    }
    for (size_t i = 0; i < r->npins; i++) {
        put_pin(out, &r->pins[i]);
    }
}

void ruleset_put_action(const struct ruleset_rule *rule, struct pg_buf *out)
{
    (void)pg_buf_put(out, rule->deletes ? SL("delete ") : SL("keep "));
    if (rule->forever) {
        (void)pg_buf_put(out, SL("forever"));
    } else {
        put_limits(out, rule);
    }
}
