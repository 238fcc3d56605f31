/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"

#include "proxy/http/sni.h"

TEST(a_name_is_found)
{
    struct sl name;

    assert_int_equal(sni_parse(SL("\0\x09\0\0\6a.test"), &name), 0);
    assert_true(sl_eq(name, SL("a.test")));
    assert_int_equal(sni_parse(SL("\0\x0a\0\0\7a.test."), &name), 0);
    assert_true(sl_eq(name, SL("a.test")));
}

TEST(what_is_none)
{
    static const struct sl none[] = {
        SL(""),
        SL("\0"),
        SL("\0\0"),
        SL("\0\3\0\0\0"),         /* empty */
        SL("\0\4\0\0\1."),        /* the root */
        SL("\0\x08\0\0\6a.test"), /* lengths that are not */
        SL("\0\x0a\0\0\6a.test"),
        SL("\0\x09\0\0\7a.test"),
        SL("\0\x09\0\0\5a.test"),
        SL("\0\x09\1\0\6a.test"), /* no host name */
        SL("\0\x09\0\0\6a\0test"),
        SL("\0\x09\0\0\6a test"),
        SL("\0\x09\0\0\6a\xffte\x7ft"),
        SL("\0\x12\0\0\6a.test\0\0\6b.test"),
    };
    struct sl name;

    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        if (sni_parse(none[i], &name) != -1)
            fail_msg("%zu", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(a_name_is_found),
        RUN(what_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
