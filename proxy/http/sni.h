/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sni - the host that a client names in its hello (RFC 6066), before OpenSSL looks at it: which
 * certificate is meant must be known before a session is taken up again. Threads: pure; any.
 */
#pragma once

#include "base/check.h"
#include "base/slice.h"

#define SNI_NAME_MAX 255

/* extension: its body. 0, and the name without a dot at its end; -1: none that we would know. */
PG_MUST_USE int sni_parse(struct sl extension, struct sl *name_r);
