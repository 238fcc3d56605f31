/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/sighting.h"

#include "proxy/journey/canary.h"

static bool find(struct sl text, struct sl what, struct sl *behind_r)
{
    const char *at = text.n > 0 ? memmem(text.p, text.n, what.p, what.n) : NULL;

    if (at == NULL) {
        return false;
    }
    at += what.n;
    *behind_r = (struct sl){at, text.n - (size_t)(at - text.p)};
    return true;
}

static bool has(struct sl text, struct sl what)
{
    struct sl behind;

    return find(text, what, &behind);
}

static struct sl take_line(struct sl *text)
{
    const char *end = memchr(text->p, '\n', text->n);
    size_t n = end != NULL ? (size_t)(end - text->p) : text->n;
    struct sl line = {text->p, n};

    n += end != NULL ? 1 : 0;
    *text = (struct sl){text->p + n, text->n - n};
    return line;
}

static bool ends_authority(char c)
{
    return c == '/' || c == '\\' || c == '"' || c == ' ' || c == '\t' || c == '\r';
}

/* The authority at the start of text; absent if there is none. */
static struct sl authority_at(struct sl text)
{
    size_t n = 0;
    struct sl host;
    uint16_t port;

    while (n < text.n && n <= AUTHORITY_MAX && !ends_authority(text.p[n])) {
        n++;
    }
    struct sl authority = {text.p, n};
    if (n > AUTHORITY_MAX || authority_parse(authority, &host, &port) < 0) {
        return (struct sl){0};
    }
    return authority;
}

static void note_host(struct sighting *s, struct sl text, struct sl proxy, bool is_answer)
{
    struct sl authority = authority_at(text);

    if (authority.p == NULL || sl_eq_nocase(authority, proxy)) {
        return;
    }
    if (!s->is_elsewhere) {
        memcpy(s->elsewhere, authority.p, authority.n);
        s->elsewhere[authority.n] = '\0';
    }
    s->is_elsewhere = true;
    s->is_answered = s->is_answered || is_answer;
}

static bool is_refusal(struct sl line)
{
    return has(line, SL(CANARY_MARK));
}

/* level=debug msg="Trying to access \"cache.example:5000/docker.io/pullgate/canary@sha256:...\""
 * level=debug msg="Ping https://registry-1.docker.io/v2/ status 200" */
struct sighting sighting_of_podman(struct sl said, struct sl proxy)
{
    struct sighting s = {0};

    while (said.n > 0) {
        struct sl line = take_line(&said), rest;
        s.is_refused = s.is_refused || is_refusal(line);
        if (find(line, SL("Trying to access "), &rest)) {
            while (rest.n > 0 && (rest.p[0] == '\\' || rest.p[0] == '"')) {
                rest = (struct sl){rest.p + 1, rest.n - 1};
            }
            note_host(&s, rest, proxy, false);
        } else if ((find(line, SL("Ping https://"), &rest) ||
                    find(line, SL("Ping http://"), &rest)) &&
                   has(rest, SL(" status "))) {
            note_host(&s, rest, proxy, true);
        }
    }
    return s;
}

/* level=debug msg="do request" host="cache.example:5000" ...
 * level=debug msg="fetch response received" host=registry-1.docker.io response.status="..." */
struct sighting sighting_of_ctr(struct sl said, struct sl proxy)
{
    struct sighting s = {0};

    while (said.n > 0) {
        struct sl line = take_line(&said), rest;
        bool is_answer = has(line, SL("\"fetch response received\""));
        bool is_request = has(line, SL("\"do request\"")) || has(line, SL("msg=resolving "));
        if ((!is_answer && !is_request) || !find(line, SL(" host="), &rest)) {
            s.is_refused = s.is_refused || is_refusal(line);
            continue;
        }
        if (rest.n > 0 && rest.p[0] == '"') {
            rest = (struct sl){rest.p + 1, rest.n - 1};
        }
        bool is_proxy = sl_eq_nocase(authority_at(rest), proxy);
        s.is_refused = s.is_refused || (is_proxy && has(line, SL("response.status=\"403 ")));
        note_host(&s, rest, proxy, is_answer);
    }
    return s;
}

struct sighting sighting_of_docker(struct sl said)
{
    static const struct sl unreachable[] = {
        {"dial tcp", 8},          {"i/o timeout", 11},
        {"no such host", 12},     {"connection refused", 18},
        {"TLS handshake", 13},    {"Client.Timeout", 14},
        {"context deadline", 16}, {": EOF", 5},
    };
    struct sighting s = {.is_refused = has(said, SL(CANARY_MARK))};
    struct sl last = sighting_last_line(said);

    /* Without an answer from the daemon nothing is known. */
    if (s.is_refused || !sl_starts(last, SL("Error response from daemon:"))) {
        return s;
    }
    s.is_elsewhere = s.is_answered = true;
    for (size_t i = 0; i < sizeof unreachable / sizeof *unreachable; i++) {
        s.is_answered = s.is_answered && !has(last, unreachable[i]);
    }
    return s;
}

struct sl sighting_last_line(struct sl said)
{
    struct sl last = {0};

    while (said.n > 0) {
        struct sl line = take_line(&said);
        last = line.n > 0 ? line : last;
    }
    return last;
}

/* In [plugins."io.containerd.grpc.v1.cri".registry] or [plugins.'io.containerd.cri.v1.images'
 * .registry]: config_path = "/etc/containerd/certs.d" */
struct sl sighting_config_path(struct sl dump)
{
    bool is_here = false;

    while (dump.n > 0) {
        struct sl line = take_line(&dump), rest;
        if (has(line, SL("disabled_plugins")) && has(line, SL("cri"))) {
            return (struct sl){0};
        }
        if (has(line, SL("[plugins."))) {
            is_here = has(line, SL(".cri")) && has(line, SL(".registry]"));
        }
        if (!is_here || !find(line, SL("config_path = "), &rest) || rest.n < 2) {
            continue;
        }
        const char *end = memchr(rest.p + 1, rest.p[0], rest.n - 1);
        struct sl path = {rest.p + 1, end != NULL ? (size_t)(end - rest.p) - 1 : 0};
        const char *colon = memchr(path.p, ':', path.n); /* a list: the first is asked first */
        return (struct sl){path.p, colon != NULL ? (size_t)(colon - path.p) : path.n};
    }
    return (struct sl){0};
}
