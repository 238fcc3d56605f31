/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/index_check_int.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "cache/index_page_int.h"
#include "cache/index_row_int.h"

#define STUCK_S 30 /* one call of LMDB never takes so long, but on a tree with a loop in it */

/* Dies quietly of what a damaged file does to it: no core, no handler, no sanitizer's report. */
static void die_quietly(void)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGALRM};
    struct rlimit none = {0, 0};

    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        (void)signal(signals[i], SIG_DFL);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)alarm(STUCK_S);
}

/* LMDB maps the file as long as its own pages say, not as long as it is. */
static int check_length(MDB_env *env)
{
    MDB_envinfo info;
    MDB_stat stat;
    struct stat st;
    int fd;

    if (mdb_env_get_fd(env, &fd) != 0 || fstat(fd, &st) < 0 || mdb_env_info(env, &info) != 0 ||
        mdb_env_stat(env, &stat) != 0)
        return -1;
    return ((uint64_t)info.me_last_pgno + 1) * stat.ms_psize <= (uint64_t)st.st_size ? 0 : -1;
}

/* A row of the free list is a count and so many page numbers, descending. */
static int check_free_pages(MDB_val value, uint64_t last_page)
{
    const size_t *pages = value.mv_data;
    size_t n;

    if (value.mv_size < sizeof(n) || value.mv_size % sizeof(n) != 0)
        return -1;
    n = pages[0];
    if (n > value.mv_size / sizeof(n) - 1)
        return -1;
    for (size_t i = 1; i <= n; i++)
        if (pages[i] < 2 || pages[i] > last_page || (i > 1 && pages[i] >= pages[i - 1]))
            return -1;
    return 0;
}

static int walk_free_list(MDB_txn *txn, uint64_t last_page)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    MDB_stat stat;
    size_t rows = 0, last = 0, id;
    int rc;

    if (mdb_stat(txn, 0, &stat) != 0 || mdb_cursor_open(txn, 0, &cursor) != 0)
        return -1;
    while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
        if (++rows > stat.ms_entries || key.mv_size != sizeof(id) ||
            check_free_pages(value, last_page) < 0)
            break;
        memcpy(&id, key.mv_data, sizeof(id));
        if (id <= last) /* of transactions, ascending: else there is a loop in the tree */
            break;
        last = id;
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND && rows == stat.ms_entries ? 0 : -1;
}

static struct sl sl_of(MDB_val v)
{
    return (struct sl){v.mv_data, v.mv_size};
}

/* The loss of one row is no reason to rebuild: checksums keep it from being believed, and fsck
 * takes it out. Only the shape of the tree counts here. Meta rows are few and needed at once. */
static int walk_table(MDB_txn *txn, MDB_dbi dbi, enum index_table table, uint64_t until_us)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    MDB_stat stat;
    struct key last = {0};
    size_t rows = 0;
    int rc;
    bool fine = true, in_time = true;

    if (mdb_stat(txn, dbi, &stat) != 0 || mdb_cursor_open(txn, dbi, &cursor) != 0)
        return -1;
    while (fine && in_time && (rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
        bool has_key =
            key.mv_size > 0 && key.mv_size <= KEY_MAX && index_row_is_after(sl_of(key), &last);
        bool sound = has_key && index_value_is_sound(table, sl_of(key), sl_of(value));

        fine = ++rows <= stat.ms_entries && has_key && (sound || table != INDEX_TABLE_META);
        if (fine) {
            last.n = key.mv_size;
            memcpy(last.p, key.mv_data, key.mv_size);
        }
        in_time = rows % 64 != 0 || pg_clock_mono_us() < until_us;
    }
    mdb_cursor_close(cursor);
    if (!fine || !in_time)
        return fine ? 0 : -1;
    return rc == MDB_NOTFOUND && rows == stat.ms_entries ? 0 : -1;
}

static int check_pages(MDB_env *env, uint64_t until_us)
{
    int fd;

    return mdb_env_get_fd(env, &fd) == 0 ? index_page_check(fd, until_us) : -1;
}

static int walk(MDB_env *env, const MDB_dbi tables[INDEX_TABLES], uint64_t until_us)
{
    static const enum index_table small_first[INDEX_TABLES] = {
        INDEX_TABLE_META,  INDEX_TABLE_REPO,     INDEX_TABLE_TAG,    INDEX_TABLE_LINK,
        INDEX_TABLE_BLOB,  INDEX_TABLE_EDGE,     INDEX_TABLE_REDGE,  INDEX_TABLE_MEMO,
        INDEX_TABLE_EVENT, INDEX_TABLE_MANIFEST, INDEX_TABLE_TAGGED, INDEX_TABLE_PAST,
    };
    MDB_envinfo info;
    MDB_txn *txn;
    int rc;

    if (mdb_env_info(env, &info) != 0 || mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) != 0)
        return -1;
    rc = walk_free_list(txn, info.me_last_pgno);
    for (int i = 0; i < INDEX_TABLES && rc == 0; i++)
        if (tables[small_first[i]] != INDEX_ROW_NO_TABLE)
            rc = walk_table(txn, tables[small_first[i]], small_first[i], until_us);
    mdb_txn_abort(txn);
    return rc;
}

static int check_schema(MDB_env *env, MDB_dbi meta)
{
    struct key name = key_of_name(SL(".schema"));
    MDB_val key = {.mv_size = name.n, .mv_data = name.p}, value;
    MDB_txn *txn;
    struct sl body;
    uint64_t schema;
    int answer = INDEX_CHECK_DAMAGED;

    if (mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) != 0)
        return INDEX_CHECK_DAMAGED;
    if (mdb_get(txn, meta, &key, &value) == 0 &&
        index_value_open(sl_of(value), INDEX_TABLE_META, key_sl(&name), &body) == 0 &&
        index_value_read_u64(body, &schema) == 0)
        answer = schema > INDEX_SCHEMA   ? INDEX_CHECK_NEWER
                 : schema < INDEX_SCHEMA ? INDEX_CHECK_DAMAGED
                                         : INDEX_CHECK_FINE;
    mdb_txn_abort(txn);
    return answer;
}

/* A change, taken back: finds pages, and touches the path to the root. */
static int try_write(MDB_env *env, MDB_dbi meta)
{
    char name[] = ".check";
    MDB_val key = {.mv_size = sizeof(name) - 1, .mv_data = name}, value = key;
    MDB_txn *txn;
    int rc = mdb_txn_begin(env, NULL, 0, &txn);

    if (rc != 0)
        return -1;
    rc = mdb_put(txn, meta, &key, &value, 0);
    mdb_txn_abort(txn);
    return rc == 0 || rc == MDB_MAP_FULL ? 0 : -1;
}

int index_check_child(const struct index_config *config)
{
    uint64_t until_us = pg_clock_mono_us() + (uint64_t)INDEX_CHECK_MS * 1000;
    struct index_config readonly = *config;
    MDB_dbi tables[INDEX_TABLES];
    MDB_env *env;
    int rc, answer;

    die_quietly();
    readonly.read_only = true;
    rc = index_row_env_open(&readonly, &env, tables);
    if (rc == EACCES || rc == EPERM)
        return INDEX_CHECK_DENIED;
    if (rc != 0)
        return INDEX_CHECK_DAMAGED;
    if (check_length(env) < 0 || (!config->read_only && check_pages(env, until_us) < 0))
        return INDEX_CHECK_DAMAGED;
    answer = check_schema(env, tables[INDEX_TABLE_META]);
    if (answer == INDEX_CHECK_FINE && walk(env, tables, until_us) < 0)
        answer = INDEX_CHECK_DAMAGED;
    mdb_env_close(env);
    if (answer != INDEX_CHECK_FINE || config->read_only)
        return answer;
    if (index_row_env_open(config, &env, tables) != 0 ||
        try_write(env, tables[INDEX_TABLE_META]) < 0)
        return INDEX_CHECK_DAMAGED;
    mdb_env_close(env);
    return INDEX_CHECK_FINE;
}
