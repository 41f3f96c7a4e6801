/* SPDX-License-Identifier: BSD-3-Clause */
/* The log of a live run, on standard error: what base/log says, and events of the run, each one line.
 *
 *     2026-11-26T17:03:12.123456Z info: backend1 drains, with 3 connections
 *     {"time":"2026-11-26T17:03:12.123456Z","level":"info","event":"drain.begin","message":"...","node":"backend1",...}
 *
 * Times are UTC. Where standard error is the journal's (JOURNAL_STREAM of systemd.exec(5) names its device and inode),
 * a line begins with its priority (sd-daemon(3)) instead of time and level; JSON then follows that. Control characters
 * of texts become '?'.
 *
 * A reader that does not read never holds the run up: lines for which there is no room are dropped and counted. One
 * logger a process. It decides nothing about what is worth a line. Callers: live/. */
#ifndef BATON_LIVE_LOGGER_H
#define BATON_LIVE_LOGGER_H

#include "base/log.h"
#include "base/trace.h"

#include <stdbool.h>

#define LOGGER_LINE_MAX                                                                                                \
	4096U /* bytes, with its end; POSIX's PIPE_BUF on Linux: such a line is written whole or not                   \
	       */

struct logger_config {
	bool json;
	enum log_level level; /* nothing beyond it is written */
};

/* Takes base/log's lines too. */
void logger_open(const struct logger_config *config);
void logger_close(void);

/* Whether lines of the level are written. False without a logger. */
bool logger_wants(enum log_level level);

/* An event: its name and values are for JSON, the text is for people. */
void logger_event(enum log_level level, const char *event, const struct trace_field *fields, size_t count,
		  const char *format, ...) __attribute__((format(printf, 5, 6)));

/* logger_say(LOG_LEVEL_INFO, "drain.begin", (TF_TEXT("node", n)), "%s drains", n): one field. */
#define logger_say(level, event, field, ...)                                                                           \
	logger_event(level, event, (const struct trace_field[]){field}, 1, __VA_ARGS__)

/* Lines that were dropped so far. */
uint64_t logger_dropped(void);

#endif
