/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the replayer share. Not for others. */
#ifndef BATON_SIM_REPLAY_INTERNAL_H
#define BATON_SIM_REPLAY_INTERNAL_H

#include "base/hash.h"
#include "base/ring.h"
#include "lb/packet.h"
#include "pcap/dissect.h"
#include "pcap/reader.h"
#include "sim/replay.h"
#include "sim/replay_segment.h"
#include "sim/replay_stream.h"
#include "sim/world.h"

#include <sys/queue.h>

#define REPLAY_MTU            1500U
#define REPLAY_CONN_HELD_MAX  (1024U * 1024)  /* bytes of a connection that wait, before reading waits */
#define REPLAY_CONN_QUEUE_MAX 512U            /* segments, likewise */
#define REPLAY_HELD_MAX       (1024U * 1024)  /* bytes under way of all of them */
#define REPLAY_HELD_PATIENCE  NSTIME_S        /* then a packet is read all the same: others may wait for it */
#define REPLAY_STALL          (45 * NSTIME_S) /* a connection that waits so long is given up; a classifier waits 30 s */
#define REPLAY_LINGER         (30 * NSTIME_S) /* of the capture: how long packets may follow a connection's end */

/* Why a connection whose server speaks first goes nowhere where somebody has to read a request. */
#define REPLAY_FIRST_BY_SERVER                                                                                         \
	"the server speaks first, and the classifier waits for the client: the service needs `protocol: none`"

/* A client node that captured clients run at. */
struct replay_host {
	struct replay *replay;
	struct world_node *node;
	segment_deliver deliver; /* the node's own */
	uint32_t *isn_next;      /* by port: above the numbers used with it; 0: it was not used */
	uint64_t *used;          /* a bit a port */
	uint32_t port_next, ports_used;
};

/* Why a connection cannot be replayed. */
enum replay_lack {
	REPLAY_LACK_NOTHING,
	REPLAY_LACK_HANDSHAKE,
	REPLAY_LACK_SYN,
	REPLAY_LACK_CLIENT,
	REPLAY_LACK_SERVER,
	REPLAY_LACK_BYTES, /* snapped */
	REPLAY_LACK_MUCH,  /* a gap that is too large to fill */
	REPLAY_LACK_REFUSED,
	REPLAY_LACK_SILENT,
	REPLAY_LACK_PORT, /* no port was left for it */
};

/* What the next segment waits for. */
enum replay_wait { REPLAY_WAIT_NOTHING, REPLAY_WAIT_SERVER, REPLAY_WAIT_WINDOW, REPLAY_WAIT_READ };

/* One side as captured, beside its stream. */
struct replay_side {
	bool scales; /* its SYN offers a window scale */
	uint8_t scale;
	bool reset;
	uint64_t packets;
};

struct replay_conn {
	LIST_ENTRY(replay_conn) by_captured, by_live;
	TAILQ_ENTRY(replay_conn) order; /* of `open` or `closing`, by the last packet */
	TAILQ_ENTRY(replay_conn) dirty;
	bool is_captured, is_live, is_closing, is_dirty; /* in that table or list */
	struct replay *replay;

	/* ---- as captured ---- */
	struct tuple captured;    /* the client is remote */
	uint64_t number, vantage; /* vantage: hash of the interface's name */
	nstime at;                /* of the last packet, in the capture's time */
	enum replay_lack lack;
	struct replay_stream client, server;
	struct replay_side sides[2]; /* client, server */
	bool selected;               /* by the filter */
	bool over;                   /* the capture has no more of it */
	bool synack;                 /* the server's SYN was seen */
	bool ignored_reset;
	bool first_by_server; /* its bytes came before any of the client's */
	unsigned behind;      /* packets since an acknowledgement told of bytes that are not there */

	/* ---- live ---- */
	struct replay_host *host; /* NULL: not started */
	size_t service;
	struct tuple live;
	struct script script;      /* of the server */
	struct world_node *player; /* that plays it; NULL: none yet */
	uint64_t arrived;          /* of the server's bytes, as captured */
	struct timer timer;
	nstime progress_at;   /* when something last went on */
	bool dead;            /* given up, or reset */
	bool script_finished; /* the script has the end of the server's stream */
	char why[REPLAY_WHY_MAX];
	uint64_t counted; /* of its bytes in the replay's sum */
	uint64_t segments, acks_added, retransmissions_added;

	/* as segments: this client's own TCP */
	struct buf_queue queue; /* not sent yet */
	struct buf *syn;        /* as captured, until it is acknowledged */
	struct buf *early;      /* came too early: in order of their places */
	unsigned early_count;
	enum replay_wait wait;
	uint32_t isn, irs;
	bool irs_known, timestamps, sack, scaling;
	uint8_t server_shift; /* of the live server's windows */
	uint32_t timestamp;   /* the live server's last */
	int64_t una;          /* the client's first byte that is not acknowledged; -1: the SYN */
	int64_t sent;         /* behind the last byte sent; a FIN counts as one */
	int64_t edge;         /* of the live server's window */
	int64_t fin_at;       /* of our FIN; -1: not sent */
	uint64_t rcv;         /* bytes of the server that are here; its FIN counts as one */
	uint64_t acked;       /* of them, acknowledged */
	uint64_t told_edge;   /* of our window */
	nstime ack_at, resend_at;
	nstime resend_after;
	unsigned resends;
	bool fin_here, reset_here, reset_sent;

	/* as a stream: a script of the client on a socket of the host's stack */
	struct replay_socket *socket;

	/* ---- what the cluster did ---- */
	size_t rule;    /* place in world.rules; SIZE_MAX: none chose */
	size_t backend; /* node; SIZE_MAX: none */
	uint64_t handoffs, answer;
	bool answered, alert;
	char answer_why[64];
	nstime started, handed_over, handoff_ns;
};

LIST_HEAD(replay_conn_list, replay_conn);
TAILQ_HEAD(replay_conn_queue, replay_conn);

struct replay_table {
	struct replay_conn_list *lists;
	size_t lists_count, count; /* lists_count is a power of two */
};

struct replay {
	struct replay_options options;
	struct world *world;
	struct capture *capture;
	struct replay_totals totals;
	char damage[REPLAY_WHY_MAX];
	struct hash_key key;
	struct replay_table captured, live;
	struct replay_conn_queue open, closing, dirty;
	size_t closing_count;
	struct replay_host *hosts;
	size_t hosts_count;
	uint64_t held; /* bytes under way of all connections */

	/* the reader */
	struct timer reader, tend;
	bool has_packet, reading; /* packet and dissection are of the next one; something is left */
	struct capture_packet packet;
	struct dissection dissection;
	struct replay_conn *blocker; /* whose packets must go first; NULL: nobody's */
	bool blocked;                /* by all together */
	int64_t last_ns;             /* time of the last packet */
	bool last_known;
	nstime capture_time; /* since the first packet, pauses cut */
	nstime base;         /* virtual time of this loop's first packet */
	uint64_t loop, numbers;
	nstime over_at; /* NSTIME_NEVER: it is not */
};

/* ---- replay_table.c ---- */
void replay_table_init(struct replay_table *t);
void replay_table_fini(struct replay_table *t);
struct replay_conn *replay_captured_find(const struct replay *r, const struct tuple *t, unsigned *side);
struct replay_conn *replay_live_find(const struct replay *r, const struct tuple *t);
void replay_captured_add(struct replay_conn *c);
void replay_captured_remove(struct replay_conn *c); /* no effect when it is not there */
void replay_live_add(struct replay_conn *c);
void replay_live_remove(struct replay_conn *c);

/* ---- replay_host.c ---- */
int replay_hosts_init(struct replay *r, const char **why);
void replay_hosts_fini(struct replay *r);
/* Gives the connection a service, a host, and an endpoint there with numbers to begin from. False when none is left. */
bool replay_host_take(struct replay_conn *c);
void replay_host_give_back(struct replay_conn *c);
/* Puts an IP packet on the host's network, to be followed by replay_host_settle. Takes ownership. */
void replay_host_send(struct replay_conn *c, struct buf *packet);
void replay_host_settle(struct replay_conn *c);

/* ---- replay_conn.c ---- */
/* The connection that a captured packet begins. */
struct replay_conn *replay_conn_new(struct replay *r, const struct dissection *d, const struct capture_packet *p);
void replay_conn_free(struct replay_conn *c);
/* Its next packet; side 0 is the client. */
void replay_conn_packet(struct replay_conn *c, unsigned side, const struct dissection *d,
			const struct capture_packet *p);
/* The capture has no more of it. It may be gone then. */
void replay_conn_over(struct replay_conn *c);
/* Sees whether it is at its end, reports and frees it then. True: it is gone. */
bool replay_conn_settle(struct replay_conn *c);
/* It will not come out whole, and why; its client gives it up. */
void replay_conn_fail(struct replay_conn *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Zeroes for what the capture lacks, where nothing else is to come in its place. False: it lacks nothing. */
bool replay_conn_fill(struct replay_conn *c);
/* The same where nothing comes behind it either: an end that was acknowledged only is made up for too. */
bool replay_conn_fill_end(struct replay_conn *c);
/* Whether so much of it waits that no more is read. */
bool replay_conn_is_full(const struct replay_conn *c);
void replay_conn_count(struct replay_conn *c);
void replay_conn_wake_server(struct replay_conn *c);
/* Server's bytes reached the client; those that are not as captured end it. False then. */
bool replay_conn_arrived(struct replay_conn *c, const uint8_t *bytes, size_t len);

/* ---- replay_client.c: the client as segments ---- */
void replay_client_put(struct replay_conn *c, const struct dissection *d, const struct capture_packet *p,
		       const struct replay_segment *as);
/* Zeroes at a place, which the capture lacks. */
void replay_client_put_zeroes(struct replay_conn *c, int64_t at, size_t len);
/* Likewise its FIN. */
void replay_client_put_fin(struct replay_conn *c);
void replay_client_run(struct replay_conn *c);
void replay_client_input(struct replay_conn *c, const struct packet *p, struct buf *b);
void replay_client_timer_set(struct replay_conn *c);
void replay_client_reset(struct replay_conn *c); /* sends an RST that the live server takes */
bool replay_client_complete(const struct replay_conn *c);
void replay_client_fini(struct replay_conn *c);
void replay_client_fire(struct timer *t, nstime now);

/* ---- replay_socket.c: the client as a stream ---- */
bool replay_socket_open(struct replay_conn *c); /* false: no port is left, or the node is down */
void replay_socket_say(struct replay_conn *c, uint64_t after, const uint8_t *bytes, size_t len);
void replay_socket_expect(struct replay_conn *c, const uint8_t *bytes, size_t len);
void replay_socket_finish(struct replay_conn *c, uint64_t after);
void replay_socket_reset(struct replay_conn *c, uint64_t after);
void replay_socket_run(struct replay_conn *c);
enum script_fault replay_socket_fault(const struct replay_conn *c);
bool replay_socket_complete(const struct replay_conn *c);
size_t replay_socket_held(const struct replay_conn *c);
void replay_socket_end(struct replay_conn *c);
void replay_socket_fini(struct replay_conn *c);

/* ---- replay_report.c ---- */
void replay_report(struct replay_conn *c);

/* ---- replay.c ---- */
/* Something of the connection's went on: looks at it again soon. */
void replay_mark(struct replay_conn *c);
/* There may be room again. */
void replay_resume(struct replay *r);
static inline nstime replay_now(const struct replay *r)
{
	return r->world->engine.now;
}

#endif
