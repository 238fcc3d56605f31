/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"

#include "proxy/http/peer.h"

TEST(machines_of_one_network_are_not_one)
{
    static const char *const texts[][2] = {
        {"192.0.2.1:40000", "192.0.2.1"},
        {"192.0.2.1", "192.0.2.1"},
        {"[2001:db8::1]:40000", "2001:db8::1"},
        {"2001:db8::1", "2001:db8::1"},
        {"::1", "::1"},
        {"unix:uid=0", "unix:uid=0"},
        {"", ""},
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_true(sl_eq(peer_machine(texts[i][0]), sl_str(texts[i][1])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(machines_of_one_network_are_not_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
