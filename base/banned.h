/* SPDX-License-Identifier: Apache-2.0 */
/*
 * banned - what our code does not call. The build puts this header in front of every C file of
 * ours, so that a call does not compile and the message says what to use.
 *
 * The system's headers that declare these come first: the macros must not meet a declaration.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PG_BANNED(name, instead)                                                                   \
    __extension__({                                                                                \
        _Static_assert(0, #name " is banned: " instead);                                           \
        0;                                                                                         \
    })

/* no bound, or one that does not end the string */
#undef strcpy
#undef strcat
#undef stpcpy
#undef strncpy
#undef strncat
#undef stpncpy
#undef strndup
#undef sprintf
#undef vsprintf
#undef gets
#define strcpy(...)   PG_BANNED(strcpy, "memcpy, pg_copy or pg_buf_put")
#define strcat(...)   PG_BANNED(strcat, "pg_buf_put")
#define stpcpy(...)   PG_BANNED(stpcpy, "memcpy, pg_copy or pg_buf_put")
#define strncpy(...)  PG_BANNED(strncpy, "memcpy, pg_copy or pg_buf_put")
#define strncat(...)  PG_BANNED(strncat, "pg_buf_put")
#define stpncpy(...)  PG_BANNED(stpncpy, "memcpy, pg_copy or pg_buf_put")
#define strndup(...)  PG_BANNED(strndup, "sl_dup: that one looks for a NUL")
#define sprintf(...)  PG_BANNED(sprintf, "snprintf or pg_buf_printf")
#define vsprintf(...) PG_BANNED(vsprintf, "vsnprintf")
#define gets(...)     PG_BANNED(gets, "a read with a length")

/* no error, undefined on overflow */
#undef atoi
#undef atol
#undef atoll
#undef atof
#undef scanf
#undef fscanf
#undef sscanf
#define atoi(...)   PG_BANNED(atoi, "a parser that says what was wrong")
#define atol(...)   PG_BANNED(atol, "a parser that says what was wrong")
#define atoll(...)  PG_BANNED(atoll, "a parser that says what was wrong")
#define atof(...)   PG_BANNED(atof, "strtod with its end pointer")
#define scanf(...)  PG_BANNED(scanf, "a parser over a slice")
#define fscanf(...) PG_BANNED(fscanf, "a parser over a slice")
#define sscanf(...) PG_BANNED(sscanf, "a parser over a slice")

/* state shared by all threads */
#undef strtok
#undef localtime
#undef gmtime
#undef ctime
#undef asctime
#undef rand
#undef srand
#define strtok(...)    PG_BANNED(strtok, "a loop over a slice")
#define localtime(...) PG_BANNED(localtime, "pg_clock_rfc3339: the house keeps UTC")
#define gmtime(...)    PG_BANNED(gmtime, "pg_clock_rfc3339 or gmtime_r")
#define ctime(...)     PG_BANNED(ctime, "pg_clock_rfc3339")
#define asctime(...)   PG_BANNED(asctime, "pg_clock_rfc3339")
#define rand(...)      PG_BANNED(rand, "pg_random_u64")
#define srand(...)     PG_BANNED(srand, "pg_random_u64")

/* a shell, a name that somebody else takes first, a stack without a bound */
#undef system
#undef popen
#undef mktemp
#undef tmpnam
#undef alloca
#define system(...) PG_BANNED(system, "proxy/spawn.h")
#define popen(...)  PG_BANNED(popen, "proxy/spawn.h")
#define mktemp(...) PG_BANNED(mktemp, "mkstemp, mkdtemp or O_TMPFILE")
#define tmpnam(...) PG_BANNED(tmpnam, "mkstemp, mkdtemp or O_TMPFILE")
#define alloca(...) PG_BANNED(alloca, "an arena")
