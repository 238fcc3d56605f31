/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch - the fetch thread: all that is asked of upstreams, each thing once however many wait.
 *
 * Two kinds of work:
 *   - an *ask* is small and comes back as a document: a manifest, the head of a manifest or blob,
 *     a page of tags. Equal asks under way are one upstream request (same upstream, repository,
 *     reference, kind). A manifest stays for FETCH_ECHO_MS, for those that looked for
 *     it while it was on its way from here into the store.
 *   - a *blob* feeds a flight: whoever became its LEADER calls fetch_blob() and is done; the
 *     download goes on without readers.
 *
 * Here live the curl multis (one for each upstream identity), tokens, redirects, retries, breaker
 * and budget. Digests are computed here and never believed: an answer whose bytes do not have the
 * digest that was asked for is UPSTREAM_WRONG, and nothing of it is kept.
 *
 * Errors, as the asker's `err`: MANIFEST_UNKNOWN / BLOB_UNKNOWN / NAME_UNKNOWN (upstream said 404,
 * or 401/403 after a token: what the caller may not see does not exist, and upstream's 401 is never
 * passed on), TOO_MANY_REQUESTS never: 429 is UPSTREAM_DOWN with ->retry_after_s; UPSTREAM_DOWN,
 * UPSTREAM_WRONG, UPSTREAM_TLS, TIMEOUT, STORE_IO, NAME_INVALID. A HEAD that upstream does not
 * understand (400, 405, 501) is no error: it is an answer that says nothing, neither digest nor
 * size.
 *
 * Ownership:  an ask is allocated by fetch_ask() and freed by fetch_ask_free(), which may come at
 * any time; afterwards done() will not come. It pins the snapshot that its upstream is of. `home`
 * outlives fetch_stop(), and is drained once after it: answers may still be in it.
 * Threads:    fetch_ask, fetch_ask_free, done: the thread of `home`. fetch_blob: any.
 */
#pragma once

#include "base/buf.h"
#include "base/bytes.h"
#include "base/mailbox.h"
#include "cache/flight.h"
#include "cache/proof.h"
#include "cache/store.h"
#include "oci/digest.h"
#include "proxy/config.h"
#include "proxy/trace.h"
#include "proxy/upstream/health.h"

#define FETCH_QUERY_MAX 1024
#define FETCH_ECHO_MS   1000

struct fetch;

enum fetch_kind {
    FETCH_MANIFEST,      /* GET /v2/<repo>/manifests/<ref> */
    FETCH_MANIFEST_HEAD, /* HEAD of it: a digest as claimed, for revalidation alone */
    FETCH_BLOB_HEAD,     /* HEAD /v2/<repo>/blobs/<digest>: is it in this repository, how large */
    FETCH_TAGS,          /* GET /v2/<repo>/tags/list?n=&last= */
    FETCH_REFERRERS,     /* GET /v2/<repo>/referrers/<digest>?..: absent where it has no such API */
    FETCH_BLOB_PROOF,    /* GET parts of a blob that is here: does this upstream have it, too? */
};

/* What came back; immutable. */
struct fetch_answer {
    struct pg_bytes *body;  /* MANIFEST, TAGS, REFERRERS; else NULL */
    struct sl content_type; /* upstream's; in memory of the ask */
    struct digest sha256;   /* MANIFEST: computed over body */
    struct digest digest;   /* MANIFEST: the one asked for, else = sha256. HEAD: as claimed */
    bool has_digest;        /* HEAD: upstream sent Docker-Content-Digest */
    bool has_size;
    uint64_t size;      /* BLOB_HEAD, MANIFEST_HEAD: Content-Length */
    struct sl link;     /* TAGS, REFERRERS: the Link header, for oci/link */
    bool has_authority; /* of a URL that may say what may be read; a mirror's bytes do not */
};

struct fetch_ask {
    struct pg_err err; /* kind NONE: *answer is valid */
    int retry_after_s; /* with UPSTREAM_DOWN; 0: not said */
    bool denied;       /* with an UNKNOWN: it is not known to us, since upstream lets us not in */
    struct fetch_answer answer;
    void *owner;             /* the asker's */
    struct fetch_work *work; /* private to fetch.c */
};

/* Begins the thread. spawn runs credential helpers and outlives fetch_stop(); NULL: none are run.
 */
struct spawn;
struct fetch *fetch_start(struct store *store, struct spawn *spawn);
/* Before anything is asked of it, for tests with small blobs: another size than that of
 * cache/extent.h of the parts in which large ones come. */
void fetch_set_segment(struct fetch *f, uint64_t nbytes);
void fetch_drain(struct fetch *f); /* no new work; what runs may end */
void fetch_stop(struct fetch *f);  /* fails what is left; joins the thread; frees */

/* Of BLOB_PROOF. What was proved is noted, also when no asker is left. */
struct fetch_proof {
    struct sl whose; /* the canonical repository */
    struct digest digest;
    struct proof_parts parts;
};

/* query: for TAGS and REFERRERS "n=..&last=.." (already encoded) or empty. repo is upstream's own
 * name for it
 * ("library/nginx"). reference: tag or digest text; empty for TAGS. */
struct fetch_question {
    enum fetch_kind kind;
    struct snapshot *snapshot;              /* pinned by the ask until it is freed */
    const struct config_upstream *upstream; /* of that snapshot */
    struct sl repo, reference, query;
    struct sl caller;           /* who shares fairly with others; empty: nobody in particular */
    struct trace_context trace; /* for whose sake it is asked */
    bool is_cold; /* of MANIFEST, BLOB_PROOF: the asker takes an answer that came a moment ago */
    bool of_authority;               /* no mirror is asked, not for what has a digest either */
    const struct fetch_proof *proof; /* of BLOB_PROOF */
};

struct fetch_ask *fetch_ask(struct fetch *f, const struct fetch_question *q,
                            struct pg_mailbox *home, void (*done)(struct fetch_ask *ask),
                            void *owner);
void fetch_ask_free(struct fetch_ask *ask);

/* Downloads a blob into flight, of which the caller is the LEADER. size: from a descriptor,
 * UINT64_MAX when not known. When it is in the store by now, the flight is failed with CANCELED:
 * whoever is aboard looks again. Fetches ahead of any reader have the lower priority; one whose
 * flight nobody has asked for yet (flight_foresee()) may be called off, with CANCELED, too. */
enum fetch_priority { FETCH_WAITED_FOR, FETCH_AHEAD };
struct fetch_blob_order {
    struct snapshot *snapshot;
    const struct config_upstream *upstream;
    struct sl repo;
    struct sl caller; /* who shares fairly with others; empty: nobody in particular */
    struct digest digest;
    uint64_t size;
    enum fetch_priority priority;
    struct flight *flight;
    struct trace_context trace;
};
void fetch_blob(struct fetch *f, const struct fetch_blob_order *order);

/* Somebody has joined a flight that was ordered ahead: it may be in line behind nobody now. Any
 * thread; not after fetch_stop(). */
void fetch_hurry(struct fetch *f);

/* For status and /debug/flights: one JSON array of what is under way. Any thread but the fetch
 * thread's, which it waits for, 2 s at most; not after fetch_stop(). */
void fetch_write_json(struct fetch *f, struct pg_buf *out);

/* What upstream said it does not have is not asked for again for UNKNOWN_MS (unknown.h). Forgets
 * that of one repository: what is asked by this thread after it is asked of upstream. repo is
 * upstream's own name for it. Any thread; not after fetch_stop(). */
void fetch_forget_unknown(struct fetch *f, struct sl upstream, struct sl repo);

/* Answers that stay for a moment (FETCH_ECHO_MS) are no answers any more: what they brought was
 * purged. As above. */
void fetch_forget_echoes(struct fetch *f);

/* Something of the upstream of that name was served that it has deleted. Any thread. */
void fetch_kept(struct fetch *f, struct sl name);

/* How the upstream of that name is. Any thread; not after fetch_stop(). */
void fetch_health(struct fetch *f, struct sl name, struct health_view *view_r);
