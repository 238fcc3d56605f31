/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/errand.h"

#include <poll.h>

#include "base/check.h"

#define ANSWER_MAX ((size_t)64 * 1024)
#define POLL_MS    1000

static void must(CURLcode rc)
{
    PG_CHECK(rc == CURLE_OK);
}

void errand_set_up(CURL *easy, const char *ca_file)
{
    must(curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https"));
    must(curl_easy_setopt(easy, CURLOPT_PROXY, ""));
    must(curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L));
    must(curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L)); /* does not wait for the resolver */
    must(curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, ERRAND_CONNECT_MS));
    must(curl_easy_setopt(easy, CURLOPT_USERAGENT, "pullgate"));
    must(curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2));
    if (ca_file != NULL) {
        must(curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file));
        must(curl_easy_setopt(easy, CURLOPT_CAPATH, NULL)); /* else the system's count, too */
    }
}

/* libcurl wants it with a pointer to what it may change. */
static size_t on_answer(char *p, size_t size, size_t n, void *owner) // NOLINT
{
    size_t *nbytes = owner;

    (void)p;
    *nbytes += size * n;
    return *nbytes > ANSWER_MAX ? 0 : size * n; /* not read further; its status is known */
}

void errand_ignore_answer(CURL *easy, size_t *nbytes)
{
    must(curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_answer));
    must(curl_easy_setopt(easy, CURLOPT_WRITEDATA, nbytes));
}

static bool is_rung(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, 0) > 0;
}

bool errand_run(CURLM *multi, CURL *easy, int stop_fd, CURLcode *rc_r)
{
    struct curl_waitfd stop = {.fd = stop_fd, .events = CURL_WAIT_POLLIN};
    int running = 1, left;
    const CURLMsg *m;

    *rc_r = CURLE_FAILED_INIT;
    while (curl_multi_perform(multi, &running) == CURLM_OK && running > 0 && !is_rung(stop_fd))
        (void)curl_multi_poll(multi, &stop, 1, POLL_MS, NULL);
    while ((m = curl_multi_info_read(multi, &left)) != NULL)
        if (m->msg == CURLMSG_DONE && m->easy_handle == easy)
            *rc_r = m->data.result;
    return running == 0;
}
