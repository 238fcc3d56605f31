/* SPDX-License-Identifier: Apache-2.0 */
/*
 * authn - who asks. Today everybody is anonymous, but for who comes over the control socket, which
 * has checked their uid; credentials are not looked at. Pure; any thread.
 */
#pragma once

#include "base/err.h"
#include "proxy/http/conn.h"

struct authn_who {
    struct sl name; /* for logs and records of pulls */
};

/* UNAUTHORIZED when credentials are wrong. */
PG_MUST_USE int authn_who(const struct conn_request *q, struct authn_who *who_r,
                          struct pg_err *err);
