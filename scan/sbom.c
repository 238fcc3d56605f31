/* SPDX-License-Identifier: Apache-2.0 */
#include "scan/sbom_int.h"

void sbom_fill_digest(struct sbom_filling *f, struct sl digest)
{
    struct pg_err err = {0};
    struct digest d;

    if (digest.n == 0 || digest_parse(digest, &d, &err) < 0) {
        pg_err_clear(&err);
        return;
    }
    f->is_unclear = f->is_unclear || (f->sbom->has_digest && !digest_eq(&d, &f->sbom->digest));
    f->sbom->has_digest = true;
    f->sbom->digest = d;
}

static int grow(struct sbom_filling *f)
{
    struct sbom *s = f->sbom;

    if (s->npackages == SBOM_PACKAGES_MAX) {
        return pg_fail(f->err, PG_E_TOO_LARGE, "it has more than %zu packages", SBOM_PACKAGES_MAX);
    }
    if (s->npackages == f->cap) {
        size_t cap = f->cap > 0 ? 2 * f->cap : 64;
        struct sbom_package *more = pg_alloc(f->arena, cap * sizeof(*more));
        if (f->cap > 0) {
            memcpy(more, f->packages, f->cap * sizeof(*more));
        }
        f->packages = more;
        f->cap = cap;
        s->packages = more;
    }
    return 0;
}

int sbom_fill_package(struct sbom_filling *f, const struct sbom_package *one)
{
    struct sbom *s = f->sbom;
    struct purl purl = {0};
    struct pg_err err = {0};

    if (one->purl.n > 0 && purl_parse(one->purl, f->arena, &purl, &err) < 0) {
        pg_err_clear(&err); /* a package all the same, of which less is known */
    }
    if (sl_eq(purl.type, SL("oci")) || sl_eq(purl.type, SL("docker"))) {
        sbom_fill_digest(f, purl.version);
        return 0;
    }
    if (one->name.n == 0) {
        return pg_fail(f->err, PG_E_UPSTREAM_WRONG, "package %zu has no name", s->npackages + 1);
    }
    if (grow(f) < 0) {
        return -1;
    }
    struct sbom_package *p = &f->packages[s->npackages++];
    *p = *one;
    p->is_of_system = purl.type.n > 0 && purl_is_of_system(&purl);
    s->nof_system += p->is_of_system;
    return 0;
}

static int read_root(struct sbom_filling *f, const json_t *root)
{
    if (json_is_string(json_object_get(root, "spdxVersion"))) {
        return sbom_spdx_read(f, root);
    }
    if (sl_eq(pg_json_str(root, "bomFormat"), SL("CycloneDX"))) {
        return sbom_cyclonedx_read(f, root);
    }
    return pg_fail(f->err, PG_E_UPSTREAM_WRONG,
                   "it is neither SPDX 2.3 nor CycloneDX 1.4 to 1.7, in JSON");
}

int sbom_read(struct sl bytes, struct pg_arena *arena, struct sbom *sbom_r, struct pg_err *err)
{
    _json_ json_t *root = NULL;
    struct sbom s = {0};
    struct sbom_filling f = {.sbom = &s, .arena = arena, .err = err};

    if (bytes.n > SBOM_BYTES_MAX) {
        return pg_fail(err, PG_E_TOO_LARGE, "it is larger than %zu MiB", SBOM_BYTES_MAX >> 20);
    }
    if (pg_json_parse_large(bytes, SBOM_NODES_MAX, PG_E_UPSTREAM_WRONG, &root, err) < 0 ||
        read_root(&f, root) < 0) {
        return -1;
    }
    if (arena->over) {
        return pg_fail(err, PG_E_TOO_LARGE, "it takes more than %zu MiB of memory",
                       arena->budget >> 20);
    }
    s.has_digest = s.has_digest && !f.is_unclear;
    *sbom_r = s;
    return 0;
}
