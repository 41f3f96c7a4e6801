/* SPDX-License-Identifier: BSD-3-Clause */
/* The neutral state of one TCP connection, and the table of calls through which the balancer drives a stack.
 *
 * What compile gathers and infuse puts back: three layers (socket, TCP, IP), the segment queues and the data. Nothing
 * here belongs to one stack: times are ages in microseconds, sequence numbers are plain, segments are by value, so that
 * an lwIP instance and another stack can read the same state (claims C1.5, C5, C6). It knows no wire format (that is
 * lb/blob.h) and no lwIP (that is stack/compile.h, stack/infuse.h). */
#ifndef BATON_BASE_CONN_H
#define BATON_BASE_CONN_H

#include "base/addr.h"
#include "base/nstime.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* RFC 793 states in which a connection can move: from ESTABLISHED on, and not TIME_WAIT. */
enum conn_tcp_state {
	CONN_ESTABLISHED = 4,
	CONN_FIN_WAIT_1 = 5,
	CONN_FIN_WAIT_2 = 6,
	CONN_CLOSE_WAIT = 7,
	CONN_CLOSING = 8,
	CONN_LAST_ACK = 9,
};

/* Bits of conn_socket.flags. */
#define CONN_SOCKET_EOF        0x01U /* the peer's FIN was received; the application has not read so far yet */
#define CONN_SOCKET_SHUT_READ  0x02U /* the application shut down its reading side */
#define CONN_SOCKET_SHUT_WRITE 0x04U /* the application shut down its writing side */
#define CONN_SOCKET_KNOWN      0x07U

/* The socket layer: what the application has not seen yet. */
struct conn_socket {
	uint8_t flags;
	uint32_t unread; /* bytes received in order and not read; they come first in conn_state.data */
};

/* Bits of conn_tcp.flags. */
#define CONN_TCP_FAST_RECOVERY 0x0001U /* in fast recovery (RFC 6582) */
#define CONN_TCP_RTO_RECOVERY  0x0002U /* the retransmission timer fired; data up to rto_end is being sent again */
#define CONN_TCP_NODELAY       0x0004U /* Nagle off */
#define CONN_TCP_WINDOW_SCALE  0x0008U /* RFC 7323 window scaling was negotiated */
#define CONN_TCP_CLOSE_PENDING 0x0010U /* close was asked for; the FIN did not fit into the queue yet */
#define CONN_TCP_KEEPALIVE     0x0020U /* keepalive probes are on */
#define CONN_TCP_FIN_QUEUED    0x0040U /* our FIN is queued or sent */
#define CONN_TCP_RTT_TIMING    0x0080U /* a segment is being timed: rtt_age_us and rtt_seq hold */
#define CONN_TCP_KNOWN         0x00ffU

/* The TCP layer. Sequence numbers and windows as in RFC 793 and RFC 5681; windows in bytes, unscaled. */
struct conn_tcp {
	uint16_t local_port, remote_port; /* host order (C5.1) */
	uint8_t state;                    /* enum conn_tcp_state */
	uint16_t flags;

	uint32_t rcv_nxt;             /* next sequence number expected */
	uint32_t rcv_wnd;             /* receive window available */
	uint32_t rcv_ann_wnd;         /* receive window to announce */
	uint32_t rcv_ann_right_edge;  /* right edge announced last */
	uint8_t rcv_scale, snd_scale; /* RFC 7323 shifts, at most 14 */

	uint16_t mss;     /* of segments to send, bytes */
	uint32_t snd_una; /* oldest unacknowledged */
	uint32_t snd_nxt; /* next new one to send */
	uint32_t snd_lbb; /* of the next byte to be buffered; counts a FIN that is queued */
	uint32_t snd_wl1, snd_wl2;
	uint32_t snd_wnd;     /* the peer's window */
	uint32_t snd_wnd_max; /* the largest the peer ever announced */
	uint32_t cwnd, ssthresh;
	uint32_t bytes_acked; /* towards the next growth of cwnd (RFC 3465) */
	uint8_t dupacks;
	uint32_t rto_end;      /* first sequence number behind those of the last RTO */
	uint16_t unsent_spare; /* room the last unsent segment has for more data: so that boundaries stay the same */

	int32_t srtt_us; /* smoothed round-trip time; -1 when not measured yet */
	int32_t rttvar_us;
	uint32_t rto_us;
	int64_t rtx_age_us;  /* since the retransmission timer was started; -1 when it is stopped */
	uint32_t rtt_age_us; /* since the timed segment was sent */
	uint32_t rtt_seq;    /* sequence number being timed */
	uint8_t rtx_count;   /* retransmissions of the oldest segment so far */
	uint64_t idle_us;    /* since the last activity (keepalive, FIN_WAIT_2 and out-of-order ageing count from it) */

	uint8_t persist_backoff; /* 0 when the persist timer is off */
	uint32_t persist_age_us;
	uint8_t persist_probes;
	uint32_t keep_idle_ms, keep_interval_ms, keep_count;
	uint8_t keep_probes; /* keepalive probes sent and unanswered */
};

/* The IP layer (C5.1: addresses). */
struct conn_ip {
	struct addr local, remote; /* of one family */
	uint8_t ttl, tos;
};

#define CONN_SEGMENT_FIN   0x01U
#define CONN_SEGMENT_PSH   0x08U
#define CONN_SEGMENT_KNOWN 0x09U

/* One queued segment. */
struct conn_segment {
	uint32_t seq;    /* sequence number of its first byte (or of the FIN, when it has no data) */
	uint32_t offset; /* of its first byte in conn_state.data */
	uint16_t len;    /* bytes of data; a FIN occupies one more sequence number */
	uint8_t flags;   /* CONN_SEGMENT_* */
};

#define CONN_APP_MAX      1024U      /* bytes of an application's state */
#define CONN_SEGMENTS_MAX 1024U      /* per connection, over all three queues */
#define CONN_DATA_MAX     (1U << 20) /* bytes of unread and queued data per connection */

/* A whole connection. The caller owns it; zero-initialised is empty. `segments` holds first `unacked_count` sent and
 * unacknowledged ones, then `unsent_count` never sent (or to be sent again), then `ooseq_count` received out of order;
 * each group in sequence order. `data` holds the unread bytes, then the segments' bytes in the same order. */
struct conn_state {
	struct conn_socket socket;
	struct conn_tcp tcp;
	struct conn_ip ip;
	struct conn_segment *segments;
	size_t unacked_count, unsent_count, ooseq_count, segments_capacity;
	struct vec data;
	/* The state of the application that had the connection: how the one that gets it goes on. Opaque to all below;
	 * empty: as on a connection that was just accepted. */
	struct vec app;
};

static inline size_t conn_segment_count(const struct conn_state *s)
{
	return s->unacked_count + s->unsent_count + s->ooseq_count;
}

/* Empties it for another connection, keeping its memory. */
void conn_state_clear(struct conn_state *s);
void conn_state_fini(struct conn_state *s);

/* Appends a segment with room for len bytes of data at the end of `data`; the caller raises the right count. Returns
 * where the bytes go, or NULL when a bound (CONN_SEGMENTS_MAX, CONN_DATA_MAX) is reached. */
uint8_t *conn_state_segment_add(struct conn_state *s, uint32_t seq, uint16_t len, uint8_t flags);

/* Bounds of what conn_state_validate accepts; a stack may hold less and refuse the rest itself (E_FULL). */
#define CONN_SCALE_MAX          14U        /* RFC 7323, section 2.3 */
#define CONN_MSS_MIN            28U        /* RFC 791: every network carries 68 bytes, of which 40 are headers */
#define CONN_MSS_MAX            65495U     /* the longest IPv4 packet less 40 bytes of headers */
#define CONN_SPAN_MAX           (1U << 30) /* RFC 7323: the largest window; numbers further apart are unrelated */
#define CONN_RTT_US_MAX         600000000  /* srtt_us, rttvar_us */
#define CONN_RTX_AGE_US_MAX     UINT32_MAX /* rtx_age_us */
#define CONN_IDLE_US_MAX        (UINT64_C(1) << 48) /* idle_us: nine years */
#define CONN_RTX_COUNT_MAX      16U                 /* rtx_count, persist_probes: a stack gives up earlier */
#define CONN_PERSIST_MAX        7U                  /* persist_backoff */
#define CONN_PERSIST_AGE_US_MAX 120000000U          /* persist_age_us while the persist timer runs */

/* Whether the state makes sense: states, flags, order of sequence numbers, windows, scales, MSS bounds, queues within
 * their windows, offsets within the data, timers. A stack's asserts must not be reachable from a state that passes,
 * whatever packets follow that the stack lets through to any connection. In particular:
 * - unacked and unsent segments, merged by sequence, leave no gap from snd_una to snd_lbb; either queue may hold the
 *   earlier ones (after a time-out all are unsent, below snd_nxt); the first may be acknowledged in part;
 * - none of them is longer than mss or half of snd_wnd_max, the limits to which a stack cuts segments, and unsent_spare
 *   fits into what that leaves of the last unsent one;
 * - a FIN is on the last segment and nowhere else; snd_lbb counts it;
 * - cwnd is at least mss, and so is ssthresh in fast recovery;
 * - a running persist timer has nothing in flight and a first segment that does not fit into the window;
 * - the retransmission timer runs when something is unacknowledged;
 * - the application's state is no longer than CONN_APP_MAX;
 * - segments out of order lie, FIN included, beyond rcv_nxt and inside the receive window.
 * 0, or E_INVAL with *why pointing at a static text that names the field. */
int conn_state_validate(const struct conn_state *s, const char **why);

/* The tuple of the connection. */
struct tuple conn_state_tuple(const struct conn_state *s);

/* A connection in some stack, as the balancer names it; only the stack looks inside. */
struct endpoint_conn;

/* The calls through which the balancer drives a stack; `ep` is the stack. A second kind of stack is a second table. */
struct endpoint_ops {
	/* C2.2: the call into the topmost layer. Flushes a pending acknowledgement, freezes the connection (no
	 * acknowledgement, no data, no timer from here on; its packets are no longer demultiplexed to it) and compiles
	 * its state from the highest level down into `out`. `device` is the determined second device. On error nothing
	 * has changed: E_STATE (not movable now), E_FULL (more data or segments than the bounds). */
	int (*migrate)(void *ep, struct endpoint_conn *conn, uint16_t device, struct conn_state *out, nstime now);
	/* Undoes migrate: the connection goes on in this stack. */
	void (*thaw)(void *ep, struct endpoint_conn *conn, nstime now);
	/* Frees a frozen connection without a packet: another stack owns it. */
	void (*release)(void *ep, struct endpoint_conn *conn);
	/* Builds the connection from the highest level down, held: silent, without timers, not demultiplexed to. The
	 * state was validated. E_EXISTS (the tuple is in use), E_REFUSED (nothing listens), E_FULL (a limit). */
	int (*infuse)(void *ep, const struct conn_state *state, struct endpoint_conn **conn, nstime now);
	/* Makes a held connection active and indicates its data to the listening application, as if it had been
	 * terminated locally. */
	void (*activate)(void *ep, struct endpoint_conn *conn, nstime now);
	/* Frees a held connection without a packet. */
	void (*discard)(void *ep, struct endpoint_conn *conn);
};

#endif
