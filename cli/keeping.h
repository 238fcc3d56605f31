/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keeping - the rules of retention that the configuration names, read with it.
 *
 *     retention: {rules: /etc/pullgate/retention.yaml}
 *
 * What is wrong becomes a problem of the load, with its place in the file of rules: what was in
 * force stays in force.
 *
 * Threads:  main. It reads a file.
 */
#pragma once

#include "cli/config.h"

void keeping_load(struct config_load *load);
