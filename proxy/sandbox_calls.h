/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox_calls - the part of the sandbox (proxy/sandbox.h) that is about system calls: a list of
 * those that serving needs; any other ends the process.
 *
 * Failure:  close: 1 closed, 0 this kernel cannot (err says what it lacks), -1 it should have been
 *           able to.
 * Threads:  main; it holds for the threads that run already, too.
 */
#pragma once

#include "base/err.h"

PG_MUST_USE int sandbox_calls_close(struct pg_err *err);
