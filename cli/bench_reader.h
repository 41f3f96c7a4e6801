/* SPDX-License-Identifier: BSD-3-Clause */
/* Programs that read captures, measured as a user has them: packets a second and peak of memory, from the page cache to
 * /dev/null, the faster of two runs. Baton's own commands, and beside them, where they are installed, tshark and
 * tcpprep, which is tcpreplay's reader without the sending. Called by the benchmarks of captures. */
#ifndef BATON_CLI_BENCH_READER_H
#define BATON_CLI_BENCH_READER_H

#include "cli/bench.h"

#include <stdbool.h>
#include <stdint.h>

#define BENCH_READER_WORDS 16U
#define BENCH_READER_FILE  "FILE" /* stands for the capture's name */
#define BENCH_READER_SELF  "/proc/self/exe"

struct bench_reader {
	const char *part; /* in the report; NULL: Baton itself */
	const char *words[BENCH_READER_WORDS];
};

/* Reports packets_per_second and peak_mb of a reader. 0 and the seconds it took, or a negative enum err: E_STATE when
 * its exit status is not 0. */
int bench_reader_measure(struct bench_report *report, const struct bench_reader *s, char *path, uint64_t bytes,
			 uint64_t packets, double *seconds);

/* The same of the others, with how many times as long they took as `own`, as `metric`. One that is not there, or
 * cannot, is left out. `printing`: tshark that prints each packet too. */
void bench_reader_peers(struct bench_report *report, char *path, uint64_t bytes, uint64_t packets, double own,
			const char *metric, bool printing);

#endif
