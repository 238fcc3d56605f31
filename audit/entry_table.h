/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that an entry of the audit log may say, on one page, in the order in which it is
 * written. Included several times; no guard.
 *
 * ENTRY_TEXTS   X(ID, name, max bytes)   absent when empty; what is longer is cut and ends with '~'
 * ENTRY_NUMBERS X(ID, name)              absent when 0
 * ENTRY_KINDS   X(ID, name)
 */
#define ENTRY_NUMBERS(X)                                                                           \
    X(REQUEST, "request") /* id of the request, as in the log */                                   \
    X(COUNT, "count")     /* how many; of a configuration: its revision */                         \
    X(SEGMENT, "segment") /* SEGMENT: this one; REMOVED: the last that was; DAMAGED: which */      \
    X(BYTES, "bytes")     /* RECOVERED: cut off */

#define ENTRY_TEXTS(X)                                                                             \
    X(CALLER, "caller", 256)         /* who asked: a name, as far as one is known */               \
    X(ADDRESS, "address", 128)       /* and from where */                                          \
    X(METHOD, "method", 16)          /* GET or HEAD */                                             \
    X(REPOSITORY, "repository", 640) /* canonical: docker.io/library/nginx */                      \
    X(REFERENCE, "reference", 256)   /* the tag, or the digest, that was asked for */              \
    X(DIGEST, "digest", 136)         /* what it is about */                                        \
    X(VERDICT, "verdict", 16)        /* allow, deny, pending */                                    \
    X(RULE, "rule", 256)             /* that decided */                                            \
    X(REASON, "reason", 1024)        /* a sentence */                                              \
    X(OBSERVED, "observed", 1024)    /* rules that only observe, and would have denied */          \
    X(POLICY, "policy", 64)          /* revision of the policy: SHA-256, hexadecimal */            \
    X(TRUST, "trust", 64)            /* of policy, keys, roots and trust policies together */      \
    X(DATABASE, "database", 128)     /* of the scanner's database */                               \
    X(ACT, "act", 64)                /* start, stop, reload, purge, ... */                         \
    X(TARGET, "target", 1024)        /* on what */                                                 \
    X(RESULT, "result", 1024)        /* ok, or why not */                                          \
    X(PREVIOUS, "previous", 64)      /* SEGMENT, HEAD, REMOVED: a hash of the chain */             \
    X(KEY, "key", 64)                /* SEGMENT, HEAD: Ed25519, raw, hexadecimal */                \
    X(SIGNATURE, "signature", 128)   /* over the entry without it */

#define ENTRY_KINDS(X)                                                                             \
    X(SEGMENT, "segment")     /* the first of each file: what it goes on from, signed */           \
    X(HEAD, "head")           /* never in the log: its end, signed, to be kept elsewhere */        \
    X(DECISION, "decision")   /* may this leave */                                                 \
    X(ACT, "act")             /* who did what */                                                   \
    X(LOST, "lost")           /* entries that could not be written */                              \
    X(RECOVERED, "recovered") /* an entry that a crash had torn was cut off */                     \
    X(DAMAGED, "damaged")     /* what was found at the start, and is no crash's doing */           \
    X(REMOVED, "removed")     /* old segments, by age or size */                                   \
    X(ADOPTED, "adopted")     /* the entries behind it are of a process that retired */
