/* SPDX-License-Identifier: BSD-3-Clause */
/* What a run writes while it goes, under its output directory: captures and the blobs that were sent. */
#include "base/err.h"
#include "base/log.h"
#include "pcap/pcapng.h"
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
