/* SPDX-License-Identifier: Apache-2.0 */
/*
 * convert - policies of Kubernetes admission controllers become a policy of ours, as text:
 * ClusterImagePolicy (Sigstore policy-controller), verifyImages of Kyverno's ClusterPolicy, and
 * ImageValidatingPolicy.
 *
 * What cannot be honoured is said in a comment, "# NOT HONOURED: FILE:LINE:COLUMN: what and why",
 * and counted. A rule never lets out what the original would have held back: an authority that is
 * unknown here is left out where others could have signed as well, and else the rule denies. Only
 * a pattern for images that cannot be expressed leaves images to `default`, which is why the text
 * says so and why there is somebody to read it.
 *
 * Ownership:  the text goes to out. It loads, whatever went in.
 * Failure:    DENIED: not YAML, or nothing in it that is known; "FILE:LINE:COLUMN: ...".
 * Threads:    any. Pure.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

PG_MUST_USE int convert_policies(const char *file, struct sl text, struct pg_buf *out,
                                 size_t *ndropped_r, struct pg_err *err);
