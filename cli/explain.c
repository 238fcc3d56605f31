/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/explain.h"

#include <string.h>

#include "cli/control.h"
#include "cli/print.h"

#define WAIT_MS 300000L
#define HEADER  "Pullgate-Explain: "
#define HOLDS   "[yes]"
#define JSON_OK "\"state\":\"holds\""

/* NAME, NAME:TAG, NAME@DIGEST; with a NUL behind it. */
static void put_path(struct pg_buf *path, const char *ref)
{
    const char *slash = strrchr(ref, '/'), *at = strchr(ref, '@');
    const char *colon = strchr(slash != NULL ? slash : ref, ':');
    const char *end = colon != NULL && (at == NULL || colon < at) ? colon : at;
    const char *tag = at != NULL ? at + 1 : colon != NULL ? colon + 1 : "latest";
    size_t n = end != NULL ? (size_t)(end - ref) : strlen(ref);

    (void)pg_buf_put(path, SL("/v2/"));
    (void)pg_buf_put(path, (struct sl){ref, n});
    (void)pg_buf_printf(path, "/manifests/%s", tag);
    (void)pg_buf_put(path, (struct sl){"", 1});
}

static bool holds(const struct command_args *args, struct sl body)
{
    struct sl mark = args->json ? SL(JSON_OK) : SL(HOLDS);
    const char *found = memmem(body.p, body.n, mark.p, mark.n);
    const char *first = memmem(body.p, body.n, "\"state\":", SL("\"state\":").n);

    return found != NULL && found == (args->json ? first : body.p);
}

static int show(const struct command_args *args, const struct control_answer *a)
{
    struct sl body = pg_buf_sl(&a->body);
    struct pg_buf said;
    int rc;

    pg_buf_init(&said, PRINT_BYTES_MAX);
    if (a->status != 200) {
        control_put_error(a, &said);
        (void)print_failure("%s: " SL_FMT, args->operands[0], SL_ARG(pg_buf_sl(&said)));
        rc = COMMAND_CANNOT;
    } else if (strcmp(a->type, "application/json") != 0) {
        rc = print_out(SL("there is no policy: all that is asked for is served\n")) < 0
                 ? COMMAND_CANNOT
                 : COMMAND_GOOD;
    } else {
        rc = print_out(body) < 0 ? COMMAND_CANNOT
             : holds(args, body) ? COMMAND_GOOD
                                 : COMMAND_FOUND;
    }
    pg_buf_free(&said);
    return rc;
}

int explain_run(const struct command_args *args)
{
    struct control control = {0};
    struct control_answer a = {0};
    struct pg_buf path;
    int rc;

    if (args->noperands != 1) {
        return print_failure("explain needs one IMAGE");
    }
    rc = control_open(args, CONTROL_CHANGE, &control);
    if (rc != COMMAND_GOOD) {
        return rc;
    }
    pg_buf_init(&path, PRINT_BYTES_MAX);
    put_path(&path, args->operands[0]);
    const struct control_question q = {"GET", path.p, args->json ? HEADER "json" : HEADER "text",
                                       WAIT_MS};
    rc = control_ask(&control, &q, &a);
    if (rc == COMMAND_GOOD) {
        rc = show(args, &a);
    }
    control_answer_free(&a);
    pg_buf_free(&path);
    control_close(&control);
    return rc;
}
