/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/subject.h"

int subject_next_referrer(struct store *s, const struct digest *subject, const struct digest *after,
                          struct digest *r, struct pg_err *err)
{
    _index_view_ struct index_view v = index_view_begin(s->index);
    struct index_edge from = {.kind = INDEX_EDGE_SUBJECT}, edge; /* behind edges of other kinds */
    int found;

    if (after != NULL)
        from.parent = *after;
    found = index_next_parent(&v, subject, &from, &edge, err);
    if (found <= 0 || edge.kind != INDEX_EDGE_SUBJECT)
        return found < 0 ? -1 : 0;
    *r = edge.parent;
    return 1;
}

int subject_is_another(struct store *s, const struct digest *subject, const struct digest *d,
                       struct pg_err *err)
{
    _index_view_ struct index_view v = index_view_begin(s->index);
    struct index_edge from = {.kind = INDEX_EDGE_SUBJECT}, edge;
    struct index_manifest m;
    int found = index_get_manifest(&v, d, &m, err);

    if (found <= 0)
        return found;
    if (m.kind == MANIFEST_OTHER) /* nothing in it was read */
        return 0;
    found = index_next_child(&v, d, &from, &edge, err);
    if (found < 0)
        return -1;
    return found == 0 || edge.kind != INDEX_EDGE_SUBJECT || !digest_eq(&edge.child, subject);
}
