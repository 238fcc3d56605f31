/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <stdint.h>

struct scan {
    size_t at, depth, values;
};

/* From the opening quote to behind the closing one, or to the end. */
static size_t skip_string(struct sl text, size_t at)
{
    for (at++; at < text.n && text.p[at] != '"'; at++)
        if (text.p[at] == '\\')
            at++;
    return at < text.n ? at + 1 : text.n;
}

static bool in_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '+' || c == '-';
}

/* A number, true, false, null, or what jansson will refuse. */
static size_t skip_word(struct sl text, size_t at)
{
    while (at < text.n && in_word(text.p[at]))
        at++;
    return at;
}

static void scan_next(struct scan *s, struct sl text)
{
    char c = text.p[s->at];

    if (c == '"') {
        s->values++;
        s->at = skip_string(text, s->at);
    } else if (in_word(c)) {
        s->values++;
        s->at = skip_word(text, s->at);
    } else {
        if (c == '{' || c == '[') {
            s->values++;
            s->depth++;
        } else if ((c == '}' || c == ']') && s->depth > 0) {
            s->depth--;
        } else if (c == ':' && s->values > 0) {
            s->values--; /* what stood before it was a name, not a value */
        }
        s->at++;
    }
}

/* jansson builds as it reads and calls itself for each level: what is too much must not reach it.
 */
static int check_bounds(struct sl text, size_t nodes_max, enum pg_ekind kind, struct pg_err *err)
{
    struct scan s = {0};

    while (s.at < text.n) {
        scan_next(&s, text);
        if (s.depth > PG_JSON_DEPTH_MAX)
            return pg_fail(err, kind, "JSON is nested deeper than %d levels", PG_JSON_DEPTH_MAX);
        if (s.values > nodes_max + 1) /* a name counts until its colon is seen */
            return pg_fail(err, kind, "JSON has more than %zu values", nodes_max);
    }
    if (s.values > nodes_max)
        return pg_fail(err, kind, "JSON has more than %zu values", nodes_max);
    return 0;
}

int pg_json_parse_large(struct sl text, size_t nodes_max, enum pg_ekind kind, json_t **root_r,
                        struct pg_err *err)
{
    json_error_t said;
    json_t *root;

    if (text.n == 0)
        return pg_fail(err, kind, "JSON is empty");
    if (memchr(text.p, '\0', text.n) != NULL)
        return pg_fail(err, kind, "JSON contains a NUL");
    if (sl_starts(text, SL("\xef\xbb\xbf")))
        return pg_fail(err, kind, "JSON starts with a byte order mark");
    if (check_bounds(text, nodes_max, kind, err) < 0)
        return -1;
    root = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, &said);
    if (root == NULL) {
        bool is_cut = json_error_code(&said) == json_error_premature_end_of_input;
        (void)pg_fail(err, kind, "JSON %s at line %d, column %d",
                      is_cut ? "ends too early," : "is not valid", said.line, said.column);
        return pg_detail(err, "%s", said.text);
    }
    *root_r = root;
    return 0;
}

int pg_json_parse(struct sl text, enum pg_ekind kind, json_t **root_r, struct pg_err *err)
{
    return pg_json_parse_large(text, PG_JSON_NODES_MAX, kind, root_r, err);
}

void pg_json_free(json_t **root)
{
    json_decref(*root);
    *root = NULL;
}

struct sl pg_json_str(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_string(value))
        return (struct sl){NULL, 0};
    return (struct sl){json_string_value(value), json_string_length(value)};
}
