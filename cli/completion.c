/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/completion.h"

#include <string.h>

#include "cli/print.h"

#define WORD_MAX 32

/* ---- the tables, as shells see them -------------------------------------------------------- */

/* The first word of a command, and what stands behind it: "config", "check". */
struct words {
    char first[WORD_MAX];
    const char *second; /* "" when it is one word */
};

static struct words words_of(const struct command *c)
{
    size_t n = strcspn(c->name, " ");
    struct words w = {.second = c->name[n] == ' ' ? c->name + n + 1 : ""};

    PG_CHECK(n < sizeof(w.first));
    memcpy(w.first, c->name, n);
    return w;
}

static bool is_first_seen(size_t i)
{
    struct words w = words_of(&command_table[i]);

    for (size_t k = 0; k < i; k++) {
        struct words other = words_of(&command_table[k]);
        if (strcmp(w.first, other.first) == 0) {
            return false;
        }
    }
    return true;
}

static bool takes(const struct command *c, const struct command_option *o)
{
    return o->key == 'h' || strchr(c->options, o->key) != NULL;
}

enum operand { NOTHING, WORD, FILES, FOLDERS };

static enum operand operand_of(const char *argument)
{
    if (argument == NULL) {
        return NOTHING;
    }
    if (strcmp(argument, "DIR") == 0) {
        return FOLDERS;
    }
    return strcmp(argument, "FILE") == 0 || strcmp(argument, "SOCKET") == 0 ||
                   strcmp(argument, "LIST") == 0
               ? FILES
               : WORD;
}

/* The first sentence, without what quotes and brackets of a shell would take for their own. */
static void put_doc(struct pg_buf *out, const char *doc)
{
    for (const char *c = doc; *c != '\0' && *c != ';' && strncmp(c, ": ", 2) != 0; c++) {
        if (strchr("'`[]\"\\$:", *c) == NULL) {
            (void)pg_buf_put(out, (struct sl){c, 1});
        }
        if (*c == '.' && (c[1] == ' ' || c[1] == '\0')) {
            break;
        }
    }
}

/* Each option of the command, by names: "-c --config ". */
static void put_names(struct pg_buf *out, const struct command *c)
{
    for (size_t i = 0; i < command_option_count; i++) {
        const struct command_option *o = &command_options[i];
        if (takes(c, o) && o->letter != 0) {
            (void)pg_buf_printf(out, "-%c ", o->letter);
        }
        if (takes(c, o)) {
            (void)pg_buf_printf(out, "--%s ", o->name);
        }
    }
}

/* "bash|zsh|fish" as words; nothing when the operands are no choice. */
static void put_choice(struct pg_buf *out, const char *operands)
{
    bool is_choice = operands != NULL && strchr(operands, '|') != NULL;

    for (const char *c = is_choice ? operands : ""; *c != '\0'; c++) {
        (void)pg_buf_put(out, *c == '|' ? SL(" ") : (struct sl){c, 1});
    }
}

/* ---- bash ---------------------------------------------------------------------------------- */

static void put_bash_seconds(struct pg_buf *out, const char *first)
{
    (void)pg_buf_printf(out, "    2:%s) COMPREPLY=($(compgen -W \"", first);
    for (size_t i = 0; i < command_count; i++) {
        struct words w = words_of(&command_table[i]);
        if (strcmp(w.first, first) == 0) {
            (void)pg_buf_printf(out, "%s ", w.second);
        }
    }
    (void)pg_buf_put(out, SL("\" -- \"$cur\")); return ;;\n"));
}

static void put_bash_words(struct pg_buf *out)
{
    (void)pg_buf_put(out, SL("    case \"$COMP_CWORD:${COMP_WORDS[1]}\" in\n"
                             "    1:*) COMPREPLY=($(compgen -W \""));
    for (size_t i = 0; i < command_count; i++) {
        if (is_first_seen(i)) {
            (void)pg_buf_printf(out, "%s ", words_of(&command_table[i]).first);
        }
    }
    (void)pg_buf_put(out, SL("\" -- \"$cur\")); return ;;\n"));
    for (size_t i = 0; i < command_count; i++) {
        struct words w = words_of(&command_table[i]);
        if (is_first_seen(i) && w.second[0] != '\0') {
            put_bash_seconds(out, w.first);
        }
    }
    (void)pg_buf_put(out, SL("    esac\n"));
}

static void put_bash_values(struct pg_buf *out)
{
    static const char *const ways[] = {[WORD] = "return",
                                       [FILES] = "COMPREPLY=($(compgen -f -- \"$cur\")); return",
                                       [FOLDERS] = "COMPREPLY=($(compgen -d -- \"$cur\")); return"};

    (void)pg_buf_put(out, SL("    case \"${COMP_WORDS[COMP_CWORD-1]}\" in\n"));
    for (size_t i = 0; i < command_option_count; i++) {
        const struct command_option *o = &command_options[i];
        enum operand operand = operand_of(o->argument);
        if (operand != NOTHING && o->letter != 0) {
            (void)pg_buf_printf(out, "    -%c|--%s) %s ;;\n", o->letter, o->name, ways[operand]);
        } else if (operand != NOTHING) {
            (void)pg_buf_printf(out, "    --%s) %s ;;\n", o->name, ways[operand]);
        }
    }
    (void)pg_buf_put(out, SL("    esac\n"));
}

static void put_bash(struct pg_buf *out)
{
    (void)pg_buf_put(out, SL("# Printed by `pullgate completion bash`.\n"
                             "_pullgate() {\n"
                             "    local cur=${COMP_WORDS[COMP_CWORD]} words=\n"
                             "    COMPREPLY=()\n"));
    put_bash_words(out);
    put_bash_values(out);
    (void)pg_buf_put(out, SL("    case \"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" in\n"));
    for (size_t i = 0; i < command_count; i++) {
        const struct command *c = &command_table[i];
        struct words w = words_of(c);
        (void)pg_buf_printf(out, "    \"%s %s\"%s) words=\"", w.first, w.second,
                            w.second[0] == '\0' ? "*" : "");
        put_names(out, c);
        put_choice(out, c->operands);
        (void)pg_buf_put(out, SL("\""));
        if (operand_of(c->operands) == FILES) {
            (void)pg_buf_put(out, SL("; COMPREPLY=($(compgen -f -- \"$cur\"))"));
        }
        (void)pg_buf_put(out, SL(" ;;\n"));
    }
    (void)pg_buf_put(out, SL("    esac\n"
                             "    COMPREPLY+=($(compgen -W \"$words\" -- \"$cur\"))\n"
                             "}\n"
                             "complete -o filenames -F _pullgate pullgate\n"));
}

/* ---- zsh ----------------------------------------------------------------------------------- */

static void put_zsh_option(struct pg_buf *out, const struct command_option *o)
{
    static const char *const actions[] = {
        [NOTHING] = "", [WORD] = " ", [FILES] = "_files", [FOLDERS] = "_files -/"};

    if (o->letter != 0) {
        (void)pg_buf_printf(out, " \\\n            '(-%c --%s)'{-%c,--%s}'[", o->letter, o->name,
                            o->letter, o->name);
    } else {
        (void)pg_buf_printf(out, " \\\n            '--%s[", o->name);
    }
    put_doc(out, o->doc);
    (void)pg_buf_put(out, SL("]"));
    if (o->argument != NULL) {
        (void)pg_buf_put(out, SL(":"));
        put_doc(out, o->argument);
        (void)pg_buf_printf(out, ":%s", actions[operand_of(o->argument)]);
    }
    (void)pg_buf_put(out, SL("'"));
}

static void put_zsh_command(struct pg_buf *out, const struct command *c)
{
    struct words w = words_of(c);

    (void)pg_buf_printf(out, "    (%s%s%s) _arguments", w.first, w.second[0] != '\0' ? "\\ " : "",
                        w.second);
    for (size_t i = 0; i < command_option_count; i++) {
        if (takes(c, &command_options[i])) {
            put_zsh_option(out, &command_options[i]);
        }
    }
    if (c->operands != NULL) {
        (void)pg_buf_put(out, SL(" \\\n            '*:"));
        put_doc(out, c->operands);
        (void)pg_buf_put(out, operand_of(c->operands) == FILES ? SL(":_files") : SL(":("));
        put_choice(out, c->operands);
        (void)pg_buf_put(out, operand_of(c->operands) == FILES ? SL("'") : SL(")'"));
    }
    (void)pg_buf_put(out, SL(" ;;\n"));
}

static void put_zsh_seconds(struct pg_buf *out, const char *first)
{
    (void)pg_buf_printf(out, "    (%s) words2=(", first);
    for (size_t i = 0; i < command_count; i++) {
        struct words w = words_of(&command_table[i]);
        if (strcmp(w.first, first) == 0) {
            (void)pg_buf_printf(out, "'%s:", w.second);
            put_doc(out, command_table[i].summary);
            (void)pg_buf_put(out, SL("' "));
        }
    }
    (void)pg_buf_put(out, SL(");;\n"));
}

static void put_zsh_words(struct pg_buf *out)
{
    (void)pg_buf_put(out, SL("    words1=(\n"));
    for (size_t i = 0; i < command_count; i++) {
        struct words w = words_of(&command_table[i]);
        if (is_first_seen(i)) {
            (void)pg_buf_printf(out, "        '%s:", w.first);
            put_doc(out, w.second[0] == '\0' ? command_table[i].summary : "Several commands.");
            (void)pg_buf_put(out, SL("'\n"));
        }
    }
    (void)pg_buf_put(out, SL("    )\n    case $words[2] in\n"));
    for (size_t i = 0; i < command_count; i++) {
        struct words w = words_of(&command_table[i]);
        if (is_first_seen(i) && w.second[0] != '\0') {
            put_zsh_seconds(out, w.first);
        }
    }
    (void)pg_buf_put(out, SL("    esac\n"));
}

static void put_zsh(struct pg_buf *out)
{
    (void)pg_buf_put(out, SL("#compdef pullgate\n"
                             "# Printed by `pullgate completion zsh`.\n"
                             "_pullgate() {\n"
                             "    local -a words1 words2\n"
                             "    local command\n"));
    put_zsh_words(out);
    (void)pg_buf_put(out, SL("    if (( CURRENT == 2 )); then\n"
                             "        _describe command words1\n"
                             "        return\n"
                             "    fi\n"
                             "    if (( $#words2 && CURRENT == 3 )); then\n"
                             "        _describe command words2\n"
                             "        return\n"
                             "    fi\n"
                             "    command=$words[2]\n"
                             "    (( $#words2 )) && command=\"$words[2] $words[3]\"\n"
                             "    case $command in\n"));
    for (size_t i = 0; i < command_count; i++) {
        put_zsh_command(out, &command_table[i]);
    }
    (void)pg_buf_put(out, SL("    esac\n"
                             "}\n"
                             "_pullgate \"$@\"\n"));
}

/* ---- fish ---------------------------------------------------------------------------------- */

static void put_fish_option(struct pg_buf *out, const struct words *w,
                            const struct command_option *o)
{
    static const char *const actions[] = {[NOTHING] = "",
                                          [WORD] = " -x",
                                          [FILES] = " -r -F",
                                          [FOLDERS] = " -x -a \"(__fish_complete_directories)\""};

    (void)pg_buf_printf(out, "complete -c pullgate -n '__fish_seen_subcommand_from %s%s%s'",
                        w->first, w->second[0] != '\0' ? "; and __fish_seen_subcommand_from " : "",
                        w->second);
    if (o->letter != 0) {
        (void)pg_buf_printf(out, " -s %c", o->letter);
    }
    (void)pg_buf_printf(out, " -l %s%s -d '", o->name, actions[operand_of(o->argument)]);
    put_doc(out, o->doc);
    (void)pg_buf_put(out, SL("'\n"));
}

static void put_fish_command(struct pg_buf *out, const struct command *c, bool is_first)
{
    struct words w = words_of(c);

    if (is_first) {
        (void)pg_buf_printf(out, "complete -c pullgate -n __fish_use_subcommand -a %s -d '",
                            w.first);
        put_doc(out, w.second[0] == '\0' ? c->summary : "Several commands.");
        (void)pg_buf_put(out, SL("'\n"));
    }
    if (w.second[0] != '\0') {
        (void)pg_buf_printf(out,
                            "complete -c pullgate -n '__fish_seen_subcommand_from %s' -a %s -d '",
                            w.first, w.second);
        put_doc(out, c->summary);
        (void)pg_buf_put(out, SL("'\n"));
    }
    if (operand_of(c->operands) == FILES) {
        (void)pg_buf_printf(out, "complete -c pullgate -n '__fish_seen_subcommand_from %s' -F\n",
                            w.first);
    }
    if (c->operands != NULL && strchr(c->operands, '|') != NULL) {
        (void)pg_buf_printf(out, "complete -c pullgate -n '__fish_seen_subcommand_from %s' -a '",
                            w.first);
        put_choice(out, c->operands);
        (void)pg_buf_put(out, SL("'\n"));
    }
    for (size_t i = 0; i < command_option_count; i++) {
        if (takes(c, &command_options[i])) {
            put_fish_option(out, &w, &command_options[i]);
        }
    }
}

static void put_fish(struct pg_buf *out)
{
    (void)pg_buf_put(out, SL("# Printed by `pullgate completion fish`.\n"
                             "complete -c pullgate -f\n"));
    for (size_t i = 0; i < command_count; i++) {
        put_fish_command(out, &command_table[i], is_first_seen(i));
    }
}

/* -------------------------------------------------------------------------------------------- */

int completion_print(const struct command_args *args)
{
    static const struct {
        const char *name;
        void (*put)(struct pg_buf *out);
    } shells[] = {{"bash", put_bash}, {"zsh", put_zsh}, {"fish", put_fish}};
    const char *name = args->noperands == 1 ? args->operands[0] : "";
    struct pg_buf out;
    int rc = -1;

    pg_buf_init(&out, PRINT_BYTES_MAX);
    for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++) {
        if (strcmp(name, shells[i].name) == 0) {
            shells[i].put(&out);
        }
    }
    PG_CHECK(!out.over);
    if (out.n > 0) {
        rc = print_out(pg_buf_sl(&out)) < 0 ? COMMAND_CANNOT : COMMAND_GOOD;
    }
    pg_buf_free(&out);
    return rc >= 0 ? rc : print_failure("for which shell: bash, zsh or fish?");
}
