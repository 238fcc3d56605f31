/* SPDX-License-Identifier: Apache-2.0 */
/* Every kind of log line, on one page. X(tag, name, doc). Included several times; no guard. */
X(REQUEST, "request", "One for each request, when it ends.")
X(START, "start", "The program starts, and what it found in its store.")
X(STOP, "stop", "The program drains and ends.")
X(CONFIG, "config", "A configuration was loaded, or refused and why.")
X(UPSTREAM, "upstream", "An upstream failed, came back, or answered what it must not.")
X(STORE, "store", "The store: recovery, eviction, an error of the disk.")
X(SECURITY, "security", "Something that an attacker would do.")
X(CONTROL, "control", "A command that came over the control socket, and from whom.")
X(LOOP, "loop", "A loop was slow, or a limit of the process was reached.")
X(AUDIT, "audit", "Entries of the audit log could not be sent to a sink, or can be again.")
X(TRACE, "trace", "Spans could not be handed to the collector, or can be again.")
X(HELPER, "helper", "A helper program failed, the process that runs them, or OPA; or is back.")
