/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sighting - whom a client asked, read from what it said while it pulled.
 *
 * podman and ctr name every host in their debug output. docker leaves the pull to its daemon, and
 * says only what the last registry answered: the proxy's refusal, or something else. With the
 * containerd image store it says what the first one answered, which tells nothing of the others.
 *
 * The text comes from outside and may hold anything; what is not understood is passed over.
 * Threads: any; pure.
 */
#pragma once

#include <stdbool.h>

#include "base/slice.h"
#include "cli/authority.h"

struct sighting {
    bool is_refused;                   /* the proxy's refusal is in it */
    bool is_elsewhere;                 /* another host was asked */
    bool is_answered;                  /* ... and answered */
    char elsewhere[AUTHORITY_MAX + 1]; /* which; "" when that is not known */
};

/* proxy: its authority, "cache.example:5000". */
struct sighting sighting_of_podman(struct sl said, struct sl proxy);
struct sighting sighting_of_ctr(struct sl said, struct sl proxy);
struct sighting sighting_of_docker(struct sl said); /* without the containerd image store */

/* The last line that is not empty; what a failure is explained with. */
struct sl sighting_last_line(struct sl said);

/* The folder for hosts.toml that `containerd config dump` says Kubernetes's pulls are made with;
 * empty where it says none; absent where there is no such part of it, or it is switched off. */
struct sl sighting_config_path(struct sl dump);
