/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/prewarm.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/size.h"
#include "cli/print.h"
#include "cli/warm.h"

#define LINE_BYTES   2048
#define REFS_MAX     100000
#define PROGRESS_MS  250
#define PLATFORM_MAX 80
#define PARTS_MIN    2 /* of a platform */
#define PARTS_MAX    3

struct prewarm {
    struct control control;
    const struct command_args *args;
    struct warm *warm;
    bool shows_progress, is_shown;
    uint64_t shown_ms;
};

/* ---- what is said -------------------------------------------------------------------------- */

static void wipe(struct prewarm *p)
{
    if (p->is_shown) {
        print_error(SL("\r\033[K"));
    }
    p->is_shown = false;
}

static void print(struct prewarm *p, struct pg_buf *out)
{
    wipe(p);
    int rc = print_out(pg_buf_sl(out));
    (void)rc; /* said by it; what is fetched is fetched */
    pg_buf_free(out);
}

static void put_string(struct pg_buf *out, const char *name, struct sl text)
{
    (void)pg_buf_printf(out, ",\"%s\":", name);
    (void)pg_buf_put_json(out, text);
}

static struct sl text_of(const char *s)
{
    return (struct sl){s, strlen(s)};
}

static void on_object(void *owner, const struct warm_object *o)
{
    static const char *const results[] = {
        [WARM_HIT] = "hit", [WARM_FETCHED] = "fetched", [WARM_FAILED] = "failed"};
    struct prewarm *p = owner;
    struct pg_buf out;

    if (!p->args->json) {
        if (o->result == WARM_FAILED) {
            wipe(p);
            if (sl_starts(o->digest, SL("sha"))) {
                (void)print_failure("%s: " SL_FMT ": %s", o->ref, SL_ARG(o->digest), o->why);
            } else { /* a tag, which stands in the reference, or is meant by it */
                (void)print_failure("%s: %s", o->ref, o->why);
            }
        }
        return;
    }
    pg_buf_init(&out, PRINT_BYTES_MAX);
    (void)pg_buf_put(&out, SL("{\"event\":\"object\""));
    put_string(&out, "ref", text_of(o->ref));
    put_string(&out, "kind", o->is_manifest ? SL("manifest") : SL("blob"));
    put_string(&out, "digest", o->digest);
    put_string(&out, "result", text_of(results[o->result]));
    (void)pg_buf_printf(&out, ",\"bytes\":%" PRIu64, o->bytes);
    if (o->result == WARM_FAILED) {
        put_string(&out, "error", text_of(o->why));
    }
    (void)pg_buf_put(&out, SL("}\n"));
    print(p, &out);
}

static void on_image(void *owner, const struct warm_image *i)
{
    struct prewarm *p = owner;
    struct pg_buf out;

    pg_buf_init(&out, PRINT_BYTES_MAX);
    if (p->args->json) {
        (void)pg_buf_put(&out, SL("{\"event\":\"image\""));
        put_string(&out, "ref", text_of(i->ref));
        put_string(&out, "digest", i->digest);
        (void)pg_buf_printf(&out,
                            ",\"objects\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"bytes\":%" PRIu64
                            ",\"fetched_bytes\":%" PRIu64 "}\n",
                            i->objects, i->failed, i->bytes, i->fetched_bytes);
    } else {
        print_put_safe(text_of(i->ref), &out);
        (void)pg_buf_put(&out, i->failed > 0 ? SL("  FAILED, ") : SL("  "));
        (void)pg_buf_printf(&out, "%" PRIu64 " of %" PRIu64 " objects, ", i->objects - i->failed,
                            i->objects);
        pg_size_put(&out, i->bytes);
        (void)pg_buf_put(&out, SL(", fetched "));
        pg_size_put(&out, i->fetched_bytes);
        (void)pg_buf_put(&out, SL("\n"));
    }
    print(p, &out);
}

static void on_progress(void *owner, const struct warm_sum *s)
{
    struct prewarm *p = owner;
    uint64_t now_ms = pg_clock_mono_ms();
    struct pg_buf out;

    if (!p->shows_progress || now_ms - p->shown_ms < PROGRESS_MS) {
        return;
    }
    p->shown_ms = now_ms;
    pg_buf_init(&out, PRINT_BYTES_MAX);
    (void)pg_buf_printf(&out,
                        "\r\033[K%" PRIu64 "/%" PRIu64 " images, %" PRIu64 "/%" PRIu64 " objects, ",
                        s->images_done, s->images, s->objects_done, s->objects);
    pg_size_put(&out, s->fetched_bytes);
    (void)pg_buf_put(&out, SL(" fetched"));
    print_error(pg_buf_sl(&out));
    pg_buf_free(&out);
    p->is_shown = true;
}

static int end(struct prewarm *p, int rc, const struct warm_sum *s)
{
    struct pg_buf out;

    wipe(p);
    if (rc < 0) {
        return print_failure("nothing answers at %s; is pullgate running, and are you its user or "
                             "root?",
                             p->control.socket);
    }
    pg_buf_init(&out, PRINT_BYTES_MAX);
    if (p->args->json) {
        (void)pg_buf_printf(&out,
                            "{\"event\":\"end\",\"images\":%" PRIu64 ",\"failed\":%" PRIu64
                            ",\"objects\":%" PRIu64 ",\"bytes\":%" PRIu64
                            ",\"fetched_bytes\":%" PRIu64 "}\n",
                            s->images, s->images_failed, s->objects, s->bytes, s->fetched_bytes);
    } else {
        (void)pg_buf_printf(&out, "%" PRIu64 " image%s, %" PRIu64 " failed; ", s->images,
                            print_s(s->images), s->images_failed);
        pg_size_put(&out, s->bytes);
        (void)pg_buf_put(&out, SL(" are here, fetched "));
        pg_size_put(&out, s->fetched_bytes);
        (void)pg_buf_put(&out, SL("\n"));
    }
    print(p, &out);
    return s->images_failed > 0 ? COMMAND_FOUND : COMMAND_GOOD;
}

/* ---- the list ------------------------------------------------------------------------------ */

static int read_lines(struct prewarm *p, FILE *f, const char *name)
{
    char line[LINE_BYTES];
    unsigned n = 0;

    while (fgets(line, sizeof(line), f) != NULL) {
        size_t length = strcspn(line, "#\r\n"), blank = strspn(line, " \t");
        if (strlen(line) + 1 == sizeof(line)) {
            return print_failure("%s: line %u is too long for a reference", name, n + 1);
        }
        while (length > blank && strchr(" \t", line[length - 1]) != NULL) {
            length--;
        }
        if (++n > REFS_MAX) {
            return print_failure("%s has more than %d lines", name, REFS_MAX);
        }
        if (length > blank) {
            warm_add(p->warm, (struct sl){line + blank, length - blank});
        }
    }
    return ferror(f) ? print_failure("cannot read %s: %s", name, strerror(errno)) : COMMAND_GOOD;
}

static int read_list(struct prewarm *p, const char *name)
{
    if (strcmp(name, "-") == 0) {
        return read_lines(p, stdin, "standard input");
    }
    FILE *f = fopen(name, "re");
    if (f == NULL) {
        return print_failure("cannot open %s: %s", name, strerror(errno));
    }
    int rc = read_lines(p, f, name);
    (void)fclose(f);
    return rc;
}

/* As images name it. */
static void put_own_platform(char out[PLATFORM_MAX])
{
    static const char *const archs[][2] = {
        {"x86_64", "amd64"}, {"aarch64", "arm64"}, {"armv7l", "arm"}, {"i686", "386"}};
    struct utsname u = {0};
    const char *arch = u.machine;

    (void)uname(&u);
    for (size_t i = 0; i < sizeof(archs) / sizeof(archs[0]); i++) {
        if (strcmp(u.machine, archs[i][0]) == 0) {
            arch = archs[i][1];
        }
    }
    (void)snprintf(out, PLATFORM_MAX, "linux/%s", arch);
}

/* OS/ARCH or OS/ARCH/VARIANT, one or more, with commas between them; or all. */
static bool is_platforms(const char *s)
{
    static const char word[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
    unsigned parts = 0;

    if (strcmp(s, "all") == 0) {
        return true;
    }
    for (;;) {
        size_t n = strspn(s, word);
        if (n == 0) {
            return false;
        }
        s += n;
        parts++;
        if (*s == '/' ? parts >= PARTS_MAX : parts < PARTS_MIN) {
            return false;
        }
        if (*s == '\0') {
            return true;
        }
        if (*s == ',') {
            parts = 0;
        } else if (*s != '/') {
            return false;
        }
        s++;
    }
}

int prewarm_run(const struct command_args *args)
{
    struct prewarm p = {.args = args, .shows_progress = !args->json && isatty(STDERR_FILENO)};
    const struct warm_listener listener = {on_object, on_image, on_progress, &p};
    char platform[PLATFORM_MAX];
    struct warm_sum sum = {0};

    if (args->noperands != 1) {
        return print_failure("say which list: a file with a reference on each line, or -");
    }
    if (args->platform != NULL && !is_platforms(args->platform)) {
        return print_failure("--platform takes OS/ARCH, as linux/amd64 or linux/amd64,linux/arm64, "
                             "or all; not %s",
                             args->platform);
    }
    put_own_platform(platform);
    int rc = control_open(args, CONTROL_CHANGE, &p.control);
    p.warm = warm_new(&p.control, args->platform != NULL ? args->platform : platform, &listener);
    if (rc == COMMAND_GOOD) {
        rc = read_list(&p, args->operands[0]);
    }
    if (rc == COMMAND_GOOD) {
        rc = end(&p, warm_run(p.warm, &sum), &sum);
    }
    warm_free(p.warm);
    control_close(&p.control);
    return rc;
}
