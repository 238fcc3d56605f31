/* SPDX-License-Identifier: Apache-2.0 */
/* The config of an image. What is read has names and a platform of whole parts; or it is trouble.
 */
#include "proxy/admit/content.h"

#include <string.h>

#include "base/check.h"
#include "base/hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct manifest m = {.kind = MANIFEST_IMAGE, .has_config = true};
    struct content_input in = {.manifest = &m,
                               .config = {size > 0 ? (const char *)data : "", size}};
    struct pg_arena arena;
    const struct facts_content *c;

    pg_hash_setup();
    m.config.media_type = SL("application/vnd.oci.image.config.v1+json");
    pg_arena_init(&arena, (size_t)256 << 20);
    c = content_read(&in, &arena);
    PG_CHECK(c->shape == FACTS_IMAGE && !c->is_unknown && c->ntypes == 1);
    for (size_t i = 0; i < c->nlabels; i++)
        PG_CHECK(c->labels[i].name.p != NULL && c->labels[i].value.p != NULL);
    for (size_t i = 0; i < c->nenv; i++)
        PG_CHECK(memchr(c->env[i].name.p, '=', c->env[i].name.n) == NULL);
    if (c->platform.p != NULL)
        PG_CHECK(memchr(c->platform.p, '/', c->platform.n) != NULL);
    pg_arena_free(&arena);
    return 0;
}
