/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/document.h"

#include "base/clock.h"
#include "policy/scans.h"

static void put_text(struct pg_buf *out, const char *before, struct sl text)
{
    (void)pg_buf_put(out, sl_str(before));
    (void)pg_buf_put_json(out, text);
}

static void put_time(struct pg_buf *out, const char *before, int64_t at_s)
{
    char text[PG_CLOCK_TEXT_MAX];

    put_text(out, before, sl_str(pg_clock_rfc3339(at_s * 1000, text)));
}

static void put_texts(struct pg_buf *out, const char *before, const struct sl *all, size_t n)
{
    (void)pg_buf_put(out, sl_str(before));
    for (size_t i = 0; i < n; i++) {
        put_text(out, i > 0 ? "," : "", all[i]);
    }
    (void)pg_buf_put(out, SL("]"));
}

static void put_pairs(struct pg_buf *out, const char *before, const struct facts_pair *all,
                      size_t n)
{
    (void)pg_buf_put(out, sl_str(before));
    for (size_t i = 0; i < n; i++) {
        put_text(out, i > 0 ? "," : "", all[i].name);
        put_text(out, ":", all[i].value);
    }
    (void)pg_buf_put(out, SL("}"));
}

static void put_names(struct pg_buf *out, const char *before, const struct facts_pair *all,
                      size_t n)
{
    (void)pg_buf_put(out, sl_str(before));
    for (size_t i = 0; i < n; i++) {
        put_text(out, i > 0 ? "," : "", all[i].name);
    }
    (void)pg_buf_put(out, SL("]"));
}

static void put_content(const struct facts_content *c, struct pg_buf *out)
{
    static const char *const shapes[] = {[FACTS_OTHER] = "other",
                                         [FACTS_INDEX] = "index",
                                         [FACTS_IMAGE] = "image",
                                         [FACTS_ARTIFACT] = "artifact"};

    put_text(out, ",\"content\":{\"shape\":", sl_str(shapes[c->shape]));
    if (c->trouble != NULL) {
        put_text(out, ",\"trouble\":", sl_str(c->trouble));
    }
    put_texts(out, ",\"types\":[", c->types, c->ntypes);
    if (c->platform.p != NULL) {
        put_text(out, ",\"platform\":", c->platform);
    }
    put_pairs(out, ",\"labels\":{", c->labels, c->nlabels);
    put_pairs(out, ",\"annotations\":{", c->annotations, c->nannotations);
    put_names(out, ",\"variables\":[", c->env, c->nenv);
    if (c->secret.is_looked_for && c->secret.what != NULL) {
        put_text(out, ",\"secret\":{\"where\":", sl_str(c->secret.where));
        put_text(out, ",\"name\":", c->secret.name);
        put_text(out, ",\"what\":", sl_str(c->secret.what));
        (void)pg_buf_put(out, SL("}"));
    }
    (void)pg_buf_put(out, SL("}"));
}

static void put_signer(const struct facts_signed *s, struct pg_buf *out)
{
    if (s->signer == FACTS_BY_KEY) {
        put_text(out, ",\"by\":\"key\",\"key\":", s->key_id);
    } else if (s->signer == FACTS_BY_IDENTITY) {
        put_text(out, ",\"by\":\"identity\",\"issuer\":", s->issuer);
        put_text(out, ",\"subject\":", s->subject);
    } else {
        put_text(out, ",\"by\":\"notation\",\"policy\":", s->notation);
        put_text(out, ",\"subject\":", s->subject);
    }
}

static void put_signed(const struct facts_signed *s, struct pg_buf *out)
{
    (void)pg_buf_put(out, s->kind == FACTS_SIGNATURE ? SL("{\"kind\":\"signature\"")
                                                     : SL("{\"kind\":\"attestation\""));
    put_signer(s, out);
    if (s->reference.p != NULL) {
        put_text(out, ",\"reference\":", s->reference);
    }
    if (s->kind == FACTS_ATTESTATION) {
        put_text(out, ",\"predicate_type\":", s->predicate_type);
    }
    if (s->signed_at_s != 0) {
        put_time(out, ",\"signed_at\":", s->signed_at_s);
    }
    (void)pg_buf_printf(out, ",\"logs\":%u,\"certificate_logs\":%u,\"timestamps\":%u", s->nlogs,
                        s->nscts, s->nstamps);
    (void)pg_buf_printf(out, ",\"inherited\":%s}", s->inherited ? "true" : "false");
}

static void put_evidence(const struct facts *f, struct pg_buf *out)
{
    static const char *const states[] = {
        [FACTS_COMPLETE] = "complete", [FACTS_CUT] = "cut", [FACTS_FAILED] = "failed"};
    size_t shown = f->nsigned < DOCUMENT_SIGNED_MAX ? f->nsigned : DOCUMENT_SIGNED_MAX;

    put_text(out, ",\"evidence\":{\"state\":", sl_str(states[f->state]));
    (void)pg_buf_printf(out, ",\"signed\":%zu,\"refused\":%zu},\"signed\":[", f->nsigned,
                        f->nrefused);
    for (size_t i = 0; i < shown; i++) {
        (void)pg_buf_put(out, i > 0 ? SL(",") : SL(""));
        put_signed(&f->is_signed[i], out);
    }
    (void)pg_buf_put(out, SL("]"));
}

/* ---- scan results -------------------------------------------------------------------------- */

static bool is_open(const struct facts_finding *found, int64_t now_s)
{
    return found->settled_until_s <= now_s;
}

static bool is_told(const struct facts_finding *found, enum facts_severity least, int64_t now_s)
{
    return is_open(found, now_s) &&
           (found->severity >= least || found->is_exploited || found->severity == FACTS_UNKNOWN);
}

static void put_finding(const struct facts_finding *found, struct pg_buf *out)
{
    put_text(out, "{\"id\":", found->id);
    put_texts(out, ",\"aliases\":[", found->aliases, found->naliases);
    put_text(out, ",\"package\":", found->package);
    put_text(out, ",\"version\":", found->version);
    put_text(out, ",\"fixed_version\":", found->fixed.p != NULL ? found->fixed : SL(""));
    put_text(out, ",\"severity\":", sl_str(scans_word(found->severity)));
    (void)pg_buf_printf(out, ",\"fixable\":%s,\"exploited\":%s",
                        found->is_fixable ? "true" : "false",
                        found->is_exploited ? "true" : "false");
    if (found->since_s != 0) {
        put_time(out, ",\"since\":", found->since_s);
    }
    (void)pg_buf_put(out, SL("}"));
}

/* How many there are of each severity, open and settled; what is not listed is open. */
static void put_counts(const struct facts_scan *s, int64_t now_s, struct pg_buf *out)
{
    for (unsigned settled = 0; settled < 2; settled++) {
        (void)pg_buf_put(out, settled ? SL("},\"settled\":{") : SL(",\"open\":{"));
        for (unsigned i = FACTS_SEVERITIES; i-- > 0;) {
            size_t n = settled ? 0 : s->unlisted[i];
            for (size_t k = 0; k < s->nfindings; k++) {
                n += s->findings[k].severity == i && is_open(&s->findings[k], now_s) != settled;
            }
            (void)pg_buf_printf(out, "%s\"%s\":%zu", i + 1 < FACTS_SEVERITIES ? "," : "",
                                scans_word((enum facts_severity)i), n);
        }
    }
    (void)pg_buf_put(out, SL("}"));
}

static void put_findings(const struct facts_scan *s, enum facts_severity least, int64_t now_s,
                         struct pg_buf *out)
{
    size_t told = 0, all = 0;

    (void)pg_buf_put(out, SL(",\"findings\":["));
    for (unsigned i = FACTS_SEVERITIES; i-- > 0;) {
        for (size_t k = 0; k < s->nfindings; k++) {
            const struct facts_finding *found = &s->findings[k];
            if (found->severity != i || !is_told(found, least, now_s)) {
                continue;
            }
            if (all++ < DOCUMENT_FOUND_MAX) {
                (void)pg_buf_put(out, told++ > 0 ? SL(",") : SL(""));
                put_finding(found, out);
            }
        }
    }
    (void)pg_buf_printf(out, "],\"told\":%zu,\"of\":%zu", told, all);
}

static void put_scan(const struct facts_scan *s, enum facts_severity least, int64_t now_s,
                     struct pg_buf *out)
{
    put_text(out, "{\"source\":", s->source);
    if (s->good_s != 0) {
        put_time(out, ",\"status\":\"complete\",\"at\":", s->good_s);
    } else {
        (void)pg_buf_put(out, SL(",\"status\":\"none\""));
    }
    if (s->database_s != 0) {
        put_time(out, ",\"database\":", s->database_s);
    }
    if (s->failed_s != 0) {
        put_time(out, ",\"failed_at\":", s->failed_s);
        put_text(out, ",\"failed\":", s->failed);
    }
    if (s->by != NULL) {
        (void)pg_buf_put(out, SL(",\"signed\":"));
        put_signed(s->by, out);
    }
    put_counts(s, now_s, out);
    put_findings(s, least, now_s, out);
    (void)pg_buf_put(out, SL("}"));
}

static void put_scans(const struct facts *f, enum facts_severity least, struct pg_buf *out)
{
    (void)pg_buf_put(out, SL(",\"scans\":["));
    for (size_t i = 0; i < f->nscans; i++) {
        (void)pg_buf_put(out, i > 0 ? SL(",") : SL(""));
        put_scan(&f->scans[i], least, f->now_s, out);
    }
    (void)pg_buf_put(out, SL("]"));
    if (f->scans_trouble != NULL) {
        put_text(out, ",\"scans_trouble\":", sl_str(f->scans_trouble));
    }
}

void document_put(const struct facts *f, enum facts_severity least, struct pg_buf *out)
{
    const char *slash = memchr(f->repository.p, '/', f->repository.n);
    size_t host = slash != NULL ? (size_t)(slash - f->repository.p) : f->repository.n;
    char digest[DIGEST_TEXT_MAX];

    put_text(out, "{\"version\":1,\"image\":{\"registry\":", (struct sl){f->repository.p, host});
    put_text(out, ",\"repository\":", f->repository);
    if (f->tag.p != NULL) {
        put_text(out, ",\"tag\":", f->tag);
    }
    put_texts(out, ",\"tags\":[", f->known_tags, f->nknown_tags);
    put_text(out, ",\"digest\":", digest_write(&f->digest, digest));
    if (f->since_s != 0) {
        put_time(out, ",\"known_since\":", f->since_s);
    }
    if (f->here_s != 0) {
        put_time(out, ",\"here_since\":", f->here_s);
    }
    (void)pg_buf_put(out, SL("}"));
    if (f->content != NULL) {
        put_content(f->content, out);
    }
    put_evidence(f, out);
    put_scans(f, least, out);
    (void)pg_buf_put(out, SL("}"));
}
