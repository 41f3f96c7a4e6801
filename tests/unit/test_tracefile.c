/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/tracefile.h"

#include "base/err.h"
#include "tests/lib/unit.h"

#include <check.h>
#include <errno.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX (4U << 20)

static char path[32];
static char content[FILE_MAX + 1];
static size_t content_len;
static char fingerprint[TRACEFILE_FINGERPRINT_LEN + 1];
static struct tracefile *trace;
static struct trace_sink run, node;

static void setup(void)
{
	int fd;

	strcpy(path, "test_tracefile.XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_int_eq(tracefile_open(&trace, path), 0);
	tracefile_sink(trace, &run, NULL);
	tracefile_sink(trace, &node, "client1");
}

static void teardown(void)
{
	unlink(path);
}

/* Closes and reads the file back. */
static void finish(void)
{
	FILE *f;

	ck_assert_int_eq(tracefile_close(trace, fingerprint), 0);
	f = fopen(path, "rb");
	ck_assert_ptr_nonnull(f);
	content_len = fread(content, 1, FILE_MAX, f);
	content[content_len] = 0;
	fclose(f);
}

START_TEST(lines_are_as_documented)
{
	struct addr a = addr_v4(0xc6336450);
	struct tuple t = {.remote = addr_v4(0x0a000001), .local = a, .remote_port = 4000, .local_port = 80};

	TRACE(&run, 0, TRACE_RUN_START, TF_U64("seed", UINT64_MAX));
	TRACE(&node, 1500, TRACE_INDICATE, TF_U64("bytes", 0), TF_TEXT("path", "/a"), TF_ADDR("vip", &a),
	      TF_TUPLE("tuple", &t));
	finish();
	ck_assert_str_eq(content, "{\"trace\":1}\n"
				  "{\"t\":0,\"ev\":\"run.start\",\"seed\":18446744073709551615}\n"
				  "{\"t\":1500,\"ev\":\"indicate\",\"node\":\"client1\",\"bytes\":0,\"path\":\"/a\","
				  "\"vip\":\"198.51.100.80\",\"tuple\":\"10.0.0.1:4000 > 198.51.100.80:80\"}\n");
}
END_TEST

/* Whatever a text holds, the line is JSON, and what was UTF-8 comes back as it was. */
START_TEST(texts_are_escaped)
{
	static const struct {
		const char *text, *read; /* NULL: as written */
	} cases[] = {
		{"plain", NULL},
		{"", NULL},
		{"quote \" backslash \\ slash /", NULL},
		{"\n\r\t\b\x01\x1f\x7f", NULL},
		{"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", NULL},
		{"\xff", "\xef\xbf\xbd"},
		{"a\xc3", "a\xef\xbf\xbd"},
		{"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xf4\x90\x80\x80z", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz"},
		{"\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd"},
	};
	char *line;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		TRACE(&run, i, TRACE_REQUEST_FAIL, TF_TEXT("why", cases[i].text));
	finish();
	line = strchr(content, '\n') + 1;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		json_t *j = json_loads(line, JSON_DISABLE_EOF_CHECK, NULL);

		ck_assert_msg(j, "case %zu is no JSON: %s", i, line);
		ck_assert_str_eq(json_string_value(json_object_get(j, "why")),
				 cases[i].read ? cases[i].read : cases[i].text);
		json_decref(j);
		line = strchr(line, '\n') + 1;
	}
	ck_assert_int_eq(*line, 0);
}
END_TEST

/* Many buffers' worth, with texts longer than any slack. */
START_TEST(the_fingerprint_is_the_files)
{
	unsigned char hash[32];
	char hex[65], longer[4000];

	memset(longer, '"', sizeof longer);
	longer[sizeof longer - 1] = 0;
	for (unsigned i = 0; i < 20000; i++)
		TRACE(&node, i, TRACE_REQUEST_DONE, TF_U64("bytes", i),
		      TF_TEXT("path", i % 100 ? "/img/1.png" : longer));
	finish();
	ck_assert_uint_gt(content_len, 1500000);
	crypto_generichash(hash, sizeof hash, (const unsigned char *)content, content_len, NULL, 0);
	ck_assert_str_eq(fingerprint, sodium_bin2hex(hex, sizeof hex, hash, sizeof hash));
}
END_TEST

START_TEST(without_a_file_the_fingerprint_is_the_same)
{
	char with_file[sizeof fingerprint];
	struct tracefile *t;
	struct trace_sink sink;

	TRACE(&node, 1, TRACE_INDICATE, TF_U64("bytes", 1));
	finish();
	strcpy(with_file, fingerprint);
	ck_assert_int_eq(tracefile_open(&t, NULL), 0);
	tracefile_sink(t, &sink, "client1");
	TRACE(&sink, 1, TRACE_INDICATE, TF_U64("bytes", 1));
	ck_assert_int_eq(tracefile_close(t, fingerprint), 0);
	ck_assert_str_eq(fingerprint, with_file);
	ck_assert_int_eq(tracefile_open(&t, NULL), 0);
	tracefile_sink(t, &sink, "client2");
	TRACE(&sink, 1, TRACE_INDICATE, TF_U64("bytes", 1));
	ck_assert_int_eq(tracefile_close(t, fingerprint), 0);
	ck_assert_str_ne(fingerprint, with_file);
}
END_TEST

START_TEST(failures_to_write_are_told)
{
	struct tracefile *t;
	struct trace_sink sink;

	finish();
	ck_assert_int_eq(tracefile_open(&t, "/nonexistent/trace.jsonl"), E_IO);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_ptr_null(t);
	ck_assert_int_eq(tracefile_open(&t, "/dev/full"), 0);
	tracefile_sink(t, &sink, NULL);
	for (unsigned i = 0; i < 5000; i++)
		TRACE(&sink, i, TRACE_INDICATE, TF_U64("bytes", i));
	ck_assert_int_eq(tracefile_close(t, fingerprint), E_IO);
	ck_assert_int_eq(errno, ENOSPC);
	ck_assert_uint_eq(strlen(fingerprint), TRACEFILE_FINGERPRINT_LEN);
}
END_TEST

START_TEST(a_limit_ends_the_file_with_a_whole_line)
{
	static char text[70000];
	struct tracefile *t;
	struct trace_sink sink;
	FILE *f;
	size_t len;

	ck_assert_int_eq(tracefile_open(&t, path), 0);
	tracefile_limit(t, sizeof text);
	tracefile_sink(t, &sink, NULL);
	for (unsigned i = 0; i < 5000; i++)
		TRACE(&sink, i, TRACE_INDICATE, TF_U64("bytes", i));
	ck_assert_int_eq(tracefile_error(t), EFBIG);
	ck_assert_int_eq(tracefile_close(t, fingerprint), E_IO);
	ck_assert_int_eq(errno, EFBIG);
	f = fopen(path, "re");
	ck_assert_ptr_nonnull(f);
	len = fread(text, 1, sizeof text, f);
	ck_assert_int_eq(fgetc(f), EOF);
	fclose(f);
	ck_assert_uint_gt(len, sizeof text - 100);
	ck_assert_int_eq(text[len - 1], '\n');
	/* The fingerprint is that of all. */
	char cut[TRACEFILE_FINGERPRINT_LEN + 1];

	memcpy(cut, fingerprint, sizeof cut);
	ck_assert_int_eq(tracefile_open(&t, NULL), 0);
	tracefile_sink(t, &sink, NULL);
	for (unsigned i = 0; i < 5000; i++)
		TRACE(&sink, i, TRACE_INDICATE, TF_U64("bytes", i));
	ck_assert_int_eq(tracefile_close(t, fingerprint), 0);
	ck_assert_str_eq(cut, fingerprint);
}
END_TEST

/* Traces so many events, of which one has another value, and says how the trace compares with the file. */
static enum tracefile_likeness compared(unsigned events, unsigned other)
{
	enum tracefile_likeness likeness;
	struct tracefile *t;
	struct trace_sink sink;

	ck_assert_int_eq(tracefile_open_like(&t, path), 0);
	tracefile_sink(t, &sink, "client1");
	for (unsigned i = 0; i < events; i++)
		TRACE(&sink, i, TRACE_INDICATE, TF_U64("bytes", i == other ? i + 1 : i));
	likeness = tracefile_compared(t);
	/* What follows is compared no more. */
	TRACE(&sink, 0, TRACE_INDICATE, TF_U64("bytes", 0));
	ck_assert_int_eq(tracefile_close(t, fingerprint), 0);
	return likeness;
}

START_TEST(a_trace_is_compared_with_a_file)
{
	struct tracefile *t;

	for (unsigned i = 0; i < 3000; i++) /* several buffers' worth */
		TRACE(&node, i, TRACE_INDICATE, TF_U64("bytes", i));
	finish();
	ck_assert_int_eq(compared(3000, UINT32_MAX), TRACEFILE_SAME);
	ck_assert_int_eq(compared(0, UINT32_MAX), TRACEFILE_SAME);
	ck_assert_int_eq(compared(1500, UINT32_MAX), TRACEFILE_SAME);
	ck_assert_int_eq(compared(3001, UINT32_MAX), TRACEFILE_SHORTER);
	ck_assert_int_eq(compared(9000, UINT32_MAX), TRACEFILE_SHORTER);
	ck_assert_int_eq(compared(3000, 0), TRACEFILE_OTHER);
	ck_assert_int_eq(compared(3000, 2999), TRACEFILE_OTHER);
	ck_assert_int_eq(compared(9000, 2000), TRACEFILE_OTHER);
	ck_assert_int_eq(compared(9000, 4000), TRACEFILE_SHORTER);
	ck_assert_int_eq(truncate(path, (off_t)content_len - 5), 0);
	ck_assert_int_eq(compared(3000, UINT32_MAX), TRACEFILE_SHORTER);
	ck_assert_int_eq(tracefile_open_like(&t, "/nonexistent/trace.jsonl"), E_IO);
	ck_assert_ptr_null(t);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tracefile");
	TCase *c = tcase_create("tracefile");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, lines_are_as_documented);
	tcase_add_test(c, texts_are_escaped);
	tcase_add_test(c, the_fingerprint_is_the_files);
	tcase_add_test(c, without_a_file_the_fingerprint_is_the_same);
	tcase_add_test(c, failures_to_write_are_told);
	tcase_add_test(c, a_limit_ends_the_file_with_a_whole_line);
	tcase_add_test(c, a_trace_is_compared_with_a_file);
	suite_add_tcase(suite, c);
	return unit_run(suite);
}
