/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe - doctor asks each upstream, all at once: its name, connection, TLS, /v2/, token service
 * and clock. It follows no redirect, sends no credentials, and goes to no address to which the
 * server would not go.
 *
 * Threads: main.
 */
#pragma once

#include "cli/doctor.h"

void probe_upstreams(struct doctor *d);
