/* SPDX-License-Identifier: Apache-2.0 */
/* One document is the answer to everything that is asked: a manifest, a list, a page that is
 * followed by itself. It ends, within its limits, whatever that is. */
#include "signing/evidence.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct evidence_wants all = {true, true, true, true};
    struct digest subject;
    struct evidence *e;
    struct pg_bytes *bytes = pg_bytes_new((struct sl){(const char *)data, size});
    struct evidence_step step;
    unsigned n = 0;

    pg_hash_setup();
    subject = digest_of(PG_SHA256, SL("abc"));
    e = evidence_new(&subject, &all);
    while (evidence_next(e, &step)) {
        PG_CHECK(n++ < 1000);
        evidence_put(
            e, step.id,
            &(struct evidence_answer){.outcome = n % 5 == 4 ? EVIDENCE_ABSENT : EVIDENCE_FOUND,
                                      .bytes = bytes,
                                      .media_type = SL(""),
                                      .next = n % 2 == 0 ? SL("next") : (struct sl){NULL, 0}});
    }
    PG_CHECK(evidence_is_done(e));
    for (size_t i = 0; i < evidence_count(e); i++) {
        const struct evidence_item *item = evidence_at(e, i);

        PG_CHECK((item->refusal.reason == VERIFY_NONE) == (item->refusal.err.kind == PG_E_NONE));
        PG_CHECK((item->refusal.reason == VERIFY_NONE) == (item->evidence.bytes.p != NULL));
    }
    evidence_free(e);
    pg_bytes_unref(bytes);
    return 0;
}
