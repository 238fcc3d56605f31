/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/reference.h"

#include <stdlib.h>
#include <string.h>

#include "cli/config.h"
#include "cli/print.h"

static const struct {
    const char *section, *doc;
} sections[] = {
    {"admin", "For operators and monitors."},
    {"storage", "Where and how much is kept."},
    {"tags", "How long a tag is believed. What is asked for by digest does not change."},
    {"limits", "How much a client may ask for, and how long things may take."},
    {"evidence", "Signatures and attestations that a policy wants."},
    {"helpers",
     "Programs that know logins (credential_helper, docker_config); each gets only these."},
    {"log", "Lines on standard error."},
    {"audit", "What was decided and done, as a log that cannot be changed unseen; docs/audit.md."},
    {"retention", "Rules of what is kept and what goes; docs/retention.md."},
    {"trace", "Spans of requests, for a collector that speaks OTLP."},
    {"top", "The file's own level."},
    {"upstream", "The options of one entry of `upstreams`."},
};

static const char listen_doc[] =
    "Where clients connect: an IP address and a port, unix:/PATH, or systemd:NAME for a socket "
    "that "
    "systemd passes. Or a list of them; an entry may also be a mapping: {address: ..., tls: ..., "
    "proxy_protocol: [NETWORK, ...], trusted_proxies: [NETWORK, ...]}, and for a unix socket mode "
    "and owner. proxy_protocol: these alone may connect, and say whose connection it is. "
    "trusted_proxies: their X-Forwarded-For and Forwarded are believed. Networks and certificates "
    "are taken over by a reload. Names are not resolved; an IPv6 address stands in quotes: "
    "\"[::]:5000\".";
static const char tls_doc[] =
    "Certificate chain and key, PEM files, for every address of `listen` that has none of its own. "
    "Without it they speak plain HTTP, and so do unix sockets without a tls of their own. More "
    "certificates: certs, a list of {cert, key}; the first that is for the host that a client asks "
    "for is shown, else the first of all. With client_ca clients must show a certificate of these "
    "authorities; with client_auth: optional they may. Files that change are taken over by "
    "themselves. The key must not be readable for others.";
static const char upstreams_doc[] =
    "The registries that can be pulled through, by their names. Without this key the ones below "
    "are known; with it, exactly those that are listed.";
static const char urls_doc[] =
    "Instead of `url`: up to 8 URLs, asked in this order, each a URL or {url: ..., authoritative: "
    "true}. Only authoritative ones say what a tag is and what a list holds; the first is unless "
    "it "
    "says otherwise, the others are not. What has a digest comes from any of them.";
static const char policy_doc[] =
    "What may be pulled: {file: FILE} of a policy of pullgate's or a containers-policy.json, or "
    "the "
    "policy itself, {default: allow or deny, rules: [...]}; docs/policy.md describes both. Without "
    "it all is served. A file that changes is taken over by itself, with a reload; one that is no "
    "good changes nothing.";
static const char trust_doc[] =
    "What signatures are checked against, besides the keys that a policy names: {trusted_root: "
    "FILE}, or a list of them: Sigstore's trusted_root.json; notation_policy: FILE, "
    "notation_store: "
    "FOLDER (x509/ca/NAME/*.pem) and crls: [FILE]. Files that change are taken over by "
    "themselves.";
static const char webhooks_doc[] =
    "Who is told what happens, by a POST of a CloudEvent: a list of {url, secret_file}, with "
    "ca_file for TLS, and events: [eviction, failure, water-mark, denial, revocation, tag-moved] "
    "for some of them. secret_file has what the events are signed with; docs/operations.md says "
    "how.";
/* Lists that are read by hand and stand behind the options of a section. */
static const struct {
    const char *section, *name, *doc, *example;
} lists[] = {
    {"audit", "forward",
     "A list of who gets the entries, too: {name, url}, and for TLS ca_file, client_cert, "
     "client_key, for https:// also token_file. url: https://HOST/PATH for JSON lines, "
     "syslog+tls://HOST:PORT or syslog+tcp://HOST:PORT for RFC 5424. docs/audit.md says what comes "
     "how often.",
     "[{name: siem, url: \"syslog+tls://siem.example.com:6514\"}]"},
};
static const char scanners_doc[] =
    "Programs that scan what is pulled: up to 8 {name, command, database, timeout}; "
    "docs/scanning.md "
    "describes them. command is the path of Trivy or Grype, which must be writable for nobody "
    "else; "
    "database the folder of its database, which keeping new is yours to arrange; timeout 10m "
    "unless "
    "told. name is that of the source of results, the command's own unless told.";
static const char feeds_doc[] =
    "Signed lists of what is taken back, fetched by interval: a list of {name, url: https://... or "
    "file:/PATH, key: FILE, ca_file: FILE, interval: 5m, when_stale: alarm or deny}. "
    "docs/admission.md says how one is made.";
static const char scans_doc[] =
    "Who may push scan reports: {listen: ADDR:PORT, tls: {cert, key}, sources: [{name, "
    "token_file}]}; docs/scanning.md describes it. A token is the bearer's, 16 characters or more; "
    "its file may be replaced at any time, and must not be readable for others.";
static const char units_doc[] =
    "Sizes are numbers with B, KiB, MiB, GiB or TiB; times with ms, s, m, h or d. Unknown keys are "
    "errors. A reload (SIGHUP) takes over what is marked \"reload\"; the rest waits for a restart. "
    "`pullgate config check` tells what is wrong with a file, `pullgate config show` what is in "
    "effect.";

static struct sl text_of(const char *s)
{
    return (struct sl){s, strlen(s)};
}

const char *reference_section(const char *section)
{
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        if (strcmp(sections[i].section, section) == 0) {
            return sections[i].doc;
        }
    }
    PG_BUG("a section that is not described");
}

static void load_defaults(struct config_load *load)
{
    int rc = config_parse(SL(""), "", load);

    PG_CHECK(rc == 0);
}

static int print_and_free(struct pg_buf *out)
{
    PG_CHECK(!out->over);
    int rc = print_out(pg_buf_sl(out));
    pg_buf_free(out);
    return rc < 0 ? COMMAND_CANNOT : COMMAND_GOOD;
}

/* ---- conf/pullgate.yaml -------------------------------------------------------------------- */

/* "doc (a size from .. to ..; restart)" as a comment. */
static void put_comment(struct pg_buf *out, const char *prefix, const struct option *o)
{
    struct pg_buf text;

    pg_buf_init(&text, PRINT_BYTES_MAX);
    (void)pg_buf_printf(&text, "%s (", o->doc);
    option_put_kind(o, &text);
    (void)pg_buf_printf(&text, "; %s)", o->reload ? "reload" : "restart");
    print_put_wrapped(out, prefix, pg_buf_sl(&text));
    pg_buf_free(&text);
}

/* Behind the last option of a section. */
static bool is_last(size_t i)
{
    return i + 1 == OPTION_NGLOBAL ||
           strcmp(option_global[i].section, option_global[i + 1].section) != 0;
}

static void put_list_examples(struct pg_buf *out, const char *section)
{
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        if (strcmp(lists[i].section, section) == 0) {
            print_put_wrapped(out, "  # ", text_of(lists[i].doc));
            (void)pg_buf_printf(out, "  # %s: %s\n", lists[i].name, lists[i].example);
        }
    }
}

static void put_options(struct pg_buf *out, const struct config *c)
{
    const char *section = "";

    for (size_t i = 0; i < OPTION_NGLOBAL; i++) {
        const struct option *o = &option_global[i];
        bool top = option_is_top(o);
        if (strcmp(section, o->section) != 0) {
            (void)pg_buf_put(out, SL("\n"));
            if (!top) {
                print_put_wrapped(out, "# ", text_of(reference_section(o->section)));
                (void)pg_buf_printf(out, "%s:\n", o->section);
            }
        }
        section = o->section;
        put_comment(out, top ? "# " : "  # ", o);
        (void)pg_buf_printf(out, "%s%s: ", top ? "" : "  ", o->name);
        option_put(o, c, out);
        (void)pg_buf_put(out, SL("\n"));
        if (is_last(i)) {
            put_list_examples(out, o->section);
        }
    }
}

static void put_upstreams(struct pg_buf *out, const struct config *c)
{
    struct config_upstream defaults = {0};

    (void)pg_buf_put(out, SL("\n"));
    print_put_wrapped(out, "# ", text_of(upstreams_doc));
    (void)pg_buf_put(out, SL("upstreams:\n  # Each may have these options:\n"));
    for (size_t i = 0; i < OPTION_NUPSTREAM; i++) {
        const struct option *o = &option_upstream[i];
        option_initial(o, &defaults);
        put_comment(out, "  #     # ", o);
        (void)pg_buf_printf(out, "  #     %s: ", o->name);
        option_put(o, &defaults, out);
        (void)pg_buf_put(out, SL("\n"));
        if (strcmp(o->name, "url") == 0) {
            print_put_wrapped(out, "  #     # ", text_of(urls_doc));
            (void)pg_buf_put(out, SL("  #     urls: []\n"));
        }
    }
    for (size_t i = 0; i < c->nupstreams; i++) {
        const struct config_upstream *u = &c->upstreams[i];
        (void)pg_buf_printf(out, "  %s: {url: \"%s\"%s}\n", u->name, u->upstream_url,
                            u->upstream_default ? ", default: true" : "");
    }
    struct config holder = {.upstreams = calloc(1, sizeof defaults), .nupstreams = 1};
    PG_CHECK(holder.upstreams != NULL);
    holder.upstreams[0] = defaults;
    config_free(&holder);
}

int reference_print_example(const struct command_args *args)
{
    struct config_load load;
    struct pg_buf out;

    (void)args;
    load_defaults(&load);
    pg_buf_init(&out, PRINT_BYTES_MAX);
    (void)pg_buf_put(&out, SL("# Every option of pullgate with its default, as `pullgate config "
                              "example` prints it.\n"));
    print_put_wrapped(&out, "# ", text_of(units_doc));
    (void)pg_buf_put(&out, SL("\n"));
    print_put_wrapped(&out, "# ", text_of(listen_doc));
    (void)pg_buf_printf(&out, "listen: %s\n\n", load.config.listeners[0].address);
    print_put_wrapped(&out, "# ", text_of(tls_doc));
    (void)pg_buf_put(&out,
                     SL("# tls: {cert: /etc/pullgate/tls.crt, key: /etc/pullgate/tls.key}\n"));
    (void)pg_buf_put(&out, SL("\n"));
    print_put_wrapped(&out, "# ", text_of(policy_doc));
    (void)pg_buf_put(&out, SL("# policy: {file: /etc/pullgate/policy.yaml}\n\n"));
    print_put_wrapped(&out, "# ", text_of(trust_doc));
    (void)pg_buf_put(&out, SL("# trust: {trusted_root: /etc/pullgate/trusted_root.json}\n\n"));
    print_put_wrapped(&out, "# ", text_of(scanners_doc));
    (void)pg_buf_put(&out,
                     SL("# scanners: [{command: /usr/bin/trivy, database: /var/cache/trivy}]\n"));
    (void)pg_buf_put(&out, SL("\n"));
    print_put_wrapped(&out, "# ", text_of(feeds_doc));
    (void)pg_buf_put(&out, SL("# revocation_feeds: [{name: security, url: \"https://HOST/PATH\", "
                              "key: /etc/pullgate/feed.pub}]\n"));
    (void)pg_buf_put(&out, SL("\n"));
    print_put_wrapped(&out, "# ", text_of(webhooks_doc));
    (void)pg_buf_put(&out, SL("# webhooks: [{url: \"https://hooks.example.com/pullgate\", "
                              "secret_file: /etc/pullgate/webhook.secret}]\n"));
    (void)pg_buf_put(&out, SL("\n"));
    print_put_wrapped(&out, "# ", text_of(scans_doc));
    (void)pg_buf_put(&out, SL("# scans:\n"
                              "#   listen: 0.0.0.0:5002\n"
                              "#   tls: {cert: /etc/pullgate/tls.crt, key: /etc/pullgate/tls.key}\n"
                              "#   sources: [{name: ci, token_file: /etc/pullgate/ci.token}]\n"));
    put_options(&out, &load.config);
    put_upstreams(&out, &load.config);
    config_load_free(&load);
    return print_and_free(&out);
}

/* ---- docs/configuration.md ----------------------------------------------------------------- */

static void put_row(struct pg_buf *out, const struct option *o)
{
    (void)pg_buf_printf(out, "| `%s` | ", o->name);
    option_put_kind(o, out);
    (void)pg_buf_printf(out, " | %s%s%s | %s | %s |\n", o->initial[0] != '\0' ? "`" : "",
                        o->initial, o->initial[0] != '\0' ? "`" : "",
                        o->reload ? "reload" : "restart", o->doc);
}

static void put_table_head(struct pg_buf *out)
{
    (void)pg_buf_put(out, SL("\n| option | kind | default | taken over by | what it does |\n"
                             "|---|---|---|---|---|\n"));
}

static void put_listen_table(struct pg_buf *out, const struct config *c)
{
    (void)pg_buf_printf(out,
                        "| `listen` | an address, or a list | `%s` | restart | %s |\n"
                        "| `tls` | `{cert: FILE, key: FILE}` | | reload | %s |\n"
                        "| `policy` | `{file: FILE}`, or a policy | | reload | %s |\n"
                        "| `trust` | `{trusted_root: FILE}` | | reload | %s |\n"
                        "| `scanners` | a list | | restart | %s |\n"
                        "| `scans` | a mapping | | restart | %s |\n"
                        "| `revocation_feeds` | a list | | reload | %s |\n"
                        "| `webhooks` | `[{url: URL, secret_file: FILE}]` | | reload | %s |\n"
                        "| `upstreams` | a mapping | see below | reload | %s |\n",
                        c->listeners[0].address, listen_doc, tls_doc, policy_doc, trust_doc,
                        scanners_doc, scans_doc, feeds_doc, webhooks_doc, upstreams_doc);
}

static void put_list_rows(struct pg_buf *out, const char *section)
{
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        if (strcmp(lists[i].section, section) == 0) {
            (void)pg_buf_printf(out, "| `%s` | a list | | reload | %s |\n", lists[i].name,
                                lists[i].doc);
        }
    }
}

static void put_sections(struct pg_buf *out)
{
    const char *section = "top";

    for (size_t i = 0; i < OPTION_NGLOBAL; i++) {
        const struct option *o = &option_global[i];
        if (option_is_top(o)) {
            continue;
        }
        if (strcmp(section, o->section) != 0) {
            (void)pg_buf_printf(out, "\n## `%s`\n\n%s\n", o->section,
                                reference_section(o->section));
            put_table_head(out);
        }
        section = o->section;
        put_row(out, o);
        if (is_last(i)) {
            put_list_rows(out, section);
        }
    }
}

static void put_markdown_upstreams(struct pg_buf *out, const struct config *c)
{
    (void)pg_buf_printf(out, "\n## `upstreams`\n\n%s\n\n| name | url | default |\n|---|---|---|\n",
                        upstreams_doc);
    for (size_t i = 0; i < c->nupstreams; i++) {
        (void)pg_buf_printf(out, "| `%s` | `%s` | %s |\n", c->upstreams[i].name,
                            c->upstreams[i].upstream_url,
                            c->upstreams[i].upstream_default ? "yes" : "");
    }
    (void)pg_buf_put(out, SL("\n`index.docker.io` and `registry-1.docker.io` are other names of "
                             "`docker.io`. Each upstream has these options:\n"));
    put_table_head(out);
    for (size_t i = 0; i < OPTION_NUPSTREAM; i++) {
        put_row(out, &option_upstream[i]);
        if (strcmp(option_upstream[i].name, "url") == 0) {
            (void)pg_buf_printf(out, "| `urls` | a list | | reload | %s |\n", urls_doc);
        }
    }
}

int reference_print_markdown(const struct command_args *args)
{
    struct config_load load;
    struct pg_buf out;

    (void)args;
    load_defaults(&load);
    pg_buf_init(&out, PRINT_BYTES_MAX);
    (void)pg_buf_put(&out, SL("# Configuration\n\nThis page is printed by `pullgate config "
                              "reference`.\n\n"));
    (void)pg_buf_printf(&out,
                        "One YAML file: the one named by `-c`, else `%s` if it exists, else the "
                        "defaults on this page. It must belong to root or to the user who runs "
                        "pullgate, and must not be writable for others. %s\n\n",
                        CONFIG_FILE_DEFAULT, units_doc);
    (void)pg_buf_put(&out, SL("```yaml\n"
                              "listen: 127.0.0.1:5000\n"
                              "admin: {listen: 127.0.0.1:5001}\n"
                              "storage: {path: /var/lib/pullgate, max_size: 100GiB}\n"
                              "tags: {ttl: 60s, max_stale: 7d}\n"
                              "upstreams:\n"
                              "  docker.io: {url: https://registry-1.docker.io, default: true}\n"
                              "  mirror.test: {url: http://127.0.0.1:5900, allow_private: true}\n"
                              "```\n\n## The file's own level\n"));
    put_table_head(&out);
    put_listen_table(&out, &load.config);
    for (size_t i = 0; i < OPTION_NGLOBAL; i++) {
        if (option_is_top(&option_global[i])) {
            put_row(&out, &option_global[i]);
        }
    }
    put_sections(&out);
    put_markdown_upstreams(&out, &load.config);
    config_load_free(&load);
    return print_and_free(&out);
}
