/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/trusts.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/guarded.h"
#include "base/hash.h"
#include "cli/imprint.h"
#include "cli/made_root.h"
#include "policy/match.h"
#include "scan/excuses.h"

#define STORE_NAMES_MAX 64  /* folders of one type */
#define STORE_FILES_MAX 256 /* of one folder */
#define MADE_BYTES      ((size_t)1 << 20)

/* What a trust was made of; the configured one of nothing. */
struct made {
    struct trust *trust;
    char *root, *notation; /* of which file, or NULL */
    uint8_t sha256[32];    /* of the root that was made for it */
    bool has_sha256;
};

struct trusts {
    struct made made[POLICY_TRUSTS_MAX];
    unsigned n;
    bool has_root, has_notation; /* the configured one */
    const struct config *config;
    struct pg_hash *imprint;
    struct excuses *excuses; /* NULL: none were named */
    char *base;
    char *files[TRUSTS_FILES_MAX];
    size_t nfiles;
};

/* ---- names --------------------------------------------------------------------------------- */

static char *directory_of(const char *file)
{
    const char *slash = strrchr(file, '/');

    return slash == NULL   ? sl_dup(SL("."))
           : slash == file ? sl_dup(SL("/"))
                           : sl_dup((struct sl){file, (size_t)(slash - file)});
}

/* The directory of a file whatever directory we are in later. */
static char *base_of(const char *file)
{
    char *directory = directory_of(file);
    char *real = directory[0] != '/' ? realpath(directory, NULL) : NULL;

    if (real == NULL) {
        return directory;
    }
    free(directory);
    return real;
}

static char *path_of(const char *base, struct sl file)
{
    char *path = NULL;
    int n = file.n > 0 && file.p[0] == '/' ? asprintf(&path, SL_FMT, SL_ARG(file))
                                           : asprintf(&path, "%s/" SL_FMT, base, SL_ARG(file));

    PG_CHECK(n >= 0);
    return path;
}

static void note_file(struct trusts *t, const char *path)
{
    for (size_t i = 0; i < t->nfiles; i++) {
        if (strcmp(t->files[i], path) == 0) {
            return;
        }
    }
    if (t->nfiles < TRUSTS_FILES_MAX) { /* what is beyond is looked at by a reload alone */
        t->files[t->nfiles++] = sl_dup(sl_str(path));
        imprint_add(t->imprint, path); /* before it is read: what changes then is seen later */
    }
}

/* Who can write in the directory can put another file in place of this one. */
static int check_directory(const char *directory, struct pg_err *err)
{
    struct stat st;

    if (stat(directory, &st) < 0) {
        return pg_fail(err, PG_E_STORE_IO, "cannot look at %s: %s", directory, strerror(errno));
    }
    if (st.st_uid != 0 && st.st_uid != geteuid()) {
        return pg_fail(err, PG_E_STORE_IO,
                       "the directory %s belongs to uid %u, who could put other files there; it "
                       "must belong to root or to uid %u",
                       directory, (unsigned)st.st_uid, (unsigned)geteuid());
    }
    if ((st.st_mode & 0022) != 0 && (st.st_mode & S_ISVTX) == 0) {
        return pg_fail(err, PG_E_STORE_IO,
                       "the directory %s can be written by others (mode %04o); run: chmod go-w %s",
                       directory, (unsigned)(st.st_mode & 07777), directory);
    }
    return 0;
}

static int check_place(const char *path, struct pg_err *err)
{
    _free_ char *directory = directory_of(path);
    _free_ char *real = realpath(path, NULL);
    int why = errno;
    _free_ char *real_directory = realpath(directory, NULL);
    size_t n = real_directory != NULL ? strlen(real_directory) : 0;

    if (real == NULL || real_directory == NULL) {
        return pg_fail(err, PG_E_STORE_IO, "cannot open %s: %s", path,
                       strerror(real == NULL ? why : errno));
    }
    n -= n == 1 ? 1 : 0; /* "/" */
    if (strncmp(real, real_directory, n) != 0 || real[n] != '/') {
        return pg_fail(err, PG_E_STORE_IO,
                       "%s is a symbolic link that leads out of its directory, to %s; name that "
                       "file itself",
                       path, real);
    }
    return check_directory(real_directory, err);
}

static int read_path(struct trusts *t, const char *path, size_t max, struct pg_buf *out,
                     struct pg_err *err)
{
    PG_CHECK(out->n == 0);
    note_file(t, path);
    if (check_place(path, err) < 0 || pg_guarded_read(path, PG_GUARDED_PUBLIC, out, err) < 0) {
        return -1;
    }
    return out->n > max ? pg_fail(err, PG_E_STORE_IO, "%s is larger than %zu KiB", path, max / 1024)
                        : 0;
}

int trusts_read(struct trusts *t, struct sl file, size_t max, struct pg_buf *out,
                struct pg_err *err)
{
    _free_ char *path = path_of(t->base, file);

    return read_path(t, path, max, out, err);
}

/* ---- trusts -------------------------------------------------------------------------------- */

static int add_trust(struct trusts *t, unsigned *no_r, struct pg_err *err)
{
    if (t->n == POLICY_TRUSTS_MAX) {
        return pg_fail(err, PG_E_DENIED, "more than %d different trusted roots and trust policies",
                       POLICY_TRUSTS_MAX);
    }
    t->made[t->n].trust = trust_new();
    *no_r = t->n++;
    return 0;
}

static int add_root(struct trusts *t, struct trust *trust, const char *path, struct pg_err *err)
{
    struct pg_buf text;

    pg_buf_init(&text, TRUST_FILE_MAX);
    int rc = read_path(t, path, TRUST_FILE_MAX, &text, err);
    rc = rc < 0 ? rc : trust_add_root(trust, path, pg_buf_sl(&text), err);
    pg_buf_free(&text);
    return rc;
}

/* ---- Notation ------------------------------------------------------------------------------ */

static bool is_certificate(const char *name)
{
    static const char *const ends[] = {".pem", ".crt", ".cer"};
    size_t n = strlen(name);

    for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
        if (n > 4 && strcmp(name + n - 4, ends[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* What a folder holds, in order; -1 when there is too much. Hidden names are not taken. */
static int list(const char *path, size_t max, struct dirent ***names_r, struct pg_err *err)
{
    int n = scandir(path, names_r, NULL, alphasort);

    if (n < 0) {
        return pg_fail(err, PG_E_STORE_IO, "cannot read %s: %s", path, strerror(errno));
    }
    if ((size_t)n > max + 2) {
        for (int i = 0; i < n; i++) {
            free((*names_r)[i]);
        }
        free(*names_r);
        return pg_fail(err, PG_E_STORE_IO, "%s holds more than %zu files", path, max);
    }
    return n;
}

static int add_certificate(struct trusts *t, struct trust *trust, const char *type,
                           const char *name, const char *path, struct pg_err *err)
{
    struct stat st;
    struct pg_buf bytes;

    if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        return 0;
    }
    pg_buf_init(&bytes, TRUST_FILE_MAX);
    int rc = read_path(t, path, TRUST_FILE_MAX, &bytes, err);
    rc = rc < 0 ? rc
                : trust_add_store(trust, sl_str(type), sl_str(name), path, pg_buf_sl(&bytes), err);
    pg_buf_free(&bytes);
    return rc;
}

/* One named store: the certificates of a folder. */
static int add_named(struct trusts *t, struct trust *trust, const char *type, const char *name,
                     const char *path, struct pg_err *err)
{
    struct dirent **names;
    int n = list(path, STORE_FILES_MAX, &names, err), rc = n < 0 ? -1 : 0;

    note_file(t, path);
    for (int i = 0; i < n; i++) {
        if (rc == 0 && is_certificate(names[i]->d_name)) {
            _free_ char *file = path_of(path, sl_str(names[i]->d_name));
            rc = add_certificate(t, trust, type, name, file, err);
        }
        free(names[i]);
    }
    if (n >= 0) {
        free(names);
    }
    return rc;
}

static int add_type(struct trusts *t, struct trust *trust, const char *type, struct pg_err *err)
{
    _free_ char *path = NULL;
    struct dirent **names;
    struct stat st;
    int rc = 0;

    PG_CHECK(asprintf(&path, "%s/x509/%s", t->config->admission.trust.notation_store, type) >= 0);
    note_file(t, path);
    if (stat(path, &st) < 0 && errno == ENOENT) {
        return 0;
    }
    int n = list(path, STORE_NAMES_MAX, &names, err);
    for (int i = 0; i < n; i++) {
        _free_ char *folder = path_of(path, sl_str(names[i]->d_name));
        if (rc == 0 && names[i]->d_name[0] != '.' && stat(folder, &st) == 0 &&
            S_ISDIR(st.st_mode)) {
            rc = add_named(t, trust, type, names[i]->d_name, folder, err);
        }
        free(names[i]);
    }
    if (n >= 0) {
        free(names);
    }
    return n < 0 ? -1 : rc;
}

static int add_file(struct trusts *t, struct trust *trust, const char *path,
                    int (*take)(struct trust *trust, const char *file, struct sl bytes,
                                struct pg_err *err),
                    struct pg_err *err)
{
    struct pg_buf bytes;

    pg_buf_init(&bytes, TRUST_FILE_MAX);
    int rc = read_path(t, path, TRUST_FILE_MAX, &bytes, err);
    rc = rc < 0 ? rc : take(trust, path, pg_buf_sl(&bytes), err);
    pg_buf_free(&bytes);
    return rc;
}

static int add_notation(struct trusts *t, struct trust *trust, const char *policy,
                        struct pg_err *err)
{
    static const char *const types[] = {"ca", "signingAuthority", "tsa"};
    const struct config_trust *c = &t->config->admission.trust;

    for (size_t i = 0; c->notation_store != NULL && i < sizeof(types) / sizeof(*types); i++) {
        if (add_type(t, trust, types[i], err) < 0) {
            return -1;
        }
    }
    for (size_t i = 0; i < c->ncrls; i++) {
        if (add_file(t, trust, c->crls[i], trust_add_crl, err) < 0) {
            return -1;
        }
    }
    return add_file(t, trust, policy, trust_set_notation, err);
}

/* ---- what a policy asks for ---------------------------------------------------------------- */

static int read_pem(struct trusts *t, const struct policy_pem *pem, struct pg_buf *out,
                    struct pg_err *err)
{
    if (pem->text.p == NULL) {
        return trusts_read(t, pem->file, TRUST_FILE_MAX, out, err);
    }
    return pg_buf_put(out, pem->text) < 0 ? pg_fail(err, PG_E_DENIED, "the text is too long") : 0;
}

static int source_key(void *context, const struct policy_pem *pem, unsigned trust, char id_r[65],
                      struct pg_err *err)
{
    struct trusts *t = context;
    _free_ char *file = pem->text.p == NULL ? path_of(t->base, pem->file)
                                            : sl_dup(SL("the key that is given here"));
    struct pg_buf text;

    PG_CHECK(trust < t->n);
    pg_buf_init(&text, TRUST_FILE_MAX);
    int rc = read_pem(t, pem, &text, err);
    rc = rc < 0
             ? rc
             : trust_add_key(t->made[trust].trust, file, pg_buf_sl(&text), TRUST_ALWAYS, id_r, err);
    if (rc == 0 && trust_pad_key(t->made[trust].trust, id_r, pem->rsa_pss, err) < 0) {
        rc = pg_wrap(err, "%s", file);
    }
    pg_buf_free(&text);
    return rc;
}

static int source_root(void *context, struct sl file, unsigned *trust_r, struct pg_err *err)
{
    struct trusts *t = context;

    if (file.n == 0) {
        *trust_r = 0;
        return t->has_root ? 0
                           : pg_fail(err, PG_E_DENIED,
                                     "there is no trusted root: name Sigstore's trusted_root.json "
                                     "in trust.trusted_root of the configuration");
    }
    _free_ char *path = path_of(t->base, file);
    for (unsigned i = 0; i < t->n; i++) {
        if (t->made[i].root != NULL && strcmp(t->made[i].root, path) == 0) {
            *trust_r = i;
            return 0;
        }
    }
    if (add_trust(t, trust_r, err) < 0) {
        return -1;
    }
    t->made[*trust_r].root = sl_dup(sl_str(path));
    return add_root(t, t->made[*trust_r].trust, path, err);
}

static int source_notation(void *context, struct sl file, unsigned *trust_r, struct pg_err *err)
{
    struct trusts *t = context;

    if (file.n == 0) {
        *trust_r = 0;
        return t->has_notation ? 0
                               : pg_fail(err, PG_E_DENIED,
                                         "there is no trust policy of Notation: name it in "
                                         "trust.notation_policy of the configuration, or here: "
                                         "{notation: {policy: FILE}}");
    }
    _free_ char *path = path_of(t->base, file);
    for (unsigned i = 0; i < t->n; i++) {
        if (t->made[i].notation != NULL && strcmp(t->made[i].notation, path) == 0) {
            *trust_r = i;
            return 0;
        }
    }
    if (add_trust(t, trust_r, err) < 0) {
        return -1;
    }
    t->made[*trust_r].notation = sl_dup(sl_str(path));
    return add_notation(t, t->made[*trust_r].trust, path, err);
}

static int put_made(struct trusts *t, const struct policy_made *m, struct pg_buf *json,
                    struct pg_err *err)
{
    struct made_root root;
    int rc = 0;

    made_root_begin(&root, json);
    for (size_t i = 0; rc == 0 && i < m->nlogs; i++) {
        struct pg_buf pem;
        pg_buf_init(&pem, TRUST_FILE_MAX);
        rc = read_pem(t, &m->logs[i], &pem, err);
        rc = rc < 0 ? rc : made_root_log(&root, pg_buf_sl(&pem), err);
        pg_buf_free(&pem);
    }
    if (rc == 0 && (m->ca.file.p != NULL || m->ca.text.p != NULL)) {
        struct pg_buf pem;
        pg_buf_init(&pem, TRUST_FILE_MAX);
        rc = read_pem(t, &m->ca, &pem, err);
        rc = rc < 0 ? rc : made_root_ca(&root, pg_buf_sl(&pem), err);
        pg_buf_free(&pem);
    }
    made_root_end(&root);
    return rc;
}

static int take_made(struct trusts *t, struct sl json, unsigned *trust_r, struct pg_err *err)
{
    uint8_t sha256[32];

    pg_hash_once(PG_SHA256, json, sha256);
    for (unsigned i = 0; i < t->n; i++) {
        if (t->made[i].has_sha256 && memcmp(t->made[i].sha256, sha256, sizeof(sha256)) == 0) {
            *trust_r = i;
            return 0;
        }
    }
    if (add_trust(t, trust_r, err) < 0) {
        return -1;
    }
    memcpy(t->made[*trust_r].sha256, sha256, sizeof(sha256));
    t->made[*trust_r].has_sha256 = true;
    return trust_add_root(t->made[*trust_r].trust, "the authorities of the policy", json, err);
}

static int source_made(void *context, const struct policy_made *m, unsigned *trust_r,
                       struct pg_err *err)
{
    struct pg_buf json;

    pg_buf_init(&json, MADE_BYTES);
    int rc = put_made(context, m, &json, err);
    rc = rc < 0 ? rc : take_made(context, pg_buf_sl(&json), trust_r, err);
    pg_buf_free(&json);
    return rc;
}

static const char *source_host(void *context, struct sl host)
{
    const struct trusts *t = context;
    const struct config_upstream *u = config_find_upstream(t->config, host);

    return u != NULL ? u->name : config_alias_of(host);
}

static int canonical(struct sl text, struct pg_arena *arena, struct sl *pattern_r,
                     struct pg_err *err)
{
    return match_canonical(text, NULL, NULL, arena, pattern_r, err);
}

static int source_excuses(struct trusts *t, struct sl file, bool is_vex, struct pg_err *err)
{
    size_t max = is_vex ? VEX_BYTES_MAX : WAIVER_BYTES_MAX;
    _free_ char *path = path_of(t->base, file);
    struct pg_buf text;

    if (t->excuses == NULL) {
        t->excuses = excuses_new();
    }
    pg_buf_init(&text, max);
    int rc = read_path(t, path, max, &text, err);
    if (rc == 0) {
        rc = is_vex ? excuses_add_vex(t->excuses, path, pg_buf_sl(&text), err)
                    : excuses_add_waivers(t->excuses, path, pg_buf_sl(&text), canonical, err);
    }
    pg_buf_free(&text);
    return rc;
}

static int source_waivers(void *context, struct sl file, struct pg_err *err)
{
    return source_excuses(context, file, false, err);
}

static int source_vex(void *context, struct sl file, struct pg_err *err)
{
    return source_excuses(context, file, true, err);
}

struct policy_source trusts_source(struct trusts *t)
{
    return (struct policy_source){.key = source_key,
                                  .root = source_root,
                                  .made = source_made,
                                  .notation = source_notation,
                                  .waivers = source_waivers,
                                  .vex = source_vex,
                                  .host = source_host,
                                  .context = t};
}

/* ---- the whole ----------------------------------------------------------------------------- */

static int add_configured(struct trusts *t, struct pg_err *err)
{
    const struct config_trust *c = &t->config->admission.trust;
    unsigned no = 0;

    if (add_trust(t, &no, err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < c->nroots; i++) {
        if (add_root(t, t->made[no].trust, c->roots[i], err) < 0) {
            return -1;
        }
    }
    t->has_root = c->nroots > 0;
    t->has_notation = c->notation_policy != NULL;
    return t->has_notation ? add_notation(t, t->made[no].trust, c->notation_policy, err) : 0;
}

int trusts_new(const struct config *c, struct trusts **trusts_r, struct pg_err *err)
{
    struct trusts *t = calloc(1, sizeof(*t));

    PG_CHECK(t != NULL);
    t->config = c;
    t->base = base_of(c->file);
    t->imprint = pg_hash_new(PG_SHA256);
    if (add_configured(t, err) < 0) {
        trusts_free(t);
        return -1;
    }
    *trusts_r = t;
    return 0;
}

void trusts_base(struct trusts *t, const char *file)
{
    free(t->base);
    t->base = base_of(file);
}

void trusts_free(struct trusts *t)
{
    if (t == NULL) {
        return;
    }
    for (unsigned i = 0; i < t->n; i++) {
        trust_unref(t->made[i].trust);
        free(t->made[i].root);
        free(t->made[i].notation);
    }
    for (size_t i = 0; i < t->nfiles; i++) {
        free(t->files[i]);
    }
    pg_hash_free(t->imprint);
    excuses_free(t->excuses);
    free(t->base);
    free(t);
}

unsigned trusts_count(const struct trusts *t)
{
    return t->n;
}

struct trust *trusts_get(const struct trusts *t, unsigned no)
{
    PG_CHECK(no < t->n);
    return t->made[no].trust;
}

static void add_told(struct trust_told *sum, const struct trust *t)
{
    struct trust_told one;

    trust_told_of(t, &one);
    sum->nkeys += one.nkeys;
    sum->nlogs += one.nlogs;
    sum->ncas += one.ncas;
    sum->ntsas += one.ntsas;
    sum->ncerts += one.ncerts;
    sum->ncrls += one.ncrls;
    sum->ends_s = one.ends_s < sum->ends_s ? one.ends_s : sum->ends_s;
}

struct excuses *trusts_excuses(const struct trusts *t)
{
    return t->excuses;
}

void trusts_hand_over(struct trusts *t, struct config_admission *a)
{
    PG_CHECK(a->trusts == NULL && a->files == NULL);
    a->trusts = calloc(t->n, sizeof(struct trust *));
    a->files = calloc(t->nfiles + 1, sizeof(*a->files));
    a->told = calloc(1, sizeof(*a->told));
    PG_CHECK(a->trusts != NULL && a->files != NULL && a->told != NULL);
    a->told->ends_s = INT64_MAX;
    for (a->ntrusts = 0; a->ntrusts < t->n; a->ntrusts++) {
        a->trusts[a->ntrusts] = trust_ref(t->made[a->ntrusts].trust);
        add_told(a->told, a->trusts[a->ntrusts]);
    }
    for (a->nfiles = 0; a->nfiles < t->nfiles; a->nfiles++) {
        a->files[a->nfiles] = sl_dup(sl_str(t->files[a->nfiles]));
    }
    pg_hash_final(t->imprint, a->imprint);
    a->excuses = t->excuses;
    t->excuses = NULL;
}
