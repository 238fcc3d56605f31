/* SPDX-License-Identifier: Apache-2.0 */
/*
 * errand - what all requests by libcurl have in common that go to no registry: events, entries of
 * the audit log, spans, feeds, questions to OPA. What each has of its own its caller adds.
 *
 * http and https alone, TLS 1.2 at least, to whom the URL names: no proxy of the environment, no
 * redirect. A resolver that hangs holds up nobody who ends one.
 *
 * Ownership:  the caller's, all of it.
 * Threads:    any; a handle is confined.
 */
#pragma once

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>

#define ERRAND_CONNECT_MS 10000L

/* ca_file: the authorities in place of the system's; NULL. */
void errand_set_up(CURL *easy, const char *ca_file);

/* The status of the answer is enough. *nbytes: set to 0 before each request. */
void errand_ignore_answer(CURL *easy, size_t *nbytes);

/* To its end: true. False: stop_fd, an eventfd, is rung. It is in the multi before and after. */
bool errand_run(CURLM *multi, CURL *easy, int stop_fd, CURLcode *rc_r);
