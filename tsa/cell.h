/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cell - the process gives up everything but reading what it is asked, computing, and writing its
 * answer: no file, no socket, no program, no thread, little memory, little time. Any other system
 * call ends it (SIGSYS). Nothing of it can be taken back.
 *
 * Failure:    -1 with what could not be given up: then nothing may be read.
 * Threads:    main, and there is no other.
 */
#pragma once

#include "base/err.h"

PG_MUST_USE int cell_close(struct pg_err *err);
