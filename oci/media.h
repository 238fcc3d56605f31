/* SPDX-License-Identifier: Apache-2.0 */
/*
 * media - media types and the Accept header (RFC 9110 section 12.5.1), as registries use them.
 * Pure; any thread.
 */
#pragma once

#include <stdbool.h>

#include "base/slice.h"

#define MEDIA_OCI_MANIFEST    "application/vnd.oci.image.manifest.v1+json"
#define MEDIA_OCI_INDEX       "application/vnd.oci.image.index.v1+json"
#define MEDIA_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define MEDIA_DOCKER_LIST     "application/vnd.docker.distribution.manifest.list.v2+json"

/* Every manifest type that we ask upstream for, as the value of one Accept header. */
extern const char media_accept_upstream[];

struct sl media_strip(struct sl value); /* the type without parameters and spaces */
bool media_is_index(struct sl type);    /* OCI index or Docker list */
bool media_is_image(struct sl type);    /* OCI or Docker image manifest */
bool media_is_schema1(struct sl type);  /* Docker schema 1, signed or not: never served */
bool media_is_generic(struct sl type);  /* text/plain, application/json, octet-stream, "" */

/* Does one Accept value (a comma list; repeated headers: call once for each) admit the type?
 * q=0 refuses; a value without any type admits nothing. */
bool media_accepts(struct sl accept, struct sl type);
