/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/suite.h"

#include "cli/cli.h"
#include "cli/diff.h"

#include <assert.h>
#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DESCRIPTORS 8    /* that nftw may hold open */
#define PIECE_LEN   4096 /* bytes of a line of outcomes.txt that are compared at once */
#define NAMES_ROOM  64U  /* bytes of the names in a directory, with a slash and the NUL */

static int broken(const char *path)
{
	cli_error("%s: %s", path, strerror(errno));
	return STATUS_BROKEN;
}

/* DIR/NAME. That it fits, suite_open and work_begin saw to. */
static void path_make(char out[SUITE_PATH_MAX], const char *dir, const char *name)
{
	int len = snprintf(out, SUITE_PATH_MAX, "%s/%s", dir, name);

	assert(len < (int)SUITE_PATH_MAX);
}

/* Whether paths in the directory fit. */
static int path_check(const char *dir)
{
	if (strlen(dir) + NAMES_ROOM <= SUITE_PATH_MAX)
		return STATUS_GOOD;
	errno = ENAMETOOLONG;
	return broken(dir);
}

static int suite_open(struct suite *s, const char *dir)
{
	static const char *const names[] = {"capture.pcap", "capture.pcapng", "capture.pcap.gz", "capture.pcapng.gz"};
	unsigned count = 0;

	*s = (struct suite){.dir = dir};
	if (path_check(dir) != STATUS_GOOD)
		return STATUS_BROKEN;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char path[SUITE_PATH_MAX];

		path_make(path, dir, names[i]);
		if (access(path, F_OK))
			continue;
		memcpy(s->capture, path, sizeof(path));
		count++;
	}
	if (count != 1) {
		cli_error(count ? "%s: several captures"
				: "%s: no suite: it has no capture.pcap, capture.pcapng, or "
				  "one of them with .gz",
			  dir);
		return STATUS_USAGE;
	}
	path_make(s->scenario, dir, "scenario.yaml");
	if (access(s->scenario, F_OK))
		*s->scenario = 0;
	return STATUS_GOOD;
}

static int file_remove(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

static int work_begin(char work[SUITE_PATH_MAX])
{
	const char *tmp = getenv("TMPDIR");

	if (!tmp || !*tmp)
		tmp = "/tmp";
	if (path_check(tmp) != STATUS_GOOD)
		return STATUS_BROKEN;
	path_make(work, tmp, "baton-suite-XXXXXX");
	return mkdtemp(work) ? STATUS_GOOD : broken(work);
}

static void work_end(const char *work)
{
	nftw(work, file_remove, DESCRIPTORS, FTW_DEPTH | FTW_PHYS);
}

/* The first line in which two texts differ, to standard output; *line counts from 1. */
static int lines_compare(FILE *a, FILE *b, const char *name)
{
	char of_a[PIECE_LEN] = "", of_b[PIECE_LEN] = "";

	for (unsigned long line = 1;; line++) {
		bool more_a = fgets(of_a, sizeof(of_a), a), more_b = fgets(of_b, sizeof(of_b), b);

		if (!more_a && !more_b)
			return STATUS_GOOD;
		if (more_a && more_b && !strcmp(of_a, of_b))
			continue;
		printf("%s differs in line %lu\n  expected: %s  now:      %s", name, line, more_a ? of_a : "nothing\n",
		       more_b ? of_b : "nothing\n");
		return STATUS_EXPECTATION;
	}
}

static int outcomes_compare(const char *expected, const char *now)
{
	FILE *a = fopen(expected, "re"), *b = fopen(now, "re");
	int status = STATUS_USAGE;

	if (!a)
		cli_error("%s: %s", expected, strerror(errno));
	else if (!b)
		status = broken(now);
	else
		status = lines_compare(a, b, expected);
	if (a)
		fclose(a);
	if (b)
		fclose(b);
	return status;
}

static int suite_compare(const struct suite *s, const char *work)
{
	char expected[SUITE_PATH_MAX], now[SUITE_PATH_MAX];

	path_make(expected, s->dir, SUITE_OUTCOMES);
	path_make(now, work, SUITE_OUTCOMES);
	int outcomes = outcomes_compare(expected, now);

	path_make(expected, s->dir, SUITE_TEXT);
	path_make(now, work, SUITE_TEXT);
	int text = diff_run(expected, now, "what comes out now");

	return outcomes > text ? outcomes : text;
}

int suite_check(const char *dir)
{
	char work[SUITE_PATH_MAX];
	struct suite s;
	int status = suite_open(&s, dir);

	if (status == STATUS_GOOD)
		status = work_begin(work);
	if (status != STATUS_GOOD)
		return status;
	status = suite_produce(&s, work);
	if (status == STATUS_GOOD)
		status = suite_compare(&s, work);
	work_end(work);
	return status;
}

/* Whether two files hold the same; false when one is not there. */
static bool files_equal(const char *a, const char *b)
{
	FILE *of_a = fopen(a, "re"), *of_b = fopen(b, "re");
	bool equal = of_a && of_b;
	int c = 0;

	while (equal && c != EOF) {
		c = getc(of_a);
		equal = c == getc(of_b);
	}
	if (of_a)
		fclose(of_a);
	if (of_b)
		fclose(of_b);
	return equal;
}

/* Copies a file to one that is not there yet, or is overwritten. */
static int file_copy(const char *from, const char *to)
{
	FILE *in = fopen(from, "re"), *out = in ? fopen(to, "we") : NULL;
	char bytes[65536];
	size_t n;
	bool good = out;

	while (good && (n = fread(bytes, 1, sizeof(bytes), in)))
		good = fwrite(bytes, 1, n, out) == n;
	good = good && !ferror(in);
	if (out && fclose(out))
		good = false;
	if (in)
		fclose(in);
	return good ? STATUS_GOOD : broken(in ? to : from);
}

static int reason_add(const struct suite *s, const char *reason)
{
	char path[SUITE_PATH_MAX];

	path_make(path, s->dir, SUITE_REASONS);
	FILE *f = fopen(path, "ae");

	if (!f)
		return broken(path);
	fprintf(f, "%s\n", reason);
	return fclose(f) ? broken(path) : STATUS_GOOD;
}

/* The new files stand beside the old ones, whole, and the reason is written, before one takes the other's place. */
static int suite_record(const struct suite *s, const char *work, const char *reason)
{
	static const char *const names[] = {SUITE_TEXT, SUITE_OUTCOMES}, *const fresh_names[] = {"." SUITE_TEXT ".new",
												 "." SUITE_OUTCOMES
												 ".new"};
	char fresh[2][SUITE_PATH_MAX], path[SUITE_PATH_MAX];
	int status = STATUS_GOOD;
	size_t made = 0;

	for (size_t i = 0; i < 2 && status == STATUS_GOOD; i++) {
		path_make(fresh[made++], s->dir, fresh_names[i]);
		path_make(path, work, names[i]);
		status = file_copy(path, fresh[i]);
	}
	if (status == STATUS_GOOD)
		status = reason_add(s, reason);
	for (size_t i = 0; i < 2 && status == STATUS_GOOD; i++) {
		path_make(path, s->dir, names[i]);
		status = rename(fresh[i], path) ? broken(path) : STATUS_GOOD;
	}
	for (size_t i = 0; i < made && status != STATUS_GOOD; i++)
		unlink(fresh[i]);
	return status;
}

static bool suite_is_same(const struct suite *s, const char *work)
{
	static const char *const names[] = {SUITE_TEXT, SUITE_OUTCOMES};
	char old[SUITE_PATH_MAX], now[SUITE_PATH_MAX];

	for (size_t i = 0; i < 2; i++) {
		path_make(old, s->dir, names[i]);
		path_make(now, work, names[i]);
		if (!files_equal(old, now))
			return false;
	}
	return true;
}

int suite_bless(const char *dir, const char *reason)
{
	char work[SUITE_PATH_MAX];
	struct suite s;
	int status = suite_open(&s, dir);

	if (status == STATUS_GOOD)
		status = work_begin(work);
	if (status != STATUS_GOOD)
		return status;
	status = suite_produce(&s, work);
	if (status == STATUS_GOOD && suite_is_same(&s, work)) {
		printf("%s: nothing changed\n", dir);
	} else if (status == STATUS_GOOD) {
		status = suite_record(&s, work, reason);
		if (status == STATUS_GOOD)
			printf("%s: recorded\n", dir);
	}
	work_end(work);
	return status;
}
