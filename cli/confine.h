/* SPDX-License-Identifier: Apache-2.0 */
/*
 * confine - which files the server may reach: the sandbox (proxy/sandbox.h) for a configuration.
 *
 * Read and written: the storage directory, and the directory of the control socket. Read: the
 * directories of the configuration and of every file that it names, those of the system's
 * authorities, of names and addresses, of time zones and of shared libraries.
 *
 * Failure:  -1: the server must not start. What the kernel lacks is said in the log.
 * Threads:  main, before any other.
 */
#pragma once

#include "proxy/config.h"

PG_MUST_USE int confine_files(const struct config *c, struct pg_err *err);
PG_MUST_USE int confine_calls(const struct config *c, struct pg_err *err);
