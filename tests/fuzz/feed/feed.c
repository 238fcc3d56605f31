/* SPDX-License-Identifier: Apache-2.0 */
/* A feed of revocations that nobody signed is refused; and what a signer might have written is
 * refused as a whole, or each entry of it is of a kind, not empty and within its bounds. */
#include "signing/feed.h"
#include "base/check.h"
#include "base/hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char key[] = "-----BEGIN PUBLIC KEY-----\n"
                          "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n"
                          "-----END PUBLIC KEY-----\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl text = {(const char *)data, size};
    struct pg_err err = {0};
    struct pg_arena arena;
    struct feed f = {.n = 0};

    pg_hash_setup();
    pg_arena_init(&arena, FEED_ARENA_BYTES);
    PG_CHECK(feed_read(text, (struct sl){key, sizeof(key) - 1}, "key", &arena, &f, &err) < 0);
    PG_CHECK(err.kind == PG_E_DENIED || err.kind == PG_E_UPSTREAM_WRONG);
    pg_err_clear(&err);
    f = (struct feed){.n = 0};
    if (feed_parse(text, &arena, &f, &err) == 0) {
        PG_CHECK(f.n <= FEED_ENTRIES_MAX && f.expires_s >= 0);
        for (size_t i = 0; i < f.n; i++) {
            PG_CHECK(f.entries[i].kind <= FEED_REPOSITORY && f.entries[i].what.n > 0);
            PG_CHECK(f.entries[i].what.n <= 255 && f.entries[i].reason.n <= FEED_REASON_MAX);
        }
    }
    pg_err_clear(&err);
    pg_arena_free(&arena);
    return 0;
}
