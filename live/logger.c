/* SPDX-License-Identifier: BSD-3-Clause */
#include "live/logger.h"

#include <inttypes.h>
#include <jansson.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TEXT_MAX 1024U
#define TIME_MAX 32U

static struct {
	struct logger_config config;
	bool open, journal;
	uint64_t dropped;
} logger;

static const char *const level_names[] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARNING] = "warning",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DETAIL] = "detail",
};

/* syslog's numbers */
static const int level_priorities[] = {
	[LOG_LEVEL_ERROR] = 3,
	[LOG_LEVEL_WARNING] = 4,
	[LOG_LEVEL_INFO] = 6,
	[LOG_LEVEL_DETAIL] = 7,
};

/* Whether standard error is the stream that the service manager connected to its journal. */
static bool is_journal(void)
{
	const char *text = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	return text && sscanf(text, "%llu:%llu", &device, &inode) == 2 && !fstat(STDERR_FILENO, &st) &&
	       st.st_dev == device && st.st_ino == inode;
}

static const char *now_text(char out[TIME_MAX])
{
	struct timespec t;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &t);
	gmtime_r(&t.tv_sec, &tm);
	size_t len = strftime(out, TIME_MAX, "%Y-%m-%dT%H:%M:%S", &tm);

	snprintf(out + len, TIME_MAX - len, ".%06ldZ", t.tv_nsec / 1000);
	return out;
}

/* ---- writing ---- */

/* Where there is room for a line at all, one of LOGGER_LINE_MAX bytes fits into a pipe. */
static void put(const char *line, size_t len)
{
	struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};

	if (poll(&p, 1, 0) != 1 || !(p.revents & POLLOUT) || write(STDERR_FILENO, line, len) != (ssize_t)len)
		logger.dropped++;
}

/* The beginning of a line: priority, or nothing. */
static size_t priority_put(char *line, enum log_level level)
{
	if (!logger.journal)
		return 0;
	return (size_t)snprintf(line, LOGGER_LINE_MAX, "<%d>", level_priorities[level]);
}

static void put_line(enum log_level level, const char *text)
{
	char line[LOGGER_LINE_MAX], time[TIME_MAX];
	size_t len = priority_put(line, level);

	if (logger.journal)
		len += (size_t)snprintf(line + len, sizeof(line) - len, "%s", text);
	else
		len += (size_t)snprintf(line + len, sizeof(line) - len, "%s %s: %s", now_text(time), level_names[level],
					text);
	line[len++] = '\n';
	put(line, len);
}

static json_t *field_json(const struct trace_field *f)
{
	char text[TUPLE_TEXT_MAX];

	switch (f->kind) {
	case TRACE_KIND_U64:
		return json_integer(f->u64 > INT64_MAX ? INT64_MAX : (json_int_t)f->u64);
	case TRACE_KIND_TEXT:
		return json_string(f->text);
	case TRACE_KIND_ADDR:
		return json_string(addr_text(f->addr, text));
	case TRACE_KIND_TUPLE:
		return json_string(tuple_text(f->tuple, text));
	}
	return NULL;
}

/* What JSON does not take as it is (text that is not UTF-8) is left out. */
static void put_json(enum log_level level, const char *event, const struct trace_field *fields, size_t count,
		     const char *text)
{
	char line[LOGGER_LINE_MAX], time[TIME_MAX];
	size_t len = priority_put(line, level);
	json_t *o = json_pack("{s:s, s:s, s:s*}", "time", now_text(time), "level", level_names[level], "event", event);

	json_object_set_new(o, "message", json_string(text));
	for (size_t i = 0; i < count; i++)
		json_object_set_new(o, fields[i].name, field_json(&fields[i]));
	size_t need = json_dumpb(o, line + len, sizeof(line) - len - 1, JSON_COMPACT | JSON_PRESERVE_ORDER);

	json_decref(o);
	if (!need || need > sizeof(line) - len - 1) {
		logger.dropped++;
		return;
	}
	len += need;
	line[len++] = '\n';
	put(line, len);
}

static void put_event(enum log_level level, const char *event, const struct trace_field *fields, size_t count,
		      char *text)
{
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	if (logger.config.json)
		put_json(level, event, fields, count, text);
	else
		put_line(level, text);
}

/* ---- what is said ---- */

static void take(void *context, enum log_level level, const char *said)
{
	char text[TEXT_MAX];

	(void)context;
	if (!logger_wants(level))
		return;
	snprintf(text, sizeof(text), "%s", said);
	put_event(level, NULL, NULL, 0, text);
}

void logger_open(const struct logger_config *config)
{
	logger.config = *config;
	logger.journal = is_journal();
	logger.open = true;
	logger.dropped = 0;
	log_redirect(take, NULL);
}

void logger_close(void)
{
	log_redirect(NULL, NULL);
	logger.open = false;
}

bool logger_wants(enum log_level level)
{
	return logger.open && level <= logger.config.level;
}

void logger_event(enum log_level level, const char *event, const struct trace_field *fields, size_t count,
		  const char *format, ...)
{
	char text[TEXT_MAX];
	va_list arguments;

	if (!logger_wants(level))
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	put_event(level, event, fields, count, text);
}

uint64_t logger_dropped(void)
{
	return logger.dropped;
}
