/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/log.h"

#include <stdarg.h>
#include <stdlib.h>

#define FATAL_STATUS 3 /* the command's exit status for "it broke while running" */
#define TEXT_MAX     1024U

static log_taker log_take;
static void *log_context;

void log_redirect(log_taker take, void *context)
{
	log_take = take;
	log_context = context;
}

__attribute__((format(printf, 3, 0))) static void log_write(enum log_level level, const char *prefix,
							    const char *format, va_list arguments)
{
	if (log_take) {
		char text[TEXT_MAX];

		vsnprintf(text, sizeof(text), format, arguments);
		log_take(log_context, level, text);
		return;
	}
	if (level > LOG_LEVEL_WARNING)
		return;
	fputs(prefix, stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	fflush(stderr);
}

void log_line(enum log_level level, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	log_write(level, level == LOG_LEVEL_ERROR ? "error: " : "warning: ", format, arguments);
	va_end(arguments);
}

void log_fatal(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	log_write(LOG_LEVEL_ERROR, "fatal: ", format, arguments);
	va_end(arguments);
	exit(FATAL_STATUS);
}
