/* SPDX-License-Identifier: BSD-3-Clause */
/* baton bench: runs benchmarks and prints what they measured. */
#include "base/err.h"
#include "cli/bench.h"
#include "cli/bench_capture.h"
#include "cli/cli.h"
#include "cli/commit.h"
#include "sim/scenario_doc.h"
#include "sim/units.h"

#include <getopt.h>
#include <jansson.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define NAMES_MAX      64U
#define SIZE_DEFAULT   UINT64_C(200000000) /* bytes, of --size */
#define SIZE_MIN       UINT64_C(1000000)
#define SIZE_MAX_BYTES UINT64_C(100000000000)

static void print_help(void)
{
	puts("usage: baton bench [OPTION]... [NAME]\n"
	     "\n"
	     "Runs the benchmark NAME, or all of them, on one core of this machine. The numbers depend on the\n"
	     "machine and on what else it does: repeat, and compare like with like.\n"
	     "\n"
	     "benchmarks:");
	for (const struct bench *b = bench_list; b->name; b++)
		printf("  %-10s %s\n", b->name, b->meaning);
	puts("\n"
	     "options:\n"
	     "  --json        print an array of { name, metric, value, unit, machine, commit } instead\n"
	     "  --size SIZE   of the captures that canon, diff and replay read, such as 1 GB; 200 MB without it\n"
	     "  --help        this text\n"
	     "\n"
	     "exit status: 0 measured, 2 the command line is wrong, 3 a benchmark broke.");
}

/* The processor's name and the kernel. */
static void machine_name(char *out, size_t size)
{
	struct utsname u;
	char line[256], *colon;
	FILE *f = fopen("/proc/cpuinfo", "r");

	snprintf(out, size, "unknown");
	if (!uname(&u))
		snprintf(out, size, "%s %s %s", u.machine, u.sysname, u.release);
	while (f && fgets(line, sizeof(line), f)) {
		size_t len = strlen(out);

		if (strncmp(line, "model name", 10) || !(colon = strchr(line, ':')))
			continue;
		colon[strcspn(colon, "\n")] = '\0';
		snprintf(out + len, size - len, ",%s", colon + 1);
		break;
	}
	if (f)
		fclose(f);
}

/* What a figure is of: "chacha20-poly1305, 16384 B, seal"; empty when the benchmark has only one thing to say it of. */
static void subject_text(char *out, size_t size, const struct bench_value *v)
{
	int len = snprintf(out, size, "%s", v->cipher ? v->cipher : "");

	if (v->size != BENCH_NO_SIZE)
		len += snprintf(out + len, size - (size_t)len, "%s%ld %s", len ? ", " : "", v->size, v->size_unit);
	if (v->part)
		snprintf(out + len, size - (size_t)len, ", %s", v->part);
}

/* A line for each subject, or for each figure that has none. */
static void report_text(const char *name, const struct bench_report *r)
{
	char last[128] = "";

	printf("%s", name);
	for (size_t i = 0; i < r->count; i++) {
		const struct bench_value *v = &r->values[i];
		char subject[128];

		subject_text(subject, sizeof(subject), v);
		if (!*subject)
			printf("\n  %-24s %14.3f %s", v->metric, v->value, v->unit);
		else if (strcmp(subject, last))
			printf("\n  %-36s %s %.3f", subject, v->metric, v->value);
		else
			printf("  %s %.3f", v->metric, v->value);
		snprintf(last, sizeof(last), "%s", subject);
	}
	putchar('\n');
	fflush(stdout);
}

static void report_json(json_t *all, const char *name, const struct bench_report *r, const char *machine)
{
	for (size_t i = 0; i < r->count; i++) {
		const struct bench_value *v = &r->values[i];
		json_t *o = json_pack("{s:s, s:s, s:f, s:s, s:s, s:s}", "name", name, "metric", v->metric, "value",
				      v->value, "unit", v->unit, "machine", machine, "commit", BATON_COMMIT);

		if (v->size != BENCH_NO_SIZE) {
			json_object_set_new(o, "size", json_integer(v->size));
			json_object_set_new(o, "size_unit", json_string(v->size_unit));
		}
		if (v->cipher)
			json_object_set_new(o, "cipher", json_string(v->cipher));
		if (v->part)
			json_object_set_new(o, "part", json_string(v->part));
		json_array_append_new(all, o);
	}
}

/* Whether there is a benchmark of this name; prints the mistake when not. */
static bool bench_exists(const char *name)
{
	const char *names[NAMES_MAX + 1];
	size_t count = 0;

	for (const struct bench *b = bench_list; b->name && count < NAMES_MAX; b++) {
		if (!strcmp(b->name, name))
			return true;
		names[count++] = b->name;
	}
	names[count] = NULL;
	const char *nearest = mistake_nearest(name, names);

	if (nearest)
		cli_usage("bench", "there is no benchmark '%s'; did you mean '%s'?", name, nearest);
	else
		cli_usage("bench", "there is no benchmark '%s'", name);
	return false;
}

static int bench_all(const char *only, bool json)
{
	static struct bench_report report; /* too large for the stack */
	char machine[512];
	json_t *all = json ? json_array() : NULL;
	int status = STATUS_GOOD;

	machine_name(machine, sizeof(machine));
	if (!json)
		printf("%s, commit %s\n", machine, BATON_COMMIT);
	for (const struct bench *b = bench_list; b->name; b++) {
		if (only && strcmp(b->name, only))
			continue;
		report.count = 0;
		int err = b->run(&report);

		if (err) {
			cli_error("bench %s: %s", b->name, err_text(err));
			status = STATUS_BROKEN;
		}
		if (json)
			report_json(all, b->name, &report, machine);
		else
			report_text(b->name, &report);
	}
	if (json) {
		json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
		putchar('\n');
		json_decref(all);
	}
	return status;
}

/* 0, or the status to end with. */
static int size_parse(const char *text)
{
	const char *why;

	if (units_parse_size(text, &bench_capture_bytes, &why))
		return cli_usage("bench", "--size: '%s': %s", text, why);
	if (bench_capture_bytes < SIZE_MIN || bench_capture_bytes > SIZE_MAX_BYTES)
		return cli_usage("bench", "--size: '%s' is not from 1 MB to 100 GB", text);
	return STATUS_GOOD;
}

int cmd_bench(int argc, char **argv)
{
	static const struct option options[] = {{"json", no_argument, NULL, 'j'},
						{"size", required_argument, NULL, 's'},
						{"help", no_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	static const char *const names[] = {"json", "size", "help", NULL};
	bool json = false;
	int answer, status;

	opterr = 0;
	bench_capture_bytes = SIZE_DEFAULT;
	while ((answer = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (answer == 'h') {
			print_help();
			return STATUS_GOOD;
		} else if (answer == 'j') {
			json = true;
		} else if (answer != 's') {
			return cli_option_error("bench", answer, argv, names);
		} else if ((status = size_parse(optarg))) {
			return status;
		}
	}
	if (optind + 1 < argc)
		return cli_usage("bench", "one benchmark at a time, or all");
	if (optind < argc && !bench_exists(argv[optind]))
		return STATUS_USAGE;
	return bench_all(optind < argc ? argv[optind] : NULL, json);
}
