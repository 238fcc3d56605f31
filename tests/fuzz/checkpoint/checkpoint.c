/* SPDX-License-Identifier: Apache-2.0 */
/* A checkpoint of either of the fixtures' logs. */
#include "harness/signing_world.h"
#include "signing/note_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct trust *t = signing_world_trust();
    struct sl text = {(const char *)data, size};
    struct verify_refusal no = {0};
    struct note n;

    for (unsigned i = 0; i < t->tlogs.n; i++) {
        for (int is_tiles = 0; is_tiles <= 1; is_tiles++) {
            if (note_verify(text, &t->tlogs.at[i], is_tiles == 1, &n, &no) == 0)
                PG_CHECK(n.size > 0 && memmem(text.p, text.n, "\n\n\xe2\x80\x94 ", 6) != NULL);
        }
    }
    pg_err_clear(&no.err);
    return 0;
}
