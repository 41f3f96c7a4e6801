/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet Too Big (RFC 4443 3.2): a router on the way to a peer has a link that is narrower than ours. Its message makes
 * the segments of one connection shorter, for good, and sends again what was too long; nothing is kept for others
 * (RFC 8201 5.2 would, but a node's stack outlives no path, and a lie would harm all). lwIP itself would send
 * fragments.
 *
 * Anybody may say so, hence what a message can do is little and what it has to know much: the connection's addresses
 * and ports and a sequence number that is in flight (RFC 5927 4.1), nothing below IPv6's 1280 bytes (RFC 8201 4), and
 * nothing that would make packets longer. Less than that is a drop by name. What was lost so says nothing of congestion
 * (RFC 8201 5.4): the congestion window stays, and the retransmission timer begins anew without backing off.
 *
 * A connection that is frozen or held here is nobody's: it is told again when the segment is next sent. IPv4's packets
 * may be fragmented by routers (lwIP sets no DF), so that nobody has reason to say the like of them. */
#include "base/log.h"
#include "stack/internal.h"
#include "stack/packet.h"

#include <lwip/inet_chksum.h>
#include <lwip/ip.h>

#define TOO_BIG_AT_MTU   4U
#define TOO_BIG_HEADER   8U
#define TOO_BIG_TCP      8U /* of the segment's header: ports and sequence number */
#define PATH_MTU_MIN     1280U
#define PATH_HEADERS_LEN (IP6_HEADER_LEN + TCP_HEADER_MIN)

/* What a message says. */
struct too_big {
	uint32_t mtu;
	struct tuple tuple; /* of the connection, as seen from here */
	uint32_t seq;       /* of the segment that was too long */
};

/* False: damaged, cut short, or of no segment that the node it came to has sent. */
static bool too_big_read(struct pbuf *p, struct too_big *m)
{
	uint8_t bytes[TOO_BIG_HEADER + IP6_HEADER_LEN + TOO_BIG_TCP];
	const uint8_t *ip = bytes + TOO_BIG_HEADER, *tcp = ip + IP6_HEADER_LEN;

	if (pbuf_copy_partial(p, bytes, sizeof(bytes), 0) != sizeof(bytes) || ip[0] >> 4 != 6 ||
	    ip[IP6_AT_NEXT] != IP_PROTO_TCP || memcmp(ip + IP6_AT_SRC, ip6_current_dest_addr()->addr, 16) != 0 ||
	    ip6_chksum_pseudo(p, IP6_NEXT_ICMP, p->tot_len, ip6_current_src_addr(), ip6_current_dest_addr()))
		return false;
	*m = (struct too_big){
		.mtu = packet_u32(bytes + TOO_BIG_AT_MTU),
		.tuple = {.local = packet_src(ip),
			  .remote = packet_dst(ip),
			  .local_port = packet_u16(tcp),
			  .remote_port = packet_u16(tcp + 2)},
		.seq = packet_u32(tcp + TCP_AT_SEQ),
	};
	return true;
}

/* Whether a segment that begins there was sent and is not acknowledged; the first may be so in part. */
static bool path_in_flight(const struct tcp_pcb *pcb, uint32_t seq)
{
	const struct tcp_seg *first = pcb->unacked ? pcb->unacked : pcb->unsent;
	uint32_t low = first ? lwip_ntohl(first->tcphdr->seqno) : pcb->lastack;

	return TCP_SEQ_GEQ(seq, TCP_SEQ_LT(low, pcb->lastack) ? low : pcb->lastack) && TCP_SEQ_LT(seq, pcb->snd_nxt);
}

/* A segment as shorter ones, what is acknowledged of it left out; its FIN and PSH are the last one's. Frees it; returns
 * where the last one's `next` is. */
static struct tcp_seg **segment_shorten(struct tcp_pcb *pcb, struct tcp_seg **place, uint16_t mss)
{
	struct tcp_seg *seg = *place, *next = seg->next;
	uint8_t text[TCP_MSS], flags = TCPH_FLAGS(seg->tcphdr);
	uint32_t seq = lwip_ntohl(seg->tcphdr->seqno);
	uint16_t at = TCP_SEQ_LT(seq, pcb->lastack) ? (uint16_t)LWIP_MIN(pcb->lastack - seq, seg->len) : 0;
	const uint16_t len = seg->len;

	pbuf_copy_partial(seg->p, text, len, (u16_t)(seg->p->tot_len - len));
	pcb->snd_queuelen = (u16_t)(pcb->snd_queuelen - pbuf_clen(seg->p));
	tcp_seg_free(seg);
	do {
		uint16_t n = LWIP_MIN(mss, (uint16_t)(len - at));
		bool last = at + n == len;

		seg = stack_segment_make(pcb, seq + at, text + at, n,
					 last ? flags : flags & (uint8_t) ~(TCP_FIN | TCP_PSH), 0);
		if (!seg)
			log_fatal("out of memory: a segment");
		pcb->snd_queuelen++;
		*place = seg;
		place = &seg->next;
		at = (uint16_t)(at + n);
	} while (at < len);
	*place = next;
	return place;
}

/* What is in flight is to be sent again, and no segment is longer than `mss`. */
static void path_narrow(struct tcp_pcb *pcb, uint16_t mss)
{
	if (pcb->unacked && tcp_rexmit_rto_prepare(pcb) != ERR_OK)
		return; /* (a reference to a segment's pbuf: none outlives the call, see netif.c) */
	for (struct tcp_seg **place = &pcb->unsent; *place;)
		place = (*place)->len > mss ? segment_shorten(pcb, place, mss) : &(*place)->next;
	pcb->mss = mss;
	pcb->unsent_oversize = 0; /* what is written next goes into a pbuf of its own */
	if (pcb->rtime > 0)
		pcb->rtime = 0;
}

void stack_too_big(struct stack *s, struct pbuf *p)
{
	struct too_big m;
	struct demux_entry *e = too_big_read(p, &m) ? stack_tuple_find(s, &m.tuple) : NULL;
	const struct sock *k = e ? sock_of_entry(e) : NULL;

	if (!k || sock_hidden(k) || e->pcb->state < ESTABLISHED || !path_in_flight(e->pcb, m.seq) ||
	    m.mtu < PATH_MTU_MIN || m.mtu - PATH_HEADERS_LEN >= e->pcb->mss) {
		s->counters.dropped[STACK_DROP_TOO_BIG]++;
		return;
	}
	s->counters.paths_narrowed++;
	path_narrow(e->pcb, (uint16_t)(m.mtu - PATH_HEADERS_LEN));
	tcp_output(e->pcb);
	stack_timers_note(s, e);
}
