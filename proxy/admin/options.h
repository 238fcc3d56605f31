/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options - the configuration in use as JSON: every option of proxy/config_table.h by its name,
 * times in milliseconds and sizes in bytes. The name of a password's file is shown, what is in it
 * never; of a URL, what stands before an `@` is left out.
 *
 * Threads: any.
 */
#pragma once

#include "base/buf.h"
#include "proxy/config.h"

void options_write_url(const char *url, struct pg_buf *out); /* a JSON string */
void options_write(const struct snapshot *s, struct pg_buf *out);
