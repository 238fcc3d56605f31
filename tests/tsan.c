/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread sanitizer remembers who used a descriptor until it sees that descriptor closed. libuv
 * closes by the bare system call, which it does not see: whoever is given the number next, in
 * another thread, seems to close what a loop is polling. So in that build syscall() is this one,
 * for libuv as well, and every close is seen; a true use of a closed descriptor still is found.
 */
#include <dlfcn.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef long syscall_fn(long number, ...);

static syscall_fn *the_libc_s;

__attribute__((constructor)) static void find(void)
{
    the_libc_s = (syscall_fn *)dlsym(RTLD_NEXT, "syscall");
}

long syscall(long number, ...)
{
    long a[6];
    va_list args;

    va_start(args, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(args, long);
    va_end(args);
    if (number == SYS_close)
        return close((int)a[0]);
    if (the_libc_s == NULL)
        find();
    return the_libc_s(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
