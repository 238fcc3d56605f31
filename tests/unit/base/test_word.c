/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"

#include "base/utf8.h"
#include "base/word.h"

static bool is_control(unsigned char c)
{
    return c < 0x20 || c == 0x7f;
}

/* Every byte, at every place, beside neighbours that could lend or borrow a bit. */
TEST(what_is_said_of_eight_bytes_is_true_of_one_of_them)
{
    static const unsigned char neighbours[] = {0x00, 0x01, 0x1f, 0x20, 0x21, 0x7e,
                                               0x7f, 0x80, 0x9f, 0xa0, 0xfe, 0xff};

    for (size_t k = 0; k < sizeof(neighbours); k++) {
        for (unsigned c = 0; c < 256; c++) {
            for (size_t at = 0; at < PG_WORD_BYTES; at++) {
                unsigned char bytes[PG_WORD_BYTES];
                uint64_t w;

                memset(bytes, neighbours[k], sizeof(bytes));
                bytes[at] = (unsigned char)c;
                w = pg_word((const char *)bytes);
                assert_int_equal(pg_word_has_control(w),
                                 is_control((unsigned char)c) || is_control(neighbours[k]));
                assert_int_equal(pg_word_below(w, 0x20), c < 0x20 || neighbours[k] < 0x20);
                assert_int_equal(pg_word_below(w, 0x80), c < 0x80 || neighbours[k] < 0x80);
                assert_int_equal(pg_word_has(w, '='), c == '=');
                assert_int_equal(pg_word_has(w, (char)c), true);
            }
        }
    }
}

/* One byte that must be escaped, wherever it is, ends what is plain there. */
TEST(a_plain_text_ends_at_its_first_byte_that_is_not)
{
    char text[41];

    for (unsigned c = 0; c < 256; c++) {
        bool plain = c >= 0x20 && c < 0x7f && c != '"' && c != '\\';

        for (size_t at = 0; at < sizeof(text); at++) {
            memset(text, 'a', sizeof(text));
            text[at] = (char)c;
            assert_int_equal(pg_utf8_plain((struct sl){text, sizeof(text)}),
                             plain ? sizeof(text) : at);
        }
    }
    assert_int_equal(pg_utf8_plain((struct sl){NULL, 0}), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(what_is_said_of_eight_bytes_is_true_of_one_of_them),
        RUN(a_plain_text_ends_at_its_first_byte_that_is_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
