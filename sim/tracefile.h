/* SPDX-License-Identifier: BSD-3-Clause */
/* trace.jsonl: trace events as one JSON object a line, and the run's fingerprint.
 *
 *   {"trace":1}                                                      the format's version (TRACE_VERSION)
 *   {"t":NANOSECONDS,"ev":"NAME","node":"NODE","FIELD":VALUE,...}    one event; "node" is absent for the run itself
 *
 * Numbers are unsigned decimal; texts are UTF-8 (what is not becomes U+FFFD), addresses and tuples are texts as
 * base/addr.h writes them. The fingerprint is BLAKE2b-256 of the file's bytes: `b2sum -l 256 trace.jsonl` prints it. It
 * is computed without a file, too. Caller: sim/world. */
#ifndef BATON_SIM_TRACEFILE_H
#define BATON_SIM_TRACEFILE_H

#include "base/trace.h"

#define TRACEFILE_FINGERPRINT_LEN 64U /* hexadecimal digits */

struct tracefile;

/* Creates the file at `path` (NULL: none, hash only). 0, or E_IO with errno set and *out NULL. */
int tracefile_open(struct tracefile **out, const char *path);

/* Writes none, but reads the file at `path` and compares what would have been written with it. 0 or E_IO, as above. */
int tracefile_open_like(struct tracefile **out, const char *path);

/* How what was traced so far compares with that file; nothing is compared from here on. */
enum tracefile_likeness {
	TRACEFILE_SAME,    /* the file begins with it */
	TRACEFILE_SHORTER, /* it begins with the file */
	TRACEFILE_OTHER,
};
enum tracefile_likeness tracefile_compared(struct tracefile *t);

/* The file ends with the last whole line within so many bytes; more than that is an error, EFBIG. Before anything is
 * traced. */
void tracefile_limit(struct tracefile *t, uint64_t bytes);

/* errno of the first write that failed, 0: none did. Nothing is written after it. */
int tracefile_error(const struct tracefile *t);

/* Writes what is buffered, closes the file, gives the fingerprint (with its NUL) and frees. 0, or E_IO if anything
 * could not be written (errno tells); the fingerprint is that of what should have been. NULL: there is none, and an
 * empty one. */
int tracefile_close(struct tracefile *t, char fingerprint[TRACEFILE_FINGERPRINT_LEN + 1]);

/* Makes *sink write to t (NULL: nowhere) in the name of `node` (borrowed; NULL for the run itself). Any number of sinks
 * share a file.
 */
void tracefile_sink(struct tracefile *t, struct trace_sink *sink, const char *node);

#endif
