/* SPDX-License-Identifier: BSD-3-Clause */
/* baton diff: the first packet in which two captures differ. */
#include "cli/cli.h"
#include "cli/diff.h"
#include "pcap/canon_parse.h"
#include "pcap/canon_source.h"

#include <getopt.h>
#include <string.h>

#define BEFORE_MAX 5U /* lines shown that came before */

/* One of the two that are compared. */
struct side {
	const char *path, *name; /* name: as it is told to people */
	struct canon_source *source;
	struct canon_line line;
	int got; /* what canon_source_next said */
};

/* The last lines that were the same. */
struct before {
	char lines[BEFORE_MAX][CANON_LINE_MAX + 1];
	uint64_t count;
};

static void print_help(void)
{
	puts("usage: baton diff A B\n"
	     "\n"
	     "Finds the first packet in which A and B differ in the canonical form, and shows both decoded side by\n"
	     "side, with what came before. Each is a capture, the directory of a run, or canonical text, as for\n"
	     "`baton canon`; one of them may be '-', standard input.\n"
	     "\n"
	     "options:\n"
	     "  --help   this text\n"
	     "\n"
	     "exit status: 0 they are the same, 1 they differ, 2 one cannot be read.");
}

static void place_print(const struct side *s, const char *letter)
{
	printf("  %s: %s, ", letter, s->name);
	if (s->got == 1)
		printf("%s %llu\n", canon_source_is_text(s->source) ? "line" : "packet",
		       (unsigned long long)s->line.number);
	else
		puts("which has no more packets");
}

static void fields_of(const struct side *s, struct canon_fields *f)
{
	char why[CANON_WHY_MAX];

	f->count = 0;
	if (s->got == 1)
		canon_parse(f, s->line.text, why);
}

/* The n-th value of a key, as options may repeat; "" when there is none. */
static const char *value_of(const struct canon_fields *f, const char *key, size_t n)
{
	for (size_t i = 0; i < f->count; i++)
		if (!strcmp(f->list[i].key, key) && !n--)
			return f->list[i].value;
	return "";
}

/* How many fields before the i-th have its key. */
static size_t repetition_of(const struct canon_fields *f, size_t i)
{
	size_t n = 0;

	for (size_t k = 0; k < i; k++)
		n += !strcmp(f->list[k].key, f->list[i].key);
	return n;
}

static void row_print(const char *key, const char *a, const char *b, int width)
{
	printf("%c %-11s %-*s %s\n", strcmp(a, b) ? '*' : ' ', key, width, *a ? a : "-", *b ? b : "-");
}

/* All fields of a, then those that only b has. */
static void fields_print(const struct canon_fields *a, const struct canon_fields *b)
{
	int width = 20;

	for (size_t i = 0; i < a->count; i++)
		if ((int)strlen(a->list[i].value) > width)
			width = (int)strlen(a->list[i].value);
	printf("  %-11s %-*s %s\n", "", width, "A", "B");
	for (size_t i = 0; i < a->count; i++)
		row_print(a->list[i].key, a->list[i].value, value_of(b, a->list[i].key, repetition_of(a, i)), width);
	for (size_t i = 0; i < b->count; i++)
		if (!*value_of(a, b->list[i].key, repetition_of(b, i)))
			row_print(b->list[i].key, "", b->list[i].value, width);
}

static void difference_print(const struct side *a, const struct side *b, const struct before *before)
{
	uint64_t first = before->count > BEFORE_MAX ? before->count - BEFORE_MAX : 0;
	struct canon_fields fa, fb;

	printf("they differ after %llu packets that are the same\n", (unsigned long long)before->count);
	place_print(a, "A");
	place_print(b, "B");
	puts(before->count ? "\nbefore, the same in both:" : "");
	for (uint64_t i = first; i < before->count; i++)
		printf("  %s\n", before->lines[i % BEFORE_MAX]);
	fields_of(a, &fa);
	fields_of(b, &fb);
	if (before->count)
		putchar('\n');
	fields_print(&fa, &fb);
}

static int sides_compare(struct side *a, struct side *b)
{
	struct before before = {.count = 0};

	for (;;) {
		a->got = canon_source_next(a->source, &a->line);
		b->got = canon_source_next(b->source, &b->line);
		if (a->got < 0 || b->got < 0) {
			fprintf(stderr, "%s\n", canon_source_why(a->got < 0 ? a->source : b->source));
			return STATUS_USAGE;
		}
		if (!a->got && !b->got)
			return STATUS_GOOD;
		if (a->got != b->got || strcmp(a->line.text, b->line.text)) {
			difference_print(a, b, &before);
			return STATUS_EXPECTATION;
		}
		memcpy(before.lines[before.count++ % BEFORE_MAX], a->line.text, a->line.len + 1);
	}
}

static int side_open(struct side *s)
{
	char why[CANON_MISTAKE_MAX];

	s->source = canon_source_open(s->path, CANON_CONNECTIONS_MAX, why);
	if (!s->source)
		fprintf(stderr, "%s\n", why);
	return s->source ? STATUS_GOOD : STATUS_USAGE;
}

int diff_run(const char *path_a, const char *path_b, const char *name_b)
{
	struct side a = {.path = path_a, .name = path_a}, b = {.path = path_b, .name = name_b};
	int status = side_open(&a);

	if (status == STATUS_GOOD)
		status = side_open(&b);
	if (status == STATUS_GOOD) {
		status = sides_compare(&a, &b);
		cli_forgotten(a.path, canon_source_forgotten(a.source));
		cli_forgotten(b.path, canon_source_forgotten(b.source));
	}
	canon_source_close(a.source);
	canon_source_close(b.source);
	return status;
}

int cmd_diff(int argc, char **argv)
{
	static const struct option options[] = {{"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	static const char *const names[] = {"help", NULL};
	int answer;

	opterr = 0;
	while ((answer = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (answer != 'h')
			return cli_option_error("diff", answer, argv, names);
		print_help();
		return STATUS_GOOD;
	}
	if (optind + 2 != argc)
		return cli_usage("diff", "two captures, directories or canonical texts are needed");
	if (!strcmp(argv[optind], "-") && !strcmp(argv[optind + 1], "-"))
		return cli_usage("diff", "only one can be standard input");
	return diff_run(argv[optind], argv[optind + 1], argv[optind + 1]);
}
