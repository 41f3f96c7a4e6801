/* SPDX-License-Identifier: BSD-3-Clause */
#include "report/figures.h"

#include "base/log.h"
#include "base/quantity.h"
#include "report/plot.h"
#include "report/proof.h"

#include <stdlib.h>
#include <string.h>

#define MARKS_MAX       8U
#define MARK_TEXT_MAX   96U
#define RATES_MAX       80U /* points of a rate: finer ones are joined, or there is nothing but noise to see */
#define SECONDS_FROM_US (20 * NSTIME_S / NSTIME_US)
#define BARS_GROUP      8U /* buckets of a histogram in a bar: eight bars for each doubling */

static struct plot_point *points_get(size_t count)
{
	struct plot_point *p = calloc(count ? count : 1, sizeof *p);

	if (!p)
		log_fatal("out of memory: a plot");
	return p;
}

/* ---- time series ---- */

/* One curve of a figure: a column of the series. */
struct curve {
	size_t column;
	const char *name;
};

struct series_figure {
	const char *id, *title, *axis;
	bool gauge;   /* a level; else a rate: what was counted in an interval, for each second */
	double scale; /* of values */
	struct curve curves[4];
	size_t curves_count;
};

static const struct series_figure series_figures[] = {
	{"series-requests",
	 "Requests",
	 "requests/s",
	 false,
	 1,
	 {{SERIES_REQUESTS_STARTED, "started"},
	  {SERIES_REQUESTS_COMPLETED, "completed"},
	  {SERIES_REQUESTS_FAILED, "failed"}},
	 3},
	{"series-bytes",
	 "Traffic on the clients' links",
	 "Mbit/s",
	 false,
	 8e-6,
	 {{SERIES_CLIENT_RECEIVED, "to clients"}, {SERIES_CLIENT_SENT, "from clients"}},
	 2},
	{"series-connections", "Open connections", "connections", true, 1, {{SERIES_CONNECTIONS, "of clients"}}, 1},
	{"series-handoffs",
	 "Hand-offs",
	 "hand-offs/s",
	 false,
	 1,
	 {{SERIES_HANDOFFS_STARTED, "started"}, {SERIES_HANDOFFS_COMPLETED, "completed"}},
	 2},
	{"series-courier",
	 "The courier's frames",
	 "frames/s",
	 false,
	 1,
	 {{SERIES_COURIER_FRAMES, "sent"}, {SERIES_COURIER_RETRANSMITTED, "of these again"}},
	 2},
	{"series-losses",
	 "What was lost, and TCP's answer",
	 "packets/s",
	 false,
	 1,
	 {{SERIES_PACKETS_DROPPED, "dropped on links"}, {SERIES_RETRANSMISSIONS, "segments sent again"}},
	 2},
	{"series-flight",
	 "Packets on links, in queues or delayed",
	 "packets",
	 true,
	 1,
	 {{SERIES_IN_FLIGHT, "in flight"}},
	 1},
};

/* Virtual time in a unit that suits the run. */
struct time_axis {
	double unit_ns;
	const char *title;
};

static struct time_axis time_axis_of(const struct series *s)
{
	nstime end = s->rows ? s->times[s->rows - 1] : 0;

	return end < 2 * NSTIME_S ? (struct time_axis){(double)NSTIME_MS, "virtual time (ms)"}
				  : (struct time_axis){(double)NSTIME_S, "virtual time (s)"};
}

static bool column_is_zero(const struct series *s, size_t column)
{
	for (size_t r = 0; r < s->rows; r++)
		if (s->values[r * s->columns + column])
			return false;
	return true;
}

/* A gauge holds at the end of its interval; a rate is that of its interval, from its start on. */
static struct plot_point *column_points(const struct series *s, size_t column, const struct series_figure *f,
					const struct time_axis *t, size_t *count)
{
	size_t join = f->gauge ? 1 : (s->rows + RATES_MAX - 1) / RATES_MAX;
	struct plot_point *p = points_get(s->rows + 1);
	nstime before = s->started;
	uint64_t sum = 0;

	*count = 0;
	for (size_t r = 0; r < s->rows; r++) {
		double seconds = (double)(s->times[r] - before) / (double)NSTIME_S;

		sum += s->values[r * s->columns + column];
		if ((r + 1) % join && r + 1 < s->rows)
			continue;
		p[(*count)++] = (struct plot_point){
			.x = (double)(f->gauge ? s->times[r] : before) / t->unit_ns,
			.y = (double)sum * f->scale / (f->gauge ? 1 : seconds),
		};
		before = s->times[r];
		sum = 0;
	}
	if (!f->gauge && *count) {
		p[*count] = (struct plot_point){.x = (double)before / t->unit_ns, .y = p[*count - 1].y};
		++*count;
	}
	return p;
}

static void fault_text(const struct scenario *s, const struct scenario_fault *f, char out[MARK_TEXT_MAX])
{
	const struct scenario_node *n = &s->nodes[f->node];
	const char *network = n->attachments_count ? s->networks[n->attachments[f->attachment].network].name : "";

	switch (f->kind) {
	case FAULT_LINK_DOWN:
		snprintf(out, MARK_TEXT_MAX, "%s.%s down", n->name, network);
		break;
	case FAULT_SET:
		snprintf(out, MARK_TEXT_MAX, "%s.%s changed", n->name, network);
		break;
	case FAULT_CRASH:
		snprintf(out, MARK_TEXT_MAX, "%s crashes", n->name);
		break;
	case FAULT_RESTART:
		snprintf(out, MARK_TEXT_MAX, "%s restarts", n->name);
		break;
	case FAULT_DRAIN:
		snprintf(out, MARK_TEXT_MAX, "%s drains", n->name);
		break;
	case FAULT_UNDRAIN:
		snprintf(out, MARK_TEXT_MAX, "%s serves again", n->name);
		break;
	case FAULT_REKEY:
		snprintf(out, MARK_TEXT_MAX, "key change");
		break;
	case FAULT_PARTITION:
		snprintf(out, MARK_TEXT_MAX, "partition");
		break;
	case FAULT_DROP:
	case FAULT_CORRUPT:
	case FAULT_DUPLICATE:
	case FAULT_DELAY:
		snprintf(out, MARK_TEXT_MAX, "a packet at %s.%s", n->name, network);
		break;
	}
}

/* The first faults within the run, as marks; `texts` holds their labels. */
static size_t marks_make(const struct scenario *s, const struct series *series, const struct time_axis *t,
			 struct plot_mark marks[MARKS_MAX], char texts[MARKS_MAX][MARK_TEXT_MAX])
{
	size_t count = 0;

	for (size_t i = 0; i < s->faults_count && count < MARKS_MAX; i++) {
		if (!series->rows || s->faults[i].at > series->times[series->rows - 1])
			break;
		fault_text(s, &s->faults[i], texts[count]);
		marks[count] = (struct plot_mark){(double)s->faults[i].at / t->unit_ns, texts[count]};
		count++;
	}
	return count;
}

/* The curves of a figure: those of its list, and of open connections those of single nodes. */
static size_t curves_make(const struct scenario *s, const struct series_figure *f, struct curve out[PLOT_SERIES_MAX])
{
	size_t count = 0;

	for (; count < f->curves_count; count++)
		out[count] = f->curves[count];
	for (size_t i = 0; f->curves[0].column == SERIES_CONNECTIONS && i < s->series.nodes_count; i++)
		if (count < PLOT_SERIES_MAX)
			out[count++] = (struct curve){series_node_column(i), s->nodes[s->series.nodes[i]].name};
	return count;
}

static void series_draw(struct markup *m, const struct scenario *s, const struct series *series,
			const struct series_figure *f)
{
	struct time_axis t = time_axis_of(series);
	struct curve curves[PLOT_SERIES_MAX];
	struct plot_series list[PLOT_SERIES_MAX] = {{0}};
	struct plot_point *points[PLOT_SERIES_MAX];
	struct plot_mark marks[MARKS_MAX];
	char texts[MARKS_MAX][MARK_TEXT_MAX];
	size_t count = curves_make(s, f, curves);
	struct plot p = {
		.id = f->id,
		.title = f->title,
		.x = {.title = t.title, .tight = true},
		.y = {.title = f->axis, .whole = f->gauge},
		.series = list,
		.series_count = count,
		.marks = marks,
		.marks_count = marks_make(s, series, &t, marks, texts),
	};

	for (size_t i = 0; i < count; i++) {
		points[i] = column_points(series, curves[i].column, f, &t, &list[i].count);
		list[i].name = curves[i].name;
		list[i].kind = f->gauge ? PLOT_LINE : PLOT_STEP;
		list[i].points = points[i];
	}
	plot_draw(m, &p);
	for (size_t i = 0; i < count; i++)
		free(points[i]);
}

/* What is on one link, in either direction. */
static void link_draw(struct markup *m, const struct scenario *s, const struct series *series, size_t link)
{
	const struct scenario_capture *at = &s->series.links[link];
	const struct scenario_node *n = &s->nodes[at->node];
	const size_t column = series_link_column(series, link);
	char id[PROOF_ANCHOR_MAX], title[MARK_TEXT_MAX + PROOF_ANCHOR_MAX];
	struct series_figure f = {.id = id,
				  .title = title,
				  .axis = "packets",
				  .gauge = true,
				  .scale = 1,
				  .curves = {{column, "in"}, {column + 1, "out"}},
				  .curves_count = 2};

	snprintf(id, sizeof id, "series-link-%zu", link);
	snprintf(title, sizeof title, "Packets on %s.%s, queued or delayed", n->name,
		 s->networks[n->attachments[at->attachment].network].name);
	series_draw(m, s, series, &f);
}

void figures_series(struct markup *m, const struct scenario *s, const struct record *r, figures_needed needed,
		    const void *context)
{
	for (size_t i = 0; i < sizeof series_figures / sizeof series_figures[0]; i++) {
		const struct series_figure *f = &series_figures[i];
		bool zero = true;

		for (size_t n = 0; n < f->curves_count; n++)
			zero &= column_is_zero(&r->series, f->curves[n].column);
		if (!zero || needed(context, f->id))
			series_draw(m, s, &r->series, f);
	}
	for (size_t i = 0; i < s->series.links_count; i++)
		link_draw(m, s, &r->series, i);
}

/* ---- histograms ---- */

static const struct {
	const char *name, *title, *axis, *counted;
} histogram_titles[] = {
	{"requests.latency_us", "How long requests took", "from start to the last byte", "requests"},
	{"requests.first_byte_us", "How long the first byte took", "from start to the first byte", "requests"},
	{"requests.stall_us", "How long replies stalled", "longest gap within a reply", "requests"},
	{"packets.queue_us", "How long packets took to get through a link's rate", "waiting and serialisation",
	 "packets"},
	{"handoffs.latency_us", "How long hand-offs took", "from migrate to committed", "hand-offs"},
};

/* Bars in `unit` microseconds; values below a microsecond are in one that begins at 0. */
static struct plot_point *bars_make(const struct histogram *h, double unit, size_t *count)
{
	struct plot_point *p = points_get(HISTOGRAM_BUCKETS / BARS_GROUP);

	*count = 0;
	for (unsigned b = 0; b < HISTOGRAM_BUCKETS; b += BARS_GROUP) {
		uint64_t n = 0;

		for (unsigned i = b; i < b + BARS_GROUP; i++)
			n += h->buckets[i];
		if (n)
			p[(*count)++] = (struct plot_point){
				.x = (double)histogram_bucket_low(b) / unit,
				.x_end = ((double)histogram_bucket_high(b + BARS_GROUP - 1) + 1) / unit,
				.y = (double)n,
			};
	}
	return p;
}

static void histogram_draw(struct markup *m, const struct record_histogram *h, const char *id)
{
	static const unsigned percents[] = {50, 90, 99};
	struct plot_mark marks[3];
	char texts[3][MARK_TEXT_MAX], note[MARK_TEXT_MAX], axis[MARK_TEXT_MAX], q[QUANTITY_MAX];
	struct plot_series bars = {.kind = PLOT_BARS};
	struct plot p = {.id = id,
			 .title = h->name,
			 .note = note,
			 .x = {.title = axis, .scale = PLOT_LOG},
			 .y = {.title = "values", .whole = true},
			 .series = &bars,
			 .series_count = 1,
			 .marks = marks};
	bool seconds = h->values->max >= SECONDS_FROM_US;
	double unit = seconds ? 1e6 : 1e3;
	struct plot_point *points = bars_make(h->values, unit, &bars.count);
	const char *measured = h->name;

	for (size_t i = 0; i < sizeof histogram_titles / sizeof histogram_titles[0]; i++)
		if (!strcmp(histogram_titles[i].name, h->name)) {
			p.title = histogram_titles[i].title;
			measured = histogram_titles[i].axis;
			p.y.title = histogram_titles[i].counted;
		}
	bars.points = points;
	snprintf(axis, sizeof axis, "%s (%s)", measured, seconds ? "s" : "ms");
	for (unsigned i = 0; i < 3; i++) {
		uint64_t v = histogram_percentile(h->values, percents[i]);

		if (!v)
			continue;
		snprintf(texts[p.marks_count], MARK_TEXT_MAX, "%u %%: %s", percents[i],
			 quantity_time(q, v * NSTIME_US));
		marks[p.marks_count] = (struct plot_mark){(double)v / unit, texts[p.marks_count]};
		p.marks_count++;
	}
	snprintf(note, sizeof note, "%llu in all, the longest %s", (unsigned long long)h->values->count,
		 quantity_time(q, h->values->max * NSTIME_US));
	plot_draw(m, &p);
	free(points);
}

void figures_histograms(struct markup *m, const struct record *r, figures_needed needed, const void *context)
{
	for (size_t i = 0; i < r->histograms_count; i++) {
		char id[PROOF_ANCHOR_MAX];

		proof_histogram_anchor(r->histograms[i].name, id);
		if (r->histograms[i].values->count || needed(context, id))
			histogram_draw(m, &r->histograms[i], id);
	}
}
