/* SPDX-License-Identifier: Apache-2.0 */
#include "signing/field_int.h"

#include "signing/b64_int.h"

bool field_known(const json_t *object, const char *const *names)
{
    size_t found = 0;

    if (!json_is_object(object))
        return false;
    for (const char *const *name = names; *name != NULL; name++)
        found += json_object_get(object, *name) != NULL;
    return found == json_object_size(object);
}

const json_t *field_get(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    return value != NULL && !json_is_null(value) ? value : NULL;
}

int field_object(const json_t *object, const char *name, const json_t **value_r)
{
    const json_t *value = field_get(object, name);

    if (value == NULL)
        return 0;
    if (!json_is_object(value))
        return -1;
    *value_r = value;
    return 1;
}

int field_array(const json_t *object, const char *name, const json_t **value_r)
{
    const json_t *value = field_get(object, name);

    if (value == NULL)
        return 0;
    if (!json_is_array(value))
        return -1;
    *value_r = value;
    return 1;
}

int field_text(const json_t *object, const char *name, struct sl *value_r)
{
    const json_t *value = field_get(object, name);

    if (value == NULL)
        return 0;
    if (!json_is_string(value))
        return -1;
    *value_r = (struct sl){json_string_value(value), json_string_length(value)};
    return 1;
}

int field_decimal(struct sl digits, int64_t *value_r)
{
    int64_t value = 0;

    if (digits.n == 0 || (digits.n > 1 && digits.p[0] == '0'))
        return -1;
    for (size_t i = 0; i < digits.n; i++) {
        if (digits.p[i] < '0' || digits.p[i] > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, digits.p[i] - '0', &value))
            return -1;
    }
    *value_r = value;
    return 1;
}

int field_int64(const json_t *object, const char *name, int64_t *value_r)
{
    const json_t *value = field_get(object, name);
    struct sl text;
    bool negative;
    int status;

    if (value == NULL)
        return 0;
    if (json_is_integer(value)) {
        *value_r = json_integer_value(value);
        return 1;
    }
    if (!json_is_string(value))
        return -1;
    text = (struct sl){json_string_value(value), json_string_length(value)};
    negative = text.n > 1 && text.p[0] == '-' && text.p[1] != '0';
    if (negative)
        text = (struct sl){text.p + 1, text.n - 1};
    status = field_decimal(text, value_r);
    if (status > 0 && negative)
        *value_r = -*value_r;
    return status;
}

int field_bytes(const json_t *object, const char *name, struct pg_arena *arena, struct sl *value_r)
{
    struct sl text;
    int status = field_text(object, name, &text);

    if (status > 0 && !b64_decode(B64_STANDARD, text, arena, value_r))
        return -1;
    return status;
}
