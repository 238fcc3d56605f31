/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/fd.h"
#include "base/guarded.h"

#define PROTOCOL  "pullgate audit 1\n"
#define PEM_MAX   ((size_t)16384)
#define PATH_TEXT 4096
#define SIGNED    64

struct seal {
    EVP_PKEY *key;
    char key_text[ENTRY_HEX_MAX], signature_text[ENTRY_HEX_MAX];
};

static struct seal *seal_new(EVP_PKEY *key)
{
    struct seal *s = calloc(1, sizeof(*s));
    uint8_t raw[SEAL_KEY];
    size_t n = sizeof(raw);

    PG_CHECK(s != NULL && EVP_PKEY_get_raw_public_key(key, raw, &n) == 1 && n == sizeof(raw));
    s->key = key;
    (void)entry_hex(raw, sizeof(raw), s->key_text);
    return s;
}

void seal_free(struct seal *s)
{
    if (s == NULL)
        return;
    EVP_PKEY_free(s->key);
    free(s);
}

/* ---- files --------------------------------------------------------------------------------- */

static int fail(const char *path, const char *name, const char *doing, struct pg_err *err)
{
    return pg_fail(err, PG_E_STORE_IO, "cannot %s %s/%s: %s", doing, path, name,
                   strerrordesc_np(errno));
}

/* Under another name first: a key that is half there is none. */
static int write_file(int dir_fd, const char *path, const char *name, struct sl text,
                      struct pg_err *err)
{
    _fd_ int fd = -1;

    (void)unlinkat(dir_fd, "new", 0);
    fd = openat(dir_fd, "new", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 || pg_fd_write(fd, text.p, text.n) < 0 || fsync(fd) < 0 ||
        renameat(dir_fd, "new", dir_fd, name) < 0 || fsync(dir_fd) < 0)
        return fail(path, name, "write", err);
    return 0;
}

static int write_pem(int dir_fd, const char *path, EVP_PKEY *key, bool is_private,
                     struct pg_err *err)
{
    BIO *bio = BIO_new(BIO_s_secmem());
    char *p;
    long n;
    int rc;

    PG_CHECK(bio != NULL);
    PG_CHECK((is_private ? PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL)
                         : PEM_write_bio_PUBKEY(bio, key)) == 1);
    n = BIO_get_mem_data(bio, &p);
    rc = write_file(dir_fd, path, is_private ? "key" : "key.pub", (struct sl){p, (size_t)n}, err);
    BIO_free(bio);
    return rc;
}

/* The key has no password, and nobody is asked for one. */
static int no_password(char *out, int room, int writing, void *owner)
{
    if (room > 0)
        out[0] = '\0';
    (void)writing;
    (void)owner;
    return -1;
}

static EVP_PKEY *read_pem(struct sl pem, bool is_private)
{
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    EVP_PKEY *key;

    PG_CHECK(bio != NULL);
    key = is_private ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL)
                     : PEM_read_bio_PUBKEY(bio, NULL, no_password, NULL);
    BIO_free(bio);
    if (key != NULL && EVP_PKEY_get_base_id(key) != EVP_PKEY_ED25519) {
        EVP_PKEY_free(key);
        return NULL;
    }
    return key;
}

static int make_key(int dir_fd, const char *path, struct seal **seal_r, struct pg_err *err)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");

    PG_CHECK(key != NULL);
    if (write_pem(dir_fd, path, key, false, err) < 0 ||
        write_pem(dir_fd, path, key, true, err) < 0) {
        EVP_PKEY_free(key);
        return -1;
    }
    *seal_r = seal_new(key);
    return 0;
}

int seal_open(int dir_fd, const char *path, struct seal **seal_r, bool *is_new_r,
              struct pg_err *err)
{
    char name[PATH_TEXT];
    struct pg_buf pem;
    EVP_PKEY *key;

    *is_new_r = faccessat(dir_fd, "key", F_OK, 0) < 0 && errno == ENOENT;
    if (*is_new_r)
        return make_key(dir_fd, path, seal_r, err);
    if (snprintf(name, sizeof(name), "%s/key", path) >= (int)sizeof(name))
        return pg_fail(err, PG_E_STORE_IO, "the path of the audit log is too long");
    pg_buf_init(&pem, PEM_MAX);
    if (pg_guarded_read(name, PG_GUARDED_PRIVATE, &pem, err) < 0) {
        pg_buf_free(&pem);
        return -1;
    }
    key = read_pem(pg_buf_sl(&pem), true);
    explicit_bzero(pem.p, pem.n);
    pg_buf_free(&pem);
    if (key == NULL)
        return pg_fail(err, PG_E_STORE_IO,
                       "%s is not an Ed25519 key (PEM): restore it, or move it away to have a new "
                       "one made",
                       name);
    *seal_r = seal_new(key);
    return 0;
}

int seal_read_key(struct sl pem, uint8_t key_r[SEAL_KEY], struct pg_err *err)
{
    EVP_PKEY *key = pem.n <= PEM_MAX ? read_pem(pem, false) : NULL;
    size_t n = SEAL_KEY;

    if (key == NULL)
        return pg_fail(err, PG_E_STORE_IO, "it is not an Ed25519 public key (PEM)");
    PG_CHECK(EVP_PKEY_get_raw_public_key(key, key_r, &n) == 1 && n == SEAL_KEY);
    EVP_PKEY_free(key);
    return 0;
}

/* ---- signatures ---------------------------------------------------------------------------- */

static void put_signed(const struct entry *e, struct pg_buf *out)
{
    struct entry bare = *e;

    bare.text[ENTRY_TEXT_SIGNATURE] = (struct sl){NULL, 0};
    pg_buf_init(out, ENTRY_LINE_MAX + sizeof(PROTOCOL));
    (void)pg_buf_put(out, SL(PROTOCOL));
    entry_write(&bare, out);
    PG_CHECK(!out->over);
}

void seal_sign(struct seal *s, struct entry *e)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint8_t signature[SIGNED];
    size_t n = sizeof(signature);
    struct pg_buf text;

    e->text[ENTRY_TEXT_KEY] = sl_str(s->key_text);
    put_signed(e, &text);
    PG_CHECK(ctx != NULL && EVP_DigestSignInit(ctx, NULL, NULL, NULL, s->key) == 1);
    PG_CHECK(EVP_DigestSign(ctx, signature, &n, (const uint8_t *)text.p, text.n) == 1);
    PG_CHECK(n == sizeof(signature));
    EVP_MD_CTX_free(ctx);
    pg_buf_free(&text);
    e->text[ENTRY_TEXT_SIGNATURE] = entry_hex(signature, sizeof(signature), s->signature_text);
}

static bool is_signed(const struct entry *e, const uint8_t key[SEAL_KEY], const uint8_t *signature)
{
    EVP_PKEY *pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, SEAL_KEY);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    struct pg_buf text;
    bool good;

    PG_CHECK(ctx != NULL);
    put_signed(e, &text);
    good = pkey != NULL && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
           EVP_DigestVerify(ctx, signature, SIGNED, (const uint8_t *)text.p, text.n) == 1;
    pg_buf_free(&text);
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    return good;
}

bool seal_is_good(const struct entry *e, const uint8_t key[SEAL_KEY])
{
    uint8_t named[SEAL_KEY], signature[SIGNED];

    return entry_unhex(e->text[ENTRY_TEXT_KEY], named, sizeof(named)) &&
           entry_unhex(e->text[ENTRY_TEXT_SIGNATURE], signature, sizeof(signature)) &&
           (key == NULL || memcmp(named, key, SEAL_KEY) == 0) && is_signed(e, named, signature);
}
