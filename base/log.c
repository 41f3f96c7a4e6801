/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/log.h"

#include <stdarg.h>
#include <stdlib.h>

#define FATAL_STATUS 3 /* the command's exit status for "it broke while running" */

static FILE *log_stream; /* NULL: stderr, which is not a constant expression */
static enum log_level log_level_max = LOG_LEVEL_WARNING;

__attribute__((format(printf, 2, 0))) static void log_write(const char *prefix, const char *format, va_list arguments)
{
	FILE *stream = log_stream ? log_stream : stderr;

	fputs(prefix, stream);
	vfprintf(stream, format, arguments);
	fputc('\n', stream);
	fflush(stream);
}

void log_line(enum log_level level, const char *format, ...)
{
	static const char *const prefixes[] = {
		[LOG_LEVEL_ERROR] = "error: ",
		[LOG_LEVEL_WARNING] = "warning: ",
		[LOG_LEVEL_INFO] = "",
	};
	va_list arguments;

	if (level > log_level_max)
		return;
	va_start(arguments, format);
	log_write(prefixes[level], format, arguments);
	va_end(arguments);
}

void log_fatal(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	log_write("fatal: ", format, arguments);
	va_end(arguments);
	exit(FATAL_STATUS);
}
