/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/canary.h"

#include <curl/curl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/nearest.h"
#include "cli/clientconf_int.h"
#include "cli/print.h"
#include "cli/program.h"
#include "cli/sighting.h"
#include "proxy/journey/canary.h"

/* An image of one layer, the empty tar. Who puts it into a registry, by whatever tag, sees it
 * pulled where a client is open; where it is not, the attempt is seen. */
#define CANARY_DIGEST "sha256:dcca462a35e011aa0b91e08508aa18fb3996cd2958d74bede6439cb1c5a004d4"
#define SAID_MAX      ((size_t)4 << 20)
#define ANSWER_MAX    ((size_t)64 << 10)
#define PULL_MS       120000
#define ASK_MS        10000L
#define WORDS_MAX     10

enum verdict {
    CLOSED,
    OPEN,
    HELD,
    INCONCLUSIVE,
};
static const char *const verdict_names[] = {"closed", "open", "held", "inconclusive"};

struct canary {
    const struct command_args *args;
    struct clientconf conf; /* the proxy and the upstreams */
    char *hosts_dir;        /* of containerd */
    bool is_vague;          /* docker with the containerd image store */
    struct pg_buf said;     /* by the program that was run last */
    struct pg_buf out;
    unsigned seen[INCONCLUSIVE + 1];
};

/* A client: how it is told to pull and to forget, and whom it asked. Words end with NULL; "REF" and
 * "HOSTS" stand for the canary's reference and for containerd's folder. */
struct bird {
    const char *name, *conf; /* conf: for clientconf */
    bool is_hub_alone;       /* its mirrors are for Docker Hub */
    void (*prepare)(struct canary *c);
    struct sighting (*look)(const struct canary *c);
    const char *pull[WORDS_MAX], *forget[WORDS_MAX];
};

static struct sl text_of(const char *s)
{
    return (struct sl){s, strlen(s)};
}

static void report(struct canary *c, const char *what, enum verdict v, const char *fmt, ...)
    PG_PRINTF(4, 5);

static void report(struct canary *c, const char *what, enum verdict v, const char *fmt, ...)
{
    bool is_first = c->seen[CLOSED] + c->seen[OPEN] + c->seen[HELD] + c->seen[INCONCLUSIVE] == 0;
    char *text = NULL;
    va_list args;

    va_start(args, fmt);
    int n = vasprintf(&text, fmt, args);
    va_end(args);
    PG_CHECK(n >= 0);
    if (c->args->json) {
        (void)pg_buf_put(&c->out, is_first ? SL("{\"of\":") : SL(",{\"of\":"));
        clientconf_quote(&c->out, what);
        (void)pg_buf_printf(&c->out, ",\"verdict\":\"%s\",\"text\":", verdict_names[v]);
        clientconf_quote(&c->out, text);
        (void)pg_buf_put(&c->out, SL("}"));
    } else {
        (void)pg_buf_printf(&c->out, "%-12s %s: ", verdict_names[v], what);
        print_put_safe(text_of(text), &c->out);
        (void)pg_buf_put(&c->out, SL("\n"));
    }
    c->seen[v]++;
    free(text);
}

/* Runs it and keeps what it says. -1: it could not be run, or did not end; said in err. */
static int run(struct canary *c, const char *const words[], int *status_r, struct pg_err *err)
{
    struct program_result r;

    pg_buf_clear(&c->said);
    if (program_run((char *const *)(uintptr_t)words, PULL_MS, &c->said, &r, err) < 0) {
        return -1;
    }
    if (r.end != PROGRAM_EXITED) {
        return pg_fail(err, PG_E_INTERNAL,
                       r.end == PROGRAM_ABSENT ? "there is no %s here" : "%s does not end",
                       words[0]);
    }
    *status_r = r.status;
    return 0;
}

/* ---- the clients --------------------------------------------------------------------------- */

static struct sighting look_podman(const struct canary *c)
{
    return sighting_of_podman(pg_buf_sl(&c->said), text_of(c->conf.authority));
}

static struct sighting look_containerd(const struct canary *c)
{
    return sighting_of_ctr(pg_buf_sl(&c->said), text_of(c->conf.authority));
}

static struct sighting look_docker(const struct canary *c)
{
    struct sighting s = sighting_of_docker(pg_buf_sl(&c->said));

    return c->is_vague ? (struct sighting){0} : s;
}

static void prepare_podman(struct canary *c)
{
    (void)c; /* its own configuration holds */
}

/* What Kubernetes pulls is pulled with the folder that containerd's configuration names. */
static void prepare_containerd(struct canary *c)
{
    static const char *const words[] = {"containerd", "config", "dump", NULL};
    struct pg_err err = {0};
    int status = 0;

    c->hosts_dir = sl_dup(SL("/etc/containerd/certs.d"));
    if (run(c, words, &status, &err) < 0 || status != 0) {
        pg_err_clear(&err);
        return;
    }
    struct sl folder = sighting_config_path(pg_buf_sl(&c->said));
    if (folder.n > 0) {
        free(c->hosts_dir);
        c->hosts_dir = sl_dup(folder);
    } else if (folder.p != NULL) {
        report(c, "Kubernetes", OPEN,
               "containerd's configuration has no config_path: what Kubernetes pulls passes over "
               "hosts.toml; see pullgate clientconf --for containerd1, or containerd2");
    }
}

static void prepare_docker(struct canary *c)
{
    static const char *const words[] = {"docker", "info", "--format", "{{.DriverStatus}}", NULL};
    struct pg_err err = {0};
    int status = 0;

    if (run(c, words, &status, &err) == 0) {
        c->is_vague = memmem(c->said.p, c->said.n, SL("io.containerd.snapshotter").p,
                             SL("io.containerd.snapshotter").n) != NULL;
    }
    pg_err_clear(&err);
}

static const struct bird birds[] = {
    {"docker",
     "docker",
     true,
     prepare_docker,
     look_docker,
     {"docker", "pull", "REF"},
     {"docker", "image", "rm", "--force", "REF"}},
    {"containerd",
     "containerd1, or containerd2,",
     false,
     prepare_containerd,
     look_containerd,
     {"ctr", "--connect-timeout=3s", "--debug", "--namespace", "pullgate-canary", "content",
      "fetch", "--hosts-dir", "HOSTS", "REF"},
     {"ctr", "--connect-timeout=3s", "--namespace", "pullgate-canary", "images", "rm", "REF"}},
    {"podman",
     "podman",
     false,
     prepare_podman,
     look_podman,
     {"podman", "--log-level=debug", "pull", "REF"},
     {"podman", "image", "rm", "--force", "REF"}},
};
#define NBIRDS (sizeof birds / sizeof *birds)

static int run_words(struct canary *c, const char *const words[], const char *reference,
                     int *status_r, struct pg_err *err)
{
    const char *filled[WORDS_MAX + 1] = {0};

    for (size_t i = 0; i < WORDS_MAX && words[i] != NULL; i++) {
        filled[i] = strcmp(words[i], "REF") == 0     ? reference
                    : strcmp(words[i], "HOSTS") == 0 ? c->hosts_dir
                                                     : words[i];
    }
    return run(c, filled, status_r, err);
}

/* ---- one upstream -------------------------------------------------------------------------- */

static void judge(struct canary *c, const struct bird *b, const char *upstream, int status)
{
    struct sighting s = b->look(c);
    const char *elsewhere = s.elsewhere[0] != '\0' ? s.elsewhere : "another registry";
    struct sl last = sighting_last_line(pg_buf_sl(&c->said));

    if (status == 0) {
        report(
            c, upstream, OPEN,
            "%s got what the proxy refuses; see pullgate clientconf --for %s and close the egress",
            b->name, b->conf);
    } else if (s.is_elsewhere && s.is_answered) {
        report(c, upstream, OPEN,
               "%s asked %s, too, and was answered; see pullgate clientconf --for %s and close the "
               "egress",
               b->name, elsewhere, b->conf);
    } else if (s.is_elsewhere) {
        report(c, upstream, HELD,
               "%s tried %s, too, and nothing answered: the egress is what holds; see pullgate "
               "clientconf --for %s",
               b->name, elsewhere, b->conf);
    } else if (s.is_refused) {
        report(c, upstream, CLOSED, "%s asked the proxy, was refused, and asked nobody else",
               b->name);
    } else {
        report(c, upstream, INCONCLUSIVE, "%s%s: " SL_FMT, b->name,
               c->is_vague ? " with the containerd image store does not say whom it asked" : "",
               SL_ARG(last));
    }
}

static void try_upstream(struct canary *c, const struct bird *b, const char *upstream)
{
    _free_ char *reference = NULL;
    struct pg_err err = {0};
    int status = 0, ignored = 0;

    if (asprintf(&reference, "%s/" CANARY_REPO "@" CANARY_DIGEST, upstream) < 0) {
        PG_BUG("no memory");
    }
    /* What is there from before would be found without a question. */
    if (run_words(c, b->forget, reference, &ignored, &err) < 0 ||
        run_words(c, b->pull, reference, &status, &err) < 0) {
        report(c, upstream, INCONCLUSIVE, "%s", err.msg);
        pg_err_clear(&err);
        return;
    }
    judge(c, b, upstream, status);
    if (status == 0) {
        (void)run_words(c, b->forget, reference, &ignored, &err);
        pg_err_clear(&err);
    }
}

/* ---- the proxy ----------------------------------------------------------------------------- */

static size_t on_bytes(char *p, size_t size, size_t n, void *owner) // NOLINT: libcurl says so
{
    (void)pg_buf_put(owner, (struct sl){p, size * n});
    return size * n;
}

static CURLcode set_up(CURL *curl, const struct canary *c, const char *url, struct pg_buf *body)
{
    CURLcode rc = curl_easy_setopt(curl, CURLOPT_URL, url);

    rc = rc != CURLE_OK ? rc : curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, ASK_MS);
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
    if (rc == CURLE_OK && c->args->ca != NULL) {
        rc = curl_easy_setopt(curl, CURLOPT_CAINFO, c->args->ca);
    }
    return rc;
}

/* Is there a pullgate that refuses? One that wants a login is taken to be one: the client has it,
 * not this command. What is wrong is reported. */
static bool is_proxy_there(struct canary *c)
{
    struct pg_buf body;
    _free_ char *url = NULL;
    long status = 0;
    CURL *curl = curl_easy_init();

    PG_CHECK(curl != NULL);
    pg_buf_init(&body, ANSWER_MAX);
    if (asprintf(&url, "%s/v2/" CANARY_REPO "/manifests/" CANARY_DIGEST, c->conf.url) < 0) {
        PG_BUG("no memory");
    }
    CURLcode rc = set_up(curl, c, url, &body);
    rc = rc == CURLE_OK ? curl_easy_perform(curl) : rc;
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    bool is_there = status == 401 || (status == 403 && body.n > 0 &&
                                      memmem(body.p, body.n, CANARY_MARK, strlen(CANARY_MARK)));
    if (rc != CURLE_OK) {
        report(c, c->conf.url, INCONCLUSIVE, "the proxy does not answer: %s",
               curl_easy_strerror(rc));
    } else if (!is_there) {
        report(c, c->conf.url, INCONCLUSIVE,
               "this is no pullgate, or an old one: it answers %ld where it should refuse", status);
    }
    pg_buf_free(&body);
    return rc == CURLE_OK && is_there;
}

/* ---- the command --------------------------------------------------------------------------- */

static const struct bird *find_bird(const char *name)
{
    const char *words[NBIRDS];

    for (size_t i = 0; i < NBIRDS; i++) {
        words[i] = birds[i].name;
        if (strcmp(name, words[i]) == 0) {
            return &birds[i];
        }
    }
    const char *near = pg_nearest_of(text_of(name), words, NBIRDS);
    (void)print_failure("no client %s: --canary takes docker, containerd or podman%s%s%s", name,
                        near != NULL ? "; did you mean " : "", near != NULL ? near : "",
                        near != NULL ? "?" : "");
    return NULL;
}

static void try_all(struct canary *c, const struct bird *b)
{
    if (!is_proxy_there(c)) {
        return;
    }
    b->prepare(c);
    if (b->is_hub_alone) {
        try_upstream(c, b, "docker.io");
        return;
    }
    for (size_t i = 0; i < c->conf.nupstreams; i++) {
        try_upstream(c, b, c->conf.upstreams[i]);
    }
}

int canary_run(const struct command_args *args)
{
    struct canary c = {.args = args};
    const struct bird *b = args->canary != NULL ? find_bird(args->canary) : NULL;

    if (args->canary == NULL) {
        return print_failure("say of which client: --canary docker, containerd or podman");
    }
    if (b == NULL) {
        return COMMAND_CANNOT;
    }
    int rc = clientconf_open(&c.conf, args);
    pg_buf_init(&c.said, SAID_MAX);
    pg_buf_init(&c.out, PRINT_BYTES_MAX);
    if (rc == COMMAND_GOOD) {
        if (args->json) {
            (void)pg_buf_printf(&c.out, "{\"client\":\"%s\",\"proxy\":", b->name);
            clientconf_quote(&c.out, c.conf.url);
            (void)pg_buf_put(&c.out, SL(",\"results\":["));
        }
        try_all(&c, b);
        (void)pg_buf_put(&c.out, args->json ? SL("]}\n") : SL(""));
        rc = print_out(pg_buf_sl(&c.out)) < 0  ? COMMAND_CANNOT
             : c.seen[OPEN] + c.seen[HELD] > 0 ? COMMAND_FOUND
             : c.seen[INCONCLUSIVE] > 0        ? COMMAND_CANNOT
                                               : COMMAND_GOOD;
    }
    pg_buf_free(&c.out);
    pg_buf_free(&c.said);
    free(c.hosts_dir);
    clientconf_close(&c.conf);
    return rc;
}
