/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes as people write and read them. */
#include "harness/test.h"

#include "base/size.h"

static void reads(const char *text, uint64_t bytes)
{
    uint64_t is = 0;

    if (!pg_size_read(sl_str(text), &is) || is != bytes)
        fail_msg("%s is read as %ju", text, (uintmax_t)is);
}

static void refuses(const char *text)
{
    uint64_t is;

    if (pg_size_read(sl_str(text), &is))
        fail_msg("\"%s\" is read", text);
}

static void shows(uint64_t bytes, const char *text)
{
    struct pg_buf out;

    pg_buf_init(&out, 64);
    pg_size_put(&out, bytes);
    assert_true(sl_eq(pg_buf_sl(&out), sl_str(text)));
    pg_buf_free(&out);
}

TEST(what_is_a_size)
{
    reads("0B", 0);
    reads("1KiB", 1024);
    reads("20GiB", UINT64_C(20) << 30);
    reads("1048576TiB", UINT64_C(1) << 60);
    reads("1152921504606846976B", UINT64_C(1) << 60);
    refuses("");
    refuses("1");
    refuses("GiB");
    refuses("1 GiB");
    refuses("-1GiB");
    refuses("1GB");
    refuses("1.5GiB");
    refuses("1GiB ");
    refuses("1048577TiB");
    refuses("1152921504606846977B");
    refuses("99999999999999999999999GiB");
}

TEST(how_it_is_shown)
{
    shows(0, "0 B");
    shows(1023, "1023 B");
    shows(1536, "1.5 KiB");
    shows(UINT64_C(5) << 50, "5120.0 TiB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(what_is_a_size),
        RUN(how_it_is_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
