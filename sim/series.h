/* SPDX-License-Identifier: BSD-3-Clause */
/* Time series: what a run counts, sampled in virtual time.
 *
 * A row stands for the interval that ends at its time. Counters are what was added in it, so that a column adds up to
 * the run's total; gauges are what holds at its end. The last row ends with the run and may be shorter.
 *
 * series.csv gets every row as it comes. In memory, for pictures, at most SERIES_ROWS_MAX are kept: when they are full,
 * neighbours are joined and intervals are twice as long from then on. Caller: sim/world, only when asked for. */
#ifndef BATON_SIM_SERIES_H
#define BATON_SIM_SERIES_H

#include "base/heap.h"
#include "base/nstime.h"
#include "sim/csv.h"
#include "sim/scenario.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERIES_ROWS_MAX 512U /* an even number */

struct world;

/* The columns of the whole run: constant, name in series.csv, whether it is a gauge. */
#define SERIES_LIST(X)                                                                                                 \
	X(REQUESTS_STARTED, "requests_started", false)                                                                 \
	X(REQUESTS_COMPLETED, "requests_completed", false)                                                             \
	X(REQUESTS_FAILED, "requests_failed", false)                                                                   \
	X(CLIENT_RECEIVED, "clients_received_bytes", false) /* frames, by clients' links */                            \
	X(CLIENT_SENT, "clients_sent_bytes", false)                                                                    \
	X(HANDOFFS_STARTED, "handoffs_started", false)                                                                 \
	X(HANDOFFS_COMPLETED, "handoffs_completed", false)                                                             \
	X(COURIER_FRAMES, "courier_frames", false)                                                                     \
	X(COURIER_RETRANSMITTED, "courier_retransmitted", false)                                                       \
	X(DRIVER_BUFFERED, "driver_buffered", false)                                                                   \
	X(PACKETS_SENT, "packets_sent", false)                                                                         \
	X(PACKETS_DROPPED, "packets_dropped", false)                                                                   \
	X(RETRANSMISSIONS, "retransmissions", false) /* of every node's TCP */                                         \
	X(IN_FLIGHT, "packets_in_flight", true)      /* on all links, in queues or delayed */                          \
	X(CONNECTIONS, "connections_open", true)     /* of clients */

enum series_column {
#define SERIES_ENUM(id, name, gauge) SERIES_##id,
	SERIES_LIST(SERIES_ENUM)
#undef SERIES_ENUM
		SERIES_COLUMN_COUNT
};

struct series {
	struct world *world;
	struct timer timer;
	nstime interval; /* of the rows to come */
	nstime last_at;  /* where the last row ended */
	const struct scenario_series *spec;
	size_t columns;    /* those above, connections_open_NODE of spec's nodes, then packets_on_LINK_in and _out */
	uint64_t *before;  /* counters at last_at */
	uint64_t *present; /* of the row being made */
	bool to_file;
	struct csv csv;
	nstime *times; /* rows in memory: where each ends; NULL: none are kept */
	uint64_t *values;
	size_t rows;
	unsigned join, joined; /* so many samples make a row in memory; those of the last one so far, 0: all */
	nstime started;        /* where the first row begins */
};

struct series_config {
	nstime interval;
	const struct scenario_series *spec; /* nodes and links; borrowed */
	const char *directory;              /* for series.csv; NULL: no file */
	bool keep;                          /* rows in memory */
};

/* Samples from now on. */
void series_init(struct series *s, struct world *w, const struct series_config *config);

/* The run is over: the last row; closes the file. 0, or E_IO with errno set. */
int series_close(struct series *s);

void series_fini(struct series *s);

/* Whether a column, counted from 0, is a gauge. */
bool series_is_gauge(size_t column);

/* The column of one of spec's nodes, or the first of two of one of its links: in, out. */
static inline size_t series_node_column(size_t node)
{
	return SERIES_COLUMN_COUNT + node;
}
static inline size_t series_link_column(const struct series *s, size_t link)
{
	return SERIES_COLUMN_COUNT + s->spec->nodes_count + 2 * link;
}

#endif
