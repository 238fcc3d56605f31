/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret - whether a label, an annotation or a variable holds what nobody should publish: a key of
 * a well-known form, a URL with a password, or a value under a name that says so.
 *
 * It finds what people leave in images by mistake; who hides a secret is not found.
 *
 * Threads: any. Pure.
 */
#pragma once

#include "policy/facts.h"

/* What it looks like, "a private key"; NULL: it looks like none. by_name: the name counts, too. */
const char *secret_look(struct sl name, struct sl value, bool by_name);

/* The first in variables, labels, annotations. Tens of milliseconds for the largest config: whoever
 * gathers facts keeps it in them. */
struct facts_secret secret_find(const struct facts_content *c);
