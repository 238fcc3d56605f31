/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/index_page_int.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/check.h"
#include "base/clock.h"

#define MAGIC       0xBEEFC0DEu
#define VERSION     1
#define PAGE_MIN    512
#define PAGE_MAX    65536
#define DEPTH_MAX   32 /* of LMDB's cursors */
#define KEY_BYTES   511
#define TABLES_MAX  32
#define PAGE_HEAD   16
#define ROW_HEAD    8
#define NO_PAGE     UINT64_MAX
#define FIRST_PAGE  2    /* behind the two meta pages */
#define LOOKS       64   /* pages between two looks at the clock */
#define FREE_FLAGS  0x08 /* its keys are numbers */
#define FLAGS_MASK  0x7f
#define META_AT     PAGE_HEAD
#define META_BYTES  136
#define META_FREE   24 /* in the meta: the tree of free pages, then that of the tables */
#define META_TABLES 72
#define META_LAST   120
#define META_TXN    128
#define TREE_BYTES  48

enum page_kind { BRANCH = 0x01, LEAF = 0x02, OVERFLOW = 0x04, META = 0x08 };
enum row_flags { BIG = 0x01, TREE = 0x02 };
enum tree_kind { OF_FREE_PAGES, OF_TABLES, OF_ROWS };

struct tree {
    enum tree_kind kind;
    unsigned flags, depth;
    uint64_t root;
};

struct row {
    unsigned flags, nkey;
    uint64_t ndata; /* of a leaf; of a branch: the page below */
    const uint8_t *data;
};

struct pages {
    const uint8_t *map;
    size_t nmap, npage;
    uint64_t npages, nlooked, until_us;
    uint8_t *used; /* a bit for each page */
    bool is_late;
    unsigned ntables;
    struct tree tables[TABLES_MAX];
};

static uint16_t u16_at(const uint8_t *p)
{
    uint16_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

static uint32_t u32_at(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

static uint64_t u64_at(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

static const uint8_t *page_at(const struct pages *w, uint64_t no)
{
    return w->map + no * w->npage;
}

/* False: they are not in the file, or somebody else's. */
static bool claim(struct pages *w, uint64_t first, uint64_t n)
{
    if (first < FIRST_PAGE || first >= w->npages || n > w->npages - first)
        return false;
    for (uint64_t no = first; no < first + n; no++) {
        if ((w->used[no / 8] & 1u << no % 8) != 0)
            return false;
        w->used[no / 8] |= (uint8_t)(1u << no % 8);
    }
    return true;
}

static struct tree tree_at(const uint8_t *p, enum tree_kind kind)
{
    return (struct tree){
        .kind = kind, .flags = u16_at(p + 4), .depth = u16_at(p + 6), .root = u64_at(p + 40)};
}

/* ---- a page -------------------------------------------------------------------------------- */

static unsigned nrows_of(const uint8_t *page)
{
    return (u16_at(page + 12) - PAGE_HEAD) / 2u;
}

static struct row row_at(const uint8_t *page, unsigned i)
{
    const uint8_t *p = page + u16_at(page + PAGE_HEAD + (size_t)i * 2);
    struct row r = {.flags = u16_at(p + 4), .nkey = u16_at(p + 6), .ndata = u32_at(p)};

    if (u16_at(page + 10) == BRANCH)
        r.ndata |= (uint64_t)r.flags << 32;
    r.data = p + ROW_HEAD + r.nkey;
    return r;
}

static uint64_t bytes_of(const uint8_t *page, const struct row *r)
{
    if (u16_at(page + 10) == BRANCH)
        return ROW_HEAD + (uint64_t)r->nkey;
    return ROW_HEAD + (uint64_t)r->nkey + ((r->flags & BIG) != 0 ? sizeof(uint64_t) : r->ndata);
}

/* Rows stand at even places. */
static bool rows_are_apart(const uint8_t *page, size_t npage)
{
    uint8_t taken[PAGE_MAX / 2] = {0};
    size_t upper = u16_at(page + 14);

    for (unsigned i = 0; i < nrows_of(page); i++) {
        size_t at = u16_at(page + PAGE_HEAD + (size_t)i * 2);
        struct row r;
        uint64_t n;

        if (at % 2 != 0 || at < upper || at > npage - ROW_HEAD)
            return false;
        r = row_at(page, i);
        n = bytes_of(page, &r);
        if (n > npage - at || r.nkey > KEY_BYTES)
            return false;
        n = (n + 1) / 2;
        if (memchr(taken + at / 2, 1, n) != NULL)
            return false;
        memset(taken + at / 2, 1, n);
    }
    return true;
}

static bool page_is_sound(const struct pages *w, uint64_t no, enum page_kind kind,
                          unsigned nrows_min)
{
    const uint8_t *page = page_at(w, no);
    size_t lower = u16_at(page + 12), upper = u16_at(page + 14);

    if (u64_at(page) != no || u16_at(page + 10) != kind)
        return false;
    if (lower % 2 != 0 || lower < PAGE_HEAD + (size_t)nrows_min * 2 || upper < lower ||
        upper > w->npage)
        return false;
    return rows_are_apart(page, w->npage);
}

/* ---- rows ---------------------------------------------------------------------------------- */

/* What is too large for a page has pages of its own, one behind the other. */
static bool find_data(struct pages *w, struct row *r)
{
    const uint8_t *page;
    uint64_t no, n;

    if ((r->flags & BIG) == 0)
        return true;
    no = u64_at(r->data);
    if (no < FIRST_PAGE || no >= w->npages)
        return false;
    page = page_at(w, no);
    n = u32_at(page + 12);
    if (u64_at(page) != no || u16_at(page + 10) != OVERFLOW ||
        n * w->npage < PAGE_HEAD + r->ndata || !claim(w, no, n))
        return false;
    r->data = page + PAGE_HEAD;
    return true;
}

/* A count, and so many numbers of pages. */
static bool claim_free_pages(struct pages *w, const struct row *r)
{
    uint64_t n;

    if (r->nkey != sizeof(uint64_t) || r->ndata < sizeof(n))
        return false;
    n = u64_at(r->data);
    if (n > r->ndata / sizeof(n) - 1)
        return false;
    for (uint64_t i = 1; i <= n; i++)
        if (!claim(w, u64_at(r->data + i * sizeof(n)), 1))
            return false;
    return true;
}

static bool keep_table(struct pages *w, const struct row *r)
{
    if (r->flags != TREE || r->ndata != TREE_BYTES || w->ntables == TABLES_MAX)
        return false;
    w->tables[w->ntables++] = tree_at(r->data, OF_ROWS);
    return true;
}

static bool leaf_is_sound(struct pages *w, const struct tree *t, const uint8_t *page)
{
    for (unsigned i = 0; i < nrows_of(page); i++) {
        struct row r = row_at(page, i);

        if (r.nkey == 0)
            return false;
        if (t->kind == OF_TABLES) {
            if (!keep_table(w, &r))
                return false;
            continue;
        }
        if ((r.flags & ~(unsigned)BIG) != 0 || !find_data(w, &r))
            return false;
        if (t->kind == OF_FREE_PAGES && !claim_free_pages(w, &r))
            return false;
    }
    return true;
}

/* ---- trees --------------------------------------------------------------------------------- */

struct level {
    uint64_t page;
    unsigned next; /* row to go down from */
};

/* Steps onto a page; depth is how many are above it. */
static bool enter(struct pages *w, const struct tree *t, unsigned depth, uint64_t no)
{
    bool is_leaf = depth + 1 == t->depth;
    unsigned nrows_min = is_leaf || t->kind == OF_FREE_PAGES ? 1 : 2; /* LMDB insists on it */

    if (!claim(w, no, 1) || !page_is_sound(w, no, is_leaf ? LEAF : BRANCH, nrows_min))
        return false;
    if (++w->nlooked % LOOKS == 0 && pg_clock_mono_us() >= w->until_us)
        w->is_late = true;
    return !is_leaf || leaf_is_sound(w, t, page_at(w, no));
}

static bool tree_is_sound(struct pages *w, const struct tree *t)
{
    struct level levels[DEPTH_MAX];
    unsigned n = 0;

    if ((t->flags & FLAGS_MASK) != (t->kind == OF_FREE_PAGES ? FREE_FLAGS : 0u))
        return false;
    if (t->root == NO_PAGE || t->depth == 0)
        return t->root == NO_PAGE && t->depth == 0;
    if (t->depth > DEPTH_MAX || !enter(w, t, 0, t->root))
        return false;
    levels[n++] = (struct level){.page = t->root};
    while (n > 0 && !w->is_late) {
        struct level *l = &levels[n - 1];
        const uint8_t *page = page_at(w, l->page);
        uint64_t below;

        if (n == t->depth || l->next == nrows_of(page)) {
            n--;
            continue;
        }
        below = row_at(page, l->next++).ndata;
        if (!enter(w, t, n, below))
            return false;
        levels[n++] = (struct level){.page = below};
    }
    return true;
}

/* ---- the file ------------------------------------------------------------------------------ */

static bool meta_is_sound(const uint8_t *page)
{
    return (u16_at(page + 10) & META) != 0 && u32_at(page + META_AT) == MAGIC &&
           u32_at(page + META_AT + 4) == VERSION;
}

/* The one that LMDB goes by; NULL: it is damaged. */
static const uint8_t *newest_meta(struct pages *w)
{
    const uint8_t *first = w->map, *second;

    if (w->nmap < META_AT + META_BYTES || !meta_is_sound(first))
        return NULL;
    w->npage = u32_at(first + META_AT + META_FREE); /* kept where a tree has something else */
    if (w->npage < PAGE_MIN || w->npage > PAGE_MAX || (w->npage & (w->npage - 1)) != 0 ||
        w->nmap < FIRST_PAGE * w->npage)
        return NULL;
    second = first + w->npage;
    if (!meta_is_sound(second))
        return NULL;
    first += META_AT;
    second += META_AT;
    return u64_at(first + META_TXN) < u64_at(second + META_TXN) ? second : first;
}

static bool is_sound(struct pages *w)
{
    const uint8_t *meta = newest_meta(w);
    struct tree free_pages, tables;

    if (meta == NULL || u64_at(meta + META_LAST) >= w->nmap / w->npage)
        return false;
    w->npages = u64_at(meta + META_LAST) + 1;
    w->used = calloc(1, w->npages / 8 + 1);
    PG_CHECK(w->used != NULL);
    free_pages = tree_at(meta + META_FREE, OF_FREE_PAGES);
    tables = tree_at(meta + META_TABLES, OF_TABLES);
    if (!tree_is_sound(w, &free_pages) || !tree_is_sound(w, &tables))
        return false;
    for (unsigned i = 0; i < w->ntables; i++)
        if (!tree_is_sound(w, &w->tables[i]))
            return false;
    return true;
}

int index_page_check(int fd, uint64_t until_us)
{
    struct pages w = {.until_us = until_us};
    struct stat st;
    void *map;
    bool sound;

    if (fstat(fd, &st) < 0 || st.st_size <= 0)
        return -1;
    w.nmap = (size_t)st.st_size;
    map = mmap(NULL, w.nmap, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return -1;
    w.map = map;
    sound = is_sound(&w);
    free(w.used);
    (void)munmap(map, w.nmap);
    return sound ? 0 : -1;
}
