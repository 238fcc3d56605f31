/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_fetch - the test is the upstream: it sees each question and decides when and what to answer.
 * Answers come through the asker's mailbox, as from the real one. Replaces proxy/upstream/fetch.
 */
#pragma once

#include "proxy/upstream/fetch.h"

struct fake_question {
    enum fetch_kind kind;
    bool of_authority;
    const struct config_upstream *upstream;
    char repo[300], reference[200], query[2100];
};

extern unsigned fake_fetch_asks;  /* so far */
extern unsigned fake_fetch_frees; /* of asks that were not answered yet */
extern unsigned fake_fetch_orders, fake_fetch_hurries;
extern struct fetch_blob_order fake_fetch_order; /* the last; repo is not kept */
extern char fake_fetch_order_repo[300];

extern unsigned fake_fetch_kept;             /* fetch_kept() */
extern bool fake_fetch_denies;               /* errors from now on are 401 or 403 */
extern bool fake_fetch_is_mirror;            /* who answers from now on */
extern struct health_view fake_fetch_health; /* of every upstream */
extern unsigned fake_fetch_forgets;          /* fetch_forget_unknown() */

void fake_fetch_reset(void);
const struct fake_question *fake_fetch_waiting(void); /* the oldest unanswered; NULL: none */
unsigned fake_fetch_open(void);                       /* asks that are not freed */

/* Answer the oldest. */
void fake_fetch_document(struct sl body, const char *content_type, const char *link);
void fake_fetch_head(const struct digest *d, int64_t size); /* NULL: no digest; -1: no size */
void fake_fetch_error(enum pg_ekind kind, int retry_after_s);
