/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes are waivers, or are refused with the place; none that is read lacks anything. */
#include "scan/waiver.h"
#include "base/hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int canonical(struct sl text, struct pg_arena *arena, struct sl *pattern_r,
                     struct pg_err *err)
{
    if (text.n == 0) {
        return pg_fail(err, PG_E_DENIED, "empty");
    }
    *pattern_r = pg_copy(arena, text);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl text = {(const char *)data, size};
    struct waiver_list list;
    struct pg_arena arena;
    struct pg_err err = {0};

    pg_hash_setup();
    pg_arena_init(&arena, (size_t)16 << 20);
    if (waiver_read("f", text, canonical, &arena, &list, &err) < 0) {
        PG_CHECK(err.kind == PG_E_DENIED && strncmp(err.msg, "f:", 2) == 0);
    } else {
        for (size_t i = 0; i < list.n; i++) {
            const struct waiver *w = &list.waivers[i];
            const struct report_finding f = {.id = w->vulnerability, .package = w->package};
            const struct waiver_question q = {&f, NULL, w->images[0], false, w->expires_s};
            bool has_ended = false;
            PG_CHECK(w->owner.n > 0 && w->reason.n > 0 && w->nimages > 0);
            const struct waiver *found = waiver_find(&list, &q, &has_ended);
            PG_CHECK(w->purl.type.n > 0 || found != NULL);
            PG_CHECK(found == NULL || has_ended == (found->expires_s <= q.now_s));
        }
        waiver_list_free(&list);
    }
    pg_err_clear(&err);
    pg_arena_free(&arena);
    return 0;
}
