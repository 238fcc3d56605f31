/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/sink_int.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/guarded.h"
#include "proxy/upstream/errand.h"
#include "proxy/upstream/secret.h"

#define SYSLOG_TLS "syslog+tls://"
#define SYSLOG_TCP "syslog+tcp://"
#define GIVE_MS    30000L /* for a batch */
#define TOKEN_MAX  ((size_t)8192)

/* ---- what both have ------------------------------------------------------------------------ */

static void set_url(struct sink *s)
{
    const char *url = s->config->url;
    char *plain = NULL;

    if (strncmp(url, SYSLOG_TLS, strlen(SYSLOG_TLS)) == 0)
        PG_CHECK(asprintf(&plain, "https://%s", url + strlen(SYSLOG_TLS)) > 0);
    else if (strncmp(url, SYSLOG_TCP, strlen(SYSLOG_TCP)) == 0)
        PG_CHECK(asprintf(&plain, "http://%s", url + strlen(SYSLOG_TCP)) > 0);
    s->is_syslog = plain != NULL;
    curl_easy_setopt(s->easy, CURLOPT_URL, plain != NULL ? plain : url); /* it is copied */
    free(plain);
}

static void set_up(struct sink *s)
{
    const struct config_sink *c = s->config;

    errand_set_up(s->easy, c->ca_file);
    errand_ignore_answer(s->easy, &s->answered);
    curl_easy_setopt(s->easy, CURLOPT_TCP_KEEPALIVE, 1L);
    if (c->client_cert != NULL) {
        curl_easy_setopt(s->easy, CURLOPT_SSLCERT, c->client_cert);
        curl_easy_setopt(s->easy, CURLOPT_SSLKEY, c->client_key);
    }
    set_url(s);
    if (s->is_syslog) {
        curl_easy_setopt(s->easy, CURLOPT_CONNECT_ONLY, 1L);
        curl_easy_setopt(s->easy, CURLOPT_SSL_ENABLE_ALPN, 0L);
    } else {
        curl_easy_setopt(s->easy, CURLOPT_TIMEOUT_MS, GIVE_MS);
    }
}

void sink_open(struct sink *s, const struct config_sink *config, int stop_fd)
{
    *s = (struct sink){.config = config, .stop_fd = stop_fd};
    s->multi = curl_multi_init();
    s->easy = curl_easy_init();
    PG_CHECK(s->multi != NULL && s->easy != NULL);
    if (gethostname(s->host, sizeof(s->host) - 1) < 0)
        s->host[0] = '\0';
    set_up(s);
}

void sink_break(struct sink *s)
{
    if (!s->is_connected)
        return;
    curl_multi_remove_handle(s->multi, s->easy);
    curl_easy_cleanup(s->easy); /* with its connection */
    s->easy = curl_easy_init();
    PG_CHECK(s->easy != NULL);
    s->is_connected = false;
    set_up(s);
}

void sink_close(struct sink *s)
{
    if (s->is_connected)
        curl_multi_remove_handle(s->multi, s->easy);
    curl_easy_cleanup(s->easy);
    curl_multi_cleanup(s->multi);
    curl_slist_free_all(s->headers);
}

static int fail(const struct sink *s, const char *why, struct pg_err *err)
{
    return pg_fail(err, PG_E_UPSTREAM_DOWN, "the sink %s of the audit log takes nothing: %s",
                   s->config->name, why);
}

static int fail_stopped(struct pg_err *err)
{
    return pg_fail(err, PG_E_CANCELED, "told to stop");
}

/* The transfer, or with CONNECT_ONLY the connection; then it stays with the multi. */
static int perform(struct sink *s, struct pg_err *err)
{
    CURLcode rc;
    bool is_over;
    long status = 0;

    PG_CHECK(curl_multi_add_handle(s->multi, s->easy) == CURLM_OK);
    is_over = errand_run(s->multi, s->easy, s->stop_fd, &rc);
    curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
    if (!is_over || rc != CURLE_OK || !s->is_syslog)
        curl_multi_remove_handle(s->multi, s->easy);
    if (!is_over)
        return fail_stopped(err);
    return rc == CURLE_OK || status >= 200 ? 0 : fail(s, curl_easy_strerror(rc), err);
}

/* ---- https --------------------------------------------------------------------------------- */

/* The token, or, with a space in it, all of the header: "Splunk 1234". */
static int put_token(struct sink *s, struct pg_buf *text, struct pg_err *err)
{
    struct pg_buf header;
    struct sl token;
    const char *end;

    if (pg_guarded_read(s->config->token_file, PG_GUARDED_PRIVATE, text, err) < 0)
        return -1;
    end = memchr(text->p, '\n', text->n);
    token = sl_trim((struct sl){text->p, end != NULL ? (size_t)(end - text->p) : text->n});
    for (size_t i = 0; i < token.n; i++)
        if (token.p[i] < 0x20 || token.p[i] == 0x7f)
            return fail(s, "its token has characters that no header can have", err);
    pg_buf_init(&header, TOKEN_MAX + 64);
    (void)pg_buf_printf(&header, "Authorization: %s" SL_FMT,
                        memchr(token.p, ' ', token.n) != NULL ? "" : "Bearer ", SL_ARG(token));
    (void)pg_buf_put(&header, (struct sl){"", 1});
    s->headers = curl_slist_append(s->headers, header.p);
    secret_wipe(&header);
    return 0;
}

static int set_headers(struct sink *s, struct pg_err *err)
{
    struct pg_buf token;
    int rc = 0;

    curl_slist_free_all(s->headers);
    s->headers = curl_slist_append(NULL, "Content-Type: application/x-ndjson");
    pg_buf_init(&token, TOKEN_MAX);
    if (s->config->token_file != NULL)
        rc = put_token(s, &token, err);
    secret_wipe(&token);
    PG_CHECK(s->headers != NULL);
    curl_easy_setopt(s->easy, CURLOPT_HTTPHEADER, s->headers);
    return rc;
}

static int post(struct sink *s, struct sl text, bool *too_large_r, struct pg_err *err)
{
    char why[64];
    long status = 0;

    if (set_headers(s, err) < 0)
        return -1;
    s->answered = 0;
    curl_easy_setopt(s->easy, CURLOPT_POST, 1L);
    curl_easy_setopt(s->easy, CURLOPT_POSTFIELDS, text.p);
    curl_easy_setopt(s->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)text.n);
    if (perform(s, err) < 0)
        return -1;
    curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200 && status < 300)
        return 0;
    *too_large_r = status == 413;
    (void)snprintf(why, sizeof(why), "it answers %ld", status);
    return fail(s, why, err);
}

/* ---- syslog -------------------------------------------------------------------------------- */

int sink_socket(const struct sink *s)
{
    curl_socket_t fd = CURL_SOCKET_BAD;

    if (s->is_connected)
        curl_easy_getinfo(s->easy, CURLINFO_ACTIVESOCKET, &fd);
    return fd != CURL_SOCKET_BAD ? fd : -1;
}

/* Until it takes more. */
static int wait_for_room(struct sink *s, struct pg_err *err)
{
    struct pollfd p[2] = {{.fd = sink_socket(s), .events = POLLIN | POLLOUT},
                          {.fd = s->stop_fd, .events = POLLIN}};
    bool ignored;
    int n = poll(p, 2, (int)GIVE_MS);

    if (p[1].revents != 0)
        return fail_stopped(err);
    if (n <= 0)
        return n < 0 && errno == EINTR ? 0 : fail(s, "it reads nothing", err);
    return sink_look(s, &ignored, err); /* it may have ended */
}

static int send_all(struct sink *s, struct sl text, struct pg_err *err)
{
    while (text.n > 0) {
        size_t n = 0;
        CURLcode rc = curl_easy_send(s->easy, text.p, text.n, &n);

        if (rc != CURLE_OK && rc != CURLE_AGAIN)
            return fail(s, "the connection broke", err);
        text = (struct sl){text.p + n, text.n - n};
        if (text.n > 0 && (rc == CURLE_AGAIN || n == 0) && wait_for_room(s, err) < 0)
            return -1;
    }
    return 0;
}

/* It has nothing to say: what it says is passed over, and that it says that it ends counts. */
int sink_look(struct sink *s, bool *has_all_r, struct pg_err *err)
{
    char bytes[4096];
    CURLcode rc = CURLE_OK;
    size_t n = 1;
    int queued = 0;

    *has_all_r = false;
    if (!s->is_connected)
        return 0;
    for (unsigned i = 0; i < 16 && rc == CURLE_OK; i++) {
        rc = curl_easy_recv(s->easy, bytes, sizeof(bytes), &n);
        if (rc == CURLE_OK && n == 0)
            return fail(s, "it closed the connection", err);
    }
    if (rc != CURLE_OK && rc != CURLE_AGAIN)
        return fail(s, "the connection broke", err);
    *has_all_r = ioctl(sink_socket(s), SIOCOUTQ, &queued) == 0 && queued == 0;
    return 0;
}

int sink_give(struct sink *s, struct sl text, bool *too_large_r, struct pg_err *err)
{
    bool ignored;

    *too_large_r = false;
    if (!s->is_syslog)
        return post(s, text, too_large_r, err);
    if (!s->is_connected) {
        if (perform(s, err) < 0)
            return -1;
        s->is_connected = true;
    }
    return sink_look(s, &ignored, err) < 0 ? -1 : send_all(s, text, err);
}
