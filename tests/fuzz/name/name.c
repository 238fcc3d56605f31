/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The grammar of names, beside the regular expressions of the distribution specification: both
 * must say the same of every input. What passes as a host has one reading as an address.
 */
#include <arpa/inet.h>
#include <regex.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "oci/ref.h"

#define PART      "[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*"
#define INPUT_MAX 1024

struct pattern {
    const char *text;
    bool is_compiled;
    regex_t compiled;
};

static struct pattern name = {.text = "^" PART "(/" PART ")*$"};
static struct pattern tag = {.text = "^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$"};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef int check_fn(struct sl s, struct pg_err *err);

static bool passes(check_fn *check, struct sl s)
{
    struct pg_err err = {0};
    int status = check(s, &err);

    PG_CHECK(status == 0 || (status == -1 && err.kind == PG_E_NAME_INVALID));
    PG_CHECK((status == 0) == (err.msg == NULL));
    pg_err_clear(&err);
    return status == 0;
}

static bool matches(struct pattern *p, struct sl s)
{
    char text[INPUT_MAX + 1] = {0}; /* ASan wants a NUL behind it; one inside is no end */
    regmatch_t whole = {.rm_so = 0, .rm_eo = (regoff_t)s.n};

    if (s.n > 0)
        memcpy(text, s.p, s.n);
    if (!p->is_compiled)
        PG_CHECK(regcomp(&p->compiled, p->text, REG_EXTENDED) == 0);
    p->is_compiled = true;
    return regexec(&p->compiled, text, 1, &whole, REG_STARTEND) == 0;
}

static void check_host(struct sl s)
{
    char text[REF_HOST_MAX + 1] = {0};
    const char *colon = s.p[0] == '[' ? NULL : memchr(s.p, ':', s.n);
    size_t n = colon != NULL ? (size_t)(colon - s.p) : s.n;
    struct in_addr loose, strict;

    for (size_t i = 0; i < s.n; i++)
        PG_CHECK(strchr("abcdefghijklmnopqrstuvwxyz0123456789.-:[]", s.p[i]) != NULL &&
                 s.p[i] != 0);
    if (n >= sizeof(text) || s.p[0] == '[')
        return;
    memcpy(text, s.p, n);
    if (inet_aton(text, &loose) != 0)
        PG_CHECK(inet_pton(AF_INET, text, &strict) == 1 && strict.s_addr == loose.s_addr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl s = {(const char *)data, size};

    if (size > INPUT_MAX)
        return 0;
    PG_CHECK(passes(ref_check_name, s) == (size <= REF_NAME_MAX && matches(&name, s)));
    PG_CHECK(passes(ref_check_tag, s) == matches(&tag, s));
    if (passes(ref_check_host, s))
        check_host(s);
    (void)ref_looks_like_host(s);
    return 0;
}
