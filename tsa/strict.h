/* SPDX-License-Identifier: Apache-2.0 */
/*
 * strict - is this one DER value and nothing behind it? OpenSSL's parser takes BER as well, and
 * what two readers could take differently is nobody's timestamp: lengths that are not definite, or
 * longer than they need be, are refused, and so is nesting beyond STRICT_DEPTH_MAX. Contents of
 * OCTET STRINGs are not looked into.
 *
 * Threads: pure; any.
 */
#pragma once

#include "base/slice.h"

#define STRICT_DEPTH_MAX 24

bool strict_is_der(struct sl bytes);
