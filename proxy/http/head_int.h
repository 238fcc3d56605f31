/* SPDX-License-Identifier: Apache-2.0 */
/* head_int - llhttp as head.c sets it up; also for the test that its lenient flags are off. */
#pragma once

#include <llhttp.h>

/* What llhttp made of the bytes of one head. */
struct head_opinion {
    llhttp_t parser;
    unsigned messages, heads, headers, body_bytes;
};

void head_ask_llhttp(struct head_opinion *o, const char *p, size_t n);
