/* SPDX-License-Identifier: BSD-3-Clause */
/* The log of a live run, read from the other end of a pipe that stands for standard error. */
#include "live/logger.h"

#include "tests/lib/unit.h"

#include <check.h>
#include <fcntl.h>
#include <jansson.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int kept, ends[2];

static void setup(void)
{
	unsetenv("JOURNAL_STREAM");
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	ck_assert_int_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
	kept = dup(STDERR_FILENO);
	dup2(ends[1], STDERR_FILENO);
}

static void teardown(void)
{
	logger_close();
	dup2(kept, STDERR_FILENO);
	close(kept);
	close(ends[0]);
	close(ends[1]);
}

/* What was written since the last call. */
static const char *written(void)
{
	static char text[8192];
	ssize_t n = read(ends[0], text, sizeof text - 1);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void matches(const char *text, const char *pattern)
{
	regex_t r;

	ck_assert_int_eq(regcomp(&r, pattern, REG_EXTENDED | REG_NOSUB), 0);
	ck_assert_msg(!regexec(&r, text, 0, NULL, 0), "'%s' is not like '%s'", text, pattern);
	regfree(&r);
}

#define TIME "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{6}Z"

START_TEST(lines)
{
	logger_open(&(struct logger_config){.level = LOG_LEVEL_INFO});
	logger_say(LOG_LEVEL_INFO, "drain.begin", TF_TEXT("node", "b"), "%s drains\nnot", "b");
	matches(written(), "^" TIME " info: b drains\\?not\n$");
	log_warning("a %s", "warning"); /* base/log's lines come too */
	matches(written(), "^" TIME " warning: a warning\n$");
	logger_say(LOG_LEVEL_DETAIL, "x", TF_TEXT("node", "b"), "nobody asked");
	ck_assert_str_eq(written(), "");
	ck_assert(!logger_wants(LOG_LEVEL_DETAIL));
	logger_close();
	log_warning("as ever");
	ck_assert_str_eq(written(), "warning: as ever\n");
}
END_TEST

START_TEST(json)
{
	const struct tuple t = {.remote = addr_v4(0x0a000001), .local = addr_v4(0x0a000002), .remote_port = 5};
	const struct addr a = addr_v4(0x0a000003);

	logger_open(&(struct logger_config){.json = true, .level = LOG_LEVEL_DETAIL});
	logger_event(LOG_LEVEL_DETAIL, "e",
		     (const struct trace_field[]){TF_TEXT("text", "\"q\""), TF_U64("number", UINT64_MAX),
						  TF_TUPLE("tuple", &t), TF_ADDR("address", &a),
						  TF_TEXT("bad", "\xff")},
		     5, "said");
	json_t *o = json_loads(written(), 0, NULL);

	ck_assert_ptr_nonnull(o);
	matches(json_string_value(json_object_get(o, "time")), "^" TIME "$");
	ck_assert_str_eq(json_string_value(json_object_get(o, "level")), "detail");
	ck_assert_str_eq(json_string_value(json_object_get(o, "event")), "e");
	ck_assert_str_eq(json_string_value(json_object_get(o, "message")), "said");
	ck_assert_str_eq(json_string_value(json_object_get(o, "text")), "\"q\"");
	ck_assert_int_eq(json_integer_value(json_object_get(o, "number")), INT64_MAX);
	ck_assert_str_eq(json_string_value(json_object_get(o, "tuple")), "10.0.0.1:5 > 10.0.0.2:0");
	ck_assert_str_eq(json_string_value(json_object_get(o, "address")), "10.0.0.3");
	ck_assert_ptr_null(json_object_get(o, "bad"));
	json_decref(o);
	log_error("plain");
	o = json_loads(written(), 0, NULL);
	ck_assert_str_eq(json_string_value(json_object_get(o, "message")), "plain");
	ck_assert_ptr_null(json_object_get(o, "event"));
	json_decref(o);
}
END_TEST

/* Where the service manager reads, a line says its priority, and no time. */
START_TEST(journal)
{
	char stream[64];
	struct stat st;

	fstat(STDERR_FILENO, &st);
	snprintf(stream, sizeof stream, "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	logger_open(&(struct logger_config){.level = LOG_LEVEL_INFO});
	log_warning("w");
	ck_assert_str_eq(written(), "<4>w\n");
	logger_open(&(struct logger_config){.json = true, .level = LOG_LEVEL_INFO});
	log_error("e");
	matches(written(), "^<3>\\{\"time\":.*\"message\":\"e\"\\}\n$");
	snprintf(stream, sizeof stream, "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino + 1);
	setenv("JOURNAL_STREAM", stream, 1); /* another's */
	logger_open(&(struct logger_config){.level = LOG_LEVEL_INFO});
	log_warning("w");
	matches(written(), "^" TIME " warning: w\n$");
}
END_TEST

/* Lines of any length, to a reader that sleeps: nothing waits, no line is cut by another, what is lost is counted. */
START_TEST(nobody_reads)
{
	char text[3000];

	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	logger_open(&(struct logger_config){.level = LOG_LEVEL_INFO});
	for (unsigned i = 0; i < 1000; i++)
		log_warning("%s", text);
	ck_assert_uint_gt(logger_dropped(), 0);
	ck_assert_uint_lt(logger_dropped(), 1000);
	for (const char *some; *(some = written());) {
		size_t len = strlen(some);

		ck_assert_uint_le(len, 8191);
		ck_assert(strstr(some, "warning: xxx"));
	}
	log_warning("again");
	matches(written(), "warning: again\n$");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("logger");
	TCase *c = tcase_create("logger");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, lines);
	tcase_add_test(c, json);
	tcase_add_test(c, journal);
	tcase_add_test(c, nobody_reads);
	suite_add_tcase(suite, c);
	return unit_run(suite);
}
