/* SPDX-License-Identifier: BSD-3-Clause */
/* Diagnostics for people: one line each, on standard error, or to whom takes them (a service's log). Results never go
 * here. */
#ifndef BATON_BASE_LOG_H
#define BATON_BASE_LOG_H

#include <stdio.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DETAIL };

void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)   log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)

/* Out of memory or a broken invariant: says so and ends the process with status 3. */
_Noreturn void log_fatal(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* From now on every line, without its level's name, goes to `take` instead of standard error, whatever its level; NULL:
 * to standard error again, errors and warnings alone. */
typedef void (*log_taker)(void *context, enum log_level level, const char *text);
void log_redirect(log_taker take, void *context);

#endif
