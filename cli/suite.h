/* SPDX-License-Identifier: BSD-3-Clause */
/* A regression suite: a directory with a capture, perhaps a scenario, and what Baton is to make of them.
 *
 *     capture.pcap        the capture: .pcap or .pcapng, .gz behind either; a symbolic link will do
 *     scenario.yaml       what it is replayed through; without one the capture is only read
 *     expected.txt        canonical text: of the captures that the replay wrote, or of the capture
 *     outcomes.txt        of the replay: what became of each connection, and of all; else how far it was read
 *     REASONS             a line for each time that the two were recorded anew: why
 *
 * What is in the directory decides what is done. Called by cmd_canon.c. */
#ifndef BATON_CLI_SUITE_H
#define BATON_CLI_SUITE_H

#include <stddef.h>

#define SUITE_PATH_MAX   4096U /* bytes of a path, with its NUL; of the directories 64 fewer */
#define SUITE_REASON_MAX 500U  /* bytes of a reason */

#define SUITE_TEXT     "expected.txt"
#define SUITE_OUTCOMES "outcomes.txt"
#define SUITE_REASONS  "REASONS"

struct suite {
	const char *dir; /* borrowed */
	char capture[SUITE_PATH_MAX];
	char scenario[SUITE_PATH_MAX]; /* empty: there is none */
};

/* The calls below print what is wrong and return an enum cli_status. */

/* Makes what the suite is to be compared with, or what is to be recorded: expected.txt and outcomes.txt in `work`, an
 * empty directory of the caller's. */
int suite_produce(const struct suite *s, const char *work);

/* Compares a suite with what Baton makes of it now, and shows the first difference. */
int suite_check(const char *dir);

/* Records anew, with the reason, which is one line. */
int suite_bless(const char *dir, const char *reason);

#endif
