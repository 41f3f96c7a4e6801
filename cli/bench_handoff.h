/* SPDX-License-Identifier: BSD-3-Clause */
/* What one hand-off costs a processor: a connection is passed to and fro between two stacks in this process, its blob
 * through sealed frames, without courier, links and forwarder. */
#ifndef BATON_CLI_BENCH_HANDOFF_H
#define BATON_CLI_BENCH_HANDOFF_H

#include "lb/seal.h"

#include <stddef.h>
#include <stdint.h>

enum bench_handoff_part {
	BENCH_HANDOFF_COMPILE, /* freeze and compile, with the switch to the first stack */
	BENCH_HANDOFF_ENCODE,
	BENCH_HANDOFF_SEAL,     /* cut into frames and seal each */
	BENCH_HANDOFF_OPEN,     /* open each frame and put the blob together */
	BENCH_HANDOFF_DECODE,   /* and validate */
	BENCH_HANDOFF_INFUSE,   /* and activate, with the switch to the second stack */
	BENCH_HANDOFF_RELEASE,  /* the first stack frees its frozen copy, with the switch back to it */
	BENCH_HANDOFF_UNSEALED, /* all of them but seal and open */
	BENCH_HANDOFF_TOTAL,
	BENCH_HANDOFF_PARTS
};

/* Static text: "compile". */
const char *bench_handoff_part_name(enum bench_handoff_part part);

struct bench_handoff_result {
	struct {
		uint32_t median_ns, p99_ns, max_ns;
	} parts[BENCH_HANDOFF_PARTS];
};

/* Passes a connection with `bytes` of unread data on `iterations` times. 0, E_UNSUPPORTED (the processor lacks the
 * cipher), or E_STATE when a hand-off failed. Precondition: iterations > 0. */
int bench_handoff(size_t bytes, size_t iterations, enum seal_cipher cipher, struct bench_handoff_result *out);

#endif
