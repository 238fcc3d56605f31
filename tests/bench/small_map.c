/* SPDX-License-Identifier: Apache-2.0 */
/*
 * small_map - preloaded under valgrind, whose address space has no room for an index of 64 GiB.
 */
#include <dlfcn.h>
#include <lmdb.h>

#define MAP_BYTES ((size_t)1 << 30)

int mdb_env_set_mapsize(MDB_env *env, size_t size)
{
    int (*real)(MDB_env *, size_t) =
        (int (*)(MDB_env *, size_t))dlsym(RTLD_NEXT, "mdb_env_set_mapsize");

    return real(env, size < MAP_BYTES ? size : MAP_BYTES);
}
