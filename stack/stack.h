/* SPDX-License-Identifier: BSD-3-Clause */
/* One TCP/IP stack: an lwIP instance with its interfaces, routes, neighbours and timers.
 *
 * Any number of them live in one process; each call below first switches lwIP's state image to the instance it is given
 * (stack/image.h), so callers never think of it. Frames go in, frames come out when pulled; time is an argument;
 * nothing is called back. What waits for an application is told through sockets (stack/socket.h). It knows nothing of
 * links, nodes or the balancer. Callers: node/. */
#ifndef BATON_STACK_STACK_H
#define BATON_STACK_STACK_H

#include "base/addr.h"
#include "base/buf.h"
#include "base/conn.h"
#include "base/nstime.h"
#include "base/trace.h"

#include <stdbool.h>
#include <stdint.h>

#define STACK_NETIFS_MAX 64U /* Ethernet interfaces of one instance */
#define STACK_VIPS_MAX   64U /* VIPs of one instance */
#define STACK_MTU        1500U

struct stack;

struct stack_config {
	const char *name;         /* for messages; copied */
	uint64_t seed;            /* the run's; keys the ISNs (RFC 6528), ports and IP identifiers with `name` */
	struct trace_sink *trace; /* compile, infuse and indicate events; may be NULL */
	bool forwarding;          /* routes packets between its interfaces */
	bool join;                /* segments that follow each other leave as one (buf.segment_bytes) */
	uint32_t half_open_max;   /* embryonic connections per listener; 0: STACK_HALF_OPEN_DEFAULT */
	uint32_t connections_max; /* sockets; 0: no limit */
};

#define STACK_HALF_OPEN_DEFAULT 4096U

/* Counters; drops are by reason. */
enum stack_drop {
	STACK_DROP_FRAME,     /* not Ethernet we understand, not for our address, or cut short */
	STACK_DROP_DISCOVERY, /* an ARP or neighbour discovery message: malformed, or with an address of ours */
	STACK_DROP_HEADER,    /* bad IP header or its checksum, or an impossible source */
	STACK_DROP_PROTOCOL,  /* to us, but neither TCP nor ICMP nor UDP; of ICMPv6, neither an echo request nor
			       * Packet Too Big */
	STACK_DROP_EXTENSION, /* to us, with IPv6 extension headers that are malformed or not understood */
	STACK_DROP_NEIGHBOUR, /* next hop did not answer, or a queue to it was full */
	STACK_DROP_OUTPUT,    /* too many frames wait to be pulled, or packets to ourselves within one call */
	STACK_DROP_ROUTE,     /* no route, or not ours and not forwarding */
	STACK_DROP_OPTION,    /* a segment's header or options were malformed beyond repair, or its flags impossible */
	STACK_DROP_HALF_OPEN, /* a SYN beyond half_open_max or connections_max */
	STACK_DROP_SEQUENCE,  /* a segment whose numbers have nothing to do with its connection; it is answered */
	STACK_DROP_TOO_BIG,   /* a Packet Too Big: malformed, of nothing that is in flight, or telling nothing new */
	STACK_DROP_COUNT
};
struct stack_counters {
	uint64_t packets_in, packets_out;
	uint64_t options_blanked;    /* MSS or window-scale options in non-SYN segments overwritten */
	uint64_t segments_cut;       /* text or FIN beyond the window or behind a FIN taken off segments */
	uint64_t time_wait_recycled; /* TIME_WAIT pcbs dropped for a fresh SYN */
	uint64_t demux_steps;        /* connections looked at to find those that packets and calls are for */
	uint64_t timer_visits;       /* connections that ticks looked at */
	uint64_t rst_sent;
	uint64_t rst_suppressed;  /* answers not given, because the connection is frozen or held here */
	uint64_t retransmissions; /* segments with data, SYN or FIN sent again by this stack; probes are none */
	uint64_t paths_narrowed;  /* Packet Too Big messages that made a connection's segments shorter */
	uint64_t dropped[STACK_DROP_COUNT];
};

/* "half_open"; for traces and results. Static. */
const char *stack_drop_name(enum stack_drop reason);

/* Proves that every hook (stack/hooks.h) wins over the library's own symbol, by running a scratch instance; call once
 * before the first stack_new. 0 or E_STATE after logging which one is not in force. */
int stack_library_check(void);

struct stack *stack_new(const struct stack_config *config, nstime now);

/* Frees the instance with all sockets, pcbs, pbufs and queued frames, silently (no FIN, no RST). NULL is allowed. */
void stack_free(struct stack *s);

/* Adds an Ethernet interface that is up, with ARP (RFC 826) and neighbour discovery (RFC 4861). The address is IPv4 or
 * IPv6. Returns its index, counted from 0, or E_FULL, E_INVAL. */
int stack_netif_add(struct stack *s, struct mac mac, struct addr address, uint8_t prefix_len);

/* Gives an interface an address of the other family too. 0, or E_EXISTS (it has one of that family), E_FULL, E_INVAL.
 */
int stack_address_add(struct stack *s, int netif, struct addr address, uint8_t prefix_len);

/* One more address that the interface answers requests of neighbours for, and nothing more (a tunnel address, a VIP at
 * its owner). Packets to it are not handed to lwIP unless it is also a VIP. */
void stack_address_proxy(struct stack *s, int netif, struct addr address);

/* Makes `vip` an address of this stack without answering neighbours for it: a second lwIP interface, of the VIP alone.
 * Packets that the stack sends from the VIP leave by `netif` to `next_hop` (family 0: by the routing table). 0, or
 * E_EXISTS, E_FULL, E_INVAL. */
int stack_vip_add(struct stack *s, struct addr vip, int netif, struct addr next_hop);

/* Adds a route; prefix_len 0 is a default route. next_hop of family 0: on-link. Longest prefix wins. 0,
 * or E_FULL, E_INVAL. */
int stack_route_add(struct stack *s, struct addr prefix, uint8_t prefix_len, int netif, struct addr next_hop);

/* A frame arrived. Takes ownership. */
void stack_input(struct stack *s, int netif, struct buf *frame, nstime now);

/* An IP packet is delivered to the stack itself as if it had arrived, whatever interface; data is at the IP header. For
 * VIP packets after the balancer looked at them. Takes ownership. */
void stack_input_ip(struct stack *s, struct buf *packet, nstime now);

/* Sends an IP packet as it is to a neighbour: resolves next_hop on `netif` (-1: route by next_hop), prepends Ethernet.
 * Takes ownership; what cannot be sent is counted and dropped. */
void stack_output_ip(struct stack *s, struct buf *packet, int netif, struct addr next_hop, nstime now);

/* The next frame to put on interface *netif, or NULL. Gives ownership. */
struct buf *stack_output(struct stack *s, int *netif);

/* When stack_expire is due next; NSTIME_NEVER for an idle instance. */
nstime stack_expiry(const struct stack *s);
void stack_expire(struct stack *s, nstime now);

/* No connection is taken any more: SYNs are dropped as beyond half_open_max. For good. */
void stack_listen_stop(struct stack *s);

/* Resets every connection that is not frozen or held, telling owners as if the peer had; returns how many there were.
 */
uint64_t stack_reset(struct stack *s, nstime now);

/* Whether a TCP connection or TIME_WAIT pcb with this tuple exists (used before bouncing an unknown packet). */
bool stack_tuple_known(struct stack *s, const struct tuple *t);

const struct stack_counters *stack_counters(const struct stack *s);

/* What one instance holds now (I5): pcbs in use (listening and TIME_WAIT ones apart), sockets, frames queued. */
struct stack_holdings {
	uint32_t pcbs, time_wait, listening, sockets, frames;
};
void stack_holdings(struct stack *s, struct stack_holdings *out);

/* Blocks allocated through lwIP's allocator by all instances of this process and not freed yet (I5). */
uint64_t stack_blocks_outstanding(void);

/* The table of calls for the balancer; `ep` is the struct stack, endpoint_conn is a struct sock. */
extern const struct endpoint_ops stack_endpoint_ops;

#endif
