/* SPDX-License-Identifier: Apache-2.0 */
/*
 * symptom - what doctor looks at. Each says what it finds by doctor_say(), and changes nothing.
 * Threads: main.
 */
#pragma once

#include "cli/doctor.h"

void symptom_of_storage(struct doctor *d);      /* owner, mode, filesystem, space, inodes */
void symptom_of_limits(struct doctor *d);       /* descriptors */
void symptom_of_certificates(struct doctor *d); /* of listeners: do they expire? */
void symptom_of_policy(struct doctor *d);       /* what decides, and does its trust end? */
void symptom_of_server(struct doctor *d);       /* is it running, and what does it say itself? */
