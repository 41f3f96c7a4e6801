/* SPDX-License-Identifier: BSD-3-Clause */
/* The defence in front of lwIP's TCP: what a peer can send that its code does not expect.
 *
 * - An MSS or window-scale option is obeyed in any segment; both count in a SYN only (RFC 9293 3.7.1, RFC 7323 2.2).
 * - The options of a second SYN on a connection that is being opened are obeyed too.
 * - A SYN's text is counted twice over when the SYN also acknowledges; SYN with FIN or RST is nothing at all.
 * - TIME_WAIT refuses a new connection on its tuple.
 * - Probing a window of zero ends with the persist timer on and nothing to send, which is an assert a tick later.
 * - The out-of-order queue has no bound.
 * - A window is believed whatever numbers come with it; wild ones make it deaf to those that follow.
 * - What reaches past the window, or past a FIN that waits out of order, is queued as it is and believed later: asserts
 *   again. Two honest instances do the former to each other when segments overtake each other.
 *
 * And one that lwIP does to itself: a segment of a fast retransmission that the window holds back stays in front of
 * later ones that were sent; data written, a FIN or a time-out then find the queues out of order. */
#include "base/checksum.h"
#include "stack/internal.h"
#include "stack/packet.h"

#include <string.h>

#include <lwip/inet_chksum.h>
#include <lwip/ip.h>

#define SEGMENT_MSS_MIN 64U /* a smaller announced MSS is taken for this */

/* The connection that a segment is for, TIME_WAIT too, or NULL. */
static struct demux_entry *segment_entry_find(struct stack *s, const uint8_t *tcp)
{
	struct demux_entry *e = demux_find(&s->demux, ip_current_dest_addr(), ip_current_src_addr(),
					   packet_u16(tcp + 2), packet_u16(tcp));
	const struct sock *k = e ? sock_of_entry(e) : NULL;
	return k && sock_hidden(k) ? NULL : e;
}

static bool segment_checksum_good(struct pbuf *p)
{
	return !ip_chksum_pseudo(p, IP_PROTO_TCP, p->tot_len, ip_current_src_addr(), ip_current_dest_addr());
}

/* Overwrites len bytes at offset, keeping the checksum right (or as wrong as it was). */
static void segment_patch(uint8_t *tcp, uint32_t offset, const uint8_t *bytes, uint32_t len)
{
	uint32_t from = offset & ~1U, to = (offset + len + 1) & ~1U;
	uint8_t old[8];
	uint16_t check;
	memcpy(old, tcp + from, to - from);
	memcpy(tcp + offset, bytes, len);
	memcpy(&check, tcp + TCP_AT_CHECKSUM, 2);
	check = checksum_update(check, old, tcp + from, to - from);
	memcpy(tcp + TCP_AT_CHECKSUM, &check, 2);
}

enum segment_verdict { SEGMENT_GOOD, SEGMENT_BLANK, SEGMENT_RAISE, SEGMENT_MALFORMED };

/* Walks the option list once. `blank` tells whether handshake options have no business here; without `apply` the walk
 * only says what there would be to do. */
static enum segment_verdict segment_options(uint8_t *tcp, uint32_t header_len, bool blank, bool apply)
{
	static const uint8_t nops[4] = {1, 1, 1, 1};
	enum segment_verdict verdict = SEGMENT_GOOD;
	uint32_t at = TCP_HEADER_MIN;
	while (at < header_len && tcp[at] != LWIP_TCP_OPT_EOL) {
		uint8_t kind = tcp[at], len;
		if (kind == LWIP_TCP_OPT_NOP) {
			at++;
			continue;
		}
		len = at + 1 < header_len ? tcp[at + 1] : 0;
		if (len < 2 || at + len > header_len || (kind == LWIP_TCP_OPT_MSS && len != LWIP_TCP_OPT_LEN_MSS) ||
		    (kind == LWIP_TCP_OPT_WS && len != LWIP_TCP_OPT_LEN_WS))
			return SEGMENT_MALFORMED;
		if (blank && (kind == LWIP_TCP_OPT_MSS || kind == LWIP_TCP_OPT_WS)) {
			verdict = SEGMENT_BLANK;
			if (apply)
				segment_patch(tcp, at, nops, len);
		} else if (kind == LWIP_TCP_OPT_MSS && packet_u16(tcp + at + 2) < SEGMENT_MSS_MIN) {
			verdict = SEGMENT_RAISE;
			if (apply)
				segment_patch(tcp, at + 2, (const uint8_t[2]){0, SEGMENT_MSS_MIN}, 2);
		}
		at += len;
	}
	return verdict;
}

/* ---- SYN ---- */

/* RFC 1122 4.2.2.13: a SYN beyond what the last connection received may open the next one. True when it does. */
static bool segment_time_wait_recycle(struct stack *s, struct demux_entry *e, const uint8_t *tcp)
{
	if (!TCP_SEQ_GT(packet_u32(tcp + TCP_AT_SEQ), e->pcb->rcv_nxt))
		return false;
	sock_time_wait_end(s, e);
	s->counters.time_wait_recycled++;
	return true;
}

/* Whether a SYN that would make a new connection must wait: too many half-open ones, or sockets. */
static bool segment_half_open_full(struct stack *s, const uint8_t *tcp)
{
	struct addr local = stack_addr_from_lwip(ip_current_dest_addr());
	const struct sock *listener = sock_listener_find(s, &local, packet_u16(tcp + 2));
	if (!listener)
		return false;
	return listener->embryos >= s->half_open_max ||
	       (s->connections_max && s->sock_count + listener->embryos >= s->connections_max);
}

static bool segment_drop(struct stack *s, enum stack_drop reason)
{
	s->counters.dropped[reason]++;
	return false;
}

/* A SYN, whose checksum is good. False: drop it. */
static bool segment_syn_defend(struct stack *s, uint8_t *tcp, uint32_t header_len, uint32_t text_len,
			       struct demux_entry **entry)
{
	uint8_t flags = tcp[TCP_AT_FLAGS];
	const struct tcp_pcb *pcb = *entry ? (*entry)->pcb : NULL;
	if ((flags & (TCP_FIN | TCP_RST)) || ((flags & TCP_ACK) && text_len))
		return segment_drop(s, STACK_DROP_OPTION);
	if (pcb && pcb->state != TIME_WAIT) {
		bool answer =
			pcb->state == SYN_SENT && (flags & TCP_ACK) && packet_u32(tcp + TCP_AT_ACK) == pcb->lastack + 1;
		if (pcb->state == SYN_RCVD && (flags & TCP_ACK))
			return segment_drop(s, STACK_DROP_OPTION);
		if (!answer && segment_options(tcp, header_len, true, true) == SEGMENT_BLANK)
			s->counters.options_blanked++;
		return true;
	}
	if (flags & TCP_ACK)
		return true;
	if (sock_silenced(s, ip_current_dest_addr(), ip_current_src_addr(), packet_u16(tcp + 2), packet_u16(tcp)))
		return false;
	if (pcb && segment_time_wait_recycle(s, *entry, tcp))
		*entry = NULL;
	return !segment_half_open_full(s, tcp) || segment_drop(s, STACK_DROP_HALF_OPEN);
}

/* ---- text and FIN ---- */

/* Cuts a segment behind `text` bytes, its FIN too, with a checksum for what is left. */
static void segment_cut(struct pbuf *p, uint32_t header_len, uint32_t text)
{
	uint8_t *tcp = p->payload;
	uint16_t sum = 0;
	pbuf_realloc(p, (u16_t)(header_len + text));
	tcp[TCP_AT_FLAGS] &= (uint8_t)~TCP_FIN;
	memcpy(tcp + TCP_AT_CHECKSUM, &sum, 2);
	sum = ip_chksum_pseudo(p, IP_PROTO_TCP, p->tot_len, ip_current_src_addr(), ip_current_dest_addr());
	memcpy(tcp + TCP_AT_CHECKSUM, &sum, 2);
}

/* Whether the numbers have to do with the connection at all. Up to a window too far, a peer may be that trusted an
 * older announcement; an acknowledgement may be of what was sent, and a window late (RFC 5961 5.2). */
static bool segment_related(const struct tcp_pcb *pcb, const uint8_t *tcp)
{
	uint32_t edge = pcb->rcv_nxt + pcb->rcv_wnd + TCP_WND, ack = packet_u32(tcp + TCP_AT_ACK);
	if (TCP_SEQ_GT(packet_u32(tcp + TCP_AT_SEQ), edge))
		return false;
	return !(tcp[TCP_AT_FLAGS] & TCP_ACK) ||
	       (TCP_SEQ_LEQ(ack, pcb->snd_nxt) && TCP_SEQ_GEQ(ack, pcb->lastack - pcb->snd_wnd_max));
}

/* Cuts what lies beyond the window (RFC 9293 3.10.7.4: only what is inside counts) or behind a FIN that was received
 * out of order. What lies wholly outside stays as it is: it is answered. So the out-of-order queue lies inside the
 * window, and a FIN is the last of it. */
static void segment_fit(struct stack *s, const struct tcp_pcb *pcb, struct pbuf *p, uint32_t header_len)
{
	const uint8_t *tcp = p->payload;
	uint32_t text = p->len - header_len, fin = tcp[TCP_AT_FLAGS] & TCP_FIN ? 1 : 0;
	uint32_t seq = packet_u32(tcp + TCP_AT_SEQ), text_edge, fin_edge;
	const struct tcp_seg *last;
	if (!(text + fin) || pcb->state == SYN_SENT || !pcb->rcv_wnd)
		return;
	text_edge = fin_edge = pcb->rcv_nxt + pcb->rcv_wnd;
	if (TCP_SEQ_GEQ(seq, text_edge))
		return;
	for (last = pcb->ooseq; last && last->next;)
		last = last->next;
	if (last && (TCPH_FLAGS(last->tcphdr) & TCP_FIN)) {
		text_edge = last->tcphdr->seqno + last->len;
		fin_edge = text_edge + 1;
	}
	if (TCP_SEQ_LEQ(seq + text, text_edge) && TCP_SEQ_LEQ(seq + text + fin, fin_edge))
		return;
	if (!segment_checksum_good(p))
		return; /* lwIP drops it */
	if (TCP_SEQ_GEQ(seq, text_edge))
		text = 0;
	else
		text = LWIP_MIN(text, text_edge - seq);
	segment_cut(p, header_len, text);
	s->counters.segments_cut++;
}

bool stack_segment_defend(struct stack *s, struct pbuf *p, struct demux_entry **entry)
{
	uint8_t *tcp = p->payload;
	uint32_t header_len;
	enum segment_verdict verdict;
	struct tcp_pcb *pcb;
	bool syn;
	if (p->next || p->len < TCP_HEADER_MIN) /* (what is too long for one pbuf stays in pieces) */
		return segment_drop(s, STACK_DROP_OPTION);
	header_len = tcp_header_len(tcp);
	if (header_len < TCP_HEADER_MIN || header_len > p->len)
		return segment_drop(s, STACK_DROP_OPTION);
	*entry = segment_entry_find(s, tcp);
	syn = tcp[TCP_AT_FLAGS] & TCP_SYN;
	verdict = segment_options(tcp, header_len, !syn, false);
	if (verdict != SEGMENT_GOOD || syn) {
		if (!segment_checksum_good(p))
			return true; /* damaged on the way: lwIP drops it */
		if (verdict == SEGMENT_MALFORMED)
			return segment_drop(s, STACK_DROP_OPTION);
		if (verdict != SEGMENT_GOOD)
			segment_options(tcp, header_len, !syn, true);
		if (verdict == SEGMENT_BLANK)
			s->counters.options_blanked++;
	}
	if (syn)
		return segment_syn_defend(s, tcp, header_len, p->len - header_len, entry);
	if (!*entry || (*entry)->pcb->state == TIME_WAIT)
		return true;
	pcb = (*entry)->pcb;
	if (pcb->state >= ESTABLISHED && !(tcp[TCP_AT_FLAGS] & TCP_RST) && !segment_related(pcb, tcp) &&
	    segment_checksum_good(p)) {
		tcp_send_empty_ack(pcb); /* RFC 9293 3.10.7.4 */
		return segment_drop(s, STACK_DROP_SEQUENCE);
	}
	segment_fit(s, pcb, p, header_len);
	if (p->len - header_len > TCP_MSS)
		tcp_set_flags(pcb, TF_ACK_DELAY); /* as many segments are acknowledged: at once (RFC 9293 3.8.6.3) */
	return true;
}

/* ---- a pcb's queues ---- */

void stack_ooseq_trim(struct tcp_pcb *pcb)
{
	struct tcp_seg *seg = pcb->ooseq;
	for (unsigned i = 1; seg && i < STACK_OOSEQ_MAX; i++)
		seg = seg->next;
	if (seg && seg->next) {
		tcp_segs_free(seg->next);
		seg->next = NULL;
	}
}

static uint32_t segment_seq(const struct tcp_seg *seg)
{
	return lwip_ntohl(seg->tcphdr->seqno);
}

/* Puts back what a fast retransmission took from the front of the unacknowledged and the window holds back. */
static void segment_unsent_order(struct tcp_pcb *pcb)
{
	struct tcp_seg *last = pcb->unacked, *seg;
	if (!last || !pcb->unsent || TCP_SEQ_GEQ(segment_seq(pcb->unsent), pcb->snd_nxt))
		return;
	while (last->next)
		last = last->next;
	while ((seg = pcb->unsent) && TCP_SEQ_LT(segment_seq(seg), segment_seq(last))) {
		struct tcp_seg **place = &pcb->unacked;
		while (TCP_SEQ_LT(segment_seq(*place), segment_seq(seg)))
			place = &(*place)->next;
		pcb->unsent = seg->next;
		seg->next = *place;
		*place = seg;
	}
	if (!pcb->unsent)
		pcb->unsent_oversize = 0;
}

void stack_unsent_tidy(struct tcp_pcb *pcb)
{
	segment_unsent_order(pcb);
	if (pcb->persist_backoff && (!pcb->unsent || pcb->unacked))
		pcb->persist_backoff = 0;
}
