/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/reply.h"

#include "base/buf.h"
#include "base/utf8.h"

#define BODY_MAX (PG_ERR_TEXT_MAX * PG_UTF8_ESCAPE_MAX + 256)

static struct sl text(const char *s)
{
    return (struct sl){s, strlen(s)};
}

struct sl reply_error_body(struct pg_arena *arena, const struct pg_err *err)
{
    const char *code = pg_err_oci_code(err->kind);
    struct pg_buf b;
    struct sl body;

    PG_CHECK(err->kind != PG_E_NONE && err->msg != NULL);
    pg_buf_init(&b, BODY_MAX);
    (void)pg_buf_put(&b, SL("{\"errors\":[{\"code\":"));
    (void)pg_buf_put_json(&b, text(code[0] != '\0' ? code : "UNKNOWN"));
    (void)pg_buf_put(&b, SL(",\"message\":"));
    (void)pg_buf_put_json(&b, text(err->msg));
    (void)pg_buf_put(&b, SL("}]}\n"));
    PG_CHECK(!b.over); /* a message has its maximum */
    body = pg_copy(arena, pg_buf_sl(&b));
    pg_buf_free(&b);
    return body;
}
