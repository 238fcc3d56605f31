/* SPDX-License-Identifier: Apache-2.0 */
/* storage_html - a report as a page that needs no other file: tables, and pictures in SVG. */
#pragma once

#include "cli/storage.h"

void storage_html_put(struct pg_buf *out, const struct storage *r);
