/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage - `report storage`: what takes the room in the store, whose it is, what of it is waste,
 * how it grows, and when the room ends.
 *
 * Ownership:  storage_report() makes and ends it; storage_html reads it.
 * Threads:    main.
 */
#pragma once

#include "base/buf.h"
#include "cache/growth.h"
#include "cli/command.h"
#include "cli/stock.h"
#include "retention/usage.h"

struct storage_room {
    uint64_t blobs, bytes;      /* by the index */
    uint64_t partial;           /* of downloads that are not whole */
    uint64_t quarantine, index; /* bytes of files */
    uint64_t limit, reserve;    /* as configured; 0: none */
    uint64_t left;              /* until one of the two is reached */
    bool is_disk;               /* the disk's end comes first, not storage.max_size */
};

struct storage_waste {
    uint64_t unnamed; /* bytes that no manifest of a repository names */
    uint64_t expired; /* bytes that rules would free; with --rules */
    size_t expired_manifests;
    bool has_rules;
    uint64_t total;     /* unnamed, expired, partial, quarantine */
    uint64_t reclaimed; /* bytes, in as many days as there are in growth, 30 at most */
    unsigned days;
};

struct storage_forecast {
    bool is_known;
    bool by_record;     /* else by when what is there was first seen */
    double bytes_a_day; /* may be negative */
    int64_t full_s;     /* 0: not within STORAGE_YEARS */
};

#define STORAGE_YEARS 10
#define STORAGE_TEAM  "team"

struct storage {
    const struct command_args *args;
    int64_t now_s;
    struct stock stock;
    struct usage usage;
    struct growth growth;
    struct storage_room room;
    struct storage_waste waste;
    struct storage_forecast forecast;
};

int storage_report(const struct command_args *args);

/* "2027-02-03" */
void storage_put_date(struct pg_buf *out, int64_t when_s);
/* "grows by 1.2 GiB a week; full on 2027-02-03, when storage.max_size is reached" */
void storage_put_forecast(struct pg_buf *out, const struct storage *r);
