/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/forget.h"

#include <string.h>

#include "base/size.h"
#include "cli/control.h"
#include "cli/print.h"

/* What the parts of one purge amount to. */
struct sum {
    long long tags, links, blobs, bytes, kept;
};

static void add(struct sum *sum, const json_t *part)
{
    sum->tags += (long long)json_integer_value(json_object_get(part, "tags"));
    sum->links += (long long)json_integer_value(json_object_get(part, "links"));
    sum->blobs += (long long)json_integer_value(json_object_get(part, "blobs"));
    sum->bytes += (long long)json_integer_value(json_object_get(part, "bytes"));
    sum->kept += (long long)json_integer_value(json_object_get(part, "kept"));
}

static int ask_part(struct control *c, const struct command_args *args, const char *ref,
                    struct sl cursor, json_t **part_r)
{
    struct pg_buf path;

    pg_buf_init(&path, PRINT_BYTES_MAX);
    (void)pg_buf_printf(&path, "/api/v1/purge?dry_run=%d&ref=", args->change.dry_run ? 1 : 0);
    control_put_word(&path, (struct sl){ref, strlen(ref)});
    if (cursor.n > 0) {
        (void)pg_buf_printf(&path, "&cursor=" SL_FMT, SL_ARG(cursor));
    }
    (void)pg_buf_put(&path, (struct sl){"", 1});
    const struct control_question q = {"POST", path.p, NULL, 0};
    int rc = control_ask_json(c, &q, ref, part_r);
    pg_buf_free(&path);
    return rc;
}

static int purge(struct control *c, const struct command_args *args, const char *ref,
                 struct sum *sum)
{
    _json_ json_t *part = NULL;
    int rc;

    do {
        _json_ json_t *before = part;
        part = NULL;
        rc = ask_part(c, args, ref, pg_json_str(before, "next"), &part);
        add(sum, part);
    } while (rc == COMMAND_GOOD && pg_json_str(part, "next").n > 0);
    return rc;
}

static void put_json(struct pg_buf *out, const struct command_args *args, const char *ref,
                     const struct sum *sum)
{
    (void)pg_buf_put(out, SL("{\"ref\":"));
    (void)pg_buf_put_json(out, (struct sl){ref, strlen(ref)});
    (void)pg_buf_printf(out,
                        ",\"dry_run\":%s,\"tags\":%lld,\"links\":%lld,\"blobs\":%lld,"
                        "\"bytes\":%lld,\"kept\":%lld,\"next\":null}\n",
                        args->change.dry_run ? "true" : "false", sum->tags, sum->links, sum->blobs,
                        sum->bytes, sum->kept);
}

static void put_text(struct pg_buf *out, const struct command_args *args, const char *ref,
                     const struct sum *sum)
{
    print_put_safe((struct sl){ref, strlen(ref)}, out);
    (void)pg_buf_printf(out, ": %s%lld tag%s, %lld blob%s, ",
                        args->change.dry_run ? "would free " : "", sum->tags,
                        print_s((uint64_t)sum->tags), sum->blobs, print_s((uint64_t)sum->blobs));
    pg_size_put(out, (uint64_t)sum->bytes);
    (void)pg_buf_put(out, args->change.dry_run ? SL("") : SL(" freed"));
    if (sum->kept > 0) {
        (void)pg_buf_printf(out, "; %lld blobs stay, other repositories have them, too", sum->kept);
    }
    (void)pg_buf_put(out, SL("\n"));
}

static int run_one(struct control *c, const struct command_args *args, const char *ref)
{
    struct sum sum = {0};
    struct pg_buf out;

    int rc = purge(c, args, ref, &sum);
    if (rc != COMMAND_GOOD) {
        return rc;
    }
    pg_buf_init(&out, PRINT_BYTES_MAX);
    if (args->json) {
        put_json(&out, args, ref, &sum);
    } else {
        put_text(&out, args, ref, &sum);
    }
    rc = print_out(pg_buf_sl(&out)) < 0 ? COMMAND_CANNOT : COMMAND_GOOD;
    pg_buf_free(&out);
    return rc;
}

int forget_run(const struct command_args *args)
{
    struct control c;

    if (args->noperands == 0) {
        return print_failure("say what to purge: REPOSITORY:TAG, REPOSITORY@DIGEST, REPOSITORY, a "
                             "registry or a digest");
    }
    int rc = control_open(args, CONTROL_CHANGE, &c);
    for (size_t i = 0; i < args->noperands && rc != COMMAND_CANNOT; i++) {
        int one = run_one(&c, args, args->operands[i]);
        rc = one == COMMAND_GOOD ? rc : one;
    }
    control_close(&c);
    return rc;
}
