/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <time.h>

#include "signing/trust_int.h"
#include "signing/trust_notation_int.h"

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t end_of_cert(const X509 *cert)
{
    struct tm tm = {0};

    return cert != NULL && ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) == 1 ? timegm(&tm)
                                                                               : INT64_MAX;
}

static int64_t end_of_der(struct sl der)
{
    X509 *cert = trust_read_cert(der);
    int64_t end_s = end_of_cert(cert);

    X509_free(cert);
    return end_s;
}

static int64_t end_of_ca(const struct trust_ca *ca)
{
    STACK_OF(X509) *anchors = X509_STORE_get1_all_certs(ca->anchor);
    int64_t end_s = ca->window.until_s;

    for (int i = 0; i < sk_X509_num(anchors); i++)
        end_s = earlier(end_s, end_of_cert(sk_X509_value(anchors, i)));
    for (int i = 0; i < sk_X509_num(ca->intermediates); i++)
        end_s = earlier(end_s, end_of_cert(sk_X509_value(ca->intermediates, i)));
    sk_X509_pop_free(anchors, X509_free);
    return end_s;
}

static int64_t end_of_logs(const struct trust_logs *logs)
{
    int64_t end_s = logs->n > 0 ? 0 : INT64_MAX;

    for (unsigned i = 0; i < logs->n; i++)
        end_s = later(end_s, logs->at[i].window.until_s);
    return end_s;
}

/* A root is renewed by adding to it: what ended long ago stays, for what was signed then. */
static int64_t end_of_root(const struct trust *t)
{
    int64_t end_s = earlier(end_of_logs(&t->tlogs), end_of_logs(&t->ctlogs)), last_s = 0;

    for (unsigned i = 0; i < t->ncas; i++)
        last_s = later(last_s, end_of_ca(&t->cas[i]));
    if (t->ncas > 0)
        end_s = earlier(end_s, last_s);
    last_s = 0;
    for (unsigned i = 0; i < t->ntsas; i++)
        last_s = later(last_s, earlier(t->tsas[i].until_s, end_of_der(t->tsas[i].certs[0])));
    return t->ntsas > 0 ? earlier(end_s, last_s) : end_s;
}

void trust_told_of(const struct trust *t, struct trust_told *r)
{
    const struct trust_notation *n = t->notation;

    *r = (struct trust_told){.nkeys = t->nkeys,
                             .nlogs = t->tlogs.n + t->ctlogs.n,
                             .ncas = t->ncas,
                             .ntsas = t->ntsas,
                             .ends_s = end_of_root(t)};
    for (unsigned i = 0; i < t->nkeys; i++)
        r->ends_s = earlier(r->ends_s, t->keys[i].window.until_s);
    for (unsigned i = 0; n != NULL && i < n->nstores; i++) {
        r->ncerts += n->stores[i].ncerts;
        for (unsigned k = 0; k < n->stores[i].ncerts; k++)
            r->ends_s = earlier(r->ends_s, end_of_der(n->stores[i].certs[k]));
    }
    for (unsigned i = 0; n != NULL && i < n->ncrls; i++) {
        r->ncrls++;
        r->ends_s = earlier(r->ends_s, n->crls[i].window.until_s);
    }
}
