/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify_bundle - `verify-bundle`: one Sigstore bundle about one file or digest. It speaks the
 * command-line protocol of the public conformance suite; its exit status is the verdict.
 */
#pragma once

#include "cli/command.h"

int verify_bundle_run(const struct command_args *args);
