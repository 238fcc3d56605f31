/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/naming.h"

#include "oci/ref.h"

#define NAME_MAX_BYTES 600

/* A reference in its parts; `repository` is canonical. */
struct name {
    char bytes[NAME_MAX_BYTES];
    struct sl repository, tag, digest; /* absent ones are {NULL, 0} */
};

static bool append(struct name *n, struct sl s)
{
    if (s.n > sizeof(n->bytes) - n->repository.n) {
        return false;
    }
    if (s.n > 0) {
        memcpy(n->bytes + n->repository.n, s.p, s.n);
    }
    n->repository.n += s.n;
    return true;
}

/* "nginx", "index.docker.io/library/nginx" and "docker.io/nginx" are one name. */
static bool set_repository(struct name *n, struct sl s)
{
    const char *slash = memchr(s.p, '/', s.n);
    struct sl host = {s.p, slash != NULL ? (size_t)(slash - s.p) : 0}, rest = s;
    bool hub = true;

    if (slash != NULL && ref_looks_like_host(host)) {
        rest = (struct sl){slash + 1, s.n - host.n - 1};
        hub = sl_eq(host, SL("docker.io")) || sl_eq(host, SL("index.docker.io")) ||
              sl_eq(host, SL("registry-1.docker.io"));
    }
    n->repository = (struct sl){n->bytes, 0};
    if (rest.n == 0 || !append(n, hub ? SL("docker.io") : host) || !append(n, SL("/"))) {
        return false;
    }
    if (hub && memchr(rest.p, '/', rest.n) == NULL && !append(n, SL("library/"))) {
        return false;
    }
    return append(n, rest);
}

static bool parse(struct sl s, struct name *n)
{
    const char *at, *colon, *slash;

    memset(n, 0, sizeof(*n));
    if (s.p == NULL || s.n == 0) {
        return false;
    }
    at = memchr(s.p, '@', s.n);
    if (at != NULL) {
        n->digest = (struct sl){at + 1, s.n - (size_t)(at + 1 - s.p)};
        s.n = (size_t)(at - s.p);
    }
    slash = memrchr(s.p, '/', s.n);
    colon = memrchr(s.p, ':', s.n);
    if (colon != NULL && (slash == NULL || colon > slash)) {
        n->tag = (struct sl){colon + 1, s.n - (size_t)(colon + 1 - s.p)};
        s.n = (size_t)(colon - s.p);
    }
    return s.n > 0 && set_repository(n, s);
}

/* What the pull has to be named; with `prefix` replaced. */
static bool wanted_repository(const struct signer *s, const struct facts *f, struct name *n)
{
    struct sl prefix = s->naming_prefix, rest;

    if (s->naming != SIGNER_REMAP || !sl_starts(f->repository, prefix)) {
        return set_repository(n, f->repository);
    }
    rest = (struct sl){f->repository.p + prefix.n, f->repository.n - prefix.n};
    if (rest.n > 0 && rest.p[0] != '/') { /* whole parts only */
        return set_repository(n, f->repository);
    }
    n->repository = (struct sl){n->bytes, 0};
    return append(n, s->naming_name) && append(n, rest);
}

/* By tag the signed one has the same; by digest, the digest is bound by the payload itself. */
static bool is_exact(const struct signer *s, const struct facts *f, const struct name *have,
                     bool repo_for_digest)
{
    struct name want = {0};

    if (!wanted_repository(s, f, &want) || !sl_eq(want.repository, have->repository)) {
        return false;
    }
    if (f->tag.p != NULL) {
        return sl_eq(f->tag, have->tag) && have->digest.p == NULL;
    }
    return repo_for_digest;
}

static bool fits_exactly(const struct signer *s, const struct name *have)
{
    struct name want;

    if (!parse(s->naming_name, &want) || !sl_eq(want.repository, have->repository)) {
        return false;
    }
    return s->naming == SIGNER_EXACT_REPOSITORY ||
           (sl_eq(want.tag, have->tag) && sl_eq(want.digest, have->digest));
}

bool naming_fits(const struct signer *s, const struct facts *f, struct sl reference)
{
    struct name have;

    if (s->naming == SIGNER_ANY_NAME) {
        return true;
    }
    if (!parse(reference, &have)) {
        return false;
    }
    switch (s->naming) {
    case SIGNER_ANY_NAME:
        return true;
    case SIGNER_EXACT:
        return is_exact(s, f, &have, false);
    case SIGNER_REPO_DIGEST_OR_EXACT:
    case SIGNER_REMAP:
        return is_exact(s, f, &have, true);
    case SIGNER_REPOSITORY:
        return sl_eq(have.repository, f->repository);
    case SIGNER_EXACT_REFERENCE:
    case SIGNER_EXACT_REPOSITORY:
        return fits_exactly(s, &have);
    }
    PG_BUG("a naming that is none");
}

const char *naming_word(enum signer_naming n)
{
    switch (n) {
    case SIGNER_ANY_NAME:
        return "any";
    case SIGNER_EXACT:
        return "matchExact";
    case SIGNER_REPO_DIGEST_OR_EXACT:
        return "matchRepoDigestOrExact";
    case SIGNER_REPOSITORY:
        return "matchRepository";
    case SIGNER_EXACT_REFERENCE:
        return "exactReference";
    case SIGNER_EXACT_REPOSITORY:
        return "exactRepository";
    case SIGNER_REMAP:
        return "remapIdentity";
    }
    PG_BUG("a naming that is none");
}

void naming_put_miss(const struct signer *s, const struct facts *f, struct sl reference,
                     struct pg_buf *out)
{
    struct name have;

    if (reference.n == 0) {
        (void)pg_buf_put(out, SL("it says no name, which is looked at here (signedIdentity)"));
        return;
    }
    (void)pg_buf_put(out, SL("it is for the name "));
    (void)pg_buf_put_json(out, (struct sl){reference.p, reference.n < 120 ? reference.n : 120});
    (void)pg_buf_printf(out, ", which is not this one by %s", naming_word(s->naming));
    if (f->tag.p != NULL && parse(reference, &have) && have.tag.p == NULL &&
        (s->naming == SIGNER_EXACT || s->naming == SIGNER_REPO_DIGEST_OR_EXACT ||
         s->naming == SIGNER_REMAP)) {
        (void)pg_buf_put(out, SL("; cosign signs names without tags: pull by digest, or use "
                                 "matchRepository or exactRepository"));
    }
}
