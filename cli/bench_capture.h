/* SPDX-License-Identifier: BSD-3-Clause */
/* What the benchmarks of captures share: a generated capture, and a measured run of a program that reads it.
 *
 * The capture is pcapng with nanoseconds, as Baton writes them: BENCH_CAPTURE_FLOWS connections at a time on one
 * Ethernet interface, each a handshake, an HTTP request of 300 bytes, a reply of 60 full segments with an
 * acknowledgement for every two, and both FINs; options, numbers and checksums as on a real link. Called by
 * cli/bench_canon.c, cli/bench_reader.c and cli/bench_replay.c. */
#ifndef BATON_CLI_BENCH_CAPTURE_H
#define BATON_CLI_BENCH_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_CAPTURE_FLOWS 64U

/* Bytes of the generated captures: what --size of `baton bench` says. */
extern uint64_t bench_capture_bytes;

/* Writes a capture of about `bytes` bytes to a new file in $TMPDIR, or /tmp, whose name is put into `path` of `room`
 * bytes; the caller removes it. 0 and the number of packets in it, E_NOMEM or E_IO. */
int bench_capture_write(char *path, size_t room, uint64_t bytes, uint64_t *packets);

/* What a run of a program came to. */
struct bench_child {
	double seconds;   /* of the wall */
	uint64_t peak_kb; /* of memory that was resident at once, looked at every few milliseconds */
	int status;       /* its exit status; -1: a signal ended it */
};

/* Runs argv[0], found in PATH, with its output and messages thrown away. 0, or E_NOENT when it cannot be run. */
int bench_child_run(char *const argv[], struct bench_child *out);

/* Whether a program is in PATH. */
bool bench_child_exists(const char *name);

#endif
