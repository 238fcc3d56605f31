/* SPDX-License-Identifier: Apache-2.0 */
#include "scan/sbom_int.h"

static bool is_nothing(struct sl license)
{
    return license.n == 0 || sl_eq(license, SL("NOASSERTION")) || sl_eq(license, SL("NONE"));
}

/* What its author declares and what somebody concluded: both count. */
static int take_licenses(struct sbom_filling *f, const json_t *package, struct sbom_package *one)
{
    struct sl declared, concluded, *licenses = pg_alloc(f->arena, 2 * sizeof(*licenses));

    if (value_text(package, "licenseDeclared", f->arena, &declared, f->err) < 0 ||
        value_text(package, "licenseConcluded", f->arena, &concluded, f->err) < 0) {
        return -1;
    }
    if (!is_nothing(declared)) {
        licenses[one->nlicenses++] = declared;
    }
    if (!is_nothing(concluded) && !sl_eq(concluded, declared)) {
        licenses[one->nlicenses++] = concluded;
    }
    one->licenses = licenses;
    return 0;
}

static int take_purl(struct sbom_filling *f, const json_t *package, struct sbom_package *one)
{
    const json_t *refs, *ref;
    size_t i;

    if (value_list(package, "externalRefs", &refs, f->err) < 0) {
        return -1;
    }
    json_array_foreach(refs, i, ref)
    {
        if (one->purl.n == 0 && sl_eq(pg_json_str(ref, "referenceType"), SL("purl")) &&
            value_text(ref, "referenceLocator", f->arena, &one->purl, f->err) < 0) {
            return -1;
        }
    }
    return 0;
}

static int take_package(struct sbom_filling *f, const json_t *package)
{
    struct sl purpose = pg_json_str(package, "primaryPackagePurpose");
    struct sbom_package one = {0};

    if (!json_is_object(package)) {
        return pg_fail(f->err, PG_E_UPSTREAM_WRONG, "a package is not an object");
    }
    if (value_text(package, "name", f->arena, &one.name, f->err) < 0 ||
        value_text(package, "versionInfo", f->arena, &one.version, f->err) < 0 ||
        take_purl(f, package, &one) < 0 || take_licenses(f, package, &one) < 0) {
        return -1;
    }
    if (sl_eq(purpose, SL("CONTAINER"))) {
        sbom_fill_digest(f, one.version);
    }
    bool is_library = purpose.n == 0 || sl_eq(purpose, SL("LIBRARY"));
    if (one.purl.n == 0 && (!is_library || one.version.n == 0)) {
        return 0;
    }
    if (sl_eq(purpose, SL("OPERATING-SYSTEM")) || sl_eq(purpose, SL("OPERATING_SYSTEM"))) {
        return 0;
    }
    return sbom_fill_package(f, &one);
}

/* "Tool: syft-1.49.0" */
static void take_tool(struct sbom_filling *f, const json_t *info)
{
    const struct sl key = SL("Tool: ");
    const json_t *creator;
    size_t i;

    json_array_foreach(json_object_get(info, "creators"), i, creator)
    {
        struct sl text = sl_str(json_string_value(creator));
        if (f->sbom->tool.n > 0 || !sl_starts(text, key) || text.n > VALUE_TEXT_MAX) {
            continue;
        }
        text = (struct sl){text.p + key.n, text.n - key.n};
        const char *dash = memchr(text.p, '-', text.n);
        text.n = dash != NULL ? (size_t)(dash - text.p) : text.n;
        f->sbom->tool = pg_copy(f->arena, text);
    }
}

int sbom_spdx_read(struct sbom_filling *f, const json_t *root)
{
    struct sl version = pg_json_str(root, "spdxVersion");
    const json_t *packages, *info, *one;
    size_t i;

    if (!sl_eq(version, SL("SPDX-2.3")) && !sl_eq(version, SL("SPDX-2.2"))) {
        return pg_fail(f->err, PG_E_UPSTREAM_WRONG, "of SPDX, 2.2 and 2.3 are read here, not %.40s",
                       version.p);
    }
    f->sbom->format = SBOM_SPDX;
    f->sbom->format_version = pg_copy(f->arena, (struct sl){version.p + 5, version.n - 5});
    if (value_object(root, "creationInfo", &info, f->err) < 0 ||
        value_list(root, "packages", &packages, f->err) < 0) {
        return -1;
    }
    take_tool(f, info);
    f->sbom->made_s = value_time(info, "created");
    json_array_foreach(packages, i, one)
    {
        if (take_package(f, one) < 0) {
            return -1;
        }
    }
    return 0;
}
