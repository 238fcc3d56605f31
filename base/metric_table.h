/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every metric, on one page. X(id, type, name, labels, doc); rows of one name stand together.
 * Types: COUNTER, GAUGE, GAUGE_US (set in microseconds, told in seconds), SECONDS (a histogram).
 * Included several times; no guard.
 */
X(REQUESTS_2XX, COUNTER, "pullgate_requests_total", "code=\"2xx\"", "Requests ended, by status.")
X(REQUESTS_3XX, COUNTER, "pullgate_requests_total", "code=\"3xx\"", "Requests ended, by status.")
X(REQUESTS_4XX, COUNTER, "pullgate_requests_total", "code=\"4xx\"", "Requests ended, by status.")
X(REQUESTS_5XX, COUNTER, "pullgate_requests_total", "code=\"5xx\"", "Requests ended, by status.")
X(REQUEST_SECONDS, SECONDS, "pullgate_request_seconds", "", "Time from head to last byte.")
X(CACHE_HIT, COUNTER, "pullgate_cache_total", "result=\"hit\"", "Answers, by cache result.")
X(CACHE_MISS, COUNTER, "pullgate_cache_total", "result=\"miss\"", "Answers, by cache result.")
X(CACHE_COALESCED, COUNTER, "pullgate_cache_total", "result=\"coalesced\"",
  "Answers, by cache result.")
X(CACHE_STALE, COUNTER, "pullgate_cache_total", "result=\"stale\"", "Answers, by cache result.")
X(CACHE_REVALIDATED, COUNTER, "pullgate_cache_total", "result=\"revalidated\"",
  "Answers, by cache result.")
X(KEPT, COUNTER, "pullgate_kept_deleted_total", "",
  "Answers with what upstream has deleted or withdrawn (when_deleted: keep-and-flag).")
X(ADMISSION_ALLOW, COUNTER, "pullgate_admission_total", "verdict=\"allow\"",
  "Verdicts of the policy, where there is one.")
X(ADMISSION_DENY, COUNTER, "pullgate_admission_total", "verdict=\"deny\"",
  "Verdicts of the policy, where there is one.")
X(ADMISSION_PENDING, COUNTER, "pullgate_admission_total", "verdict=\"pending\"",
  "Verdicts of the policy, where there is one.")
X(OPA_YES, COUNTER, "pullgate_opa_total", "said=\"yes\"", "Questions to OPA, by what it said.")
X(OPA_NO, COUNTER, "pullgate_opa_total", "said=\"no\"", "Questions to OPA, by what it said.")
X(OPA_NOTHING, COUNTER, "pullgate_opa_total", "said=\"nothing\"",
  "Questions to OPA, by what it said.")
X(OPA_SECONDS, SECONDS, "pullgate_opa_seconds", "", "Time that OPA took to answer.")
X(ADMISSION_OLDER, COUNTER, "pullgate_admission_older_total", "",
  "Pulls by a tag that got an older digest, since the newest may not be served yet.")
X(TAGS_MOVED, COUNTER, "pullgate_tags_moved_total", "",
  "Tags that may not move (tags: {immutable: ...}) and that upstream moved.")
X(CLOCK_APART, GAUGE, "pullgate_clock_apart_seconds", "",
  "How far the wall clock is from what has passed; above 3600 it jumped, and ages do not follow.")
X(COLLECTS, GAUGE, "pullgate_evidence_collecting", "",
  "Manifests whose evidence is being fetched or verified.")
X(COLLECTS_VERIFYING, GAUGE, "pullgate_evidence_verifying", "",
  "Of those, the ones that are verified or wait for a thread that does.")
X(COLLECT_SECONDS, SECONDS, "pullgate_evidence_seconds", "",
  "Time from asking for evidence about one manifest until it was verified.")
X(BYTES_SENT, COUNTER, "pullgate_sent_bytes_total", "", "Bytes of bodies sent to clients.")
X(BYTES_FETCHED, COUNTER, "pullgate_fetched_bytes_total", "",
  "Bytes of bodies received from upstreams.")
X(MANIFESTS_WITH_URLS, COUNTER, "pullgate_manifests_with_urls_total", "",
  "Manifests taken that name addresses for their layers, from where nothing is ever fetched.")
X(CONNECTIONS, GAUGE, "pullgate_connections", "", "Client connections open.")
X(CONNECTIONS_TOTAL, COUNTER, "pullgate_connections_total", "", "Client connections accepted.")
X(TLS_FAILED, COUNTER, "pullgate_tls_handshakes_failed_total", "",
  "TLS handshakes that came to nothing.")
X(TLS_LOADED, COUNTER, "pullgate_tls_loaded_total", "",
  "Certificates, keys and authorities of listeners read, the first time included.")
X(TLS_STALE, GAUGE, "pullgate_tls_stale", "",
  "Listeners whose certificate files changed and are no good: the old ones are in use.")
X(TLS_EXPIRES, GAUGE, "pullgate_tls_expires_seconds", "",
  "When the first certificate of a listener expires, Unix time; 0 without TLS.")
X(HTTP_REFUSED, COUNTER, "pullgate_http_refused_total", "",
  "Requests refused for their framing or size.")
X(UPSTREAM_REQUESTS, COUNTER, "pullgate_upstream_requests_total", "",
  "Requests sent to upstreams, tokens included.")
X(UPSTREAM_ERRORS, COUNTER, "pullgate_upstream_errors_total", "",
  "Requests to upstreams that failed.")
X(UPSTREAM_WRONG, COUNTER, "pullgate_upstream_wrong_total", "",
  "Answers of upstreams with a wrong digest, size or form.")
X(UPSTREAM_RESUMED, COUNTER, "pullgate_upstream_resumed_total", "",
  "Downloads that broke off and were resumed.")
X(PARTS_YIELDED, COUNTER, "pullgate_parts_yielded_total", "",
  "Parts of large blobs that gave their connection to somebody who was waited for.")
X(UPSTREAMS_DOWN, GAUGE, "pullgate_upstreams_down", "",
  "Upstreams that do not answer and are left alone.")
X(TOKENS, COUNTER, "pullgate_upstream_tokens_total", "", "Tokens fetched.")
X(HELPER_FAILURES, COUNTER, "pullgate_credential_helper_failures_total", "",
  "Credential helpers that gave no login.")
X(FLIGHTS, GAUGE, "pullgate_flights", "", "Downloads under way.")
X(FETCHED_AHEAD, COUNTER, "pullgate_fetched_ahead_total", "",
  "Downloads ordered before a client asked for them.")
X(FLIGHT_FOLLOWERS, COUNTER, "pullgate_flight_followers_total", "",
  "Requests that joined a download of another.")
X(FLIGHT_WAITERS, GAUGE, "pullgate_flight_waiters", "",
  "Requests that read from a download under way.")
X(AUDIT_ENTRIES, COUNTER, "pullgate_audit_entries_total", "", "Entries of the audit log taken.")
X(AUDIT_LOST, COUNTER, "pullgate_audit_lost_total", "",
  "Entries that the audit log could not take; the log says how many.")
X(AUDIT_FAILING, GAUGE, "pullgate_audit_failing", "", "1: the audit log cannot be written now.")
X(AUDIT_DAMAGED, GAUGE, "pullgate_audit_damaged", "",
  "1: the audit log was found not as it was written when the server started.")
X(FORWARDED, COUNTER, "pullgate_audit_forwarded_total", "",
  "Entries of the audit log sent to sinks, those sent again included.")
X(FORWARD_FAILURES, COUNTER, "pullgate_audit_forward_failures_total", "",
  "Times that a sink of the audit log took nothing.")
X(FORWARD_MISSED, COUNTER, "pullgate_audit_forward_missed_total", "",
  "Entries that the audit log removed, being old, before a sink had them.")
X(FORWARD_FAILING, GAUGE, "pullgate_audit_forward_failing", "",
  "Sinks of the audit log that take nothing now.")
X(FORWARD_BEHIND, GAUGE, "pullgate_audit_forward_behind", "",
  "Entries of the audit log that the sink furthest behind has not got.")
X(FEEDS_STALE, GAUGE, "pullgate_revocation_feeds_stale", "",
  "Feeds of revocations that have expired, or never came.")
X(FEED_FAILURES, COUNTER, "pullgate_revocation_feed_failures_total", "",
  "Times that a feed of revocations did not come, or was refused.")
X(HOOK_SENT, COUNTER, "pullgate_webhook_sent_total", "", "Events that a webhook has taken.")
X(HOOK_FAILURES, COUNTER, "pullgate_webhook_failures_total", "",
  "Times that a webhook did not take an event.")
X(HOOK_DROPPED, COUNTER, "pullgate_webhook_dropped_total", "",
  "Events that a webhook never got: too many waited, or it did not take them.")
X(HOOK_WAITING, GAUGE, "pullgate_webhook_waiting", "", "Events that wait for webhooks.")
X(STORE_BLOBS, GAUGE, "pullgate_store_blobs", "", "Blobs in the store.")
X(STORE_BYTES, GAUGE, "pullgate_store_bytes", "", "Bytes of blobs in the store.")
X(STORE_PARTIAL_BYTES, GAUGE, "pullgate_store_partial_bytes", "",
  "Bytes of downloads that are not whole yet.")
X(STORE_EVICTED, COUNTER, "pullgate_store_evicted_total", "", "Blobs evicted to make room.")
X(STORE_RECLAIMED_BYTES, COUNTER, "pullgate_store_reclaimed_bytes_total", "",
  "Bytes that came free as blobs left the store.")
X(STORE_QUARANTINED, COUNTER, "pullgate_store_quarantined_total", "",
  "Blobs found damaged on disk and taken out.")
X(RETENTION_RUNS, COUNTER, "pullgate_retention_runs_total", "",
  "Times that rules of retention were carried out.")
X(RETENTION_REMOVED, COUNTER, "pullgate_retention_images_total", "result=\"removed\"",
  "Manifests that rules of retention were to remove, by what became of them.")
X(RETENTION_SPARED, COUNTER, "pullgate_retention_images_total", "result=\"spared\"",
  "Manifests that rules of retention were to remove, by what became of them.")
X(RETENTION_FAILED, COUNTER, "pullgate_retention_images_total", "result=\"failed\"",
  "Manifests that rules of retention were to remove, by what became of them.")
X(RETENTION_BYTES, COUNTER, "pullgate_retention_freed_bytes_total", "",
  "Bytes that rules of retention freed.")
X(RETENTION_CLOCK_LAGS, GAUGE, "pullgate_retention_clock_lags", "",
  "1: the clock went ahead, and ages do not follow it.")
X(STORE_COMMITS, COUNTER, "pullgate_store_commits_total", "", "Transactions of the index.")
X(STORE_ERRORS, COUNTER, "pullgate_store_errors_total", "",
  "Reads, writes and commits that failed.")
X(EVENTS_DROPPED, COUNTER, "pullgate_pull_events_dropped_total", "",
  "Pulls that were not recorded because too many came at once; they were served.")
X(STORE_RECOVERED, COUNTER, "pullgate_store_recovered_total", "",
  "Files adopted and rows dropped at start.")
X(STORE_TXN_MAX_US, GAUGE_US, "pullgate_store_read_txn_max_seconds", "",
  "Longest read transaction so far.")
X(RELOADS, COUNTER, "pullgate_config_reloads_total", "",
  "Configurations loaded, the first included.")
X(RELOADS_REFUSED, COUNTER, "pullgate_config_refused_total", "", "Reloads refused.")
X(CONFIG_STALE, GAUGE, "pullgate_config_stale", "",
  "1 when the last reload was refused: the file is not what is in use.")
X(LOOP_STALLS, COUNTER, "pullgate_loop_stalls_total", "",
  "Times that a serving loop did not turn for a second.")
X(DRAINING, GAUGE, "pullgate_draining", "", "1 while the process drains.")
X(TRACE_SENT, COUNTER, "pullgate_trace_spans_total", "result=\"sent\"",
  "Spans taken by the collector, or dropped.")
X(TRACE_DROPPED, COUNTER, "pullgate_trace_spans_total", "result=\"dropped\"",
  "Spans taken by the collector, or dropped.")
X(LOG_DROPPED, COUNTER, "pullgate_log_dropped_total", "",
  "Log lines lost because the queue was full.")
X(SCANS_GOOD, COUNTER, "pullgate_scans_total", "result=\"good\"",
  "Scans that ended: with a report that counts, without one, or not for the image's sake.")
X(SCANS_FAILED, COUNTER, "pullgate_scans_total", "result=\"failed\"",
  "Scans that ended: with a report that counts, without one, or not for the image's sake.")
X(SCANS_OURS, COUNTER, "pullgate_scans_total", "result=\"ours\"",
  "Scans that ended: with a report that counts, without one, or not for the image's sake.")
X(REPORTS_TAKEN, COUNTER, "pullgate_scan_reports_total", "result=\"taken\"",
  "Scan reports that were pushed.")
X(REPORTS_REFUSED, COUNTER, "pullgate_scan_reports_total", "result=\"refused\"",
  "Scan reports that were pushed.")
X(SCANS_WAITING, GAUGE, "pullgate_scans_waiting", "",
  "Scans that run or wait for their turn, each scanner's.")
X(SANDBOXED, GAUGE, "pullgate_sandboxed", "",
  "1 when files and system calls that are not needed are closed off.")
