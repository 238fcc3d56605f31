/* SPDX-License-Identifier: Apache-2.0 */
/*
 * survey - what the store alone has of one manifest, as a dossier: what collect would have found if
 * upstream had said the same as when it was asked last. For commands that look at the store of a
 * server; nothing is asked, and nothing is changed.
 *
 * What is not there is absent: evidence that no policy has wanted yet was never fetched.
 *
 * Ownership:  the dossier is the caller's reference.
 * Failure:    none: what cannot be read is trouble in the dossier.
 * Threads:    any that may wait for disks, and for timestamps.
 */
#pragma once

#include "cache/store.h"
#include "proxy/admit/dossier.h"

struct survey {
    struct store *store;
    const struct config_admission *admission;
    const struct stamp *stamp; /* NULL: nobody is asked about timestamps */
    uint64_t now_ms;           /* when the dossier says that it was made */
};

struct dossier *survey_take(const struct survey *s, struct sl repository,
                            const struct digest *subject, const struct dossier_scope *scope);
