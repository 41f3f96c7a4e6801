/* SPDX-License-Identifier: BSD-3-Clause */
/* How the world is built from a scenario and counted at its end; shared by the files sim/world*.c alone. */
#ifndef BATON_SIM_WORLD_BUILD_H
#define BATON_SIM_WORLD_BUILD_H

#include "sim/world.h"

/* world_build.c: the cluster that all nodes share; the segments with their attachments; one node as at power-on. 0,
 * E_IO (errno is set), or another negative enum err with *why. */
int world_cluster_build(struct world *w, const char **why);
void world_cluster_fini(struct world *w);
/* The cluster's key changes to `key`, or to one drawn from the seed (NULL). Nodes are told by node_rekey. */
void world_cluster_rekey(struct world *w, const uint8_t *key);
/* Rules and health are made anew from the scenario. Nodes are told by node_reconfigure. */
void world_cluster_reload(struct world *w);
int world_segments_build(struct world *w, segment_deliver (*receiver)(const struct world *w, size_t node),
			 const char **why);
void world_segments_fini(struct world *w);
int world_node_build(struct world_node *wn, const char **why);

/* world.c: the cluster's key changes (as for world_cluster_rekey), and the devices get the new one, one after the other
 * in the order of the file, over so long; one that restarts has it at once. */
void world_rekey(struct world *w, const uint8_t *key, nstime over);

/* world_files.c: captures and saved blobs, under options.out. */
int world_captures_open(struct world *w);
void world_captures_close(struct world *w);
void world_blobs_save(struct world_node *wn);

/* world_record.c: makes what looks on, before anything is traced; starts it once nodes and segments are there; tells it
 * of an event. Precondition of the last: w->flows. */
void world_watch_init(struct world *w);
void world_watch_start(struct world *w);
void world_watch(struct world_node *wn, nstime now, enum trace_event event, const struct trace_field *fields,
		 size_t count);

/* world_collect.c: adds what a node's parts counted, before it is freed. */
void world_node_count(struct world_node *wn, struct metrics *m);

#endif
