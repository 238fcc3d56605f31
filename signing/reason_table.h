/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every reason why evidence is refused, on one page: X(NAME, "code", "what it means"). The code is
 * for programs and stays what it is. Included several times; no guard.
 */
X(NONE, "none", "not refused")
X(TOO_LARGE, "too_large", "larger than its limit, or more of something than there may be")
X(MALFORMED, "malformed", "not what its format demands")
X(UNSUPPORTED, "unsupported", "a format, version, algorithm or kind that is not supported")
X(SUBJECT, "subject", "it is about something else than this image")
X(SIGNATURE, "signature", "the signature does not match what is signed")
X(KEY, "key", "made by a key that is not trusted")
X(CERTIFICATE, "certificate", "the certificate, or the chain above it, is not valid for this")
X(IDENTITY, "identity",
  "the certificate says nothing usable about who signed, or names somebody else")
X(SCT, "sct", "the certificate is not in a trusted certificate log")
X(LOG, "log", "the transparency log's entry is missing, wrong, or about something else")
X(TIMESTAMP, "timestamp", "the timestamp is wrong, or of nobody trusted")
X(TIME, "time", "no trusted time, or outside the time that something is valid for")
X(EXPIRED, "expired", "the signature has ended")
X(REVOKED, "revoked", "a certificate of the chain was revoked, or it is not known whether it was")
X(TRUST_POLICY, "trust_policy",
  "Notation's trust policy says nothing of this repository, or does not want to know who signed")
X(HELPER, "helper", "the program that looks at timestamps could not say")
