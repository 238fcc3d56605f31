/* SPDX-License-Identifier: Apache-2.0 */
/*
 * naming - whether the name that was signed (docker-reference) is that of what is pulled, by the
 * rules of containers-policy.json(5). What is pulled has its upstream's canonical name; what was
 * signed is made canonical before they are compared.
 *
 * Threads: any. Pure.
 */
#pragma once

#include "policy/signer.h"

bool naming_fits(const struct signer *s, const struct facts *f, struct sl reference);
void naming_put_miss(const struct signer *s, const struct facts *f, struct sl reference,
                     struct pg_buf *out);
const char *naming_word(enum signer_naming n); /* as it stands in the file */
