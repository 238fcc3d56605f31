/* SPDX-License-Identifier: Apache-2.0 */
#include "scan/sbom_int.h"

#define NESTED_MAX 16 /* components within components; JSON itself is not much deeper */

static int take_licenses(struct sbom_filling *f, const json_t *component, struct sbom_package *one)
{
    static const char *const keys[] = {"id", "name"};
    const json_t *list, *entry, *license;
    size_t i;

    if (value_list(component, "licenses", &list, f->err) < 0) {
        return -1;
    }
    struct sl *licenses = pg_alloc(
        f->arena, SBOM_LICENSES_MAX * sizeof(*licenses) * (json_array_size(list) > 0 ? 1 : 0) + 1);
    one->licenses = licenses;
    json_array_foreach(list, i, entry)
    {
        struct sl text;
        if (one->nlicenses == SBOM_LICENSES_MAX) {
            return pg_fail(f->err, PG_E_UPSTREAM_WRONG, "a component has more than %d licences",
                           SBOM_LICENSES_MAX);
        }
        if (value_object(entry, "license", &license, f->err) < 0 ||
            value_text(entry, "expression", f->arena, &text, f->err) < 0) {
            return -1;
        }
        for (size_t k = 0; k < 2 && text.n == 0; k++) {
            if (value_text(license, keys[k], f->arena, &text, f->err) < 0) {
                return -1;
            }
        }
        if (text.n > 0) {
            licenses[one->nlicenses++] = text;
        }
    }
    return 0;
}

static bool is_one_of(struct sl type, const char *const *types)
{
    for (; *types != NULL; types++) {
        if (sl_eq(type, sl_str(*types))) {
            return true;
        }
    }
    return false;
}

static int take_component(struct sbom_filling *f, const json_t *component)
{
    static const char *const none[] = {"operating-system", "file", "container", NULL};
    static const char *const libraries[] = {"library", "framework", NULL};
    struct sl type = pg_json_str(component, "type");
    struct sbom_package one = {0};

    if (!json_is_object(component)) {
        return pg_fail(f->err, PG_E_UPSTREAM_WRONG, "a component is not an object");
    }
    if (is_one_of(type, none)) {
        return 0;
    }
    if (value_text(component, "name", f->arena, &one.name, f->err) < 0 ||
        value_text(component, "version", f->arena, &one.version, f->err) < 0 ||
        value_text(component, "purl", f->arena, &one.purl, f->err) < 0 ||
        take_licenses(f, component, &one) < 0) {
        return -1;
    }
    if (one.purl.n == 0 && (one.version.n == 0 || !is_one_of(type, libraries))) {
        return 0;
    }
    return sbom_fill_package(f, &one);
}

/* Components may have components: those that are not done yet are on a stack. */
static int take_components(struct sbom_filling *f, const json_t *root)
{
    struct {
        const json_t *list;
        size_t at;
    } stack[NESTED_MAX] = {{0}};
    size_t depth = 1;

    if (value_list(root, "components", &stack[0].list, f->err) < 0) {
        return -1;
    }
    while (depth > 0) {
        const json_t *one = json_array_get(stack[depth - 1].list, stack[depth - 1].at++), *inner;
        if (one == NULL) {
            depth--;
            continue;
        }
        if (take_component(f, one) < 0 || value_list(one, "components", &inner, f->err) < 0) {
            return -1;
        }
        if (inner == NULL) {
            continue;
        }
        if (depth == NESTED_MAX) {
            return pg_fail(f->err, PG_E_UPSTREAM_WRONG, "components are nested deeper than %d",
                           NESTED_MAX);
        }
        stack[depth].list = inner;
        stack[depth++].at = 0;
    }
    return 0;
}

/* tools is a list until 1.4, an object with components since 1.5. */
static int take_tool(struct sbom_filling *f, const json_t *metadata)
{
    const json_t *tools = json_object_get(metadata, "tools");
    const json_t *list = json_is_object(tools) ? json_object_get(tools, "components") : tools;

    return value_text(json_array_get(list, 0), "name", f->arena, &f->sbom->tool, f->err);
}

static int take_subject(struct sbom_filling *f, const json_t *metadata)
{
    struct pg_err err = {0};
    const json_t *component;
    struct purl purl = {0};

    if (value_object(metadata, "component", &component, f->err) < 0) {
        return -1;
    }
    struct sl text = pg_json_str(component, "purl");
    if (text.n > 0 && purl_parse(text, f->arena, &purl, &err) == 0 && sl_eq(purl.type, SL("oci"))) {
        sbom_fill_digest(f, purl.version);
    } else {
        sbom_fill_digest(f, pg_json_str(component, "version"));
    }
    pg_err_clear(&err);
    return 0;
}

int sbom_cyclonedx_read(struct sbom_filling *f, const json_t *root)
{
    static const char *const versions[] = {"1.4", "1.5", "1.6", "1.7", NULL};
    struct sl version = pg_json_str(root, "specVersion");
    const json_t *metadata;

    if (!is_one_of(version, versions)) {
        return pg_fail(f->err, PG_E_UPSTREAM_WRONG,
                       "of CycloneDX, 1.4 to 1.7 are read here, not " SL_FMT,
                       version.n < 20 ? (int)version.n : 20, version.p != NULL ? version.p : "");
    }
    f->sbom->format = SBOM_CYCLONEDX;
    f->sbom->format_version = pg_copy(f->arena, version);
    if (value_object(root, "metadata", &metadata, f->err) < 0 || take_tool(f, metadata) < 0 ||
        take_subject(f, metadata) < 0) {
        return -1;
    }
    f->sbom->made_s = value_time(metadata, "timestamp");
    return take_components(f, root);
}
