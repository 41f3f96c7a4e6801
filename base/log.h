/* SPDX-License-Identifier: BSD-3-Clause */
/* Diagnostics for people: one line each, to a stream set by the command (standard error). Results never go here. */
#ifndef BATON_BASE_LOG_H
#define BATON_BASE_LOG_H

#include <stdio.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO };

void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)   log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)

/* Out of memory or a broken invariant: says so and ends the process with status 3. */
_Noreturn void log_fatal(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
