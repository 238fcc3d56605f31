/* SPDX-License-Identifier: Apache-2.0 */
/*
 * asker - for commands that verify: somebody to ask about timestamps, and files that the user
 * names.
 *
 * Ownership:  asker_open() to asker_close().
 * Failure:    as spawn and stamper; a file that cannot be read: STORE_IO with its name.
 * Threads:    main, before any other.
 */
#pragma once

#include "base/buf.h"
#include "proxy/admit/stamper.h"

struct asker {
    struct spawn *spawn;
    struct stamper *stamper;
    struct stamp stamp;
};

PG_MUST_USE int asker_open(struct asker *a, struct pg_err *err);
void asker_close(struct asker *a);
