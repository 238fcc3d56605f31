/* SPDX-License-Identifier: Apache-2.0 */
/*
 * canary - a repository that is refused always, whatever the configuration allows, for every
 * upstream and in every way of naming it: 403 DENIED. A client that gets it all the same, or that
 * reports another registry's answer, did not stop at this proxy's refusal but asked elsewhere.
 *
 * target_find() refuses it, before it looks for an upstream, so no operation can forget to.
 */
#pragma once

#define CANARY_REPO "pullgate/canary"
/* What the refusal's message contains, to be looked for in what a client says. */
#define CANARY_MARK "the canary of pullgate is refused always"
