/* SPDX-License-Identifier: Apache-2.0 */
#include "signing/bundle_entry_int.h"

#include "signing/b64_int.h"
#include "signing/field_int.h"

static int wrong(const char *what, struct verify_refusal *no)
{
    return refuse(no, MALFORMED, "%s of a log entry is missing or wrong", what);
}

static int read_hashes(const json_t *proof, struct pg_arena *arena, struct tlog_proof *p,
                       struct verify_refusal *no)
{
    const json_t *list;
    int has = field_array(proof, "hashes", &list);
    uint8_t(*hashes)[32];

    if (has <= 0)
        return has == 0 ? 0 : wrong("inclusionProof.hashes", no);
    if (json_array_size(list) > MERKLE_HASHES_MAX)
        return refuse(no, TOO_LARGE, "the proof of a log entry has more than %d hashes",
                      MERKLE_HASHES_MAX);
    hashes = pg_alloc(arena, MERKLE_HASHES_MAX * sizeof(*hashes));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *hash = json_array_get(list, i);
        struct sl text = {json_string_value(hash), json_string_length(hash)};

        if (text.p == NULL || !b64_decode_exactly(text, hashes[i], sizeof(hashes[i])))
            return refuse(no, LOG, "a hash in the proof of a log entry is not 32 bytes");
    }
    p->hashes = (const uint8_t(*)[32])hashes;
    p->nhashes = json_array_size(list);
    return 0;
}

static int read_checkpoint(const json_t *proof, unsigned version, struct tlog_proof *p,
                           struct verify_refusal *no)
{
    static const char *const names[] = {"envelope", NULL};
    const json_t *checkpoint;
    int has = field_object(proof, "checkpoint", &checkpoint);

    if (has < 0 || (has > 0 && !field_known(checkpoint, names)) ||
        (has > 0 && field_text(checkpoint, "envelope", &p->checkpoint) < 0))
        return wrong("inclusionProof.checkpoint", no);
    if (p->checkpoint.n == 0)
        p->checkpoint = (struct sl){NULL, 0};
    if (p->checkpoint.p == NULL && version > 1)
        return refuse(no, LOG, "the proof of a log entry has no checkpoint");
    return 0;
}

static int read_proof(const json_t *object, unsigned version, struct pg_arena *arena,
                      struct tlog_entry *e, struct verify_refusal *no)
{
    static const char *const names[] = {"logIndex", "rootHash",   "treeSize",
                                        "hashes",   "checkpoint", NULL};
    const json_t *proof;
    int has = field_object(object, "inclusionProof", &proof);

    if (has < 0 || (has > 0 && !field_known(proof, names)))
        return wrong("inclusionProof", no);
    if (has == 0)
        return version == 1 ? 0 : refuse(no, LOG, "a log entry has no proof that it is in the log");
    e->has_proof = true;
    if (field_int64(proof, "logIndex", &e->proof.index) < 0 || e->proof.index < 0)
        return wrong("inclusionProof.logIndex", no);
    if (field_int64(proof, "treeSize", &e->proof.size) <= 0 || e->proof.size <= 0)
        return wrong("inclusionProof.treeSize", no);
    if (field_bytes(proof, "rootHash", arena, &e->proof.root) <= 0 || e->proof.root.n != 32)
        return wrong("inclusionProof.rootHash", no);
    if (read_hashes(proof, arena, &e->proof, no) < 0)
        return -1;
    return read_checkpoint(proof, version, &e->proof, no);
}

static int read_promise(const json_t *object, unsigned version, struct pg_arena *arena,
                        struct tlog_entry *e, struct verify_refusal *no)
{
    static const char *const names[] = {"signedEntryTimestamp", NULL};
    const json_t *promise;
    int has = field_object(object, "inclusionPromise", &promise);

    if (has == 0 && version == 1)
        return refuse(no, LOG, "a log entry has no promise, which bundles of version 0.1 need");
    if (has == 0)
        return 0;
    if (has < 0 || !field_known(promise, names) ||
        field_bytes(promise, "signedEntryTimestamp", arena, &e->promise) <= 0)
        return wrong("inclusionPromise", no);
    return 0;
}

static int read_kind(const json_t *object, struct tlog_entry *e, struct verify_refusal *no)
{
    static const char *const names[] = {"kind", "version", NULL};
    const json_t *kind;

    if (field_object(object, "kindVersion", &kind) <= 0 || !field_known(kind, names) ||
        field_text(kind, "kind", &e->kind) <= 0 || field_text(kind, "version", &e->version) <= 0)
        return wrong("kindVersion", no);
    return 0;
}

int bundle_entry_read(const json_t *object, unsigned version, struct pg_arena *arena,
                      struct tlog_entry *e_r, struct verify_refusal *no)
{
    static const char *const names[] = {
        "logIndex",         "logId",          "kindVersion",       "integratedTime",
        "inclusionPromise", "inclusionProof", "canonicalizedBody", NULL};
    static const char *const id_names[] = {"keyId", NULL};
    struct tlog_entry e = {0};
    const json_t *id;

    if (!field_known(object, names))
        return refuse(no, MALFORMED,
                      "a log entry is not an object, or has members that it has not");
    if (field_int64(object, "logIndex", &e.index) < 0 || e.index < 0)
        return wrong("logIndex", no);
    if (field_int64(object, "integratedTime", &e.integrated_s) < 0 || e.integrated_s < 0)
        return wrong("integratedTime", no);
    if (field_object(object, "logId", &id) <= 0 || !field_known(id, id_names) ||
        field_bytes(id, "keyId", arena, &e.log_id) <= 0 || e.log_id.n != 32)
        return wrong("logId", no);
    if (field_bytes(object, "canonicalizedBody", arena, &e.body) <= 0 || e.body.n == 0)
        return wrong("canonicalizedBody", no);
    if (read_kind(object, &e, no) < 0 || read_promise(object, version, arena, &e, no) < 0 ||
        read_proof(object, version, arena, &e, no) < 0)
        return -1;
    *e_r = e;
    return 0;
}
