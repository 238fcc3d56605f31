/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/site_int.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/news.h"
#include "proxy/upstream/origin_int.h"

static struct sl text_of(const char *s)
{
    return (struct sl){s, strlen(s)};
}

int site_open(struct site *s, struct origin *o, const struct config_url *config, struct pg_err *err)
{
    *s = (struct site){.origin = o, .config = config};
    if (url_parse(NULL, text_of(config->text), &s->base, err) < 0)
        return pg_wrap(err, "the configured url");
    s->client = client_new(o->set->uv, o->upstream, &s->base, o->health, &o->pace);
    s->tokens = token_table_new(s->client, &o->set->delays, o->credential);
    return 0;
}

void site_close(struct site *s)
{
    if (s->tokens != NULL)
        token_table_free(s->tokens);
    if (s->client != NULL)
        client_close(s->client);
    url_free(&s->base);
}

bool site_refuses(const struct site *s, enum site_class class, uint64_t now_ms)
{
    return breaker_refuses(&s->breaker, now_ms) || breaker_refuses(&s->holds[class], now_ms);
}

bool site_gives_parts(const struct site *s, uint64_t now_ms)
{
    return now_ms >= s->no_parts_until_ms;
}

void site_no_parts(struct site *s, uint64_t now_ms, const char *why)
{
    if (!site_gives_parts(s, now_ms)) /* of several that were on their way */
        return;
    s->no_parts_ms = s->no_parts_ms == 0 ? SITE_NO_PARTS_MS : s->no_parts_ms * 2;
    if (s->no_parts_ms > SITE_NO_PARTS_MS_MAX)
        s->no_parts_ms = SITE_NO_PARTS_MS_MAX;
    s->no_parts_until_ms = now_ms + s->no_parts_ms;
    origin_lost_parts(s->origin);
    pg_log_say(PG_LOG_INFO, PG_LOG_UPSTREAM,
               "upstream %s is asked for blobs as a whole at %s for %llu s: %s",
               s->origin->upstream->name, s->config->text,
               (unsigned long long)(s->no_parts_ms / 1000), why);
}

void site_gave_part(struct site *s)
{
    s->no_parts_ms = 0;
}

int site_refuse(const struct site *s, enum site_class class, uint64_t now_ms, int *retry_after_s_r,
                struct pg_err *err)
{
    bool is_held =
        !breaker_refuses(&s->breaker, now_ms) && breaker_refuses(&s->holds[class], now_ms);

    *retry_after_s_r = breaker_wait_s(is_held ? &s->holds[class] : &s->breaker, now_ms);
    return pg_fail(err, PG_E_UPSTREAM_DOWN,
                   is_held ? "upstream %s asks for patience" : "upstream %s does not answer",
                   s->origin->upstream->name);
}

void site_ask(struct site *s, enum site_class class, uint64_t now_ms)
{
    PG_CHECK(breaker_may(&s->breaker, now_ms) && breaker_may(&s->holds[class], now_ms));
    if (s->slow_until_ms != 0) /* this one looks; others wait for what it sees */
        s->slow_until_ms = now_ms + SITE_PATIENCE_MS * 2;
}

bool site_is_slow(const struct site *s, uint64_t now_ms)
{
    return now_ms < s->slow_until_ms;
}

void site_was_slow(struct site *s, uint64_t now_ms)
{
    if (s->slow_until_ms == 0)
        pg_log_say(PG_LOG_WARN, PG_LOG_UPSTREAM,
                   "upstream %s is slow at %s; others are asked first for a while",
                   s->origin->upstream->name, s->config->text);
    s->slow_until_ms = now_ms + SITE_SLOW_MS;
}

static void say(const struct site *s, const char *state, const struct pg_err *why)
{
    const struct pg_news_fact facts[] = {{"state", sl_str(state), 0},
                                         {"url", sl_str(s->config->text), 0},
                                         {"why", why != NULL ? sl_str(why->msg) : SL(""), 0}};

    pg_news_say(PG_NEWS_FAILURE, sl_str(s->origin->upstream->name), facts, 3);
}

void site_answered(struct site *s, enum site_class class)
{
    if (breaker_ok(&s->breaker)) {
        say(s, "up", NULL);
        pg_log_say(PG_LOG_INFO, PG_LOG_UPSTREAM, "upstream %s answers again at %s",
                   s->origin->upstream->name, s->config->text);
    }
    breaker_ok(&s->holds[class]);
    s->slow_until_ms = 0;
    if (s->config->authoritative) /* a mirror says nothing of how the upstream is */
        health_answered(s->origin->health);
}

void site_failed(struct site *s, enum breaker_weight weight, const struct pg_err *why)
{
    struct pg_log_line line;

    if (!breaker_fail(&s->breaker, weight, pg_clock_mono_ms()))
        return;
    origin_lost(s->origin);
    pg_log_begin(&line, PG_LOG_UPSTREAM, PG_LOG_WARN);
    pg_log_str(&line, "upstream", text_of(s->origin->upstream->name));
    pg_log_str(&line, "url", text_of(s->config->text));
    pg_log_u64(&line, "left_alone_ms", s->breaker.window_ms);
    pg_log_err(&line, why);
    pg_log_end(&line);
    say(s, "down", why);
}

void site_hold(struct site *s, enum site_class class, int seconds)
{
    uint64_t now = pg_clock_mono_ms(), ms = (uint64_t)seconds * 1000;

    for (unsigned i = 0; i < SITE_CLASSES; i++) {
        if (class == SITE_CLASSES || class == (enum site_class)i)
            breaker_hold(&s->holds[i], ms, now);
    }
    if (s->config->authoritative)
        health_limited(s->origin->health, now + ms);
    pg_log_say(PG_LOG_WARN, PG_LOG_UPSTREAM, "upstream %s asks for patience: %d s",
               s->origin->upstream->name, seconds);
}

int site_held_s(const struct site *s, enum site_class class)
{
    return (int)(s->holds[class].window_ms / 1000);
}
