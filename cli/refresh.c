/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/refresh.h"

#include <string.h>

#include "cli/control.h"
#include "cli/print.h"

#define WAIT_MS 300000L

struct refresh {
    struct control control;
    const struct command_args *args;
    int status; /* the worst so far */
};

static void note(struct refresh *r, int status)
{
    r->status = r->status == COMMAND_CANNOT ? r->status : status;
}

static void say(struct refresh *r, const char *name, struct sl tag, struct sl old, const char *now)
{
    bool changed = !sl_eq(old, (struct sl){now, strlen(now)});
    struct pg_buf out;

    pg_buf_init(&out, PRINT_BYTES_MAX);
    if (r->args->json) {
        (void)pg_buf_put(&out, SL("{\"repo\":"));
        (void)pg_buf_put_json(&out, (struct sl){name, strlen(name)});
        (void)pg_buf_put(&out, SL(",\"tag\":"));
        (void)pg_buf_put_json(&out, tag);
        (void)pg_buf_put(&out, SL(",\"old\":"));
        if (old.n > 0) {
            (void)pg_buf_put_json(&out, old);
        } else {
            (void)pg_buf_put(&out, SL("null"));
        }
        (void)pg_buf_put(&out, SL(",\"new\":"));
        (void)pg_buf_put_json(&out, (struct sl){now, strlen(now)});
        (void)pg_buf_printf(&out, ",\"changed\":%s}\n", changed ? "true" : "false");
    } else {
        (void)pg_buf_printf(&out, "%s:" SL_FMT "  ", name, SL_ARG(tag));
        if (changed && old.n > 0) {
            print_put_safe(old, &out);
            (void)pg_buf_put(&out, SL(" -> "));
        }
        print_put_safe((struct sl){now, strlen(now)}, &out);
        (void)pg_buf_put(&out, changed ? old.n > 0 ? SL("\n") : SL(" new\n") : SL(" unchanged\n"));
    }
    if (print_out(pg_buf_sl(&out)) < 0) {
        note(r, COMMAND_CANNOT);
    }
    pg_buf_free(&out);
}

static void refuse(struct refresh *r, const char *name, struct sl tag,
                   const struct control_answer *a)
{
    struct pg_buf said;

    pg_buf_init(&said, PRINT_BYTES_MAX);
    control_put_error(a, &said);
    (void)print_failure("%s:" SL_FMT ": " SL_FMT, name, SL_ARG(tag), SL_ARG(pg_buf_sl(&said)));
    pg_buf_free(&said);
    note(r, COMMAND_FOUND);
}

/* The answer to a HEAD that asks for nothing that is remembered; why there is none only a GET says,
 * whose answer then is as good. */
static void refresh_tag(struct refresh *r, const char *name, struct sl tag, struct sl old)
{
    struct control_answer a = {0};
    struct pg_buf path;

    pg_buf_init(&path, PRINT_BYTES_MAX);
    (void)pg_buf_printf(&path, "/v2/%s/manifests/" SL_FMT, name, SL_ARG(tag));
    (void)pg_buf_put(&path, (struct sl){"", 1});
    struct control_question q = {"HEAD", path.p, "Cache-Control: no-cache", WAIT_MS};
    int rc = control_ask(&r->control, &q, &a);
    if (rc == COMMAND_GOOD && a.status != 200) {
        control_answer_free(&a);
        a = (struct control_answer){0};
        q.method = "GET";
        rc = control_ask(&r->control, &q, &a);
    }
    if (rc != COMMAND_GOOD) {
        note(r, rc);
    } else if (a.status != 200 || a.digest[0] == '\0') {
        refuse(r, name, tag, &a);
    } else {
        say(r, name, tag, old, a.digest);
    }
    control_answer_free(&a);
    pg_buf_free(&path);
}

static int ask_known(struct refresh *r, const char *ref, struct sl cursor, json_t **page_r)
{
    struct pg_buf path;

    pg_buf_init(&path, PRINT_BYTES_MAX);
    (void)pg_buf_put(&path, SL("/api/v1/tags?ref="));
    control_put_word(&path, (struct sl){ref, strlen(ref)});
    if (cursor.n > 0) {
        (void)pg_buf_printf(&path, "&cursor=" SL_FMT, SL_ARG(cursor));
    }
    (void)pg_buf_put(&path, (struct sl){"", 1});
    const struct control_question q = {"GET", path.p, NULL, WAIT_MS};
    int rc = control_ask_json(&r->control, &q, ref, page_r);
    pg_buf_free(&path);
    return rc;
}

/* How many there were; -1. */
static int refresh_page(struct refresh *r, const json_t *page)
{
    const json_t *row;
    size_t i;
    int n = 0;

    json_array_foreach(json_object_get(page, "tags"), i, row)
    {
        const char *repo = json_string_value(json_object_get(row, "repo"));
        if (repo != NULL && r->status != COMMAND_CANNOT) {
            refresh_tag(r, repo, pg_json_str(row, "tag"), pg_json_str(row, "digest"));
            n++;
        }
    }
    return n;
}

/* "name:tag" that the store does not know yet. */
static void refresh_unknown(struct refresh *r, const char *ref)
{
    const char *slash = strrchr(ref, '/'), *colon = strrchr(slash != NULL ? slash : ref, ':');

    if (colon == NULL || strchr(ref, '@') != NULL) {
        (void)print_failure("%s: no tag of it is in the store", ref);
        note(r, COMMAND_FOUND);
        return;
    }
    char *name = sl_dup((struct sl){ref, (size_t)(colon - ref)});
    refresh_tag(r, name, (struct sl){colon + 1, strlen(colon + 1)}, (struct sl){NULL, 0});
    free(name);
}

static void refresh_ref(struct refresh *r, const char *ref)
{
    _json_ json_t *page = NULL;
    int n = 0;

    do {
        _json_ json_t *before = page;
        page = NULL;
        int rc = ask_known(r, ref, pg_json_str(before, "next"), &page);
        if (rc != COMMAND_GOOD) {
            note(r, rc);
            return;
        }
        n += refresh_page(r, page);
    } while (r->status != COMMAND_CANNOT && pg_json_str(page, "next").n > 0);
    if (n == 0 && r->status != COMMAND_CANNOT) {
        refresh_unknown(r, ref);
    }
}

int refresh_run(const struct command_args *args)
{
    struct refresh r = {.args = args, .status = COMMAND_GOOD};

    if (args->noperands == 0) {
        return print_failure("say what to refresh: REPOSITORY:TAG, or REPOSITORY for all its tags "
                             "that are in the store");
    }
    int rc = control_open(args, CONTROL_CHANGE, &r.control);
    for (size_t i = 0; rc == COMMAND_GOOD && i < args->noperands; i++) {
        refresh_ref(&r, args->operands[i]);
    }
    control_close(&r.control);
    return rc != COMMAND_GOOD ? rc : r.status;
}
