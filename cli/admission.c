/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/admission.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "cli/config_int.h"
#include "cli/imprint.h"
#include "cli/reload.h"
#include "cli/rules.h"
#include "cli/trusts.h"
#include "scan/excuses.h"

#define LOOK_MS  1000
#define LIST_MAX 64
#define TEXT_MAX (2 * POLICY_BYTES_MAX)

/* ---- reading ------------------------------------------------------------------------------- */

static char *read_path(struct config_load *load, const struct pg_tree *t, const char *name)
{
    const struct option path = {.name = "", .type = OPTION_PATH};
    struct pg_buf why;
    char *value = NULL;

    if (!config_check_scalar(load, t, name)) {
        return NULL;
    }
    pg_buf_init(&why, OPTION_WHY_MAX);
    if (option_parse(&path, t->text, &value, &why) < 0) {
        config_add_problem(load, t->at, "%s: %.*s", name, (int)why.n, why.p);
    } else if (value[0] == '\0') {
        config_add_problem(load, t->at, "%s is empty", name);
    }
    pg_buf_free(&why);
    return value;
}

static char *read_named(struct config_load *load, const struct pg_tree *map, struct sl key,
                        const char *name)
{
    const struct pg_tree *t = pg_tree_get(map, key);

    return t != NULL ? read_path(load, t, name) : NULL;
}

/* A path, or a list of them. */
static void read_paths(struct config_load *load, const struct pg_tree *map, struct sl key,
                       const char *name, char ***paths_r, size_t *n_r)
{
    const struct pg_tree *t = pg_tree_get(map, key);
    bool many = t != NULL && t->kind == PG_TREE_LIST;

    if (t == NULL) {
        return;
    }
    if (many && t->nchildren > LIST_MAX) {
        config_add_problem(load, t->at, "%s: more than %d files", name, LIST_MAX);
        return;
    }
    *paths_r = calloc(many ? t->nchildren + 1 : 1, sizeof(**paths_r));
    PG_CHECK(*paths_r != NULL);
    for (const struct pg_tree *c = many ? t->first : t; c != NULL; c = many ? c->next : NULL) {
        char *path = read_path(load, c, name);
        if (path != NULL) {
            (*paths_r)[(*n_r)++] = path;
        }
    }
}

static void read_trust(struct config_load *load, const struct pg_tree *t)
{
    const struct config_words w = {
        .word = {"trusted_root", "notation_policy", "notation_store", "crls"}, .n = 4};
    struct config_trust *trust = &load->config.admission.trust;

    load->trust_at = t->at;
    if (!config_check_map(load, t, "trust", &w)) {
        return;
    }
    read_paths(load, t, SL("trusted_root"), "trust.trusted_root", &trust->roots, &trust->nroots);
    read_paths(load, t, SL("crls"), "trust.crls", &trust->crls, &trust->ncrls);
    trust->notation_policy = read_named(load, t, SL("notation_policy"), "trust.notation_policy");
    trust->notation_store = read_named(load, t, SL("notation_store"), "trust.notation_store");
}

/* A value as it may stand in a line of YAML. */
static void put_scalar(struct pg_buf *out, const struct pg_tree *t)
{
    if (t->is_plain && (sl_eq(t->text, SL("true")) || sl_eq(t->text, SL("false")))) {
        (void)pg_buf_put(out, t->text);
    } else if (pg_tree_is_null(t)) {
        (void)pg_buf_put(out, SL("null"));
    } else {
        (void)pg_buf_put_json(out, t->text);
    }
}

/* The tree in one line, without recursion. */
static void put_tree(struct pg_buf *out, const struct pg_tree *root)
{
    const struct pg_tree *next[PG_TREE_DEPTH_MAX + 1] = {root};
    const struct pg_tree *of[PG_TREE_DEPTH_MAX + 1] = {NULL}; /* whose children next are */
    size_t depth = 1;

    while (depth > 0) {
        const struct pg_tree *t = next[depth - 1], *parent = of[depth - 1];
        if (t == NULL) {
            depth--;
            if (parent != NULL) {
                (void)pg_buf_put(out, parent->kind == PG_TREE_MAP ? SL("}") : SL("]"));
            }
            continue;
        }
        if (parent != NULL && t != parent->first) {
            (void)pg_buf_put(out, SL(", "));
        }
        if (parent != NULL && parent->kind == PG_TREE_MAP) {
            (void)pg_buf_put_json(out, t->key);
            (void)pg_buf_put(out, SL(": "));
        }
        next[depth - 1] = t == root ? NULL : t->next;
        if (t->kind == PG_TREE_SCALAR) {
            put_scalar(out, t);
            continue;
        }
        PG_CHECK(depth <= PG_TREE_DEPTH_MAX);
        (void)pg_buf_put(out, t->kind == PG_TREE_MAP ? SL("{") : SL("["));
        of[depth] = t;
        next[depth++] = t->first;
    }
}

static void read_policy(struct config_load *load, const struct pg_tree *t)
{
    const struct config_words w = {.word = {"file"}, .n = 1};
    struct config_admission *a = &load->config.admission;
    struct pg_buf text;

    load->policy_at = t->at;
    if (!config_check_map(load, t, "policy", NULL)) {
        return;
    }
    if (pg_tree_get(t, SL("file")) != NULL) {
        (void)config_check_map(load, t, "policy (of a file)", &w);
        load->policy_at = pg_tree_get(t, SL("file"))->at;
        a->policy_file = read_named(load, t, SL("file"), "policy.file");
        return;
    }
    load->policy = t;
    pg_buf_init(&text, TEXT_MAX);
    put_tree(&text, t);
    if (text.over) {
        config_add_problem(load, t->at, "the policy is too long; put it into a file of its own");
    } else {
        a->policy_text = sl_dup(pg_buf_sl(&text));
    }
    pg_buf_free(&text);
}

void admission_read(struct config_load *load, const struct pg_tree *root)
{
    const struct pg_tree *policy = root != NULL ? pg_tree_get(root, SL("policy")) : NULL;
    const struct pg_tree *trust = root != NULL ? pg_tree_get(root, SL("trust")) : NULL;

    if (trust != NULL) {
        read_trust(load, trust);
    }
    if (policy != NULL) {
        read_policy(load, policy);
    }
}

/* ---- loading ------------------------------------------------------------------------------- */

/* What stands in the configuration itself says its own place: "FILE:LINE:COLUMN: ". */
static void add_problem(struct config_load *load, struct pg_tree_at at, const struct pg_err *err)
{
    size_t n = strlen(load->config.file);
    const char *text = err->msg;
    char *end = NULL;

    if (strncmp(text, load->config.file, n) == 0 && text[n] == ':') {
        unsigned long line = strtoul(text + n + 1, &end, 10);
        unsigned long col = *end == ':' ? strtoul(end + 1, &end, 10) : 0;
        if (line > 0 && col > 0 && end[0] == ':' && end[1] == ' ') {
            at = (struct pg_tree_at){(unsigned)line, (unsigned)col};
            text = end + 2;
        }
    }
    config_add_problem(load, at, "%s", text);
}

static int load_policy(struct config_load *load, struct trusts *t, struct pg_err *err)
{
    struct config_admission *a = &load->config.admission;
    const struct policy_source source = trusts_source(t);
    struct pg_buf text;

    if (load->policy != NULL) {
        return policy_read(load->config.file, load->policy, &source, &a->policy, err);
    }
    if (a->policy_file == NULL) {
        return 0;
    }
    trusts_base(t, a->policy_file);
    pg_buf_init(&text, POLICY_BYTES_MAX);
    int rc = trusts_read(t, sl_str(a->policy_file), POLICY_BYTES_MAX, &text, err);
    if (rc < 0 && rules_hint(a->policy_file)[0] != '\0') {
        (void)pg_fail(err, PG_E_STORE_IO, "cannot open %s%s", a->policy_file,
                      rules_hint(a->policy_file));
    }
    rc = rc < 0 ? rc : policy_load(a->policy_file, pg_buf_sl(&text), &source, &a->policy, err);
    pg_buf_free(&text);
    return rc;
}

static void set_revision(struct config_admission *a)
{
    struct pg_hash *h = pg_hash_new(PG_SHA256);
    uint8_t one[32];

    if (a->policy != NULL) {
        policy_revision(a->policy, one);
        pg_hash_update(h, one, sizeof(one));
    }
    if (a->excuses != NULL) {
        excuses_revision(a->excuses, one);
        pg_hash_update(h, one, sizeof(one));
    }
    for (unsigned i = 0; i < a->ntrusts; i++) {
        trust_revision(a->trusts[i], one);
        pg_hash_update(h, one, sizeof(one));
    }
    pg_hash_final(h, a->revision);
    pg_hash_free(h);
}

void admission_load(struct config_load *load)
{
    struct config_admission *a = &load->config.admission;
    struct trusts *t = NULL;
    struct pg_err err = {0};

    if (load->policy_at.line == 0 && load->trust_at.line == 0) {
        return;
    }
    pg_hash_setup();
    errno = 0;
    if (trusts_new(&load->config, &t, &err) < 0) {
        add_problem(load, load->trust_at, &err);
    } else if (load_policy(load, t, &err) < 0) {
        add_problem(load, load->policy_at, &err);
    } else {
        trusts_hand_over(t, a);
        set_revision(a);
    }
    pg_err_clear(&err);
    trusts_free(t);
}

/* ---- shown --------------------------------------------------------------------------------- */

static void put_paths(struct pg_buf *out, const char *name, char *const *paths, size_t n)
{
    if (n == 0) {
        return;
    }
    (void)pg_buf_printf(out, "  %s: [", name);
    for (size_t i = 0; i < n; i++) {
        (void)pg_buf_put(out, i > 0 ? SL(", ") : SL(""));
        (void)pg_buf_put_json(out, sl_str(paths[i]));
    }
    (void)pg_buf_put(out, SL("]\n"));
}

static void put_path(struct pg_buf *out, const char *name, const char *path)
{
    if (path != NULL) {
        (void)pg_buf_printf(out, "  %s: ", name);
        (void)pg_buf_put_json(out, sl_str(path));
        (void)pg_buf_put(out, SL("\n"));
    }
}

void admission_put(const struct config_admission *a, struct pg_buf *out)
{
    const struct config_trust *t = &a->trust;

    if (t->nroots > 0 || t->ncrls > 0 || t->notation_policy != NULL || t->notation_store != NULL) {
        (void)pg_buf_put(out, SL("trust:\n"));
        put_paths(out, "trusted_root", t->roots, t->nroots);
        put_path(out, "notation_policy", t->notation_policy);
        put_path(out, "notation_store", t->notation_store);
        put_paths(out, "crls", t->crls, t->ncrls);
    }
    if (a->policy_file != NULL) {
        (void)pg_buf_put(out, SL("policy:\n"));
        put_path(out, "file", a->policy_file);
    } else if (a->policy_text != NULL) {
        (void)pg_buf_printf(out, "policy: %s\n", a->policy_text);
    }
}

/* ---- followed ------------------------------------------------------------------------------ */

static void put_revision(const struct config *c, char text_r[17])
{
    for (size_t i = 0; i < 8; i++) {
        (void)snprintf(text_r + 2 * i, 3, "%02x", c->admission.revision[i]);
    }
}

static const char *what_of(const struct config *c)
{
    return c->admission.policy == NULL        ? "none, all that is asked for is served"
           : c->admission.policy_file != NULL ? c->admission.policy_file
                                              : c->file;
}

void admission_date(const struct config *old, struct config *now)
{
    bool is_same = old != NULL && memcmp(old->admission.revision, now->admission.revision,
                                         sizeof(now->admission.revision)) == 0;

    now->admission.since_s = is_same ? old->admission.since_s : pg_clock_wall_s();
}

/* Waivers that end, before they do. */
static void tell_excuses(const struct config_admission *a)
{
    size_t ending, ended;

    if (a->excuses == NULL) {
        return;
    }
    excuses_count(a->excuses, pg_clock_wall_s(), &ending, &ended);
    if (ending + ended > 0) {
        pg_log_say(PG_LOG_WARN, PG_LOG_CONFIG,
                   "waivers: %zu end within two weeks, %zu have ended and waive nothing", ending,
                   ended);
    }
}

void admission_tell(const struct config *old, const struct config *now)
{
    char before[17], after[17];

    tell_excuses(&now->admission);
    if (old == NULL) {
        if (now->admission.policy != NULL) {
            put_revision(now, after);
            pg_log_say(PG_LOG_INFO, PG_LOG_CONFIG, "policy: %s; revision %s", what_of(now), after);
        }
        return;
    }
    put_revision(old, before);
    put_revision(now, after);
    if (strcmp(before, after) != 0) {
        pg_log_say(PG_LOG_WARN, PG_LOG_CONFIG,
                   "policy or trust changed: %s; revision %s in place of %s", what_of(now), after,
                   before);
    }
}

int admission_look(struct admission_watch *w, struct reload *reload)
{
    const struct config_admission *a = &reload_config(reload)->admission;
    uint64_t now_ms = pg_clock_mono_ms();
    uint8_t now[IMPRINT_BYTES];

    if (w->revision != reload_revision(reload)) {
        w->revision = reload_revision(reload);
        memcpy(w->known, a->imprint, sizeof(w->known));
        memcpy(w->seen, a->imprint, sizeof(w->seen));
    }
    if (a->nfiles == 0) {
        return -1;
    }
    if (now_ms < w->look_ms) {
        return (int)(w->look_ms - now_ms);
    }
    w->look_ms = now_ms + LOOK_MS;
    imprint_of(a->files, a->nfiles, now);
    if (memcmp(now, w->known, sizeof(now)) != 0 && memcmp(now, w->seen, sizeof(now)) == 0) {
        memcpy(w->known, now, sizeof(now)); /* refused ones are not tried again as they are */
        pg_log_say(PG_LOG_INFO, PG_LOG_CONFIG, "files of the policy or of what it trusts changed");
        reload_start(reload, NULL);
    }
    memcpy(w->seen, now, sizeof(now));
    return LOOK_MS;
}
