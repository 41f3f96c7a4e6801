/* SPDX-License-Identifier: BSD-3-Clause */
/* What a run writes while it goes, under its output directory: captures and the blobs that were sent. */
#include "base/err.h"
#include "base/log.h"
#include "sim/capture.h"
#include "sim/csv.h"
#include "sim/world_build.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PATH_BYTES_MAX  4096U
#define DESCRIPTION_MAX 256U

/* Keeps the first failure to write: the run goes on, its end says so. */
static void write_failed(struct world *w)
{
	if (w->write_failed)
		return;
	w->write_errno = errno;
	w->write_failed = true;
	if (w->options.live)
		log_warning("not all files can be written: %s; the run goes on", strerror(errno));
}

/* "forwarder on cluster; tunnel addresses: 10.0.0.2": a dissector knows by these what is encapsulated. */
static void describe(const struct world *w, const struct scenario_capture *at, char text[DESCRIPTION_MAX])
{
	const struct scenario_node *node = &w->scenario->nodes[at->node];
	int len = snprintf(text, DESCRIPTION_MAX, "%s on %s", node->name,
			   w->scenario->networks[node->attachments[at->attachment].network].name);

	for (size_t t = 0; t < w->tunnels_count; t++) {
		char address[ADDR_TEXT_MAX];

		len += snprintf(text + len, DESCRIPTION_MAX - (size_t)len, "%s%s",
				t ? " " : "; tunnel addresses: ", addr_text(&w->tunnels[t], address));
	}
}

static struct capture_file *capture_open(struct world *w, const char *name, int *err)
{
	const struct scenario *s = w->scenario;
	char path[PATH_BYTES_MAX], comment[PCAPNG_TEXT_MAX];

	if (snprintf(path, sizeof(path), "%s/%s.pcapng", w->options.out, name) >= (int)sizeof(path)) {
		errno = ENAMETOOLONG;
		*err = E_IO;
		return NULL;
	}
	snprintf(comment, sizeof(comment), "%.900s%sseed %llu", s->name ? s->name : "", s->name ? ", " : "",
		 (unsigned long long)w->options.seed);
	return captures_file_add(w->captures, path,
				 &(struct pcapng_section){.application = "baton " BATON_VERSION, .comment = comment},
				 err);
}

int world_captures_open(struct world *w)
{
	const struct scenario *s = w->scenario;
	struct capture_file *file = NULL;
	int err = 0;

	if (!w->options.out || !s->captures_count)
		return 0;
	w->captures = captures_new(s, w->tunnels, w->tunnels_count);
	if (w->options.save_plain)
		captures_open_frames(w->captures, &w->cluster);
	if (s->captures_merged && !(file = capture_open(w, "all", &err)))
		return err;
	for (size_t n = 0; n < s->captures_count; n++) {
		const struct scenario_capture_point *c = &s->captures[n];
		struct attachment *a = w->nodes[c->at.node].attachments[c->at.attachment];
		struct capture_point *point;
		char description[DESCRIPTION_MAX];

		if (!s->captures_merged && !(file = capture_open(w, a->name, &err)))
			return err;
		describe(w, &c->at, description);
		point = captures_point_add(w->captures, file,
					   &(const struct capture_point_config){
						   .name = a->name,
						   .description = description,
						   .node = c->at.node,
						   .snap = c->snap,
						   .match = c->match,
					   },
					   &err);
		if (!point)
			return err;
		segment_capture(a, point);
	}
	return 0;
}

void world_captures_flush(struct world *w)
{
	if (w->captures)
		captures_flush(w->captures);
}

void world_captures_close(struct world *w)
{
	if (captures_free(w->captures) < 0)
		write_failed(w);
	w->captures = NULL;
}

static void histogram_rows(struct csv *c, const char *name, const struct histogram *h)
{
	for (unsigned b = 0; b < HISTOGRAM_BUCKETS; b++) {
		if (!h->buckets[b])
			continue;
		csv_text(c, name);
		csv_number(c, histogram_bucket_low(b));
		csv_number(c, histogram_bucket_high(b));
		csv_number(c, h->buckets[b]);
		csv_end(c);
	}
}

void world_tables_write(struct world *w)
{
	const struct world_histogram *h = world_histograms;
	struct csv c;
	if (w->series.world && series_close(&w->series) < 0)
		write_failed(w);
	if (!w->options.csv)
		return;
	if (flows_close(w->flows) < 0 || breakdown_write(w, w->options.out) < 0 ||
	    traffic_write(&w->traffic, w->options.out) < 0)
		write_failed(w);
	csv_open(&c, w->options.out, "histograms.csv");
	csv_texts(&c, (const char *const[]){"histogram", "from", "to", "count"}, 4);
	csv_end(&c);
	for (; h->name; h++)
		histogram_rows(&c, h->name, world_histogram_of(w, h));
	for (size_t n = 0; n < w->traffic.count; n++) {
		const struct traffic_entry *e = &w->traffic.entries[n];
		char name[96];
		if (!e->latency_us)
			continue;
		snprintf(name, sizeof(name), "traffic.%s.latency_us", e->spec->name);
		histogram_rows(&c, name, e->latency_us);
	}
	if (csv_close(&c) < 0)
		write_failed(w);
}

void world_blobs_save(struct world_node *wn)
{
	struct world *w = wn->world;
	uint32_t flow;
	struct vec blob;
	while (node_blob_next(wn->node, &flow, &blob)) {
		char path[PATH_BYTES_MAX];
		if (w->options.out) {
			snprintf(path, sizeof(path), "%s/blobs", w->options.out);
			if (mkdir(path, 0777) < 0 && errno != EEXIST)
				write_failed(w);
			snprintf(path, sizeof(path), "%s/blobs/%u.blob", w->options.out, flow);
			FILE *f = fopen(path, "wb");
			if (!f || fwrite(blob.data, 1, blob.len, f) != blob.len)
				write_failed(w);
			if (f && fclose(f) < 0)
				write_failed(w);
		}
		vec_fini(&blob);
	}
}
