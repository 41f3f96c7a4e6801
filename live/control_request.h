/* SPDX-License-Identifier: BSD-3-Clause */
/* One request on the control socket (live/control.h describes the protocol): from a line of JSON to plain values.
 *
 * It knows no socket and no run. Callers: live/control.c, tests. */
#ifndef BATON_LIVE_CONTROL_REQUEST_H
#define BATON_LIVE_CONTROL_REQUEST_H

#include "base/nstime.h"

#include <stddef.h>
#include <stdint.h>

#define CONTROL_NAME_MAX 63U
#define CONTROL_WHY_MAX  192U

/* id, word, what it does */
#define CONTROL_COMMANDS(X)                                                                                            \
	X(STATUS, "status")                                                                                            \
	X(CONNECTIONS, "connections")                                                                                  \
	X(BACKENDS, "backends")                                                                                        \
	X(DRAIN, "drain")                                                                                              \
	X(UNDRAIN, "undrain")                                                                                          \
	X(STATS, "stats")

enum control_command {
#define CONTROL_COMMAND_ENUM(id, word) CONTROL_##id,
	CONTROL_COMMANDS(CONTROL_COMMAND_ENUM)
#undef CONTROL_COMMAND_ENUM
};

/* The words, in the order of the enum; NULL at the end. */
extern const char *const control_commands[];

struct control_request {
	enum control_command command;
	char name[CONTROL_NAME_MAX + 1]; /* DRAIN, UNDRAIN: of a backend */
	nstime within;                   /* DRAIN: 0: the default */
	uint64_t from; /* CONNECTIONS: where a page begins, as the page before it said; 0: the first */
};

/* Reads `len` bytes without the line's end. 0, or E_INVAL with what is wrong in words. */
int control_request_parse(struct control_request *r, const char *line, size_t len, char why[CONTROL_WHY_MAX]);

#endif
