/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/summary.h"

#include "base/quantity.h"
#include "cli/cli.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define HINT_WIDTH      100U
#define LABEL_WIDTH     12
#define METRIC_PATH_MAX 128U

static const char *const colour_good = "\033[32m", *const colour_bad = "\033[31m", *const colour_off = "\033[0m";

static uint64_t number(const struct metrics *m, const char *path)
{
	const struct metric *x = metrics_find(m, path);

	return x && x->kind == METRIC_NUMBER ? x->value : 0;
}

/* One line of counters: "1000 started, 998 completed". */
struct counter {
	const char *path, *word;
	const char *one;  /* the word for a single one; NULL: the same */
	bool unless_zero; /* left out at zero */
};

/* Prints nothing when all are left out. */
static void print_counters(FILE *f, const struct metrics *m, const char *label, const struct counter *c, size_t count)
{
	char text[QUANTITY_MAX];
	bool first = true;

	for (size_t i = 0; i < count; i++) {
		uint64_t n = number(m, c[i].path);

		if (!n && c[i].unless_zero)
			continue;
		if (first)
			fprintf(f, "%-*s", LABEL_WIDTH, label);
		fprintf(f, "%s%s %s", first ? "" : ", ", quantity_count(text, n),
			n == 1 && c[i].one ? c[i].one : c[i].word);
		first = false;
	}
	if (!first)
		fputc('\n', f);
}

#define PRINT_COUNTERS(f, m, label, list) print_counters((f), (m), (label), (list), sizeof(list) / sizeof(*(list)))

/* All counters under a prefix that are not zero, by the rest of their names. */
static void print_all(FILE *f, const struct metrics *m, const char *label, const char *prefix, const char *before)
{
	char text[QUANTITY_MAX];
	bool first = true;

	for (size_t i = 0; i < m->count; i++) {
		const struct metric *x = &m->list[i];

		if (strncmp(x->path, prefix, strlen(prefix)) || x->kind != METRIC_NUMBER || !x->value)
			continue;
		if (first)
			fprintf(f, "%-*s", LABEL_WIDTH, label);
		fprintf(f, "%s%s %s%s", first ? "" : ", ", quantity_count(text, x->value), before,
			x->path + strlen(prefix));
		first = false;
	}
	if (!first)
		fputc('\n', f);
}

static void print_title(const struct scenario *s, uint64_t seed, const struct run_results *r)
{
	const struct metric *wall = metrics_find(&r->perf, "wall_seconds");
	const struct metric *simulated = metrics_find(&r->perf, "virtual_seconds");
	double wall_s = wall ? wall->real : 0, simulated_s = simulated ? simulated->real : 0;
	char simulated_text[QUANTITY_MAX], wall_text[QUANTITY_MAX];

	printf("%s, seed %" PRIu64 ": %s simulated in %s", s->name, seed,
	       quantity_time(simulated_text, (nstime)(simulated_s * 1e3) * NSTIME_MS),
	       quantity_time(wall_text, (nstime)(wall_s * 1e6) * NSTIME_US));
	if (wall_s > 0)
		printf(" (%.1f x real time)", simulated_s / wall_s);
	fputs("\n\n", stdout);
}

/* Virtual time passes on links alone: where those on the way have no delay and no rate, a hand-off takes none. */
static void print_latency(FILE *f, const struct metrics *m)
{
	char p50[QUANTITY_MAX], p99[QUANTITY_MAX], max[QUANTITY_MAX];

	if (!number(m, "handoffs.completed"))
		return;
	fprintf(f, "%-*s", LABEL_WIDTH, "  latency");
	if (number(m, "handoffs.latency_us.max"))
		fprintf(f, "median %s, 99 %% within %s, longest %s\n",
			quantity_time(p50, number(m, "handoffs.latency_us.p50") * NSTIME_US),
			quantity_time(p99, number(m, "handoffs.latency_us.p99") * NSTIME_US),
			quantity_time(max, number(m, "handoffs.latency_us.max") * NSTIME_US));
	else
		fputs("none: the links on the way have no delay\n", f);
}

static void print_handoffs(FILE *f, const struct metrics *m)
{
	static const struct counter classifier[] = {{"classifier.answered.400", "answered 400", NULL, true},
						    {"classifier.answered.404", "answered 404", NULL, true},
						    {"classifier.answered.408", "answered 408", NULL, true},
						    {"classifier.answered.431", "answered 431", NULL, true},
						    {"classifier.answered.503", "answered 503", NULL, true},
						    {"classifier.refused", "refused", NULL, true}};
	static const struct counter handoffs[] = {{"handoffs.started", "started", NULL, false},
						  {"handoffs.completed", "completed", NULL, false},
						  {"handoffs.rolled_back", "rolled back", NULL, false},
						  {"handoffs.failed", "failed", NULL, false}};
	static const struct counter courier[] = {{"courier.frames", "frames", "frame", false},
						 {"courier.retransmitted", "retransmitted", NULL, false},
						 {"courier.rejected", "rejected", NULL, false}};
	static const struct counter driver[] = {{"driver.buffered", "packets buffered", "packet buffered", false},
						{"driver.overflowed", "overflowed", NULL, false}};

	PRINT_COUNTERS(f, m, "classifier", classifier);
	print_all(f, m, "  alerts", "classifier.alerts.", "");
	PRINT_COUNTERS(f, m, "hand-offs", handoffs);
	print_latency(f, m);
	PRINT_COUNTERS(f, m, "courier", courier);
	PRINT_COUNTERS(f, m, "driver", driver);
}

static void print_packets(FILE *f, const struct metrics *m)
{
	static const struct counter packets[] = {{"packets.sent", "sent", NULL, false},
						 {"packets.delivered", "delivered", NULL, false},
						 {"packets.dropped", "dropped", NULL, false},
						 {"packets.in_flight", "in flight", NULL, false}};

	PRINT_COUNTERS(f, m, "packets", packets);
	print_all(f, m, "  dropped", "packets.dropped_by.", "by ");
}

static void print_requests(FILE *f, const struct metrics *m)
{
	static const char *const paths[] = {"requests.started", "requests.completed", "requests.failed"};
	uint64_t started = number(m, paths[0]), aborted = number(m, "requests.aborted");
	uint64_t ended = number(m, paths[1]) + number(m, paths[2]) + aborted;
	char text[3][QUANTITY_MAX], other[QUANTITY_MAX];

	for (size_t i = 0; i < 3; i++)
		quantity_count(text[i], number(m, paths[i]));
	fprintf(f, "%-*s%s started, %s completed, %s failed", LABEL_WIDTH, "requests", text[0], text[1], text[2]);
	if (aborted)
		fprintf(f, ", %s aborted on purpose", quantity_count(other, aborted));
	if (started > ended)
		fprintf(f, ", %s unfinished", quantity_count(other, started - ended));
	fputc('\n', f);
}

static void print_traffic(FILE *f, const struct metrics *m)
{
	static const struct counter client[] = {{"client.resets", "resets", "reset", false},
						{"client.retransmissions", "retransmissions", "retransmission", false}};
	char bytes[QUANTITY_MAX];

	print_requests(f, m);
	fprintf(f, "%-*s%s verified, %" PRIu64 " corrupted\n", LABEL_WIDTH, "streams",
		quantity_bytes(bytes, number(m, "streams.bytes")), number(m, "streams.corrupted"));
	PRINT_COUNTERS(f, m, "clients", client);
}

static void print_metrics(FILE *f, const struct scenario *s, const struct metrics *m)
{
	print_traffic(f, m);
	if (s->services_count)
		print_handoffs(f, m);
	print_packets(f, m);
}

/* The value alone where `actual` begins with the metric that the expectation does: "requests.completed is 998". */
static const char *actual_value(const struct run_expectation *e)
{
	size_t len = strcspn(e->source->text, " =!<>");

	if (!strncmp(e->actual, e->source->text, len) && !strncmp(e->actual + len, " is ", 4))
		return e->actual + len + 4;
	return e->actual;
}

/* A hint, indented, in lines of HINT_WIDTH at most. */
static void print_hint(FILE *stream, const char *hint)
{
	while (*hint) {
		size_t len = strlen(hint), cut = len;

		if (len > HINT_WIDTH) {
			for (cut = HINT_WIDTH; cut && hint[cut] != ' '; cut--)
				;
			cut = cut ? cut : HINT_WIDTH;
		}
		fprintf(stream, "      %.*s\n", (int)cut, hint);
		hint += cut;
		while (*hint == ' ')
			hint++;
	}
}

static void print_expectations(const struct run_results *r, bool colour)
{
	size_t width = 0;

	if (!r->expectations_count)
		return;
	for (size_t i = 0; i < r->expectations_count; i++)
		if (strlen(r->expectations[i].source->text) > width)
			width = strlen(r->expectations[i].source->text);
	printf("\n%zu of %zu expectations hold\n", r->expectations_count - r->expectations_failed,
	       r->expectations_count);
	for (size_t i = 0; i < r->expectations_count; i++) {
		const struct run_expectation *e = &r->expectations[i];

		printf("  %s%s%s %-*s   %s\n", colour ? e->held ? colour_good : colour_bad : "", e->held ? "✓" : "✗",
		       colour ? colour_off : "", (int)width, e->source->text, actual_value(e));
		if (!e->held && e->source->hint)
			print_hint(stdout, e->source->hint);
	}
}

char *summary_text(const struct scenario *s, const struct metrics *m)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (f)
		print_metrics(f, s, m);
	if (!f || fclose(f)) {
		cli_error("out of memory");
		exit(STATUS_BROKEN);
	}
	return text;
}

static void print_files(const struct scenario *s, const char *out, const char *trace, const char *also)
{
	size_t captures = s->captures_merged ? 1 : s->captures_count;

	printf("%-*s%s/: result.json, %s%sperf.json", LABEL_WIDTH, "files", out, trace ? trace : "", trace ? ", " : "");
	if (captures)
		printf(", %zu capture%s (.pcapng)", captures, captures == 1 ? "" : "s");
	printf("%s%s\n", also ? ", " : "", also ? also : "");
}

/* What the devices of the machine carried, a line each. */
static void print_devices(const struct scenario *s, const struct metrics *m)
{
	char path[METRIC_PATH_MAX], in[QUANTITY_MAX], out[QUANTITY_MAX], in_bytes[QUANTITY_MAX],
		out_bytes[QUANTITY_MAX];

	for (size_t i = 0; i < s->outsides_count; i++) {
		const char *name = s->nodes[s->outsides[i].node].name;
		uint64_t values[4];
		static const char *const what[] = {"in.packets", "in.bytes", "out.packets", "out.bytes"};

		for (size_t w = 0; w < 4; w++) {
			snprintf(path, sizeof(path), "live.devices.%s.%s", name, what[w]);
			values[w] = number(m, path);
		}
		if (!metrics_find(m, path))
			continue; /* not this process's */
		printf("%-*s%s packets (%s) in, %s (%s) out\n", LABEL_WIDTH, name, quantity_count(in, values[0]),
		       quantity_bytes(in_bytes, values[1]), quantity_count(out, values[2]),
		       quantity_bytes(out_bytes, values[3]));
		snprintf(path, sizeof(path), "live.devices.%s.dropped_by.", name);
		print_all(stdout, m, "  dropped", path, "by ");
	}
}

void summary_live_print(const struct scenario *s, const struct live_results *r, const char *out, bool trace)
{
	char time[QUANTITY_MAX], p99[QUANTITY_MAX], max[QUANTITY_MAX];
	const struct metrics *m = &r->run.metrics;

	printf("%s, live for %s\n\n", s->name, quantity_time(time, number(m, "run.duration_us") * NSTIME_US));
	if (s->traffic_count)
		print_traffic(stdout, m);
	if (s->services_count)
		print_handoffs(stdout, m);
	print_packets(stdout, m);
	print_devices(s, m);
	if (r->reset)
		printf("%-*s%" PRIu64 " connections at the end\n", LABEL_WIDTH, "reset", r->reset);
	printf("%-*s99 %% of %" PRIu64 " wake-ups within %s, worst %s; kept real time: %s\n", LABEL_WIDTH, "late",
	       r->lag.wakeups, quantity_time(p99, r->lag.p99), quantity_time(max, r->lag.max),
	       r->lag.kept ? "yes" : "no");
	print_expectations(&r->run, cli_colour(stdout));
	putchar('\n');
	print_files(s, out, trace ? "trace.jsonl" : NULL, NULL);
}

void summary_print(const struct scenario *s, uint64_t seed, const struct run_results *r, const char *out,
		   const char *also)
{
	const struct metric *fingerprint = metrics_find(&r->metrics, "fingerprint");

	print_title(s, seed, r);
	print_metrics(stdout, s, &r->metrics);
	print_expectations(r, cli_colour(stdout));
	putchar('\n');
	if (out)
		print_files(s, out, "trace.jsonl", also);
	printf("%-*s%s\n", LABEL_WIDTH, "fingerprint", fingerprint && fingerprint->text ? fingerprint->text : "none");
}

void summary_failures(const struct scenario *s, const struct run_results *r)
{
	for (size_t i = 0; i < r->expectations_count; i++) {
		const struct run_expectation *e = &r->expectations[i];

		if (e->held)
			continue;
		if (e->source->line)
			fprintf(stderr, "%s:%u:%u: ", s->file, e->source->line, e->source->column);
		else
			fprintf(stderr, "%s: ", s->file);
		fprintf(stderr, "'%s' does not hold: %s\n", e->source->text, e->actual);
		if (e->source->hint)
			print_hint(stderr, e->source->hint);
	}
}
