/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/wire.h"

#include <inttypes.h>

#include "base/clock.h"

#define FACILITY_AUDIT 13
#define SEQUENCE_MAX   UINT64_C(2147483647) /* of meta's sequenceId */

enum severity { ERROR = 3, WARNING = 4, NOTICE = 5, INFO = 6 };

static int put_message(const struct wire_record *r, const struct entry *e, struct pg_buf *out)
{
    (void)pg_buf_printf(out, "{\"id\":\"%s" SL_FMT "\",", e->kind == ENTRY_HEAD ? "head-" : "",
                        SL_ARG(r->id));
    return pg_buf_put(out, (struct sl){r->json.p + 1, r->json.n - 1});
}

static int read_entry(const struct wire_record *r, struct entry *e_r)
{
    struct pg_err ignored = {0};
    int rc = entry_read(r->json, e_r, &ignored);

    pg_err_clear(&ignored);
    return rc;
}

int wire_put_json(const struct wire_record *r, struct pg_buf *out)
{
    struct entry e;

    if (read_entry(r, &e) < 0)
        return -1;
    (void)put_message(r, &e, out);
    (void)pg_buf_put(out, SL("\n"));
    entry_free(&e);
    return 0;
}

static enum severity severity_of(const struct entry *e)
{
    if (e->kind == ENTRY_DECISION)
        return sl_eq(e->text[ENTRY_TEXT_VERDICT], SL("allow")) ? INFO : WARNING;
    if (e->kind == ENTRY_LOST || e->kind == ENTRY_DAMAGED)
        return ERROR;
    return e->kind == ENTRY_RECOVERED ? WARNING : e->kind == ENTRY_ACT ? NOTICE : INFO;
}

static void put_host(const char *host, struct pg_buf *out)
{
    size_t n = 0;

    for (; host[n] != '\0' && n < WIRE_HOST_MAX; n++) {
        bool is_plain = host[n] > 0x20 && host[n] < 0x7f;

        (void)pg_buf_put(out, is_plain ? (struct sl){host + n, 1} : SL("-"));
    }
    if (n == 0)
        (void)pg_buf_put(out, SL("-"));
}

int wire_put_syslog(const struct wire_record *r, const char *host, struct pg_buf *out)
{
    char when[PG_CLOCK_TEXT_MAX];
    struct pg_buf text;
    struct entry e;

    if (read_entry(r, &e) < 0)
        return -1;
    pg_buf_init(&text, WIRE_MAX);
    (void)pg_buf_printf(&text, "<%d>1 %s ", FACILITY_AUDIT * 8 + (int)severity_of(&e),
                        pg_clock_rfc3339(e.when_ms, when));
    put_host(host, &text);
    (void)pg_buf_printf(&text, " pullgate - %s [meta sequenceId=\"%" PRIu64 "\"] ",
                        entry_kind_name(e.kind), (e.seq - 1) % SEQUENCE_MAX + 1);
    (void)put_message(r, &e, &text);
    PG_CHECK(!text.over);
    (void)pg_buf_printf(out, "%zu ", text.n);
    (void)pg_buf_put(out, pg_buf_sl(&text));
    pg_buf_free(&text);
    entry_free(&e);
    return 0;
}
