/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/demand.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "policy/match.h"
#include "policy/scans.h"
#include "policy/secret.h"

#define TEXT_MAX  700
#define SHOWN_MAX 100
#define BASE_NAME "org.opencontainers.image.base.name"

/* What is asked, and where the answer goes. */
struct asked {
    const struct demand *d;
    const struct facts *f;
    const struct facts_content *c; /* of a demand about it */
    struct pg_arena *arena;
    struct demand_standing *s;
};

static void say(const struct asked *a, enum demand_answer answer, const char *help, const char *fmt,
                ...) PG_PRINTF(4, 5);

static void say(const struct asked *a, enum demand_answer answer, const char *help, const char *fmt,
                ...)
{
    char text[TEXT_MAX];
    va_list args;

    va_start(args, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    PG_CHECK(n >= 0);
    for (char *c = text; *c != '\0'; c++) { /* what an image says may hold anything */
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            *c = '?';
        }
    }
    a->s->answer = answer;
    a->s->found = pg_copy(a->arena, sl_str(text));
    a->s->help = sl_str(help);
}

#define SHOWN(s) (int)((s).n < SHOWN_MAX ? (s).n : SHOWN_MAX), (s).p

static bool any_matches(const struct demand *d, struct sl text)
{
    for (size_t i = 0; i < d->npatterns; i++) {
        if (wildcard_matches(d->patterns[i], text)) {
            return true;
        }
    }
    return false;
}

/* ---- what runs ----------------------------------------------------------------------------- */

/* A pattern without a variant is for all of them. */
static bool platform_matches(struct sl pattern, struct sl platform)
{
    const char *slash = memchr(platform.p, '/', platform.n), *variant;

    if (wildcard_matches(pattern, platform)) {
        return true;
    }
    variant = slash != NULL ? memchr(slash + 1, '/', (size_t)(platform.p + platform.n - slash - 1))
                            : NULL;
    return variant != NULL &&
           wildcard_matches(pattern, (struct sl){platform.p, (size_t)(variant - platform.p)});
}

static void stand_platforms(const struct asked *a)
{
    struct sl platform = a->c->platform;

    if (platform.p == NULL) {
        say(a, DEMAND_FAILS, "an image whose config says os and architecture",
            "its config says no platform");
        return;
    }
    for (size_t i = 0; i < a->d->npatterns; i++) {
        if (platform_matches(a->d->patterns[i], platform)) {
            return;
        }
    }
    say(a, DEMAND_FAILS, "an image for one of these platforms", "it is for %.*s", SHOWN(platform));
}

static bool is_image_type(struct sl type)
{
    return sl_eq(type, SL("application/vnd.oci.image.config.v1+json")) ||
           sl_eq(type, SL("application/vnd.docker.container.image.v1+json"));
}

/* "image" is the word for what runs. */
static bool type_is_among(const struct demand *d, struct sl type)
{
    for (size_t i = 0; i < d->npatterns; i++) {
        if (sl_eq(d->patterns[i], SL("image")) ? is_image_type(type)
                                               : wildcard_matches(d->patterns[i], type)) {
            return true;
        }
    }
    return false;
}

static void stand_types(const struct asked *a)
{
    if (a->c->shape == FACTS_OTHER || (a->c->ntypes == 0 && a->c->shape != FACTS_INDEX)) {
        say(a, DEMAND_FAILS, "", "it does not say what it is");
        return;
    }
    for (size_t i = 0; i < a->c->ntypes; i++) {
        if (!type_is_among(a->d, a->c->types[i])) {
            say(a, DEMAND_FAILS, "an artifact of one of these types", "it is %.*s",
                SHOWN(a->c->types[i]));
            return;
        }
    }
}

/* ---- what it says -------------------------------------------------------------------------- */

static const struct facts_pair *find(const struct facts_pair *all, size_t n, struct sl name)
{
    for (size_t i = 0; i < n; i++) {
        if (sl_eq(all[i].name, name)) {
            return &all[i];
        }
    }
    return NULL;
}

static bool value_matches(struct sl pattern, struct sl value)
{
    return sl_eq(pattern, SL("**")) || wildcard_matches(pattern, value);
}

static void stand_labels(const struct asked *a)
{
    for (size_t i = 0; i < a->d->npairs; i++) {
        const struct facts_pair *want = &a->d->pairs[i];
        const struct facts_pair *is = find(a->c->labels, a->c->nlabels, want->name);
        if (is == NULL) {
            say(a, DEMAND_FAILS, "build the image with this label", "it has no label \"%.*s\"",
                SHOWN(want->name));
            return;
        }
        if (!value_matches(want->value, is->value)) {
            say(a, DEMAND_FAILS, "build the image with another value of this label",
                "its label \"%.*s\" is \"%.*s\"", SHOWN(want->name), SHOWN(is->value));
            return;
        }
    }
}

/* What is too long to be matched is not let through. */
static bool value_is_denied(struct sl pattern, struct sl value)
{
    return value.n > WILDCARD_MAX || value_matches(pattern, value);
}

static void stand_no_labels(const struct asked *a)
{
    for (size_t i = 0; i < a->d->npairs; i++) {
        const struct facts_pair *no = &a->d->pairs[i];
        for (size_t k = 0; k < a->c->nlabels; k++) {
            const struct facts_pair *is = &a->c->labels[k];
            bool same = is->name.n > WILDCARD_MAX || value_matches(no->name, is->name);
            if (same && value_is_denied(no->value, is->value)) {
                say(a, DEMAND_FAILS, "build the image without this label",
                    "it has the label \"%.*s\"", SHOWN(is->name));
                return;
            }
        }
    }
}

/* The value is not told: it is a secret. */
static void stand_no_secrets(const struct asked *a)
{
    struct facts_secret found = a->c->secret.is_looked_for ? a->c->secret : secret_find(a->c);

    if (found.what != NULL) {
        say(a, DEMAND_FAILS, "build the image without it, and revoke the secret",
            "%s \"%.*s\" holds %s", found.where, SHOWN(found.name), found.what);
    }
}

/* "debian:12" is docker.io/library/debian. */
static bool base_is_allowed(const struct asked *a, struct sl name)
{
    const char *at = memchr(name.p, '@', name.n), *slash, *colon;
    struct pg_err ignored = {0};
    struct sl canonical;
    bool is = false;

    name.n = at != NULL ? (size_t)(at - name.p) : name.n;
    slash = memrchr(name.p, '/', name.n);
    colon = memrchr(name.p, ':', name.n);
    if (colon != NULL && (slash == NULL || colon > slash)) {
        name.n = (size_t)(colon - name.p);
    }
    if (memchr(name.p, '*', name.n) == NULL &&
        match_canonical(name, NULL, NULL, a->arena, &canonical, &ignored) == 0) {
        is = any_matches(a->d, canonical);
    }
    pg_err_clear(&ignored);
    return is;
}

static void stand_base(const struct asked *a)
{
    const struct facts_pair *says[] = {
        find(a->c->annotations, a->c->nannotations, SL(BASE_NAME)),
        find(a->c->labels, a->c->nlabels, SL(BASE_NAME)),
    };

    if (says[0] == NULL && says[1] == NULL) {
        say(a, DEMAND_FAILS, "build the image with the annotation " BASE_NAME,
            "it does not say on what it is based");
        return;
    }
    for (size_t i = 0; i < 2; i++) {
        if (says[i] != NULL && !base_is_allowed(a, says[i]->value)) {
            say(a, DEMAND_FAILS, "build the image on one of these", "it is based on \"%.*s\"",
                SHOWN(says[i]->value));
            return;
        }
    }
}

/* ---- its name, and how long it has it ------------------------------------------------------ */

static void stand_no_tags(const struct asked *a)
{
    if (a->f->tag.p != NULL && any_matches(a->d, a->f->tag)) {
        say(a, DEMAND_FAILS, "pull a tag that says which version it is, or the digest",
            "it is asked for as \"%.*s\"", SHOWN(a->f->tag));
    }
}

static void put_time(int64_t at_s, char text[32])
{
    time_t t = (time_t)at_s;
    struct tm tm;

    if (gmtime_r(&t, &tm) == NULL || strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0) {
        (void)snprintf(text, 32, "later");
    }
}

static void put_span(int64_t s, char text[40])
{
    if (s < 7200) {
        (void)snprintf(text, 40, "%lld minutes", (long long)s / 60);
    } else if (s < 172800) {
        (void)snprintf(text, 40, "%lld hours", (long long)s / 3600);
    } else {
        (void)snprintf(text, 40, "%lld days", (long long)s / 86400);
    }
}

/* A clock that stood before this was seen first says nothing about its age. */
static void stand_age(const struct asked *a)
{
    int64_t since_s = a->f->since_s, age_s = a->f->now_s - since_s;
    const char *what = a->f->tag.p != NULL ? "the tag has named it" : "it has been known";
    char when[32], span[40];

    if (since_s <= 0 || since_s > a->f->now_s) {
        say(a, DEMAND_FAILS, "wait until it has been known here for so long",
            "it is not known since when it is here");
        return;
    }
    if (age_s >= a->d->age_s) {
        return;
    }
    put_span(age_s, span);
    put_time(since_s + a->d->age_s, when);
    say(a, DEMAND_FAILS, "wait, or pull an older one",
        "%s here for %s only; it is old enough at %s", what, span, when);
    a->s->until_s = since_s + a->d->age_s;
}

static void stand_scan(const struct asked *a)
{
    scans_stand(a->d->scan, a->f, a->arena, a->s);
}

static void stand_fixed(const struct asked *a)
{
    char was[DIGEST_TEXT_MAX], is[DIGEST_TEXT_MAX];

    if (!demand_wants_record(a->d, a->f->tag)) {
        return;
    }
    if (a->f->record == FACTS_RECORD_UNKNOWN) {
        say(a, DEMAND_UNKNOWN, "", "what it was first could not be read");
    } else if (a->f->record == FACTS_MOVED) {
        say(a, DEMAND_FAILS,
            "have it moved back upstream; who operates this proxy takes the new one with "
            "`pullgate purge` of the tag",
            "it was " SL_FMT " here first, and is " SL_FMT " upstream now",
            SL_ARG(digest_write(&a->f->recorded, was)), SL_ARG(digest_write(&a->f->digest, is)));
    }
}

/* ---- any of them --------------------------------------------------------------------------- */

static const struct {
    bool content, of_index; /* what it looks at; whether it says something about an index */
    void (*stand)(const struct asked *a);
} kinds[] = {
    [DEMAND_PLATFORMS] = {true, false, stand_platforms},
    [DEMAND_TYPES] = {true, true, stand_types},
    [DEMAND_LABELS] = {true, false, stand_labels},
    [DEMAND_NO_LABELS] = {true, false, stand_no_labels},
    [DEMAND_NO_SECRETS] = {true, true, stand_no_secrets},
    [DEMAND_BASE_IMAGES] = {true, false, stand_base},
    [DEMAND_NO_TAGS] = {false, true, stand_no_tags},
    [DEMAND_MIN_AGE] = {false, true, stand_age},
    [DEMAND_FIXED_TAGS] = {false, true, stand_fixed},
    [DEMAND_SCAN] = {true, false, stand_scan},
};

bool demand_wants_content(const struct demand *d)
{
    return kinds[d->kind].content;
}

bool demand_wants_age(const struct demand *d)
{
    return d->kind == DEMAND_MIN_AGE;
}

bool demand_wants_scans(const struct demand *d)
{
    return d->kind == DEMAND_SCAN;
}

bool demand_wants_record(const struct demand *d, struct sl tag)
{
    return d->kind == DEMAND_FIXED_TAGS && tag.p != NULL && any_matches(d, tag);
}

/* An artifact, all of whose types a rule names, need not be an image for that rule. */
static bool is_excused(const struct demand *types, const struct facts_content *c)
{
    for (size_t i = 0; types != NULL && i < c->ntypes; i++) {
        if (!type_is_among(types, c->types[i])) {
            return false;
        }
    }
    return types != NULL && c->shape == FACTS_ARTIFACT && c->ntypes > 0;
}

static void stand_content(const struct asked *a, const struct demand *types)
{
    const struct facts_content *c = a->c;
    bool of_index = kinds[a->d->kind].of_index;

    if (c == NULL) {
        say(a, DEMAND_UNKNOWN, "", "its config has not been looked at");
    } else if (c->trouble != NULL) {
        say(a, c->is_unknown ? DEMAND_UNKNOWN : DEMAND_FAILS, "", "its config %.300s", c->trouble);
    } else if (c->shape == FACTS_IMAGE || a->d->kind == DEMAND_TYPES ||
               (c->shape == FACTS_INDEX && of_index)) {
        kinds[a->d->kind].stand(a);
    } else if (c->shape != FACTS_INDEX && !is_excused(types, c)) {
        struct sl is = c->ntypes > 0 ? c->types[0] : SL("a manifest of another type");
        say(a, DEMAND_FAILS, "a rule whose artifact_types names what it is", "it is no image: %.*s",
            SHOWN(is));
    }
}

void demand_stand(const struct demand *d, const struct demand *types, const struct facts *f,
                  struct pg_arena *arena, struct demand_standing *s_r)
{
    struct asked a = {.d = d, .f = f, .c = f->content, .arena = arena, .s = s_r};

    *s_r = (struct demand_standing){.answer = DEMAND_HOLDS,
                                    .until_s = INT64_MAX,
                                    .found = SL(""),
                                    .help = SL(""),
                                    .warning = SL("")};
    if (kinds[d->kind].content) {
        stand_content(&a, types);
    } else {
        kinds[d->kind].stand(&a);
    }
}

/* ---- in words ------------------------------------------------------------------------------ */

static void put_list(const struct demand *d, const char *before, struct pg_buf *out)
{
    size_t shown = d->npatterns < 6 ? d->npatterns : 5;

    (void)pg_buf_put(out, sl_str(before));
    for (size_t i = 0; i < shown; i++) {
        (void)pg_buf_printf(out, "%s%.*s", i > 0 ? ", " : "", SHOWN(d->patterns[i]));
    }
    if (shown < d->npatterns) {
        (void)pg_buf_printf(out, " or %zu more", d->npatterns - shown);
    }
}

static void put_pairs(const struct demand *d, const char *before, struct pg_buf *out)
{
    size_t shown = d->npairs < 6 ? d->npairs : 5;

    (void)pg_buf_put(out, sl_str(before));
    for (size_t i = 0; i < shown; i++) {
        (void)pg_buf_printf(out, "%s%.*s=%.*s", i > 0 ? ", " : "", SHOWN(d->pairs[i].name),
                            SHOWN(d->pairs[i].value));
    }
    if (shown < d->npairs) {
        (void)pg_buf_printf(out, " and %zu more", d->npairs - shown);
    }
}

void demand_put_want(const struct demand *d, struct pg_buf *out)
{
    char span[40];

    switch (d->kind) {
    case DEMAND_PLATFORMS:
        put_list(d, "a platform of: ", out);
        break;
    case DEMAND_TYPES:
        put_list(d, "an artifact type of: ", out);
        break;
    case DEMAND_LABELS:
        put_pairs(d, "the labels ", out);
        break;
    case DEMAND_NO_LABELS:
        put_pairs(d, "none of the labels ", out);
        break;
    case DEMAND_NO_SECRETS:
        (void)pg_buf_put(out, SL("no secret in labels, environment and annotations"));
        break;
    case DEMAND_BASE_IMAGES:
        put_list(d, "a base image of: ", out);
        break;
    case DEMAND_NO_TAGS:
        put_list(d, "another tag than ", out);
        break;
    case DEMAND_MIN_AGE:
        put_span(d->age_s, span);
        (void)pg_buf_printf(out, "that it has been known here for %s", span);
        break;
    case DEMAND_FIXED_TAGS:
        (void)pg_buf_put(out, SL("that the tag stays what it was first"));
        break;
    case DEMAND_SCAN:
        scans_put_want(d->scan, out);
        break;
    }
}
