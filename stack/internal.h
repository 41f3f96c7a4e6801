/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of stack/ share: the instance, its interfaces, its sockets, and how a socket and a pcb hold each
 * other. Nobody outside stack/ includes it; it is the only header here that shows lwIP.
 *
 * Rules. Every function that touches an lwIP variable or calls lwIP has called stack_enter (or stack_enter_untimed)
 * first: it makes the instance's image the current one and sets the clock that lwIP reads. A public call that may have
 * made lwIP send ends with stack_leave. Every pcb that is not in TIME_WAIT has callback_arg pointing at a struct sock
 * whose `pcb` points back, from its SYN on; when lwIP frees a pcb, the tcp_free hook (stack/hooks.h) clears that.
 *
 * Between calls of lwIP its lists of active and TIME_WAIT pcbs are empty (stack/demux.h). What may put a pcb on one is
 * followed by taking it off: tcp_input (hooks.c), tcp_connect (socket.c), tcp_slowtmr and tcp_fasttmr (timers.c). */
#ifndef BATON_STACK_INTERNAL_H
#define BATON_STACK_INTERNAL_H

#include "base/hash.h"
#include "base/random.h"
#include "stack/demux.h"
#include "stack/image.h"
#include "stack/large.h"
#include "stack/neighbour.h"
#include "stack/route.h"
#include "stack/socket.h"
#include "stack/stack.h"

#include <sys/queue.h>

#include <lwip/netif.h>
#include <lwip/pbuf.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/tcp.h>

#define STACK_NAME_MAX     64U
#define STACK_OUTPUT_MAX   65536U /* frames waiting to be pulled */
#define STACK_LOOPBACK_MAX 256U   /* packets to ourselves within one call */
#define STACK_OOSEQ_MAX    256U   /* out-of-order segments of one connection (a window holds 45 full ones) */
#define STACK_CLOSED_MAX   65536U /* ended connections that nobody asked about yet; then the oldest are forgotten */
#define STACK_TICK_SLOW    (500 * NSTIME_MS)
#define STACK_TICK_FAST    (250 * NSTIME_MS)

/* One Ethernet interface. */
struct stack_netif {
	struct netif lwip; /* state points back at struct stack; num is not ours: the place is found by `index` */
	unsigned index;
	struct mac mac;
	struct addr addresses[2]; /* IPv4's and IPv6's; family 0: none */
	uint8_t prefix_lens[2];
	struct addr *proxies; /* proxied addresses: VIPs and tunnels */
	unsigned proxy_count;
	struct neighbours neighbours;
};

/* One VIP: an lwIP interface with the VIP alone that has no link of its own. */
struct stack_vip {
	struct netif lwip;
	struct addr address;
	int netif;            /* leaves by */
	struct addr next_hop; /* family 0: by the routing table */
};

enum sock_state {
	SOCK_STATE_LISTEN,  /* `listen` holds */
	SOCK_STATE_EMBRYO,  /* a SYN was received; not shown to the owner yet; `listener` counts it */
	SOCK_STATE_CONNECT, /* a SYN was sent */
	SOCK_STATE_OPEN,    /* the handshake is complete (any state from ESTABLISHED on); pcb NULL: it ended */
	SOCK_STATE_FROZEN,  /* migrated: pcb unlinked from every list, kept for thaw or release */
	SOCK_STATE_HELD,    /* infused, not activated: pcb built, on no list */
	SOCK_STATE_ORPHAN,  /* closed by its owner; TCP finishes alone; freed with its pcb */
};

TAILQ_HEAD(sock_list, sock);

/* Received bytes in order, not consumed: single pbufs linked by `next` (sockbuf.c). Zero-initialised is empty. */
struct sockbuf {
	struct pbuf *head, *tail;
	size_t bytes;       /* unread */
	uint16_t tail_room; /* bytes that fit behind the tail's len, when the tail collects small segments */
};

struct sock {
	struct stack *stack;
	TAILQ_ENTRY(sock) all;    /* stack->socks */
	struct demux_entry entry; /* of its pcb, from its SYN until it ends or enters TIME_WAIT */
	TAILQ_ENTRY(sock) ready;  /* stack->ready, when ready_queued */
	TAILQ_ENTRY(sock) accept; /* listener->accept_queue, when accept_queued */
	enum sock_state state;
	struct tcp_pcb *pcb;          /* NULL for listeners, and when TCP has ended */
	struct tcp_seg *unacked_last; /* of the pcb, when it has any; NULL: not known (hooks.c) */
	struct tuple tuple;           /* as seen from here; a listener's remote is empty; valid for the whole life */
	void *user;
	struct sockbuf unread;
	struct vec *app;          /* of an infused connection: sock_app; NULL: none */
	int error;                /* sock_error */
	uint64_t retransmissions; /* as of stack_counters, of this connection */
	uint32_t want_room; /* tell when as many bytes can be sent, a send having been short; 0: nothing to tell */
	unsigned events;    /* SOCK_* that hold until the owner sees them: CONNECTED, DRAINED, WRITABLE */
	bool ready_queued;
	bool accept_queued;
	bool eof;          /* the peer's FIN was received */
	bool shut_write;   /* our FIN was asked for */
	bool want_drained; /* something was sent since DRAINED was told last */
	bool vip;          /* the local address is a VIP: told by stack_next_closed */
	/* connections that came by a listener */
	struct sock *listener; /* NULL when closed meanwhile */
	/* listeners */
	struct tcp_pcb *listen; /* the listening pcb, in fact a struct tcp_pcb_listen */
	struct sock_list accept_queue;
	uint32_t embryos; /* of it, in SYN_RCVD */
};

/* A tuple waiting for stack_next_closed. */
struct stack_closed {
	STAILQ_ENTRY(stack_closed) next;
	struct tuple tuple;
};

struct stack {
	/* what entering needs comes first: it lies in few cache lines */
	struct image image;      /* lwIP's state while another instance is entered */
	nstime now;              /* of the call that is at work */
	nstime tick_phase;       /* the instance's ticks are at k * 500 ms - tick_phase */
	nstime slow_at, fast_at; /* next ticks that are needed */
	nstime reass_at;         /* next ip_reass_tmr; NSTIME_NEVER without fragments */
	unsigned reass_ticks;    /* seconds for which fragments may still be queued */
	uint8_t timer_calls;     /* lwIP's hidden tcp_timer_ctr: calls of tcp_slowtmr and tcp_fasttmr */
	bool forwarding;
	bool silent;                /* stack_free is at work: nothing is sent */
	struct wheel *wheel;        /* who needs which slow tick; NULL before the first */
	struct demux_queue fast;    /* who needs the next fast tick */
	struct tcp_pcb *output_pcb; /* tcp_output is at work on it */
	struct trace_sink *trace;
	uint32_t half_open_max, connections_max;

	struct stack_netif *netifs[STACK_NETIFS_MAX];
	unsigned netif_count;
	struct stack_vip *vips[STACK_VIPS_MAX];
	unsigned vip_count;
	struct route_table routes;

	struct buf_queue output;  /* buf.mark: the interface */
	struct stack_large large; /* the last of them while segments may be added */
	bool join;                /* whether they are */

	/* Of the packet at work: it stands for several segments, whose checksum is known to be good; while lwIP is to
	 * find that so, its pbuf. */
	bool input_good;
	struct pbuf *good_segment;
	struct buf_queue loopback; /* packets to ourselves, delivered by stack_leave */

	struct sock_list socks; /* all, orphans and embryos too, in order of creation */
	struct sock_list ready;
	struct demux demux;       /* every pcb with a connection */
	uint32_t time_wait_count; /* of them */
	uint32_t listening_count;
	struct { /* to where no port was free; nothing since */
		struct addr address;
		uint16_t port;
		uint64_t removals; /* demux.removals then */
	} exhausted;
	uint32_t sock_count; /* that owners hold or will accept: not embryos, not orphans */
	STAILQ_HEAD(, stack_closed) closed;

	struct hash_key isn_key;     /* RFC 6528 */
	struct random_stream random; /* lwIP's rand() */
	uint16_t port_next;          /* ephemeral port to try next, counted from the first */
	uint16_t ip_id_offset;       /* added to lwIP's counter of IP identifiers */
	uint32_t closed_count;
	struct stack_counters counters;
	char name[STACK_NAME_MAX];
};

/* The instance whose image is current, or NULL; lwIP's hooks use it. */
extern struct stack *stack_current;

/* Makes `s` current and gives lwIP the time. */
void stack_enter(struct stack *s, nstime now);

/* The same for calls that know no time: it stays at that of the last stack_enter of `s`. */
void stack_enter_untimed(struct stack *s);

/* Ends a public call: delivers what we sent to ourselves. Never from an lwIP callback. */
void stack_leave(struct stack *s);

/* The tick counter (tcp_ticks) that belongs to `now` in this instance. */
uint32_t stack_ticks(const struct stack *s, nstime now);

/* ---- netif.c ---- */
struct stack_vip *stack_vip_find(const struct stack *s, const struct addr *a);
bool stack_address_local(const struct stack *s, const struct addr *a); /* an interface's or a VIP */
struct addr stack_addr_from_lwip(const ip_addr_t *a);
void stack_addr_to_lwip(const struct addr *a, ip_addr_t *out);
void stack_drop(struct stack *s, enum stack_drop reason, struct buf *b); /* counts and frees */
/* IP packet to a neighbour on an interface; Ethernet is prepended. Takes ownership. */
void stack_neighbour_send(struct stack *s, unsigned netif, const struct addr *next_hop, struct buf *packet);
/* Hands an IP packet to lwIP. Takes ownership. Entered. */
void stack_lwip_input(struct stack *s, struct netif *in, struct buf *packet);

/* A packet that lwIP sends to one of our own addresses; stack_leave delivers it. The pbuf stays the caller's. */
void stack_loopback(struct stack *s, struct pbuf *p);
/* The interface by which lwIP reaches dst, or NULL. */
struct netif *stack_route_lwip(struct stack *s, const struct addr *dst);
/* Requests and time-outs of the neighbour tables that are due. */
void stack_neighbours_expire(struct stack *s, nstime now);

/* ---- ip6.c ---- */
/* Checks an IPv6 header and takes off what Ethernet padded. False: malformed, or of a source or for a destination that
 * no packet has beyond its link. */
bool stack_ip6_check(struct buf *packet);
/* Whether an IPv6 packet to ourselves is lwIP's business; its extension headers are taken off. Otherwise *why not. */
bool stack_ip6_accept(struct buf *packet, enum stack_drop *why);

/* ---- forward.c ---- */
/* A packet that is not ours, on a router. Takes ownership. True when it was dealt with; false: lwIP's business (then
 * the packet is still the caller's). */
bool stack_forward(struct stack *s, struct buf *packet);

/* Whether a link takes the packet: it is no longer than STACK_MTU, or stands for several that are not. */
bool stack_packet_fits(const struct buf *packet);

/* ---- timers.c ---- */
/* Notes which ticks the entry's pcb needs, after anything that may have changed it. Nothing is done when it has none.
 */
void stack_timers_note(struct stack *s, struct demux_entry *e);
/* The same before what may free the pcb: the next ticks look. */
void stack_timers_note_soon(struct stack *s, struct demux_entry *e);
/* No tick looks at it any more. */
void stack_timers_forget(struct stack *s, struct demux_entry *e);
void stack_timers_fini(struct stack *s);
/* A fragment may wait for others, for as long as its family's do. */
void stack_timers_note_fragment(struct stack *s, bool v6);
/* A second has passed for fragments that wait for others. */
void stack_reassembly_tick(void);

/* ---- segment.c ---- */
/* Looks at a received segment (payload at the TCP header) before lwIP does: blanks MSS and window-scale
 * options outside SYNs, checks the option list and the sequence numbers, cuts what is outside the window. False: drop
 * it, counted. *entry: the connection that it is for, TIME_WAIT too, or NULL; one that is frozen or held is nobody's.
 */
bool stack_segment_defend(struct stack *s, struct pbuf *p, struct demux_entry **entry);
/* After lwIP: keeps the pcb's out-of-order queue within STACK_OOSEQ_MAX. */
void stack_ooseq_trim(struct tcp_pcb *pcb);
/* After lwIP sent what it could: what is still unsent comes after all that is unacknowledged, a retransmission that the
 * window holds back being unacknowledged again; and no persist timer runs without anything unsent. */
void stack_unsent_tidy(struct tcp_pcb *pcb);

/* ---- infuse_tcp.c ---- */
/* A segment to be sent (again): header in network order, the sum of the text kept as tcp_write does. flags: what of the
 * header's is known before it is sent. The pbuf is `spare` bytes longer than it says. NULL: no memory. */
struct tcp_seg *stack_segment_make(const struct tcp_pcb *pcb, uint32_t seq, const uint8_t *text, uint16_t len,
				   uint8_t flags, uint16_t spare);

/* ---- path.c ---- */
/* An ICMPv6 Packet Too Big (payload at its header) for ourselves; lwIP's current packet. The connection that it is for
 * sends no longer packets any more, and what is in flight again; a message not to be believed is counted. The pbuf
 * stays the caller's. */
void stack_too_big(struct stack *s, struct pbuf *p);

/* ---- sock.c ---- */
/* A socket in `state`, on stack->socks, without pcb. NULL when connections_max is reached (never for embryos). */
struct sock *sock_new(struct stack *s, enum sock_state state);

/* Takes it off every list and frees it with its unread data. Its pcb is gone or given up by the caller. */
void sock_free(struct sock *k);

/* Ties pcb and socket: callback_arg, recv, sent and err callbacks, `vip`. The tuple is the caller's to set before.
 * Segments find it once it is in the demultiplexer's table (demux_insert). */
void sock_attach(struct sock *k, struct tcp_pcb *pcb);

/* Frees the socket's pcb with its queues, without a packet and without telling anybody. */
void sock_pcb_discard(struct sock *k);

/* Puts it on the stack's readiness list (once). */
void sock_ready_mark(struct sock *k);

/* The listener for address:port: exact address first, then any. NULL when nothing listens. */
struct sock *sock_listener_find(struct stack *s, const struct addr *address, uint16_t port);

/* Queues an established connection for sock_accept and wakes the listener; sets k->listener. */
void sock_accept_enqueue(struct sock *listener, struct sock *k);

/* The connection with this tuple, TIME_WAIT too, or NULL. */
struct demux_entry *stack_tuple_find(struct stack *s, const struct tuple *t);

/* The socket of a connection, whatever its state; NULL in TIME_WAIT. */
struct sock *sock_of_entry(const struct demux_entry *e);

/* Whether the connection is frozen or held here: lwIP knows nothing of it. */
bool sock_hidden(const struct sock *k);

/* Whether the connection is frozen or held here, so that nothing may be answered for it; counts it. */
bool sock_silenced(struct stack *s, const ip_addr_t *local, const ip_addr_t *remote, uint16_t local_port,
		   uint16_t remote_port);

/* The owner gave it up: nothing is shown of it any more, its pcb goes on. */
void sock_orphan(struct sock *k);

/* An embryo's handshake is complete: its listener has one more to accept. */
void sock_established(struct sock *k);

/* Whether sock_send would take as much as is wanted, or something and nothing is in flight. */
bool sock_writable(const struct sock *k);

/* Calls of hooks.c. */
void sock_pcb_born(struct sock *listener, struct tcp_pcb *pcb);  /* a SYN made a pcb */
void sock_pcb_time_wait(struct tcp_pcb *pcb);                    /* a pcb entered TIME_WAIT */
void sock_time_wait_end(struct stack *s, struct demux_entry *e); /* frees it */
void sock_pcb_gone(struct tcp_pcb *pcb);                         /* lwIP frees a pcb */
void sock_pcb_processed(struct tcp_pcb *pcb);                    /* a segment was processed */

/* ---- sockbuf.c ---- */
void sockbuf_put(struct sockbuf *b, struct pbuf *chain); /* takes ownership */
void sockbuf_append(struct sockbuf *b, const void *bytes, size_t len);
const uint8_t *sockbuf_front(const struct sockbuf *b, size_t *len);
size_t sockbuf_pieces(const struct sockbuf *b, struct iovec *pieces, size_t max);
size_t sockbuf_copy(const struct sockbuf *b, size_t offset, void *out, size_t len);
void sockbuf_consume(struct sockbuf *b, size_t len);
void sockbuf_clear(struct sockbuf *b);

#endif
