/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/secret.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

#define ZERO_USER "00000000-0000-0000-0000-000000000000"

static bool has_control(struct sl s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return true;
    }
    return false;
}

static bool is_visible(struct sl s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] <= 0x20 || s.p[i] >= 0x7f)
            return false;
    }
    return true;
}

static const char *find_fault(enum secret_kind kind, struct sl user, struct sl text)
{
    if (text.n == 0)
        return "the password or token is empty";
    if (user.n > SECRET_TEXT_MAX || text.n > SECRET_TEXT_MAX)
        return "the user, password or token is too long";
    if (has_control(user))
        return "a line break or another control character is in the user";
    if (memchr(text.p, '\0', text.n) != NULL)
        return "a zero byte is in the password or token";
    if (memchr(user.p, ':', user.n) != NULL)
        return "a colon is in the user";
    if (kind == SECRET_LOGIN && user.n == 0)
        return "a password without a user";
    if (kind == SECRET_BEARER && !is_visible(text))
        return "a character that no header can hold is in the token";
    return NULL;
}

int secret_take_as(struct secret *s, enum secret_kind kind, struct sl user, struct sl text,
                   const char **why)
{
    user = user.p != NULL ? user : SL("");
    *why = find_fault(kind, user, text);
    if (*why != NULL)
        return -1;
    PG_CHECK(s->kind == SECRET_NONE);
    *s = (struct secret){.kind = kind, .user = sl_dup(user), .text = sl_dup(text)};
    return 0;
}

int secret_take(struct secret *s, struct sl user, struct sl text, const char **why)
{
    if (sl_eq(user, SL("<token>")))
        return secret_take_as(s, SECRET_REFRESH, SL(""), text, why);
    if (sl_eq(user, SL(ZERO_USER)))
        return secret_take_as(s, SECRET_REFRESH, user, text, why);
    return secret_take_as(s, SECRET_LOGIN, user, text, why);
}

static void clear_text(char *text)
{
    if (text != NULL)
        OPENSSL_cleanse(text, strlen(text));
    free(text);
}

void secret_clear(struct secret *s)
{
    clear_text(s->user);
    clear_text(s->text);
    *s = (struct secret){0};
}

void secret_move(struct secret *to, struct secret *from)
{
    secret_clear(to);
    *to = *from;
    *from = (struct secret){0};
}

bool secret_eq(const struct secret *a, const struct secret *b)
{
    if (a->kind != b->kind || a->kind == SECRET_NONE)
        return a->kind == b->kind;
    return strcmp(a->user, b->user) == 0 && strcmp(a->text, b->text) == 0;
}

void secret_put_basic(const struct secret *s, struct pg_buf *header)
{
    static const char before[] = "Authorization: Basic ";
    size_t user = strlen(s->user), text = strlen(s->text), n = user + 1 + text;
    char *plain = malloc(n + 1);
    unsigned char *coded = malloc(n / 3 * 4 + 8);

    PG_CHECK(s->kind != SECRET_NONE && plain != NULL && coded != NULL);
    memcpy(plain, s->user, user);
    plain[user] = ':';
    memcpy(plain + user + 1, s->text, text);
    PG_CHECK(EVP_EncodeBlock(coded, (const unsigned char *)plain, (int)n) > 0);
    pg_buf_put(header, (struct sl){before, sizeof(before) - 1});
    pg_buf_put(header, (struct sl){(const char *)coded, strlen((const char *)coded) + 1});
    PG_CHECK(!header->over);
    OPENSSL_cleanse(plain, n);
    OPENSSL_cleanse(coded, n / 3 * 4 + 8);
    free(plain);
    free(coded);
}

void secret_wipe(struct pg_buf *b)
{
    if (b->p != NULL)
        OPENSSL_cleanse(b->p, b->cap);
    pg_buf_free(b);
}
