/* SPDX-License-Identifier: BSD-3-Clause */
/* The world of one run: the scenario's nodes and networks, alive, joined to one engine.
 *
 * It builds nodes from plain scenario values, carries frames between nodes and segments, fires the fault time line and
 * the traffic, watches the invariants (sim/invariants.h), and collects the results. It writes no result file and prints
 * nothing: sim/run.c does the first, cli/ the second. Callers: sim/run.c, tests that need to look inside a run. */
#ifndef BATON_SIM_WORLD_H
#define BATON_SIM_WORLD_H

#include "node/node.h"
#include "sim/breakdown.h"
#include "sim/engine.h"
#include "sim/flows.h"
#include "sim/histogram.h"
#include "sim/invariants.h"
#include "sim/metrics.h"
#include "sim/record.h"
#include "sim/scenario.h"
#include "sim/segment.h"
#include "sim/series.h"
#include "sim/tracefile.h"
#include "sim/traffic.h"

#include <sys/queue.h>

struct world;
struct captures;
struct replay;

/* One node of the scenario; the node itself is NULL while it is crashed. */
struct world_node {
	struct world *world;
	const struct scenario_node *spec;
	uint16_t device; /* 1 + its index in the scenario */
	struct node *node;
	struct trace_sink sink;              /* what the node's parts emit: seen by the invariants, then written */
	struct trace_sink file;              /* where it is written */
	struct timer timer;                  /* node_expiry */
	struct attachment **attachments;     /* as in spec */
	unsigned given;                      /* in real time: frames since it worked last */
	STAILQ_ENTRY(world_node) waiting;    /* with frames given: to work on them */
	uint64_t boots;                      /* incarnations so far */
	uint64_t boot_base;                  /* from the seed; boot id = base + boots */
	uint64_t completed, failed;          /* requests of its clients */
	uint64_t received_bytes, sent_bytes; /* of those, bodies */
	uint64_t *before; /* BREAKDOWN_NODE_COUNT counters of incarnations that are gone; NULL: none is */
};

/* The end of a fault that lasts. */
struct world_fault_end {
	struct timer timer;
	struct world *world;
	size_t index; /* of the fault */
};

/* A device that is to get the new cluster key. */
struct world_rekey {
	struct timer timer;
	struct world_node *node;
};

/* What is different in a world that runs in real time, among others of its cluster. */
struct world_live {
	const bool *here; /* by node: whether it runs in this process; NULL: all do */
	uint64_t boot; /* a boot id of its nodes is this and how often they have started; it grows with every start of
			  the process */
	const uint8_t *key;  /* SEAL_KEY_LEN bytes: the cluster key if the scenario has none */
	struct relay *relay; /* who serves relays; NULL: nobody, and an application of our own answers instead */
	/* Told what each node's parts emit, as the trace is; NULL: nobody. */
	void (*observe)(void *context, size_t node, enum trace_event event, const struct trace_field *fields,
			size_t count);
	void *observe_context;
	void (*cut)(struct buf *frame, void (*emit)(void *context, struct buf *segment),
		    void *context); /* as struct
				       segment_config's */
};

struct world_options {
	uint64_t seed;
	const struct world_live *live; /* real time: borrowed; NULL: simulated */
	const char *out;               /* directory that exists, for captures and blobs; NULL: none are written */
	bool save_blobs;
	bool save_plain;         /* captures say what sealed frames carry */
	bool csv;                /* tables into `out` */
	bool record;             /* for world_record_take */
	uint64_t connection;     /* whose steps are recorded; 0: the first that is handed over */
	struct tracefile *trace; /* borrowed */
	struct replay *replay;   /* borrowed: the traffic, instead of the scenario's; NULL: it is that */
};

struct world {
	const struct scenario *scenario;
	struct world_options options;
	struct engine engine;
	struct segment *segments; /* one a network */
	struct addr tunnels[2];
	size_t tunnels_count;
	struct world_node *nodes;
	struct world_node
		*gathering; /* was given frames within the event that is firing, and may get more; NULL: none */
	STAILQ_HEAD(, world_node) waiting; /* in real time: nodes that were given frames */
	struct node_cluster cluster;
	struct trace_sink sink;    /* of the run itself */
	struct captures *captures; /* NULL: nothing is captured */
	struct traffic traffic;
	struct invariants invariants;
	struct timer fault_timer, end_timer;
	size_t fault_next;
	struct world_fault_end *fault_ends; /* one a fault; of those that last, it is set */
	struct world_rekey *rekeys;         /* one a node; devices use theirs */
	struct metrics totals;              /* of incarnations that are gone, and what is counted as it happens */
	struct histogram handoff_latency_us;
	struct histogram queue_us; /* of all rates of all links */
	struct breakdown_rules rules;
	struct flows *flows;        /* NULL: connections are not followed one by one */
	struct record *record;      /* NULL: nothing is recorded for a page */
	struct trace_sink run_file; /* with a record: where the run's own events are written */
	struct series series;       /* zero: nothing is sampled */
	bool done;                  /* traffic is done and every connection closed */
	bool write_failed;          /* a capture or blob could not be written: errno was */
	int write_errno;
};

/* Builds everything; nothing runs yet. 0; E_IO (a key file or capture could not be opened; errno is set), E_INVAL with
 * *why, a static text. */
int world_init(struct world *w, const struct scenario *s, const struct world_options *options, const char **why);

/* Ends everything, silently; closes captures. The end of a run is world_collect before this. */
void world_fini(struct world *w);

/* Runs until `until`, at most `events_max` events; returns how many there were, 0 when nothing is due by then or the
 * run is over (w->done). */
uint64_t world_run(struct world *w, nstime until, uint64_t events_max);

/* In real time a node works on the frames that it was given only when this is called, or when they are many: so what it
 * has to say about all of them fits into fewer frames. Returns whether there was a node to work. */
bool world_work(struct world *w);

/* Looks soon whether the run is over, and from then on again and again. For who has said until now that it is not. */
void world_end_look(struct world *w);

/* Starts each node anew of which the others know a later boot, beyond that boot: in real time, boot ids are the time of
 * the start, and the clock may have gone back since the start before. Such a node has had no session yet. */
void world_boots_correct(struct world *w);

/* Looks at the invariants that hold between events: I4, and for I2 that the owner's stack has its connection, of at
 * most so many connections, going on where the last call ended. */
void world_sweep(struct world *w, size_t connections_max);

/* What was captured so far is in the files. */
void world_captures_flush(struct world *w);

/* What was counted so far, as the results would have it: the run goes on. */
void world_tally(struct world *w, struct metrics *m);

/* Emits the closing trace events and fills the results, fingerprint excepted. */
void world_collect(struct world *w, struct metrics *m);

/* Writes the tables that were asked for: series.csv, and with options.csv the others. After world_collect. A failure is
 * kept in write_failed. */
void world_tables_write(struct world *w);

/* The record of the run, the caller's from here; NULL when none was asked for. After world_tables_write. */
struct record *world_record_take(struct world *w);

/* The histograms that a world has, by the names of their metrics; ends with a NULL name. */
struct world_histogram {
	const char *name; /* "requests.latency_us" */
	size_t offset;    /* in struct world */
};
extern const struct world_histogram world_histograms[];

static inline const struct histogram *world_histogram_of(const struct world *w, const struct world_histogram *h)
{
	return (const struct histogram *)(const void *)((const char *)w + h->offset);
}

/* Whether a node runs in this process. */
static inline bool world_node_here(const struct world *w, size_t node)
{
	const struct world_live *live = w->options.live;

	return !live || !live->here || live->here[node];
}

/* Joins a device of the machine (ROLE_OUTSIDE) to its network: frames for it go to `deliver` from now on, which takes
 * ownership; those that it received are given to segment_send on the attachment that this returns. */
struct attachment *world_outside_join(struct world *w, size_t node, segment_deliver deliver, void *context);

/* Pulls what a node has to send, arms its timer, takes its outcomes. After any call on wn->node from outside. */
void world_node_settle(struct world_node *wn);

#endif
