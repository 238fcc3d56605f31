/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tell - a plan, for people, as JSON and as CSV; and a tree of what hangs together.
 *
 * Texts come from outside: as text, control characters are shown as '?'; in CSV, what a spreadsheet
 * would take for a formula gets a ' in front.
 *
 * Bounds:  what does not fit the buffer sets its ->over.
 */
#pragma once

#include "base/buf.h"
#include "retention/plan.h"

/* only_going: of what stays, the sums alone. */
void tell_text(const struct plan *p, bool only_going, struct pg_buf *out);
void tell_json(const struct plan *p, int64_t now_s, struct pg_buf *out);
void tell_csv(const struct plan *p, struct pg_buf *out);

/* Why, in a sentence: `rule "ci" deletes it: delete {not_pulled_for: 7d}`. */
void tell_why(const struct plan_row *row, struct pg_buf *out);

/* One image's tree: what it needs, then what needs it; each at most depth levels. */
void tell_tree(const struct graph_node *node, unsigned depth, struct pg_buf *out);
