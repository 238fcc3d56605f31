/* SPDX-License-Identifier: Apache-2.0 */
#include "base/moment.h"

#include <time.h>

#define FRACTION_MAX 9

/* Takes exactly `width` digits and the byte behind them, which is 0 for none. */
static bool take(struct sl *text, size_t width, char behind, int *value_r)
{
    size_t n = width + (behind != 0);
    int value = 0;

    if (text->n < n || (behind != 0 && text->p[width] != behind))
        return false;
    for (size_t i = 0; i < width; i++) {
        if (text->p[i] < '0' || text->p[i] > '9')
            return false;
        value = value * 10 + (text->p[i] - '0');
    }
    *text = (struct sl){text->p + n, text->n - n};
    *value_r = value;
    return true;
}

static bool skip_fraction(struct sl *text)
{
    size_t n = 1;

    if (text->n == 0 || text->p[0] != '.')
        return true;
    while (n < text->n && text->p[n] >= '0' && text->p[n] <= '9')
        n++;
    *text = (struct sl){text->p + n, text->n - n};
    return n > 1 && n <= 1 + FRACTION_MAX;
}

/* "Z" or "+01:30", to the end. */
static bool take_offset(struct sl text, int64_t *seconds_r)
{
    int hours, minutes, sign = text.n > 0 && text.p[0] == '-' ? -1 : 1;

    if (sl_eq(text, SL("Z"))) {
        *seconds_r = 0;
        return true;
    }
    if (text.n != 6 || (text.p[0] != '+' && text.p[0] != '-'))
        return false;
    text = (struct sl){text.p + 1, text.n - 1};
    if (!take(&text, 2, ':', &hours) || !take(&text, 2, 0, &minutes) || hours > 23 || minutes > 59)
        return false;
    *seconds_r = (int64_t)sign * (hours * 3600 + minutes * 60);
    return true;
}

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_of(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return days[month - 1] + (month == 2 && is_leap(year));
}

bool moment_parse(struct sl text, int64_t *seconds_r)
{
    int year, month, day, hour, minute, second;
    int64_t offset;
    struct tm tm;

    if (!take(&text, 4, '-', &year) || !take(&text, 2, '-', &month) || !take(&text, 2, 'T', &day) ||
        !take(&text, 2, ':', &hour) || !take(&text, 2, ':', &minute) || !take(&text, 2, 0, &second))
        return false;
    if (month < 1 || month > 12 || day < 1 || day > days_of(year, month) || hour > 23 ||
        minute > 59 || second > 60)
        return false;
    if (!skip_fraction(&text) || !take_offset(text, &offset))
        return false;
    tm = (struct tm){.tm_year = year - 1900,
                     .tm_mon = month - 1,
                     .tm_mday = day,
                     .tm_hour = hour,
                     .tm_min = minute,
                     .tm_sec = second};
    *seconds_r = (int64_t)timegm(&tm) - offset;
    return true;
}
