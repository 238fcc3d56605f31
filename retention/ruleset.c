/* SPDX-License-Identifier: Apache-2.0 */
#include "retention/ruleset.h"

#include <stdlib.h>

#include "base/wildcard.h"
#include "retention/ruleset_int.h"

#define ARENA_BYTES ((size_t)64 * 1024 * 1024)
#define DAY_S       ((int64_t)86400)

struct ruleset *ruleset_new(void)
{
    struct ruleset *r = calloc(1, sizeof(*r));

    PG_CHECK(r != NULL);
    pg_arena_init(&r->arena, ARENA_BYTES);
    r->untagged_s = RULESET_UNTAGGED_S;
    return r;
}

void ruleset_free(struct ruleset *r)
{
    if (r != NULL) {
        pg_arena_free(&r->arena);
        free(r);
    }
}

void ruleset_drop(struct ruleset **r)
{
    ruleset_free(*r);
}

int ruleset_load(const char *file, struct sl text, struct ruleset **rules_r, struct pg_err *err)
{
    struct ruleset *r = ruleset_new();
    struct reading reading = {.file = file, .arena = &r->arena, .err = err};
    struct pg_tree *root;

    if (reading_tree(&reading, text, &root) < 0 || ruleset_read_tree(&reading, root, r) < 0) {
        ruleset_free(r);
        return -1;
    }
    *rules_r = r;
    return 0;
}

/* ---- what fits ----------------------------------------------------------------------------- */

static bool any_matches(const struct sl *patterns, size_t n, struct sl text)
{
    for (size_t i = 0; i < n; i++) {
        if (wildcard_matches(patterns[i], text)) {
            return true;
        }
    }
    return false;
}

static bool has_tag(const struct image *image, struct sl pattern)
{
    for (size_t i = 0; i < image->ntags; i++) {
        if (wildcard_matches(pattern, image->tags[i])) {
            return true;
        }
    }
    return false;
}

static bool fits_tags(const struct ruleset_match *m, const struct image *image)
{
    bool any = m->ntags == 0;

    for (size_t i = 0; i < m->ntags && !any; i++) {
        any = has_tag(image, m->tags[i]);
    }
    for (size_t i = 0; i < m->nall_tags && any; i++) {
        any = has_tag(image, m->all_tags[i]);
    }
    return any && (!m->untagged || image->ntags == 0);
}

static bool fits_versions(const struct ruleset_match *m, const struct image *image)
{
    for (size_t i = 0; m->versions != NULL && i < image->ntags; i++) {
        struct semver v;
        if (semver_read(image->tags[i], &v) && semver_range_has(m->versions, &v)) {
            return true;
        }
    }
    return m->versions == NULL;
}

static bool has_pair(const struct image_pair *pairs, size_t n, const struct image_pair *wanted)
{
    for (size_t i = 0; i < n; i++) {
        if (sl_eq(pairs[i].key, wanted->key) && wildcard_matches(wanted->value, pairs[i].value)) {
            return true;
        }
    }
    return false;
}

static bool fits_pairs(const struct ruleset_match *m, const struct image *image)
{
    for (size_t i = 0; i < m->nlabels; i++) {
        if (!has_pair(image->labels, image->nlabels, &m->labels[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < m->nannotations; i++) {
        if (!has_pair(image->annotations, image->nannotations, &m->annotations[i])) {
            return false;
        }
    }
    return m->promoted.p == NULL ||
           (image->promoted.n > 0 && wildcard_matches(m->promoted, image->promoted));
}

bool ruleset_fits(const struct ruleset_rule *rule, const struct image *image)
{
    const struct ruleset_match *m = &rule->match;

    return any_matches(m->repositories, m->nrepositories, image->repo) && fits_tags(m, image) &&
           fits_versions(m, image) && fits_pairs(m, image);
}

bool ruleset_pins(const struct ruleset_pin *pin, const struct image *image, int64_t now_s)
{
    if (now_s > pin->until_s) {
        return false;
    }
    switch (pin->kind) {
    case RULESET_PIN_DIGEST:
        return digest_eq(&pin->digest, &image->digest) &&
               (pin->repo.n == 0 || sl_eq(pin->repo, image->repo));
    case RULESET_PIN_TAG:
        return sl_eq(pin->repo, image->repo) && has_tag(image, pin->tag);
    case RULESET_PIN_PATTERN:
        return wildcard_matches(pin->repo, image->repo) &&
               (pin->tag.n == 0 || has_tag(image, pin->tag));
    }
    PG_BUG("a kind of pin that there is not");
}

int64_t ruleset_next(const struct ruleset *r, int64_t after_s)
{
    if (r->by_hand_only) {
        return 0;
    }
    return r->has_schedule ? cron_next(&r->schedule, after_s) : after_s - after_s % DAY_S + DAY_S;
}

bool ruleset_is_open(const struct ruleset *r, int64_t now_s)
{
    for (size_t i = 0; i < r->nwindows; i++) {
        const struct ruleset_window *w = &r->windows[i];
        int64_t began_s = cron_next(&w->from, now_s - w->for_s);
        if (began_s > 0 && began_s <= now_s) {
            return true;
        }
    }
    return r->nwindows == 0;
}
