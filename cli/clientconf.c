/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/clientconf.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/nearest.h"
#include "cli/clientconf_int.h"
#include "cli/config.h"
#include "cli/print.h"
#include "cli/show.h"

#define FILE_BYTES_MAX ((size_t)1 << 20)
#define FILES_MAX      (CONFIG_UPSTREAMS_MAX + 8)
#define CERTS_MAX      16

static const struct {
    const char *name;
    void (*write)(struct clientconf *c);
} kinds[] = {
    {"docker", clientconf_docker_write},
    {"containerd1", clientconf_containerd_write_1},
    {"containerd2", clientconf_containerd_write_2},
    {"podman", clientconf_podman_write},
    {"crio", clientconf_podman_write_crio},
    {"k3s", clientconf_cluster_write_k3s},
    {"buildkit", clientconf_docker_write_buildkit},
    {"talos", clientconf_cluster_write_talos},
};
#define NKINDS (sizeof kinds / sizeof *kinds)

/* ---- for the writers ----------------------------------------------------------------------- */

static char *formatted(const char *fmt, va_list args) PG_PRINTF(1, 0);

static char *formatted(const char *fmt, va_list args)
{
    char *text = NULL;
    int n = vasprintf(&text, fmt, args);

    PG_CHECK(n >= 0);
    return text;
}

struct pg_buf *clientconf_add(struct clientconf *c, const char *path_fmt, ...)
{
    PG_CHECK(c->nfiles < FILES_MAX);
    struct clientconf_file *f = &c->files[c->nfiles++];
    va_list args;

    va_start(args, path_fmt);
    f->path = formatted(path_fmt, args);
    va_end(args);
    pg_buf_init(&f->text, FILE_BYTES_MAX);
    return &f->text;
}

void clientconf_add_ca(struct clientconf *c, const char *path_fmt, ...)
{
    va_list args;

    if (c->ca == NULL) {
        return;
    }
    va_start(args, path_fmt);
    char *path = formatted(path_fmt, args);
    va_end(args);
    (void)pg_buf_printf(clientconf_add(c, "%s", path), "%s", c->ca);
    free(path);
}

void clientconf_note(struct clientconf *c, const char *text)
{
    (void)pg_buf_printf(&c->notes, "pullgate: %s: %s\n", c->kind, text);
}

void clientconf_comment(struct pg_buf *out, const char *text)
{
    print_put_wrapped(out, "# ", (struct sl){text, strlen(text)});
}

void clientconf_quote(struct pg_buf *out, const char *text)
{
    (void)pg_buf_put_json(out, (struct sl){text, strlen(text)});
}

/* ---- what is asked for --------------------------------------------------------------------- */

static int take_proxy(struct clientconf *c, const char *url)
{
    struct authority_url parsed;
    const char *why;

    if (authority_parse_url((struct sl){url, strlen(url)}, &parsed, &why) < 0) {
        return print_failure("--proxy %s: as in https://cache.example:5000", why);
    }
    c->is_https = parsed.is_https;
    c->authority = sl_dup(parsed.authority);
    if (asprintf(&c->url, "http%s://%s", parsed.is_https ? "s" : "", c->authority) < 0) {
        PG_BUG("no memory");
    }
    return COMMAND_GOOD;
}

/* By which URL clients reach the first listener, if its address says. */
static int guess_proxy(struct clientconf *c, const struct config *config)
{
    const struct config_listener *l = &config->listeners[0];
    struct sl host = {0};
    uint16_t port = 0;
    char *url = NULL;

    if (authority_parse((struct sl){l->address, strlen(l->address)}, &host, &port) < 0 ||
        port == 0 || sl_eq(host, SL("0.0.0.0")) || sl_eq(host, SL("::"))) {
        return print_failure("say by which URL clients reach the proxy: --proxy "
                             "https://HOST:PORT (it listens on %s)",
                             l->address);
    }
    if (asprintf(&url, "http%s://%s", l->tls.npairs > 0 ? "s" : "", l->address) < 0) {
        PG_BUG("no memory");
    }
    int rc = take_proxy(c, url);
    free(url);
    return rc;
}

static int take_upstreams(struct clientconf *c, const struct command_list *names)
{
    for (size_t i = 0; i < names->n; i++) {
        struct sl host;
        uint16_t port;
        const char *name = names->items[i];
        if (authority_parse((struct sl){name, strlen(name)}, &host, &port) < 0) {
            return print_failure("--upstream takes the name of a registry, as docker.io; not %s",
                                 name);
        }
        c->upstreams[c->nupstreams++] = name;
    }
    return COMMAND_GOOD;
}

/* Certificates alone are copied, whatever else the file holds: it may be the server's own, with
 * its key. */
static int take_ca(struct clientconf *c, const char *path)
{
    BIO *in = BIO_new_file(path, "r"), *out = BIO_new(BIO_s_mem());
    char *text;
    size_t n = 0;

    PG_CHECK(out != NULL);
    for (X509 *x; in != NULL && n < CERTS_MAX && (x = PEM_read_bio_X509(in, NULL, NULL, NULL));
         n++) {
        PG_CHECK(PEM_write_bio_X509(out, x) == 1);
        X509_free(x);
    }
    long length = BIO_get_mem_data(out, &text);
    if (n > 0) {
        c->ca = sl_dup((struct sl){text, (size_t)length});
    }
    ERR_clear_error();
    BIO_free(in);
    BIO_free(out);
    if (n == 0) {
        return print_failure("--ca %s: %s", path,
                             in == NULL ? strerror(errno) : "no certificates in PEM form");
    }
    return COMMAND_GOOD;
}

/* ---- where it goes ------------------------------------------------------------------------- */

static int print_files(const struct clientconf *c)
{
    struct pg_buf out;

    pg_buf_init(&out, PRINT_BYTES_MAX);
    for (size_t i = 0; i < c->nfiles; i++) {
        (void)pg_buf_printf(&out, "%s# %s\n" SL_FMT, i > 0 ? "\n" : "", c->files[i].path,
                            SL_ARG(pg_buf_sl(&c->files[i].text)));
    }
    int rc = print_out(pg_buf_sl(&out));
    pg_buf_free(&out);
    return rc < 0 ? COMMAND_CANNOT : COMMAND_GOOD;
}

/* 1: it is there with this text. 0: it is not there. -1: it is there, and is something else. */
static int look(const char *path, struct sl text)
{
    _fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    _free_ char *have = NULL;
    struct stat st;

    if (fd < 0) {
        return errno == ENOENT ? 0 : -1;
    }
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (size_t)st.st_size != text.n) {
        return -1;
    }
    have = malloc(text.n > 0 ? text.n : 1);
    PG_CHECK(have != NULL);
    return pg_fd_pread(fd, have, text.n, 0) == 0 && memcmp(have, text.p, text.n) == 0 ? 1 : -1;
}

static int make_folders(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int rc = mkdir(path, 0755);
        *slash = '/';
        if (rc < 0 && errno != EEXIST) {
            return -1;
        }
    }
    return 0;
}

static int write_file(char *path, struct sl text)
{
    if (make_folders(path) < 0) {
        return -1;
    }
    _fd_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0) {
        return -1;
    }
    if (pg_fd_write(fd, text.p, text.n) < 0) {
        int saved = errno;
        (void)unlink(path); /* a half file is worse than none */
        errno = saved;
        return -1;
    }
    return 0;
}

static char *below(const char *dir, const struct clientconf_file *f)
{
    size_t n = strlen(dir);
    char *path = NULL;

    while (n > 0 && dir[n - 1] == '/') {
        n--;
    }
    if (asprintf(&path, "%.*s%s", (int)n, dir, f->path) < 0) {
        PG_BUG("no memory");
    }
    return path;
}

/* All of them, or none where one is there and says something else. */
static int write_files(const struct clientconf *c, const char *dir)
{
    int rc = COMMAND_GOOD;

    for (size_t i = 0; i < c->nfiles; i++) {
        _free_ char *path = below(dir, &c->files[i]);
        if (look(path, pg_buf_sl(&c->files[i].text)) < 0) {
            rc = print_failure("%s is there and says something else; it is left alone: move it "
                               "away, or merge what `pullgate clientconf --for %s` prints",
                               path, c->kind);
        }
    }
    for (size_t i = 0; i < c->nfiles && rc == COMMAND_GOOD; i++) {
        _free_ char *path = below(dir, &c->files[i]);
        struct sl text = pg_buf_sl(&c->files[i].text);
        bool is_there = look(path, text) > 0;
        if (!is_there && write_file(path, text) < 0) {
            return print_failure("cannot write %s: %s", path, strerror(errno));
        }
        (void)printf("%s %s\n", is_there ? "as it was:" : "written:  ", path);
    }
    return rc;
}

/* ---- the command --------------------------------------------------------------------------- */

static int find_kind(const char *name, size_t *kind_r)
{
    const char *words[NKINDS];
    struct pg_buf all;

    pg_buf_init(&all, FILE_BYTES_MAX);
    for (size_t i = 0; i < NKINDS; i++) {
        words[i] = kinds[i].name;
        (void)pg_buf_printf(&all, "%s%s", i > 0 ? ", " : "", words[i]);
        if (name != NULL && strcmp(name, words[i]) == 0) {
            *kind_r = i;
            pg_buf_free(&all);
            return COMMAND_GOOD;
        }
    }
    const char *near =
        name != NULL ? pg_nearest_of((struct sl){name, strlen(name)}, words, NKINDS) : NULL;
    if (near != NULL) {
        (void)print_failure("no client %s; did you mean %s?", name, near);
    } else {
        (void)print_failure("%s%s: --for takes one of " SL_FMT, name != NULL ? "no client " : "say",
                            name != NULL ? name : " for which client", SL_ARG(pg_buf_sl(&all)));
    }
    pg_buf_free(&all);
    return COMMAND_CANNOT;
}

int clientconf_open(struct clientconf *c_r, const struct command_args *args)
{
    struct clientconf *c = c_r;
    const struct config *config = &c->load.config;
    struct pg_err err = {0};

    *c = (struct clientconf){.kind = args->client};
    c->files = calloc(FILES_MAX, sizeof *c->files);
    c->upstreams = calloc(CONFIG_UPSTREAMS_MAX, sizeof *c->upstreams);
    PG_CHECK(c->files != NULL && c->upstreams != NULL);
    pg_buf_init(&c->notes, FILE_BYTES_MAX);
    if (args->proxy == NULL || args->upstreams.n == 0) {
        int loaded = config_load(args->config_file, &c->load, &err);
        if (loaded != 0) {
            return show_refusal(loaded, &c->load, &err);
        }
    }
    int rc = args->proxy != NULL ? take_proxy(c, args->proxy) : guess_proxy(c, config);
    if (rc == COMMAND_GOOD && args->ca != NULL) {
        rc = take_ca(c, args->ca);
    }
    if (rc == COMMAND_GOOD && args->upstreams.n > 0) {
        return take_upstreams(c, &args->upstreams);
    }
    for (size_t i = 0; i < config->nupstreams; i++) {
        c->upstreams[c->nupstreams++] = config->upstreams[i].name;
    }
    return rc;
}

void clientconf_close(struct clientconf *c)
{
    for (size_t i = 0; i < c->nfiles; i++) {
        free(c->files[i].path);
        pg_buf_free(&c->files[i].text);
    }
    free(c->files);
    free(c->upstreams);
    free(c->authority);
    free(c->url);
    free(c->ca);
    pg_buf_free(&c->notes);
    config_load_free(&c->load);
}

int clientconf_run(const struct command_args *args)
{
    struct clientconf c;
    size_t kind = 0;

    if (find_kind(args->client, &kind) != COMMAND_GOOD) {
        return COMMAND_CANNOT;
    }
    int rc = clientconf_open(&c, args);
    if (rc == COMMAND_GOOD) {
        kinds[kind].write(&c);
        rc = args->dir != NULL ? write_files(&c, args->dir) : print_files(&c);
        print_error(pg_buf_sl(&c.notes));
    }
    clientconf_close(&c);
    return rc;
}
