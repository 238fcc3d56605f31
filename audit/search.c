/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/search.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <sys/stat.h>

#include "audit/chain.h"
#include "audit/volume.h"

#define NAME_MAX_BYTES 1024

static bool is(struct sl wanted, struct sl text)
{
    return wanted.p == NULL || sl_eq(wanted, text);
}

static bool is_caller(struct sl wanted, const struct entry *e)
{
    struct sl address = e->text[ENTRY_TEXT_ADDRESS];

    return is(wanted, e->text[ENTRY_TEXT_CALLER]) || sl_eq(wanted, address) ||
           (address.n > wanted.n && address.p[wanted.n] == ':' && sl_starts(address, wanted));
}

static bool is_image(const char *pattern, const struct entry *e)
{
    struct sl repo = e->text[ENTRY_TEXT_REPOSITORY], ref = e->text[ENTRY_TEXT_REFERENCE];
    char name[NAME_MAX_BYTES];

    if (repo.n == 0 || repo.n + ref.n + 2 > sizeof(name))
        return false;
    (void)snprintf(name, sizeof(name), SL_FMT ":" SL_FMT, SL_ARG(repo), SL_ARG(ref));
    if (fnmatch(pattern, name, 0) == 0)
        return true;
    name[repo.n] = '\0';
    return fnmatch(pattern, name, 0) == 0;
}

bool search_matches(const struct search_wanted *w, const struct entry *e)
{
    return (w->from_ms == 0 || e->when_ms >= w->from_ms) &&
           (w->until_ms == 0 || e->when_ms < w->until_ms) &&
           is(w->digest, e->text[ENTRY_TEXT_DIGEST]) &&
           is(w->verdict, e->text[ENTRY_TEXT_VERDICT]) && is(w->rule, e->text[ENTRY_TEXT_RULE]) &&
           is(w->act, e->text[ENTRY_TEXT_ACT]) && is_caller(w->caller, e) &&
           (w->image == NULL || is_image(w->image, e));
}

struct run {
    const struct search_wanted *wanted;
    search_each *each;
    void *arg;
    struct search_found found;
    struct pg_err *err;
    int rc; /* of each() */
};

static bool on_line(void *arg, const struct chain_line *line)
{
    struct run *r = arg;
    struct pg_err ignored = {0};
    struct entry e;

    if (line->json.p == NULL || entry_read(line->json, &e, &ignored) < 0) {
        pg_err_clear(&ignored);
        r->found.unreadable++;
        return true;
    }
    r->found.entries++;
    if (search_matches(r->wanted, &e)) {
        r->found.matched++;
        r->rc = r->each(r->arg, &e, r->err);
    }
    entry_free(&e);
    return r->rc == 0;
}

/* Its last entry is about as old as its last change. */
static bool is_too_old(const struct run *r, int dir_fd, const char *name)
{
    struct stat st;

    return r->wanted->from_ms != 0 && fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           ((int64_t)st.st_mtim.tv_sec + 3600) * 1000 < r->wanted->from_ms;
}

static int search_segment(struct run *r, int dir_fd, uint32_t number, struct pg_buf *bytes)
{
    char name[VOLUME_NAME_MAX];
    struct chain c = {0};
    struct chain_walk w;
    int is_there;

    if (is_too_old(r, dir_fd, volume_name(number, name)))
        return 0;
    is_there = volume_read_segment(dir_fd, number, bytes, r->err);
    if (is_there <= 0)
        return is_there;
    chain_walk(pg_buf_sl(bytes), &c, true, on_line, r, &w);
    return r->rc < 0 ? -1 : 0;
}

int search_run(int dir_fd, const struct search_wanted *w, search_each *each, void *arg,
               struct search_found *found_r, struct pg_err *err)
{
    struct run r = {.wanted = w, .each = each, .arg = arg, .err = err};
    struct volume_list list;
    struct pg_buf bytes;
    int rc = 0;

    if (volume_list(dir_fd, &list, err) < 0)
        return -1;
    pg_buf_init(&bytes, VOLUME_READ_MAX);
    for (size_t i = 0; rc == 0 && r.rc == 0 && i < list.n; i++)
        rc = search_segment(&r, dir_fd, list.numbers[i], &bytes);
    pg_buf_free(&bytes);
    volume_list_free(&list);
    if (rc == 0)
        *found_r = r.found;
    return rc;
}
