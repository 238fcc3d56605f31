/* SPDX-License-Identifier: Apache-2.0 */
/* A key's file, or its DER. One that is read can be asked, and did not sign nothing. */
#include "signing/key_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(struct key *k)
{
    struct key_message m = key_message_of(SL("message"));
    struct key_how how;

    PG_CHECK(k->spki.n > 0 && strlen(k->id) == TRUST_ID_DIGITS && k->bits >= 256);
    PG_CHECK(key_verify(k, false, &m, SL("\x30\x06\x02\x01\x01\x02\x01\x01"), &how) != KEY_GOOD);
    key_free(k);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl all = {(const char *)data, size}, rest = all;
    struct pg_err err = {0};
    struct key *k;

    pg_hash_setup();
    if (key_from_pem(&rest, &k, &err) == 0)
        ask(k);
    else
        PG_CHECK(rest.p >= all.p && rest.p + rest.n <= all.p + all.n);
    if (key_from_spki(all, &k, &err) == 0)
        ask(k);
    if (key_from_pkcs1(all, &k, &err) == 0)
        ask(k);
    pg_err_clear(&err);
    return 0;
}
