/* SPDX-License-Identifier: BSD-3-Clause */
/* What a run writes while it goes, under its output directory: captures and the blobs that were sent. */
#include "base/err.h"
#include "base/log.h"
#include "pcap/pcapng.h"
#include "sim/csv.h"
#include "sim/world_build.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define PATH_BYTES_MAX 4096U

/* Keeps the first failure to write: the run goes on, its end says so. */
static void write_failed(struct world *w)
{
	if (!w->write_failed)
		w->write_errno = errno;
	w->write_failed = true;
}

int world_captures_open(struct world *w)
{
	const struct scenario *s = w->scenario;
	if (!w->options.out)
		return 0;
	w->captures = calloc(s->captures_count + 1, sizeof(struct pcapng *));
	if (!w->captures)
		log_fatal("out of memory for %zu captures", s->captures_count);
	for (size_t n = 0; n < s->captures_count; n++) {
		struct attachment *a = w->nodes[s->captures[n].node].attachments[s->captures[n].attachment];
		char path[PATH_BYTES_MAX], comment[256];
		int r;
		if (snprintf(path, sizeof(path), "%s/%s.pcapng", w->options.out, a->name) >= (int)sizeof(path)) {
			errno = ENAMETOOLONG;
			return E_IO;
		}
		snprintf(comment, sizeof(comment), "%s, seed %llu", s->name ? s->name : "",
			 (unsigned long long)w->options.seed);
		w->captures[n] = pcapng_open(
			path, &(struct pcapng_section){.application = "baton " BATON_VERSION, .comment = comment}, &r);
		if (!w->captures[n])
			return r;
		r = pcapng_interface_add(w->captures[n], a->name, NULL, PCAPNG_SNAPLEN_ALL);
		if (r < 0)
			return r;
		a->tap = (struct tap){.writer = w->captures[n], .interface = r};
	}
	return 0;
}

void world_captures_close(struct world *w)
{
	for (size_t n = 0; w->captures && n < w->scenario->captures_count; n++)
		if (pcapng_close(w->captures[n]) < 0)
			write_failed(w);
	free(w->captures);
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
