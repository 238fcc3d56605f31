/* SPDX-License-Identifier: Apache-2.0 */
/*
 * about - what a layer is about by its content, whoever made it: so that nothing passes as evidence
 * of an image that is not. A layer is evidence about a subject when it parses whole and within its
 * limits, as what its media type says, and names the subject's digest; anything else is an artifact
 * of its own, which needs a verdict of its own.
 *
 * It proves nothing of who signed: that is verify_evidence()'s.
 *
 * Threads:    pure; any.
 */
#pragma once

#include "signing/verify.h"

/* The format of a layer of this type, and how large it may be; false: it is no layer of evidence.
 */
bool about_format(struct sl media_type, enum verify_format *format_r, size_t *size_max_r);

/* 1: it is; 0: it is not, and *refusal_r, which came as {0}, says why. */
PG_MUST_USE int about_subject(struct sl media_type, struct sl bytes, const struct digest *subject,
                              struct verify_refusal *refusal_r);
