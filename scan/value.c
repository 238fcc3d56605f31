/* SPDX-License-Identifier: Apache-2.0 */
#include "scan/value_int.h"

#include "base/moment.h"

static int take(const json_t *object, const char *key, json_type type, const json_t **value_r,
                struct pg_err *err)
{
    const json_t *value = json_object_get(object, key);

    if (value == NULL || json_is_null(value)) {
        *value_r = NULL;
        return 0;
    }
    if (json_typeof(value) != type) {
        return pg_fail(err, PG_E_UPSTREAM_WRONG, "\"%s\" is not %s", key,
                       type == JSON_OBJECT  ? "an object"
                       : type == JSON_ARRAY ? "a list"
                                            : "a text");
    }
    *value_r = value;
    return 0;
}

int value_object(const json_t *object, const char *key, const json_t **value_r, struct pg_err *err)
{
    return take(object, key, JSON_OBJECT, value_r, err);
}

int value_list(const json_t *object, const char *key, const json_t **value_r, struct pg_err *err)
{
    return take(object, key, JSON_ARRAY, value_r, err);
}

int value_text(const json_t *object, const char *key, struct pg_arena *arena, struct sl *text_r,
               struct pg_err *err)
{
    const json_t *value = NULL;

    if (take(object, key, JSON_STRING, &value, err) < 0) {
        return -1;
    }
    *text_r = (struct sl){NULL, 0};
    if (value == NULL) {
        return 0;
    }
    struct sl text = {json_string_value(value), json_string_length(value)};
    if (text.n > VALUE_TEXT_MAX) {
        return pg_fail(err, PG_E_UPSTREAM_WRONG, "\"%s\" is longer than %d bytes", key,
                       VALUE_TEXT_MAX);
    }
    *text_r = pg_copy(arena, text);
    return 0;
}

int64_t value_time(const json_t *object, const char *key)
{
    int64_t seconds;

    return moment_parse(pg_json_str(object, key), &seconds) ? seconds : 0;
}

bool value_is_true(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}
