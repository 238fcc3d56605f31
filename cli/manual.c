/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/manual.h"

#include <stdio.h>
#include <string.h>

#include "cli/config.h"
#include "cli/print.h"
#include "cli/version.h"

/* Text as troff takes it literally. */
static void put(struct pg_buf *out, const char *text)
{
    bool line_start = out->n == 0 || out->p[out->n - 1] == '\n';

    for (const char *c = text; *c != '\0'; c++) {
        if (line_start && (*c == '.' || *c == '\'')) {
            (void)pg_buf_put(out, SL("\\&"));
        }
        line_start = *c == '\n';
        if (*c == '\\') {
            (void)pg_buf_put(out, SL("\\e"));
        } else if (*c == '-') {
            (void)pg_buf_put(out, SL("\\-"));
        } else if (*c == '`') {
            (void)pg_buf_put(out, SL("\""));
        } else {
            (void)pg_buf_put(out, (struct sl){c, 1});
        }
    }
}

static void put_line(struct pg_buf *out, const char *text)
{
    put(out, text);
    (void)pg_buf_put(out, SL("\n"));
}

static void put_section(struct pg_buf *out, const char *name)
{
    (void)pg_buf_printf(out, ".SH %s\n", name);
}

/* A tagged paragraph: a bold term, an argument in italics, a text. */
static void put_term(struct pg_buf *out, const char *term, const char *argument, const char *doc)
{
    (void)pg_buf_put(out, SL(".TP\n\\fB"));
    put(out, term);
    (void)pg_buf_put(out, SL("\\fR"));
    if (argument != NULL && argument[0] != '\0') {
        (void)pg_buf_put(out, SL(" \\fI"));
        put(out, argument);
        (void)pg_buf_put(out, SL("\\fR"));
    }
    (void)pg_buf_put(out, SL("\n"));
    put_line(out, doc);
}

static void put_commands(struct pg_buf *out)
{
    put_section(out, "COMMANDS");
    for (size_t i = 0; i < command_count; i++) {
        const struct command *c = &command_table[i];
        struct pg_buf doc;
        pg_buf_init(&doc, PRINT_BYTES_MAX);
        (void)pg_buf_printf(&doc, "%s\n%s", c->summary, c->doc);
        const char *lead = "\nOptions:";
        for (size_t k = 0; k < command_option_count; k++) {
            if (strchr(c->options, command_options[k].key) != NULL) {
                (void)pg_buf_printf(&doc, "%s --%s", lead, command_options[k].name);
                lead = ",";
            }
        }
        (void)pg_buf_put(&doc, lead[0] == ',' ? (struct sl){".", 2} : (struct sl){"", 1});
        put_term(out, c->name, c->operands, doc.p);
        pg_buf_free(&doc);
    }
}

static void put_options(struct pg_buf *out)
{
    put_section(out, "OPTIONS");
    for (size_t i = 0; i < command_option_count; i++) {
        const struct command_option *o = &command_options[i];
        char term[64];
        (void)snprintf(term, sizeof term, "%s%.1s%s--%s", o->letter != 0 ? "-" : "", &o->letter,
                       o->letter != 0 ? ", " : "", o->name);
        put_term(out, term, o->argument, o->doc);
    }
}

static void put_configuration(struct pg_buf *out)
{
    put_section(out, "CONFIGURATION");
    put_line(out, "A YAML file. Sizes are numbers with B, KiB, MiB, GiB or TiB; times with ms, s, "
                  "m, h or d. Unknown keys are errors. `pullgate config example` prints a file "
                  "with every option, its default and its range.");
    put_term(out, "listen", "ADDR:PORT",
             "Where clients connect; or a list, of addresses or of "
             "{address, tls, proxy_protocol, trusted_proxies, mode, owner}. Addresses are also "
             "unix:/PATH and systemd:NAME.");
    put_term(out, "tls", "{cert: FILE, key: FILE}",
             "For every address of listen that has none of "
             "its own.");
    for (size_t i = 0; i < OPTION_NGLOBAL; i++) {
        const struct option *o = &option_global[i];
        char term[64];
        (void)snprintf(term, sizeof term, "%s%s%s", option_is_top(o) ? "" : o->section,
                       option_is_top(o) ? "" : ".", o->name);
        put_term(out, term, o->initial, o->doc);
    }
    for (size_t i = 0; i < OPTION_NUPSTREAM; i++) {
        char term[64];
        (void)snprintf(term, sizeof term, "upstreams.NAME.%s", option_upstream[i].name);
        put_term(out, term, option_upstream[i].initial, option_upstream[i].doc);
    }
}

static void put_signals(struct pg_buf *out)
{
    put_section(out, "SIGNALS");
    put_term(out, "SIGHUP", NULL,
             "Reads the configuration again. A file that is not good changes nothing; the log says "
             "what is wrong with it.");
    put_term(out, "SIGUSR2", NULL,
             "Upgrade: a new process of the program, as it is on disk then, takes listeners and "
             "store over. If it does not come up, this one goes on.");
    put_term(out, "SIGTERM, SIGINT", NULL,
             "Ends: /readyz says draining, the listeners close, running downloads have "
             "limits.drain_timeout to end. A second one ends at once.");
}

static void put_rest(struct pg_buf *out)
{
    put_section(out, "EXIT STATUS");
    put_term(out, "0", NULL, "Good.");
    put_term(out, "1", NULL,
             "Found something wrong: a mistake in the configuration, damage in the "
             "store.");
    put_term(out, "2", NULL, "Could not do it; the reason is on standard error.");
    put_section(out, "FILES");
    put_term(out, CONFIG_FILE_DEFAULT, NULL, "The configuration.");
    put_term(out, "/var/lib/pullgate", NULL, "The store, unless storage.path says otherwise.");
    put_term(out, "/var/lib/pullgate/control.sock", NULL,
             "Takes what changes state: ls, purge, prewarm and refresh speak with it. Unless "
             "admin.control says otherwise it is in the storage directory.");
    put_term(out, "/usr/share/doc/pullgate", NULL,
             "getting-started.md for clients, operations.md, upstreams.md, configuration.md, and "
             "api/ with the schemas of JSON answers.");
    put_section(out, "EXAMPLE");
    (void)pg_buf_put(out, SL(".nf\n"));
    put_line(out, "pullgate serve &\n"
                  "curl http://127.0.0.1:5000/v2/docker.io/library/alpine/manifests/latest\n"
                  "pullgate status");
    (void)pg_buf_put(out, SL(".fi\n"));
}

int manual_print(const struct command_args *args)
{
    struct pg_buf out;

    (void)args;
    pg_buf_init(&out, PRINT_BYTES_MAX);
    (void)pg_buf_put(&out, SL(".\\\" Printed by `pullgate man`.\n"
                              ".TH PULLGATE 8 \"\" \"pullgate " VERSION_TEXT "\"\n"));
    put_section(&out, "NAME");
    put_line(&out, "pullgate - a caching pull-through proxy for container registries");
    put_section(&out, "SYNOPSIS");
    (void)pg_buf_put(&out, SL("\\fBpullgate\\fR \\fICOMMAND\\fR [\\fIOPTIONS\\fR]\n"));
    put_section(&out, "DESCRIPTION");
    put_line(&out,
             "pullgate stands between container clients and registries. It fetches each thing "
             "once, verifies its digest, keeps it, and serves it from then on.");
    put_commands(&out);
    put_options(&out);
    put_configuration(&out);
    put_signals(&out);
    put_rest(&out);
    PG_CHECK(!out.over);
    int rc = print_out(pg_buf_sl(&out));
    pg_buf_free(&out);
    return rc < 0 ? COMMAND_CANNOT : COMMAND_GOOD;
}
