/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The room signing/, used alone: is an image of an OCI layout signed by this key? Only signing, oci
 * and base are linked, with OpenSSL's libcrypto, jansson and xxHash.
 *
 *     verify_layout DIR TAG KEY.pub       says what it found; exit 0: signed, 1: not
 */
#include <time.h>

#include "tests/examples/layout.h"

int main(int argc, char **argv)
{
    struct pg_bytes *pem = argc == 4 ? layout_read("", argv[3]) : NULL;
    struct verify_options options = {.now_s = time(NULL)};
    struct trust *trust = trust_new();
    struct pg_err err = {0};
    char id[TRUST_ID_DIGITS + 1];
    struct layout l = {0};
    bool is_signed = false;

    if (pem == NULL || trust_add_key(trust, argv[3], pg_bytes_sl(pem), TRUST_ALWAYS, id, &err) < 0)
        return fprintf(stderr, "usage: verify_layout DIR TAG KEY.pub\n%s\n", err.msg), 2;
    if (!layout_open(&l, argv[1], argv[2]))
        return fprintf(stderr, "there is no %s in %s\n", argv[2], argv[1]), 2;
    struct verify_subject subject = {digest_of(PG_SHA256, pg_bytes_sl(l.manifest)),
                                     pg_bytes_sl(l.manifest), SL("")};
    for (size_t i = 0; i < evidence_count(l.evidence); i++) {
        const struct evidence_item *item = evidence_at(l.evidence, i);
        struct verify_question question = {&subject, &item->evidence, trust, &options};
        struct verify_refusal no = {0};
        struct verify_fact fact;
        struct pg_arena arena;

        pg_arena_init(&arena, VERIFY_ARENA_BYTES); /* the fact lives in it */
        bool good = item->refusal.reason == VERIFY_NONE &&
                    verify_evidence(&question, &arena, &fact, &no) > 0;
        struct sl why =
            sl_str(item->refusal.reason == VERIFY_NONE ? no.err.msg : item->refusal.err.msg);
        printf("%s: %s" SL_FMT "\n", item->where, good ? "signed by " : "",
               SL_ARG(good ? fact.key_id : why));
        is_signed = is_signed || (good && fact.kind == VERIFY_IS_SIGNATURE);
        json_decref(good ? fact.annotations : NULL);
        pg_err_clear(&no.err);
        pg_arena_free(&arena);
    }
    layout_close(&l);
    pg_bytes_unref(pem);
    trust_unref(trust);
    return is_signed ? 0 : 1;
}
