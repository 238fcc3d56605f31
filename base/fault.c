/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fault.h"

#ifdef PG_WITH_FAULTS

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define RULES_MAX      32
#define POINTS_MAX     256 /* a power of two */
#define POINT_NAME_MAX 64

struct rule {
    char point[POINT_NAME_MAX];
    int error;
    uint64_t nth;
    bool from_there; /* and every time after it */
};

/* Const once it is current. Those that were are kept: a thread may still be looking at them. */
struct rules {
    struct rules *before;
    unsigned n;
    struct rule rule[RULES_MAX];
};

static _Atomic(struct rules *) current;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Relaxed atomics and no lock: a fault point must not order what the threads around it do, or
 * the thread sanitizer would see less in the builds that have them. */
static struct point {
    _Atomic(const char *) name;
    _Atomic uint64_t visits, fired;
} points[POINTS_MAX];

static const struct {
    const char *name;
    int error;
} errors[] = {
    {"EACCES", EACCES},
    {"EADDRINUSE", EADDRINUSE},
    {"EAGAIN", EAGAIN},
    {"EBADF", EBADF},
    {"ECONNREFUSED", ECONNREFUSED},
    {"ECONNRESET", ECONNRESET},
    {"EDQUOT", EDQUOT},
    {"EEXIST", EEXIST},
    {"EFBIG", EFBIG},
    {"EHOSTUNREACH", EHOSTUNREACH},
    {"EINTR", EINTR},
    {"EINVAL", EINVAL},
    {"EIO", EIO},
    {"EISDIR", EISDIR},
    {"ELOOP", ELOOP},
    {"EMFILE", EMFILE},
    {"ENAMETOOLONG", ENAMETOOLONG},
    {"ENETUNREACH", ENETUNREACH},
    {"ENFILE", ENFILE},
    {"ENOENT", ENOENT},
    {"ENOMEM", ENOMEM},
    {"ENOSPC", ENOSPC},
    {"ENOTDIR", ENOTDIR},
    {"EPERM", EPERM},
    {"EPIPE", EPIPE},
    {"EROFS", EROFS},
    {"ESTALE", ESTALE},
    {"ETIMEDOUT", ETIMEDOUT},
};

static int error_named(struct sl name)
{
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
        if (sl_eq(name, (struct sl){errors[i].name, strlen(errors[i].name)}))
            return errors[i].error;
    return 0;
}

static struct sl cut(struct sl *rest, char at)
{
    const char *end = memchr(rest->p, at, rest->n);
    struct sl head = {rest->p, end != NULL ? (size_t)(end - rest->p) : rest->n};
    size_t taken = head.n + (end != NULL ? 1 : 0);

    *rest = (struct sl){rest->p + taken, rest->n - taken};
    return head;
}

/* 1 to 999,999,999. */
static uint64_t count(struct sl digits)
{
    uint64_t n = 0;

    if (digits.n == 0 || digits.n > 9)
        return 0;
    for (size_t i = 0; i < digits.n; i++) {
        if (digits.p[i] < '0' || digits.p[i] > '9')
            return 0;
        n = n * 10 + (uint64_t)(digits.p[i] - '0');
    }
    return n;
}

/* point:ERRNO@nth or point:ERRNO@nth+ */
static int add_rule(struct rules *rules, struct sl text)
{
    struct sl point = cut(&text, ':'), error = cut(&text, '@'), nth = text;
    struct rule *r = &rules->rule[rules->n];

    if (rules->n == RULES_MAX || point.n == 0 || point.n >= sizeof(r->point))
        return -1;
    *r = (struct rule){.error = error_named(error)};
    if (nth.n > 0 && nth.p[nth.n - 1] == '+') {
        r->from_there = true;
        nth.n--;
    }
    r->nth = count(nth);
    if (r->error == 0 || r->nth == 0)
        return -1;
    memcpy(r->point, point.p, point.n);
    rules->n++;
    return 0;
}

static int set_rules(const char *faults)
{
    struct sl rest = {faults, faults != NULL ? strlen(faults) : 0};
    struct rules *rules = calloc(1, sizeof(*rules));
    int rc = 0;

    PG_CHECK(rules != NULL);
    while (rest.n > 0 && rc == 0)
        rc = add_rule(rules, cut(&rest, ','));
    if (rc < 0)
        rules->n = 0;
    rules->before = atomic_load(&current);
    atomic_store_explicit(&current, rules, memory_order_release);
    return rc;
}

static void read_environment(void)
{
    const char *faults = getenv("PG_FAULTS"); /* NOLINT(concurrency-mt-unsafe) */

    if (set_rules(faults) == 0)
        return;
    (void)fprintf(stderr, "pullgate: PG_FAULTS is not point:ERRNO@n[+],...: %s\n", faults);
    exit(2); /* NOLINT(concurrency-mt-unsafe) */
}

static void nothing(void)
{
}

int pg_fault_set(const char *faults)
{
    PG_CHECK(pthread_once(&once, nothing) == 0);
    for (unsigned i = 0; i < POINTS_MAX; i++) {
        atomic_store(&points[i].visits, 0);
        atomic_store(&points[i].fired, 0);
    }
    return set_rules(faults);
}

static unsigned slot_of(const char *name)
{
    unsigned h = 5381;

    for (; *name != '\0'; name++)
        h = h * 33 + (unsigned char)*name;
    return h % POINTS_MAX;
}

static struct point *find_point(const char *name)
{
    unsigned at = slot_of(name);

    for (unsigned i = 0; i < POINTS_MAX; i++, at = (at + 1) % POINTS_MAX) {
        const char *there = NULL;

        if (atomic_compare_exchange_strong_explicit(&points[at].name, &there, name,
                                                    memory_order_relaxed, memory_order_relaxed) ||
            strcmp(there, name) == 0)
            return &points[at];
    }
    PG_BUG("more fault points than the table holds");
}

bool pg_fault_fires(const char *name)
{
    const struct rules *rules;
    struct point *p;
    uint64_t visit;

    PG_CHECK(pthread_once(&once, read_environment) == 0);
    p = find_point(name);
    visit = atomic_fetch_add_explicit(&p->visits, 1, memory_order_relaxed) + 1;
    rules = atomic_load_explicit(&current, memory_order_acquire);
    for (unsigned i = 0; i < rules->n; i++) {
        const struct rule *r = &rules->rule[i];

        if (strcmp(r->point, name) == 0 && (visit == r->nth || (r->from_there && visit > r->nth))) {
            (void)atomic_fetch_add_explicit(&p->fired, 1, memory_order_relaxed);
            errno = r->error;
            return true;
        }
    }
    return false;
}

void pg_fault_write_json(struct pg_buf *out)
{
    const char *comma = "";

    (void)pg_buf_printf(out, "{\"points\":[");
    for (unsigned i = 0; i < POINTS_MAX; i++) {
        const char *name = atomic_load_explicit(&points[i].name, memory_order_relaxed);

        if (name == NULL || atomic_load_explicit(&points[i].visits, memory_order_relaxed) == 0)
            continue;
        (void)pg_buf_printf(out, "%s{\"point\":", comma);
        (void)pg_buf_put_json(out, (struct sl){name, strlen(name)});
        (void)pg_buf_printf(
            out, ",\"visits\":%ju,\"fired\":%ju}",
            (uintmax_t)atomic_load_explicit(&points[i].visits, memory_order_relaxed),
            (uintmax_t)atomic_load_explicit(&points[i].fired, memory_order_relaxed));
        comma = ",";
    }
    (void)pg_buf_printf(out, "]}");
}

#endif
