/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/canary.h"
#include "cli/print.h"
#include "cli/probe.h"
#include "cli/symptom.h"

/* In the order in which one would look: the first mistake is often the cause of the next. */
static const struct check {
    const char *name;
    void (*run)(struct doctor *d);
} checks[] = {
    {"storage", symptom_of_storage},
    {"limits", symptom_of_limits},
    {"certificates", symptom_of_certificates},
    {"policy", symptom_of_policy},
    {"upstreams", probe_upstreams},
    {"server", symptom_of_server},
};

/* ---- what is said -------------------------------------------------------------------------- */

static struct sl text_of(const char *s)
{
    return (struct sl){s != NULL ? s : "", s != NULL ? strlen(s) : 0};
}

static void put_json(struct doctor *d, enum doctor_level level, const char *subject,
                     const char *remedy, struct sl text)
{
    static const char *const levels[] = {"ok", "warn", "fail"};

    (void)pg_buf_printf(&d->out, "%s{\"check\":\"%s\",\"level\":\"%s\",\"subject\":",
                        d->shown > 0 ? "," : "", d->check, levels[level]);
    (void)pg_buf_put_json(&d->out, text_of(subject));
    (void)pg_buf_put(&d->out, SL(",\"text\":"));
    (void)pg_buf_put_json(&d->out, text);
    (void)pg_buf_put(&d->out, SL(",\"remedy\":"));
    if (remedy != NULL) {
        (void)pg_buf_put_json(&d->out, text_of(remedy));
    } else {
        (void)pg_buf_put(&d->out, SL("null"));
    }
    (void)pg_buf_put(&d->out, SL("}"));
}

static void put_text(struct doctor *d, enum doctor_level level, const char *subject,
                     const char *remedy, struct sl text)
{
    static const char *const levels[] = {"OK  ", "WARN", "FAIL"};

    (void)pg_buf_printf(&d->out, "%s  %-12s  ", levels[level], d->check);
    if (subject[0] != '\0') {
        print_put_safe(text_of(subject), &d->out);
        (void)pg_buf_put(&d->out, SL(": "));
    }
    print_put_safe(text, &d->out);
    (void)pg_buf_put(&d->out, SL("\n"));
    if (remedy != NULL) {
        (void)pg_buf_put(&d->out, SL("                    -> "));
        print_put_safe(text_of(remedy), &d->out);
        (void)pg_buf_put(&d->out, SL("\n"));
    }
}

void doctor_say(struct doctor *d, enum doctor_level level, const char *subject, const char *remedy,
                const char *fmt, ...)
{
    char *text = NULL;
    va_list args;

    va_start(args, fmt);
    int n = vasprintf(&text, fmt, args);
    va_end(args);
    PG_CHECK(n >= 0);
    if (d->args->json) {
        put_json(d, level, subject, remedy, (struct sl){text, (size_t)n});
    } else {
        put_text(d, level, subject, remedy, (struct sl){text, (size_t)n});
    }
    free(text);
    d->said[level]++;
    d->shown++;
}

/* ---- looking ------------------------------------------------------------------------------- */

static void look_at_config(struct doctor *d, struct config_load *load)
{
    struct pg_err err = {0};

    d->check = "config";
    int rc = config_load(d->args->config_file, load, &err);
    if (rc < 0) {
        doctor_say(d, DOCTOR_FAIL, "", "name a file that can be read, with --config", "%s",
                   err.msg);
    }
    for (size_t i = 0; rc > 0 && i < load->nproblems; i++) {
        const struct config_problem *p = &load->problems[i];
        char where[600];
        (void)snprintf(where, sizeof(where), "%s:%u:%u", load->config.file, p->at.line, p->at.col);
        doctor_say(d, DOCTOR_FAIL, where, "mend the file; `pullgate config check` looks again",
                   "%s", p->text);
    }
    if (rc == 0) {
        doctor_say(d, DOCTOR_OK, load->config.file[0] != '\0' ? load->config.file : "the defaults",
                   NULL, "%zu listener%s, %zu upstream%s", load->config.nlisteners,
                   print_s(load->config.nlisteners), load->config.nupstreams,
                   print_s(load->config.nupstreams));
        d->config = &load->config;
    }
    pg_err_clear(&err);
}

static int print_end(struct doctor *d)
{
    if (d->args->json) {
        (void)pg_buf_printf(&d->out, "],\"ok\":%u,\"warn\":%u,\"fail\":%u}\n", d->said[DOCTOR_OK],
                            d->said[DOCTOR_WARN], d->said[DOCTOR_FAIL]);
    } else {
        (void)pg_buf_printf(&d->out, "%u ok, %u warning%s, %u failure%s\n", d->said[DOCTOR_OK],
                            d->said[DOCTOR_WARN], print_s(d->said[DOCTOR_WARN]),
                            d->said[DOCTOR_FAIL], print_s(d->said[DOCTOR_FAIL]));
    }
    if (print_out(pg_buf_sl(&d->out)) < 0) {
        return COMMAND_CANNOT;
    }
    return d->said[DOCTOR_FAIL] > 0 ? COMMAND_FOUND : COMMAND_GOOD;
}

/* What was found so far is shown before the next check, which may take its time. */
static void show(struct doctor *d)
{
    if (!d->args->json && print_out(pg_buf_sl(&d->out)) == 0) {
        pg_buf_clear(&d->out);
    }
}

int doctor_run(const struct command_args *args)
{
    struct doctor d = {.args = args};
    struct config_load load = {0};

    if (args->canary != NULL) {
        return canary_run(args);
    }
    pg_buf_init(&d.out, PRINT_BYTES_MAX);
    if (args->json) {
        (void)pg_buf_put(&d.out, SL("{\"checks\":["));
    }
    look_at_config(&d, &load);
    for (size_t i = 0; d.config != NULL && i < sizeof(checks) / sizeof(checks[0]); i++) {
        show(&d);
        d.check = checks[i].name;
        checks[i].run(&d);
    }
    int rc = print_end(&d);
    pg_buf_free(&d.out);
    config_load_free(&load);
    return rc;
}
